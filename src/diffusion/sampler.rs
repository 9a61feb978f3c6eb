//! The rule that turns predictions into changes of the canvas.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Prediction;
use crate::model::spec::TokenId;

/// A sampler decides which of the predicted slots change in this step, and how.
pub trait Sampler {
    /// Slots whose predictions it wants; the masked ones for most rules.
    fn ask(&self, canvas: &Canvas) -> Vec<usize> {
        canvas.masked()
    }

    /// Alternatives it needs for each slot.
    fn top_k(&self) -> usize {
        1
    }

    /// The changes of one step, in the order in which they are to be applied; slot indices are those at the moment of each
    /// change. At least one masked slot must be committed or deleted, so that every run ends.
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
