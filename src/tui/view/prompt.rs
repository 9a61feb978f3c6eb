//! The line that is typed in: the instruction, or what is looked for.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::screen::text::glyphs;
use crate::tui::state::Input;
use crate::tui::state::Mode;
use crate::tui::state::Search;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// The instruction, with a cursor while it is typed, and how the request will run; or what is looked for, and how often it is there.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if state.mode == Mode::Search {
        return search(&state.search, theme, buffer, area);
    }
    buffer.set_stringn(area.x, area.y, " ▏", usize::from(area.width), theme.role("bar"));
    let typed = state.mode == Mode::Prompt;
    let mut room = usize::from(area.width).saturating_sub(4);
    if typed {
        let candidates = match state.options.candidates {
            1 => "1 candidate".to_owned(),
            count => format!("{count} candidates"),
        };
        let options = format!("{candidates} · {}", state.options.method.name());
        if room > columns(&options) + 30 {
            let x = area.right() - columns(&options) as u16 - 1;
            buffer.set_stringn(x, area.y, &options, columns(&options), theme.role("note"));
            room -= columns(&options) + 2;
        }
    }
    let place = Rect { x: area.x + 3, width: room as u16, ..area };
    if !typed && state.run.as_ref().is_some_and(|run| run.recorded.is_some()) {
        buffer.set_stringn(place.x, place.y, cut("a recorded run", room, true), room, theme.role("dim"));
        return;
    }
    if state.input.text.is_empty() {
        let hint = match (typed, state.follow_up) {
            (true, true) => "what to change in this candidate",
            (true, false) => "what to do; empty fills in from the text around",
            (false, _) => "filled in from the text around",
        };
        // One column on, so that the cursor does not stand on the hint.
        let x = place.x + u16::from(typed);
        buffer.set_stringn(x, area.y, cut(hint, room.saturating_sub(1), true), room, theme.role("dim"));
    }
    field(&state.input, typed, theme, buffer, place);
}

/// What is looked for.
fn search(search: &Search, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    buffer.set_stringn(area.x, area.y, " /", usize::from(area.width), theme.role("key"));
    let count = match (search.matches.len(), search.at) {
        _ if search.waiting || search.query.is_empty() => String::new(),
        (0, _) => "nowhere".to_owned(),
        (all, Some(at)) => format!("{}/{all}", at + 1),
        (all, None) => all.to_string(),
    };
    let mut room = usize::from(area.width).saturating_sub(4);
    if room > columns(&count) + 8 {
        let x = area.right() - columns(&count) as u16 - 1;
        let role = if search.matches.is_empty() { "diagnostic" } else { "note" };
        buffer.set_stringn(x, area.y, &count, columns(&count), theme.role(role));
        room -= columns(&count) + 2;
    }
    let place = Rect { x: area.x + 3, width: room as u16, ..area };
    if search.input.text.is_empty() {
        let hint = "text in this file; capitals count when there are any";
        buffer.set_stringn(place.x + 1, place.y, cut(hint, room.saturating_sub(1), true), room, theme.role("dim"));
    }
    field(&search.input, true, theme, buffer, place);
}

/// A line that is typed: its end where it is too long, and the cursor.
pub fn field(input: &Input, typed: bool, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    let mut start = 0;
    while shown_columns(&input.text[start..input.cursor]) > room.saturating_sub(1) && start < input.cursor {
        start += input.text[start..].chars().next().map_or(1, char::len_utf8);
    }
    buffer.set_stringn(area.x, area.y, cut(&input.text[start..], room, true), room, Style::default());
    if typed {
        let x = area.x + shown_columns(&input.text[start..input.cursor]) as u16;
        if x < area.right() {
            buffer.set_style(Rect { x, y: area.y, width: 1, height: 1 }, theme.role("cursor"));
        }
    }
}

/// Columns of typed text as [`cut`] draws it.
fn shown_columns(text: &str) -> usize {
    glyphs(text, 0, 4).map(|glyph| glyph.width).sum()
}
