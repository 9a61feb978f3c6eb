//! The steps of a run: for each one a bar that says how many slots changed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::screen::text::columns;
use crate::tui::layout::timeline_room;
use crate::tui::layout::timeline_start;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::theme::Theme;

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Draws the bars, the step that is shown standing out, and at the right the numbers of the run.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(run) = state.run.as_ref().filter(|_| area.width > 2) else { return };
    let changes = &run.changes;
    let room = usize::from(timeline_room(area));
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
        buffer.set_stringn(area.x + 1 + room as u16, area.y, "›", 1, theme.role("dim"));
    }
    let numbers = numbers(run);
    // Where there are few bars yet, the numbers have the room of those to come.
    let free = usize::from(area.width).saturating_sub(room.min(changes.len() - start) + 3);
    if columns(&numbers) <= free {
        let x = area.right() - columns(&numbers) as u16 - 1;
        buffer.set_stringn(x, area.y, &numbers, free, theme.role("note"));
    }
}

/// How the run gets on.
fn numbers(run: &Run) -> String {
    let Some(frame) = run.frame() else { return String::new() };
    let progress = &frame.progress;
    let finite = |value: Option<f32>| value.filter(|value| value.is_finite());
    let left = run.seconds_left().filter(|_| !run.paused && !run.ended && run.shown.is_none());
    let fields = [
        Some(format!("NFE {}", progress.nfe)),
        finite(progress.tpf).map(|value| format!("TPF {value:.1}")),
        finite(progress.tokens_per_second).map(|value| format!("{value:.1} tok/s")),
        left.map(|left| format!("{left:.0} s to go")),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join("  ")
}
