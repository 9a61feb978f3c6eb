//! WINO, wide in and narrow out: every mask that is half sure is committed, and what was committed is judged anew as if it were still
//! masked; what fails is masked again (Hong et al., arXiv 2507.18578).
//!
//! A pass predicts the masks, and beside each token of the block a shadow: a mask at the token's place that sees everything but that
//! token. So drafting and verifying cost one pass. Fewer tokens are masked again in a step than were committed in the one before, so
//! that every run ends.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Origin;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::rule::largest;

/// Alternatives to draw from when sampling is not greedy.
const DRAWN_FROM: usize = 64;

/// Settings, with the reference's defaults.
#[derive(Clone, Copy, Debug)]
pub struct Revoking {
    /// Probability above which a mask is committed; the surest one is in any case.
    pub threshold: f32,
    /// Probability of its token, seen by its shadow, below which a slot is masked again.
    pub keep: f32,
    /// Elements of a block, counted from the first slot; `None` is one block.
    pub block: Option<usize>,
}

impl Default for Revoking {
    fn default() -> Self {
        Self { threshold: 0.6, keep: 0.9, block: None }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Wino {
    settings: Revoking,
    filter: Filter,
    pick: Pick,
    block: usize,
    /// Tokens that the last step in this block committed.
    committed: usize,
}

/// Most masks that a step commits: 7 in 10 of them, between 5 and 20.
fn most(masks: usize) -> usize {
    (masks * 7 / 10).clamp(5, 20)
}

impl Wino {
    /// A sampler with these settings.
    pub fn new(settings: Revoking, filter: Filter, seed: u64) -> Self {
        let pick = if filter.temperature > 0.0 { Pick::seeded(1.0, seed) } else { Pick::greedy() };
        Self { settings, filter, pick, block: 0, committed: 0 }
    }

    fn number(&self, slot: usize) -> usize {
        self.settings.block.map_or(0, |size| slot / size.max(1))
    }
}

impl Sampler for Wino {
    fn ask(&mut self, canvas: &Canvas) -> Question {
        let block = canvas.masked().first().map_or(0, |&slot| self.number(slot));
        if block != self.block {
            (self.block, self.committed) = (block, 0);
        }
        let is_asked = |slot: &usize| {
            let place = &canvas.slots()[*slot];
            self.number(*slot) == block && (place.is_masked() || matches!(place.origin, Origin::Committed(_)) && !place.pinned)
        };
        let slots = (0..canvas.slots().len()).filter(is_asked).collect();
        let top_k = if self.pick.is_greedy() { 1 } else { DRAWN_FROM };
        Question { top_k, filter: self.filter, shadows: true, ..Question::about(slots) }
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.settings.threshold = threshold;
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let (masked, visible): (Vec<usize>, Vec<usize>) =
            (0..asked.len()).partition(|&index| canvas.slots()[asked[index]].is_masked());
        let sure: Vec<f32> = masked.iter().map(|&index| predictions[index].best().1).collect();
        let above = sure.iter().filter(|probability| **probability > self.settings.threshold).count();
        let accepted: Vec<usize> =
            largest(&sure, above.clamp(1, most(masked.len()))).into_iter().map(|index| masked[index]).collect();
        // A prediction for a token is its shadow's.
        let kept = |index: usize| predictions[index].current.map_or(1.0, f32::exp);
        let doubtful: Vec<usize> = visible.into_iter().filter(|&index| kept(index) < self.settings.keep).collect();
        let doubts: Vec<f32> = doubtful.iter().map(|&index| -kept(index)).collect();
        let revoked = largest(&doubts, self.committed.saturating_sub(1)).into_iter().map(|index| doubtful[index]);
        let mut ops: Vec<Op> = revoked.map(|index| Op::Remask { slot: asked[index] }).collect();
        self.committed = accepted.len();
        ops.extend(accepted.into_iter().map(|index| {
            let (token, confidence) = self.pick.pick(&predictions[index]);
            Op::Commit { slot: asked[index], token, confidence }
        }));
        ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;

    /// A prediction of token 1 with this probability; and what a token that stands there is worth.
    fn prediction(probability: f32, current: Option<f32>) -> Prediction {
        Prediction { top: vec![(1, probability.ln())], entropy: 0.0, current: current.map(f32::ln) }
    }

    fn canvas(masks: usize) -> Canvas {
        Canvas::new(vec![0], vec![Slot::masked(0); masks], vec![])
    }

    fn step(sampler: &mut Wino, canvas: &mut Canvas, worth: impl Fn(usize) -> f32) -> (usize, usize) {
        let question = sampler.ask(canvas);
        assert!(question.shadows);
        let of = |slot: &usize| prediction(worth(*slot), canvas.slots()[*slot].token.map(|_| worth(*slot)));
        let predictions: Vec<Prediction> = question.slots.iter().map(of).collect();
        canvas.begin_step();
        let ops = sampler.step(canvas, &question.slots, &predictions);
        assert!(ops.iter().all(|op| canvas.apply(*op)));
        let again = ops.iter().filter(|op| matches!(op, Op::Remask { .. })).count();
        (ops.len() - again, again)
    }

    #[test]
    fn wide_in_and_narrow_out() {
        let mut canvas = canvas(12);
        let mut sampler = Wino::new(Revoking::default(), Filter::default(), 1);
        // 12 masks, 10 of them half sure: at most 7 in 10 come in.
        assert_eq!(step(&mut sampler, &mut canvas, |slot| if slot < 10 { 0.7 } else { 0.3 }), (8, 0));
        // Of the 8, those with a shadow below 0.9 go, least first, but fewer than came.
        assert_eq!(step(&mut sampler, &mut canvas, |slot| if slot < 3 { 0.95 } else { 0.5 + slot as f32 / 100.0 }), (1, 5));
        let visible: Vec<usize> = (0..12).filter(|&slot| !canvas.slots()[slot].is_masked()).collect();
        assert_eq!(visible, [0, 1, 2, 11], "the surest mask came in though below the threshold");
        // One came, so none may go.
        assert_eq!(step(&mut sampler, &mut canvas, |_| 0.1), (1, 0));
    }

    #[test]
    fn what_is_given_is_not_judged_and_blocks_come_in_order() {
        let slots = vec![Slot::original(0, 7), Slot::masked(0), Slot::masked(0), Slot::between(9), Slot::masked(0)];
        let mut canvas = Canvas::new(vec![0], slots, vec![]);
        let mut sampler = Wino::new(Revoking { block: Some(3), ..Revoking::default() }, Filter::default(), 1);
        assert_eq!(sampler.ask(&canvas).slots, [1, 2]);
        assert_eq!(step(&mut sampler, &mut canvas, |slot| if slot == 1 { 0.9 } else { 0.2 }), (1, 0));
        assert_eq!(sampler.ask(&canvas).slots, [1, 2], "the token is judged with the mask");
        step(&mut sampler, &mut canvas, |_| 0.95);
        assert_eq!(sampler.ask(&canvas).slots, [4]);
        step(&mut sampler, &mut canvas, |_| 0.95);
        assert!(canvas.is_full() && !sampler.is_open(&canvas));
    }

    /// Against a model that changes its mind at random, every run ends within a call for each slot.
    #[test]
    fn every_run_ends() {
        let mut state = 1u32;
        for masks in [1, 2, 7, 40] {
            for block in [None, Some(4)] {
                let mut canvas = canvas(masks);
                let mut sampler = Wino::new(Revoking { block, ..Revoking::default() }, Filter::default(), 1);
                let mut calls = 0;
                while sampler.is_open(&canvas) {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let seed = state >> 8;
                    step(&mut sampler, &mut canvas, |slot| (seed.wrapping_mul(slot as u32 + 1) % 1000) as f32 / 1000.0);
                    calls += 1;
                    assert!(calls <= masks, "{calls} calls for {masks} masks");
                }
            }
        }
    }
}
