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
        let mut x = gutter;
        if let Some(sign) = row.sign {
            put(buffer, area, x, y, sign.encode_utf8(&mut [0; 4]), row.fill.unwrap_or_default());
            x += 2;
        }
        let start = x;
        for (text, style) in &row.pieces {
            for glyph in glyphs(text, x - start, TAB) {
                if x + glyph.width > usize::from(area.width) {
                    break;
                }
                put(buffer, area, x, y, &glyph.text, *style);
                x += glyph.width;
            }
        }
        if let Some((note, style)) = row.note {
            let width = columns(note);
            if x + width + 3 <= usize::from(area.width) {
                put(buffer, area, usize::from(area.width) - width - 1, y, note, style);
            }
        }
    }
}

fn put(buffer: &mut Buffer, area: Rect, x: usize, y: u16, text: &str, style: Style) {
    let room = usize::from(area.width).saturating_sub(x);
    if room > 0 {
        buffer.set_stringn(area.x + x as u16, y, text, room, style);
    }
}

/// The part of a line that can be seen: its first glyphs, as many as there are columns.
pub fn seen(line: &str, columns: usize) -> &str {
    let mut width = 0;
    let fits = |glyph: &Glyph<'_>| {
        width += glyph.width;
        width <= columns
    };
    let end = glyphs(line, 0, TAB).take_while(fits).last().map_or(0, |glyph| glyph.offset + glyph.len);
    &line[..end]
}
