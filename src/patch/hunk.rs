//! Hunks: the contiguous changes between the original spans and a candidate.

use std::time::Duration;
use std::time::Instant;

use serde::Deserialize;
use serde::Serialize;
use similar::Algorithm;
use similar::DiffOp;

use crate::document::ContentHash;
use crate::document::Document;
use crate::document::Span;
use crate::document::SpanError;

/// Time for one line diff; over it, the rest of the text becomes one large hunk instead of a frozen terminal.
const DIFF_TIME: Duration = Duration::from_secs(2);

/// One contiguous change: `old` at `at` becomes `new`. Offsets are those of the document before any change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    /// The bytes that change.
    pub at: Span,
    /// The text there before.
    pub old: String,
    /// The text there afterwards.
    pub new: String,
}

/// Hunks that do not fit the document they are applied to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HunkError {
    /// The document does not hold the old text there.
    #[error("hunk at bytes {at}: the file does not hold the expected text there")]
    OldText {
        /// Where the hunk is.
        at: Span,
    },
    /// The hunks do not fit together.
    #[error(transparent)]
    Span(#[from] SpanError),
}

impl Hunk {
    /// The hunk that takes this one back, when everything before it has grown by `shift` bytes.
    fn inverse(&self, shift: isize) -> Hunk {
        let start = self.at.start.saturating_add_signed(shift);
        Hunk { at: Span::new(start, start + self.new.len()), old: self.new.clone(), new: self.old.clone() }
    }

    /// Bytes by which the document grows.
    pub fn growth(&self) -> isize {
        self.new.len() as isize - self.old.len() as isize
    }
}

/// The hunks that turn `original`, which starts at byte `base` of its document, into `candidate`. Compared line by line, where a
/// line includes its ending.
pub fn hunks(base: usize, original: &str, candidate: &str) -> Vec<Hunk> {
    let old: Vec<&str> = original.split_inclusive('\n').collect();
    let new: Vec<&str> = candidate.split_inclusive('\n').collect();
    let ops = line_ops(&old, &new);
    let (mut old_at, mut new_at) = (0, 0);
    let mut hunks: Vec<Hunk> = Vec::new();
    for op in ops {
        let text = |lines: &[&str]| lines.concat();
        let (before, after) = (text(&old[op.old_range()]), text(&new[op.new_range()]));
        let at = Span::new(base + old_at, base + old_at + before.len());
        old_at += before.len();
        new_at += after.len();
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        // A deletion followed by an insertion is one change to whoever reviews it.
        match hunks.last_mut() {
            Some(last) if last.at.end == at.start => {
                last.at.end = at.end;
                last.old.push_str(&before);
                last.new.push_str(&after);
            }
            _ => hunks.push(Hunk { at, old: before, new: after }),
        }
    }
    debug_assert_eq!((old_at, new_at), (original.len(), candidate.len()));
    hunks
}

/// The hunks of a document whose `spans` become the given texts (already fitted to the file, see [`Document::fit`]).
pub fn of_spans(document: &Document, changes: &[(Span, &str)]) -> Result<Vec<Hunk>, HunkError> {
    let mut sorted: Vec<&(Span, &str)> = changes.iter().collect();
    sorted.sort_by_key(|(span, _)| *span);
    let mut all: Vec<Hunk> = Vec::new();
    for (span, text) in sorted {
        span.check(document)?;
        let original = document.span_text(*span).ok_or(HunkError::OldText { at: *span })?;
        for hunk in hunks(span.start, original, text) {
            match all.last_mut() {
                // Where two spans touch, both may insert; one place can hold one insertion only.
                Some(last) if last.at == hunk.at && hunk.at.is_empty() => last.new.push_str(&hunk.new),
                _ => all.push(hunk),
            }
        }
    }
    Ok(all)
}

/// The new bytes of `document` after `hunks`, each of which must find its old text; in any order, but apart from each other.
pub fn apply(document: &Document, hunks: &[Hunk]) -> Result<Vec<u8>, HunkError> {
    let mut sorted: Vec<&Hunk> = hunks.iter().collect();
    sorted.sort_by_key(|hunk| hunk.at);
    for hunk in &sorted {
        hunk.at.check(document)?;
        if document.span_text(hunk.at) != Some(&hunk.old) {
            return Err(HunkError::OldText { at: hunk.at });
        }
    }
    let changes: Vec<(Span, &str)> = sorted.iter().map(|hunk| (hunk.at, hunk.new.as_str())).collect();
    Ok(document.splice(&changes)?)
}

