//! What the engine tells while it works.

use crate::diffusion::canvas::Canvas;
use crate::edit::candidate::Candidate;
use crate::edit::error::EditError;

/// What is known about the model once it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub device: String,
    /// Whether a canvas adapter is present; without one it decodes from left to right.
    pub has_adapter: bool,
}

/// One message of the engine. Every request ends in `Finished` or `Failed`.
#[derive(Debug)]
pub enum Event {
    /// The share of the weights that is ready, 0 to 1.
    Loading(f32),
    /// The model is ready.
    Ready(ModelInfo),
    /// The request was laid out.
    Started {
        /// Tokens of context.
        context: usize,
        /// Whether the instruction was longer than its window and lost its end.
        instruction_cut: bool,
    },
    /// A denoiser call and its changes.
    Step(Step),
    /// A candidate is complete.
    Candidate(Box<Candidate>),
    /// All candidates, the best first.
    Finished(Vec<Candidate>),
    /// The request failed; the engine lives on when `fatal` is false.
    Failed {
        /// Why.
        error: EditError,
        /// Whether the engine is gone.
        fatal: bool,
    },
}

/// The state after a denoiser call.
#[derive(Clone, Debug)]
pub struct Step {
    /// Denoiser calls so far.
    pub nfe: usize,
    /// Changes of this step, over all candidates.
    pub changed: usize,
    /// The first open canvas; its context is left out.
    pub canvas: Canvas,
    /// Decoded text of each slot, in order; empty for masks.
    pub pieces: Vec<String>,
}
