//! A request that does not begin with masks alone: a finished text, of which parts are denoised again around what is kept.
//!
//! A rejected hunk, lines that a verifier points at, and slots that a person marks in a finished candidate all become byte
//! ranges of the candidate's texts. Everything else stands on the canvas as pinned tokens.

use std::ops::Range;

use crate::document::Document;
use crate::document::Spans;
use crate::patch::hunk::Hunk;

/// A finished text of the spans, and what of it is to be denoised again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The text of each span, as a candidate has it.
    pub texts: Vec<String>,
    /// What is masked. A range is widened to whole tokens; an empty one is a place where something may be inserted.
    pub masked: Vec<Masked>,
}

/// A part of the text of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The span.
    pub span: usize,
    /// The bytes of its text.
    pub bytes: Range<usize>,
}

impl Start {
    /// The texts of a candidate; nothing is masked yet.
    pub fn of(texts: &[String]) -> Self {
        Self { texts: texts.to_vec(), masked: Vec::new() }
    }

    /// Masks bytes of the text of a span. What lies outside the text is left out.
    #[must_use]
    pub fn mask(mut self, span: usize, bytes: Range<usize>) -> Self {
        let len = self.texts.get(span).map_or(0, String::len);
        let start = bytes.start.min(len);
        self.masked.push(Masked { span, bytes: start..bytes.end.clamp(start, len) });
        self
    }

    /// Masks lines of the text of a span, counted from 1 in that text; a line includes its ending.
    #[must_use]
    pub fn mask_lines(self, span: usize, first: usize, last: usize) -> Self {
        let mut at = 0;
        let text = self.texts.get(span).map_or("", String::as_str);
        let lines: Vec<Range<usize>> = text
            .split_inclusive('\n')
            .map(|line| {
                at += line.len();
                at - line.len()..at
            })
            .collect();
        let within = first.saturating_sub(1)..last.min(lines.len());
        match lines.get(within) {
            Some([only]) => self.mask(span, only.clone()),
            Some([start, .., end]) => self.mask(span, start.start..end.end),
            _ => self,
        }
    }

    /// All hunks of a candidate are applied, and the new text of the rejected ones is masked.
    pub fn rejecting(document: &Document, spans: &Spans, hunks: &[Hunk], rejected: &[usize]) -> Self {
        let mut start = Self::default();
        for (number, span) in spans.iter().enumerate() {
            let original = document.span_text(span).unwrap_or_default();
            let (mut text, mut place) = (String::new(), span.start);
            let mut masked = Vec::new();
            for (index, hunk) in hunks.iter().enumerate() {
                if hunk.at.start < place || hunk.at.end > span.end {
                    continue;
                }
                let Some(kept) = original.get(place - span.start..hunk.at.start - span.start) else { continue };
                text.push_str(kept);
                if rejected.contains(&index) {
                    masked.push(text.len()..text.len() + hunk.new.len());
                }
                text.push_str(&hunk.new);
                place = hunk.at.end;
            }
            text.push_str(original.get(place - span.start..).unwrap_or_default());
            start.texts.push(text);
            start.masked.extend(masked.into_iter().map(|bytes| Masked { span: number, bytes }));
        }
        start
    }

    /// What is masked of a span, ascending and joined where it touches, in bytes of its text with `\n` as only line ending.
    pub(super) fn masked_lf(&self, span: usize) -> Vec<Range<usize>> {
        let text = self.texts.get(span).map_or("", String::as_str);
        let lf = |at: usize| at - text.as_bytes()[..at.min(text.len())].windows(2).filter(|pair| pair == b"\r\n").count();
        let own = self.masked.iter().filter(|masked| masked.span == span && masked.bytes.end <= text.len());
        let mut ranges: Vec<Range<usize>> = own.map(|masked| lf(masked.bytes.start)..lf(masked.bytes.end)).collect();
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::hunk::of_spans;

    fn document(text: &str) -> Document {
        Document::from_bytes("f.py".into(), text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_rejected_hunk_is_masked_and_the_others_are_kept() {
        let document = document("a\nb\nc\nd\ne\n");
        let spans = Spans::new(&document, vec![document.line_span(1, 5).unwrap()]).unwrap();
        let span = spans.as_slice()[0];
        let hunks = of_spans(&document, &[(span, "A\nb\nc\nDD\nD\ne\n")]).unwrap();
        assert_eq!(hunks.len(), 2);
        let start = Start::rejecting(&document, &spans, &hunks, &[1]);
        assert_eq!(start.texts, ["A\nb\nc\nDD\nD\ne\n"]);
        assert_eq!(start.masked, [Masked { span: 0, bytes: 6..11 }]);
        assert_eq!(&start.texts[0][6..11], "DD\nD\n");
        let deleted = of_spans(&document, &[(span, "a\nb\nd\ne\n")]).unwrap();
        let start = Start::rejecting(&document, &spans, &deleted, &[0]);
        assert_eq!(start.masked, [Masked { span: 0, bytes: 4..4 }], "a place to insert what was deleted");
    }

    #[test]
    fn lines_and_line_endings() {
        let start = Start::of(&["one\r\ntwo\r\nthree".to_owned()]).mask_lines(0, 2, 2).mask_lines(0, 3, 9).mask_lines(0, 7, 8);
        assert_eq!(start.masked, [Masked { span: 0, bytes: 5..10 }, Masked { span: 0, bytes: 10..15 }]);
        assert_eq!(start.masked_lf(0), [4..13], "joined, in one\\ntwo\\nthree");
        assert!(Start::of(&[]).mask(3, 1..2).masked_lf(3).iter().all(Range::is_empty));
    }
}
