//! How long a span is to be, for models that cannot say it themselves: calibrated adaptive length (CAL).
//!
//! One call over a span of nothing but masks tells how sure the model is of it. Short spans look surer than they are, so the mean
//! of the best probabilities is divided by what a span of that length reaches by itself; the length with the best quotient is
//! found by climbing from a few masks in both directions. Training-free; the calibration is the one that was published for
//! Dream-Coder.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Denoiser;
use crate::model::error::ModelError;

/// How the length of spans is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// Surplus slots that a token closes, or slots that expand and disappear, where a model has such tokens; otherwise the present
    /// length of each span.
    #[default]
    Auto,
    /// As many slots for each span, however the model closes them.
    Fixed(usize),
    /// The length that CAL finds.
    Search,
}

/// Bounds of the search, with the published defaults.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Masks to begin with.
    pub first: usize,
    /// Lengths that may be worse in a row before a direction is given up.
    pub patience: usize,
    /// The longest span.
    pub most: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { first: 8, patience: 4, most: 64 }
    }
}

/// What a span of `len` masks reaches by itself.
fn calibration(len: usize) -> f32 {
    let len = len as f32;
    (-1.77 * len).exp() + 0.56 * (-0.06 * len).exp() + 0.24
}

/// The length of spans for which the model is surest, and the calls that were made. `canvas` gives a canvas whose spans have a
/// number of masks.
///
/// # Errors
/// The model failed.
pub fn search(
    denoiser: &mut dyn Denoiser,
    bounds: Search,
    canvas: &dyn Fn(usize) -> Canvas,
) -> Result<(usize, usize), ModelError> {
    let mut calls = 0;
    let mut score = |len: usize| -> Result<f32, ModelError> {
        let canvas = canvas(len);
        let slots = canvas.masked();
        let predictions = denoiser.predict(&[Ask::new(&canvas, &slots, 1)])?;
        calls += 1;
        let sum: f32 = predictions.iter().flatten().map(|prediction| prediction.best().1).sum();
        Ok(sum / slots.len().max(1) as f32 / calibration(len))
    };
    let first = bounds.first.clamp(1, bounds.most.max(1));
    let mut best = (score(first)?, first);
    let up: Vec<usize> = (first + 1..=bounds.most).collect();
    let down: Vec<usize> = (1..first).rev().collect();
    for direction in [up, down] {
        let mut worse = 0;
        for len in direction {
            let found = score(len)?;
            if found > best.0 {
                best = (found, len);
                worse = 0;
            } else {
                worse += 1;
                if worse >= bounds.patience {
                    break;
                }
            }
        }
    }
    Ok((best.1, calls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::diffusion::denoiser::Prediction;
    use crate::diffusion::scripted::Scripted;
    use crate::model::spec::ModelSpec;

    /// As sure as the calibration says, and surer by a third at one length.
    struct Likes(Scripted, usize);

    impl Denoiser for Likes {
        fn spec(&self) -> &ModelSpec {
            self.0.spec()
        }

        fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError> {
            let len = asks[0].slots.len();
            let near = 1.0 / (1.0 + (len as f32 - self.1 as f32).abs());
            let probability = calibration(len) * (0.6 + 0.2 * near);
            let prediction = Prediction { top: vec![(1, probability.ln())], entropy: 0.0, current: None };
            Ok(vec![vec![prediction; len]])
        }
    }

    #[test]
    fn the_length_that_the_model_is_surest_of_is_found() {
        for wanted in [1, 3, 8, 12, 40, 64] {
            let mut model = Likes(Scripted::new(vec![1], 2), wanted);
            let canvas = |len| Canvas::new(vec![0], vec![Slot::masked(0); len], vec![]);
            let (found, calls) = search(&mut model, Search::default(), &canvas).unwrap();
            assert_eq!(found, wanted);
            assert!(calls <= 64, "{calls} calls");
        }
    }
}
