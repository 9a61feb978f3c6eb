//! What the views draw.

#[path = "sights_tests.rs"]
mod sights;

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
use crate::tui::host::Replay;
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
use crate::tui::verify;
use crate::tui::verify::Progress as Progressed;

use self::sights::*;

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

/// Below the very line that is blamed, and marked at it, in both layouts.
#[test]
fn complaints_stand_at_their_lines() {
    let shown = text(&complaining((100, 30), ""));
    let lines: Vec<&str> = shown.lines().collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}:\n{shown}"));
    assert!(at("└ warning: variable") == at("let mut counts") + 1 && lines[at("let mut counts")].contains('●'), "{shown}");
    assert!(at("└ error: mismatched") == at("to_lowercase") + 1 && lines[at("to_lowercase")].contains('●'), "{shown}");
    assert_eq!(at("└ warning: unused"), at("└ error: mismatched") + 1);
    assert!(!shown.contains("cannot find") && !shown.contains('\u{1b}'), "{shown}");
    let beside = text(&complaining((160, 30), ""));
    let line = beside.lines().find(|line| line.contains("let mut counts")).unwrap();
    assert_eq!(line.matches("let mut counts").count(), 2, "both sides stay beside each other:\n{beside}");
    let behind = beside.lines().find(|line| line.contains("counts\u{20}") || line.trim_end().ends_with("counts")).unwrap();
    assert_eq!(behind.matches("counts").count(), 2, "{beside}");
    // A rejected hunk leaves the old line, and nothing is said about what nobody saw.
    let mut rejected = complaining((100, 30), "");
    type_keys(&mut rejected, "x");
    assert!(!text(&rejected).contains("└"), "{}", text(&rejected));
}

#[test]
fn a_long_line_is_marked_where_it_goes_on() {
    let mut state = sideways((40, 12));
    let row = |state: &State| text(state).lines().nth(1).unwrap().to_owned();
    assert!(row(&state).contains('‹') && row(&state).ends_with('›'), "{}", row(&state));
    state.left = 0;
    assert!(!row(&state).contains('‹') && row(&state).ends_with('›'));
    (0..60).for_each(|_| type_keys(&mut state, "right"));
    assert!(row(&state).contains("very long;") && !row(&state).ends_with('›'), "{}", row(&state));
    // Wide characters are never halved: at no place does the row get longer or lose its marks.
    for left in 380..460 {
        state.left = left;
        let buffer = draw_with(&state, &Theme::named("dark").unwrap());
        assert!(buffer[(6, 1)].symbol() == "‹", "{left}");
        for x in 0..40u16 {
            let wide = crate::screen::text::columns(buffer[(x, 1)].symbol()) == 2;
            assert!(!wide || x < 39, "{left}: {x}");
        }
    }
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
