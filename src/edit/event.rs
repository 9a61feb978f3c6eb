//! What the engine tells while it works.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::SlotId;
use crate::edit::candidate::Candidate;
use crate::edit::error::EditError;
use crate::edit::saved::SavedRun;
use crate::edit::steer::Command;
use crate::model::spec::TokenId;

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
    /// What else could stand in the slots that were asked about.
    Alternatives {
        /// Number of the candidate.
        candidate: usize,
        /// The slots that are still there.
        slots: Vec<SlotAlternatives>,
    },
    /// A command could not be followed, or only in part; what the canvas shows is what was done.
    Refused {
        /// The command.
        command: Command,
        /// Why, in one line.
        reason: String,
    },
    /// A candidate is complete.
    Candidate(Box<Candidate>),
    /// How the candidates came about, when the request asks for it.
    Recorded(Box<SavedRun>),
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

/// What else could stand in a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotAlternatives {
    /// The slot.
    pub slot: SlotId,
    /// The most probable tokens, best first, with their text and probability.
    pub tokens: Vec<Alternative>,
}

/// A token that could stand in a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// The token.
    pub token: TokenId,
    /// Its text; empty for the token that closes a span.
    pub text: String,
    /// Its probability, given everything else on the canvas.
    pub probability: f32,
}

/// The state before the first denoiser call, after each one, and after a command.
#[derive(Clone, Debug)]
pub struct Step {
    /// Number of the candidate that is shown.
    pub candidate: usize,
    /// Denoiser calls so far.
    pub nfe: usize,
    /// Changes of this step, over all candidates.
    pub changed: usize,
    /// The first open canvas; its context is left out, and its slots are those of the spans of the request. Their names are
    /// [`Canvas::ids`].
    pub canvas: Canvas,
    /// Decoded text of each slot, in order; empty for masks.
    pub pieces: Vec<String>,
}
