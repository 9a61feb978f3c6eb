//! From examples to what one pass runs: ids and positions padded to one length, who sees whom, and the row at which each prediction
//! is read.

use crate::model::spec::Attention;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;
use crate::train::error::TrainError;
use crate::train::example::Example;
use crate::train::loss::Target;
use crate::train::loss::targets;
use crate::train::visibility::Visibility;

/// How examples are laid out for a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// Who sees whom.
    pub attention: Attention,
    /// Where the prediction for an element is read.
    pub shift: Shift,
    /// The id of a masked element.
    pub mask: TokenId,
    /// Share of what lies ahead that an element sees, while a causal model is led to bidirectional attention; `None` when it sees all.
    pub look_ahead: Option<f32>,
}

/// The elements of a pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Sequences of equal length, one after the other.
    pub ids: Vec<TokenId>,
    /// Their positions.
    pub positions: Vec<usize>,
    /// Sequences.
    pub batch: usize,
    /// Who sees whom.
    pub visibility: Visibility,
}

/// Contexts that several sequences of a batch share; they run once.
#[derive(Clone, Debug, PartialEq)]
pub struct Contexts {
    /// The contexts, each without its anchor.
    pub rows: Rows,
    /// For each sequence of the batch, its context.
    pub of: Vec<usize>,
}

/// What one pass learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// What runs.
    pub rows: Rows,
    /// With canvas attention, what runs before it.
    pub contexts: Option<Contexts>,
    /// What is to be predicted.
    pub targets: Vec<Target>,
    /// For each target, the row of the pass at which it is read.
    pub reads: Vec<usize>,
}

impl Batch {
    /// Lays out examples. Those with the same context one after the other share it.
    ///
    /// # Errors
    /// An example does not fit the layout.
    pub fn new(examples: &[Example], layout: &Layout) -> Result<Self, TrainError> {
        if examples.is_empty() || examples.iter().any(|example| example.is_empty() || !example.is_sound()) {
            return Err(TrainError::Data("an example's parts do not fit each other".to_owned()));
        }
        let targets = targets(examples, layout.mask);
        match layout.attention {
            Attention::Canvas => Self::canvas(examples, targets, layout),
            Attention::BlockCausal(block) => Ok(Self::blocks(examples, targets, layout, block.max(1))),
            Attention::Bidirectional | Attention::Causal => Ok(Self::whole(examples, targets, layout)),
        }
    }

    /// Number of elements that run, pads included.
    pub fn elements(&self) -> usize {
        self.rows.ids.len() + self.contexts.as_ref().map_or(0, |contexts| contexts.rows.ids.len())
    }

    fn whole(examples: &[Example], targets: Vec<Target>, layout: &Layout) -> Self {
        let padded = Padded::new(examples.iter().map(|example| (example.tokens.as_slice(), 0)));
        let (batch, seq) = (examples.len(), padded.seq);
        let visibility = match (layout.attention, layout.look_ahead) {
            (Attention::Causal, _) => Visibility::causal(seq),
            (_, Some(share)) => Visibility::annealed(&padded.real, batch, share, scattered),
            (_, None) => Visibility::bidirectional(&padded.real, batch),
        };
        let read = |target: &Target| target.sequence * seq + read_at(target.element, layout.shift);
        let reads = targets.iter().map(read).collect();
        Self { rows: padded.rows(batch, visibility), contexts: None, targets, reads }
    }

