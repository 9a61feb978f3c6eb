//! Where things are on the screen: for drawing them, and for finding what the mouse points at.

use ratatui::layout::Rect;

use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Part;
use crate::screen::frame::Section;
use crate::screen::text::glyphs;
use crate::tui::engine::SlotId;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::Picker;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::state::cells;
use crate::tui::state::picker::Kind;

/// Columns of a tab.
pub const TAB: usize = 4;
/// Items of a list that are shown at once, at most.
const PICKER_ITEMS: usize = 20;
/// Places of the file that are listed at once below it, at most.
const PLACES: usize = 8;
/// Columns kept for the numbers of a run, on screens that are wide enough.
const NUMBERS: u16 = 48;
/// Columns of a mask at most.
const MASK: usize = 200;

/// The parts of the screen, from top to bottom; a part that there is no room for is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// File and engine.
    pub title: Rect,
    /// The file.
    pub body: Rect,
    /// The steps of a run.
    pub timeline: Rect,
    /// The instruction.
    pub prompt: Rect,
    /// Numbers and keys.
    pub status: Rect,
}

/// The parts of the screen for a state.
pub fn areas(state: &State) -> Areas {
    let (width, height) = state.size;
    let line = |y: u16| Rect { x: 0, y, width, height: 1 };
    let Some(last) = height.checked_sub(1).filter(|last| *last >= 2) else {
        return Areas { body: Rect { x: 0, y: 0, width, height }, ..Areas::default() };
    };
    let has_prompt = matches!(state.mode, Mode::Prompt | Mode::Search | Mode::Run) && height >= 6;
    let has_timeline = state.mode == Mode::Run && height >= 10;
    let prompt = if has_prompt { line(last - 1) } else { Rect::default() };
    let timeline = if has_timeline { line(last - 2) } else { Rect::default() };
    let below = 1 + u16::from(has_prompt) + u16::from(has_timeline);
    let body = Rect { x: 0, y: 1, width, height: height - 1 - below };
    Areas { title: line(0), body, timeline, prompt, status: line(last) }
}

/// Columns of the gutter for numbers up to `last`; a narrow screen shows only the mark.
pub fn gutter(last: usize, width: u16) -> usize {
    if width < 36 { 1 } else { 1 + last.max(1).to_string().len().max(3) + 2 }
}

/// The box of a list, as high as its items need. Themes are chosen beside the file, so that they are seen on it, and places of the
/// file below it.
pub fn picker_area(picker: &Picker, (width, height): (u16, u16)) -> Rect {
    if picker.kind == Kind::Findings {
        let items = if picker.loading { 1 } else { picker.items.len().clamp(1, PLACES) };
        let rows = (height / 2).max(4).min(items as u16 + 3).min(height.saturating_sub(1));
        return Rect { x: 0, y: height.saturating_sub(rows + 1), width, height: rows };
    }
    let most = if picker.kind == Kind::Themes { 46 } else { 92 };
    let wide = width >= 50;
    let columns = if wide { most.min(width - 4) } else { width };
    let x = match picker.kind {
        Kind::Themes if wide => width - columns - 2,
        _ => (width - columns) / 2,
    };
    let items = if picker.loading { 1 } else { picker.items.len().clamp(1, PICKER_ITEMS) };
    let rows = height.saturating_sub(2).min(items as u16 + 3);
    Rect { x, y: 1.min(height), width: columns, height: rows }
}

/// Rows of the file that a list covers from below.
pub fn covered(state: &State) -> usize {
    match &state.overlay {
        Some(Overlay::Picker(list)) if list.kind == Kind::Findings => usize::from(picker_area(list, state.size).height),
        _ => 0,
    }
}

/// Items of a list that fit on the screen.
pub fn picker_rows(picker: &Picker, size: (u16, u16)) -> usize {
    usize::from(picker_area(picker, size).height).saturating_sub(3).max(1)
}

