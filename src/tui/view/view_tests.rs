use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::*;
use crate::screen::colour::Depth;
use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;
use crate::tui::engine::Alternative;
use crate::tui::engine::Candidate;
use crate::tui::engine::Choices;
use crate::tui::engine::Event;
use crate::tui::engine::SlotId;
use crate::tui::host::Answer;
use crate::tui::state::EngineState;
use crate::tui::state::File;
use crate::tui::state::GitState;
use crate::tui::state::Look;
use crate::tui::state::Selection;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Kind;
use crate::tui::state::picker::Value;
use crate::tui::state::picker::filter;
use crate::tui::update::Msg;
use crate::tui::update::update;

const TEXT: &str = "use std::collections::HashMap;\n\n/// Counts words: 日本語.\npub fn count(text: &str) -> HashMap<String, usize> {\n\tlet mut counts = HashMap::new();\n    for word in text.split_whitespace() {\n        *counts.entry(word.to_string()).or_insert(0) += 1;\n    }\n    counts\n}\n";

/// What is looked at: names of the states, in the order of a session.
fn sights(size: (u16, u16)) -> Vec<(&'static str, State)> {
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
        ("help", help),
    ]
}

fn type_keys(state: &mut State, keys: &str) {
    for key in keys.split(' ') {
        update(state, &Keymap::default(), Msg::Key(key.parse().unwrap()));
    }
}

