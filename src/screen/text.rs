//! Text for a terminal: nothing in it acts, and its width is known.
//!
//! File content, file names and model output are all untrusted. Control characters would be obeyed by the terminal, and bidi,
//! zero-width and tag characters would show code in another order than it has: all of them are shown as what they are.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use crate::text::sanitise::is_unsafe;
use crate::text::sanitise::shown;
use crate::text::sanitise_line;

/// Combining marks drawn on one character at most; more would leave the line.
const MAX_MARKS: usize = 4;

/// `text` with every character that a terminal would obey, or that would deceive a reader, made visible; tabs and line feeds too.
pub fn visible(text: &str) -> Cow<'_, str> {
    sanitise_line(text)
}

/// Terminal columns of text that went through [`visible`].
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// What is drawn for one character of a line, with the marks on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph<'a> {
    /// Text for the terminal.
    pub text: Cow<'a, str>,
    /// Its columns.
    pub width: usize,
    /// Byte offset of the character in the line.
    pub offset: usize,
    /// Bytes of the line that it stands for.
    pub len: usize,
}

/// The glyphs of one line (without its end), lazily: a view of an endless line stops when it is full.
#[derive(Clone, Debug)]
pub struct Glyphs<'a> {
    line: &'a str,
    offset: usize,
    column: usize,
    tab: usize,
}

/// Glyphs of `line`, which starts in `column` of its row; tabs go to the next multiple of `tab`.
pub fn glyphs(line: &str, column: usize, tab: usize) -> Glyphs<'_> {
    Glyphs { line, offset: 0, column, tab: tab.max(1) }
}

impl<'a> Iterator for Glyphs<'a> {
    type Item = Glyph<'a>;

    fn next(&mut self) -> Option<Glyph<'a>> {
        let offset = self.offset;
        let rest = &self.line[offset..];
        let mut chars = rest.char_indices();
        let (_, first) = chars.next()?;
        let (text, width, len) = if first == '\t' {
            let width = self.tab - self.column % self.tab;
            (Cow::Owned(" ".repeat(width)), width, 1)
        } else if is_unsafe(first) || first.width() == Some(0) {
            let text = shown(first);
            let width = columns(&text);
            (Cow::Owned(text), width, first.len_utf8())
        } else {
            let marks = chars.take(MAX_MARKS).take_while(|(_, c)| c.width() == Some(0) && !is_unsafe(*c));
            let len = marks.last().map_or(first.len_utf8(), |(at, mark)| at + mark.len_utf8());
            (Cow::Borrowed(&rest[..len]), first.width().unwrap_or(1), len)
        };
        self.offset += len;
        self.column += width;
        Some(Glyph { text, width, offset, len })
    }
}

/// `text` made visible and cut to `width` columns, with `…` (or `~`) for what was cut.
pub fn cut(text: &str, width: usize, unicode: bool) -> String {
    let mut result = String::new();
    let mut used = 0;
    let mut whole = true;
    for glyph in glyphs(text, 0, 4) {
        if used + glyph.width > width {
            whole = false;
            break;
        }
        used += glyph.width;
        result.push_str(&glyph.text);
    }
    if !whole && width > 0 {
        while columns(&result) > width - 1 {
            result.pop();
        }
        result.push(if unicode { '…' } else { '~' });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for code in 0..0x11_0000u32 {
            let Some(c) = char::from_u32(code) else { continue };
            let text = format!("a{c}b");
            let safe = visible(&text);
            assert!(!safe.chars().any(char::is_control), "{code:#x}");
            assert!(
                !safe.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}'))
            );
            let drawn: String = glyphs(&text, 0, 4).map(|glyph| glyph.text.into_owned()).collect();
            assert!(!drawn.chars().any(char::is_control), "{code:#x}");
        }
        assert_eq!(visible("a\u{1b}[2Jb\u{7f}\u{9b}"), "a␛[2Jb␡\\u{9b}");
        assert_eq!(visible("x\u{202e}y\r\n"), "x\\u{202e}y␍␊");
        assert!(matches!(visible("plain 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn glyphs_cover_the_line_and_know_their_columns() {
        let line = "\ta日e\u{301}\t\u{1b}\u{301}\u{300}\u{301}\u{300}\u{301}\u{300}🦀";
        let all: Vec<Glyph<'_>> = glyphs(line, 0, 4).collect();
        let mut offset = 0;
        for glyph in &all {
            assert_eq!(glyph.offset, offset);
            assert_eq!(columns(&glyph.text), glyph.width);
            offset += glyph.len;
        }
        assert_eq!(offset, line.len());
        let widths: Vec<usize> = all.iter().take(5).map(|glyph| glyph.width).collect();
        assert_eq!(widths, [4, 1, 2, 1, 4], "a tab at column 8 goes to 12");
        assert_eq!(all[3].text, "e\u{301}");
        assert_eq!(glyphs("\t", 3, 4).next().unwrap().width, 1);
    }

    #[test]
    fn cut_never_exceeds_the_width() {
        for text in ["", "abc", "日本語", "a日b", "\t\t", "\u{1b}\u{1b}\u{1b}", "e\u{301}e\u{301}e\u{301}"] {
            for width in 0..12 {
                let result = cut(text, width, true);
                assert!(columns(&result) <= width, "{text:?} {width} {result:?}");
            }
        }
        assert_eq!(cut("日本語", 5, true), "日本…");
        assert_eq!(cut("日本語", 6, true), "日本語");
        assert_eq!(cut("abcdef", 4, false), "abc~");
    }
}