/// The first item of a list that is shown.
pub fn picker_top(picker: &Picker, size: (u16, u16)) -> usize {
    (picker.at + 1).saturating_sub(picker_rows(picker, size))
}

/// The row of a list's items at a place of the screen, when it is one.
pub fn picker_item_at(picker: &Picker, size: (u16, u16), column: u16, row: u16) -> Option<usize> {
    let area = picker_area(picker, size);
    let items = Rect { y: area.y + 2, height: area.height.saturating_sub(3), ..area };
    items.contains((column, row).into()).then(|| usize::from(row - items.y))
}

/// The first step in the timeline, of `count` with `shown` in view, where `room` fit.
pub fn timeline_start(count: usize, shown: usize, room: usize) -> usize {
    (shown + 1).saturating_sub(room).min(count.saturating_sub(room))
}

/// Columns that the bars of the timeline may take; the rest is for numbers.
pub fn timeline_room(area: Rect) -> u16 {
    let room = area.width.saturating_sub(2);
    if room >= 2 * NUMBERS - 24 { room - NUMBERS } else { room }
}

/// The step of the timeline at a column.
pub fn timeline_step(run: &Run, area: Rect, column: u16) -> Option<usize> {
    let room = usize::from(timeline_room(area));
    let at = usize::from(column.checked_sub(area.x + 1)?);
    let step = timeline_start(run.frames.len(), run.place(), room) + at;
    (at < room && step < run.frames.len()).then_some(step)
}

/// A piece of a row of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPiece {
    /// What is drawn.
    pub text: String,
    /// The state of its slot, or `None` for text outside of the spans.
    pub state: Option<CellState>,
    /// The slot.
    pub slot: Option<SlotId>,
    /// Its first column, behind the gutter.
    pub column: usize,
    /// Its columns.
    pub width: usize,
}

/// A row of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRow {
    /// The number of its line, or `None` where the line goes on.
    pub number: Option<usize>,
    /// Whether a span reaches into it.
    pub in_span: bool,
    /// Its pieces.
    pub pieces: Vec<RunPiece>,
}

/// The rows of a run that are in view.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The rows, from the top of the area.
    pub rows: Vec<RunRow>,
    /// The largest number that a line may have here, for the gutter.
    pub last: usize,
}

/// What of a run is in view in an area.
pub fn run_view(run: &Run, area: Rect) -> RunView {
    let height = usize::from(area.height).max(1);
    let around = height * 2 + run.scroll.unsigned_abs();
    let section = section(run, around);
    let last = run.file.line_count();
    let width = usize::from(area.width).saturating_sub(gutter(last, area.width)).max(1);
    let mut rows = rows(&section, width);
    let span = rows.iter().position(|row| row.in_span).unwrap_or(0);
    let end = rows.iter().rposition(|row| row.in_span).map_or(span, |last| last + 1);
    // The span in the middle; one that is higher than the screen begins at its top.
    let top = if end - span >= height { span } else { span.saturating_sub((height - (end - span)) / 2) };
    let mut top = top.saturating_add_signed(run.scroll).min(rows.len().saturating_sub(height));
    if let Some(at) = run.cursor.and_then(|slot| rows.iter().position(|row| row.pieces.iter().any(|p| p.slot == Some(slot)))) {
        top = top.min(at).max((at + 1).saturating_sub(height));
    }
    rows.drain(..top);
    rows.truncate(height);
    RunView { rows, last }
}

/// The slot of a run at a place of the screen.
pub fn slot_at(run: &Run, area: Rect, column: u16, row: u16) -> Option<SlotId> {
    if !area.contains((column, row).into()) {
        return None;
    }
    let view = run_view(run, area);
    let gutter = gutter(view.last, area.width);
    let column = usize::from(column - area.x).checked_sub(gutter)?;
    let row = view.rows.get(usize::from(row - area.y))?;
    let piece = row.pieces.iter().find(|piece| (piece.column..piece.column + piece.width).contains(&column))?;
    piece.slot.filter(|slot| run.cell(*slot).is_some())
}

