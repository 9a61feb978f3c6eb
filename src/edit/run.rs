//! One request from layout to ranked candidates. Runs on the engine thread; everything it has to tell goes through `emit`.

use std::cell::Cell;
use std::cell::OnceCell;
use std::thread::ScopedJoinHandle;
use std::time::Duration;
use std::time::Instant;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoise::Control;
use crate::diffusion::denoise::Ending;
use crate::diffusion::denoise::Limits;
use crate::diffusion::denoise::StepReport;
use crate::diffusion::denoise::denoise;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::length::Length;
use crate::diffusion::length::Search;
use crate::diffusion::length::search;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::choice::Choice;
use crate::diffusion::trajectory::Trajectory;
use crate::edit::candidate::Candidate;
use crate::edit::candidate::rank;
use crate::edit::error::EditError;
use crate::edit::event::Event;
use crate::edit::layout::Layout;
use crate::edit::rank::score;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::edit::sampling::Sampling;
use crate::edit::sampling::named;
use crate::edit::saved::SavedRun;
use crate::edit::steer::Command;
use crate::edit::steer::Next;
pub use crate::edit::steer::Steering;
use crate::edit::steered::Steered;
use crate::edit::tail::Tail;
use crate::model::load::LoadedModel;
use crate::model::spec::TokenId;
use crate::syntax::guard::Guard;
use crate::syntax::guard::Verdict;
use crate::syntax::language::Language;

/// Whether a request has used up its time; the time for which it is held does not count.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    held: Duration,
    limit: Option<Duration>,
}

impl Clock {
    fn start(limit: Option<Duration>) -> Self {
        Self { started: Instant::now(), held: Duration::ZERO, limit }
    }

    /// What to do next; waits while the request is held.
    pub(super) fn next(&mut self, steering: &Steering) -> Next {
        let before = Instant::now();
        let next = steering.next();
        self.held += before.elapsed();
        match next {
            Next::Go(control) => Next::Go(self.control(control)),
            change => change,
        }
    }

    /// `wish`, or the end when the time is used up.
    fn control(&self, wish: Control) -> Control {
        let late = self.limit.is_some_and(|limit| self.started.elapsed().saturating_sub(self.held) >= limit);
        if late && wish == Control::Continue { Control::Finish } else { wish }
    }
}

/// Makes the candidates of a request, the best first.
///
/// # Errors
/// The spans are too long, or the model failed.
pub fn run(
    model: &mut LoadedModel,
    request: &EditRequest,
    steering: &Steering,
    emit: &mut dyn FnMut(Event),
) -> Result<Vec<Candidate>, EditError> {
    let clock = Clock::start(request.options.time_limit);
    let layout = Layout::new(&model.tokenizer, model.denoiser.spec(), request)?;
    emit(Event::Started { context: layout.prompt.context.len(), instruction_cut: layout.prompt.instruction_cut });
    std::thread::scope(|scope| {
        // The guard parses the original while the model reads the context: in a large file that takes a second.
        let parsing = scope.spawn(|| guard(request));
        let parsed = OnceCell::new();
        let (threshold, sampler, parsing) = (request.options.threshold, request.options.sampler, Cell::new(Some(parsing)));
        Running { model, request, layout, steering, clock, emit, nfe: 0, fixed: false, threshold, sampler, parsing, parsed }
            .candidates()
    })
}

/// Puts samplers of another rule in the place of those of a run.
fn change_samplers(
    sampling: &Sampling<'_>,
    name: &str,
    threshold: f32,
    report: &mut StepReport<'_>,
) -> Result<Option<Choice>, String> {
    let (choice, spec) = (named(name)?, report.denoiser.spec());
    let masks = report.canvases.iter().map(|canvas| canvas.masked().len());
    let made: Vec<_> = masks.map(|masks| sampling.sampler(spec, choice, threshold, masks, None)).collect::<Result<_, _>>()?;
    report.samplers.iter_mut().zip(made).for_each(|(sampler, new)| *sampler = new);
    Ok(choice)
}

/// A guard for candidates of a request.
fn guard(request: &EditRequest) -> Guard<'_> {
    let text = request.document.text();
    let language = Language::detect(request.document.path(), text.lines().next().unwrap_or(""));
    let spans: Vec<_> = request.spans.iter().map(|span| span.range()).collect();
    Guard::new(text, language, &spans)
}

