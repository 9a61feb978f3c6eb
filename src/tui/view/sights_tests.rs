//! What the views are tested on: states in the order of a session.

use super::*;

pub(super) const TEXT: &str = "use std::collections::HashMap;\n\n/// Counts words: 日本語.\npub fn count(text: &str) -> HashMap<String, usize> {\n\tlet mut counts = HashMap::new();\n    for word in text.split_whitespace() {\n        *counts.entry(word.to_string()).or_insert(0) += 1;\n    }\n    counts\n}\n";

/// What is looked at: names of the states, in the order of a session.
pub(super) fn sights(size: (u16, u16)) -> Vec<(&'static str, State)> {
    let mut none = State::new(File::new("", "", None), Look::automatic(Depth::True, false), size);
    none.engine = EngineState::Loading(0.4);
    let mut selected = state(size);
    selected.selection = Some(Selection::Lines { anchor: 7 });
    selected.marks = vec![0..31];
    let mut prompt = state(size);
    type_keys(&mut prompt, "i l o w e r");
    let mut side = reviewing(size);
    type_keys(&mut side, "x d");
    let mut compare = reviewing(size);
    type_keys(&mut compare, "c");
    let mut help = running(size);
    type_keys(&mut help, "?");
    vec![
        ("no-file", none),
        ("picker", picking(size)),
        ("browse", state(size)),
        ("selected", selected),
        ("prompt", prompt),
        ("run", running(size)),
        ("tokens", steering(size)),
        ("review", reviewing(size)),
        ("side-by-side", side),
        ("compare", compare),
        ("verifying", verifying(size)),
        ("complaints", complaining(size, "")),
        ("complaint", complaining(size, " ]")),
        ("complaint-side-by-side", complaining(size, " ] ] d")),
        ("search", searching(size)),
        ("sideways", sideways(size)),
        ("recipes", recipes(size)),
        ("replay", replaying(size)),
        ("help", help),
    ]
}

/// Commands at work on the candidate.
pub(super) fn verifying(size: (u16, u16)) -> State {
    let mut state = reviewing(size);
    type_keys(&mut state, "v");
    let id = state.verifying.as_ref().unwrap().id;
    let progress = Progressed { command: "cargo check --quiet".into(), baseline: true, at: 1, count: 2, seconds: 7 };
    update(&mut state, &Keymap::default(), Msg::Verify(verify::Event::Running { id, progress }));
    state
}

/// Commands that complain, and keys after that.
pub(super) fn complaining(size: (u16, u16), keys: &str) -> State {
    let mut state = verifying(size);
    let id = state.verifying.as_ref().unwrap().id;
    let found = |file: Option<&str>, line, level, message: &str| verify::Diagnostic {
        file: file.map(str::to_owned),
        line,
        level,
        message: message.into(),
    };
    let diagnostics = vec![
        found(None, 5, verify::Level::Warning, "variable does not need to be mutable"),
        found(None, 7, verify::Level::Error, "mismatched types: expected `usize`, found `u32`; 日本語\u{1b}[2J"),
        found(None, 7, verify::Level::Warning, "unused"),
        found(Some("src/main.rs"), 3, verify::Level::Error, "cannot find `count`"),
    ];
    let failure = "`cargo check --quiet` failed (exit code 101)".into();
    let verdict = verify::Verdict { diagnostics, failure, ..Default::default() };
    update(&mut state, &Keymap::default(), Msg::Verify(verify::Event::Finished { id, verdict }));
    if keys.is_empty() {
        state.message = None;
    } else {
        type_keys(&mut state, keys.trim());
    }
    state
}

/// What is looked for stands in three places.
pub(super) fn searching(size: (u16, u16)) -> State {
    let mut state = state(size);
    state.cursor = 0;
    type_keys(&mut state, "/ c o u n t");
    let (revision, text) = (state.search.revision, state.file.text.clone());
    let matches = crate::tui::state::search::find(&text, "count");
    update(&mut state, &Keymap::default(), Msg::Matches { revision, text, matches });
    state
}

/// Long lines of which the beginning is not in view.
pub(super) fn sideways(size: (u16, u16)) -> State {
    let mut state = state(size);
    let long = format!("{}日本語 the end of a line that is very long;\nshort\n", "let x = 1; ".repeat(40));
    state.file = File::new("src/long.rs", long, None);
    state.cursor = 0;
    type_keys(&mut state, "right");
    state
}

/// What the recipes find.
pub(super) fn recipes(size: (u16, u16)) -> State {
    let mut state = state(size);
    type_keys(&mut state, "r");
    let item = |(label, detail, at): (&str, &str, std::ops::Range<usize>)| Item {
        label: label.to_owned(),
        detail: detail.to_owned(),
        badge: ' ',
        value: Value::Finding { at, instruction: String::new(), rewrite: Vec::new() },
    };
    let found = [
        (" all  the 2 rewritings that keep the meaning", "", 88..100),
        ("   4  a public function without documentation", "missing-doc · for the model", 61..88),
        ("   7  asks whether it is empty", "len-zero · rewritten, changes what it does", 150..160),
    ];
    let items = found.map(item).to_vec();
    let text = state.file.text.clone();
    update(&mut state, &Keymap::default(), Msg::Answer(Answer::Findings(text, Ok(items))));
    type_keys(&mut state, "down down");
    state
}

