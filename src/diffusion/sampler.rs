//! The rule that turns predictions into changes of the canvas.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::denoiser::Reuse;
use crate::diffusion::filter::Filter;
use crate::model::spec::TokenId;

/// What a sampler wants to know before its next step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// The slots, ascending.
    pub slots: Vec<usize>,
    /// Alternatives for each of them.
    pub top_k: usize,
    /// What of earlier passes may be kept.
    pub reuse: Reuse,
    /// Changes of the distributions.
    pub filter: Filter,
    /// Ids that are not wanted now.
    pub banned: Vec<TokenId>,
    /// Whether tokens among the slots are to be judged by their shadows ([`Ask::shadows`](crate::diffusion::denoiser::Ask)).
    pub shadows: bool,
}

impl Question {
    /// The best token of each slot.
    pub fn about(slots: Vec<usize>) -> Self {
        Self { slots, top_k: 1, ..Self::default() }
    }
}

/// A sampler decides which of the predicted slots change in this step, and how.
pub trait Sampler {
    /// Whether it has something left to do; most rules are done when no slot is masked.
    fn is_open(&self, canvas: &Canvas) -> bool {
        !canvas.is_full()
    }

    /// What it wants to know.
    fn ask(&mut self, canvas: &Canvas) -> Question {
        Question::about(canvas.masked())
    }

    /// Changes the probability from which a slot is committed out of turn; rules that have none take no notice.
    fn set_threshold(&mut self, _threshold: f32) {}

    /// The changes of one step, in the order in which they are to be applied; slot indices are those at the moment of each
    /// change. Every run of steps must come to an end.
    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op>;
}

/// How a token is picked from a prediction.
#[derive(Debug)]
pub struct Pick {
    temperature: f32,
    random: StdRng,
}

impl Pick {
    /// The most probable token, always.
    pub fn greedy() -> Self {
        Self::seeded(0.0, 0)
    }

    /// A token drawn from the alternatives, their log-probabilities divided by `temperature`; 0 is greedy.
    pub fn seeded(temperature: f32, seed: u64) -> Self {
        Self { temperature, random: StdRng::seed_from_u64(seed) }
    }

    /// Whether the most probable token is always taken.
    pub fn is_greedy(&self) -> bool {
        self.temperature <= 0.0
    }

    /// Picks a token; its confidence is the model's probability, whatever the temperature.
    pub fn pick(&mut self, prediction: &Prediction) -> (TokenId, f32) {
        if self.is_greedy() {
            return prediction.best();
        }
        let largest = prediction.top.first().map_or(0.0, |(_, log_prob)| *log_prob);
        let weights = || prediction.top.iter().map(|(_, log_prob)| ((log_prob - largest) / self.temperature).exp());
        let mut left = self.random.random::<f32>() * weights().sum::<f32>();
        for ((token, log_prob), weight) in prediction.top.iter().zip(weights()) {
            left -= weight;
            if left <= 0.0 {
                return (*token, log_prob.exp());
            }
        }
        prediction.best()
    }
}
