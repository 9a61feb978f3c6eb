use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::screen::frame::Cell;
use crate::screen::frame::Frame;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;
use crate::tui::engine::Candidate;
use crate::tui::engine::Engine;
use crate::tui::engine::ScriptedEngine;
use crate::tui::input::MAX_INPUT;

const TEXT: &str = "use std::fmt;\n\nfn main() {\n    let x = 1;\n    let y = 2;\n    println!(\"{}\", x + y);\n}\n";

/// A session without a terminal: effects are carried out at once.
struct Session {
    state: State,
    keymap: Keymap,
    engine: ScriptedEngine,
    quit: bool,
}

impl Session {
    fn new(text: &str, engine: ScriptedEngine) -> Self {
        let state = State::new(File::new("main.rs", text, Some(Language::Rust)), (80, 24));
        let mut session = Self { state, keymap: Keymap::default(), engine, quit: false };
        let effects = start(&session.state);
        session.carry_out(effects);
        session
    }

    fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.state, &self.keymap, msg);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Parse(text, language) => {
                    let syntax = Syntax::parse(&text, language, Duration::from_secs(20)).ok().map(Arc::new);
                    self.send(Msg::Parsed(text, syntax));
                }
                Effect::Submit(request) => self.engine.submit(request),
                Effect::Stop => self.engine.stop(),
                Effect::Pause(paused) => self.engine.pause(paused),
                Effect::Apply(hunks) => {
                    let mut text = self.state.file.text.to_string();
                    for hunk in hunks.iter().rev() {
                        assert_eq!(text[hunk.at.range()], hunk.old);
                        text.replace_range(hunk.at.range(), &hunk.new);
                    }
                    self.send(Msg::Applied(Ok(text)));
                }
                Effect::Quit => self.quit = true,
                Effect::Redraw | Effect::Suspend => {}
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            self.send(Msg::Key(key.parse().unwrap()));
        }
    }

    fn poll(&mut self) -> bool {
        let event = self.engine.poll();
        let any = event.is_some();
        if let Some(event) = event {
            self.send(Msg::Engine(event));
        }
        any
    }

    fn settle(&mut self) {
        while self.poll() {}
    }

    fn selected(&self) -> &str {
        &self.state.file.text[self.state.span()]
    }
}

pub(crate) fn frames() -> Vec<Frame> {
    let frame = |step: u32, cells: Vec<Cell>| {
        let masked = cells.iter().filter(|cell| cell.state.is_masked()).count();
        let progress = Progress { step, max_steps: 3, nfe: step, committed: cells.len() - masked, masked, ..Progress::default() };
        Frame { sections: vec![Section { first_line: 4, parts: vec![Part::Lines(cells)] }], progress, ..Frame::default() }
    };
    let word = |text: &str, step| Cell::committed(text, 0.8, step);
    vec![
        frame(1, vec![word("    let x", 1), Cell::masked(4), Cell::masked(3)]),
        frame(2, vec![word("    let x", 1), word(": u32", 2), Cell::masked(3)]),
        frame(3, vec![word("    let x", 1), word(": u32", 2), word(" = 7;\n", 3)]),
    ]
}

fn candidate(text: &str) -> Candidate {
    Candidate { texts: vec![text.to_owned()], parses: Some(true), confidence: 0.8 }
}

fn session() -> Session {
    let candidates = vec![candidate("    let x: u32 = 7;\n    let y = 3;\n"), candidate("    let x = 9;\n    let y = 2;\n")];
    Session::new(TEXT, ScriptedEngine::default().answer(frames(), candidates))
}

#[test]
fn the_whole_story() {
    let mut session = session();
    session.keys("j j j v j");
    assert_eq!(session.selected(), "    let x = 1;\n    let y = 2;\n");
    session.keys("i t y p e space x backspace enter");
    assert_eq!(session.state.mode, Mode::Run);
    assert_eq!(session.engine.requests[0].instruction, "type");
    assert_eq!(session.engine.requests[0].spans.first(), Some(&(27..57)));
    assert!(session.poll());
    assert_eq!(session.state.run.as_ref().unwrap().frames.len(), 1);
    session.settle();
    assert_eq!(session.state.mode, Mode::Review);
    session.keys("space a");
    assert_eq!(&*session.state.file.text, TEXT.replace("x = 1", "x: u32 = 7").replace("y = 2", "y = 3").as_str());
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.file.syntax.is_some(), "parsed again");
    session.keys("q");
    assert!(session.quit);
}

#[test]
fn another_candidate_and_rejected_hunks() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.settle();
    session.keys("a");
    assert!(session.state.message.as_ref().unwrap().text.contains("nothing is accepted"));
    session.keys("x tab");
    assert_eq!(session.state.review.as_ref().unwrap().hunks[0].accepted, None, "decisions belong to one candidate");
    session.keys("A a");
    assert_eq!(&*session.state.file.text, TEXT.replace("x = 1", "x = 9").as_str());
}

#[test]
fn pause_scrub_and_stop() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.poll();
    session.poll();
    session.keys("[");
    let run = session.state.run.clone().unwrap();
    assert!(run.paused && run.shown == Some(0));
    assert!(!session.poll(), "the engine holds");
    session.keys("[ [ ]");
    assert_eq!(session.state.run.as_ref().unwrap().shown, None, "the newest frame again");
    assert_eq!(session.state.run.as_ref().unwrap().changes(), [1, 1]);
    session.keys("space");
    session.keys("s");
    assert!(session.poll());
    assert_eq!(session.state.mode, Mode::Review, "stopped, with what there was");
}

