//! One key of the keyboard, and its name.

use std::fmt;
use std::str::FromStr;

use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyModifiers;

use crate::tui::keymap::KeymapError;

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key; a letter carries its own case.
    pub code: KeyCode,
    /// Ctrl and Alt; Shift only with keys that are no characters.
    pub modifiers: KeyModifiers,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = event.code;
        if let KeyCode::Char(c) = code {
            modifiers -= KeyModifiers::SHIFT;
            if modifiers.contains(KeyModifiers::CONTROL) {
                code = KeyCode::Char(c.to_ascii_lowercase());
            }
        }
        // Shift is in the name of the key already.
        if code == KeyCode::BackTab {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code, modifiers }
    }
}

const NAMED: [(&str, KeyCode); 17] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("page-up", KeyCode::PageUp),
    ("page-down", KeyCode::PageDown),
    ("minus", KeyCode::Char('-')),
    ("insert", KeyCode::Insert),
];

impl FromStr for Key {
    type Err = KeymapError;

    fn from_str(text: &str) -> Result<Self, KeymapError> {
        let error = || KeymapError::Key(text.to_owned());
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let (modifier, prefix) = match rest {
                _ if rest.starts_with("ctrl-") => (KeyModifiers::CONTROL, 5),
                _ if rest.starts_with("alt-") => (KeyModifiers::ALT, 4),
                _ if rest.starts_with("shift-") => (KeyModifiers::SHIFT, 6),
                _ => break,
            };
            modifiers |= modifier;
            rest = &rest[prefix..];
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => KeyCode::Char(c),
            (Some('f'), Some('1'..='9')) => {
                let number = rest[1..].parse().ok().filter(|number| (1..=12).contains(number));
                KeyCode::F(number.ok_or_else(error)?)
            }
            _ => NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code).ok_or_else(error)?,
        };
        // Terminals send the letter itself for shift, so a binding with both would never be met.
        if matches!(code, KeyCode::Char(_)) && modifiers.contains(KeyModifiers::SHIFT) {
            return Err(error());
        }
        Ok(Self { code, modifiers })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")] {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(number)) => write!(f, "f{number}"),
            (None, code) => write!(f, "{code}"),
        }
    }
}

/// Whether a key types, erases or moves in a line of text, before it can mean anything else there.
pub fn is_editing(key: Key) -> bool {
    match (key.code, key.modifiers) {
        (KeyCode::Char(_), modifiers) if !modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => true,
        (KeyCode::Char('a' | 'e' | 'u'), KeyModifiers::CONTROL) => true,
        (code, _) => {
            matches!(code, KeyCode::Backspace | KeyCode::Delete | KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_keys() {
        let key = |code, modifiers| Key::from(KeyEvent::new(code, modifiers)).to_string();
        assert_eq!(key(KeyCode::Char('A'), KeyModifiers::SHIFT), "A");
        assert_eq!(key(KeyCode::Char('C'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), "ctrl-c");
        assert_eq!(key(KeyCode::Char(' '), KeyModifiers::NONE), "space");
        assert_eq!(key(KeyCode::PageUp, KeyModifiers::SHIFT), "shift-page-up");
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::SHIFT), "backtab");
        assert_eq!(key(KeyCode::F(12), KeyModifiers::NONE), "f12");
        assert_eq!("f12".parse::<Key>().map(|key| key.code), Ok(KeyCode::F(12)));
        assert!("f13".parse::<Key>().is_err() && "f0".parse::<Key>().is_err() && "f1x".parse::<Key>().is_err());
        assert!("shift-a".parse::<Key>().is_err() && "".parse::<Key>().is_err() && "ctrl-".parse::<Key>().is_err());
    }
}
