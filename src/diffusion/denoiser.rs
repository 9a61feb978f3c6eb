//! What a sampler needs from a model: predictions for some slots of a canvas.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::filter::Filter;
use crate::model::error::ModelError;
use crate::model::spec::Attention;
use crate::model::spec::ModelSpec;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;

/// Predictions for one slot, after the banned ids were removed and the rest normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable ids with their natural log-probabilities, best first; ties go to the smaller id.
    pub top: Vec<(TokenId, f32)>,
    /// Entropy of the whole distribution, in nats.
    pub entropy: f32,
    /// Log-probability of the token that stands in the slot now; `None` for a masked slot.
    pub current: Option<f32>,
}

impl Prediction {
    /// The most probable id and its probability.
    pub fn best(&self) -> (TokenId, f32) {
        self.top.first().map_or((0, 0.0), |&(token, log_prob)| (token, log_prob.exp()))
    }
}

/// What of an earlier pass over the same canvas may stand for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Nothing: every element runs.
    #[default]
    Nothing,
    /// Keys and values outside of these elements (counted from the first of the context) are those of earlier passes. With
    /// attention that never looks behind a block this is exact, and missing ones are made first; otherwise it is an approximation
    /// that a pass over everything refreshes.
    Outside {
        /// First element that runs.
        start: usize,
        /// Behind the last one.
        end: usize,
    },
}

/// Which slots of which canvas to predict.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The canvas as it stands.
    pub canvas: &'a Canvas,
    /// Slot indices, ascending.
    pub slots: &'a [usize],
    /// Number of alternatives to return for each slot, at least 1.
    pub top_k: usize,
    /// Tells the canvases of a run apart, for what is kept of each.
    pub lane: usize,
    /// What may be kept.
    pub reuse: Reuse,
    /// Changes of the distribution before it is read.
    pub filter: Filter,
    /// Ids that get no probability, beside those that never do.
    pub banned: &'a [TokenId],
    /// Whether the prediction for a slot that holds a token is that of a shadow: a mask at its place that sees everything but the
    /// slot. Only models that see everything at once and read predictions in place can tell; [`supports_shadows`] says which.
    pub shadows: bool,
}

/// Whether a model can predict slots that hold tokens as if they were masked, in the same pass.
pub fn supports_shadows(spec: &ModelSpec) -> bool {
    spec.attention == Attention::Bidirectional && spec.shift == Shift::None
}

impl<'a> Ask<'a> {
    /// A question about the model's own distribution.
    pub fn new(canvas: &'a Canvas, slots: &'a [usize], top_k: usize) -> Self {
        Self { canvas, slots, top_k, lane: 0, reuse: Reuse::Nothing, filter: Filter::default(), banned: &[], shadows: false }
    }
}

/// A model that predicts slots from everything it sees on a canvas.
pub trait Denoiser {
    /// What the engine must know about the model.
    fn spec(&self) -> &ModelSpec;

    /// One forward pass over the canvases of `asks` as a batch; one list per ask, one prediction per asked slot. Canvases with
    /// the same context share its cache.
    ///
    /// # Errors
    /// The device failed, or a canvas is longer than the model's context limit.
    fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Prediction>>, ModelError>;
}

/// A model that can also continue text exactly, as the autoregressive base of an adapted model does.
pub trait Causal {
    /// One causal pass over `ids`: for each `ids[k]` with `k >= from` its distribution given `ids[..k]`, with its own
    /// log-probability in [`Prediction::current`]; and behind them one more, for the token that would follow. No id is banned.
    /// What an earlier call computed for a common beginning is reused. `from` is at least 1.
    ///
    /// # Errors
    /// The device failed, or `ids` is longer than the model's context limit.
    fn continue_from(&mut self, ids: &[TokenId], from: usize, top_k: usize) -> Result<Vec<Prediction>, ModelError>;
}
