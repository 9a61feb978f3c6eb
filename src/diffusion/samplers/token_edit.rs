//! Masks to tokens and tokens to tokens (LLaDA 2.1): in each call for a block the sure masks are committed, and tokens that were
//! committed before are replaced where the model is sure of another one. Sensible for models that were trained on corrupted
//! visible tokens only.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Origin;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::rule::largest;

/// Settings, with the reference's defaults.
#[derive(Clone, Copy, Debug)]
pub struct TokenEditing {
    /// Probability above which a mask is committed; the surest one is in any case.
    pub threshold: f32,
    /// Probability above which a committed token is replaced.
    pub edit_threshold: f32,
    /// Elements of a block, counted from the first element of the context.
    pub block: usize,
    /// Calls for a block whose masks are gone, as long as they change something.
    pub rounds: usize,
}

impl Default for TokenEditing {
    fn default() -> Self {
        Self { threshold: 0.95, edit_threshold: 0.9, block: 32, rounds: 16 }
    }
}

/// See the module.
#[derive(Debug)]
pub struct TokenEditor {
    settings: TokenEditing,
    /// The present block, counted from element 0; `None` before the first call.
    block: Option<usize>,
    /// Calls since its last mask was gone.
    rounds: usize,
    settled: bool,
}

impl TokenEditor {
    /// A sampler with these settings.
    pub fn new(settings: TokenEditing) -> Self {
        Self { settings, block: None, rounds: 0, settled: false }
    }

    fn number(&self, canvas: &Canvas, slot: usize) -> usize {
        (canvas.context().len() + slot) / self.settings.block.max(1)
    }

    /// The first block with masks.
    fn masked_block(&self, canvas: &Canvas) -> Option<usize> {
        canvas.masked().first().map(|&slot| self.number(canvas, slot))
    }
}

/// Whether a slot was filled by the sampler.
fn is_own(canvas: &Canvas, slot: usize) -> bool {
    let slot = &canvas.slots()[slot];
    !slot.pinned && slot.origin != Origin::Original
}

impl Sampler for TokenEditor {
    fn is_open(&self, canvas: &Canvas) -> bool {
        !canvas.is_full() || (self.block.is_some() && !self.settled)
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        let next = self.masked_block(canvas);
        let moves = match self.block {
            None => true,
            // A block stays until it is settled, although the next one has masks.
            Some(block) => next == Some(block) || self.settled,
        };
        if moves && next.is_some() && next != self.block {
            self.block = next;
        }
        if next == self.block {
            (self.rounds, self.settled) = (0, false);
        }
        let block = self.block.unwrap_or(0);
        let slots = (0..canvas.slots().len())
            .filter(|&slot| self.number(canvas, slot) == block && (canvas.slots()[slot].is_masked() || is_own(canvas, slot)));
        Question::about(slots.collect())
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.settings.threshold = threshold;
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let best: Vec<_> = predictions.iter().map(Prediction::best).collect();
        let masked: Vec<usize> = (0..asked.len()).filter(|&index| canvas.slots()[asked[index]].is_masked()).collect();
        let mut committed: Vec<usize> = masked.iter().copied().filter(|&index| best[index].1 > self.settings.threshold).collect();
        if committed.is_empty() {
            let probabilities: Vec<f32> = masked.iter().map(|&index| best[index].1).collect();
            committed = largest(&probabilities, 1).into_iter().map(|index| masked[index]).collect();
        }
        let is_edit = |&index: &usize| {
            let (token, probability) = best[index];
            let current = canvas.slots()[asked[index]].token;
            current.is_some_and(|current| current != token) && probability > self.settings.edit_threshold
        };
        let edits = (0..asked.len()).filter(is_edit);
        let mut changed: Vec<usize> = committed.into_iter().chain(edits).collect();
        changed.sort_unstable();
        if masked.is_empty() {
            self.rounds += 1;
            self.settled = changed.is_empty() || self.rounds >= self.settings.rounds;
        }
        let op = |index: usize| Op::Commit { slot: asked[index], token: best[index].0, confidence: best[index].1 };
        changed.into_iter().map(op).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::model::spec::TokenId;

    fn prediction(token: TokenId, probability: f32) -> Prediction {
        Prediction { top: vec![(token, probability.ln())], entropy: 0.0, current: None }
    }

    #[test]
    fn tokens_are_replaced_until_nothing_moves_and_then_the_next_block_comes() {
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); 3], vec![]);
        let mut sampler = TokenEditor::new(TokenEditing { block: 2, ..TokenEditing::default() });
        let mut step = |canvas: &mut Canvas, expected: &[usize], predictions: &[Prediction]| {
            assert!(sampler.is_open(canvas));
            let question = sampler.ask(canvas);
            assert_eq!(question.slots, expected);
            let ops = sampler.step(canvas, &question.slots, predictions);
            assert!(ops.iter().all(|op| canvas.apply(*op)));
            (ops.len(), sampler.is_open(canvas))
        };
        assert_eq!(step(&mut canvas, &[0], &[prediction(4, 0.3)]), (1, true));
        assert_eq!(step(&mut canvas, &[0], &[prediction(5, 0.95)]), (1, true), "replaced");
        assert_eq!(step(&mut canvas, &[0], &[prediction(6, 0.5)]), (0, true), "not sure enough: settled");
        assert_eq!(step(&mut canvas, &[1, 2], &[prediction(7, 0.99), prediction(8, 0.97)]), (2, true));
        assert_eq!(step(&mut canvas, &[1, 2], &[prediction(7, 0.99), prediction(8, 0.97)]), (0, false));
        assert_eq!(canvas.span_tokens(0), [5, 7, 8]);
    }
}
