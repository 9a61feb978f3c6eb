//! The hunks of a candidate, in their place in the file.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::state::Review;
use crate::tui::state::ReviewHunk;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::code::coloured;
use crate::tui::view::rows;
use crate::tui::view::rows::Mark;
use crate::tui::view::rows::Row;
use crate::tui::view::rows::seen;

/// Draws the file with the hunks in it, the one looked at in view.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(review) = &state.review else { return };
    let height = usize::from(area.height);
    let all = compose(state, review, theme, usize::from(area.width), height);
    let current = all.iter().position(|row| row.mark == Mark::Hunk).unwrap_or(0);
    let top = current.saturating_sub(height / 3).min(all.len().saturating_sub(height));
    rows::draw(&all[top..], state.file.line_count(), theme, buffer, area);
}

fn compose<'a>(state: &'a State, review: &'a Review, theme: &Theme, width: usize, height: usize) -> Vec<Row<'a>> {
    let file = &state.file;
    let current = review.hunks.get(review.at);
    let place = current.map_or(0, |each| file.line_at(each.hunk.at.start));
    let first = place.saturating_sub(height);
    let last = (place + height * 2).min(file.line_count());
    let mut all: Vec<Row<'a>> = Vec::new();
    let mut line = first;
    for (index, each) in review.hunks.iter().enumerate() {
        let at = each.hunk.at;
        let hunk_line = file.line_at(at.start);
        if at.end < file.line(first).start || hunk_line > last {
            continue;
        }
        while line < hunk_line {
            all.push(context(state, theme, line, width));
            line += 1;
        }
        push_hunk(&mut all, each, hunk_line + 1, index == review.at, theme, width);
        line = line.max(hunk_line + each.hunk.old.split_inclusive('\n').count());
    }
    while line < last {
        all.push(context(state, theme, line, width));
        line += 1;
    }
    all
}

fn context<'a>(state: &'a State, theme: &Theme, line: usize, width: usize) -> Row<'a> {
    let text = seen(state.file.line_text(line), width);
    let pieces = coloured(state, theme, state.file.line(line).start, text, None);
    Row { number: Some(line + 1), sign: Some(' '), pieces, ..Row::default() }
}

/// The lines of a hunk: what goes, then what comes. A decision shows by what is left out: a rejected hunk dims what would have
/// come, an accepted one dims what goes.
fn push_hunk<'a>(all: &mut Vec<Row<'a>>, each: &'a ReviewHunk, first: usize, current: bool, theme: &Theme, width: usize) {
    let mark = if current { Mark::Hunk } else { Mark::None };
    let sides =
        [('-', "hunk.remove", each.hunk.old.as_str(), Some(true)), ('+', "hunk.add", each.hunk.new.as_str(), Some(false))];
    for (sign, role, text, dimmed_by) in sides {
        let style = if each.accepted == dimmed_by { theme.role("dim") } else { theme.role(role) };
        for (offset, line) in text.split_inclusive('\n').enumerate() {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = seen(line.strip_suffix('\r').unwrap_or(line), width);
            all.push(Row {
                number: (sign == '-').then_some(first + offset),
                mark,
                sign: Some(sign),
                pieces: vec![(Cow::Borrowed(line), style)],
                fill: Some(style),
                ..Row::default()
            });
        }
    }
}
