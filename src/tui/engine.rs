//! What the TUI needs of an engine.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::screen::frame::Frame;

/// How the slots of a request are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// What the engine finds best for the request.
    #[default]
    Auto,
    /// By denoising a canvas, which can be steered.
    Denoise,
    /// By checking the original lines as a draft, which is faster and cannot be steered.
    Draft,
}

impl Method {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Denoise => "denoise",
            Self::Draft => "draft",
        }
    }

    /// The next one, for a key that goes round.
    pub fn next(self) -> Self {
        match self {
            Self::Auto => Self::Denoise,
            Self::Denoise => Self::Draft,
            Self::Draft => Self::Auto,
        }
    }
}

/// Settings of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How the slots are filled.
    pub method: Method,
    /// Candidates to make.
    pub candidates: usize,
    /// Probability from which a slot is committed out of turn.
    pub threshold: f32,
    /// Seed of the candidates that are drawn.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { method: Method::Auto, candidates: 1, threshold: crate::diffusion::threshold::DEFAULT_THRESHOLD, seed: 1 }
    }
}

/// What is asked of an engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Told apart from earlier requests: events of those are dropped.
    pub id: u64,
    /// Name of the file.
    pub file: String,
    /// Text of the file.
    pub text: Arc<str>,
    /// Bytes that may change, ascending.
    pub spans: Vec<Range<usize>>,
    /// What to do; empty to fill the spans from what stands around them.
    pub instruction: String,
    /// What commands complained about, to be mended; empty without any.
    pub complaint: String,
    /// How.
    pub options: Options,
    /// A finished text, of which a part is denoised again; `None` to begin with nothing.
    pub start: Option<Start>,
}

/// A finished text of the spans, and what of it is to be denoised again around the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The text of each span.
    pub texts: Vec<String>,
    /// For each part its span, and its bytes in the text of that.
    pub masked: Vec<(usize, Range<usize>)>,
}

/// A slot: its span, and its place among the slots of that span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// Number of the span.
    pub span: usize,
    /// Place in the span.
    pub index: usize,
}

/// A token that a slot might have held.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its number.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Its probability.
    pub probability: f32,
}

/// The alternatives that are known, best first.
pub type Choices = BTreeMap<SlotId, Vec<Alternative>>;

/// What is wanted of the running request.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Hold before the next step.
    Pause,
    /// Go on by itself.
    Resume,
    /// Do one step, and hold again.
    Step,
    /// One masked slot more at the end of a span.
    Lengthen(usize),
    /// One masked slot fewer at the end of a span.
    Shorten(usize),
    /// Keep the number of slots as it is, or let it be found.
    FixLength(bool),
    /// Fill what is masked in one pass, and end.
    Finish,
    /// End without candidates.
    Abort,
    /// Forbid changing these slots.
    Pin(Vec<SlotId>),
    /// Allow it again.
    Unpin(Vec<SlotId>),
    /// Put these slots back to masked.
    Remask(Vec<SlotId>),
    /// Put this token into a slot, and pin it.
    Choose {
        /// The slot.
        slot: SlotId,
        /// The token.
        token: u32,
    },
    /// Tell what else a slot might hold.
    Ask(SlotId),
    /// Another probability from which slots are committed out of turn.
    Threshold(f32),
    /// Another rule by which slots are filled: one of [`RULES`].
    Sampler(&'static str),
}

/// Rules that can be chosen during a run, the model's own first.
pub const RULES: [&str; 4] = ["usual", "confidence", "entropy", "margin"];

/// A finished text.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// New text of each span.
    pub texts: Vec<String>,
    /// Whether it parses, when that is known.
    pub parses: Option<bool>,
    /// Mean confidence.
    pub confidence: f32,
}

/// What an engine tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The share of the model that is loaded, 0 to 1.
    Loading(f32),
    /// The model is there; its name and device, for the title.
    Ready(String),
    /// The run after a step, or after a command.
    Frame {
        /// The request.
        id: u64,
        /// What it looks like.
        frame: Arc<Frame>,
    },
    /// What else some slots of the last frame might hold: the answer to [`Command::Ask`], empty when there is none.
    Choices {
        /// The request.
        id: u64,
        /// The alternatives.
        choices: Choices,
    },
    /// What is needed to replay the request's run, before its end.
    Recorded {
        /// The request.
        id: u64,
        /// The recording.
        trajectory: Arc<str>,
    },
    /// The end of a request: its candidates, best first.
    Finished {
        /// The request.
        id: u64,
        /// Candidates.
        candidates: Vec<Candidate>,
    },
    /// The end of a request without any.
    Failed {
        /// The request; `None` when the engine itself failed.
        id: Option<u64>,
        /// One line for the user.
        message: String,
    },
    /// A command that was not carried out; the request goes on.
    Refused {
        /// The request.
        id: u64,
        /// One line for the user.
        message: String,
    },
}

/// A model at work somewhere else. No method waits.
///
/// An implementation keeps few events: when frames come faster than they are fetched, it may drop any frame of a request but
/// the last one, and never another event. After a panic or a lost device it gives [`Event::Failed`].
pub trait Engine {
    /// Starts a request. One that runs is given up.
    fn submit(&mut self, request: Request);

    /// Steers the running request. After each command that changes a slot, or holds the run, a frame shows what is so now.
    fn steer(&mut self, command: Command);

    /// The next event, if there is one.
    fn poll(&mut self) -> Option<Event>;
}
