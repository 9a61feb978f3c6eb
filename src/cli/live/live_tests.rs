use super::*;
use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;

/// A run of `steps` frames over a span of three lines; the text grows while it settles.
fn run(steps: u32) -> Vec<Frame> {
    let tokens =
        ["    let", " total", " =", " items", ".iter", "()", ".sum", "::<u32>", "();\n", "    println!", "(\"{total}\"", ");\n"];
    (0..=steps)
        .map(|step| {
            let done = tokens.len() * step as usize / steps as usize;
            let cell = |(index, token): (usize, &&str)| {
                if index < done {
                    Cell::committed(*token, 0.3 + 0.06 * index as f32, 1 + index as u32 * steps / tokens.len() as u32)
                } else {
                    Cell::masked(token.trim().len())
                }
            };
            let parts = vec![
                Part::Text("fn main() {\n    let items = [1, 2, 3];\n".into()),
                Part::Lines(tokens.iter().enumerate().map(cell).collect()),
                Part::Text("}\n".into()),
            ];
            let progress = Progress {
                step,
                max_steps: steps,
                nfe: step,
                tpf: (step > 0).then(|| done as f32 / step as f32),
                tokens_per_second: None,
                committed: done,
                masked: tokens.len() - done,
                ..Progress::default()
            };
            Frame { file: "demo.rs".into(), note: "test".into(), sections: vec![Section { first_line: 1, parts }], progress }
        })
        .collect()
}

fn terminal(rows: u16, columns: u16) -> vt100::Parser {
    let mut terminal = vt100::Parser::new(rows, columns, 100);
    terminal.process(b"$ dcode edit demo.rs --range 3:4\r\n");
    terminal
}

fn play(terminal: &mut vt100::Parser, frames: &[Frame], screen: Screen) {
    let mut bytes = Vec::new();
    let mut view = LiveView::new(&mut bytes, screen);
    let (last, rest) = frames.split_last().unwrap();
    for frame in rest {
        view.draw(frame).unwrap();
    }
    view.finish(last).unwrap();
    terminal.process(&bytes);
}

#[test]
fn frames_replace_each_other_below_the_command() {
    let mut terminal = terminal(24, 72);
    play(&mut terminal, &run(6), Screen::new(72, 24, Depth::True));
    insta::assert_snapshot!(terminal.screen().contents(), @r#"
    $ dcode edit demo.rs --range 3:4
    demo.rs                                                            test
       1  fn main() {
       2      let items = [1, 2, 3];
    ┃  3      let total = items.iter().sum::<u32>();
    ┃  4      println!("{total}");
       5  }
    step 6/6  left  0  done 12      - tok/s  TPF  2.0  NFE   6
    "#);
    assert!(!terminal.screen().alternate_screen());
    assert_eq!(terminal.screen().cursor_position().1, 0);
}

#[test]
fn at_the_bottom_of_the_terminal_the_block_scrolls_once() {
    let mut terminal = terminal(10, 60);
    terminal.process("earlier output\r\n".repeat(20).as_bytes());
    play(&mut terminal, &run(12), Screen::new(60, 10, Depth::Ansi256));
    let contents = terminal.screen().contents();
    assert_eq!(contents.matches("demo.rs").count(), 1, "{contents}");
    assert_eq!(contents.matches("step").count(), 1, "{contents}");
    terminal.screen_mut().set_scrollback(100);
    let above = terminal.screen().contents();
    assert_eq!(above.matches("step").count(), 0, "no frame went into the scrollback: {above}");
}

#[test]
fn clearing_leaves_only_what_was_there() {
    let mut terminal = terminal(24, 72);
    let mut bytes = Vec::new();
    let mut view = LiveView::new(&mut bytes, Screen::new(72, 24, Depth::None));
    view.clear().unwrap();
    for frame in run(3) {
        view.draw(&frame).unwrap();
    }
    view.clear().unwrap();
    view.clear().unwrap();
    terminal.process(&bytes);
    assert_eq!(terminal.screen().contents(), "$ dcode edit demo.rs --range 3:4");
    assert_eq!(terminal.screen().cursor_position(), (1, 0));
}

#[test]
fn every_frame_is_one_synchronized_update() {
    let mut bytes = Vec::new();
    LiveView::new(&mut bytes, Screen::new(72, 24, Depth::True)).draw(&run(2)[1]).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("\u{1b}[?2026h") && text.ends_with("\u{1b}[?2026l"));
    assert!(!text.contains('\t'));
}

