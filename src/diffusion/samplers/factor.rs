//! As many of the surest slots as are sure enough together: the more at once, the surer each must be (Fast-dLLM, arXiv 2505.22618).

use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::rule::largest;
use crate::diffusion::samplers::rule::probabilities;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    factor: f32,
}

impl Factor {
    /// The reference's default is 1.
    pub fn new(factor: f32) -> Self {
        Self { factor }
    }
}

impl Rule for Factor {
    /// The first n, for the largest n whose least probability is at least 1 - factor / (n + 1); one in any case.
    fn choose(&mut self, seen: &[Seen<'_>], _call: usize) -> Vec<usize> {
        let probabilities = probabilities(seen);
        let order = largest(&probabilities, seen.len());
        let enough = |n: usize| probabilities[order[n - 1]] >= 1.0 - self.factor / (n as f32 + 1.0);
        let count = (1..=order.len()).rev().find(|&n| enough(n)).unwrap_or(1);
        order.into_iter().take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::samplers::rule::testing::choose;

    #[test]
    fn more_at_once_must_be_surer() {
        // 1 - 1/(n + 1): 0.5, 0.667, 0.75, 0.8.
        assert_eq!(choose(&mut Factor::new(1.0), &[0.7, 0.9, 0.1, 0.7]), [0, 1]);
        assert_eq!(choose(&mut Factor::new(1.0), &[0.3, 0.2]), [0]);
        assert_eq!(choose(&mut Factor::new(1.0), &[0.8, 0.8, 0.8, 0.8]), [0, 1, 2, 3]);
    }
}
