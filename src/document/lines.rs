//! Lines of a text and the line ending of each.
//!
//! A line ends with LF or CR LF. A lone CR is an ordinary character, as it is for git: splitting there would make line numbers
//! that no other tool agrees with.

use std::ops::Range;

use serde::Deserialize;
use serde::Serialize;

/// A line ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eol {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
}

impl Eol {
    /// The bytes of the line ending.
    pub fn as_str(self) -> &'static str {
        match self {
            Eol::Lf => "\n",
            Eol::CrLf => "\r\n",
        }
    }
}

/// One line: where it is, and how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Offset of its first byte (after the byte order mark, for line 1).
    pub start: usize,
    /// Offset behind its last byte, line ending included.
    pub end: usize,
    /// Its line ending; `None` for a last line without one.
    pub eol: Option<Eol>,
}

impl Line {
    /// The whole line, line ending included.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The line without its ending.
    pub fn content(&self) -> Range<usize> {
        self.start..self.end - self.eol.map_or(0, |eol| eol.as_str().len())
    }
}

/// Where each line of a text starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineIndex {
    lines: Vec<Line>,
    crlf: usize,
    lf: usize,
}

impl LineIndex {
    /// Indexes `text`; the first `skip` bytes (a byte order mark) belong to no line.
    pub fn new(text: &str, skip: usize) -> LineIndex {
        let bytes = text.as_bytes();
        let mut index = LineIndex { lines: Vec::new(), crlf: 0, lf: 0 };
        let mut start = skip.min(bytes.len());
        while start < bytes.len() {
            let line = match bytes[start..].iter().position(|&b| b == b'\n') {
                Some(at) => {
                    let crlf = at > 0 && bytes[start + at - 1] == b'\r';
                    let eol = if crlf { Eol::CrLf } else { Eol::Lf };
                    Line { start, end: start + at + 1, eol: Some(eol) }
                }
                None => Line { start, end: bytes.len(), eol: None },
            };
            match line.eol {
                Some(Eol::Lf) => index.lf += 1,
                Some(Eol::CrLf) => index.crlf += 1,
                None => {}
            }
            start = line.end;
            index.lines.push(line);
        }
        index
    }

    /// Number of lines; text behind the last line ending counts as a line, nothing behind it does not.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Line `number`, counted from 1.
    pub fn line(&self, number: usize) -> Option<Line> {
        self.lines.get(number.checked_sub(1)?).copied()
    }

    /// All lines in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Line> + ExactSizeIterator + '_ {
        self.lines.iter().copied()
    }

    /// Number of the line that holds the byte at `offset`, counted from 1; the end of the text belongs to the last line, or to
    /// the line behind it when the text ends with a line ending.
    pub fn number_at(&self, offset: usize) -> usize {
        self.lines.partition_point(|line| line.end <= offset) + 1
    }

    /// The line ending most lines have; `None` on a tie or without any.
    pub fn majority(&self) -> Option<Eol> {
        majority(self.lf, self.crlf)
    }

    /// Whether both kinds of line ending occur.
    pub fn is_mixed(&self) -> bool {
        self.lf > 0 && self.crlf > 0
    }

    /// The line ending of new lines between the byte offsets of `around`: what most lines within it and of the four lines on
    /// either side have, then what most lines of the text have, then LF.
    pub fn eol_around(&self, around: Range<usize>) -> Eol {
        const NEIGHBOURS: usize = 4;
        let first = self.lines.partition_point(|line| line.end <= around.start);
        let last = self.lines.partition_point(|line| line.start < around.end);
        let near = first.saturating_sub(NEIGHBOURS)..(last + NEIGHBOURS).min(self.lines.len());
        let near = self.lines.get(near).unwrap_or_default();
        let count = |eol| near.iter().filter(|line| line.eol == Some(eol)).count();
        majority(count(Eol::Lf), count(Eol::CrLf)).or(self.majority()).unwrap_or(Eol::Lf)
    }
}

fn majority(lf: usize, crlf: usize) -> Option<Eol> {
    match lf.cmp(&crlf) {
        std::cmp::Ordering::Greater => Some(Eol::Lf),
        std::cmp::Ordering::Less => Some(Eol::CrLf),
        std::cmp::Ordering::Equal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_endings() {
        let index = LineIndex::new("a\r\n\nb\rc\nlast", 0);
        let lines: Vec<_> = index.iter().map(|l| (l.range(), l.content(), l.eol)).collect();
        assert_eq!(
            lines,
            [(0..3, 0..1, Some(Eol::CrLf)), (3..4, 3..3, Some(Eol::Lf)), (4..8, 4..7, Some(Eol::Lf)), (8..12, 8..12, None),]
        );
        assert_eq!(index.line(0), None);
        assert_eq!(index.line(5), None);
        assert_eq!([0, 2, 3, 4, 11, 12].map(|at| index.number_at(at)), [1, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn empty_text_has_no_line_and_a_final_ending_opens_none() {
        assert_eq!(LineIndex::new("", 0).count(), 0);
        assert_eq!(LineIndex::new("\n", 0).count(), 1);
        assert_eq!(LineIndex::new("a\nb\n", 0).count(), 2);
        assert_eq!(LineIndex::new("\u{feff}", 3).count(), 0);
    }

    #[test]
    fn new_lines_take_the_neighbours_ending() {
        let text = format!("{}{}", "x\r\n".repeat(20), "y\n".repeat(10));
        let index = LineIndex::new(&text, 0);
        assert_eq!(index.eol_around(0..0), Eol::CrLf);
        assert_eq!(index.eol_around(text.len()..text.len()), Eol::Lf);
        // Four lines on either side: a tie, which the whole text decides.
        assert_eq!(index.eol_around(60..60), Eol::CrLf);
        assert_eq!(LineIndex::new("one line", 0).eol_around(3..3), Eol::Lf);
    }
}
