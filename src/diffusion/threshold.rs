//! The embedded model's sampler: the leftmost masked slot, and every masked slot whose best token reaches the threshold.
//!
//! The confidence threshold is that of Fast-dLLM (arXiv 2505.22618); always committing the leftmost slot uses that canvas
//! attention predicts it as well as the base continues text. `end` at the leftmost masked slot is committed when it is the most
//! probable token there, elsewhere at the threshold only; the first `end` of a span closes it.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::closing::closes;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::model::spec::TokenId;

/// Probability from which a slot is committed out of turn.
pub const DEFAULT_THRESHOLD: f32 = 0.9;
/// Alternatives to draw from when sampling is not greedy.
const ALTERNATIVES: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct Threshold {
    threshold: f32,
    end: Option<TokenId>,
    pick: Pick,
}

impl Threshold {
    /// A sampler for a model whose spans are closed by `end`.
    pub fn new(threshold: f32, end: Option<TokenId>, pick: Pick) -> Self {
        Self { threshold, end, pick }
    }
}

impl Sampler for Threshold {
    fn set_threshold(&mut self, threshold: f32) {
        // A base without adapter commits nothing out of turn, whatever is wished.
        if self.threshold.is_finite() {
            self.threshold = threshold;
        }
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        Question { top_k: if self.pick.is_greedy() { 1 } else { ALTERNATIVES }, ..Question::about(canvas.masked()) }
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut ends = Vec::new();
        for (rank, (&slot, prediction)) in asked.iter().zip(predictions).enumerate() {
            let (token, confidence) = if rank == 0 { self.pick.pick(prediction) } else { prediction.best() };
            if rank > 0 && confidence < self.threshold {
                continue;
            }
            ops.push(Op::Commit { slot, token, confidence });
            if Some(token) == self.end {
                ends.push(slot);
            }
        }
        ops.extend(closes(canvas, &ends));
        ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;

    const END: TokenId = 9;

    fn prediction(token: TokenId, probability: f32) -> Prediction {
        Prediction { top: vec![(token, probability.ln())], entropy: 0.0, current: None }
    }

    fn run(canvas: &mut Canvas, predictions: &[Prediction]) -> Vec<Op> {
        let mut sampler = Threshold::new(0.9, Some(END), Pick::greedy());
        let asked = sampler.ask(canvas).slots;
        let ops = sampler.step(canvas, &asked, predictions);
        assert!(ops.iter().all(|op| canvas.apply(*op)));
        ops
    }

    #[test]
    fn the_leftmost_slot_is_committed_whatever_its_confidence() {
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); 3], vec![]);
        let ops = run(&mut canvas, &[prediction(4, 0.1), prediction(5, 0.89), prediction(6, 0.91)]);
        assert_eq!(ops.len(), 2);
        assert_eq!(canvas.masked(), [1]);
    }

    #[test]
    fn the_first_end_closes_its_span() {
        let slots = [vec![Slot::masked(0); 3], vec![Slot::between(1)], vec![Slot::masked(1); 3]].concat();
        let mut canvas = Canvas::new(vec![0], slots, vec![]);
        let sure = |token| prediction(token, 0.95);
        run(&mut canvas, &[sure(4), sure(END), sure(5), sure(6), sure(7), sure(END)]);
        assert_eq!(canvas.span_tokens(0), [4]);
        assert_eq!(canvas.span_tokens(1), [6, 7]);
        assert!(canvas.is_full() && canvas.is_closed(0) && canvas.is_closed(1));
    }

    #[test]
    fn an_unsure_end_counts_at_the_leftmost_slot_only() {
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); 2], vec![]);
        run(&mut canvas, &[prediction(4, 0.5), prediction(END, 0.8)]);
        assert_eq!(canvas.masked(), [1]);
        run(&mut canvas, &[prediction(END, 0.4)]);
        assert_eq!(canvas.span_tokens(0), [4]);
        assert!(canvas.is_closed(0));
    }
}
