//! `dcode FILE`: the TUI on the engine thread.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::frames::Frames;
use crate::cli::guarded::SecretArgs;
use crate::cli::hidden::HiddenArgs;
use crate::cli::write::Place;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::model::locate::locate;
use crate::patch::hunk::Hunk;
use crate::syntax::guard::Verdict;
use crate::tui::engine as tui;
use crate::tui::keymap::Keymap;
use crate::tui::terminal;
use crate::tui::theme::Theme;

/// Opens the TUI on a file.
///
/// # Errors
/// The file or the model cannot be used, or there is no terminal.
pub fn run(file: &Path, model: &ModelArgs, theme: &str) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the TUI needs a terminal; use `dcode edit FILE --range 10:40` elsewhere"));
    }
    let document = Document::read(file)?;
    SecretArgs::default().check(&Place::of(file)?, &document)?;
    let engine = Engine::start(locate(model.model.as_deref())?, model.device)?;
    let mut adapter =
        Adapter { engine, path: file.to_path_buf(), title: String::new(), pending: VecDeque::new(), ready: VecDeque::new() };
    let mut host = FileHost { path: file.to_path_buf() };
    let theme = Theme::named(theme).map_err(|error| Failure::usage(error.to_string()))?;
    let settings = terminal::Settings { theme, keymap: Keymap::default() };
    terminal::run(file, document.text(), &settings, &mut adapter, &mut host)?;
    Ok(Exit::Ok)
}

/// A request whose events are still to come.
struct Pending {
    id: u64,
    document: Arc<Document>,
    ranges: Vec<ResolvedRange>,
    started: Instant,
}

/// The engine thread as the TUI sees it. Events carry no request of their own: they come in the order of the requests, each of
/// which ends in `Finished` or `Failed`.
struct Adapter {
    engine: Engine,
    path: PathBuf,
    title: String,
    pending: VecDeque<Pending>,
    ready: VecDeque<tui::Event>,
}

impl Adapter {
    fn request(&mut self, request: &tui::Request) -> Result<(), String> {
        let bytes = request.text.as_bytes().to_vec();
        let document = Arc::new(Document::from_bytes(self.path.clone(), bytes).map_err(|error| error.to_string())?);
        let spans = request.spans.iter().map(|range| Span::new(range.start, range.end)).collect();
        let spans = Spans::new(&document, spans).map_err(|error| error.to_string())?;
        let ranges = spans.iter().map(|span| ResolvedRange::of(&document, span)).collect();
        let instruction = Some(request.instruction.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        // A request that runs is given up; its last event is dropped by its number.
        if !self.pending.is_empty() {
            self.engine.steering().abort();
        }
        self.pending.push_back(Pending { id: request.id, document: Arc::clone(&document), ranges, started: Instant::now() });
        self.engine.submit(EditRequest { document, spans, instruction, options: EditOptions::default() });
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
                Some(tui::Event::Frame { id: pending.id, frame: Arc::new(frames.step(&step)) })
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

impl tui::Engine for Adapter {
    fn submit(&mut self, request: tui::Request) {
        if let Err(message) = self.request(&request) {
            self.ready.push_back(tui::Event::Failed { id: Some(request.id), message });
        }
    }

    fn stop(&mut self) {
        self.engine.steering().finish();
    }

    fn pause(&mut self, paused: bool) {
        self.engine.steering().pause(paused);
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

/// Writes what the user accepts.
struct FileHost {
    path: PathBuf,
}

impl terminal::Host for FileHost {
    fn apply(&mut self, hunks: &[Hunk]) -> Result<String, String> {
        let document = Document::read(&self.path).map_err(|error| error.to_string())?;
        let place = Place::of(&self.path).map_err(|failure| failure.message)?;
        HiddenArgs::default().check(&document, hunks).map_err(|failure| failure.message)?;
        place.write(&document, hunks, Some("tui"), false).map_err(|failure| failure.message)?;
        Document::read(&self.path).map(|document| document.text().to_owned()).map_err(|error| error.to_string())
    }
}