#[test]
fn what_a_given_up_run_tells_is_dropped() {
    let mut session = session();
    session.keys("j j j v j i enter");
    session.poll();
    session.keys("esc");
    assert_eq!(session.state.mode, Mode::Browse);
    session.settle();
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.review.is_none() && session.state.run.is_none());
}

#[test]
fn growing_and_shrinking_the_selection() {
    let mut session = session();
    session.keys("j j j +");
    assert!(session.selected().starts_with("let"), "{:?}", session.selected());
    let first = session.state.selection.clone();
    session.keys("alt-o alt-o");
    assert!(session.selected().starts_with('{') || session.selected().starts_with("fn main"), "{:?}", session.selected());
    session.keys("minus alt-i");
    assert_eq!(session.state.selection, first);
    for _ in 0..20 {
        session.keys("+");
    }
    assert_eq!(session.selected(), TEXT);
}

#[test]
fn failures_are_told_and_leave_the_file() {
    let mut session = Session::new(TEXT, ScriptedEngine::default());
    session.keys("i enter");
    session.settle();
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.message.as_ref().unwrap().is_error);
    session.send(Msg::Engine(Event::Failed { id: None, message: "device lost\u{1b}[2J".into() }));
    session.keys("i enter");
    let message = session.state.message.clone().unwrap();
    assert_eq!(message, Message { text: "device lost␛[2J".into(), is_error: true });
    assert_eq!(&*session.state.file.text, TEXT);
}

#[test]
fn a_candidate_that_changes_nothing_needs_no_review() {
    let engine = ScriptedEngine::default().answer(frames(), vec![candidate("    let x = 1;\n")]);
    let mut session = Session::new(TEXT, engine);
    session.keys("j j j i enter");
    session.settle();
    assert_eq!(session.state.mode, Mode::Browse);
    assert!(session.state.message.as_ref().unwrap().text.contains("nothing to change"));
}

#[test]
fn typing_pasting_and_history() {
    let mut session = session();
    session.keys("i");
    session.send(Msg::Paste("日本\r\nx\u{1b}[2J".into()));
    assert_eq!(session.state.input.text, "日本  x[2J");
    session.keys("home delete right");
    assert_eq!(session.state.input.text, "本  x[2J");
    session.send(Msg::Paste("z".repeat(1 << 20)));
    assert!(session.state.input.text.len() <= MAX_INPUT);
    session.keys("ctrl-e ctrl-u");
    assert_eq!(session.state.input, crate::tui::state::Input::default());
    session.keys("? enter");
    session.keys("esc i up");
    assert_eq!(session.state.history, ["?"], "a question mark is text while one types");
}

#[test]
fn an_old_parse_is_not_taken() {
    let mut session = session();
    let other: Arc<str> = "fn other() {}".into();
    let syntax = Syntax::parse(&other, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    session.send(Msg::Parsed(other.clone(), syntax));
    assert_eq!(session.state.file.syntax.as_ref().unwrap().text_len(), TEXT.len());
}

#[test]
fn help_closes_with_any_key_and_leaves_with_ctrl_c() {
    let mut session = session();
    session.keys("? j");
    assert!(!session.state.help && session.state.cursor == 0);
    session.keys("? ctrl-c");
    assert!(session.quit);
}

fn any_msg() -> impl Strategy<Value = Msg> {
    let keys = "up down page-up page-down home end j k v V + minus alt-o alt-i i enter esc tab space x a A n p g s [ ] left right ? \
                backspace delete ctrl-u ctrl-l u 日";
    let keys: Vec<Key> = keys.split_whitespace().map(|key| key.parse().unwrap()).collect();
    let frame = frames().remove(1);
    prop_oneof![
        12 => prop::sample::select(keys).prop_map(Msg::Key),
        1 => ".{0,20}".prop_map(Msg::Paste),
        1 => (0u16..300, 0u16..100).prop_map(|(width, height)| Msg::Resize(width, height)),
        2 => (0u64..4).prop_map(move |id| Msg::Engine(Event::Frame { id, frame: Arc::new(frame.clone()) })),
        1 => ((0u64..4), prop::collection::vec("[a-z\n日]{0,12}", 0..3)).prop_map(|(id, texts)| {
            let candidates = texts.iter().map(|text| candidate(text)).collect();
            Msg::Engine(Event::Finished { id, candidates })
        }),
        1 => prop::option::of(0u64..4).prop_map(|id| Msg::Engine(Event::Failed { id, message: "failed".into() })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_sequence_of_messages_breaks_the_state(messages in prop::collection::vec(any_msg(), 0..120), text in "[a-z {}();\n\t日]{0,80}") {
        let mut session = Session::new(&text, ScriptedEngine::default());
        let theme = crate::tui::theme::Theme::named("dark").unwrap();
        for message in messages {
            let before = (session.state.file.text.clone(), session.state.review.clone());
            session.send(message);
            let state = &session.state;
            prop_assert!(state.cursor < state.file.line_count());
            prop_assert!(state.file.text.get(state.span()).is_some());
            prop_assert!(state.input.text.is_char_boundary(state.input.cursor));
            if state.file.text != before.0 {
                let spans = before.1.map(|review| review.spans).unwrap_or_default();
                let (old, new) = (before.0, &state.file.text);
                prop_assert!(spans.len() == 1);
                prop_assert_eq!(&old[..spans[0].start], &new[..spans[0].start], "outside of the span nothing changes");
                let behind = old.len() - spans[0].end;
                prop_assert_eq!(&old[spans[0].end..], &new[new.len() - behind..]);
            }
            let (width, height) = (state.size.0.clamp(1, 60), state.size.1.clamp(1, 20));
            let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| crate::tui::view::view(state, &theme, &session.keymap, frame)).unwrap();
        }
    }
}
