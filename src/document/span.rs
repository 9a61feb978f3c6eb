//! Spans: the byte ranges of a document that may be rewritten.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::Serialize;

use super::Document;
use super::SpanError;

/// A byte range of a document, on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// Bytes in the span.
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether the span holds no byte: a place to insert at.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As a range of byte offsets.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether two spans share a byte, or are insertions at the same place, so that their order would be undefined.
    pub fn overlaps(&self, other: &Span) -> bool {
        (self.start < other.end && other.start < self.end) || (self.start == other.start && self.end == other.end)
    }

    /// Checks that the span lies in `document` and cuts nothing in two.
    pub fn check(&self, document: &Document) -> Result<(), SpanError> {
        let text = document.text();
        if self.end < self.start {
            return Err(SpanError::Reversed { span: *self });
        }
        if self.end > text.len() {
            return Err(SpanError::PastEnd { span: *self, len: text.len() });
        }
        for offset in [self.start, self.end] {
            let what = if offset < document.bom_len() {
                "the byte order mark"
            } else if !text.is_char_boundary(offset) {
                "the character"
            } else if text[..offset].ends_with('\r') && text[offset..].starts_with('\n') {
                "the line ending"
            } else {
                continue;
            };
            return Err(SpanError::Cuts { span: *self, offset, what });
        }
        Ok(())
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span::new(range.start, range.end)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// Spans of one document, in order and apart from each other; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Checks and sorts `spans`.
    pub fn new(document: &Document, mut spans: Vec<Span>) -> Result<Spans, SpanError> {
        if spans.is_empty() {
            return Err(SpanError::None);
        }
        spans.sort();
        spans.iter().try_for_each(|span| span.check(document))?;
        for pair in spans.windows(2) {
            if let [first, second] = pair
                && first.overlaps(second)
            {
                return Err(SpanError::Overlap { first: *first, second: *second });
            }
        }
        Ok(Spans(spans))
    }

    /// The spans in order.
    pub fn as_slice(&self) -> &[Span] {
        &self.0
    }

    /// The spans in order.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str, list: &[(usize, usize)]) -> Result<Spans, SpanError> {
        let document = Document::from_bytes("t".into(), text.as_bytes().to_vec()).unwrap();
        Spans::new(&document, list.iter().map(|&(start, end)| Span { start, end }).collect())
    }

    #[test]
    fn sorts_and_keeps_apart() {
        let sorted = spans("0123456789", &[(6, 8), (0, 2), (2, 2), (2, 4)]).unwrap();
        assert_eq!(sorted.iter().map(|s| (s.start, s.end)).collect::<Vec<_>>(), [(0, 2), (2, 2), (2, 4), (6, 8)]);
    }

    #[test]
    fn refuses_bad_spans() {
        type Case<'a> = (&'a str, &'a [(usize, usize)], fn(&SpanError) -> bool);
        let cases: [Case; 9] = [
            ("abc", &[], |e| matches!(e, SpanError::None)),
            ("abc", &[(2, 1)], |e| matches!(e, SpanError::Reversed { .. })),
            ("abc", &[(0, 4)], |e| matches!(e, SpanError::PastEnd { .. })),
            ("aéc", &[(0, 2)], |e| matches!(e, SpanError::Cuts { what: "the character", offset: 2, .. })),
            ("a\r\nb", &[(0, 2)], |e| matches!(e, SpanError::Cuts { what: "the line ending", .. })),
            ("\u{feff}abc", &[(0, 4)], |e| matches!(e, SpanError::Cuts { what: "the byte order mark", .. })),
            ("abcdef", &[(0, 3), (2, 4)], |e| matches!(e, SpanError::Overlap { .. })),
            ("abcdef", &[(0, 5), (2, 3)], |e| matches!(e, SpanError::Overlap { .. })),
            ("abcdef", &[(2, 2), (2, 2)], |e| matches!(e, SpanError::Overlap { .. })),
        ];
        for (text, list, expected) in cases {
            let error = spans(text, list).unwrap_err();
            assert!(expected(&error), "{text:?} {list:?}: {error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
