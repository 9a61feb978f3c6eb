//! The keys that count now, from the keymap itself.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::screen::text::columns;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// Draws the help, in two columns where there is room.
pub fn draw(state: &State, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer, area: Rect) {
    let context = state.mode.context();
    let mut entries = vec![(String::new(), context.name())];
    entries.extend(keymap.help(context));
    entries.push((String::new(), ""));
    entries.push((String::new(), Context::Global.name()));
    entries.extend(keymap.help(Context::Global));
    let keys = entries.iter().map(|(keys, _)| columns(keys)).max().unwrap_or(0);
    let column = (keys + 2 + entries.iter().map(|(_, help)| columns(help)).max().unwrap_or(0) + 4) as u16;
    let per_column = usize::from(area.height).max(1);
    for (index, (key, help)) in entries.iter().enumerate() {
        let x = 1 + column * (index / per_column) as u16;
        let y = area.y + (index % per_column) as u16;
        let room = usize::from(area.width.saturating_sub(x));
        if room == 0 {
            continue;
        }
        if key.is_empty() {
            buffer.set_stringn(area.x + x, y, help, room, theme.role("title"));
            continue;
        }
        buffer.set_stringn(area.x + x, y, key, room.min(keys), theme.role("key"));
        let text_room = room.saturating_sub(keys + 2);
        if text_room > 0 {
            buffer.set_stringn(area.x + x + keys as u16 + 2, y, help, text_room, theme.role("text"));
        }
    }
}
