//! Every slot whose best token reaches a probability, and the best one in any case (Fast-dLLM, arXiv 2505.22618).

use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::rule::largest;
use crate::diffusion::samplers::rule::probabilities;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct AtLeast {
    threshold: f32,
}

impl AtLeast {
    /// The reference's default is 0.9.
    pub fn new(threshold: f32) -> Self {
        Self { threshold }
    }
}

impl Rule for AtLeast {
    fn choose(&mut self, seen: &[Seen<'_>], _call: usize) -> Vec<usize> {
        let probabilities = probabilities(seen);
        let sure: Vec<usize> = (0..seen.len()).filter(|&index| probabilities[index] >= self.threshold).collect();
        if sure.is_empty() { largest(&probabilities, 1) } else { sure }
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
    fn one_is_always_committed() {
        assert_eq!(choose(&mut AtLeast::new(0.6), &[0.5, 0.9, 0.6, 0.7]), [1, 2, 3]);
        assert_eq!(choose(&mut AtLeast::new(0.95), &[0.5, 0.9, 0.6, 0.7]), [1]);
    }
}
