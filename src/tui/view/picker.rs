//! A list to choose from, in a box over the file.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::screen::text::glyphs;
use crate::tui::layout::picker_area;
use crate::tui::layout::picker_top;
use crate::tui::state::Picker;
use crate::tui::state::picker::Found;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Value;
use crate::tui::theme::Theme;
use crate::tui::view::prompt::field;

/// Draws the list.
pub fn draw(picker: &Picker, size: (u16, u16), theme: &Theme, buffer: &mut Buffer) {
    let area = picker_area(picker, size).intersection(buffer.area);
    if area.width < 8 || area.height < 4 {
        return;
    }
    let plain = theme.role("text").patch(theme.role("popup"));
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            buffer[(x, y)].reset();
        }
    }
    buffer.set_style(area, plain);
    border(picker, theme, buffer, area, plain);
    let inner = Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 };
    let count = if picker.loading { String::new() } else { format!("{}/{}", picker.found.len(), picker.items.len()) };
    let room = usize::from(inner.width).saturating_sub(columns(&count) + 3);
    buffer.set_stringn(inner.x, inner.y, "›", 1, plain.patch(theme.role("key")));
    field(&picker.input, true, theme, buffer, Rect { x: inner.x + 2, width: room as u16, height: 1, ..inner });
    let x = inner.right().saturating_sub(columns(&count) as u16);
    buffer.set_stringn(x, inner.y, &count, usize::from(inner.width), plain.patch(theme.role("dim")));
    let list = Rect { y: inner.y + 1, height: inner.height - 1, x: area.x + 1, width: area.width - 2 };
    if picker.found.is_empty() {
        let why = match (picker.loading, picker.items.is_empty()) {
            (true, _) => "looking …",
            (false, true) => picker.kind.empty(),
            (false, false) => "nothing matches",
        };
        buffer.set_stringn(list.x + 1, list.y, why, usize::from(list.width - 1), plain.patch(theme.role("dim")));
        return;
    }
    let top = picker_top(picker, size);
    let shown = picker.found.iter().enumerate().skip(top);
    for ((index, found), y) in shown.zip(list.y..list.bottom()) {
        if let Some(item) = picker.items.get(found.item) {
            row(item, found, index == picker.at, theme, buffer, Rect { y, height: 1, ..list });
        }
    }
}

fn border(picker: &Picker, theme: &Theme, buffer: &mut Buffer, area: Rect, plain: Style) {
    let dim = plain.patch(theme.role("dim"));
    let line = |left: &str, right: &str| format!("{left}{}{right}", "─".repeat(usize::from(area.width) - 2));
    let width = usize::from(area.width);
    buffer.set_stringn(area.x, area.y, line("╭", "╮"), width, dim);
    buffer.set_stringn(area.x, area.bottom() - 1, line("╰", "╯"), width, dim);
    for y in area.y + 1..area.bottom() - 1 {
        buffer.set_stringn(area.x, y, "│", 1, dim);
        buffer.set_stringn(area.right() - 1, y, "│", 1, dim);
    }
    let title = format!(" {} ", picker.kind.title());
    buffer.set_stringn(area.x + 2, area.y, title, width - 4, plain.patch(theme.role("title")));
}

/// One item: badge, label with the matching characters marked, detail at the right.
fn row(item: &Item, found: &Found, current: bool, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let base = theme.role("text").patch(theme.role("popup"));
    let base = if current { base.patch(theme.role("popup.current")) } else { base };
    buffer.set_style(area, base);
    let width = usize::from(area.width);
    let mut x = 1;
    let mut put = |x: usize, text: &str, style: Style| {
        if x < width {
            buffer.set_stringn(area.x + x as u16, area.y, text, width - x, style);
        }
    };
    let badge = match item.badge {
        '?' | 'A' => "good",
        'D' | 'U' => "diagnostic",
        _ => "key",
    };
    if item.badge != ' ' {
        put(x, item.badge.encode_utf8(&mut [0; 4]), base.patch(theme.role(badge)));
    }
    x += if matches!(item.value, Value::File(_) | Value::Edit { .. }) { 2 } else { 0 };
    // The detail gives way to a long label.
    let detail = cut(&item.detail, width.saturating_sub(x) / 2, true);
    let room = width.saturating_sub(x + 1);
    let label_room = if columns(&item.label) + columns(&detail) + 3 <= room { room - columns(&detail) - 2 } else { room };
    let has_detail = label_room < room || detail.is_empty();
    let mut character = 0;
    let start = x;
    for glyph in glyphs(&item.label, 0, 4) {
        let length = item.label[glyph.offset..glyph.offset + glyph.len].chars().count() as u32;
        if x - start + glyph.width > label_room.saturating_sub(1) {
            put(x, "…", base.patch(theme.role("dim")));
            break;
        }
        let hit = found.positions.iter().any(|position| (character..character + length).contains(position));
        put(x, &glyph.text, if hit { base.patch(theme.role("match")) } else { base });
        character += length;
        x += glyph.width;
    }
    if has_detail && !detail.is_empty() {
        put(width - columns(&detail) - 1, &detail, base.patch(theme.role("dim")));
    }
}