/// The slot in the next line with slots, above (-1) or below (1), nearest to the column of `slot`.
pub fn slot_beside(run: &Run, slot: SlotId, direction: isize) -> Option<SlotId> {
    let section = section(run, 0);
    let rows = rows(&section, usize::MAX / 2);
    let has = |row: &RunRow| row.pieces.iter().any(|piece| piece.slot == Some(slot));
    let at = if direction < 0 { rows.iter().position(has) } else { rows.iter().rposition(has) }?;
    let column = rows[at].pieces.iter().find(|piece| piece.slot == Some(slot))?.column;
    let others = |row: &RunRow| row.pieces.iter().any(|piece| piece.slot.is_some_and(|other| other != slot));
    let to = if direction < 0 {
        (0..at).rev().find(|&row| others(&rows[row]))
    } else {
        (at + 1..rows.len()).find(|&row| others(&rows[row]))
    }?;
    let pieces = rows[to].pieces.iter().filter(|piece| piece.slot.is_some_and(|other| other != slot));
    pieces
        .min_by_key(|piece| {
            let end = piece.column + piece.width.max(1);
            if (piece.column..end).contains(&column) { 0 } else { piece.column.abs_diff(column).min(end.abs_diff(column)) + 1 }
        })
        .and_then(|piece| piece.slot)
}

/// The file around the spans, with the slots of the frame in their place.
fn section(run: &Run, around: usize) -> Section {
    let file = &run.file;
    let mut slots = run.frame().map(|frame| cells(frame)).unwrap_or_default().into_iter();
    let first = run.spans.first().map_or(0, |span| file.line_at(span.start)).saturating_sub(around);
    let last = run.spans.last().map_or(0, |span| file.line_at(span.end)).saturating_add(around + 1);
    let mut at = file.line(first).start;
    let mut parts = Vec::new();
    for span in &run.spans {
        let text = file.text.get(span.clone()).unwrap_or("");
        let mut before = file.text.get(at..span.start).unwrap_or("");
        let slots = slots.next();
        // Blanks before a span inside a line stand in its slots.
        if slots.is_some() && !before.is_empty() && !before.ends_with('\n') {
            before = before.trim_end_matches([' ', '\t']);
        }
        parts.push(Part::Text(before.to_owned()));
        match slots {
            Some(cells) if text.ends_with('\n') => parts.push(Part::Lines(cells.to_vec())),
            Some(cells) => parts.push(Part::Span(cells.to_vec())),
            // Before the first frame: what is there now.
            None => parts.push(Part::Span(vec![Cell { text: text.to_owned(), state: CellState::Original }])),
        }
        at = span.end;
    }
    parts.push(Part::Text(file.text.get(at..file.line(last).start.max(at)).unwrap_or("").to_owned()));
    Section { first_line: first + 1, parts }
}

