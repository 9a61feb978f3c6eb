//! How sure a prediction is: the three measures of Dream's reference.

use crate::diffusion::denoiser::Prediction;

/// A measure; the larger, the surer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidence {
    /// The probability of the best token (maskgit-plus, low confidence).
    #[default]
    Probability,
    /// The probability of the best token less that of the second best (top-k margin).
    Margin,
    /// The negative entropy of the distribution.
    NegativeEntropy,
}

impl Confidence {
    /// Alternatives that it needs.
    pub fn top_k(self) -> usize {
        match self {
            Self::Margin => 2,
            Self::Probability | Self::NegativeEntropy => 1,
        }
    }

    /// The measure of a prediction.
    pub fn of(self, prediction: &Prediction) -> f32 {
        let probability = |rank: usize| prediction.top.get(rank).map_or(0.0, |(_, log_prob)| log_prob.exp());
        match self {
            Self::Probability => probability(0),
            Self::Margin => probability(0) - probability(1),
            Self::NegativeEntropy => -prediction.entropy,
        }
    }
}
