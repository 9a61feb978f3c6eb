//! A span under diffusion, in its place in the file.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::colour::level;
use crate::screen::frame::CellState;
use crate::screen::frame::Line;
use crate::screen::frame::Part;
use crate::screen::frame::Piece;
use crate::screen::frame::Section;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::rows;
use crate::tui::view::rows::Mark;
use crate::tui::view::rows::Row;

/// Lines of the file around the spans that can be scrolled to.
const AROUND: usize = 200;

/// Draws the frame looked at.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(run) = &state.run else { return };
    let section = section(state, run);
    let step = run.frame().map_or(0, |frame| frame.progress.step);
    let last = section.first_line + AROUND * 2;
    let width = usize::from(area.width).saturating_sub(rows::gutter(last, area.width)).max(1);
    let mut all = Vec::new();
    for line in section.lines() {
        push_line(&mut all, &line, step, width, theme);
    }
    let span = all.iter().position(|row| row.mark == Mark::Span).unwrap_or(0);
    let span_rows = all.iter().filter(|row| row.mark == Mark::Span).count();
    let height = usize::from(area.height);
    // The span in the middle; one that is higher than the screen begins at its top.
    let top = if span_rows >= height { span } else { span.saturating_sub((height - span_rows) / 2) };
    let top = top.saturating_add_signed(run.scroll).min(all.len().saturating_sub(height));
    rows::draw(&all[top..], last, theme, buffer, area);
}

/// The file around the spans, with the slots of the frame in their place.
fn section(state: &State, run: &Run) -> Section {
    let file = &state.file;
    let frame = run.frame();
    let mut slots =
        frame.iter().flat_map(|frame| &frame.sections).flat_map(|section| &section.parts).filter_map(|part| match part {
            Part::Span(cells) | Part::Lines(cells) => Some(cells),
            Part::Text(_) => None,
        });
    let first = run.spans.first().map_or(0, |span| file.line_at(span.start)).saturating_sub(AROUND);
    let last = run.spans.last().map_or(0, |span| file.line_at(span.end)) + AROUND;
    let mut at = file.line(first).start;
    let mut parts = Vec::new();
    for span in &run.spans {
        parts.push(Part::Text(file.text.get(at..span.start).unwrap_or("").to_owned()));
        let text = file.text.get(span.clone()).unwrap_or("");
        match slots.next() {
            Some(cells) if text.ends_with('\n') => parts.push(Part::Lines(cells.clone())),
            Some(cells) => parts.push(Part::Span(cells.clone())),
            // Before the first frame: what is there now.
            None => {
                parts.push(Part::Span(vec![crate::screen::frame::Cell { text: text.to_owned(), state: CellState::Original }]))
            }
        }
        at = span.end;
    }
    parts.push(Part::Text(file.text.get(at..file.line(last).start.max(at)).unwrap_or("").to_owned()));
    Section { first_line: first + 1, parts }
}

fn style(piece: &Piece<'_>, step: u32, theme: &Theme) -> Style {
    match piece.state {
        None => theme.role("dim"),
        Some(CellState::Masked { .. }) if piece.text.is_empty() => theme.role("mask"),
        Some(CellState::Masked { .. }) => theme.role("remasked"),
        Some(CellState::Original) => theme.role("text"),
        Some(CellState::Pinned) => theme.role("pinned"),
        Some(CellState::Committed { confidence, step: at }) => {
            let style = theme.fresh(level(confidence));
            if at == step && step > 0 { style.patch(theme.role("fresh.new")) } else { style }
        }
    }
}

/// Adds a line; lines of a span go on in further rows where they do not fit, since a span of unknown length may be one long line.
fn push_line(all: &mut Vec<Row<'static>>, line: &Line<'_>, step: u32, width: usize, theme: &Theme) {
    let in_span = line.in_span();
    let empty = |number| Row { number, mark: if in_span { Mark::Span } else { Mark::None }, ..Row::default() };
    let mut row = empty(Some(line.number));
    let mut used = 0;
    'line: for piece in &line.pieces {
        let style = style(piece, step, theme);
        let masks = match piece.state {
            Some(CellState::Masked { columns }) if piece.text.is_empty() => columns.clamp(1, 200),
            _ => 0,
        };
        let masked = (0..masks).map(|_| (Cow::Borrowed("░"), 1));
        let text = crate::screen::text::glyphs(piece.text, used, rows::TAB).map(|glyph| (glyph.text, glyph.width));
        for (text, columns) in masked.chain(text) {
            if used + columns > width {
                if !in_span || columns > width {
                    break 'line;
                }
                all.push(std::mem::replace(&mut row, empty(None)));
                used = 0;
            }
            used += columns;
            match row.pieces.last_mut() {
                Some((last, same)) if *same == style => last.to_mut().push_str(&text),
                _ => row.pieces.push((Cow::Owned(text.into_owned()), style)),
            }
        }
    }
    all.push(row);
}
