//! What the TUI needs of an engine, and an engine that plays a script.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::screen::frame::Frame;

/// What is asked of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

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
    /// The run after a step.
    Frame {
        /// The request.
        id: u64,
        /// What it looks like.
        frame: Arc<Frame>,
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
}

/// A model at work somewhere else. No method waits.
///
/// An implementation keeps few events: when frames come faster than they are fetched, it may drop any frame of a request but
/// the last one, and never another event. After a panic or a lost device it gives [`Event::Failed`].
pub trait Engine {
    /// Starts a request. One that runs is given up.
    fn submit(&mut self, request: Request);

    /// Ends the running request early with what there is; it still gives [`Event::Finished`].
    fn stop(&mut self);

    /// Holds the running request before its next step, or lets it go on.
    fn pause(&mut self, paused: bool);

    /// The next event, if there is one.
    fn poll(&mut self) -> Option<Event>;
}

/// An engine that answers requests from a script: for tests, tours and replays.
#[derive(Debug, Default)]
pub struct ScriptedEngine {
    runs: VecDeque<(Vec<Frame>, Vec<Candidate>)>,
    queue: VecDeque<Event>,
    paused: bool,
    /// The requests that came.
    pub requests: Vec<Request>,
}

impl ScriptedEngine {
    /// Answers the next request without an answer with these frames and candidates.
    pub fn answer(mut self, frames: Vec<Frame>, candidates: Vec<Candidate>) -> Self {
        self.runs.push_back((frames, candidates));
        self
    }
}

impl Engine for ScriptedEngine {
    fn submit(&mut self, request: Request) {
        let id = request.id;
        self.requests.push(request);
        self.paused = false;
        self.queue.clear();
        match self.runs.pop_front() {
            Some((frames, candidates)) => {
                self.queue.extend(frames.into_iter().map(|frame| Event::Frame { id, frame: Arc::new(frame) }));
                self.queue.push_back(Event::Finished { id, candidates });
            }
            None => self.queue.push_back(Event::Failed { id: Some(id), message: "the script has no answer left".to_owned() }),
        }
    }

    fn stop(&mut self) {
        self.paused = false;
        self.queue.retain(|event| !matches!(event, Event::Frame { .. }));
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    fn poll(&mut self) -> Option<Event> {
        if self.paused { None } else { self.queue.pop_front() }
    }
}
