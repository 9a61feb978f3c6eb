//! The file: numbers, colours, selection.

use std::borrow::Cow;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::syntax::highlight::Highlight;
use crate::syntax::highlight::highlights;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::layout::gutter;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::rows;
use crate::tui::view::rows::Mark;
use crate::tui::view::rows::Row;
use crate::tui::view::rows::seen;

/// Draws the lines of the file from the top of the view.
pub fn draw(state: &State, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer, area: Rect) {
    let file = &state.file;
    if !file.is_open() {
        return nothing_open(state, theme, keymap, buffer, area);
    }
    let last = file.line_count();
    let shown = state.top..last.min(state.top + usize::from(area.height));
    let selecting = state.selection.is_some() || !state.marks.is_empty();
    let spans = if selecting { state.spans() } else { Vec::new() };
    let all: Vec<Row<'_>> = shown
        .map(|line| {
            let start = file.line(line).start;
            let text = seen(file.line_text(line), state.left + usize::from(area.width));
            let selected = spans.iter().any(|range| overlaps(range, &file.line(line)));
            Row {
                number: Some(line + 1),
                current: line == state.cursor,
                mark: if selected { Mark::Span } else { Mark::None },
                pieces: coloured(state, theme, start, text, &spans),
                left: state.left,
                ..Row::default()
            }
        })
        .collect();
    rows::draw(&all, last, theme, buffer, area);
    // The cursor: a cell where the line begins, so that it is seen without a number too.
    if let Some(row) = state.cursor.checked_sub(state.top).filter(|row| *row < usize::from(area.height)) {
        let gutter = gutter(last, area.width) as u16;
        if gutter < area.width && state.selection.is_none() {
            buffer.set_style(Rect { x: area.x + gutter, y: area.y + row as u16, width: 1, height: 1 }, theme.role("cursor"));
        }
    }
}

/// What is there to do without a file.
fn nothing_open(state: &State, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer, area: Rect) {
    if state.overlay.is_some() {
        return;
    }
    let key = |action| keymap.key_text(Context::Browse, action);
    let lines = [
        ("no file is open".to_owned(), "title"),
        (String::new(), "text"),
        (format!("{} opens one, {} leaves", key(Action::Files), key(Action::Quit)), "note"),
    ];
    let top = area.y + (area.height / 3).min(area.height.saturating_sub(3));
    for ((text, role), y) in lines.iter().zip(top..area.bottom()) {
        let text = cut(text, usize::from(area.width), true);
        let x = area.x + (area.width - columns(&text) as u16) / 2;
        buffer.set_stringn(x, y, &text, usize::from(area.width), theme.role(role));
    }
}

fn overlaps(range: &Range<usize>, line: &Range<usize>) -> bool {
    range.start < line.end && line.start < range.end || range.start == line.start && range.is_empty()
}

/// A line in pieces of one style. `start` is its offset in the file.
pub fn coloured<'a>(
    state: &'a State,
    theme: &Theme,
    start: usize,
    text: &'a str,
    selection: &[Range<usize>],
) -> Vec<(Cow<'a, str>, Style)> {
    let end = start + text.len();
    let found: Vec<Highlight> = match &state.file.syntax {
        Some(syntax) => highlights(syntax, &state.file.text, start..end),
        None => Vec::new(),
    };
    // Where a style may change.
    let matches = if state.search.matches.is_empty() { &[] } else { state.search.within(&(start..end)) };
    let current = state.search.current();
    let mut borders = vec![start, end];
    borders.extend(matches.iter().flat_map(|found| [found.start, found.end]));
    borders.extend(found.iter().flat_map(|each| [each.range.start, each.range.end]));
    borders.extend(selection.iter().flat_map(|range| [range.start, range.end]));
    borders.retain(|border| (start..=end).contains(border) && text.is_char_boundary(border - start));
    borders.sort_unstable();
    borders.dedup();
    let mut highlight = found.iter().peekable();
    let mut pieces = Vec::new();
    for pair in borders.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        while highlight.peek().is_some_and(|each| each.range.end <= from) {
            highlight.next();
        }
        let mut style = match highlight.peek() {
            Some(each) if each.range.start <= from => theme.capture(each.capture),
            _ => theme.role("text"),
        };
        if selection.iter().any(|range| range.start <= from && to <= range.end) {
            style = style.patch(theme.role("selection"));
        }
        if let Some(found) = matches.iter().find(|found| found.start <= from && to <= found.end) {
            let role = if Some(found) == current { "cursor" } else { "selection" };
            style = style.patch(theme.role("match")).patch(theme.role(role));
        }
        pieces.push((Cow::Borrowed(&text[from - start..to - start]), style));
    }
    pieces
}
