//! Targets of edits on a draft: which tokens to keep, replace, delete, and before which to insert, so that the target comes nearer.
//!
//! By the longest common subsequence (LLaDA 2.2's technical report, section 3.1; among subsequences of equal length the walk of
//! `common` decides).

use crate::model::spec::TokenId;

/// What is to be done with a token of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditOp {
    /// It is right.
    Keep,
    /// Another token belongs there.
    Substitute,
    /// It does not belong there.
    Delete,
    /// It is right, and something is missing before it.
    Insert,
}

/// The operations and tokens for a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditTargets {
    /// Pairs of places, in the draft and in the target, that are equal.
    pub anchors: Vec<(usize, usize)>,
    /// One for each token of the draft.
    pub ops: Vec<EditOp>,
    /// The token that belongs there; `None` where one is deleted or something is inserted before it.
    pub labels: Vec<Option<TokenId>>,
}

/// Places of the longest common subsequence of two sequences under `same`.
fn common(draft: &[TokenId], target: &[TokenId], same: impl Fn(TokenId, TokenId) -> bool) -> Vec<(usize, usize)> {
    let (rows, columns) = (draft.len() + 1, target.len() + 1);
    let mut longest = vec![0u32; rows * columns];
    for i in (0..draft.len()).rev() {
        for j in (0..target.len()).rev() {
            let (below, right) = (longest[(i + 1) * columns + j], longest[i * columns + j + 1]);
            let through = if same(draft[i], target[j]) { longest[(i + 1) * columns + j + 1] + 1 } else { 0 };
            longest[i * columns + j] = below.max(right).max(through);
        }
    }
    let (mut i, mut j, mut places) = (0, 0, Vec::new());
    while i < draft.len() && j < target.len() {
        let at = |i: usize, j: usize| longest[i * columns + j];
        if same(draft[i], target[j]) && at(i, j) == at(i + 1, j + 1) + 1 {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(i + 1, j) >= at(i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    places
}

/// What to do with each token of `draft` so that it comes nearer to `target`. Where `wildcard` is given, a token with that id (a mask)
/// equals everything.
///
/// Between two anchors the first tokens are substituted, surplus ones deleted; where tokens are missing, the anchor behind them
/// becomes an insertion. What stands behind the last anchor is deleted.
pub fn edit_targets(draft: &[TokenId], target: &[TokenId], wildcard: Option<TokenId>) -> EditTargets {
    let anchors = common(draft, target, |a, b| a == b || Some(a) == wildcard);
    let mut ops = vec![EditOp::Delete; draft.len()];
    let mut labels = vec![None; draft.len()];
    let (mut i, mut j) = (0, 0);
    for &(anchor, place) in &anchors {
        for (op, (label, &token)) in ops[i..anchor].iter_mut().zip(labels[i..anchor].iter_mut().zip(&target[j..place])) {
            *op = EditOp::Substitute;
            *label = Some(token);
        }
        let missing = place - j > anchor - i;
        ops[anchor] = if missing { EditOp::Insert } else { EditOp::Keep };
        labels[anchor] = (!missing).then_some(target[place]);
        (i, j) = (anchor + 1, place + 1);
    }
    EditTargets { anchors, ops, labels }
}

impl EditTargets {
    /// The draft after the operations, as long as it was: inserted places hold `mask`, and so does the end when it got shorter; what
    /// got too long is cut.
    pub fn apply(&self, draft: &[TokenId], mask: TokenId) -> Vec<TokenId> {
        let mut out = Vec::with_capacity(draft.len() + 1);
        for ((&token, op), label) in draft.iter().zip(&self.ops).zip(&self.labels) {
            match op {
                EditOp::Keep | EditOp::Substitute => out.push(label.unwrap_or(token)),
                EditOp::Delete => {}
                EditOp::Insert => out.extend([mask, token]),
            }
        }
        out.resize(draft.len(), mask);
        out
    }
}

/// Levenshtein's distance: insertions, deletions and substitutions from one sequence to another.
pub fn distance(a: &[TokenId], b: &[TokenId]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By trying every edit of the first tokens.
    fn slow_distance(a: &[TokenId], b: &[TokenId]) -> usize {
        match (a.split_first(), b.split_first()) {
            (None, _) => b.len(),
            (_, None) => a.len(),
            (Some((x, a_rest)), Some((y, b_rest))) => {
                let replaced = slow_distance(a_rest, b_rest) + usize::from(x != y);
                replaced.min(slow_distance(a_rest, b) + 1).min(slow_distance(a, b_rest) + 1)
            }
        }
    }

    fn tokens(most: usize) -> impl Strategy<Value = Vec<TokenId>> {
        proptest::collection::vec(0u32..4, 0..most)
    }

    /// The length of the longest subsequence of `a` that is one of `b`, by trying all.
    fn slow_common(a: &[TokenId], b: &[TokenId]) -> usize {
        let is_within = |picked: &[TokenId]| {
            let mut rest = b.iter();
            picked.iter().all(|token| rest.any(|other| other == token))
        };
        let subsets =
            (0u32..1 << a.len()).map(|set| (0..a.len()).filter(|i| set >> i & 1 == 1).map(|i| a[i]).collect::<Vec<_>>());
        subsets.filter(|picked| is_within(picked)).map(|picked| picked.len()).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn anchors_are_a_longest_common_subsequence(a in tokens(9), b in tokens(9)) {
            let found = edit_targets(&a, &b, None);
            prop_assert!(found.anchors.iter().all(|&(i, j)| a[i] == b[j]));
            prop_assert!(found.anchors.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
            prop_assert_eq!(found.anchors.len(), slow_common(&a, &b));
        }

        #[test]
        fn distances_equal_those_of_trying_all(a in tokens(6), b in tokens(6)) {
            prop_assert_eq!(distance(&a, &b), slow_distance(&a, &b));
        }
    }
}
