//! The engine thread as the TUI sees it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::cli::frames::Frames;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::syntax::guard::Verdict;
use crate::tui::engine as tui;

/// A request whose events are still to come.
struct Pending {
    id: u64,
    document: Arc<Document>,
    ranges: Vec<ResolvedRange>,
    started: Instant,
}

/// See the module. Events carry no request of their own: they come in the order of the requests, each of which ends in
/// `Finished` or `Failed`.
pub struct Adapter {
    engine: Engine,
    title: String,
    pending: VecDeque<Pending>,
    ready: VecDeque<tui::Event>,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter").field("title", &self.title).field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Adapter {
    /// An engine that may still be loading.
    pub fn new(engine: Engine) -> Self {
        Self { engine, title: String::new(), pending: VecDeque::new(), ready: VecDeque::new() }
    }

    fn request(&mut self, request: &tui::Request) -> Result<(), String> {
        let bytes = request.text.as_bytes().to_vec();
        let document = Document::from_bytes(PathBuf::from(&request.file), bytes).map_err(|error| error.to_string())?;
        let document = Arc::new(document);
        let spans = request.spans.iter().map(|range| Span::new(range.start, range.end)).collect();
        let spans = Spans::new(&document, spans).map_err(|error| error.to_string())?;
        let ranges = spans.iter().map(|span| ResolvedRange::of(&document, span)).collect();
        let instruction = Some(request.instruction.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        // A request that runs is given up; its last event is dropped by its number.
        if !self.pending.is_empty() {
            self.engine.steering().abort();
        }
        self.pending.push_back(Pending { id: request.id, document: Arc::clone(&document), ranges, started: Instant::now() });
        self.engine.submit(EditRequest { document, spans, instruction, options: options(request.options) });
        Ok(())
    }

    fn translate(&mut self, event: Event) -> Option<tui::Event> {
        match event {
            Event::Loading(share) => Some(tui::Event::Loading(share)),
            Event::Ready(model) => {
                let decoding = if model.has_adapter { "" } else { " · left to right, no adapter" };
                self.title = format!("{} · {}{decoding}", model.name, model.device);
                Some(tui::Event::Ready(self.title.clone()))
            }
            Event::Step(step) => {
                let pending = self.pending.front()?;
                let steps = u32::try_from(EditOptions::default().steps).unwrap_or(u32::MAX);
                let mut frames = Frames::new(&pending.document, &pending.ranges, steps);
                frames.set_note(self.title.clone());
                frames.set_start(pending.started);
                Some(tui::Event::Frame { id: pending.id, frame: Arc::new(frames.step(&step)), choices: Arc::default() })
            }
            Event::Finished(candidates) => {
                let pending = self.pending.pop_front()?;
                let candidates = candidates.into_iter().map(|candidate| tui::Candidate {
                    parses: match candidate.syntax.verdict {
                        Verdict::Parses => Some(true),
                        Verdict::Broken { .. } => Some(false),
                        Verdict::Unknown(_) => None,
                    },
                    texts: candidate.texts,
                    confidence: candidate.confidence,
                });
                Some(tui::Event::Finished { id: pending.id, candidates: candidates.collect() })
            }
            Event::Failed { error, fatal } => {
                let id = self.pending.pop_front().map(|pending| pending.id);
                Some(tui::Event::Failed { id: id.filter(|_| !fatal), message: error.to_string() })
            }
            Event::Started { .. } | Event::Candidate(_) => None,
        }
    }
}

/// The settings of a request.
fn options(options: tui::Options) -> EditOptions {
    let method = match options.method {
        tui::Method::Auto => Method::Auto,
        tui::Method::Denoise => Method::Canvas,
        tui::Method::Draft => Method::Draft,
    };
    EditOptions {
        method,
        candidates: options.candidates,
        seed: options.seed,
        threshold: options.threshold,
        ..EditOptions::default()
    }
}

impl tui::Engine for Adapter {
    fn submit(&mut self, request: tui::Request) {
        if let Err(message) = self.request(&request) {
            self.ready.push_back(tui::Event::Failed { id: Some(request.id), message });
        }
    }

    fn steer(&mut self, command: tui::Command) {
        let steering = self.engine.steering();
        match command {
            tui::Command::Pause => steering.pause(true),
            tui::Command::Resume => steering.pause(false),
            tui::Command::Finish => steering.finish(),
            tui::Command::Abort => steering.abort(),
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<tui::Event> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        while let Ok(event) = self.engine.events().try_recv() {
            if let Some(event) = self.translate(event) {
                return Some(event);
            }
        }
        None
    }
}
