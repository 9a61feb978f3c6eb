//! Candidates by draft: the exact base decodes from left to right, checking the original lines where there are any.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Origin;
use crate::diffusion::canvas::Slot;
use crate::diffusion::denoise::Control;
use crate::diffusion::denoise::Ending;
use crate::diffusion::denoise::StepReport;
use crate::diffusion::draft;
use crate::diffusion::draft::DraftStep;
use crate::diffusion::draft::Guess;
use crate::diffusion::draft::Lookup;
use crate::diffusion::draft::Nothing;
use crate::diffusion::draft::Original;
use crate::edit::candidate::Candidate;
use crate::edit::error::EditError;
use crate::edit::event::Event;
use crate::edit::event::Step;
use crate::edit::layout::EDIT_SURPLUS;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::edit::run::Running;
use crate::edit::run::summary;
use crate::edit::sampling::named;
use crate::edit::steer::Command;
use crate::edit::steer::Next;
use crate::edit::steered::Steered;
use crate::edit::steered::pieces;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;

impl Running<'_, '_> {
    /// Decodes by draft, or without one as the autoregressive baseline does. A command about slots turns the draft into a canvas.
    pub(super) fn draft(&mut self) -> Result<Vec<Candidate>, EditError> {
        let (layout, request, steering) = (&self.layout, self.request, self.steering);
        let tokenizer = &self.model.tokenizer;
        let none = Vec::new();
        let causal = matches!(request.options.method, Method::Causal | Method::Lookup);
        let original = layout.draft.as_ref().filter(|_| !causal).unwrap_or(&none);
        let lines = request.options.causal_lines.filter(|_| causal);
        let fence = Fence { tokenizer, fenced: layout.fenced, tail: first_line_after(request), lines };
        let stop = |tokens: &[TokenId]| match tokens.last() {
            Some(&last) if !tokenizer.is_text(last) => Some(tokens.len() - 1),
            _ => fence.end(tokens),
        };
        let (emit, clock) = (&mut *self.emit, &mut self.clock);
        let mut left: Option<(Vec<Slot>, Command)> = None;
        let mut observe = |step: DraftStep<'_>| {
            let (shown, slots) = draft_step(tokenizer, &step);
            emit(Event::Step(shown));
            loop {
                match clock.next(steering) {
                    Next::Go(control) => return control,
                    Next::Change(command) if command.is_about_slots() && layout.draft.is_some() => {
                        left = Some((slots, command));
                        return Control::Abort;
                    }
                    Next::Change(command) => {
                        let reason = "a run from left to right has no threshold and no slots to change".to_owned();
                        emit(Event::Refused { command, reason });
                    }
                }
            }
        };
        let most = layout.budget;
        let begin = DraftStep { tokens: &[], confidences: &[], rest: original, nfe: 0 };
        let drafted = match observe(begin) {
            Control::Continue => {
                let context = &layout.prompt.context;
                let (mut nothing, mut lookup, mut original) = (Nothing, Lookup, Original::new(original));
                let guess: &mut dyn Guess = match request.options.method {
                    Method::Causal => &mut nothing,
                    Method::Lookup => &mut lookup,
                    _ => &mut original,
                };
                draft::draft(&mut self.model.denoiser, context, guess, most, &stop, &mut observe)?
            }
            _ => draft::Drafted::default(),
        };
        self.nfe += drafted.nfe;
        if let Some((slots, command)) = left {
            return self.leave_draft(slots, &command);
        }
        let ending = match (drafted.ended, drafted.tokens.len() >= most) {
            (true, _) => Ending::Complete,
            (false, true) => Ending::OutOfSlots,
            (false, false) => Ending::CutShort,
        };
        if steering.wish() == Control::Abort {
            return Ok(Vec::new());
        }
        let texts = layout.texts_of(tokenizer, std::slice::from_ref(&drafted.tokens), &request.document, &request.spans);
        let Some(texts) = texts else { return Ok(Vec::new()) };
        let confidence = summary(drafted.confidences.iter().copied());
        let candidate = self.judge(0, texts, confidence, ending, drafted.nfe, drafted.tokens.len(), None);
        (self.emit)(Event::Candidate(Box::new(candidate.clone())));
        Ok(vec![candidate])
    }

    /// Goes on with the canvas that a draft has come to: after the command, what is left of the original is masked, except for
    /// what was pinned, and the whole is denoised.
    fn leave_draft(&mut self, slots: Vec<Slot>, command: &Command) -> Result<Vec<Candidate>, EditError> {
        if let Command::Sampler { name } = command {
            match named(name) {
                Ok(choice) => self.sampler = choice,
                Err(reason) => (self.emit)(Event::Refused { command: command.clone(), reason }),
            }
        }
        // Who fixes the length means that of the draft.
        let surplus = if matches!(command, Command::FixLength { fixed: true }) { 0 } else { EDIT_SURPLUS };
        let surplus = std::iter::repeat_n(Slot::masked(0), surplus);
        let slots = slots.into_iter().chain(surplus).collect();
        let mut start = Canvas::new(self.layout.prompt.context.clone(), slots, Vec::new());
        (0..self.nfe).for_each(|_| start.begin_step());
        let mut canvases = vec![start.clone()];
        let mut samplers = self.samplers(std::iter::once(None))?;
        let steered = Steered { tokenizer: &self.model.tokenizer, layout: &self.layout, first: 0 };
        let told = steered.take_up(
            command,
            &mut StepReport {
                nfe: &mut self.nfe,
                canvases: &mut canvases,
                samplers: &mut samplers,
                denoiser: &mut self.model.denoiser,
                changed: &[0],
                fixed: &mut self.fixed,
            },
        )?;
        told.into_iter().for_each(&mut *self.emit);
        for slot in 0..canvases[0].slots().len() {
            if canvases[0].slots()[slot].origin == Origin::Original {
                canvases[0].apply(Op::Remask { slot });
            }
        }
        self.canvas(0, &[start], canvases)
    }
}

