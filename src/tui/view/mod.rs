//! Drawing: the state on the screen, and nothing else.

mod code;
mod compare;
mod help;
mod picker;
mod prompt;
mod review;
mod rows;
mod run;
mod status;
mod timeline;
mod tokens;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::keymap::Keymap;
use crate::tui::layout::areas;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// The smallest screen that shows anything useful.
const SMALLEST: (u16, u16) = (20, 4);

/// Draws the state.
pub fn view(state: &State, theme: &Theme, keymap: &Keymap, frame: &mut Frame<'_>) {
    draw(state, theme, keymap, frame.buffer_mut());
}

/// Draws the state into a buffer of the state's size, or a smaller one while the terminal is being resized.
pub fn draw(state: &State, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer) {
    let screen = buffer.area;
    buffer.set_style(screen, theme.role("text"));
    let (width, height) = state.size;
    let fits = width <= screen.width && height <= screen.height;
    if !fits || width < SMALLEST.0 || height < SMALLEST.1 {
        buffer.set_stringn(screen.x, screen.y, "too small", usize::from(screen.width), theme.role("text"));
        return;
    }
    let areas = areas(state);
    status::title(state, theme, buffer, areas.title);
    if let Some(Overlay::Help { scroll }) = &state.overlay {
        let body = Rect { height: height - 2, ..areas.body };
        help::draw(state, *scroll, theme, keymap, buffer, body);
        status::status(state, theme, keymap, buffer, areas.status);
        return;
    }
    match (state.mode, state.follow_up) {
        (Mode::Prompt, true) | (Mode::Review, _) => review::draw(state, theme, buffer, areas.body),
        (Mode::Browse | Mode::Prompt | Mode::Search, _) => code::draw(state, theme, keymap, buffer, areas.body),
        (Mode::Run, _) => run::draw(state, theme, buffer, areas.body),
    }
    timeline::draw(state, theme, buffer, areas.timeline);
    if areas.prompt.height > 0 {
        prompt::draw(state, theme, buffer, areas.prompt);
    }
    status::status(state, theme, keymap, buffer, areas.status);
    if let Some(Overlay::Picker(list)) = &state.overlay {
        picker::draw(list, state.size, theme, buffer);
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
