//! The one sanitiser for everything printed: file content, file names, model text, compiler output.
//!
//! What a terminal would act on, and what it would hide, becomes visible.

use std::borrow::Cow;

use super::hazard::is_hidden;

/// Makes every control (but line feed and tab), every C1 control and every hidden or directional character of `text` visible.
pub fn sanitise(text: &str) -> Cow<'_, str> {
    replace(text, |character| matches!(character, '\n' | '\t'))
}

/// The same for text that must stay on one line, such as a file name: line feeds and tabs become visible too.
pub fn sanitise_line(text: &str) -> Cow<'_, str> {
    replace(text, |_| false)
}

/// The same for bytes that may not be UTF-8: each bad byte becomes `\xff` or what it is.
pub fn sanitise_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&sanitise(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Whether a terminal would act on the character or hide it.
pub fn is_unsafe(character: char) -> bool {
    character.is_control() || is_hidden(character)
}

/// How an unsafe character is shown: `␛` for the controls that have a picture, `\u{202e}` for the others.
pub fn shown(character: char) -> String {
    let code = u32::from(character);
    let picture = match code {
        // The pictures of the controls: U+2400 and on.
        0..0x20 => char::from_u32(0x2400 + code),
        0x7f => Some('\u{2421}'),
        _ => None,
    };
    picture.map_or_else(|| format!("\\u{{{code:x}}}"), String::from)
}

fn replace(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let unsafe_to_print = |c: char| !keep(c) && is_unsafe(c);
    if !text.contains(unsafe_to_print) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if unsafe_to_print(character) {
            out.push_str(&shown(character));
        } else {
            out.push(character);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        // Every byte, and every character of the planes where hidden ones are.
        let all: String = (0..=0x2fff).chain(0xf000..=0x1_0fff).chain(0xe_0000..=0xe_0fff).filter_map(char::from_u32).collect();
        for text in [sanitise(&all), sanitise_bytes(&(0..=255).collect::<Vec<u8>>()).into()] {
            let bad = text.chars().find(|&c| (c.is_control() && !matches!(c, '\n' | '\t')) || is_hidden(c));
            assert_eq!(bad, None);
        }
        assert!(!sanitise_line(&all).contains(['\n', '\t']));
    }

    #[test]
    fn what_is_safe_stays_and_the_rest_is_readable() {
        assert!(matches!(sanitise("plain é 日本 🦀\n\tx"), Cow::Borrowed(_)));
        assert_eq!(sanitise("a\x1b[31mb\r\n"), "a␛[31mb␍\n");
        assert_eq!(sanitise("\u{9b}31m \u{202e}x\x7f"), "\\u{9b}31m \\u{202e}x␡");
        assert_eq!(sanitise_line("a\nb"), "a␊b");
        assert_eq!(sanitise_bytes(b"a\xffb\x1b"), "a\\xffb␛");
    }
}
