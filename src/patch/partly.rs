//! Finding a span of a plan again when some of its hunks were applied before.

use super::anchor::AnchorError;
use super::hunk::Hunk;
use super::plan::PlanSpan;
use crate::document::ContentHash;
use crate::document::Span;

/// A span as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is.
    pub span: Span,
    /// Where each hunk goes; `None` for one that is applied.
    pub places: Vec<Option<Span>>,
}

/// Most readings that are followed at once; a span that has more is ambiguous anyway.
const READINGS: usize = 64;

/// The span before, as it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// Where it ends now.
    pub end: usize,
    /// Bytes between the two in the plan.
    pub gap: usize,
}

/// Finds `span` in `text`, with each of its `hunks`, in order, applied or not. What the hunks leave must be unchanged, and what
/// surrounds the span too, as far as it does not belong to the span before or to the one that comes `after` so many bytes.
///
/// # Errors
/// It is not there, or can be read in several ways.
pub(super) fn find(
    text: &str,
    span: &PlanSpan,
    hunks: &[&Hunk],
    before: Option<Before>,
    after: Option<usize>,
) -> Result<Found, AnchorError> {
    let anchor = &span.anchor;
    let own_before = cut_front(&anchor.before, before.map_or(usize::MAX, |before| before.gap));
    let own_after = cut_back(&anchor.after, after.unwrap_or(usize::MAX));
    let certain = text.get(..anchor.start).is_some_and(|before| ContentHash::of(before.as_bytes()) == anchor.prefix);
    let mut starts: Vec<usize> = Vec::new();
    if certain {
        starts.push(anchor.start);
    } else {
        let next = before.and_then(|before| before.end.checked_add(before.gap));
        starts.extend(next.filter(|&start| text.get(..start).is_some_and(|head| head.ends_with(own_before))));
        if !own_before.is_empty() {
            starts.extend(text.match_indices(own_before).map(|(at, before)| at + before.len()));
        }
        starts.sort_unstable();
        starts.dedup();
    }
    let ends_well = |end: usize| {
        let rest = text.get(end..).unwrap_or_default();
        let same = rest.len() == anchor.rest && ContentHash::of(rest.as_bytes()) == anchor.suffix;
        same || (rest.starts_with(own_after) && (!own_after.is_empty() || certain || after == Some(0)))
    };
    let mut found: Vec<Found> = Vec::new();
    for start in starts {
        found.extend(readings(text, start, span, hunks)?.into_iter().filter(|found| ends_well(found.span.end)));
    }
    match found.len() {
        0 => Err(AnchorError::Gone),
        1 => found.pop().ok_or(AnchorError::Gone),
        several => Err(AnchorError::Ambiguous(several)),
    }
}

/// The last bytes of a text, at most so many.
fn cut_front(text: &str, most: usize) -> &str {
    text.get(text.ceil_char_boundary(text.len().saturating_sub(most))..).unwrap_or_default()
}

/// The first bytes of a text, at most so many.
fn cut_back(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most.min(text.len()))).unwrap_or_default()
}

/// All ways to read what stands at `start` as the span.
fn readings(text: &str, start: usize, span: &PlanSpan, hunks: &[&Hunk]) -> Result<Vec<Found>, AnchorError> {
    // Where each reading has come to, and what it took each hunk for.
    let mut open: Vec<(usize, Vec<Option<Span>>)> = vec![(start, Vec::new())];
    let mut kept = 0;
    let matches = |at: usize, piece: &str| text.get(at..).is_some_and(|rest| rest.starts_with(piece));
    for hunk in hunks {
        let (from, to) = (hunk.at.start - span.span.start, hunk.at.end - span.span.start);
        let piece = span.original.get(kept..from).ok_or(AnchorError::Gone)?;
        let mut next = Vec::new();
        for (at, places) in open {
            if !matches(at, piece) {
                continue;
            }
            let at = at + piece.len();
            if matches(at, &hunk.old) {
                let place = Some(Span::new(at, at + hunk.old.len()));
                next.push((at + hunk.old.len(), [places.as_slice(), &[place]].concat()));
            }
            if matches(at, &hunk.new) {
                next.push((at + hunk.new.len(), [places.as_slice(), &[None]].concat()));
            }
        }
        if next.len() > READINGS {
            return Err(AnchorError::Ambiguous(next.len()));
        }
        (open, kept) = (next, to);
    }
    let piece = span.original.get(kept..).ok_or(AnchorError::Gone)?;
    let whole = open.into_iter().filter(|(at, _)| matches(*at, piece));
    Ok(whole.map(|(at, places)| Found { span: Span::new(start, at + piece.len()), places }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::anchor::Anchor;

    fn find_in(original: &str, hunks: &[(usize, &str, &str)], now: &str) -> Result<Vec<Option<usize>>, AnchorError> {
        let old = format!("head\n{original}tail\n");
        let at = Span::new(5, 5 + original.len());
        let span = PlanSpan { span: at, original: original.to_owned(), anchor: Anchor::of(&old, at).unwrap() };
        let hunks: Vec<Hunk> = hunks
            .iter()
            .map(|&(start, old, new)| Hunk { at: Span::new(5 + start, 5 + start + old.len()), old: old.into(), new: new.into() })
            .collect();
        let text = format!("head\n{now}tail\n");
        let found = find(&text, &span, &hunks.iter().collect::<Vec<_>>(), None, None)?;
        Ok(found.places.iter().map(|place| place.map(|span| span.start - 5)).collect())
    }

    #[test]
    fn each_hunk_is_seen_as_applied_or_not() {
        let hunks = [(2, "b\n", "B\n"), (6, "", "new\n"), (6, "d\n", "")];
        assert_eq!(find_in("a\nb\nc\nd\n", &hunks, "a\nB\nc\nd\n"), Ok(vec![None, Some(6), Some(6)]));
        assert_eq!(find_in("a\nb\nc\nd\n", &hunks, "a\nb\nc\nnew\n"), Ok(vec![Some(2), None, None]));
        assert_eq!(find_in("a\nb\nc\nd\n", &hunks, "a\nX\nc\nd\n"), Err(AnchorError::Gone));
        // What a hunk inserts stands there already.
        assert_eq!(find_in("x\n", &[(0, "", "x\n"), (2, "", "x\n")], "x\nx\n"), Err(AnchorError::Ambiguous(2)));
        let many: Vec<_> = (0..10).map(|_| (0, "", "")).collect();
        assert!(matches!(find_in("x\n", &many, "x\n"), Err(AnchorError::Ambiguous(_))));
    }
}
