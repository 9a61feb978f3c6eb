//! Path planning (P2): in each step everything that is not given is judged anew, and the least sure of it is masked again.
//!
//! What is masked follows from the confidence of the token that the model would put in a slot now, not of the one that stands
//! there; a token that survives stays as it is. Both are the reference's (Open-dLLM).

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

/// See the module.
#[derive(Debug)]
pub struct PathPlanning {
    steps: usize,
    call: usize,
    filter: Filter,
    pick: Pick,
}

impl PathPlanning {
    /// The reference's defaults are 64 steps and a temperature of 0.6.
    pub fn new(steps: usize, filter: Filter, seed: u64) -> Self {
        let pick = if filter.temperature > 0.0 { Pick::seeded(1.0, seed) } else { Pick::greedy() };
        Self { steps: steps.max(1), call: 0, filter, pick }
    }
}

impl Sampler for PathPlanning {
    /// The steps are always used up: until the last one what stands on the canvas can be masked again.
    fn is_open(&self, canvas: &Canvas) -> bool {
        !canvas.is_full() || (1..self.steps).contains(&self.call)
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        let slots = canvas.slots().iter().enumerate();
        let free = slots.filter(|(_, slot)| !slot.pinned && slot.origin != Origin::Original).map(|(index, _)| index);
        let top_k = if self.pick.is_greedy() { 1 } else { DRAWN_FROM };
        Question { top_k, filter: self.filter, ..Question::about(free.collect()) }
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        self.call += 1;
        let stays = 1.0 - self.call as f64 / self.steps as f64;
        let count = (asked.len() as f32 * stays.max(0.0) as f32).floor() as usize;
        let unsure: Vec<f32> = predictions.iter().map(|prediction| -prediction.best().1).collect();
        let mut masked = vec![false; asked.len()];
        largest(&unsure, count).into_iter().for_each(|index| masked[index] = true);
        let mut ops = Vec::new();
        for ((&slot, prediction), masked) in asked.iter().zip(predictions).zip(masked) {
            match (canvas.slots()[slot].is_masked(), masked) {
                (true, false) => {
                    let (token, confidence) = self.pick.pick(prediction);
                    ops.push(Op::Commit { slot, token, confidence });
                }
                (false, true) => ops.push(Op::Remask { slot }),
                _ => {}
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

    #[test]
    fn the_least_sure_are_masked_again_and_what_is_given_stays() {
        let slots = vec![Slot::masked(0), Slot::masked(0), Slot::original(0, 7), Slot::masked(0), Slot::masked(0)];
        let mut canvas = Canvas::new(vec![0], slots, vec![]);
        let mut sampler = PathPlanning::new(2, Filter::default(), 1);
        assert_eq!(sampler.ask(&canvas).slots, [0, 1, 3, 4]);
        let asked = [0, 1, 3, 4];
        let ops = sampler.step(&canvas, &asked, &predictions(&[0.6, 0.7, 0.8, 0.9]));
        assert!(ops.iter().all(|op| canvas.apply(*op)));
        assert_eq!(canvas.masked(), [0, 1]);
        let ops = sampler.step(&canvas, &asked, &predictions(&[0.6; 4]));
        assert!(ops.iter().all(|op| canvas.apply(*op)));
        assert!(canvas.is_full() && !sampler.is_open(&canvas));
        assert_eq!(canvas.slots()[2].token, Some(7));
    }
}
