//! Finding a piece of text again after the file changed elsewhere.

use serde::Deserialize;
use serde::Serialize;

use crate::document::ContentHash;
use crate::document::Span;

/// What surrounds a span: enough to find the span again, or to know that it cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Offset of the span in its document.
    pub start: usize,
    /// Bytes behind the span.
    pub rest: usize,
    /// Hash of everything before the span.
    pub prefix: ContentHash,
    /// Hash of everything behind it.
    pub suffix: ContentHash,
    /// The lines just before it.
    pub before: String,
    /// The lines just behind it.
    pub after: String,
}

/// Why a piece of text was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The text or what surrounds it changed.
    #[error("the text there was changed since")]
    Gone,
    /// It occurs several times.
    #[error("the text occurs {0} times by now and cannot be told apart")]
    Ambiguous(usize),
}

const LINES: usize = 3;
const BYTES: usize = 1000;

impl Anchor {
    /// What surrounds `span` in `text`; `None` if the span does not lie in it.
    pub fn of(text: &str, span: Span) -> Option<Anchor> {
        let (before, after) = (text.get(..span.start)?, text.get(span.end..)?);
        let mut head = before.split_inclusive('\n').rev().take(LINES).fold(before.len(), |at, line| at - line.len());
        let mut tail = after.split_inclusive('\n').take(LINES).map(str::len).sum::<usize>();
        head = ceil(before, head.max(before.len().saturating_sub(BYTES)));
        tail = floor(after, tail.min(BYTES));
        Some(Anchor {
            start: span.start,
            rest: after.len(),
            prefix: ContentHash::of(before.as_bytes()),
            suffix: ContentHash::of(after.as_bytes()),
            before: before[head..].to_owned(),
            after: after[..tail].to_owned(),
        })
    }

    /// Where `content` (the text of the span) is in `text` now.
    ///
    /// Certain cases first: nothing before it changed, or nothing behind it. Otherwise it must occur exactly once together with
    /// the lines around it.
    pub fn find(&self, text: &str, content: &str) -> Result<Span, AnchorError> {
        // Saturating: the numbers may come from a file that somebody made up.
        let span = |start: usize| Span::new(start, start.saturating_add(content.len()));
        let is_at = |start: usize| text.get(span(start).range()) == Some(content) && self.fits_line(text, start);
        // Where there is no text on a side, nothing can have changed on it; blanks alone are then found anywhere.
        let says_little = content.trim().is_empty();
        let line_before = |start: usize| text.get(..start).is_some_and(|head| head.ends_with(last_line(&self.before)));
        let line_after = |end: usize| text.get(end..).is_some_and(|rest| rest.starts_with(first_line(&self.after)));
        if is_at(self.start)
            && ContentHash::of(&text.as_bytes()[..self.start]) == self.prefix
            && (self.start > 0 || !says_little || line_after(span(0).end))
        {
            return Ok(span(self.start));
        }
        if let Some(start) = text.len().checked_sub(self.rest.saturating_add(content.len()))
            && is_at(start)
            && ContentHash::of(&text.as_bytes()[start + content.len()..]) == self.suffix
            && (self.rest > 0 || !says_little || line_before(start))
        {
            return Ok(span(start));
        }
        let pattern = [&self.before, content, &self.after].concat();
        if pattern.is_empty() {
            return Err(AnchorError::Gone);
        }
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(&pattern)) {
            let start = from + at + self.before.len();
            if self.fits_line(text, start) {
                found.push(start);
            }
            // Occurrences may overlap.
            from = ceil(text, from + at + 1);
        }
        match found[..] {
            [] => Err(AnchorError::Gone),
            [start] => Ok(span(start)),
            _ => Err(AnchorError::Ambiguous(found.len())),
        }
    }
}

impl Anchor {
    /// What stood at the start of a line is looked for at starts of lines only.
    fn fits_line(&self, text: &str, start: usize) -> bool {
        let begins_line = |head: &str| head.is_empty() || head.ends_with('\n') || head == "\u{feff}";
        !begins_line(&self.before) || text.get(..start).is_some_and(begins_line)
    }
}

fn last_line(text: &str) -> &str {
    text.split_inclusive('\n').next_back().unwrap_or_default()
}

fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or_default()
}

fn ceil(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn floor(text: &str, mut at: usize) -> usize {
    while at > 0 && !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(old: &str, content: &str, new: &str) -> Result<usize, AnchorError> {
        let start = old.find(content).unwrap();
        let anchor = Anchor::of(old, Span::new(start, start + content.len())).unwrap();
        anchor.find(new, content).map(|span| span.start)
    }

    #[test]
    fn finds_a_span_when_only_the_outside_changed() {
        let old = "one\ntwo\nthree\nfour\nTARGET\nfive\nsix\nseven\neight\n";
        assert_eq!(find(old, "TARGET\n", old), Ok(19));
        assert_eq!(find(old, "TARGET\n", &old.replace("eight", "8")), Ok(19));
        assert_eq!(find(old, "TARGET\n", &format!("zero\n{old}")), Ok(24));
        assert_eq!(find(old, "TARGET\n", &format!("zero\n{old}nine\n")), Ok(24));
    }

    #[test]
    fn refuses_to_guess() {
        let old = "a\nT\nb\n";
        assert_eq!(find(old, "T\n", "a\nX\nb\n"), Err(AnchorError::Gone));
        assert_eq!(find(old, "T\n", "A\nT\nB\n"), Err(AnchorError::Gone));
        assert_eq!(find(old, "T\n", "x\na\nT\nb\na\nT\nb\ny\n"), Err(AnchorError::Ambiguous(2)));
        assert_eq!(find("T", "T", "xTx"), Err(AnchorError::Gone), "what was a line of its own is no part of one");
        // A blank line at the end is not the line end of somebody else's last line, nor somebody else's blank line.
        let blank = Anchor::of("a\n\n", Span::new(2, 3)).unwrap();
        assert_eq!(blank.find("a\nb\nmine\n", "\n"), Err(AnchorError::Gone));
        assert_eq!(blank.find("a\nmine\n\n", "\n"), Err(AnchorError::Gone));
        assert_eq!(blank.find("new\na\n\n", "\n"), Ok(Span::new(6, 7)));
    }

    #[test]
    fn repeated_text_is_certain_while_one_side_is_whole() {
        let old = "x\n".repeat(9);
        let anchor = Anchor::of(&old, Span::new(8, 10)).unwrap();
        assert_eq!(anchor.find(&format!("new\n{old}"), "x\n"), Ok(Span::new(12, 14)));
        assert_eq!(anchor.find(&format!("{old}new\n"), "x\n"), Ok(Span::new(8, 10)));
        assert!(matches!(anchor.find(&format!("n\n{old}n\n"), "x\n"), Err(AnchorError::Ambiguous(_))));
    }

    #[test]
    fn cuts_long_lines_on_characters() {
        let old = format!("{}T{}", "é".repeat(2000), "語".repeat(2000));
        let anchor = Anchor::of(&old, Span::new(4000, 4001)).unwrap();
        assert!(anchor.before.len() <= BYTES && anchor.after.len() <= BYTES);
        assert_eq!(anchor.find(&format!("é{old}語"), "T"), Ok(Span::new(4002, 4003)));
    }
}
