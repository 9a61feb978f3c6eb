//! The steps of a run: for each one a bar that says how many slots changed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::layout::timeline_start;
use crate::tui::state::State;
use crate::tui::theme::Theme;

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Draws the bars; the step that is shown stands out.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(run) = state.run.as_ref().filter(|_| area.width > 2) else { return };
    let changes = run.changes();
    let room = usize::from(area.width) - 2;
    let shown = run.place();
    let start = timeline_start(changes.len(), shown, room);
    let most = changes.iter().copied().max().unwrap_or(0).max(1);
    for (x, (index, change)) in changes.iter().enumerate().skip(start).take(room).enumerate() {
        let bar = BARS[(change * (BARS.len() - 1)).div_ceil(most).min(BARS.len() - 1)];
        let role = if index == shown { "timeline.current" } else { "timeline" };
        buffer.set_stringn(area.x + 1 + x as u16, area.y, bar, 1, theme.role(role));
    }
    // What is not in view at the borders.
    if start > 0 {
        buffer.set_stringn(area.x, area.y, "‹", 1, theme.role("dim"));
    }
    if start + room < changes.len() {
        buffer.set_stringn(area.right() - 1, area.y, "›", 1, theme.role("dim"));
    }
}
