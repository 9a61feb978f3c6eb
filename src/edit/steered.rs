//! Follows commands between two denoiser calls, and shows what stands on a canvas.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::canvas::Slot;
use crate::diffusion::canvas::SlotId;
use crate::diffusion::denoise::StepReport;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Prediction;
use crate::edit::event::Alternative;
use crate::edit::event::Event;
use crate::edit::event::SlotAlternatives;
use crate::edit::event::Step;
use crate::edit::layout::Layout;
use crate::edit::steer::ALTERNATIVES;
use crate::edit::steer::Command;
use crate::edit::steer::MOST_ASKED;
use crate::edit::steer::MOST_SLOTS;
use crate::model::error::ModelError;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;

/// What is needed to follow commands to the canvases of a request.
pub(super) struct Steered<'a> {
    pub tokenizer: &'a Tokenizer,
    pub layout: &'a Layout,
    /// The number of the first canvas's candidate.
    pub first: usize,
}

impl Steered<'_> {
    /// Follows a command. What cannot be done is told in the event that comes back; what can be done of it is done.
    pub fn take_up(&self, command: &Command, report: &mut StepReport<'_>) -> Result<Option<Event>, ModelError> {
        let refused = |reason: String| Ok(Some(Event::Refused { command: command.clone(), reason }));
        if let Command::Threshold { value } = command {
            if !(0.0..=1.0).contains(value) {
                return refused(format!("{value} is not a probability"));
            }
            report.samplers.iter_mut().for_each(|sampler| sampler.set_threshold(*value));
            return Ok(None);
        }
        if matches!(command, Command::Sampler { .. }) {
            // Samplers are made from more than is known here: the run changes them.
            return Ok(None);
        }
        if let Command::FixLength { fixed } = command {
            *report.fixed = *fixed;
            return Ok(None);
        }
        let candidate = command.candidate();
        let index = candidate.checked_sub(self.first).filter(|index| *index < report.canvases.len());
        let Some(index) = index else { return refused(format!("candidate {candidate} is not under way")) };
        if let Command::Alternatives { slots, .. } = command {
            if slots.len() > MOST_ASKED {
                return refused(format!("{} slots are too many; ask about {MOST_ASKED} at once", slots.len()));
            }
            let slots = self.alternatives(index, slots, report)?;
            return Ok(Some(Event::Alternatives { candidate, slots }));
        }
        let end = report.denoiser.spec().tokens.end;
        match self.change(command, &mut report.canvases[index], end) {
            Ok(()) => Ok(None),
            Err(reason) => refused(reason),
        }
    }

    fn change(&self, command: &Command, canvas: &mut Canvas, end: Option<TokenId>) -> Result<(), String> {
        match command {
            Command::Remask { slots, .. } => each(canvas, slots, |index, slot| match slot {
                Slot { pinned: true, .. } => Err("is pinned"),
                _ => Ok(Op::Remask { slot: index }),
            }),
            Command::RemaskLines { span, first, last, .. } => {
                let slots = self.in_lines(canvas, *span, *first, *last);
                if slots.is_empty() {
                    return Err(format!("span {span} has no lines {first} to {last}"));
                }
                slots.into_iter().for_each(|slot| {
                    // What is pinned in these lines stays, as everywhere.
                    canvas.apply(Op::Remask { slot });
                });
                Ok(())
            }
            Command::Pin { slots, .. } => each(canvas, slots, |index, slot| match slot.token {
                Some(token) => Ok(Op::Pin { slot: index, token }),
                None => Err("is masked: there is nothing to pin"),
            }),
            Command::Unpin { slots, .. } => each(canvas, slots, |index, _| Ok(Op::Unpin { slot: index })),
            Command::Choose { slot, token, .. } => each(canvas, &[*slot], |index, _| match *token {
                token if Some(token) == end => Ok(Op::Close { slot: index }),
                token if self.tokenizer.is_text(token) => Ok(Op::Pin { slot: index, token }),
                _ => Err("can hold tokens of text only"),
            }),
            Command::Lengthen { span, count, .. } => self.lengthen(canvas, *span, *count),
            Command::Shorten { span, count, .. } => self.shorten(canvas, *span, *count),
            // The others are no changes of slots.
            _ => Ok(()),
        }
    }

    /// Masks at the end of a span; a closed one cannot grow there, so its last slot is expanded.
    fn lengthen(&self, canvas: &mut Canvas, span: usize, count: usize) -> Result<(), String> {
        let own: Vec<usize> = self.layout.slots_of(canvas, span).map(|(index, _)| index).collect();
        if own.len().saturating_add(count) > MOST_SLOTS {
            return Err(format!("a span can have {MOST_SLOTS} slots, and span {span} has {}", own.len()));
        }
        let run = own.iter().rev().find_map(|&index| canvas.slots()[index].span);
        let Some(run) = run else { return Err(format!("span {span} has no slot left that could change")) };
        if canvas.apply(Op::Append { span: run, count }) {
            return Ok(());
        }
        for _ in 0..count {
            let last = (0..canvas.slots().len()).rfind(|&index| canvas.slots()[index].span == Some(run));
            let expanded = last.is_some_and(|slot| canvas.apply(Op::Expand { slot }));
            if !expanded {
                return Err(format!("span {span} is closed, and its last slot is pinned"));
            }
        }
        Ok(())
    }

    /// Takes masks away from the end of a span.
    fn shorten(&self, canvas: &mut Canvas, span: usize, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let own: Vec<usize> = self.layout.slots_of(canvas, span).map(|(index, _)| index).collect();
            let is_masked = |index: &usize| canvas.slots()[*index].is_masked() && canvas.slots()[*index].span.is_some();
            match own.iter().copied().rfind(is_masked) {
                _ if own.len() < 2 => return Err(format!("span {span} has one slot left")),
                None => return Err(format!("span {span} has no masked slot that could go: re-mask one first")),
                Some(slot) => canvas.apply(Op::Delete { slot }),
            };
        }
        Ok(())
    }

    /// What the model would put in slots, each masked by itself while everything else stays.
    fn alternatives(
        &self,
        index: usize,
        slots: &[SlotId],
        report: &mut StepReport<'_>,
    ) -> Result<Vec<SlotAlternatives>, ModelError> {
        let canvas = &report.canvases[index];
        let masked: Vec<(SlotId, Canvas, [usize; 1])> = slots
            .iter()
            .filter_map(|&id| {
                let slot = canvas.index_of(id)?;
                let mut copy = canvas.clone();
                copy.apply(Op::Unpin { slot });
                copy.apply(Op::Remask { slot }).then_some((id, copy, [slot]))
            })
            .collect();
        if masked.is_empty() {
            return Ok(Vec::new());
        }
        let asks: Vec<Ask<'_>> = masked.iter().map(|(_, canvas, slots)| Ask::new(canvas, slots, ALTERNATIVES)).collect();
        let predictions = report.denoiser.predict(&asks)?;
        *report.nfe += 1;
        let tokens = |prediction: &Prediction| {
            let alternative = |&(token, log_prob): &(TokenId, f32)| Alternative {
                token,
                text: if self.tokenizer.is_text(token) { self.tokenizer.decode(&[token]) } else { String::new() },
                probability: log_prob.exp(),
            };
            prediction.top.iter().map(alternative).collect()
        };
        let told = masked.iter().zip(&predictions).map(|((id, ..), predictions)| SlotAlternatives {
            slot: *id,
            tokens: predictions.first().map(tokens).unwrap_or_default(),
        });
        Ok(told.collect())
    }

    /// Indices of the slots that have a part in lines of a span's present text. A mask is on the line it stands in.
    fn in_lines(&self, canvas: &Canvas, span: usize, first: usize, last: usize) -> Vec<usize> {
        let mut line = 1;
        let slots = self.layout.slots_of(canvas, span).filter_map(|(index, slot)| {
            let bytes = slot.token.map_or(&[][..], |token| self.tokenizer.bytes(token));
            let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
            // A line end belongs to the line that it ends.
            let reached = if bytes.ends_with(b"\n") { line + ends - 1 } else { line + ends };
            let hit = line <= last && reached >= first;
            line += ends;
            hit.then_some(index)
        });
        slots.collect()
    }

    /// What a canvas looks like after `before` calls of earlier runs and those of this one.
    pub fn step(&self, index: usize, before: usize, report: &StepReport<'_>) -> Step {
        let index = index.min(report.canvases.len().saturating_sub(1));
        let canvas = &report.canvases[index];
        Step {
            candidate: self.first + index,
            nfe: before + *report.nfe,
            changed: report.changed.iter().sum(),
            canvas: canvas.shown(&self.layout.owners(canvas)),
            pieces: pieces(self.tokenizer, canvas.slots()),
        }
    }
}

/// Applies an operation to each named slot; the reason of the first one that refuses.
fn each(canvas: &mut Canvas, slots: &[SlotId], op: impl Fn(usize, &Slot) -> Result<Op, &'static str>) -> Result<(), String> {
    let mut refusals = slots.iter().filter_map(|&id| {
        let Some(index) = canvas.index_of(id) else { return Some(format!("slot {id} is gone")) };
        let slot = &canvas.slots()[index];
        if slot.span.is_none() {
            return Some(format!("slot {id} is text that does not change"));
        }
        match op(index, slot) {
            Ok(op) => (!canvas.apply(op)).then(|| format!("slot {id} is not pinned or cannot be changed")),
            Err(reason) => Some(format!("slot {id} {reason}")),
        }
    });
    let first = refusals.next();
    match (first, refusals.count()) {
        (None, _) => Ok(()),
        (Some(first), 0) => Err(first),
        (Some(first), more) => Err(format!("{first}, and {more} more were refused")),
    }
}

/// The text of each slot; nothing for masks.
pub(super) fn pieces(tokenizer: &Tokenizer, slots: &[Slot]) -> Vec<String> {
    slots.iter().map(|slot| slot.token.map_or_else(String::new, |token| tokenizer.decode(&[token]))).collect()
}
