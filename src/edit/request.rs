//! What is asked for.

use std::sync::Arc;
use std::time::Duration;

use crate::diffusion::length::Length;
use crate::diffusion::samplers::choice::Choice;
use crate::diffusion::threshold::DEFAULT_THRESHOLD;
use crate::document::Document;
use crate::document::Spans;
use crate::edit::start::Start;

/// How the slots are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// With an instruction by draft, without one by denoising.
    #[default]
    Auto,
    /// The canvas is denoised by base and adapter.
    Canvas,
    /// The original lines are a draft that the exact base checks. Needs an instruction and one span of whole lines; otherwise
    /// the canvas is denoised.
    Draft,
    /// Autoregressive decoding by the exact base, one token a pass: the baseline.
    Causal,
    /// The same, checking in each pass what followed the newest tokens elsewhere in the context (prompt lookup).
    Lookup,
}

/// One edit: spans of one document, and how they are to be rewritten.
#[derive(Clone, Debug)]
pub struct EditRequest {
    /// The document.
    pub document: Arc<Document>,
    /// What may change, ascending.
    pub spans: Spans,
    /// What to do; `None` fills the spans from what stands around them.
    pub instruction: Option<String>,
    /// How.
    pub options: EditOptions,
    /// A finished text of which parts are denoised again and the rest is kept; `None` begins with masks alone.
    pub start: Option<Start>,
}

impl EditRequest {
    /// A request that begins with masks alone.
    pub fn new(document: Arc<Document>, spans: Spans, instruction: Option<String>, options: EditOptions) -> Self {
        Self { document, spans, instruction, options, start: None }
    }

    /// The same request, denoised again around what `start` keeps.
    #[must_use]
    pub fn starting(self, start: Start) -> Self {
        Self { start: Some(start), ..self }
    }
}

/// Settings of an edit.
#[derive(Clone, Copy, Debug)]
pub struct EditOptions {
    /// How the slots are filled.
    pub method: Method,
    /// Candidates to make; the first is greedy, the others are drawn.
    pub candidates: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Temperature of the draws.
    pub temperature: f32,
    /// Probability from which a slot is committed out of turn.
    pub threshold: f32,
    /// The rule that picks slots; `None` is the embedded model's, with the threshold above. A rule denoises the canvas, whatever
    /// the method.
    pub sampler: Option<Choice>,
    /// Denoiser calls for one candidate.
    pub steps: usize,
    /// Time for all candidates.
    pub time_limit: Option<Duration>,
    /// Slots a span may grow to, when that is more than what its present length suggests.
    pub slots: usize,
    /// Rounds of remasking what does not parse.
    pub guard_rounds: usize,
    /// How the length of spans is found.
    pub length: Length,
    /// Whether commits must keep the text completable: brackets, strings, comments, indentation.
    pub constrain: bool,
    /// Lines after which an infill by [`Method::Causal`] stops: the base alone has no end of its own in the middle of a file.
    pub causal_lines: Option<usize>,
    /// Whether the request is held before its first step, until a command lets it go.
    pub paused: bool,
    /// Whether the trajectories are told in a form that can be kept.
    pub record: bool,
}

impl Default for EditOptions {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            candidates: 1,
            seed: 1,
            temperature: 0.6,
            threshold: DEFAULT_THRESHOLD,
            sampler: None,
            steps: 512,
            time_limit: None,
            slots: 128,
            guard_rounds: 2,
            length: Length::Auto,
            constrain: false,
            causal_lines: None,
            paused: false,
            record: false,
        }
    }
}