    /// BD3LM: the noisy sequence, then the clean one, which is the noisy one with all targets in place.
    fn blocks(examples: &[Example], targets: Vec<Target>, layout: &Layout, block: usize) -> Self {
        let noisy = Padded::new(examples.iter().map(|example| (example.tokens.as_slice(), 0)));
        let (batch, seq) = (examples.len(), noisy.seq);
        let mut ids = Vec::with_capacity(2 * noisy.ids.len());
        for (example, noisy) in examples.iter().zip(noisy.ids.chunks(seq)) {
            ids.extend_from_slice(noisy);
            let clean = example.tokens.iter().zip(&example.targets).map(|(&token, target)| target.unwrap_or(token));
            ids.extend(clean.chain(std::iter::repeat(0)).take(seq));
        }
        let table = Visibility::block_diffusion(seq, block);
        let visibility = if noisy.real.iter().all(|real| *real) {
            table
        } else {
            let sees = |b: usize, q: usize, k: usize| q == k || (table.sees[q * 2 * seq + k] && noisy.real[b * seq + k % seq]);
            Visibility::of(batch, 2 * seq, 2 * seq, sees)
        };
        let positions = (0..batch).flat_map(|_| (0..seq).chain(0..seq)).collect();
        let read = |target: &Target| target.sequence * 2 * seq + read_at(target.element, layout.shift);
        let reads = targets.iter().map(read).collect();
        Self { rows: Rows { ids, positions, batch, visibility }, contexts: None, targets, reads }
    }

    /// The canvas of each example, which begins with its anchor, and the contexts before the anchors.
    fn canvas(examples: &[Example], targets: Vec<Target>, layout: &Layout) -> Result<Self, TrainError> {
        if examples.iter().any(|example| example.context == 0) {
            return Err(TrainError::Data("a canvas needs at least one token of context".to_owned()));
        }
        let anchor = |example: &Example| example.context - 1;
        let canvases = Padded::new(examples.iter().map(|example| (&example.tokens[anchor(example)..], anchor(example))));
        let (mut contexts, mut of): (Vec<&[TokenId]>, Vec<usize>) = (Vec::new(), Vec::new());
        for example in examples {
            let context = &example.tokens[..anchor(example)];
            if contexts.last() != Some(&context) {
                contexts.push(context);
            }
            of.push(contexts.len() - 1);
        }
        let (batch, seq) = (examples.len(), canvases.seq);
        let contexts = Padded::new(contexts.into_iter().map(|context| (context, 0)));
        let context_real: Vec<bool> = of.iter().flat_map(|&row| contexts.row_real(row)).copied().collect();
        let masked: Vec<bool> = canvases.ids.iter().map(|&id| id == layout.mask).collect();
        let visibility = Visibility::canvas(&context_real, &masked, &canvases.real, batch);
        let read =
            |target: &Target| target.sequence * seq + read_at(target.element - anchor(&examples[target.sequence]), layout.shift);
        let reads = targets.iter().map(read).collect();
        let contexts = (contexts.seq > 0).then(|| {
            let (count, causal) = (contexts.ids.len() / contexts.seq, Visibility::causal(contexts.seq));
            Contexts { rows: contexts.rows(count, causal), of }
        });
        Ok(Self { rows: canvases.rows(batch, visibility), contexts, targets, reads })
    }
}

/// The row of a sequence at which the prediction for an element is read. With the right shift nothing stands before the first
/// element; references read its prediction at its own row.
fn read_at(element: usize, shift: Shift) -> usize {
    match shift {
        Shift::Right => element.saturating_sub(1),
        Shift::None => element,
    }
}

