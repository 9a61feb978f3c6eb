//! Whether the terminal's background is light: from the environment, and from the terminal itself.
//!
//! The terminal is asked with OSC 11 when the first frame is drawn, and its answer is picked out of the keys: nothing waits for
//! it, and nothing that is typed meanwhile is lost.

use std::time::Duration;
use std::time::Instant;

use crossterm::event::KeyCode;
use crossterm::event::KeyModifiers;

use crate::tui::keymap::Key;

/// The question.
pub const QUESTION: &str = "\u{1b}]11;?\u{1b}\\";
/// How long an answer may take; a terminal that knows the question answers within a frame, one far away within this.
const PATIENCE: Duration = Duration::from_secs(2);
/// Keys of an answer at most: `11;rgb:ffff/ffff/ffff`.
const LONGEST: usize = 32;

/// Whether the background is light by `COLORFGBG`, such as `0;15`; `None` when it says nothing.
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Option<bool> {
    let value = variable("COLORFGBG")?;
    let ground: u8 = value.rsplit(';').next()?.trim().parse().ok()?;
    Some(matches!(ground, 7 | 9..=15))
}

/// Whether a colour as a terminal writes it, `11;rgb:RRRR/GGGG/BBBB`, is light.
fn from_answer(answer: &str) -> Option<bool> {
    let (_, colour) = answer.strip_prefix("11;")?.split_once(':')?;
    let part = |text: &str| {
        let most = 16u32.checked_pow(u32::try_from(text.len()).ok()?)?.checked_sub(1).filter(|most| *most > 0)?;
        Some(f64::from(u32::from_str_radix(text, 16).ok()?) / f64::from(most))
    };
    let parts: Vec<f64> = colour.split('/').take(3).map(part).collect::<Option<_>>()?;
    let [red, green, blue] = parts[..] else { return None };
    Some(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)
}

/// What became of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// It may be part of an answer, and is kept.
    Kept,
    /// These keys were typed.
    Typed(Vec<Key>),
    /// The answer is complete: whether the background is light.
    Answer(bool),
}

/// Picks the answer out of the keys. Terminals send it as `ESC ] … ESC \` or `ESC ] … BEL`, which is read as Alt-`]`, letters,
/// and Alt-`\` or Ctrl-G.
#[derive(Debug)]
pub struct Listener {
    until: Option<Instant>,
    kept: Vec<Key>,
}

impl Listener {
    /// Listens from now on, when the question was asked.
    pub fn new(asked: bool, now: Instant) -> Self {
        Self { until: asked.then(|| now + PATIENCE), kept: Vec::new() }
    }

    /// Takes a key.
    pub fn hear(&mut self, key: Key, now: Instant) -> Heard {
        if self.until.is_none_or(|until| now > until) {
            self.until = None;
            return self.give_up(key);
        }
        let alt = |c: char| key.code == KeyCode::Char(c) && key.modifiers == KeyModifiers::ALT;
        let bell = key.code == KeyCode::Char('g') && key.modifiers == KeyModifiers::CONTROL;
        if self.kept.is_empty() {
            return if alt(']') {
                self.kept.push(key);
                Heard::Kept
            } else {
                Heard::Typed(vec![key])
            };
        }
        if alt('\\') || bell {
            let letter = |key: &Key| match key.code {
                KeyCode::Char(c) => Some(c),
                _ => None,
            };
            let answer: String = self.kept.iter().skip(1).filter_map(letter).collect();
            return match from_answer(&answer) {
                Some(light) => {
                    self.kept.clear();
                    self.until = None;
                    Heard::Answer(light)
                }
                None => self.give_up(key),
            };
        }
        let part = matches!(key.code, KeyCode::Char(c) if c.is_ascii_hexdigit() || ";:/rgba".contains(c));
        if part && key.modifiers.is_empty() && self.kept.len() < LONGEST {
            self.kept.push(key);
            return Heard::Kept;
        }
        self.give_up(key)
    }

    /// What was kept was typed after all.
    fn give_up(&mut self, key: Key) -> Heard {
        let mut keys = std::mem::take(&mut self.kept);
        keys.push(key);
        Heard::Typed(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        text.split(' ').map(|key| key.parse().unwrap()).collect()
    }

    #[test]
    fn the_environment() {
        let light = |value: &str| from_environment(|name| (name == "COLORFGBG").then(|| value.to_owned()));
        assert_eq!(
            [light("0;15"), light("15;0"), light("15;default;0"), light("0;default;15")],
            [Some(true), Some(false), Some(false), Some(true)]
        );
        assert_eq!([light(""), light("x"), from_environment(|_| None)], [None; 3]);
    }

    #[test]
    fn colours_of_every_width() {
        assert_eq!(from_answer("11;rgb:ffff/ffff/ffff"), Some(true));
        assert_eq!(from_answer("11;rgb:1e1e/1e1e/2e2e"), Some(false));
        assert_eq!(from_answer("11;rgb:f/f/0"), Some(true));
        assert_eq!(from_answer("11;rgba:ffff/ffff/ffff/0000"), Some(true));
        for wrong in
            ["", "11;", "11;rgb:", "11;rgb:ff/ff", "11;rgb:zz/00/00", "10;rgb:ff/ff/ff", "11;rgb://", "11;rgb:123456789/0/0"]
        {
            assert_eq!(from_answer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_answer_is_picked_out_of_the_keys() {
        for end in ["alt-\\", "ctrl-g"] {
            let now = Instant::now();
            let mut listener = Listener::new(true, now);
            assert_eq!(listener.hear("j".parse().unwrap(), now), Heard::Typed(keys("j")));
            for key in keys("alt-] 1 1 ; r g b : f f / f f / f f") {
                assert_eq!(listener.hear(key, now), Heard::Kept);
            }
            assert_eq!(listener.hear(end.parse().unwrap(), now), Heard::Answer(true));
            assert_eq!(listener.hear("alt-]".parse().unwrap(), now), Heard::Typed(keys("alt-]")), "it answers once");
        }
    }

    #[test]
    fn what_is_no_answer_was_typed() {
        let now = Instant::now();
        let mut listener = Listener::new(true, now);
        assert_eq!(listener.hear("alt-]".parse().unwrap(), now), Heard::Kept);
        assert_eq!(listener.hear("1".parse().unwrap(), now), Heard::Kept);
        assert_eq!(listener.hear("down".parse().unwrap(), now), Heard::Typed(keys("alt-] 1 down")));
        assert_eq!(listener.hear("alt-]".parse().unwrap(), now), Heard::Kept);
        assert_eq!(listener.hear("q".parse().unwrap(), now + PATIENCE * 2), Heard::Typed(keys("alt-] q")));
        assert_eq!(Listener::new(false, now).hear("alt-]".parse().unwrap(), now), Heard::Typed(keys("alt-]")));
    }
}
