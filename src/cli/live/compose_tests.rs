use super::*;
use crate::screen::colour::Depth;
use crate::screen::frame::Cell;
use crate::screen::frame::Part;
use crate::screen::frame::Section;

fn frame() -> Frame {
    let cells = vec![
        Cell::committed("    for word in ", 0.99, 1),
        Cell::committed("text", 0.8, 2),
        Cell::masked(4),
        Cell { text: "split".into(), state: CellState::Masked { columns: 5 } },
        Cell::pinned(" {\n"),
        Cell::committed("\t*counts", 0.2, 2),
        Cell::masked(3),
    ];
    let before = "fn count(text: &str) {\n    let mut counts = HashMap::new(); // 日本語 and a comment that is much longer than the screen is wide, so cut\n";
    let parts = vec![Part::Text(before.into()), Part::Span(cells), Part::Text("\n    counts\n}\n".into())];
    Frame {
        file: "src/count.rs".into(),
        note: "qwen2.5-coder-0.5b · cpu · seed 1".into(),
        sections: vec![Section { first_line: 4, parts }],
        progress: Progress {
            step: 2,
            max_steps: 12,
            nfe: 2,
            tpf: Some(2.75),
            tokens_per_second: Some(38.4),
            committed: 5,
            masked: 3,
            ..Progress::default()
        },
    }
}

fn text(frame: &Frame, screen: &Screen) -> String {
    compose(frame, screen).iter().map(Row::text).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_frame_at_72_columns() {
    insta::assert_snapshot!(text(&frame(), &Screen::new(72, 24, Depth::True)), @r#"
    src/count.rs                          qwen2.5-coder-0.5b · cpu · seed 1
       4  fn count(text: &str) {
       5      let mut counts = HashMap::new(); // 日本語 and a comment that
    ┃  6      for word in text░░░░split {
    ┃  7      *counts░░░
       8      counts
       9  }
    step  2/12  left  3  done  5   38.4 tok/s  TPF  2.8  NFE   2
    "#);
}

#[test]
fn without_unicode_and_narrow() {
    let screen = Screen { unicode: false, ..Screen::new(28, 24, Depth::None) };
    insta::assert_snapshot!(text(&frame(), &screen), @r#"
    src/count.rs
     fn count(text: &str) {
         let mut counts = HashM
    |    for word in text____sp
    |lit {
    |    *counts___
         counts
     }
    step  2/12  left  3
    "#);
}

#[test]
fn roles_follow_the_slots() {
    let rows = compose(&frame(), &Screen::new(100, 24, Depth::True));
    let all: Vec<(Role, &str)> =
        rows.iter().flat_map(|row| row.pieces.iter().map(|(role, text)| (*role, text.as_str()))).collect();
    let expected = [
        (Role::Fresh { level: 5, new: false }, "    for word in "),
        (Role::Fresh { level: 3, new: true }, "text"),
        (Role::Mask, "░░░░"),
        (Role::Remasked, "split"),
        (Role::Pinned, " {"),
        (Role::Fresh { level: 1, new: true }, "    *counts"),
        (Role::Mask, "░░░"),
        (Role::Context, "    counts"),
    ];
    for each in expected {
        assert!(all.contains(&each), "{each:?} in {all:?}");
    }
}

#[test]
fn never_wider_or_higher_than_the_screen() {
    let mut long = frame();
    long.sections[0].parts.push(Part::Span((0..300).map(|index| Cell::masked(index % 7)).collect()));
    long.sections.push(Section { first_line: 99_999, parts: vec![Part::Text("\t\t日本\u{1b}[31m".repeat(90))] });
    for frame in [Frame::default(), frame(), long] {
        for width in [1, 2, 3, 5, 12, 29, 30, 31, 40, 80, 200] {
            for height in [1, 2, 3, 4, 7, 12, 60] {
                for unicode in [true, false] {
                    let rows = compose(&frame, &Screen { unicode, ..Screen::new(width, height, Depth::True) });
                    assert!(rows.len() <= height.saturating_sub(1).max(1), "{width}x{height}: {} rows", rows.len());
                    for row in &rows {
                        assert!(row.columns() <= width.saturating_sub(1).max(1), "{width}x{height}: {:?}", row.text());
                        assert!(!row.text().chars().any(char::is_control));
                    }
                }
            }
        }
    }
}

#[test]
fn a_span_that_does_not_fit_shows_its_first_mask() {
    let mut cells: Vec<Cell> = (0..50).map(|line| Cell::committed(format!("line {line};\n"), 0.9, 1)).collect();
    cells[40] = Cell::masked(6);
    let frame = Frame { sections: vec![Section { first_line: 1, parts: vec![Part::Span(cells)] }], ..Frame::default() };
    let shown = text(&frame, &Screen::new(60, 12, Depth::None));
    assert!(shown.contains("░░░░░░") && shown.contains("more above") && shown.contains("more below"), "{shown}");
    let screen = Screen::new(60, 5, Depth::None);
    assert!(text(&frame, &screen).contains("░░░░░░"), "{}", text(&frame, &screen));
}

#[test]
fn the_status_keeps_its_places() {
    let at = |step, masked, tpf| {
        let progress = Progress { step, masked, committed: 30 - masked, tpf, max_steps: 64, nfe: step, ..Progress::default() };
        status_line(&progress, 79)
    };
    let lines = [at(0, 30, None), at(9, 7, Some(f32::NAN)), at(64, 0, Some(12.25))];
    assert!(lines.iter().all(|line| line.find("TPF") == lines[0].find("TPF") && line.len() == lines[0].len()), "{lines:?}");
}
