//! Typing and editing one line: the instruction, or what is looked for in a list or in the file.

use crossterm::event::KeyCode;
use crossterm::event::KeyModifiers;

use crate::tui::keymap::Key;
use crate::tui::state::Input;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::State;
use crate::tui::update::tell;

/// Bytes of an instruction at most; what is pasted beyond is cut.
pub const MAX_INPUT: usize = 4096;

/// The line that is typed in now.
fn input(state: &mut State) -> &mut Input {
    match &mut state.overlay {
        Some(Overlay::Picker(picker)) => &mut picker.input,
        None if state.mode == Mode::Search => &mut state.search.input,
        _ => &mut state.input,
    }
}

/// Editing keys of a line; whether the key was one.
pub fn edit_input(state: &mut State, key: Key) -> bool {
    let input = input(state);
    let before = input.text[..input.cursor].chars().next_back().map_or(0, char::len_utf8);
    let after = input.text[input.cursor..].chars().next().map_or(0, char::len_utf8);
    match (key.code, key.modifiers) {
        (KeyCode::Char(c), modifiers) if !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            type_text(state, c.encode_utf8(&mut [0; 4]));
        }
        (KeyCode::Backspace, _) => {
            input.cursor -= before;
            input.text.drain(input.cursor..input.cursor + before);
        }
        (KeyCode::Delete, _) => {
            input.text.drain(input.cursor..input.cursor + after);
        }
        (KeyCode::Left, _) => input.cursor -= before,
        (KeyCode::Right, _) => input.cursor += after,
        (KeyCode::Home, _) | (KeyCode::Char('a'), KeyModifiers::CONTROL) => input.cursor = 0,
        (KeyCode::End, _) | (KeyCode::Char('e'), KeyModifiers::CONTROL) => input.cursor = input.text.len(),
        (KeyCode::Char('u'), KeyModifiers::CONTROL) => {
            input.text.drain(..input.cursor);
            input.cursor = 0;
        }
        _ => return false,
    }
    true
}

/// Puts text in at the cursor.
pub fn type_text(state: &mut State, text: &str) {
    for c in text.chars() {
        // One line: what ends one becomes a blank, and what a terminal would obey is left out.
        let c = if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
        if c.is_control() {
            continue;
        }
        let input = input(state);
        if input.text.len() + c.len_utf8() > MAX_INPUT {
            return tell(state, format!("the line is cut at {MAX_INPUT} bytes"), false);
        }
        input.text.insert(input.cursor, c);
        input.cursor += c.len_utf8();
    }
}