/// A recorded run, one step from its start.
pub(super) fn replaying(size: (u16, u16)) -> State {
    let mut state = state(size);
    let frames = (1..=4).map(|step| Arc::new(frame_of(step))).collect();
    let (file, model) = ("src/other.rs".to_owned(), "qwen2.5-coder-0.5b".to_owned());
    let replay = Replay { file, model, candidate: 0, text: String::new(), spans: vec![0..0], frames };
    update(&mut state, &Keymap::default(), Msg::Answer(Answer::Replayed(Ok(replay))));
    type_keys(&mut state, "]");
    state
}

pub(super) fn type_keys(state: &mut State, keys: &str) {
    for key in keys.split(' ') {
        update(state, &Keymap::default(), Msg::Key(key.parse().unwrap()));
    }
}

pub(super) fn picking(size: (u16, u16)) -> State {
    let mut state = state(size);
    type_keys(&mut state, "o");
    let item = |(label, badge, detail): &(&str, char, &str)| Item {
        label: (*label).to_owned(),
        detail: (*detail).to_owned(),
        badge: *badge,
        value: Value::File((*label).to_owned()),
    };
    let files = [
        ("src/count.rs", 'M', "modified"),
        ("notes.md", '?', "untracked"),
        ("src/a/very/long/path/that/goes/on/and/on/until/it/reaches/the/border/of/the/box/日本語.rs", ' ', ""),
        ("src/main.rs", ' ', ""),
    ];
    let items = files.iter().map(item).collect();
    update(&mut state, &Keymap::default(), Msg::Answer(Answer::Items(Kind::Files, Ok(items))));
    for effect in [
        update(&mut state, &Keymap::default(), Msg::Key("s".parse().unwrap())),
        update(&mut state, &Keymap::default(), Msg::Key("r".parse().unwrap())),
    ]
    .concat()
    {
        if let crate::tui::update::Effect::Filter { revision, items, query } = effect {
            update(&mut state, &Keymap::default(), Msg::Filtered { revision, found: filter(&items, &query) });
        }
    }
    state
}

/// A run whose cursor is on a token.
pub(super) fn steering(size: (u16, u16)) -> State {
    let mut state = running(size);
    type_keys(&mut state, "right");
    let alternative = |(token, text, probability): (u32, &str, f32)| Alternative { token, text: text.into(), probability };
    let known = [(1, ".split_whitespace", 0.61), (2, ".split", 0.22), (3, " ", 0.1), (4, "日本\n", 0.004)].map(alternative);
    let choices = Choices::from([(SlotId { span: 0, index: 1 }, known.to_vec())]);
    update(&mut state, &Keymap::default(), Msg::Engine(Event::Choices { id: 1, choices }));
    state
}

pub(super) fn state(size: (u16, u16)) -> State {
    let mut file = File::new("src/count.rs", TEXT, Some(Language::Rust));
    file.syntax = Syntax::parse(TEXT, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    let mut state = State::new(file, Look::automatic(Depth::True, false), size);
    state.engine = EngineState::Ready("qwen2.5-coder-0.5b · cpu".into());
    state.git = Some(GitState { branch: "main".into(), modified: true });
    state.cursor = 5;
    state
}

pub(super) fn frame_of(step: u32) -> crate::screen::frame::Frame {
    let cells = vec![
        Cell::committed("    for word in text", 0.99, 1),
        Cell::committed(".split_whitespace", 0.6, step),
        Cell::pinned("() {\n"),
        Cell { text: "oops".into(), state: CellState::Masked { columns: 4 } },
        Cell::masked(9),
    ];
    let progress = Progress {
        step,
        max_steps: 12,
        nfe: step,
        tpf: Some(2.75),
        tokens_per_second: Some(38.0),
        committed: 3 * step as usize,
        masked: 2,
        ..Progress::default()
    };
    crate::screen::frame::Frame {
        sections: vec![Section { first_line: 6, parts: vec![Part::Lines(cells)] }],
        progress,
        ..Default::default()
    }
}

pub(super) fn running(size: (u16, u16)) -> State {
    let mut state = state(size);
    let keymap = Keymap::default();
    state.selection = Some(Selection::Lines { anchor: 7 });
    for key in ["i", "l", "o", "w", "e", "r", "enter"] {
        update(&mut state, &keymap, Msg::Key(key.parse().unwrap()));
    }
    for step in 1..=4 {
        let event = Event::Frame { id: 1, frame: Arc::new(frame_of(step)) };
        update(&mut state, &keymap, Msg::Engine(event));
    }
    state
}

pub(super) fn reviewing(size: (u16, u16)) -> State {
    let mut state = running(size);
    let text =
        "    for word in text.split_whitespace() {\n        *counts.entry(word.to_lowercase()).or_insert(0) += 1;\n    }\n";
    let candidate = |confidence| Candidate { texts: vec![text.to_owned()], parses: Some(true), confidence };
    let candidates = vec![candidate(0.87), candidate(0.5)];
    update(&mut state, &Keymap::default(), Msg::Engine(Event::Finished { id: 1, candidates }));
    state
}
