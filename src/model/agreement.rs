//! Whether a device computes what the CPU computes.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoiser::Ask;
use crate::model::error::ModelError;
use crate::model::loaded::LoadedDenoiser;
use crate::model::spec::TokenId;

/// How far two devices agree about the same weights.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    /// Largest difference of a logit, relative to the largest logit of its row.
    pub error: f32,
    /// Places whose most probable token is the same.
    pub same: usize,
    /// Places compared.
    pub places: usize,
}

/// Lengths of contexts and numbers of slots: a short and a long one, none of them a multiple of what kernels work in.
const SHAPES: [(usize, usize); 3] = [(7, 3), (61, 24), (333, 9)];

/// Runs canvases with some slots filled through both, and compares the logits of every masked slot.
///
/// # Errors
/// A model failed.
pub fn compare(model: &mut LoadedDenoiser, reference: &mut LoadedDenoiser) -> Result<Agreement, ModelError> {
    let mut agreement = Agreement { error: 0.0, same: 0, places: 0 };
    let vocab = model.transformer().config().vocab;
    for (context, slots) in SHAPES {
        let id = |place: usize| TokenId::try_from((place * 7919 + context) % vocab.min(20_000)).unwrap_or(0);
        let slots = (0..slots).map(|place| if place % 5 == 3 { Slot::original(0, id(place)) } else { Slot::masked(0) });
        let canvas = Canvas::new((0..context).map(id).collect(), slots.collect(), Vec::new());
        let masked = canvas.masked();
        let ask = [Ask::new(&canvas, &masked, 1)];
        let (found, expected) = (model.canvas_logits(&ask)?, reference.canvas_logits(&ask)?);
        for (found, expected) in found.chunks_exact(vocab).zip(expected.chunks_exact(vocab)) {
            let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
            let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, worse);
            agreement.error = worse(agreement.error, difference / largest);
            agreement.same += usize::from(best(found) == best(expected));
            agreement.places += 1;
        }
    }
    Ok(agreement)
}

/// The larger of two errors; what is not a number is the largest.
fn worse(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::INFINITY } else { a.max(b) }
}

fn best(row: &[f32]) -> Option<usize> {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(id, _)| id)
}
