//! Which lines of a file may change.

use std::ops::Range;

use crate::document::Document;
use crate::patch::Hunk;

/// Lines of a file that may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// All of them.
    All,
    /// These lines: from 0, ascending and apart.
    Lines(Vec<Range<usize>>),
}

impl Allowed {
    /// Whether all lines that the hunk replaces are among them. An insertion needs one of the lines beside it.
    pub fn covers(&self, document: &Document, hunk: &Hunk) -> bool {
        let Allowed::Lines(lines) = self else { return true };
        let first = document.lines().number_at(hunk.at.start) - 1;
        if hunk.at.is_empty() {
            return lines.iter().any(|range| range.start <= first && first <= range.end);
        }
        let last = document.lines().number_at(hunk.at.end - 1) - 1;
        lines.iter().any(|range| range.start <= first && last < range.end)
    }

    /// Their bytes.
    pub fn bytes(&self, document: &Document) -> Vec<Range<usize>> {
        let Allowed::Lines(lines) = self else { return vec![document.whole().range()] };
        let bytes =
            |range: &Range<usize>| Some(document.line_span(range.start + 1, range.end.min(document.lines().count()))?.range());
        lines.iter().filter_map(bytes).collect()
    }

    /// Whether one of them is touched by `at`.
    pub fn touches(&self, document: &Document, at: &Range<usize>) -> bool {
        self == &Allowed::All || self.bytes(document).iter().any(|bytes| bytes.start < at.end && at.start < bytes.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::hunk::hunks;

    #[test]
    fn a_hunk_stays_in_the_lines() {
        let text = "a\nb\nc\nd\ne\n";
        let document = Document::from_bytes("f".into(), text.into()).unwrap();
        let covers = |lines: Vec<Range<usize>>, new: &str| {
            hunks(0, text, new).iter().all(|hunk| Allowed::Lines(lines.clone()).covers(&document, hunk))
        };
        assert!(covers(vec![1..2], "a\nB\nc\nd\ne\n"));
        assert!(!covers(vec![1..2], "a\nB\nC\nd\ne\n"));
        assert!(covers(vec![1..3], "a\nd\ne\n"));
        assert!(!covers(vec![0..1, 2..3], "a\nd\ne\n"));
        // An insertion before line 2 belongs to line 1 or line 2.
        assert!(covers(vec![1..2], "a\nx\nb\nc\nd\ne\n") && covers(vec![0..1], "a\nx\nb\nc\nd\ne\n"));
        assert!(!covers(vec![3..4], "a\nx\nb\nc\nd\ne\n"));
        assert!(
            Allowed::Lines(vec![4..5]).touches(&document, &(8..9)) && !Allowed::Lines(vec![4..5]).touches(&document, &(0..8))
        );
        assert_eq!(Allowed::Lines(vec![1..2, 4..9]).bytes(&document), [2..4, 8..10]);
    }
}
