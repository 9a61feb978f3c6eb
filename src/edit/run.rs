//! One request from layout to ranked candidates. Runs on the engine thread; everything it has to tell goes through `emit`.

use std::cell::Cell;
use std::cell::OnceCell;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::thread::ScopedJoinHandle;
use std::time::Duration;
use std::time::Instant;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Origin;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoise::Control;
use crate::diffusion::denoise::Ending;
use crate::diffusion::denoise::Limits;
use crate::diffusion::denoise::denoise;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::draft;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::threshold::Threshold;
use crate::diffusion::trajectory::Trajectory;
use crate::edit::candidate::Candidate;
use crate::edit::candidate::rank;
use crate::edit::error::EditError;
use crate::edit::event::Event;
use crate::edit::event::Step;
use crate::edit::layout::Layout;
use crate::edit::rank::score;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::model::load::LoadedModel;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::syntax::guard::Guard;
use crate::syntax::guard::Verdict;
use crate::syntax::language::Language;

/// What the user wants of a running request; shared with the engine thread.
#[derive(Debug, Default)]
pub struct Steering {
    wish: AtomicU8,
    paused: AtomicBool,
}

const GO_ON: u8 = 0;
const FINISH: u8 = 1;
const ABORT: u8 = 2;
const CLOSE: u8 = 3;

/// How often a paused request looks whether it may go on.
const PAUSE: Duration = Duration::from_millis(10);

impl Steering {
    /// Fill what is masked in one pass, and end.
    pub fn finish(&self) {
        self.wish.fetch_max(FINISH, Ordering::Relaxed);
    }

    /// End at once, without candidates.
    pub fn abort(&self) {
        self.wish.fetch_max(ABORT, Ordering::Relaxed);
    }

    /// End at once, and end every request that follows.
    pub fn close(&self) {
        self.wish.store(CLOSE, Ordering::Relaxed);
    }