/// A number from 0 to 1 for a pair of places, the same in every pass, so that what is seen only grows as the share does.
fn scattered(sequence: usize, query: usize, key: usize) -> f32 {
    let mut state = (sequence as u64) << 48 ^ (query as u64) << 24 ^ key as u64;
    state = (state ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((state ^ state >> 31) >> 40) as f32 / (1u64 << 24) as f32
}

/// Sequences padded on the right to one length.
struct Padded {
    ids: Vec<TokenId>,
    positions: Vec<usize>,
    real: Vec<bool>,
    seq: usize,
}

impl Padded {
    /// Of ids and the position of the first one.
    fn new<'a>(sequences: impl Iterator<Item = (&'a [TokenId], usize)> + Clone) -> Self {
        let seq = sequences.clone().map(|(ids, _)| ids.len()).max().unwrap_or(0);
        let mut padded = Self { ids: Vec::new(), positions: Vec::new(), real: Vec::new(), seq };
        for (ids, first) in sequences {
            padded.ids.extend(ids.iter().copied().chain(std::iter::repeat(0)).take(seq));
            padded.positions.extend(first..first + seq);
            padded.real.extend((0..seq).map(|element| element < ids.len()));
        }
        padded
    }

    fn row_real(&self, row: usize) -> &[bool] {
        &self.real[row * self.seq..(row + 1) * self.seq]
    }

    fn rows(self, batch: usize, visibility: Visibility) -> Rows {
        Rows { ids: self.ids, positions: self.positions, batch, visibility }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: TokenId = 9;

    fn layout(attention: Attention, shift: Shift) -> Layout {
        Layout { attention, shift, mask: MASK, look_ahead: None }
    }

    fn example(tokens: &[TokenId], context: usize, wanted: &[(usize, TokenId)]) -> Example {
        let mut targets = vec![None; tokens.len()];
        wanted.iter().for_each(|&(element, token)| targets[element] = Some(token));
        Example { tokens: tokens.to_vec(), targets, context, weights: vec![1.0; tokens.len()] }
    }

    #[test]
    fn predictions_are_read_where_the_shift_says() {
        let examples = [example(&[1, MASK, 3], 0, &[(1, 2)]), example(&[MASK, 5], 0, &[(0, 4), (1, 5)])];
        for (shift, reads) in [(Shift::None, [1, 3, 4]), (Shift::Right, [0, 3, 3])] {
            let batch = Batch::new(&examples, &layout(Attention::Bidirectional, shift)).unwrap();
            assert_eq!(
                (batch.reads.as_slice(), batch.rows.ids.as_slice()),
                (reads.as_slice(), [1, MASK, 3, MASK, 5, 0].as_slice())
            );
            assert_eq!(batch.targets.iter().map(|target| target.token).collect::<Vec<_>>(), [2, 4, 5]);
        }
    }

    #[test]
    fn canvases_share_the_context_before_their_anchor() {
        let examples = [
            example(&[1, 2, 3, MASK, MASK], 3, &[(3, 4), (4, 5)]),
            example(&[1, 2, 3, 4, MASK], 3, &[(4, 5)]),
            example(&[7, 8, MASK], 2, &[(2, 9)]),
        ];
        let batch = Batch::new(&examples, &layout(Attention::Canvas, Shift::Right)).unwrap();
        let contexts = batch.contexts.unwrap();
        assert_eq!((contexts.rows.ids.as_slice(), contexts.of.as_slice()), ([1, 2, 7, 0].as_slice(), [0, 0, 1].as_slice()));
        assert_eq!(batch.rows.ids, [3, MASK, MASK, 3, 4, MASK, 8, MASK, 0]);
        assert_eq!(batch.rows.positions, [2, 3, 4, 2, 3, 4, 1, 2, 3]);
        assert_eq!(batch.reads, [0, 1, 4, 6]);
        // The third canvas sees one real element of its context; its pad sees itself.
        let table = &batch.rows.visibility;
        assert_eq!((table.queries, table.keys), (3, 4 + 1));
        let row = |b: usize, q: usize| &table.sees[(b * table.queries + q) * table.keys..][..table.keys];
        assert_eq!(row(2, 0), [true, false, true, false, false]);
        assert_eq!(row(1, 0), [true, true, true, true, false]);
    }

    #[test]
    fn the_clean_half_has_all_targets_in_place() {
        let examples = [example(&[1, MASK, 3, MASK], 1, &[(1, 2), (3, 4)])];
        let batch = Batch::new(&examples, &layout(Attention::BlockCausal(2), Shift::None)).unwrap();
        assert_eq!(batch.rows.ids, [1, MASK, 3, MASK, 1, 2, 3, 4]);
        assert_eq!(batch.rows.positions, [0, 1, 2, 3, 0, 1, 2, 3]);
        assert_eq!(batch.reads, [1, 3]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let canvas = layout(Attention::Canvas, Shift::Right);
        assert!(Batch::new(&[example(&[MASK, 2], 0, &[(0, 1)])], &canvas).is_err());
        assert!(Batch::new(&[], &canvas).is_err());
        assert!(Batch::new(&[Example { context: 9, ..example(&[1], 0, &[]) }], &canvas).is_err());
    }
}
