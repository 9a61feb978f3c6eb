//! How much each masked token counts.

use serde::Deserialize;
use serde::Serialize;

/// A choice of weights for masked tokens. They are not normalised: what they are divided by is the loss's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// By the noise schedule, so that the loss bounds the likelihood: 1/t for the linear one.
    #[default]
    Noise,
    /// 1 for each.
    Uniform,
    /// More where there is visible text near by (Dream's context-adaptive rescheduling), with this share p of the geometric distribution
    /// (Dream takes 0.3): see [`cart`].
    Cart(f32),
}

/// Dream's context-adaptive weights: for each masked place i, ½ Σ p(1 − p)^(|i − j| − 1) over the visible places j; 0 for visible ones.
pub fn cart(masked: &[bool], p: f64) -> Vec<f64> {
    let one_way = |places: &mut dyn Iterator<Item = usize>, out: &mut [f64]| {
        let mut sum = 0.0;
        for place in places {
            out[place] += 0.5 * sum;
            sum = sum * (1.0 - p) + if masked[place] { 0.0 } else { p };
        }
    };
    let mut weights = vec![0.0; masked.len()];
    one_way(&mut (0..masked.len()), &mut weights);
    one_way(&mut (0..masked.len()).rev(), &mut weights);
    weights.iter_mut().zip(masked).filter(|(_, masked)| !**masked).for_each(|(weight, _)| *weight = 0.0);
    weights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cart_is_its_definition(masked in prop::collection::vec(any::<bool>(), 0..60), p in 0.05_f64..0.95) {
            let found = cart(&masked, p);
            for (i, weight) in found.iter().enumerate() {
                let visible = masked.iter().enumerate().filter(|(j, masked)| !**masked && *j != i);
                let sum: f64 = visible.map(|(j, _)| p * (1.0 - p).powi(i.abs_diff(j) as i32 - 1)).sum();
                let expected = if masked[i] { 0.5 * sum } else { 0.0 };
                prop_assert!((weight - expected).abs() < 1e-9, "{} {}", weight, expected);
            }
        }
    }
}
