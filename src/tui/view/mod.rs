//! Drawing: the state on the screen, and nothing else.

mod code;
mod help;
mod review;
mod rows;
mod run;
mod status;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::tui::keymap::Keymap;
use crate::tui::state::Mode;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// The smallest screen that shows anything useful.
const SMALLEST: (u16, u16) = (20, 4);

/// Draws the state.
pub fn view(state: &State, theme: &Theme, keymap: &Keymap, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    buffer.set_style(area, theme.role("text"));
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        buffer.set_stringn(area.x, area.y, "too small", usize::from(area.width), theme.role("text"));
        return;
    }
    let line = |y: u16| Rect { y: area.y + y, height: 1, ..area };
    status::title(state, theme, buffer, line(0));
    let has_prompt = matches!(state.mode, Mode::Prompt | Mode::Run) && area.height >= 6;
    let body = Rect { y: area.y + 1, height: area.height - 2 - u16::from(has_prompt), ..area };
    if state.help {
        help::draw(state, theme, keymap, buffer, body);
    } else {
        match state.mode {
            Mode::Browse | Mode::Prompt => code::draw(state, theme, buffer, body),
            Mode::Run => run::draw(state, theme, buffer, body),
            Mode::Review => review::draw(state, theme, buffer, body),
        }
    }
    if has_prompt {
        status::prompt(state, theme, buffer, line(area.height - 2));
    }
    status::status(state, theme, keymap, buffer, line(area.height - 1));
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