pub(super) struct Running<'a, 'scope> {
    pub(super) model: &'a mut LoadedModel,
    pub(super) request: &'a EditRequest,
    pub(super) layout: Layout,
    pub(super) steering: &'a Steering,
    pub(super) clock: Clock,
    pub(super) emit: &'a mut dyn FnMut(Event),
    pub(super) nfe: usize,
    /// Whether spans keep the slots that they have.
    pub(super) fixed: bool,
    threshold: f32,
    /// The rule that was chosen; `None` is the model's own.
    pub(super) sampler: Option<Choice>,
    parsing: Cell<Option<ScopedJoinHandle<'scope, Guard<'a>>>>,
    parsed: OnceCell<Guard<'a>>,
}

impl Running<'_, '_> {
    fn candidates(mut self) -> Result<Vec<Candidate>, EditError> {
        let mut candidates = match self.method() {
            Method::Draft | Method::Causal | Method::Lookup => self.draft()?,
            Method::Auto | Method::Canvas => Vec::new(),
        };
        let missing = self.request.options.candidates.max(1).saturating_sub(candidates.len());
        if missing > 0 && self.steering.wish() != Control::Abort {
            let starts = vec![self.first_canvas()?; missing];
            candidates.extend(self.canvas(candidates.len(), &starts, starts.clone())?);
        }
        if candidates.len() > 1 && self.model.denoiser.is_causal() {
            self.score(&mut candidates)?;
        }
        rank(&mut candidates);
        if self.request.options.record {
            let (model, file) = (&self.model.denoiser.spec().name, self.request.document.path().to_string_lossy());
            let spans: Vec<_> = self.request.spans.iter().map(|span| span.range()).collect();
            let saved = SavedRun::new(model, &file, &self.model.tokenizer, &candidates);
            let saved = saved.within(self.request.document.text(), &spans);
            (self.emit)(Event::Recorded(Box::new(saved)));
        }
        Ok(candidates)
    }

    /// The canvas that candidates begin with; its length may have to be found first.
    fn first_canvas(&mut self) -> Result<Canvas, EditError> {
        if self.request.options.length != Length::Search || self.request.start.is_some() {
            return Ok(self.layout.canvas());
        }
        let bounds = Search { most: self.layout.budget.min(Search::default().most), ..Search::default() };
        let layout = &self.layout;
        let (found, calls) = search(&mut self.model.denoiser, bounds, &|count| layout.canvas_of(count))?;
        self.nfe += calls;
        Ok(self.layout.canvas_of(found))
    }

    /// What `auto` means here, and what cannot be done in this form.
    fn method(&self) -> Method {
        match (self.request.options.method, &self.layout.draft) {
            _ if self.request.start.is_some() || self.request.options.sampler.is_some() => Method::Canvas,
            _ if self.request.options.length != Length::Auto => Method::Canvas,
            _ if !self.model.denoiser.is_causal() => Method::Canvas,
            (method @ (Method::Causal | Method::Lookup), _) => method,
            (Method::Draft | Method::Auto, Some(_)) => Method::Draft,
            _ => Method::Canvas,
        }
    }

    /// Denoises canvases that began as `starts`, as one batch; candidates are numbered from `first`.
    pub(super) fn canvas(
        &mut self,
        first: usize,
        starts: &[Canvas],
        mut canvases: Vec<Canvas>,
    ) -> Result<Vec<Candidate>, EditError> {
        let options = self.request.options;
        // What was rejected would come again; the first candidate of a fresh request is greedy.
        let greedy = self.request.start.is_none();
        let seed = |number: usize| (number > 0 || !greedy).then_some(options.seed.wrapping_add(number as u64));
        let count = canvases.len();
        let samplers = self.samplers((first..first + count).map(seed))?;
        let mut endings = self.denoise(first, &mut canvases, samplers)?;
        for round in 0..options.guard_rounds {
            if !self.remask_broken(&mut canvases, &endings) || self.clock.control(self.steering.wish()) != Control::Continue {
                break;
            }
            // The same draw would fail again.
            let seed = |index: usize| Some(options.seed.wrapping_add(1000 * (round as u64 + 1) + index as u64));
            let samplers = self.samplers((0..count).map(seed))?;
            endings = self.denoise(first, &mut canvases, samplers)?;
        }
        if self.steering.wish() == Control::Abort {
            return Ok(Vec::new());
        }
        let mut candidates = Vec::new();
        for (index, (canvas, ending)) in canvases.iter().zip(endings).enumerate() {
            let texts = self.layout.texts(&self.model.tokenizer, canvas, &self.request.document, &self.request.spans);
            let Some(texts) = texts else { continue };
            let committed = canvas.slots().iter().filter(|slot| slot.span.is_some() && !slot.pinned);
            let confidence = summary(committed.map(|slot| slot.confidence));
            let tokens = self.layout.owners(canvas).iter().flatten().count();
            let trajectory = Some(Trajectory::new(starts[index].clone(), canvas));
            let steps = canvas.step() as usize;
            let candidate = self.judge(first + index, texts, confidence, ending, steps, tokens, trajectory);
            (self.emit)(Event::Candidate(Box::new(candidate.clone())));
            candidates.push(candidate);
        }
        Ok(candidates)
    }

