//! Rows of a file view: gutter and text, cut to the screen.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::Glyph;
use crate::screen::text::columns;
use crate::screen::text::glyphs;
use crate::tui::layout::TAB;
use crate::tui::layout::gutter;
use crate::tui::theme::Theme;

/// What stands in the first column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// The line belongs to a span or a selection.
    Span,
    /// The line belongs to the hunk looked at.
    Hunk,
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row<'a> {
    /// 1-based number of its line, or `None` where the line goes on.
    pub number: Option<usize>,
    /// Whether the cursor is on it.
    pub current: bool,
    /// What stands in the first column.
    pub mark: Mark,
    /// A sign before the text: `-`, `+`, or a blank in a diff, else `None`.
    pub sign: Option<char>,
    /// Pieces of text with their styles.
    pub pieces: Vec<(Cow<'a, str>, Style)>,
    /// The style behind the text, to the border.
    pub fill: Option<Style>,
    /// A word at the right border, where there is room behind the text.
    pub note: Option<(&'static str, Style)>,
    /// A sign behind the number, or in its place where there is none.
    pub sight: Option<(char, Style)>,
    /// Columns of the text that are left of the screen.
    pub left: usize,
}

/// Draws rows from the top of `area`.
pub fn draw(rows: &[Row<'_>], last: usize, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let gutter = gutter(last, area.width);
    for (row, y) in rows.iter().zip(area.y..area.bottom()) {
        if let Some(fill) = row.fill {
            let x = area.x + (gutter as u16).min(area.width);
            buffer.set_style(Rect { x, y, width: area.right() - x, height: 1 }, fill);
        }
        let (mark, style) = match row.mark {
            Mark::None => (" ", theme.role("text")),
            Mark::Span => ("┃", theme.role("bar")),
            Mark::Hunk => ("▌", theme.role("hunk.current")),
        };
        buffer.set_stringn(area.x, y, mark, usize::from(area.width.min(1)), style);
        if let (Some(number), true) = (row.number, gutter > 1) {
            let role = if row.current { "number.current" } else { "number" };
            let text = format!("{number:>width$}", width = gutter - 3);
            buffer.set_stringn(area.x + 1, y, text, gutter - 1, theme.role(role));
        }
        if let Some((sight, style)) = row.sight {
            put(buffer, area, gutter.saturating_sub(2), y, sight.encode_utf8(&mut [0; 4]), style);
        }
        let mut x = gutter;
        if let Some(sign) = row.sign {
            put(buffer, area, x, y, sign.encode_utf8(&mut [0; 4]), row.fill.unwrap_or_default());
            x += 2;
        }
        let end = text(row, x, y, theme, buffer, area);
        if let Some((note, style)) = row.note {
            let width = columns(note);
            if end + width + 3 <= usize::from(area.width) {
                put(buffer, area, usize::from(area.width) - width - 1, y, note, style);
            }
        }
    }
}

/// Draws the text of a row from column `start` on, with a mark at each border behind which there is more; the column behind it.
fn text(row: &Row<'_>, start: usize, y: u16, theme: &Theme, buffer: &mut Buffer, area: Rect) -> usize {
    let width = usize::from(area.width);
    // The mark has the place of a column.
    let left = if row.left > 0 { row.left + 1 } else { 0 };
    let first = start + usize::from(left > 0);
    let (mut column, mut x, mut last) = (0, first, first);
    let mut has_more = false;
    'row: for (text, style) in &row.pieces {
        for glyph in glyphs(text, column, TAB) {
            let from = column;
            column += glyph.width;
            // A glyph that the border halves is left out.
            if from < left {
                x = first + column.saturating_sub(left);
                continue;
            }
            x = first + from - left;
            if x + glyph.width > width {
                has_more = true;
                break 'row;
            }
            put(buffer, area, x, y, &glyph.text, *style);
            last = x;
            x += glyph.width;
        }
    }
    if left > 0 && column > 0 {
        put(buffer, area, start, y, "‹", theme.role("dim"));
    }
    if has_more && width > start + 1 {
        // The mark takes the place of the last glyph, of which no half may stay.
        if x == width && last + 2 == width {
            put(buffer, area, last, y, " ", Style::default());
        }
        put(buffer, area, width - 1, y, "›", theme.role("dim"));
        return width;
    }
    x
}

fn put(buffer: &mut Buffer, area: Rect, x: usize, y: u16, text: &str, style: Style) {
    let room = usize::from(area.width).saturating_sub(x);
    if room > 0 {
        buffer.set_stringn(area.x + x as u16, y, text, room, style);
    }
}

/// The part of a line that can be seen: its first glyphs, as many as there are columns, and one more, so that it is known
/// whether there is more.
pub fn seen(line: &str, columns: usize) -> &str {
    let mut width = 0;
    let fits = |glyph: &Glyph<'_>| {
        let fits = width <= columns;
        width += glyph.width;
        fits
    };
    let end = glyphs(line, 0, TAB).take_while(fits).last().map_or(0, |glyph| glyph.offset + glyph.len);
    &line[..end]
}