/// A draft run as a canvas: settled tokens, then what is left of the original, which is still the draft; without a draft there
/// is nothing behind the settled tokens.
fn draft_step(tokenizer: &Tokenizer, step: &DraftStep<'_>) -> (Step, Vec<Slot>) {
    let at = u32::try_from(step.nfe).unwrap_or(u32::MAX);
    let settled = step.tokens.iter().zip(step.confidences);
    let mut slots: Vec<Slot> = settled
        .map(|(&token, &confidence)| Slot { confidence, origin: Origin::Committed(at), ..Slot::original(0, token) })
        .collect();
    slots.extend(step.rest.iter().map(|&token| Slot::original(0, token)));
    let pieces = pieces(tokenizer, &slots);
    let canvas = Canvas::new(Vec::new(), slots.clone(), Vec::new());
    (Step { candidate: 0, nfe: step.nfe, changed: step.tokens.len(), canvas, pieces }, slots)
}

/// Where an answer of the base ends when no special token ends it.
struct Fence<'a> {
    tokenizer: &'a Tokenizer,
    fenced: bool,
    /// The first line behind the span, when there is something on it.
    tail: Option<String>,
    /// Lines of an infill after which it ends.
    lines: Option<usize>,
}

impl Fence<'_> {
    /// The number of tokens that belong to the text, when it ends with the newest one: a closing fence ends a fenced answer;
    /// an infill of the base, which has no end of its own, ends where it begins to repeat what follows the span.
    fn end(&self, tokens: &[TokenId]) -> Option<usize> {
        const LOOKED_AT: usize = 64;
        if let Some(lines) = self.lines.filter(|_| !self.fenced)
            && self.tokenizer.decode(tokens).matches('\n').count() >= lines
        {
            return Some(tokens.len());
        }
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