    /// A sampler for each way to pick, by the rule and with the threshold that are wished now.
    pub(super) fn samplers(&self, seeds: impl Iterator<Item = Option<u64>>) -> Result<Vec<Box<dyn Sampler>>, EditError> {
        let (denoiser, spec) = (&self.model.denoiser, self.model.denoiser.spec());
        let sampling = Sampling::new(self.request, &self.layout, &self.model.tokenizer, denoiser);
        let masks = self.layout.slots.iter().filter(|slot| slot.is_masked()).count();
        let one = |seed| sampling.sampler(spec, self.sampler, self.threshold, masks, seed).map_err(EditError::Sampler);
        seeds.map(one).collect()
    }

    fn denoise(
        &mut self,
        first: usize,
        canvases: &mut [Canvas],
        mut samplers: Vec<Box<dyn Sampler>>,
    ) -> Result<Vec<Ending>, EditError> {
        let limits = Limits { steps: self.request.options.steps, slots: self.layout.budget, growth: self.layout.growth };
        let steered = Steered { tokenizer: &self.model.tokenizer, layout: &self.layout, first };
        let (emit, before, steering) = (&mut *self.emit, self.nfe, self.steering);
        let (clock, threshold, fixed, chosen) = (&mut self.clock, &mut self.threshold, &mut self.fixed, &mut self.sampler);
        let sampling = Sampling::new(self.request, &self.layout, &self.model.tokenizer, &self.model.denoiser);
        let tail = Tail::new(self.request, &self.layout);
        let mut left = vec![false; canvases.len()];
        let mut observe = |mut report: StepReport<'_>| {
            // Also in the rounds that mend what does not parse.
            *report.fixed = *fixed;
            if let Some(tail) = tail.as_ref().filter(|_| !*report.fixed) {
                for (canvas, left) in report.canvases.iter_mut().zip(&mut left) {
                    *left |= tail.leave(steered.tokenizer, steered.layout, canvas);
                }
            }
            let shown = report.canvases.iter().position(|canvas| !canvas.is_full()).unwrap_or(0);
            emit(Event::Step(steered.step(shown, before, &report)));
            loop {
                match clock.next(steering) {
                    Next::Go(control) => return Ok(control),
                    Next::Change(command) => {
                        if let Command::Threshold { value } = command {
                            *threshold = value;
                        }
                        if let Command::Sampler { name } = &command {
                            match change_samplers(&sampling, name, *threshold, &mut report) {
                                Ok(choice) => *chosen = choice,
                                Err(reason) => emit(Event::Refused { command: command.clone(), reason }),
                            }
                        }
                        steered.take_up(&command, &mut report)?.into_iter().for_each(&mut *emit);
                        *fixed = *report.fixed;
                        emit(Event::Step(steered.step(command.candidate().saturating_sub(first), before, &report)));
                    }
                }
            }
        };
        let (mut endings, nfe) = denoise(&mut self.model.denoiser, canvases, &mut samplers, limits, &mut observe)?;
        self.nfe += nfe;
        for (index, ending) in endings.iter_mut().enumerate() {
            match ending {
                Ending::Complete | Ending::OutOfSlots if left[index] => *ending = Ending::Left,
                Ending::CutShort | Ending::OutOfSlots => {
                    if let Some(tail) = &tail {
                        self.cut_back(tail, &mut canvases[index]);
                    }
                }
                Ending::Complete | Ending::Left => {}
            }
        }
        Ok(endings)
    }

    /// Cuts a text that was broken off at the end of a file back to the lines with which the file parses; if there are none it stays.
    fn cut_back(&self, tail: &Tail, canvas: &mut Canvas) {
        let (tokenizer, guard) = (&self.model.tokenizer, self.guard());
        let parses = |canvas: &Canvas| {
            let texts = self.layout.texts(tokenizer, canvas, &self.request.document, &self.request.spans)?;
            let (text, spans) = spliced(self.request, &texts)?;
            Some(!matches!(guard.check(&text, &spans).verdict, Verdict::Broken { .. }))
        };
        if parses(canvas) != Some(false) {
            return;
        }
        let shorter = tail.cut_back(tokenizer, &self.layout, canvas).find(|shorter| parses(shorter) == Some(true));
        if let Some(shorter) = shorter {
            *canvas = shorter;
        }
    }

    /// Remasks what keeps complete candidates from parsing. Returns whether anything was remasked.
    fn remask_broken(&self, canvases: &mut [Canvas], endings: &[Ending]) -> bool {
        let guard = self.guard();
        let mut any = false;
        for (canvas, ending) in canvases.iter_mut().zip(endings) {
            let tokenizer = &self.model.tokenizer;
            let texts = self.layout.texts(tokenizer, canvas, &self.request.document, &self.request.spans);
            let (Some(texts), Ending::Complete | Ending::Left) = (texts, ending) else { continue };
            // With other line endings the places in the file are not those of the tokens.
            if texts.iter().any(|text| text.contains('\r')) {
                continue;
            }
            let Some((text, spans)) = spliced(self.request, &texts) else { continue };
            let Verdict::Broken { blame, .. } = guard.check(&text, &spans).verdict else { continue };
            for (index, span) in spans.iter().enumerate() {
                let slots = self.layout.slots_of(canvas, index);
                let tokens: Vec<(usize, TokenId)> = slots.filter_map(|(slot, place)| Some((slot, place.token?))).collect();
                let ids: Vec<TokenId> = tokens.iter().map(|(_, token)| *token).collect();
                let whole = tokenizer.decode(&ids);
                let mut at = span.start as isize - self.layout.lead_in(index, &whole) as isize;
                for (slot, token) in tokens {
                    let next = at + tokenizer.bytes(token).len() as isize;
                    let hit = blame.iter().any(|blame| (blame.start as isize) < next && at < blame.end as isize);
                    at = next;
                    any |= hit && canvas.apply(Op::Remask { slot });
                }
            }
        }
        any
    }

    /// The guard, once its parse is done.
    fn guard(&self) -> &Guard<'_> {
        self.parsed.get_or_init(|| match self.parsing.take().map(ScopedJoinHandle::join) {
            Some(Ok(guard)) => guard,
            // The parser panicked, or was never started: once more, where the engine catches it.
            _ => guard(self.request),
        })
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn judge(
        &self,
        number: usize,
        texts: Vec<String>,
        (confidence, least_confidence): (f32, f32),
        ending: Ending,
        nfe: usize,
        tokens: usize,
        trajectory: Option<Trajectory>,
    ) -> Candidate {
        let guard = self.guard();
        let (text, spans) = spliced(self.request, &texts).unwrap_or_default();
        let syntax = guard.check(&text, &spans);
        Candidate { number, texts, confidence, least_confidence, ending, syntax, score: None, nfe, tokens, trajectory }
    }

    fn score(&mut self, candidates: &mut [Candidate]) -> Result<(), EditError> {
        for candidate in candidates {
            let (document, spans) = (&self.request.document, &self.request.spans);
            let value = score(&mut self.model.denoiser, &self.model.tokenizer, document, spans, &candidate.texts)?;
            candidate.score = Some(value);
        }
        Ok(())
    }
}

/// The whole new text, and the places of the spans in it.
fn spliced(request: &EditRequest, texts: &[String]) -> Option<(String, Vec<std::ops::Range<usize>>)> {
    let changes: Vec<_> = request.spans.iter().zip(texts.iter().map(String::as_str)).collect();
    let text = String::from_utf8(request.document.splice(&changes).ok()?).ok()?;
    let mut growth = 0isize;
    let spans = changes.iter().map(|(span, new)| {
        let start = span.start.saturating_add_signed(growth);
        growth += new.len() as isize - span.len() as isize;
        start..start + new.len()
    });
    Some((text, spans.collect()))
}

/// Mean and least.
pub(super) fn summary(confidences: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut sum, mut least, mut count) = (0.0, 1.0f32, 0usize);
    for confidence in confidences {
        sum += confidence;
        least = least.min(confidence);
        count += 1;
    }
    if count == 0 { (1.0, 1.0) } else { (sum / count as f32, least) }
}
