//! Slots whose prediction is sure and has stopped moving (KLASS): the divergence between the predictions of two
//! calls has been small twice in a row. The best slot in any case.

use std::collections::HashMap;

use crate::diffusion::canvas::SlotId;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::rule::largest;
use crate::diffusion::samplers::rule::probabilities;
use crate::model::spec::TokenId;

/// Alternatives that stand for the whole distribution.
const KEPT: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct Klass {
    threshold: f32,
    divergence: f32,
    history: usize,
    seen: HashMap<SlotId, Past>,
}

#[derive(Debug, Default)]
struct Past {
    top: Vec<(TokenId, f32)>,
    stable: usize,
}

impl Klass {
    /// The reference's defaults are a threshold of 0.6 to 0.9, a divergence of 0.01 and two calls.
    pub fn new(threshold: f32, divergence: f32, history: usize) -> Self {
        Self { threshold, divergence, history, seen: HashMap::new() }
    }
}

impl Rule for Klass {
    fn top_k(&self) -> usize {
        KEPT
    }

    fn choose(&mut self, seen: &[Seen<'_>], _call: usize) -> Vec<usize> {
        let mut stable = Vec::new();
        for (index, each) in seen.iter().enumerate() {
            let past = self.seen.entry(each.id).or_default();
            let still = !past.top.is_empty() && divergence(each.prediction, &past.top) < self.divergence;
            past.stable = if still { past.stable + 1 } else { 0 };
            past.top.clone_from(&each.prediction.top);
            if past.stable >= self.history && each.probability() > self.threshold {
                stable.push(index);
            }
        }
        if stable.is_empty() { largest(&probabilities(seen), 1) } else { stable }
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }
}

/// Kullback-Leibler divergence of a prediction from an earlier one, over the alternatives that are known of it. An alternative
/// that the earlier one does not list is taken to have had the probability of the last that it lists.
fn divergence(now: &Prediction, before: &[(TokenId, f32)]) -> f32 {
    let floor = before.last().map_or(0.0, |(_, log_prob)| *log_prob);
    let earlier = |token: TokenId| before.iter().find(|(other, _)| *other == token).map_or(floor, |(_, log_prob)| *log_prob);
    now.top.iter().filter(|(_, p)| p.is_finite()).map(|&(token, log_prob)| log_prob.exp() * (log_prob - earlier(token))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::samplers::rule::testing::predictions;

    fn call(rule: &mut Klass, probabilities: &[f32]) -> Vec<usize> {
        let predictions = predictions(probabilities);
        let seen: Vec<Seen<'_>> = (0..).zip(&predictions).map(|(id, prediction)| Seen { id, prediction }).collect();
        rule.choose(&seen, 0)
    }

    #[test]
    fn what_moves_waits() {
        let mut rule = Klass::new(0.6, 0.01, 2);
        assert_eq!(call(&mut rule, &[0.7, 0.8, 0.7]), [1], "nothing is known yet: the best one");
        assert_eq!(call(&mut rule, &[0.7, 0.9, 0.71]), [1]);
        assert_eq!(call(&mut rule, &[0.7, 0.7, 0.7]), [0, 2], "two calls without a move");
        assert_eq!(call(&mut rule, &[0.2, 0.1, 0.7]), [2]);
    }
}