/// The lines of a section as rows. Lines of a span go on in further rows where they do not fit, since a span of unknown length
/// may be one long line; other lines are cut.
fn rows(section: &Section, width: usize) -> Vec<RunRow> {
    let mut all = Vec::new();
    for line in section.lines() {
        let in_span = line.in_span();
        let mut row = RunRow { number: Some(line.number), in_span, pieces: Vec::new() };
        let mut used = 0;
        'line: for piece in &line.pieces {
            let slot = piece.slot.map(|(span, index)| SlotId { span, index });
            let masks = match piece.state {
                Some(CellState::Masked { columns }) if piece.text.is_empty() => columns.clamp(1, MASK),
                _ => 0,
            };
            let masked = (0..masks).map(|_| (std::borrow::Cow::Borrowed("░"), 1));
            let text = glyphs(piece.text, used, TAB).map(|glyph| (glyph.text, glyph.width));
            let mut fresh = true;
            for (text, columns) in masked.chain(text) {
                if used + columns > width {
                    if !in_span || columns > width {
                        break 'line;
                    }
                    all.push(std::mem::replace(&mut row, RunRow { number: None, in_span, pieces: Vec::new() }));
                    used = 0;
                    fresh = true;
                }
                match row.pieces.last_mut() {
                    Some(last) if !fresh => {
                        last.text.push_str(&text);
                        last.width += columns;
                    }
                    _ => row.pieces.push(RunPiece {
                        text: text.into_owned(),
                        state: piece.state,
                        slot,
                        column: used,
                        width: columns,
                    }),
                }
                fresh = false;
                used += columns;
            }
        }
        all.push(row);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::screen::frame::Frame;
    use crate::tui::state::File;

    fn run() -> Run {
        let text = "one\ntwo\nthree\nfour\n";
        let mut run = Run::new(1, File::new("a", text, None), vec![4..14], 0.9);
        let cells = vec![
            Cell::committed("let a", 0.9, 1),
            Cell::masked(4),
            Cell::committed(";\n", 0.9, 1),
            Cell::committed("日本", 0.9, 1),
            Cell::committed(" = b;\n", 0.9, 1),
        ];
        let section = Section { first_line: 2, parts: vec![Part::Lines(cells)] };
        run.push(Arc::new(Frame { sections: vec![section], ..Frame::default() }));
        run
    }

    fn slot(index: usize) -> SlotId {
        SlotId { span: 0, index }
    }

    #[test]
    fn what_is_drawn_is_what_the_mouse_finds() {
        let run = run();
        let area = Rect { x: 0, y: 1, width: 60, height: 10 };
        let view = run_view(&run, area);
        for (y, row) in view.rows.iter().enumerate() {
            for piece in &row.pieces {
                let column = (gutter(view.last, 60) + piece.column) as u16;
                assert_eq!(slot_at(&run, area, column, area.y + y as u16), piece.slot, "{piece:?}");
            }
        }
        let texts: Vec<String> =
            view.rows.iter().map(|row| row.pieces.iter().map(|piece| piece.text.as_str()).collect()).collect();
        assert_eq!(texts, ["one", "let a░░░░;", "日本 = b;", "four"]);
        assert_eq!(slot_at(&run, area, 0, 2), None);
        assert_eq!(slot_at(&run, area, 70, 90), None);
    }

    #[test]
    fn the_slot_above_and_below() {
        let run = run();
        assert_eq!(slot_beside(&run, slot(0), 1), Some(slot(3)));
        assert_eq!(slot_beside(&run, slot(1), 1), Some(slot(4)));
        assert_eq!(slot_beside(&run, slot(4), -1), Some(slot(0)), "column 4 is in `let a`");
        assert_eq!(slot_beside(&run, slot(0), -1), None);
    }

    #[test]
    fn long_lines_of_a_span_go_on_and_others_are_cut() {
        let mut run = run();
        run.cursor = None;
        let view = run_view(&run, Rect { x: 0, y: 0, width: 7, height: 20 });
        let texts: Vec<String> =
            view.rows.iter().map(|row| row.pieces.iter().map(|piece| piece.text.as_str()).collect()).collect();
        assert_eq!(texts, ["one", "let a░", "░░░;", "日本 =", " b;", "four"]);
    }

    #[test]
    fn the_timeline_keeps_the_shown_step_in_view() {
        assert_eq!(timeline_start(10, 9, 20), 0);
        assert_eq!(timeline_start(100, 99, 20), 80);
        assert_eq!(timeline_start(100, 5, 20), 0);
        assert_eq!(timeline_start(100, 50, 20), 31);
        let run = run();
        let area = Rect { x: 0, y: 5, width: 20, height: 1 };
        assert_eq!(
            [timeline_step(&run, area, 0), timeline_step(&run, area, 1), timeline_step(&run, area, 2)],
            [None, Some(0), None]
        );
    }
}
