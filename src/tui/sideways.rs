//! Long lines: how far the view is moved to the right along them.

use std::ops::Range;

use crate::screen::text::glyphs;
use crate::tui::layout::TAB;
use crate::tui::layout::gutter;
use crate::tui::state::Mode;
use crate::tui::state::State;

/// Columns that the lines of the file have on the screen, behind gutter and sign.
fn text_room(state: &State) -> usize {
    let sign = if state.mode == Mode::Review { 2 } else { 0 };
    usize::from(state.size.0).saturating_sub(gutter(state.file.line_count(), state.size.0) + sign).max(1)
}

/// Moves the lines of the file, or of the review, by half of the screen; not beyond the longest line in view.
pub fn scroll(state: &mut State, right: bool) {
    let room = text_room(state);
    let step = (room / 2).max(1);
    if !right {
        state.left = state.left.saturating_sub(step);
        return;
    }
    let end = state.left + room;
    // An endless line need not be measured to its end.
    let reaches = |line: &str| {
        let mut columns = 0;
        glyphs(line, 0, TAB).any(|glyph| {
            columns += glyph.width;
            columns > end
        })
    };
    let page = state.page();
    let (first, hunks) = match &state.review {
        Some(review) if state.mode == Mode::Review => {
            let hunk = review.hunks().get(review.at()).map(|each| &each.hunk);
            let line = hunk.map_or(0, |hunk| state.file.line_at(hunk.at.start));
            (line.saturating_sub(page), review.hunks())
        }
        _ => (state.top, &[][..]),
    };
    let last = first.saturating_add(if hunks.is_empty() { page } else { 2 * page }).min(state.file.line_count());
    let new = hunks.iter().flat_map(|each| each.hunk.new.lines());
    if (first..last).map(|line| state.file.line_text(line)).chain(new).any(reaches) {
        state.left += step;
    }
}

/// Moves the lines of the file so that some bytes of one of them are in view.
pub fn bring_into_view(state: &mut State, bytes: &Range<usize>) {
    let room = text_room(state);
    let line = state.file.line_at(bytes.start);
    let start = state.file.line(line).start;
    let columns = |end: usize| -> usize {
        let text = state.file.text.get(start..end).unwrap_or("");
        glyphs(text, 0, TAB).map(|glyph| glyph.width).sum()
    };
    let (first, end) = (columns(bytes.start), columns(bytes.end));
    // Marks at the borders take a column each.
    if end < room {
        state.left = 0;
    } else if first <= state.left || end + 1 > state.left + room {
        state.left = first.saturating_sub(room / 2);
    }
}
