//! The open file, by lines.

use std::ops::Range;
use std::sync::Arc;

use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;

/// A text under a name, with its lines.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, for the title; empty when no file is open.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Its language.
    pub language: Option<Language>,
    /// Its tree, when the parse is done.
    pub syntax: Option<Arc<Syntax>>,
    starts: Vec<usize>,
}

impl File {
    /// A file, not parsed yet.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>, language: Option<Language>) -> Self {
        let text = text.into();
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        if starts.len() > 1 && starts.last() == Some(&text.len()) {
            starts.pop();
        }
        Self { name: name.into(), text, language, syntax: None, starts }
    }

    /// Whether a file is open at all.
    pub fn is_open(&self) -> bool {
        !self.name.is_empty()
    }

    /// Number of lines; an empty file has one.
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of a line, 0-based, with its end.
    pub fn line(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        start..self.starts.get(line + 1).copied().unwrap_or(self.text.len())
    }

    /// Text of a line without its end.
    pub fn line_text(&self, line: usize) -> &str {
        let text = &self.text[self.line(line)];
        let text = text.strip_suffix('\n').unwrap_or(text);
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// The line, 0-based, that holds an offset.
    pub fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// First and last line, 0-based, of some bytes.
    pub fn lines_of(&self, range: &Range<usize>) -> (usize, usize) {
        (self.line_at(range.start), self.line_at(range.end.saturating_sub(1).max(range.start)))
    }

    /// Bytes of whole lines, 0-based and inclusive.
    pub fn span_of_lines(&self, first: usize, last: usize) -> Range<usize> {
        self.line(first).start..self.line(last).end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file() {
        let file = File::new("a", "one\r\n\ntwo", None);
        assert_eq!(file.line_count(), 3);
        assert_eq!([file.line_text(0), file.line_text(1), file.line_text(2), file.line_text(9)], ["one", "", "two", ""]);
        assert_eq!([file.line_at(0), file.line_at(4), file.line_at(5), file.line_at(6), file.line_at(99)], [0, 0, 1, 2, 2]);
        assert_eq!(file.lines_of(&(0..6)), (0, 1));
        assert_eq!(file.span_of_lines(1, 2), 5..9);
        assert_eq!(File::new("a", "", None).line_count(), 1);
        assert_eq!(File::new("a", "x\n", None).line_count(), 1);
        assert_eq!(File::new("a", "\n", None).line_count(), 1);
    }
}
