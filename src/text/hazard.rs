//! Characters that change what a reader sees: directional, invisible, tag and selector characters (CVE-2021-42574).
//!
//! A candidate that brings one which the original span did not have is blocked.

use std::collections::HashMap;

/// A hidden character that a candidate would bring into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// The character.
    pub character: char,
    /// Its offset in the new text.
    pub offset: usize,
    /// What kind it is.
    pub kind: &'static str,
}

impl std::fmt::Display for Hazard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} character U+{:04X} at byte {} of the new text", self.kind, u32::from(self.character), self.offset)
    }
}

/// The kind of a hidden character; `None` for one that can be seen.
pub fn kind(character: char) -> Option<&'static str> {
    Some(match character {
        // Nearly all of a source file.
        '\0'..='\u{ac}' => return None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => "directional",
        '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{180e}' => {
            "zero-width"
        }
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => "blank-looking",
        '\u{2028}' | '\u{2029}' => "line-breaking",
        '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{e0100}'..='\u{e01ef}' => "variation selector",
        '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}' => "tag",
        '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' => "annotation",
        _ => return None,
    })
}

/// Whether a reader cannot see the character, or it moves others.
pub fn is_hidden(character: char) -> bool {
    kind(character).is_some()
}

/// The hidden characters, and the controls other than tab and line ends, of which `new` has more than `old`.
pub fn new_hazards(old: &str, new: &str) -> Vec<Hazard> {
    let kind = |character: char| match character {
        '\t' | '\n' | '\r' => None,
        _ if character.is_control() => Some("control"),
        _ => kind(character),
    };
    let mut known: HashMap<char, usize> = HashMap::new();
    old.chars().filter(|&c| kind(c).is_some()).for_each(|c| *known.entry(c).or_default() += 1);
    let mut found = Vec::new();
    for (offset, character) in new.char_indices() {
        let Some(kind) = kind(character) else { continue };
        match known.get_mut(&character) {
            Some(count) if *count > 0 => *count -= 1,
            _ => found.push(Hazard { character, offset, kind }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_hidden_characters_count() {
        assert_eq!(new_hazards("a", "b é 日本 🦀\r\n\t"), []);
        assert_eq!(new_hazards("\u{202e}", "x\u{202e}"), []);
        let found = new_hazards("\u{202e}", "\u{202e}ab\u{202e}\u{e0041}\x1b");
        assert_eq!(
            found.iter().map(|h| (h.offset, h.kind)).collect::<Vec<_>>(),
            [(5, "directional"), (8, "tag"), (12, "control")]
        );
        assert_eq!(found[0].to_string(), "directional character U+202E at byte 5 of the new text");
    }
}