    /// Hold the request before its next step, or let it go on.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Forget the wishes for an earlier request: a new one begins.
    pub fn begin(&self) {
        self.paused.store(false, Ordering::Relaxed);
        for wish in [FINISH, ABORT] {
            // A wish to close stays.
            let _ = self.wish.compare_exchange(wish, GO_ON, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What to do next; waits while the request is paused.
    fn control(&self) -> Control {
        loop {
            match self.wish.load(Ordering::Relaxed) {
                GO_ON if self.paused.load(Ordering::Relaxed) => std::thread::sleep(PAUSE),
                GO_ON => return Control::Continue,
                FINISH => return Control::Finish,
                _ => return Control::Abort,
            }
        }
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
    let started = Instant::now();
    let template = model.denoiser.spec().prompt;
    let instruction = request.instruction.as_deref();
    let layout = Layout::new(&model.tokenizer, template, &request.document, &request.spans, instruction, request.options.slots)?;
    emit(Event::Started { context: layout.prompt.context.len(), instruction_cut: layout.prompt.instruction_cut });
    std::thread::scope(|scope| {
        // The guard parses the original while the model reads the context: in a large file that takes a second.
        let parsing = scope.spawn(|| guard(request));
        let parsed = OnceCell::new();
        Running { model, request, layout, steering, started, emit, nfe: 0, parsing: Cell::new(Some(parsing)), parsed }
            .candidates()
    })
}

/// A guard for candidates of a request.
fn guard(request: &EditRequest) -> Guard<'_> {
    let text = request.document.text();
    let language = Language::detect(request.document.path(), text.lines().next().unwrap_or(""));
    let spans: Vec<_> = request.spans.iter().map(|span| span.range()).collect();
    Guard::new(text, language, &spans)
}

struct Running<'a, 'scope> {
    model: &'a mut LoadedModel,
    request: &'a EditRequest,
    layout: Layout,
    steering: &'a Steering,
    started: Instant,
    emit: &'a mut dyn FnMut(Event),
    nfe: usize,
    parsing: Cell<Option<ScopedJoinHandle<'scope, Guard<'a>>>>,
    parsed: OnceCell<Guard<'a>>,
}

impl Running<'_, '_> {
    fn candidates(mut self) -> Result<Vec<Candidate>, EditError> {
        let (request, steering) = (self.request, self.steering);
        let mut candidates = match self.method() {
            Method::Draft | Method::Causal => self.draft()?.into_iter().collect(),
            Method::Auto | Method::Canvas => Vec::new(),
        };
        let missing = request.options.candidates.max(1).saturating_sub(candidates.len());
        if missing > 0 && steering.control() != Control::Abort {
            candidates.extend(self.canvas(candidates.len(), missing)?);
        }
        if candidates.len() > 1 {
            self.score(&mut candidates)?;
        }
        rank(&mut candidates);
        Ok(candidates)
    }

    /// What `auto` means here, and what cannot be done in this form.
    fn method(&self) -> Method {
        match (self.request.options.method, &self.layout.draft) {
            (Method::Causal, _) => Method::Causal,
            (Method::Draft | Method::Auto, Some(_)) => Method::Draft,
            _ => Method::Canvas,
        }
    }

    /// Decodes by draft, or without one as the autoregressive baseline does.
    fn draft(&mut self) -> Result<Option<Candidate>, EditError> {
        let (layout, request, steering, started) = (&self.layout, self.request, self.steering, self.started);
        let tokenizer = &self.model.tokenizer;
        let none = Vec::new();
        let original = layout.draft.as_ref().filter(|_| request.options.method != Method::Causal).unwrap_or(&none);
        let fence = Fence { tokenizer, fenced: layout.fenced, tail: first_line_after(request) };
        let stop = |tokens: &[TokenId]| match tokens.last() {
            Some(&last) if !tokenizer.is_text(last) => Some(tokens.len() - 1),
            _ => fence.end(tokens),
        };
        let emit = &mut *self.emit;
        let mut observe = |step: draft::DraftStep<'_>| {
            emit(Event::Step(draft_step(tokenizer, &step)));
            control(steering, request, started)
        };
        let most = layout.budget;
        let drafted = draft::draft(&mut self.model.denoiser, &layout.prompt.context, original, most, &stop, &mut observe)?;
        self.nfe += drafted.nfe;
        let ending = match (drafted.ended, drafted.tokens.len() >= most) {
            (true, _) => Ending::Complete,
            (false, true) => Ending::OutOfSlots,
            (false, false) => Ending::CutShort,
        };
        if steering.control() == Control::Abort {
            return Ok(None);
        }
        let texts = layout.texts_of(tokenizer, std::slice::from_ref(&drafted.tokens), &request.document, &request.spans);
        let Some(texts) = texts else { return Ok(None) };
        let confidence = summary(drafted.confidences.iter().copied());
        let candidate = self.judge(0, texts, confidence, ending, drafted.nfe, drafted.tokens.len(), None);
        (self.emit)(Event::Candidate(Box::new(candidate.clone())));
        Ok(Some(candidate))
    }

    /// Denoises `count` canvases as one batch; candidates are numbered from `first`.
    fn canvas(&mut self, first: usize, count: usize) -> Result<Vec<Candidate>, EditError> {
        let start = self.layout.canvas();
        let mut canvases = vec![start.clone(); count];
        let options = self.request.options;
        let end = self.model.denoiser.spec().tokens.end;
        // With an adapter slots can be committed out of turn; a base alone reads what is left of a slot only.
        let threshold = if self.model.denoiser.has_adapter() { options.threshold } else { f32::INFINITY };
        let pick = |number: usize| match number {
            0 => Pick::greedy(),
            _ => Pick::seeded(options.temperature, options.seed.wrapping_add(number as u64)),
        };
        let mut samplers: Vec<Box<dyn Sampler>> = (first..first + count)
            .map(|number| Box::new(Threshold::new(threshold, end, pick(number))) as Box<dyn Sampler>)
            .collect();
        let mut endings = self.denoise(&mut canvases, &mut samplers)?;
        for round in 0..options.guard_rounds {
            if !self.remask_broken(&mut canvases, &endings)
                || control(self.steering, self.request, self.started) != Control::Continue
            {
                break;
            }
            // The same draw would fail again.
            let pick = |index: usize| {
                Pick::seeded(options.temperature, options.seed.wrapping_add(1000 * (round as u64 + 1) + index as u64))
            };
            samplers =
                (0..count).map(|index| Box::new(Threshold::new(threshold, end, pick(index))) as Box<dyn Sampler>).collect();
            endings = self.denoise(&mut canvases, &mut samplers)?;
        }
        if self.steering.control() == Control::Abort {
            return Ok(Vec::new());
        }
        let mut candidates = Vec::new();
        for (index, (canvas, ending)) in canvases.iter().zip(endings).enumerate() {
            let texts = self.layout.texts(&self.model.tokenizer, canvas, &self.request.document, &self.request.spans);
            let Some(texts) = texts else { continue };
            let committed = canvas.slots().iter().filter(|slot| slot.span.is_some() && !slot.pinned);
            let confidence = summary(committed.map(|slot| slot.confidence));
            let tokens = canvas.slots().iter().filter(|slot| slot.span.is_some()).count();
            let trajectory = Some(Trajectory::new(start.clone(), canvas));
            let steps = canvas.step() as usize;
            let candidate = self.judge(first + index, texts, confidence, ending, steps, tokens, trajectory);
            (self.emit)(Event::Candidate(Box::new(candidate.clone())));
            candidates.push(candidate);
        }
        Ok(candidates)
    }

    fn denoise(&mut self, canvases: &mut [Canvas], samplers: &mut [Box<dyn Sampler>]) -> Result<Vec<Ending>, EditError> {
        let limits = Limits { steps: self.request.options.steps, slots: self.layout.budget, growth: self.layout.growth };
        let (tokenizer, emit, before) = (&self.model.tokenizer, &mut *self.emit, self.nfe);
        let (steering, request, started) = (self.steering, self.request, self.started);
        let mut observe = |report: crate::diffusion::denoise::StepReport<'_>| {
            let shown = report.canvases.iter().find(|canvas| !canvas.is_full()).or(report.canvases.first());
            if let Some(canvas) = shown {
                let changed = report.changed.iter().sum();
                emit(Event::Step(Step {
                    nfe: before + report.nfe,
                    changed,
                    canvas: slots_only(canvas),
                    pieces: pieces(tokenizer, canvas.slots()),
                }));
            }
            control(steering, request, started)
        };
        let (endings, nfe) = denoise(&mut self.model.denoiser, canvases, samplers, limits, &mut observe)?;
        self.nfe += nfe;
        Ok(endings)
    }

    /// Remasks what keeps complete candidates from parsing. Returns whether anything was remasked.
    fn remask_broken(&self, canvases: &mut [Canvas], endings: &[Ending]) -> bool {
        let guard = self.guard();
        let mut any = false;
        for (canvas, ending) in canvases.iter_mut().zip(endings) {
            let tokenizer = &self.model.tokenizer;
            let texts = self.layout.texts(tokenizer, canvas, &self.request.document, &self.request.spans);
            let (Some(texts), Ending::Complete) = (texts, ending) else { continue };
            // With other line endings the places in the file are not those of the tokens.
            if texts.iter().any(|text| text.contains('\r')) {
                continue;
            }
            let Some((text, spans)) = spliced(self.request, &texts) else { continue };
            let Verdict::Broken { blame, .. } = guard.check(&text, &spans).verdict else { continue };
            for (index, span) in spans.iter().enumerate() {
                let number = u16::try_from(index).unwrap_or(u16::MAX);
                let whole = String::from_utf8_lossy(&tokenizer.decode_bytes(&canvas.span_tokens(number))).into_owned();
                let mut at = span.start as isize - self.layout.lead_in(index, &whole) as isize;
                for slot in 0..canvas.slots().len() {
                    let place = canvas.slots()[slot];
                    let (Some(token), true) = (place.token, place.span == Some(number)) else { continue };
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
    fn judge(
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

fn control(steering: &Steering, request: &EditRequest, started: Instant) -> Control {
    let late = request.options.time_limit.is_some_and(|limit| started.elapsed() >= limit);
    match steering.control() {
        Control::Continue if late => Control::Finish,
        other => other,
    }
}

/// Mean and least.
fn summary(confidences: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut sum, mut least, mut count) = (0.0, 1.0f32, 0usize);
    for confidence in confidences {
        sum += confidence;
        least = least.min(confidence);
        count += 1;
    }
    if count == 0 { (1.0, 1.0) } else { (sum / count as f32, least) }
}

/// A canvas without its context, which no one looks at while it is denoised.
fn slots_only(canvas: &Canvas) -> Canvas {
    Canvas::new(Vec::new(), canvas.slots().to_vec(), Vec::new())
}

fn pieces(tokenizer: &Tokenizer, slots: &[Slot]) -> Vec<String> {
    slots.iter().map(|slot| slot.token.map_or_else(String::new, |token| tokenizer.decode(&[token]))).collect()
}

/// A draft run as a canvas: settled tokens, then what is left of the original, which is still the draft; without a draft there
/// is nothing behind the settled tokens.
fn draft_step(tokenizer: &Tokenizer, step: &draft::DraftStep<'_>) -> Step {
    let at = u32::try_from(step.nfe).unwrap_or(u32::MAX);
    let settled = step.tokens.iter().zip(step.confidences);
    let mut slots: Vec<Slot> = settled
        .map(|(&token, &confidence)| Slot { confidence, origin: Origin::Committed(at), ..Slot::original(0, token) })
        .collect();
    slots.extend(step.rest.iter().map(|&token| Slot::original(0, token)));
    let pieces = pieces(tokenizer, &slots);
    Step { nfe: step.nfe, changed: step.tokens.len(), canvas: Canvas::new(Vec::new(), slots, Vec::new()), pieces }
}

/// Where an answer of the base ends when no special token ends it.
struct Fence<'a> {
    tokenizer: &'a Tokenizer,
    fenced: bool,
    /// The first line behind the span, when there is something on it.
    tail: Option<String>,
}

impl Fence<'_> {
    /// The number of tokens that belong to the text, when it ends with the newest one: a closing fence ends a fenced answer;
    /// an infill of the base, which has no end of its own, ends where it begins to repeat what follows the span.
    fn end(&self, tokens: &[TokenId]) -> Option<usize> {
        const LOOKED_AT: usize = 64;
        let recent = &tokens[tokens.len().saturating_sub(LOOKED_AT)..];
        let text = self.tokenizer.decode(recent);
        let mark = if self.fenced { "\n```" } else { self.tail.as_deref()? };
        let found = if self.fenced && tokens.len() <= LOOKED_AT && text.starts_with("```") { Some(0) } else { text.find(mark) };
        let cut = found? + usize::from(self.fenced && text[found?..].starts_with('\n'));
        // The tokens whose text lies before the cut; a token that reaches over it belongs to the end.
        let mut bytes = 0;
        let kept = recent.iter().take_while(|&&token| {
            bytes += self.tokenizer.bytes(token).len();
            bytes <= cut
        });
        Some(tokens.len() - recent.len() + kept.count())
    }
}

fn first_line_after(request: &EditRequest) -> Option<String> {
    let last = request.spans.as_slice().last()?;
    let line = request.document.text()[last.end..].trim_start_matches(['\r', '\n']).lines().next()?;
    (!line.trim().is_empty()).then(|| line.to_owned())
}
