//! Masked diffusion (MDLM, LLaDA, Dream, Open-dLLM): how much is masked, what, and how its loss is weighted.

use crate::model::spec::TokenId;
use crate::train::example::Example;

/// The least time, so that weights stay finite.
const LEAST_TIME: f64 = 1e-3;

/// How the loss of a masked element is weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// The derivative of the linear schedule over what is masked, 1 / (t + 1e-6): the bound of the likelihood.
    Scheduler,
    /// All alike.
    #[default]
    Uniform,
    /// CART (Dream): elements near visible ones count more, by a geometric distribution with this parameter; no 1 / t.
    Cart(f32),
}

/// The time of a sequence from a uniform draw; an element is masked with this probability (the linear schedule).
pub fn time(draw: f64) -> f64 {
    LEAST_TIME + (1.0 - LEAST_TIME) * draw
}

/// The mask ratio of Open-dLLM from a uniform draw.
pub fn mask_ratio(draw: f64) -> f64 {
    draw.clamp(1.0 / 500.0, 1.0 - 1.0 / 500.0)
}

/// CART's weight of each element: 0 where it is visible, and otherwise half of the sum over the visible ones of p (1-p)^(distance-1).
pub fn cart_weights(masked: &[bool], p: f64) -> Vec<f64> {
    // From the left: what the visible elements before it give to an element, each step further by a factor of 1-p less.
    let sweep = |order: &mut dyn Iterator<Item = usize>| {
        let (mut sums, mut carried) = (vec![0.0; masked.len()], 0.0);
        for index in order {
            sums[index] = carried;
            carried = carried * (1.0 - p) + if masked[index] { 0.0 } else { p };
        }
        sums
    };
    let (left, right) = (sweep(&mut (0..masked.len())), sweep(&mut (0..masked.len()).rev()));
    let weight = |index: usize| if masked[index] { 0.5 * (left[index] + right[index]) } else { 0.0 };
    (0..masked.len()).map(weight).collect()
}

/// Whether something must stand before the sequences so that, with the right shift, each label can be read at the element before it.
pub fn needs_start(labels: &[Vec<Option<TokenId>>]) -> bool {
    labels.iter().any(|labels| labels.first().is_some_and(Option::is_some))
}

/// Puts a start of text, which is no label, before all sequences.
pub fn prepend(start: TokenId, sequences: &mut [Vec<TokenId>], labels: &mut [Vec<Option<TokenId>>]) {
    sequences.iter_mut().for_each(|sequence| sequence.insert(0, start));
    labels.iter_mut().for_each(|labels| labels.insert(0, None));
}

/// Masks a sequence: every element with a label whose draw is below `time`. Labels that stay visible have weight 0, so that they
/// count in the normalisation by tokens.
///
/// # Panics
/// When the lengths differ.
pub fn mask(
    tokens: &[TokenId],
    labels: &[Option<TokenId>],
    draws: &[f32],
    time: f64,
    weighting: Weighting,
    mask: TokenId,
) -> Example {
    assert_eq!((tokens.len(), draws.len()), (labels.len(), labels.len()));
    let masked: Vec<bool> = labels.iter().zip(draws).map(|(label, &draw)| label.is_some() && f64::from(draw) < time).collect();
    let weights: Vec<f32> = match weighting {
        Weighting::Scheduler => masked.iter().map(|&m| if m { (1.0 / (time + 1e-6)) as f32 } else { 0.0 }).collect(),
        Weighting::Uniform => masked.iter().map(|&m| if m { 1.0 } else { 0.0 }).collect(),
        Weighting::Cart(p) => cart_weights(&masked, f64::from(p)).into_iter().map(|weight| weight as f32).collect(),
    };
    let tokens = tokens.iter().zip(&masked).map(|(&token, &masked)| if masked { mask } else { token }).collect();
    Example { tokens, targets: labels.to_vec(), context: 0, weights }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cart_weights_are_the_sum_over_the_visible() {
        let masked = [false, true, true, false, true, true, true, false, false, true];
        let found = cart_weights(&masked, 0.3);
        for (i, found) in found.into_iter().enumerate() {
            let visible = (0..masked.len()).filter(|&j| !masked[j] && j != i);
            let sum: f64 = visible.map(|j| 0.3 * 0.7f64.powi(i.abs_diff(j) as i32 - 1)).sum();
            let expected = if masked[i] { 0.5 * sum } else { 0.0 };
            assert!((found - expected).abs() < 1e-12, "{i}");
        }
    }
}
