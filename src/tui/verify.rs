//! What the TUI needs of a verifier: the user's commands, run on a candidate somewhere else.

use std::ops::Range;
use std::sync::Arc;

/// What is asked of a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Told apart from earlier requests: events of those are dropped.
    pub id: u64,
    /// The review that asks. What the commands say about the file as it is holds for all of its requests.
    pub review: u64,
    /// Text of the open file.
    pub text: Arc<str>,
    /// The bytes of it that are replaced, ascending.
    pub spans: Vec<Range<usize>>,
    /// What replaces them.
    pub texts: Vec<String>,
}

/// How bad a complaint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It must be mended.
    Error,
    /// It should be.
    Warning,
}

impl Level {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something that a command complains about, and did not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Another file than the open one, as it lies in the work tree.
    pub file: Option<String>,
    /// The line, from 1, of the file with the candidate in it.
    pub line: usize,
    /// How bad it is.
    pub level: Level,
    /// What it says, in one line.
    pub message: String,
}

/// What the commands say about a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it passes all of them.
    pub passed: bool,
    /// The complaints: those about the open file first, by line.
    pub diagnostics: Vec<Diagnostic>,
    /// How the command that failed ended and what it said last, in one line; empty when none failed.
    pub failure: String,
    /// What is to be masked again: for each part its span, and its bytes in the text of that.
    pub masked: Vec<(usize, Range<usize>)>,
    /// What is to be mended, for the instruction.
    pub complaint: String,
}

/// How far a verifier is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The command that runs; empty while the files are copied.
    pub command: String,
    /// Whether it runs on the file as it is, to know what was wrong before.
    pub baseline: bool,
    /// Its number, from 1.
    pub at: usize,
    /// Number of commands.
    pub count: usize,
    /// Seconds since the request.
    pub seconds: u64,
}

/// What a verifier tells. Every request that is not cancelled ends in `Finished` or `Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A command runs, or runs still.
    Running {
        /// The request.
        id: u64,
        /// How far it is.
        progress: Progress,
    },
    /// The commands have run.
    Finished {
        /// The request.
        id: u64,
        /// What they say.
        verdict: Verdict,
    },
    /// They cannot be run.
    Failed {
        /// The request.
        id: u64,
        /// One line for the user.
        message: String,
    },
}

/// Commands at work somewhere else. No method waits.
pub trait Verifier {
    /// Starts a request. One that runs is cancelled.
    fn submit(&mut self, request: Request);

    /// Ends the running request, with all processes that it started.
    fn cancel(&mut self);

    /// The next event, if there is one.
    fn poll(&mut self) -> Option<Event>;
}
