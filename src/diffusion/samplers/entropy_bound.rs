//! As many of the surest slots as keep the error of committing them together below a bound (EB-sampler, arXiv 2505.24857).

use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::rule::largest;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct EntropyBound {
    gamma: f32,
}

impl EntropyBound {
    /// The reference's default is 0.1 nats.
    pub fn new(gamma: f32) -> Self {
        Self { gamma }
    }
}

impl Rule for EntropyBound {
    /// The first k by entropy, for the largest k whose entropies without the largest of them sum up to at most gamma; one in any
    /// case.
    fn choose(&mut self, seen: &[Seen<'_>], _call: usize) -> Vec<usize> {
        let surest: Vec<f32> = seen.iter().map(|seen| -seen.prediction.entropy).collect();
        let order = largest(&surest, seen.len());
        let mut before = 0.0;
        let within = order.iter().take_while(|&&index| {
            let fits = before <= self.gamma;
            before -= surest[index];
            fits
        });
        let count = within.count().max(1);
        order.into_iter().take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::samplers::rule::testing::choose;

    #[test]
    fn the_sum_without_the_largest_is_bounded() {
        // Entropies of 0.99, 0.9, 0.5: 0.056, 0.325, 0.693.
        assert_eq!(choose(&mut EntropyBound::new(0.05), &[0.5, 0.99, 0.9]), [1]);
        assert_eq!(choose(&mut EntropyBound::new(0.06), &[0.5, 0.99, 0.9]), [1, 2]);
        assert_eq!(choose(&mut EntropyBound::new(0.4), &[0.5, 0.99, 0.9]), [0, 1, 2]);
    }
}
