//! The keys that count now, from the keymap itself.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// Columns of the help beside each other at most: more would have to be read like a table.
const MOST_COLUMNS: usize = 3;

/// One line: a heading without keys, or keys and what they do.
type Entry = (String, &'static str);

/// Draws the help, in several columns where there is room; `scroll` lines are above the screen.
pub fn draw(state: &State, scroll: usize, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer, area: Rect) {
    let entries = entries(state, keymap);
    let keys = entries.iter().map(|(keys, _)| columns(keys)).max().unwrap_or(0).min(usize::from(area.width) / 3);
    let text = entries.iter().map(|(_, help)| columns(help)).max().unwrap_or(0);
    let column = keys + 2 + text + 4;
    let count = (usize::from(area.width) / column).clamp(1, MOST_COLUMNS);
    let height = usize::from(area.height).max(1);
    // Never beyond the last line.
    let start = scroll.min(entries.len().saturating_sub(height * count));
    for (index, (key, help)) in entries.iter().skip(start).take(height * count).enumerate() {
        let x = 1 + column * (index / height);
        let y = area.y + (index % height) as u16;
        let room = usize::from(area.width).saturating_sub(x);
        let at = area.x + x as u16;
        if key.is_empty() {
            buffer.set_stringn(at, y, help, room, theme.role("title"));
            continue;
        }
        buffer.set_stringn(at, y, cut(key, keys, true), room.min(keys), theme.role("key"));
        let text_room = room.saturating_sub(keys + 2);
        if text_room > 0 {
            buffer.set_stringn(at + keys as u16 + 2, y, cut(help, text_room, true), text_room, theme.role("text"));
        }
    }
}

fn entries(state: &State, keymap: &Keymap) -> Vec<Entry> {
    let context = state.mode.context();
    let mut entries = vec![(String::new(), context.name())];
    entries.extend(keymap.help(context));
    entries.push((String::new(), ""));
    entries.push((String::new(), Context::Global.name()));
    entries.extend(keymap.help(Context::Global));
    entries
}
