//! ReMDM: masks are uncovered as the noise schedule says, and what was committed is masked again with a small probability, so that a
//! token chosen in a poorer context can still be replaced (Wang et al., arXiv 2503.00307).
//!
//! In the step from time t to s, with the share `alpha` of visible tokens going from 0 to 1 linearly, a visible token is masked with
//! probability sigma, and a mask is committed with probability `(alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t)`. Whatever sigma is,
//! up to `(1 - alpha_s) / alpha_t`, a slot is visible at time s with probability `alpha_s`, as without remasking.
//!
//! *cap* bounds sigma by eta. *conf* also weighs it by how unsure a token was when it was committed: `exp(-confidence)`, normalised
//! over all visible tokens, so that about one token in a step moves at eta = 1; a mask has no such weight, and none is taken off its
//! probability.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Origin;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;

/// Alternatives to draw from when sampling is not greedy.
const DRAWN_FROM: usize = 64;

/// Settings.
#[derive(Clone, Copy, Debug)]
pub struct Remasking {
    /// Steps of the schedule.
    pub steps: usize,
    /// The largest sigma.
    pub eta: f32,
    /// Whether sigma is weighed by the confidence of each token.
    pub by_confidence: bool,
}

impl Remasking {
    /// The largest sigma of the step from time `t` to `s`, given as shares of visible tokens.
    fn sigma(&self, alpha_t: f32, alpha_s: f32) -> f32 {
        if alpha_t > 0.0 { self.eta.min((1.0 - alpha_s) / alpha_t).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Remdm {
    settings: Remasking,
    call: usize,
    filter: Filter,
    pick: Pick,
    random: StdRng,
}

impl Remdm {
    /// A sampler with these settings; places are drawn from the seed also where tokens are not.
    pub fn new(settings: Remasking, filter: Filter, seed: u64) -> Self {
        let pick = if filter.temperature > 0.0 { Pick::seeded(1.0, seed) } else { Pick::greedy() };
        let settings = Remasking { steps: settings.steps.max(1), ..settings };
        Self { settings, call: 0, filter, pick, random: StdRng::seed_from_u64(seed) }
    }

    /// The share of visible tokens after so many steps.
    fn alpha(&self, steps: usize) -> f32 {
        (steps.min(self.settings.steps) as f32) / self.settings.steps as f32
    }
}

/// What the sampler may change.
fn is_free(canvas: &Canvas, slot: usize) -> bool {
    let slot = &canvas.slots()[slot];
    !slot.pinned && slot.origin != Origin::Original
}

impl Sampler for Remdm {
    /// All steps are taken: until the last one what stands on the canvas can be masked again.
    fn is_open(&self, canvas: &Canvas) -> bool {
        !canvas.is_full() || (1..self.settings.steps).contains(&self.call)
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        let top_k = if self.pick.is_greedy() { 1 } else { DRAWN_FROM };
        Question { top_k, filter: self.filter, ..Question::about(canvas.masked()) }
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let (alpha_t, alpha_s) = (self.alpha(self.call), self.alpha(self.call + 1));
        self.call += 1;
        let sigma = self.settings.sigma(alpha_t, alpha_s);
        let visible: Vec<usize> =
            (0..canvas.slots().len()).filter(|&slot| is_free(canvas, slot) && !canvas.slots()[slot].is_masked()).collect();
        let weights: Vec<f32> = if self.settings.by_confidence {
            let unsure: Vec<f32> = visible.iter().map(|&slot| (-canvas.slots()[slot].confidence).exp()).collect();
            let sum: f32 = unsure.iter().sum();
            unsure.into_iter().map(|weight| weight / sum).collect()
        } else {
            vec![1.0; visible.len()]
        };
        let mut ops: Vec<Op> = Vec::new();
        for (slot, weight) in visible.into_iter().zip(weights) {
            if self.random.random::<f32>() < sigma * weight {
                ops.push(Op::Remask { slot });
            }
        }
        let of_mask = if self.settings.by_confidence { 0.0 } else { sigma };
        // Behind the last step of the schedule, and in it, nothing stays masked.
        let share = if alpha_s >= 1.0 { 1.0 } else { (alpha_s - (1.0 - of_mask) * alpha_t) / (1.0 - alpha_t) };
        for (&slot, prediction) in asked.iter().zip(predictions) {
            if self.random.random::<f32>() < share {
                let (token, confidence) = self.pick.pick(prediction);
                ops.push(Op::Commit { slot, token, confidence });
            }
        }
        ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::diffusion::samplers::rule::testing::predictions;

    fn settings(steps: usize, eta: f32, by_confidence: bool) -> Remasking {
        Remasking { steps, eta, by_confidence }
    }

    /// For each step, how many of `slots` are visible behind it, and how many were masked again in it.
    fn run(settings: Remasking, slots: usize, seed: u64) -> Vec<(usize, usize)> {
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); slots], vec![]);
        let mut sampler = Remdm::new(settings, Filter::default(), seed);
        let mut counts = Vec::new();
        while sampler.is_open(&canvas) {
            let question = sampler.ask(&canvas);
            let ops = sampler.step(&canvas, &question.slots, &predictions(&vec![0.7; question.slots.len()]));
            assert!(ops.iter().all(|op| canvas.apply(*op)));
            let again = ops.iter().filter(|op| matches!(op, Op::Remask { .. })).count();
            counts.push((slots - canvas.masked().len(), again));
        }
        counts
    }

    /// What makes the method right: the share of visible slots is that of the schedule, whatever is masked again on the way. Compared
    /// with the recursion over all states of one slot.
    #[test]
    fn visible_slots_follow_the_schedule() {
        const SLOTS: usize = 4000;
        for (eta, least) in [(0.0, 0), (0.05, 100), (0.3, 600), (1.0, 1500)] {
            let settings = settings(8, eta, false);
            let counts = run(settings, SLOTS, 5);
            assert_eq!(counts.len(), 8);
            let mut visible = 0.0f64;
            for (step, (found, _)) in counts.iter().enumerate() {
                let (alpha_t, alpha_s) = (step as f32 / 8.0, (step + 1) as f32 / 8.0);
                let sigma = settings.sigma(alpha_t, alpha_s);
                let commit = f64::from((alpha_s - (1.0 - sigma) * alpha_t) / (1.0 - alpha_t));
                visible = visible * (1.0 - f64::from(sigma)) + (1.0 - visible) * commit;
                assert!((visible - f64::from(alpha_s)).abs() < 1e-5, "eta {eta}, step {step}: {visible}");
                let share = *found as f64 / SLOTS as f64;
                assert!((share - visible).abs() < 0.035, "eta {eta}, step {step}: {share} for {visible}");
            }
            let again: usize = counts.iter().map(|(_, again)| again).sum();
            assert!(again >= least && (eta > 0.0 || again == 0), "eta {eta}: {again} masked again");
        }
    }

    #[test]
    fn unsure_tokens_move_and_given_ones_stay() {
        let mut moved = [0; 3];
        for seed in 0..3000 {
            let slots = vec![Slot::masked(0), Slot::masked(0), Slot::original(0, 7)];
            let mut canvas = Canvas::new(vec![0], slots, vec![]);
            canvas.apply(Op::Commit { slot: 0, token: 1, confidence: 0.99 });
            canvas.apply(Op::Commit { slot: 1, token: 1, confidence: 0.1 });
            let mut sampler = Remdm::new(settings(4, 1.0, true), Filter::default(), seed);
            sampler.call = 1;
            for op in sampler.step(&canvas, &[], &[]) {
                let Op::Remask { slot } = op else { panic!("{op:?}") };
                moved[slot] += 1;
            }
        }
        // exp(-0.1) and exp(-0.99), normalised; sigma is 1 here.
        let expected = [0.291, 0.709];
        for (moved, expected) in moved.iter().zip(expected) {
            assert!((f64::from(*moved) / 3000.0 - expected).abs() < 0.03, "{moved} of 3000, expected {expected}");
        }
        assert_eq!(moved[2], 0);
    }

    #[test]
    fn a_seed_repeats_and_every_run_ends() {
        for by_confidence in [false, true] {
            let first = run(settings(16, 0.5, by_confidence), 50, 3);
            assert_eq!(first, run(settings(16, 0.5, by_confidence), 50, 3));
            assert_eq!(first.last().unwrap(), &(50, 0), "nothing is masked again in the last step");
        }
        assert_eq!(run(settings(0, 0.5, false), 3, 1), [(3, 0)]);
    }
}
