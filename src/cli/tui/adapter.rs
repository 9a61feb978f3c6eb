//! The engine thread as the TUI sees it: one request at a time, slots by their place in a span.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::cli::frames::Frames;
use crate::diffusion::canvas::Slot;
use crate::diffusion::canvas::SlotId;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::edit::event::SlotAlternatives;
use crate::edit::event::Step;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::edit::rounds::with_complaint;
use crate::edit::start::Start;
use crate::edit::steer::Command;
use crate::syntax::guard::Verdict;
use crate::tui::engine as tui;

/// A request whose events are still to come.
struct Pending {
    id: u64,
    document: Arc<Document>,
    ranges: Vec<ResolvedRange>,
    started: Instant,
    /// Nobody waits for it any more.
    given_up: bool,
}

/// The canvas that was shown last.
#[derive(Default)]
struct Shown {
    candidate: usize,
    /// The names of each span's slots, in order.
    slots: Vec<Vec<SlotId>>,
    /// What stood in all slots.
    content: Vec<Slot>,
}

/// See the module. Events carry no request of their own: they come in the order of the requests, each of which ends in
/// `Finished` or `Failed`.
pub struct Adapter {
    engine: Engine,
    title: String,
    pending: VecDeque<Pending>,
    ready: VecDeque<tui::Event>,
    shown: Shown,
    /// What is wanted of the request that was submitted last. The engine forgets what it is told before a request begins, and
    /// is told again then.
    held: bool,
    ending: Option<Command>,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter").field("title", &self.title).field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Adapter {
    /// An engine that may still be loading.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            title: String::new(),
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            shown: Shown::default(),
            held: false,
            ending: None,
        }
    }

    fn request(&mut self, request: tui::Request) -> Result<(), String> {
        let bytes = request.text.as_bytes().to_vec();
        let document = Document::from_bytes(PathBuf::from(&request.file), bytes).map_err(|error| error.to_string())?;
        let document = Arc::new(document);
        let spans = request.spans.iter().map(|range| Span::new(range.start, range.end)).collect();
        let spans = Spans::new(&document, spans).map_err(|error| error.to_string())?;
        let ranges = spans.iter().map(|span| ResolvedRange::of(&document, span)).collect();
        let instruction = with_complaint(Some(request.instruction.as_str()), &request.complaint);
        self.give_up();
        let (id, started) = (request.id, Instant::now());
        self.pending.push_back(Pending { id, document: Arc::clone(&document), ranges, started, given_up: false });
        self.shown = Shown::default();
        self.held = false;
        self.ending = None;
        let edit = EditRequest::new(document, spans, instruction, options(request.options));
        self.engine.submit(match request.start {
            Some(start) => {
                let texts = Start::of(&start.texts);
                edit.starting(start.masked.into_iter().fold(texts, |start, (span, bytes)| start.mask(span, bytes)))
            }
            None => edit,
        });
        Ok(())
    }

    /// Ends what runs and what waits to run; what it still tells is dropped by its number.
    fn give_up(&mut self) {
        if !self.pending.is_empty() {
            self.pending.iter_mut().for_each(|pending| pending.given_up = true);
            self.engine.steering().abort();
        }
    }

    /// A request begins: what was wanted of it before holds.
    fn on_started(&mut self) {
        if let Some(pending) = self.pending.front_mut() {
            // Loading the model is no part of the run.
            pending.started = Instant::now();
        }
        let steering = self.engine.steering();
        if self.pending.front().is_some_and(|pending| pending.given_up) {
            steering.abort();
        } else if let Some(ending) = self.ending.clone() {
            steering.send(ending);
        } else if self.held {
            steering.send(Command::Pause);
        }
    }

    fn translate(&mut self, event: Event) -> Option<tui::Event> {
        match event {
            Event::Loading(share) => Some(tui::Event::Loading(share)),
            Event::Ready(model) => {
                let decoding = if model.has_adapter { "" } else { " · left to right, no adapter" };
                self.title = format!("{} · {}{decoding}", model.name, model.device);
                Some(tui::Event::Ready(self.title.clone()))
            }
            Event::Started { .. } => {
                self.on_started();
                None
            }
            Event::Step(step) => self.on_step(&step),
            Event::Alternatives { slots, .. } => {
                let id = self.pending.front()?.id;
                let choices = slots.into_iter().filter_map(|slot| self.choices(slot)).collect();
                Some(tui::Event::Choices { id, choices })
            }
            Event::Refused { reason, .. } => Some(tui::Event::Refused { id: self.pending.front()?.id, message: reason }),
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
            Event::Recorded(saved) => {
                let id = self.pending.front()?.id;
                // A draft leaves no record.
                let trajectory = saved.write().ok().filter(|_| !saved.candidates().is_empty())?;
                Some(tui::Event::Recorded { id, trajectory: trajectory.into() })
            }
            Event::Candidate(_) => None,
        }
    }

    fn on_step(&mut self, step: &Step) -> Option<tui::Event> {
        let pending = self.pending.front()?;
        // The engine also shows the canvas when it was only asked about it: that is no step of the run.
        let content = step.canvas.slots();
        if (step.candidate, content) == (self.shown.candidate, self.shown.content.as_slice()) && !content.is_empty() {
            return None;
        }
        let mut slots = vec![Vec::new(); pending.ranges.len()];
        for (slot, name) in step.canvas.slots().iter().zip(step.canvas.ids()) {
            if let Some(own) = slot.span.and_then(|span| slots.get_mut(usize::from(span))) {
                own.push(*name);
            }
        }
        self.shown = Shown { candidate: step.candidate, slots, content: content.to_vec() };
        let steps = u32::try_from(EditOptions::default().steps).unwrap_or(u32::MAX);
        let mut frames = Frames::new(&pending.document, &pending.ranges, steps);
        frames.set_note(self.title.clone());
        frames.set_start(pending.started);
        Some(tui::Event::Frame { id: pending.id, frame: Arc::new(frames.step(step)) })
    }

    /// The alternatives of a slot, under its place; `None` when it is gone.
    fn choices(&self, slot: SlotAlternatives) -> Option<(tui::SlotId, Vec<tui::Alternative>)> {
        let place = |(span, names): (usize, &Vec<SlotId>)| {
            names.iter().position(|name| *name == slot.slot).map(|index| tui::SlotId { span, index })
        };
        let place = self.shown.slots.iter().enumerate().find_map(place)?;
        let alternative = |each: crate::edit::event::Alternative| tui::Alternative {
            token: each.token,
            text: each.text,
            probability: each.probability,
        };
        Some((place, slot.tokens.into_iter().map(alternative).collect()))
    }

    /// The name of a slot; `None` for one that was not shown.
    fn name(&self, slot: tui::SlotId) -> Option<SlotId> {
        self.shown.slots.get(slot.span)?.get(slot.index).copied()
    }

    fn command(&self, command: tui::Command) -> Option<Command> {
        let candidate = self.shown.candidate;
        let names = |slots: Vec<tui::SlotId>| slots.into_iter().filter_map(|slot| self.name(slot)).collect();
        Some(match command {
            tui::Command::Pause => Command::Pause,
            tui::Command::Resume => Command::Continue,
            tui::Command::Step => Command::Step,
            tui::Command::Finish => Command::Finish,
            tui::Command::Abort => Command::Abort,
            tui::Command::Pin(slots) => Command::Pin { candidate, slots: names(slots) },
            tui::Command::Unpin(slots) => Command::Unpin { candidate, slots: names(slots) },
            tui::Command::Remask(slots) => Command::Remask { candidate, slots: names(slots) },
            tui::Command::Choose { slot, token } => Command::Choose { candidate, slot: self.name(slot)?, token },
            tui::Command::Ask(slot) => Command::Alternatives { candidate, slots: vec![self.name(slot)?] },
            tui::Command::Threshold(value) => Command::Threshold { value },
            tui::Command::Lengthen(span) => Command::Lengthen { candidate, span, count: 1 },
            tui::Command::Shorten(span) => Command::Shorten { candidate, span, count: 1 },
            tui::Command::Sampler(name) => Command::Sampler { name: name.to_owned() },
            tui::Command::FixLength(fixed) => Command::FixLength { fixed },
        })
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
        record: true,
        ..EditOptions::default()
    }
}

impl tui::Engine for Adapter {
    fn submit(&mut self, request: tui::Request) {
        let id = request.id;
        if let Err(message) = self.request(request) {
            self.ready.push_back(tui::Event::Failed { id: Some(id), message });
        }
    }

    fn steer(&mut self, command: tui::Command) {
        match command {
            tui::Command::Pause | tui::Command::Step => self.held = true,
            tui::Command::Resume => self.held = false,
            tui::Command::Finish => self.ending = Some(Command::Finish),
            tui::Command::Abort => return self.give_up(),
            _ => {}
        }
        if let Some(command) = self.command(command) {
            self.engine.steering().send(command);
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