/// The hunks that take `hunks` back, with the offsets of the changed document. Hunks that touch are joined: once both are
/// deletions, their inverses would be two insertions at one place.
pub fn inverse(hunks: &[Hunk]) -> Vec<Hunk> {
    let mut sorted: Vec<&Hunk> = hunks.iter().collect();
    sorted.sort_by_key(|hunk| hunk.at);
    let mut shift = 0;
    let mut inverted: Vec<Hunk> = Vec::with_capacity(sorted.len());
    for hunk in sorted {
        let back = hunk.inverse(shift);
        shift += hunk.growth();
        match inverted.last_mut() {
            Some(last) if last.at.end == back.at.start => {
                last.at.end = back.at.end;
                last.old.push_str(&back.old);
                last.new.push_str(&back.new);
            }
            _ => inverted.push(back),
        }
    }
    inverted
}

/// The hash that names a set of hunks, for plans and logs.
pub fn fingerprint(hunks: &[Hunk]) -> ContentHash {
    let mut bytes = Vec::new();
    for hunk in hunks {
        for part in [hunk.at.start.to_string().as_bytes(), hunk.old.as_bytes(), hunk.new.as_bytes()] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    ContentHash::of(&bytes)
}

/// Line operations between two texts, within a bounded time.
pub(crate) fn line_ops<T: Eq + std::hash::Hash>(old: &[T], new: &[T]) -> Vec<DiffOp> {
    similar::capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(Instant::now() + DIFF_TIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &str) -> Document {
        Document::from_bytes("t".into(), text.as_bytes().to_vec()).unwrap()
    }

    fn hunk(start: usize, old: &str, new: &str) -> Hunk {
        Hunk { at: Span::new(start, start + old.len()), old: old.into(), new: new.into() }
    }

    #[test]
    fn one_hunk_per_contiguous_change() {
        let found = hunks(10, "a\nb\nc\nd\n", "a\nB\nB2\nc\n");
        assert_eq!(found, [hunk(12, "b\n", "B\nB2\n"), hunk(16, "d\n", "")]);
        assert_eq!(hunks(0, "same\n", "same\n"), []);
        assert_eq!(hunks(0, "", "x"), [hunk(0, "", "x")]);
    }

    #[test]
    fn all_hunks_give_the_candidate_and_their_inverse_the_original() {
        let document = doc("head\na\nb\nc\nd\ntail\n");
        let span = document.line_span(2, 5).unwrap();
        let candidate = "a\nB\nc\nnew\n";
        let all = of_spans(&document, &[(span, candidate)]).unwrap();
        let new = apply(&document, &all).unwrap();
        assert_eq!(new, format!("head\n{candidate}tail\n").into_bytes());
        let changed = Document::from_bytes("t".into(), new).unwrap();
        assert_eq!(apply(&changed, &inverse(&all)).unwrap(), document.bytes());
        assert_eq!(apply(&document, &[]).unwrap(), document.bytes());
    }

    #[test]
    fn spans_that_touch_may_both_insert_between_them() {
        let document = doc("a\nb\n");
        let changes = [(Span::new(2, 4), "2\nb\n"), (Span::new(0, 2), "a\n1\n")];
        let all = of_spans(&document, &changes).unwrap();
        assert_eq!(all, [hunk(2, "", "1\n2\n")]);
        assert_eq!(apply(&document, &all).unwrap(), b"a\n1\n2\nb\n");
    }

    #[test]
    fn touching_deletions_invert() {
        let document = doc("abcdef");
        let both = [hunk(1, "b", ""), hunk(2, "cd", "")];
        let new = apply(&document, &both).unwrap();
        let back = inverse(&both);
        assert_eq!(back, [hunk(1, "", "bcd")]);
        assert_eq!(apply(&doc("aef"), &back).unwrap(), document.bytes());
        assert_eq!(new, b"aef");
    }

    #[test]
    fn a_hunk_needs_its_old_text() {
        let error = apply(&doc("abc"), &[hunk(1, "x", "y")]).unwrap_err();
        assert_eq!(error, HunkError::OldText { at: Span::new(1, 2) });
        assert!(apply(&doc("abc"), &[hunk(0, "ab", ""), hunk(1, "bc", "")]).is_err());
        assert!(apply(&doc("abc"), &[hunk(2, "cd", "")]).is_err());
    }
}
