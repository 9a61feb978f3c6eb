use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::*;
use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;
use crate::tui::engine::Candidate;
use crate::tui::engine::Event;
use crate::tui::state::EngineState;
use crate::tui::state::File;
use crate::tui::state::Selection;
use crate::tui::update::Msg;
use crate::tui::update::update;

const TEXT: &str = "use std::collections::HashMap;\n\n/// Counts words: 日本語.\npub fn count(text: &str) -> HashMap<String, usize> {\n\tlet mut counts = HashMap::new();\n    for word in text.split_whitespace() {\n        *counts.entry(word.to_string()).or_insert(0) += 1;\n    }\n    counts\n}\n";

fn state(size: (u16, u16)) -> State {
    let mut file = File::new("src/count.rs", TEXT, Some(Language::Rust));
    file.syntax = Syntax::parse(TEXT, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    let mut state = State::new(file, size);
    state.engine = EngineState::Ready("qwen2.5-coder-0.5b · cpu".into());
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
        update(&mut state, &keymap, Msg::Engine(Event::Frame { id: 1, frame: Arc::new(frame_of(step)) }));
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

#[test]
fn browsing_at_80x24() {
    let mut state = state((80, 14));
    state.selection = Some(Selection::Lines { anchor: 7 });
    insta::assert_snapshot!(text(&state), @r#"
     src/count.rs                                          qwen2.5-coder-0.5b · cpu
       1  use std::collections::HashMap;
       2
       3  /// Counts words: 日本語.
       4  pub fn count(text: &str) -> HashMap<String, usize> {
       5      let mut counts = HashMap::new();
    ┃  6      for word in text.split_whitespace() {
    ┃  7          *counts.entry(word.to_string()).or_insert(0) += 1;
    ┃  8      }
       9      counts
      10  }


     6/10  lines 6-8  enter edit  v lines  alt-o grow  ? help
    "#);
}

#[test]
fn a_run_at_80x24() {
    insta::assert_snapshot!(text(&running((80, 24))), @r#"
     src/count.rs                                          qwen2.5-coder-0.5b · cpu
       1  use std::collections::HashMap;
       2
       3  /// Counts words: 日本語.
       4  pub fn count(text: &str) -> HashMap<String, usize> {
       5      let mut counts = HashMap::new();
    ┃  6      for word in text.split_whitespace() {
    ┃  7  oops░░░░░░░░░
       8      counts
       9  }












     ▏ lower
     step  4/12  ████  left   2   38.0 tok/s  space pause  s stop now  ? help
    "#);
}

#[test]
fn a_review_at_80x24() {
    insta::assert_snapshot!(text(&reviewing((80, 24))), @r#"
     src/count.rs                                          qwen2.5-coder-0.5b · cpu
       1    use std::collections::HashMap;
       2
       3    /// Counts words: 日本語.
       4    pub fn count(text: &str) -> HashMap<String, usize> {
       5        let mut counts = HashMap::new();
       6        for word in text.split_whitespace() {
    ▌  7  -         *counts.entry(word.to_string()).or_insert(0) += 1;
    ▌     +         *counts.entry(word.to_lowercase()).or_insert(0) += 1;
       8        }
       9        counts
      10    }











     hunk 1/1  ✓ parses  candidate 1/2  space accept  x reject  a apply  ? help
    "#);
}

#[test]
fn everything_at_40x12() {
    let all = [text(&state((40, 12))), text(&running((40, 12))), text(&reviewing((40, 12)))];
    insta::assert_snapshot!(all.join("\n----------------------------------------\n"), @r#"
     src/count.rs      qwen2.5-coder-0.5b …
       1  use std::collections::HashMap;
       2
       3  /// Counts words: 日本語.
       4  pub fn count(text: &str) -> HashMa
       5      let mut counts = HashMap::new(
       6      for word in text.split_whitesp
       7          *counts.entry(word.to_stri
       8      }
       9      counts
      10  }
     6/10  enter edit  v lines  ? help
    ----------------------------------------
     src/count.rs      qwen2.5-coder-0.5b …
       2
       3  /// Counts words: 日本語.
       4  pub fn count(text: &str) -> HashMa
       5      let mut counts = HashMap::new(
    ┃  6      for word in text.split_whitesp
    ┃     ace() {
    ┃  7  oops░░░░░░░░░
       8      counts
       9  }
     ▏ lower
     step  4/12  ████  left   2  ? help
    ----------------------------------------
     src/count.rs      qwen2.5-coder-0.5b …
       2
       3    /// Counts words: 日本語.
       4    pub fn count(text: &str) -> Hash
       5        let mut counts = HashMap::ne
       6        for word in text.split_white
    ▌  7  -         *counts.entry(word.to_st
    ▌     +         *counts.entry(word.to_lo
       8        }
       9        counts
      10    }
     hunk 1/1  ✓ parses  ? help
    "#);
}

#[test]
fn help_comes_from_the_keymap() {
    let mut state = state((200, 60));
    state.help = true;
    let shown = text(&state);
    for (keys, help) in Keymap::default().help(state.mode.context()) {
        let line = shown.lines().find(|line| line.contains(help) && line.contains(&keys));
        assert!(line.is_some(), "{keys} {help}:\n{shown}");
    }
}

#[test]
fn every_view_draws_at_every_size_with_every_theme() {
    for name in Theme::names() {
        let theme = Theme::named(name).unwrap();
        for size in [(1, 1), (19, 3), (20, 4), (40, 12), (80, 24), (200, 60)] {
            for mut state in [state(size), running(size), reviewing(size)] {
                for help in [false, true] {
                    state.help = help;
                    let buffer = draw_with(&state, &theme);
                    if name == "mono" {
                        let plain = |colour: Color| colour == Color::Reset;
                        assert!(buffer.content().iter().all(|cell| plain(cell.fg) && plain(cell.bg)));
                    }
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
    let mut state = State::new(File::new("\u{1b}[2J.rs", evil, None), (80, 24));
    state.message = None;
    for cell in draw_with(&state, &Theme::named("dark").unwrap()).content() {
        assert!(!cell.symbol().chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", cell.symbol());
    }
    assert!(text(&state).contains("␛]0;x␇\\u{9b}2J\\u{202e}"), "{}", text(&state));
}

#[test]
fn an_endless_line_draws_quickly() {
    let line = "日本 x = 1; ".repeat(80_000);
    assert!(line.len() > 1_000_000);
    let state = State::new(File::new("long.rs", line, None), (200, 60));
    let start = std::time::Instant::now();
    assert!(text(&state).contains("日本 x = 1;"));
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[test]
fn a_frame_of_a_long_file_is_quick() {
    let source = include_str!("../update.rs");
    let long = source.repeat(10_000 / source.lines().count() + 1);
    let mut file = File::new("long.rs", long.as_str(), Some(Language::Rust));
    file.syntax = Syntax::parse(&long, Language::Rust, Duration::from_secs(20)).ok().map(Arc::new);
    let mut state = State::new(file, (200, 60));
    state.cursor = 5000;
    state.top = 4980;
    text(&state);
    let start = std::time::Instant::now();
    let drawn = text(&state);
    let time = start.elapsed();
    assert!(drawn.contains("4990"));
    assert!(time < Duration::from_millis(16), "{time:?}");
}
