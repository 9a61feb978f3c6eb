//! Every slot above a probability when there are as many as a schedule asks for, otherwise as many of the surest: SDAR's dynamic
//! low-confidence remasking and LLaDA 2's threshold.

use crate::diffusion::samplers::confidence::Confidence;
use crate::diffusion::samplers::quota::Quota;
use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::rule::probabilities;
use crate::diffusion::samplers::schedule::Schedule;

/// See the module.
#[derive(Debug)]
pub struct Dynamic {
    threshold: f32,
    quota: Quota,
}

impl Dynamic {
    /// The references' defaults: SDAR 0.85 with as many steps as a block has places, LLaDA 2 0.95.
    pub fn new(threshold: f32, steps: usize) -> Self {
        Self { threshold, quota: Quota::new(Confidence::Probability, Schedule::Even, steps).by_places() }
    }
}

impl Rule for Dynamic {
    fn begin(&mut self, masks: usize, places: usize) {
        self.quota.begin(masks, places);
    }

    fn choose(&mut self, seen: &[Seen<'_>], call: usize) -> Vec<usize> {
        let probabilities = probabilities(seen);
        let sure: Vec<usize> = (0..seen.len()).filter(|&index| probabilities[index] > self.threshold).collect();
        let asked = self.quota.count(call, seen.len()).max(1);
        if sure.len() >= asked { sure } else { self.quota.choose(seen, call) }
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::samplers::rule::testing::choose;

    #[test]
    fn the_schedule_is_the_least() {
        assert_eq!(choose(&mut Dynamic::new(0.65, 2), &[0.7, 0.9, 0.1, 0.7]), [0, 1, 3]);
        assert_eq!(choose(&mut Dynamic::new(0.8, 2), &[0.6, 0.9, 0.1, 0.7]), [1, 3]);
    }
}
