//! The hunks of a candidate, in their place in the file: old above new, or old beside new.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::style::Style;

use crate::tui::state::Layout;
use crate::tui::state::Review;
use crate::tui::state::ReviewHunk;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::verify::Diagnostic;
use crate::tui::verify::Level;
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
        let mut all = compose(state, review, theme, area, Side::Both);
        all.iter_mut().for_each(|row| row.left = state.left);
        return draw_from(&all, last, review, theme, buffer, area);
    }
    let half = (area.width - 1) / 2;
    let (left, right) = (Rect { width: half, ..area }, Rect { x: area.x + half + 1, width: area.width - half - 1, ..area });
    for (side, place) in [(Side::Old, left), (Side::New, right)] {
        let mut all = compose(state, review, theme, place, side);
        all.iter_mut().for_each(|row| row.left = state.left);
        draw_from(&all, last, review, theme, buffer, place);
    }
    for y in area.top()..area.bottom() {
        buffer.set_stringn(area.x + half, y, "│", 1, theme.role("dim"));
    }
}

/// Draws the part of the rows in which the hunk looked at is.
fn draw_from(all: &[Row<'_>], last: usize, review: &Review, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let height = usize::from(area.height);
    let focus = all.iter().position(|row| row.current);
    let current = focus.or_else(|| all.iter().position(|row| row.mark == Mark::Hunk)).unwrap_or(0);
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
    let judged = Complaints::of(state, review, theme, side);
    let at = review.hunks().get(review.at()).map_or(0, |each| file.line_at(each.hunk.at.start));
    let place = judged.focus_line().map_or(at, |line| review.old_line(file, line));
    let reach = height * 2 + review.scroll.unsigned_abs();
    let first = place.saturating_sub(reach);
    let last = place.saturating_add(reach).min(file.line_count());
    let mut all: Vec<Row<'a>> = Vec::new();
    let mut line = first;
    // Lines by which the new text is ahead of the old one.
    let mut ahead = 0isize;
    // The same for what is not rejected, which is what the commands saw.
    let mut kept = 0isize;
    let kept_lines = review.kept_lines(file);
    for (index, each) in review.hunks().iter().enumerate() {
        let hunk_line = file.line_at(each.hunk.at.start);
        let growth = each.words.new.len() as isize - each.words.old.len() as isize;
        if hunk_line < first || hunk_line > last {
            ahead += growth;
            kept += if each.accepted == Some(false) { 0 } else { growth };
            continue;
        }
        while line < hunk_line {
            all.push(context(state, theme, line, if side == Side::New { ahead } else { 0 }, width));
            judged.push(&mut all, line.saturating_add_signed(kept) + 1);
            line += 1;
        }
        let number = if side == Side::New { hunk_line.saturating_add_signed(ahead) } else { hunk_line } + 1;
        let judged_line = kept_lines.get(index).copied().unwrap_or(0);
        push_hunk(&mut all, each, (number, judged_line), index == review.at(), side, &judged, theme);
        line = line.max(hunk_line + each.words.old.len());
        ahead += growth;
        kept += if each.accepted == Some(false) { 0 } else { growth };
    }
    while line < last {
        all.push(context(state, theme, line, if side == Side::New { ahead } else { 0 }, width));
        judged.push(&mut all, line.saturating_add_signed(kept) + 1);
        line += 1;
    }
    all
}

/// What the commands complain about, to be shown below its lines.
struct Complaints<'a, 't> {
    found: &'a [Diagnostic],
    focus: Option<usize>,
    side: Side,
    theme: &'t Theme,
}

impl<'a, 't> Complaints<'a, 't> {
    fn of(state: &State, review: &'a Review, theme: &'t Theme, side: Side) -> Self {
        let judged = review.judged(&state.file.text);
        let found = judged.map_or(&[][..], |judged| judged.verdict.diagnostics.as_slice());
        Self { found, focus: review.focus, side, theme }
    }

    /// The line, from 1, of the complaint looked at.
    fn focus_line(&self) -> Option<usize> {
        self.focus.and_then(|focus| self.found.get(focus)).filter(|found| found.file.is_none()).map(|found| found.line)
    }

    /// Marks the row before with what is said about `line`, and puts that below it. The other side has as many rows.
    fn push(&self, all: &mut Vec<Row<'a>>, line: usize) {
        let own = |found: &&'a Diagnostic| found.file.is_none() && found.line == line;
        let worst = self.found.iter().filter(own).map(|found| found.level).min();
        if let (Some(level), Some(row)) = (worst, all.last_mut().filter(|_| self.side != Side::Old)) {
            row.sight = Some(('●', self.theme.role(role_of(level))));
        }
        for (index, found) in self.found.iter().enumerate().filter(|(_, found)| own(found)) {
            let focused = self.focus == Some(index);
            if self.side == Side::Old {
                all.push(Row { current: focused, sign: Some(' '), ..Row::default() });
                continue;
            }
            let style = self.theme.role(role_of(found.level));
            let text = if focused { style.patch(self.theme.role("selection")) } else { style };
            let pieces = vec![
                (Cow::Borrowed("└ "), style),
                (Cow::Borrowed(found.level.name()), text.add_modifier(Modifier::BOLD)),
                (Cow::Borrowed(": "), text),
                (Cow::Borrowed(found.message.as_str()), text),
            ];
            all.push(Row { current: focused, sign: Some(' '), pieces, ..Row::default() });
        }
    }
}

fn role_of(level: Level) -> &'static str {
    match level {
        Level::Error => "diagnostic",
        Level::Warning => "warning",
    }
}

