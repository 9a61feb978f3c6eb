//! The hunks of a candidate, in their place in the file: old above new, or old beside new.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::state::Layout;
use crate::tui::state::Review;
use crate::tui::state::ReviewHunk;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::code::coloured;
use crate::tui::view::compare;
use crate::tui::view::rows;
use crate::tui::view::rows::Mark;
use crate::tui::view::rows::Row;
use crate::tui::view::rows::seen;
use crate::tui::words::Line;

/// Columns below which nothing stands beside anything.
const NARROWEST: u16 = 60;

/// Draws the file with the hunks in it, the one looked at in view.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(review) = &state.review else { return };
    if review.compare {
        return compare::draw(state, review, theme, buffer, area);
    }
    let beside = match review.layout {
        Layout::Auto => Layout::is_wide(area.width),
        Layout::SideBySide => area.width >= NARROWEST,
        Layout::Unified => false,
    };
    let last = state.file.line_count() + review.hunks().iter().map(|each| each.words.new.len()).sum::<usize>();
    if !beside {
        let all = compose(state, review, theme, area, Side::Both);
        return draw_from(&all, last, review, theme, buffer, area);
    }
    let half = (area.width - 1) / 2;
    let (left, right) = (Rect { width: half, ..area }, Rect { x: area.x + half + 1, width: area.width - half - 1, ..area });
    for (side, place) in [(Side::Old, left), (Side::New, right)] {
        let all = compose(state, review, theme, place, side);
        draw_from(&all, last, review, theme, buffer, place);
    }
    for y in area.top()..area.bottom() {
        buffer.set_stringn(area.x + half, y, "│", 1, theme.role("dim"));
    }
}

/// Draws the part of the rows in which the hunk looked at is.
fn draw_from(all: &[Row<'_>], last: usize, review: &Review, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let height = usize::from(area.height);
    let current = all.iter().position(|row| row.mark == Mark::Hunk).unwrap_or(0);
    let top = current.saturating_sub(height / 3).saturating_add_signed(review.scroll);
    rows::draw(&all[top.min(all.len().saturating_sub(height))..], last, theme, buffer, area);
}

/// What of each hunk is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

fn compose<'a>(state: &'a State, review: &'a Review, theme: &Theme, area: Rect, side: Side) -> Vec<Row<'a>> {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let file = &state.file;
    let place = review.hunks().get(review.at()).map_or(0, |each| file.line_at(each.hunk.at.start));
    let reach = height * 2 + review.scroll.unsigned_abs();
    let first = place.saturating_sub(reach);
    let last = place.saturating_add(reach).min(file.line_count());
    let mut all: Vec<Row<'a>> = Vec::new();
    let mut line = first;
    // Lines by which the new text is ahead of the old one.
    let mut ahead = 0isize;
    for (index, each) in review.hunks().iter().enumerate() {
        let hunk_line = file.line_at(each.hunk.at.start);
        let growth = each.words.new.len() as isize - each.words.old.len() as isize;
        if hunk_line < first || hunk_line > last {
            ahead += growth;
            continue;
        }
        while line < hunk_line {
            all.push(context(state, theme, line, if side == Side::New { ahead } else { 0 }, width));
            line += 1;
        }
        let number = if side == Side::New { hunk_line.saturating_add_signed(ahead) } else { hunk_line } + 1;
        push_hunk(&mut all, each, number, index == review.at(), side, theme);
        line = line.max(hunk_line + each.words.old.len());
        ahead += growth;
    }
    while line < last {
        all.push(context(state, theme, line, if side == Side::New { ahead } else { 0 }, width));
        line += 1;
    }
    all
}

fn context<'a>(state: &'a State, theme: &Theme, line: usize, ahead: isize, width: usize) -> Row<'a> {
    let text = seen(state.file.line_text(line), width);
    let pieces = coloured(state, theme, state.file.line(line).start, text, &[]);
    Row { number: Some(line.saturating_add_signed(ahead) + 1), sign: Some(' '), pieces, ..Row::default() }
}

/// The lines of a hunk: what goes, then what comes; or one side of it, as high as the other. A decision shows in a word, and by
/// what is left out: a rejected hunk dims what would have come, an accepted one dims what goes.
fn push_hunk<'a>(all: &mut Vec<Row<'a>>, each: &'a ReviewHunk, first: usize, current: bool, side: Side, theme: &Theme) {
    let mark = if current { Mark::Hunk } else { Mark::None };
    let decision = match each.accepted {
        Some(true) => Some(("✓ accepted", theme.role("good"))),
        Some(false) => Some(("✗ rejected", theme.role("diagnostic"))),
        None => None,
    };
    let old = Look { sign: '-', line: "hunk.remove", word: "word.remove", dimmed: each.accepted == Some(true) };
    let new = Look { sign: '+', line: "hunk.add", word: "word.add", dimmed: each.accepted == Some(false) };
    let begin = all.len();
    if side != Side::New {
        all.extend(each.words.old.iter().enumerate().map(|(offset, line)| old.row(line, Some(first + offset), mark, theme)));
    }
    if side != Side::Old {
        let number = |offset| (side == Side::New).then_some(first + offset);
        all.extend(each.words.new.iter().enumerate().map(|(offset, line)| new.row(line, number(offset), mark, theme)));
    }
    if side != Side::Both {
        let height = each.words.old.len().max(each.words.new.len());
        let empty = || Row { mark, sign: Some(' '), ..Row::default() };
        all.resize_with(begin + height, empty);
    }
    // Beside each other, the word stands at the new text.
    if let Some(row) = all.get_mut(begin).filter(|_| side != Side::Old) {
        row.note = decision;
    }
}

/// How the lines of one side of a hunk look.
pub(super) struct Look {
    pub(super) sign: char,
    pub(super) line: &'static str,
    pub(super) word: &'static str,
    pub(super) dimmed: bool,
}

impl Look {
    pub(super) fn row<'a>(&self, line: &'a Line, number: Option<usize>, mark: Mark, theme: &Theme) -> Row<'a> {
        let plain = if self.dimmed { theme.role("dim") } else { theme.role(self.line) };
        // A line without anything in common is a changed line, not a row of changed words.
        let whole = line.iter().all(|(changed, text)| *changed || text.trim().is_empty());
        let style = |changed: bool| -> Style {
            if changed && !whole && !self.dimmed { plain.patch(theme.role(self.word)) } else { plain }
        };
        let pieces = line.iter().map(|(changed, text)| (Cow::Borrowed(text.as_str()), style(*changed))).collect();
        Row { number, mark, sign: Some(self.sign), pieces, fill: Some(plain), ..Row::default() }
    }
}
