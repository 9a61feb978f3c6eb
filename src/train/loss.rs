//! Losses as factors: each is a sum of cross-entropies times numbers that carry no gradient, so all that distinguishes them is
//! arithmetic on a few vectors, without a tensor. `gradient.rs` does the rest alike for all.
//!
//! References: MDLM and BD3LM as in dllm's trainers, the path term as in Open-dLLM, the mixture as in CDLM.

use crate::model::spec::TokenId;
use crate::train::example::Example;

/// What the sum of weighted cross-entropies is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// The number of elements with a target in the batch, those of weight 0 (visible ones) included: the bound of the likelihood
    /// for a token, when weights are those of [`crate::train::corrupt::weighting::Weighting::Noise`].
    Token,
    /// The same for each sequence by itself; the mean of the sequences.
    Sequence,
    /// The number of sequences.
    Batch,
    /// The sum of the weights: a weighted mean.
    #[default]
    Weight,
}

/// What stands in an element that something is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A mask.
    Masked,
    /// A token that does not belong there.
    Wrong,
    /// The token that belongs there.
    Right,
}

/// An element that something is learned from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The sequence in the batch.
    pub sequence: usize,
    /// The element in its sequence.
    pub element: usize,
    /// What is to be predicted.
    pub token: TokenId,
    /// What stands there.
    pub seen: Seen,
    /// Weight of its loss.
    pub weight: f32,
}

/// The targets of some sequences, in order; `mask` is the id of a masked element.
pub fn targets(examples: &[Example], mask: TokenId) -> Vec<Target> {
    let mut found = Vec::new();
    for (sequence, example) in examples.iter().enumerate() {
        for (element, (target, &weight)) in example.targets.iter().zip(&example.weights).enumerate() {
            let Some(token) = *target else { continue };
            let seen = match example.tokens[element] {
                seen if seen == mask => Seen::Masked,
                seen if seen == token => Seen::Right,
                _ => Seen::Wrong,
            };
            found.push(Target { sequence, element, token, seen, weight });
        }
    }
    found
}

/// Which loss a stage has.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The weights of the examples, normalised.
    Weighted(Normalisation),
    /// Open-dLLM: mean cross-entropy, plus the *path* term, which gives weight to what the model is about to commit: the mean of
    /// p · cross-entropy / mask ratio, where p is the probability of the target. The weights of the examples are 1 / mask ratio.
    Path,
    /// CDLM: the same over what is masked or wrong, plus the means over what is wrong and over what is right, with these weights.
    Mixture {
        /// Weight of the mean over wrong tokens.
        wrong: f64,
        /// Weight of the mean over right tokens.
        right: f64,
    },
}

/// The factors of some targets' cross-entropies: `fixed + by_probability * p` for a target of probability p.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Factors {
    /// What does not depend on the model.
    pub fixed: Vec<f64>,
    /// What is multiplied by the probability of the target, through which no gradient flows.
    pub by_probability: Vec<f64>,
}

impl Factors {
    /// Whether a target counts at all.
    pub fn counts(&self, index: usize) -> bool {
        self.fixed[index] != 0.0 || self.by_probability[index] != 0.0
    }

    /// The factor of a target with this cross-entropy.
    pub fn at(&self, index: usize, cross_entropy: f32) -> f64 {
        match self.by_probability[index] {
            0.0 => self.fixed[index],
            factor => self.fixed[index] + factor * f64::from(-cross_entropy).exp(),
        }
    }
}

impl Loss {
    /// The factors of the targets of `sequences` sequences.
    pub fn factors(self, targets: &[Target], sequences: usize) -> Factors {
        let zeros = vec![0.0; targets.len()];
        match self {
            Self::Weighted(normalisation) => {
                Factors { fixed: weighted(targets, sequences, normalisation), by_probability: zeros }
            }
            Self::Path => path(targets),
            Self::Mixture { wrong, right } => {
                let mut factors = path(targets);
                for (weight, seen) in [(wrong, Seen::Wrong), (right, Seen::Right)] {
                    let count = targets.iter().filter(|target| target.seen == seen).count() as f64;
                    let added = factors.fixed.iter_mut().zip(targets).filter(|(_, target)| target.seen == seen);
                    added.for_each(|(factor, _)| *factor += weight / count);
                }
                factors
            }
        }
    }
}

fn weighted(targets: &[Target], sequences: usize, normalisation: Normalisation) -> Vec<f64> {
    let mut labelled = vec![0usize; sequences];
    targets.iter().for_each(|target| labelled[target.sequence] += 1);
    let weights: f64 = targets.iter().map(|target| f64::from(target.weight)).sum();
    let share = |target: &Target| match normalisation {
        Normalisation::Token => 1.0 / targets.len() as f64,
        Normalisation::Sequence => 1.0 / (labelled[target.sequence] * sequences) as f64,
        Normalisation::Batch => 1.0 / sequences as f64,
        Normalisation::Weight => 1.0 / weights.max(f64::MIN_POSITIVE),
    };
    targets.iter().map(|target| f64::from(target.weight) * share(target)).collect()
}

/// Of what is masked or wrong; a token that is right already has no label there.
fn path(targets: &[Target]) -> Factors {
    let counts = |target: &Target| target.seen != Seen::Right;
    let count = targets.iter().filter(|target| counts(target)).count().max(1) as f64;
    let factor = |target: &Target, value: f64| if counts(target) { value / count } else { 0.0 };
    Factors {
        fixed: targets.iter().map(|target| factor(target, 1.0)).collect(),
        by_probability: targets.iter().map(|target| factor(target, f64::from(target.weight))).collect(),
    }
}
