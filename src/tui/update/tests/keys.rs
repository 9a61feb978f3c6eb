//! Every key, and every sequence of messages.

use proptest::prelude::*;

use super::*;
use crate::tui::keymap::Rebinding;

fn any_msg() -> impl Strategy<Value = Msg> {
    let context = crate::tui::keymap::Context::ALL;
    let keymap = Keymap::default();
    let mut keys: Vec<Key> = "backspace delete ctrl-a ctrl-e 日 x z".split_whitespace().map(|key| key.parse().unwrap()).collect();
    // Every key that means something, and some that are typed.
    for (_, bound) in context.into_iter().flat_map(|context| keymap.actions(context)) {
        keys.extend(bound.split(' ').map(|key| key.parse::<Key>().unwrap()));
    }
    let frame = frames().remove(1);
    let choices =
        Choices::from([(slot(0), vec![crate::tui::engine::Alternative { token: 1, text: "日".into(), probability: 0.5 }])]);
    let kind = prop_oneof![Just(MouseKind::Press), Just(MouseKind::Drag), Just(MouseKind::WheelUp), Just(MouseKind::WheelDown)];
    prop_oneof![
        20 => prop::sample::select(keys).prop_map(Msg::Key),
        1 => ".{0,20}".prop_map(Msg::Paste),
        1 => (0u16..300, 0u16..100).prop_map(|(width, height)| Msg::Resize(width, height)),
        2 => (kind, 0u16..90, 0u16..30).prop_map(|(kind, column, row)| Msg::Mouse(Mouse { kind, column, row })),
        3 => (0u64..4).prop_map(move |id| Msg::Engine(Event::Frame { id, frame: Arc::new(frame.clone()) })),
        1 => (0u64..4).prop_map(move |id| Msg::Engine(Event::Choices { id, choices: choices.clone() })),
        2 => ((0u64..4), prop::collection::vec("[a-z\n日]{0,12}", 0..3)).prop_map(|(id, texts)| {
            let candidates = texts.iter().map(|text| candidate(text)).collect();
            Msg::Engine(Event::Finished { id, candidates })
        }),
        1 => prop::option::of(0u64..4).prop_map(|id| Msg::Engine(Event::Failed { id, message: "failed".into() })),
        1 => any::<bool>().prop_map(|light| Msg::Background { light }),
        1 => Just(Msg::Tick),
        2 => (1u64..40, any::<bool>(), 0usize..9).prop_map(|(id, passed, line)| {
            let file = (line == 7).then(|| "other.rs".to_owned());
            let found = verifier::Diagnostic { file, line, level: verifier::Level::Error, message: "日 no".into() };
            let verdict = verifier::Verdict { passed, diagnostics: vec![found], masked: vec![(0, 0..line)], ..Default::default() };
            Msg::Verify(verifier::Event::Finished { id, verdict })
        }),
        1 => (1u64..40).prop_map(|id| Msg::Verify(verifier::Event::Failed { id, message: "failed".into() })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_sequence_of_messages_breaks_the_state(messages in prop::collection::vec(any_msg(), 0..120), text in "[a-z {}();\n\t日]{0,80}") {
        let mut session = Session::new(&text, ScriptedEngine::default());
        for message in messages {
            let before = (session.state.file.text.clone(), session.state.review.clone(), session.jobs.len());
            session.send(message);
            let state = &session.state;
            prop_assert!(state.cursor < state.file.line_count());
            prop_assert!(state.spans().into_iter().all(|span| state.file.text.get(span).is_some()));
            prop_assert!(state.input.text.is_char_boundary(state.input.cursor));
            if session.jobs[before.2..].iter().any(|job| job == "Apply") && state.file.text != before.0 {
                let spans = before.1.map(|review| review.spans).unwrap_or_default();
                let (old, new) = (before.0, &state.file.text);
                let (first, last) = (spans[0].start, spans[spans.len() - 1].end);
                prop_assert_eq!(&old[..first], &new[..first], "outside of the spans nothing changes");
                let behind = old.len() - last;
                prop_assert_eq!(&old[last..], &new[new.len() - behind..]);
            }
            let (width, height) = (state.size.0.clamp(1, 60), state.size.1.clamp(1, 20));
            let mut small = session.state.clone();
            small.size = (width, height);
            let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| crate::tui::view::view(&small, &small.look.theme, &session.keymap, frame)).unwrap();
        }
    }
}

/// A session in each context, in states where its keys have something to do.
fn occasions(context: Context) -> Vec<Session> {
    let long: String = (0..200).map(|line| format!("fn line_{line}() {{ work({line}); }}\n")).collect();
    let several = vec![candidate("    let x = 9;\n    let y = 7;\n"), candidate("    let x = 9;\n    let y = 2;\n")];
    let reviewing = || {
        let two_hunks = vec![candidate("A\nb\nC\nd\ne\n"), candidate("a\nB\nc\n")];
        let mut session = Session::open("x.rs", "a\nb\nc\nd\ne\n", ScriptedEngine::default().answer(frames(), two_hunks));
        session.keys("v G i enter");
        session.settle();
        session
    };
    match context {
        Context::Browse | Context::Global => {
            let mut middle = Session::new(&long, ScriptedEngine::default());
            (0..50).for_each(|_| middle.keys("down"));
            let mut selected = Session::new(&long, ScriptedEngine::default());
            selected.keys("down + +");
            let mut found = Session::new(&long, ScriptedEngine::default());
            found.keys("/ w o r k enter j j j j");
            let mut wide = Session::new(&"x".repeat(400), ScriptedEngine::default());
            wide.state.left = 100;
            vec![middle, selected, found, wide]
        }
        Context::Prompt => {
            let mut session = Session::new(TEXT, ScriptedEngine::default().answer(frames(), several));
            session.state.history = vec!["one".into(), "two".into()];
            session.keys("i up");
            vec![session]
        }
        Context::Run => {
            let mut held = steered();
            held.keys("right");
            held.settle();
            let alternative = crate::tui::engine::Alternative { token: 1, text: "x".into(), probability: 0.1 };
            if let Some(run) = &mut held.state.run {
                run.choices.insert(slot(0), vec![alternative; 8]);
            }
            let mut two_lines =
                Session::new(TEXT, ScriptedEngine::default().answer(vec![self::two_lines()], vec![candidate("x\n")]));
            two_lines.keys("i enter");
            two_lines.poll();
            two_lines.keys("right");
            let mut second_line =
                Session::new(TEXT, ScriptedEngine::default().answer(vec![self::two_lines()], vec![candidate("x\n")]));
            second_line.keys("i enter");
            second_line.poll();
            second_line.keys("right right right");
            vec![held, two_lines, second_line, steered()]
        }
        Context::Review => {
            let mut decided = reviewing();
            decided.keys("space n");
            let mut hidden = reviewing();
            hidden.keys("A");
            let mut wide = Session::open("x.rs", &"x".repeat(400), ScriptedEngine::default().answer(frames(), several));
            wide.keys("i enter");
            wide.settle();
            wide.state.left = 100;
            vec![reviewing(), decided, hidden, wide]
        }
        Context::Search => {
            let mut typed = Session::new(&long, ScriptedEngine::default());
            typed.keys("/ w o r k");
            vec![typed]
        }
        Context::Picker => {
            let mut session = Session::new(TEXT, ScriptedEngine::default());
            session.keys("o down");
            vec![session]
        }
    }
}

fn two_lines() -> Frame {
    let cells = ["let a", ";\n", "let b", ";\n"].map(|text| Cell::committed(text, 0.95, 1)).to_vec();
    Frame { sections: vec![Section { first_line: 1, parts: vec![Part::Lines(cells)] }], ..Frame::default() }
}

/// No key of the keymap, and so of the help and of the tour, is without effect.
#[test]
fn every_key_of_every_context_does_something() {
    let keymap = Keymap::default();
    for context in Context::ALL {
        for (action, keys) in keymap.actions(context) {
            for key in keys.split(' ') {
                let key: Key = key.parse().unwrap();
                let does = occasions(context).into_iter().any(|mut session| {
                    session.state.message = None;
                    let before = format!("{:?}", session.state);
                    let effects = update(&mut session.state, &keymap, Msg::Key(key));
                    !effects.is_empty() || before != format!("{:?}", session.state)
                });
                assert!(does, "{}: {key} ({})", context.name(), action.name());
            }
        }
    }
}

/// Whatever key an action is bound to, it does the same; what is said may name another key.
#[test]
fn a_key_of_the_users_does_what_the_default_does() {
    let all: Vec<(Context, Vec<Session>)> = Context::ALL.into_iter().map(|context| (context, occasions(context))).collect();
    let own: Key = "alt-x".parse().unwrap();
    for (context, default, action) in crate::tui::action::DEFAULTS {
        let rebinding = Rebinding { context: context.name().into(), key: "alt-x".into(), action: action.name().into() };
        let keymap = Keymap::with(&[rebinding]).unwrap();
        let (_, sessions) = all.iter().find(|(each, _)| each == context).unwrap();
        for session in sessions {
            let press = |keymap: &Keymap, key: Key| {
                let mut state = session.state.clone();
                let effects = update(&mut state, keymap, Msg::Key(key));
                state.message = None;
                // The list of commands names the keys.
                if *action == Action::Palette && state.overlay.take().is_some() {
                    state.cursor += 1;
                }
                format!("{effects:?} {state:?}")
            };
            assert_eq!(press(&keymap, own), press(&Keymap::default(), default.parse().unwrap()), "{context:?} {action:?}");
        }
    }
}
