//! Noise schedules: how much is masked at time t, and what that is worth in the loss.
//!
//! t runs from 0 (clean) to 1 (all masked). With α(t) the share of tokens that are left, the mask ratio is 1 − α(t), and the evidence lower
//! bound weighs the cross entropy of masked tokens by −α′(t) / (1 − α(t)) (Sahoo and others, 2024, equation 10). As in dllm's trainers, 1e-6
//! is added to the divisor.

use std::f64::consts::FRAC_PI_2;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde::Serialize;

/// Smallest time that is drawn, as in the reference trainers: the weight grows without bound towards 0.
pub const EPSILON: f64 = 1e-3;
/// Added to what the weight is divided by.
const LEAST_RATIO: f64 = 1e-6;

/// A noise schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// α(t) = 1 − t.
    #[default]
    Linear,
    /// α(t) = 1 − cos(π/2 · (1 − t)): little is masked for longer.
    Cosine,
}

impl Noise {
    /// The share of tokens that are masked at `t`.
    pub fn ratio(self, t: f64) -> f64 {
        match self {
            Noise::Linear => t,
            Noise::Cosine => (FRAC_PI_2 * (1.0 - t)).cos(),
        }
    }

    /// The weight of a masked token at `t`.
    pub fn weight(self, t: f64) -> f64 {
        let slope = match self {
            Noise::Linear => 1.0,
            Noise::Cosine => FRAC_PI_2 * (FRAC_PI_2 * (1.0 - t)).sin(),
        };
        slope / (self.ratio(t) + LEAST_RATIO)
    }
}

/// The time of a draw from 0 to 1: evenly from [`EPSILON`] to 1.
pub fn time(draw: f64) -> f64 {
    EPSILON + (1.0 - EPSILON) * draw
}

/// Draws a time.
pub fn draw_time(random: &mut StdRng) -> f64 {
    time(random.random())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weight against the definition, with the derivative taken numerically.
    #[test]
    fn weights_are_those_of_the_bound() {
        for noise in [Noise::Linear, Noise::Cosine] {
            for step in 1..100 {
                let t = f64::from(step) / 100.0;
                let h = 1e-6;
                let slope = (noise.ratio(t + h) - noise.ratio(t - h)) / (2.0 * h);
                assert!(
                    (noise.weight(t) - slope / (noise.ratio(t) + LEAST_RATIO)).abs() < 1e-5 * noise.weight(t).max(1.0),
                    "{noise:?} {t}"
                );
            }
            assert!(noise.ratio(0.0).abs() < 1e-12 && (noise.ratio(1.0) - 1.0).abs() < 1e-12);
        }
    }
}
