//! A rule picks, among the masked slots of a block, those that are committed now.

use crate::diffusion::canvas::SlotId;
use crate::diffusion::denoiser::Prediction;

/// A masked slot of the block, with what is predicted for it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The slot.
    pub id: SlotId,
    /// Its prediction.
    pub prediction: &'a Prediction,
}

impl Seen<'_> {
    /// The probability of the best token.
    pub fn probability(&self) -> f32 {
        self.prediction.best().1
    }
}

/// See the module.
pub trait Rule {
    /// Alternatives that it needs of each slot.
    fn top_k(&self) -> usize {
        1
    }

    /// A block of `places` elements begins, `masks` of them masked.
    fn begin(&mut self, masks: usize, places: usize) {
        let _ = (masks, places);
    }

    /// Indices into `seen`, which is in the order of the canvas. `call` counts the calls for the block from 0. A rule that follows
    /// a schedule may pick nothing now; every block must come to its end.
    fn choose(&mut self, seen: &[Seen<'_>], call: usize) -> Vec<usize>;

    /// Changes the probability from which slots are committed, where there is one.
    fn set_threshold(&mut self, threshold: f32) {
        let _ = threshold;
    }
}

/// Indices of the `count` largest of `values`, best first, ties by place.
pub fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(count);
    order
}

/// The probabilities of the best tokens.
pub fn probabilities(seen: &[Seen<'_>]) -> Vec<f32> {
    seen.iter().map(Seen::probability).collect()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Predictions whose best tokens have these probabilities; the rest is spread over one other token.
    pub fn predictions(probabilities: &[f32]) -> Vec<Prediction> {
        let prediction = |&p: &f32| {
            let q = 1.0 - p;
            let entropy = [p, q].iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
            Prediction { top: vec![(1, p.ln()), (2, q.ln())], entropy, current: None }
        };
        probabilities.iter().map(prediction).collect()
    }

    /// What a rule picks on its first call.
    pub fn choose(rule: &mut dyn Rule, probabilities: &[f32]) -> Vec<usize> {
        let predictions = predictions(probabilities);
        let seen: Vec<Seen<'_>> = (0..).zip(&predictions).map(|(id, prediction)| Seen { id, prediction }).collect();
        rule.begin(seen.len(), seen.len());
        let mut chosen = rule.choose(&seen, 0);
        chosen.sort_unstable();
        chosen
    }
}
