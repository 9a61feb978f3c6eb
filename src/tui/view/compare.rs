//! Candidates side by side: the new text of the spans, what they change marked.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::screen::text::cut;
use crate::tui::state::Review;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::review::Look;
use crate::tui::view::rows;
use crate::tui::view::rows::Mark;
use crate::tui::view::rows::Row;

/// Columns that a candidate needs to be read.
const NARROWEST: u16 = 38;

/// Draws as many candidates as fit, the one looked at among them.
pub fn draw(state: &State, review: &Review, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let count = review.candidates.len().max(1);
    let fit = usize::from((area.width + 1) / (NARROWEST + 1)).clamp(1, count);
    let first = (review.candidate + 1).saturating_sub(fit);
    let width = (area.width + 1) / fit as u16 - 1;
    for (place, index) in (first..count.min(first + fit)).enumerate() {
        let x = area.x + place as u16 * (width + 1);
        let column = Rect { x, width, ..area };
        heading(review, index, theme, buffer, Rect { height: 1, ..column });
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..column };
        let mut all = compose(state, review, index, theme);
        all.iter_mut().for_each(|row| row.left = state.left);
        let height = usize::from(body.height);
        let top = usize::try_from(review.scroll.max(0)).unwrap_or(0).min(all.len().saturating_sub(height));
        rows::draw(&all[top..], state.file.line_count() + all.len(), theme, buffer, body);
        if place > 0 {
            for y in area.top()..area.bottom() {
                buffer.set_stringn(x - 1, y, "│", 1, theme.role("dim"));
            }
        }
    }
}

fn heading(review: &Review, index: usize, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(candidate) = review.candidates.get(index) else { return };
    let parses = match candidate.parses {
        Some(true) => " ✓",
        Some(false) => " ✗",
        None => "",
    };
    let judged = review.decisions.get(index).and_then(|each| each.judged.as_ref());
    let verified = match judged.map(|judged| judged.verdict.passed) {
        Some(true) => "  ✓ verified",
        Some(false) => "  ✗ fails",
        None => "",
    };
    let text = format!(" {}/{}  {:.2}{parses}{verified}", index + 1, review.candidates.len(), candidate.confidence);
    let role = if index == review.candidate { "popup.current" } else { "note" };
    buffer.set_style(area, theme.role(role));
    let room = usize::from(area.width);
    buffer.set_stringn(area.x, area.y, cut(&text, room, true), room, theme.role(role));
}

/// The spans as a candidate has them.
fn compose<'a>(state: &'a State, review: &'a Review, index: usize, theme: &Theme) -> Vec<Row<'a>> {
    let look = Look { sign: '+', line: "hunk.add", word: "word.add", dimmed: false };
    let text = &state.file.text;
    let mut all = Vec::new();
    let hunks = review.decisions.get(index).map(|decisions| decisions.hunks.as_slice()).unwrap_or_default();
    let mut ahead = 0isize;
    for span in &review.spans {
        if !all.is_empty() {
            let gap = vec![(Cow::Borrowed("⋯"), theme.role("dim"))];
            all.push(Row { sign: Some(' '), pieces: gap, ..Row::default() });
        }
        let mut place = span.start;
        let mut number = (state.file.line_at(span.start) + 1).saturating_add_signed(ahead);
        let own = hunks.iter().filter(|each| span.start <= each.hunk.at.start && each.hunk.at.end <= span.end);
        for each in own {
            number = kept(&mut all, text.get(place..each.hunk.at.start).unwrap_or(""), number, theme);
            for (offset, line) in each.words.new.iter().enumerate() {
                all.push(look.row(line, Some(number + offset), Mark::Hunk, theme));
            }
            // Where lines go and none come, the place is marked.
            if each.words.new.is_empty() {
                let gone = vec![(Cow::Borrowed("⋯"), theme.role("hunk.remove"))];
                all.push(Row { sign: Some('-'), mark: Mark::Hunk, pieces: gone, ..Row::default() });
            }
            number += each.words.new.len();
            ahead += each.words.new.len() as isize - each.words.old.len() as isize;
            place = each.hunk.at.end;
        }
        kept(&mut all, text.get(place..span.end).unwrap_or(""), number, theme);
    }
    all
}

/// Lines that stay; the number of the line behind them.
fn kept<'a>(all: &mut Vec<Row<'a>>, text: &'a str, mut number: usize, theme: &Theme) -> usize {
    for line in text.lines() {
        let pieces = vec![(Cow::Borrowed(line), theme.role("dim"))];
        all.push(Row { number: Some(number), sign: Some(' '), pieces, ..Row::default() });
        number += 1;
    }
    number
}