#[test]
fn hostile_text_cannot_reach_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{8}\r";
    let parts = vec![Part::Text(evil.into()), Part::Span(vec![Cell::committed(evil, 0.5, 1), Cell::pinned(evil)])];
    let remasked = Part::Span(vec![Cell { text: evil.into(), state: CellState::Masked { columns: 3 } }]);
    let sections = vec![Section { first_line: 1, parts: [parts, vec![remasked]].concat() }];
    let frame = Frame { file: evil.into(), note: evil.into(), sections, ..Frame::default() };
    for (depth, live) in [(Depth::True, true), (Depth::None, false)] {
        let mut bytes = Vec::new();
        LiveView::new(&mut bytes, Screen { live, ..Screen::new(80, 24, depth) }).finish(&frame).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for sequence in text.split('\u{1b}').skip(1) {
            let own = sequence.starts_with("[?2026")
                || sequence.starts_with('[')
                    && sequence[1..].starts_with(|c: char| c.is_ascii_digit() || c == 'K' || c == 'J' || c == 'A');
            assert!(own, "{sequence:?}");
        }
        assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{7}') && !text.contains('\u{9b}') && !text.contains('\u{202e}'));
    }
}

#[test]
fn no_colour_has_no_colour_and_still_tells_levels_apart() {
    let mut bytes = Vec::new();
    LiveView::new(&mut bytes, Screen::new(80, 24, Depth::None)).draw(&run(4)[3]).unwrap();
    let mut terminal = vt100::Parser::new(24, 80, 0);
    terminal.process(&bytes);
    let cells: Vec<vt100::Cell> = (0..8)
        .flat_map(|row| (0..80).map(move |column| (row, column)))
        .filter_map(|(row, column)| terminal.screen().cell(row, column).cloned())
        .collect();
    assert!(cells.iter().all(|cell| cell.fgcolor() == vt100::Color::Default && cell.bgcolor() == vt100::Color::Default));
    assert!(cells.iter().any(vt100::Cell::underline) && cells.iter().any(|cell| cell.bold() && !cell.underline()));
}

#[test]
fn a_dumb_terminal_gets_one_line() {
    let mut bytes = Vec::new();
    let mut view = LiveView::new(&mut bytes, Screen { live: false, unicode: false, ..Screen::new(80, 24, Depth::None) });
    let frames = run(4);
    for frame in &frames {
        view.offer(frame.clone()).unwrap();
    }
    view.finish(&frames[4]).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "demo.rs: step 4/4  left  0  done 12      - tok/s  TPF  3.0  NFE   4\n");
}

#[test]
fn the_latest_frame_wins() {
    let mut bytes = Vec::new();
    let mut view = LiveView::new(&mut bytes, Screen::new(72, 24, Depth::None));
    let frames = run(40);
    for frame in &frames[..40] {
        view.offer(frame.clone()).unwrap();
    }
    view.flush().unwrap();
    view.flush().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.matches("?2026h").count() < 20, "forty frames at once are not drawn one by one");
    assert!(text.contains("step 39/40"));
}

#[test]
fn after_a_resize_the_block_is_found_again() {
    let mut bytes = Vec::new();
    let mut view = LiveView::new(&mut bytes, Screen::new(72, 24, Depth::None));
    let frames = run(4);
    view.draw(&frames[1]).unwrap();
    view.resize(40, 24);
    view.draw(&frames[2]).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let wide = compose(&frames[1], &Screen::new(72, 24, Depth::None));
    let rows: usize = wide.iter().map(|row| row.columns().div_ceil(40).max(1)).sum();
    assert!(rows > wide.len());
    assert!(text.contains(&format!("\u{1b}[{}A", rows - 1)), "{text:?}");
    view_of_nothing();
}

fn view_of_nothing() {
    let mut view = LiveView::new(Vec::new(), Screen::new(1, 1, Depth::True));
    view.draw(&Frame::default()).unwrap();
    view.resize(0, 0);
    view.draw(&Frame::default()).unwrap();
}