fn picking(size: (u16, u16)) -> State {
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
fn steering(size: (u16, u16)) -> State {
    let mut state = running(size);
    type_keys(&mut state, "right");
    let alternative = |(token, text, probability): (u32, &str, f32)| Alternative { token, text: text.into(), probability };
    let known = [(1, ".split_whitespace", 0.61), (2, ".split", 0.22), (3, " ", 0.1), (4, "日本\n", 0.004)].map(alternative);
    let choices = Choices::from([(SlotId { span: 0, index: 1 }, known.to_vec())]);
    update(&mut state, &Keymap::default(), Msg::Engine(Event::Choices { id: 1, choices }));
    state
}

fn state(size: (u16, u16)) -> State {
    let mut file = File::new("src/count.rs", TEXT, Some(Language::Rust));
    file.syntax = Syntax::parse(TEXT, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    let mut state = State::new(file, Look::automatic(Depth::True, false), size);
    state.engine = EngineState::Ready("qwen2.5-coder-0.5b · cpu".into());
    state.git = Some(GitState { branch: "main".into(), modified: true });
    state.cursor = 5;
    state
}

fn frame_of(step: u32) -> crate::screen::frame::Frame {
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

fn running(size: (u16, u16)) -> State {
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

fn reviewing(size: (u16, u16)) -> State {
    let mut state = running(size);
    let text =
        "    for word in text.split_whitespace() {\n        *counts.entry(word.to_lowercase()).or_insert(0) += 1;\n    }\n";
    let candidate = |confidence| Candidate { texts: vec![text.to_owned()], parses: Some(true), confidence };
    let candidates = vec![candidate(0.87), candidate(0.5)];
    update(&mut state, &Keymap::default(), Msg::Engine(Event::Finished { id: 1, candidates }));
    state
}

fn draw_with(state: &State, theme: &Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| view(state, theme, &Keymap::default(), frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(state: &State) -> String {
    let buffer = draw_with(state, &Theme::named("dark").unwrap());
    let row = |y: u16| {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (crate::screen::text::columns(symbol) as u16).max(1);
        }
        line.trim_end().to_owned()
    };
    (0..buffer.area.height).map(row).collect::<Vec<_>>().join("\n")
}

/// Every sight at a size, as text.
fn album(size: (u16, u16)) -> String {
    let rule = "─".repeat(usize::from(size.0));
    sights(size).iter().map(|(name, state)| format!("{rule} {name}\n{}\n", text(state))).collect()
}

#[test]
fn every_sight_at_40x12() {
    insta::assert_snapshot!("40x12", album((40, 12)));
}

#[test]
fn every_sight_at_80x24() {
    insta::assert_snapshot!("80x24", album((80, 24)));
}

#[test]
fn every_sight_at_200x60() {
    insta::assert_snapshot!("200x60", album((200, 60)));
}

/// The colours of a screen: for each row its runs of one style.
fn styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let (start, style) = (x, buffer[(x, y)].style());
            let mut text = String::new();
            while x < buffer.area.width && buffer[(x, y)].style() == style {
                text.push_str(buffer[(x, y)].symbol());
                x += 1;
            }
            let colour = |colour: Option<Color>| match colour {
                None | Some(Color::Reset) => "-".to_owned(),
                Some(colour) => colour.to_string(),
            };
            if !text.trim().is_empty() || colour(style.bg) != "-" {
                let (fg, bg) = (colour(style.fg), colour(style.bg));
                out.push_str(&format!("{y}:{start} {:?} {fg} on {bg} {:?}\n", text.trim_end(), style.add_modifier));
            }
        }
    }
    out
}

#[test]
fn a_run_in_the_colours_of_every_theme() {
    for name in Theme::names() {
        let drawn = styles(&draw_with(&steering((60, 14)), &Theme::named(name).unwrap()));
        insta::assert_snapshot!(format!("theme-{name}"), drawn);
    }
}

#[test]
fn help_comes_from_the_keymap() {
    for (_, mut state) in sights((200, 60)) {
        state.overlay = Some(crate::tui::state::Overlay::Help { scroll: 0 });
        let shown = text(&state);
        for (keys, help) in Keymap::default().help(state.mode.context()) {
            let line = shown.lines().find(|line| line.contains(help) && line.contains(&keys));
            assert!(line.is_some(), "{keys} {help}:\n{shown}");
        }
    }
}

#[test]
fn all_of_the_help_can_be_scrolled_to() {
    let mut seen = String::new();
    for scroll in 0..200 {
        let mut state = running((40, 12));
        state.overlay = Some(crate::tui::state::Overlay::Help { scroll });
        seen.push_str(&text(&state));
    }
    for (_, help) in Keymap::default().help(crate::tui::keymap::Context::Run) {
        let start: String = help.chars().take(16).collect();
        assert!(seen.contains(&start), "{help}");
    }
}

#[test]
fn nothing_breaks_at_any_size_in_any_theme() {
    for name in Theme::names() {
        let theme = Theme::named(name).unwrap();
        for size in [(1, 1), (3, 2), (19, 3), (20, 4), (21, 5), (40, 12), (49, 9), (80, 24), (200, 60)] {
            for (sight, state) in sights(size) {
                let buffer = draw_with(&state, &theme);
                if name == "mono" {
                    let plain = |colour: Color| colour == Color::Reset;
                    assert!(buffer.content().iter().all(|cell| plain(cell.fg) && plain(cell.bg)), "{sight}");
                }
            }
        }
    }
}

#[test]
fn roles_reach_the_cells() {
    let theme = Theme::named("dark").unwrap();
    let buffer = draw_with(&running((80, 24)), &theme);
    let style_of = |symbol: &str, nth: usize| {
        let cell = buffer.content().iter().filter(|cell| cell.symbol() == symbol).nth(nth).unwrap();
        (cell.fg, cell.bg)
    };
    assert_eq!(style_of("░", 0).0, theme.role("mask").fg.unwrap());
    assert_eq!(style_of("┃", 0).0, theme.role("bar").fg.unwrap());
    let backgrounds: Vec<Color> = buffer.content().iter().map(|cell| cell.bg).collect();
    assert!(backgrounds.contains(&theme.fresh(5).bg.unwrap()) && backgrounds.contains(&theme.fresh(2).bg.unwrap()));
    let browsing = draw_with(&state((80, 24)), &theme);
    let keyword = &browsing[(6, 1)];
    assert_eq!((keyword.symbol(), keyword.fg), ("u", theme.capture("keyword").fg.unwrap()), "`use` is a keyword");
}

#[test]
fn hostile_text_is_shown_not_obeyed() {
    let evil = "fn a() { \"\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\" }\r\n\u{8}\u{7f}\n".repeat(3);
    let mut state = State::new(File::new("\u{1b}[2J.rs", evil, None), Look::automatic(Depth::True, false), (80, 24));
    state.message = None;
    for cell in draw_with(&state, &Theme::named("dark").unwrap()).content() {
        assert!(!cell.symbol().chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", cell.symbol());
    }
    assert!(text(&state).contains("␛]0;x␇\\u{9b}2J\\u{202e}"), "{}", text(&state));
}

/// The shortest time of some runs: others use the machine too.
fn fastest(runs: usize, work: impl Fn()) -> Duration {
    let time = || {
        let start = std::time::Instant::now();
        work();
        start.elapsed()
    };
    (0..runs).map(|_| time()).min().unwrap_or_default()
}

#[test]
fn an_endless_line_draws_quickly() {
    let line = "日本 x = 1; ".repeat(80_000);
    assert!(line.len() > 1_000_000);
    let state = State::new(File::new("long.rs", line, None), Look::automatic(Depth::True, false), (200, 60));
    let time = fastest(5, || assert!(text(&state).contains("日本 x = 1;")));
    assert!(time < Duration::from_millis(200), "{time:?}");
}

#[test]
fn a_frame_of_a_long_file_is_quick() {
    let source = include_str!("../layout.rs");
    let long = source.repeat(10_000 / source.lines().count() + 1);
    let mut file = File::new("long.rs", long.as_str(), Some(Language::Rust));
    file.syntax = Syntax::parse(&long, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    let mut state = State::new(file, Look::automatic(Depth::True, false), (200, 60));
    state.cursor = 5000;
    state.top = 4980;
    text(&state);
    let time = fastest(20, || assert!(text(&state).contains("4990")));
    assert!(time < Duration::from_millis(16), "{time:?}");
}