fn context<'a>(state: &'a State, theme: &Theme, line: usize, ahead: isize, width: usize) -> Row<'a> {
    let text = seen(state.file.line_text(line), state.left + width);
    let pieces = coloured(state, theme, state.file.line(line).start, text, &[]);
    Row { number: Some(line.saturating_add_signed(ahead) + 1), sign: Some(' '), pieces, ..Row::default() }
}

/// The lines of a hunk: what goes, then what comes; or one side of it, as high as the other. A decision shows in a word, and by
/// what is left out: a rejected hunk dims what would have come, an accepted one dims what goes.
///
/// `first` is the number of its first line here, and in what the commands saw.
fn push_hunk<'a>(
    all: &mut Vec<Row<'a>>,
    each: &'a ReviewHunk,
    (first, judged_first): (usize, usize),
    current: bool,
    side: Side,
    judged: &Complaints<'a, '_>,
    theme: &Theme,
) {
    let mark = if current { Mark::Hunk } else { Mark::None };
    let decision = match each.accepted {
        Some(true) => Some(("✓ accepted", theme.role("good"))),
        Some(false) => Some(("✗ rejected", theme.role("diagnostic"))),
        None => None,
    };
    let old = Look { sign: '-', line: "hunk.remove", word: "word.remove", dimmed: each.accepted == Some(true) };
    let new = Look { sign: '+', line: "hunk.add", word: "word.add", dimmed: each.accepted == Some(false) };
    let begin = all.len();
    // The commands saw the old lines of a rejected hunk, and the new ones of any other.
    let (saw_old, saw_new) = (each.accepted == Some(false), each.accepted != Some(false));
    if side != Side::New {
        for (offset, line) in each.words.old.iter().enumerate() {
            all.push(old.row(line, Some(first + offset), mark, theme));
            if saw_old && side == Side::Both {
                judged.push(all, judged_first + offset);
            }
        }
    }
    if side != Side::Old {
        for (offset, line) in each.words.new.iter().enumerate() {
            all.push(new.row(line, (side == Side::New).then_some(first + offset), mark, theme));
            if saw_new && side == Side::Both {
                judged.push(all, judged_first + offset);
            }
        }
    }
    if side != Side::Both {
        let height = each.words.old.len().max(each.words.new.len());
        let empty = || Row { mark, sign: Some(' '), ..Row::default() };
        all.resize_with(begin + height, empty);
        // Below both sides, so that they stay beside each other.
        let seen = if saw_old { each.words.old.len() } else { each.words.new.len() };
        (judged_first..judged_first + seen).for_each(|line| judged.push(all, line));
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
