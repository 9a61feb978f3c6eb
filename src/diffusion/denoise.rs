//! The loop that all samplers share: predict, change, report, until every canvas is full.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Ask;
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::threshold::Threshold;
use crate::model::error::ModelError;
use crate::model::spec::TokenId;

/// Bounds of one run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Denoiser calls.
    pub steps: usize,
    /// Slots that a span may grow to when no `end` came.
    pub slots: usize,
    /// Masks added at once to a span that is full and not closed; 0 for spans of a fixed length.
    pub growth: usize,
}

/// How a canvas came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Full, within the bounds.
    Complete,
    /// Full, and closed by the observer: at the end of its file a text is over where it leaves the definition that it began in.
    Left,
    /// The last masks were filled in one pass because steps or time were used up, or the user stopped.
    CutShort,
    /// A span used all the slots it may have and no `end` came: its text probably runs on.
    OutOfSlots,
}

impl Ending {
    /// Whether the text came to an end of its own.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Complete | Self::Left)
    }
}

/// What the observer of a run wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Fill what is masked in one pass and end.
    Finish,
    /// End at once; masks stay.
    Abort,
}

/// The state before the first denoiser call and after each one. Whoever observes the run may change canvases and samplers, and
/// ask the denoiser more, which counts.
pub struct StepReport<'a> {
    /// Denoiser calls so far.
    pub nfe: &'a mut usize,
    /// All canvases of the run.
    pub canvases: &'a mut [Canvas],
    /// Their samplers.
    pub samplers: &'a mut [Box<dyn Sampler>],
    /// The denoiser.
    pub denoiser: &'a mut dyn Denoiser,
    /// Slots that changed in this step, for each canvas.
    pub changed: &'a [usize],
    /// Whether spans keep the slots that they have: no token closes, expands or deletes, and none is added. Not so at first.
    pub fixed: &'a mut bool,
}

/// What sees a run and says how it goes on.
pub type Observer<'a> = dyn FnMut(StepReport<'_>) -> Result<Control, ModelError> + 'a;

/// Denoises canvases with one sampler each until all are full. Canvases with the same context run as one batch.
///
/// # Errors
/// The denoiser failed.
pub fn denoise(
    denoiser: &mut dyn Denoiser,
    canvases: &mut [Canvas],
    samplers: &mut [Box<dyn Sampler>],
    limits: Limits,
    observe: &mut Observer<'_>,
) -> Result<(Vec<Ending>, usize), ModelError> {
    let mut endings = vec![Ending::Complete; canvases.len()];
    let (mut nfe, mut steps) = (0, 0);
    let mut changed = vec![0; canvases.len()];
    let mut fixed = false;
    loop {
        let report = StepReport { nfe: &mut nfe, canvases, samplers, denoiser, changed: &changed, fixed: &mut fixed };
        let control = observe(report)?;
        let open: Vec<usize> = (0..canvases.len()).filter(|&index| samplers[index].is_open(&canvases[index])).collect();
        if open.is_empty() || control == Control::Abort {
            return Ok((endings, nfe));
        }
        if control == Control::Finish || (steps > 0 && steps >= limits.steps) {
            let masked: Vec<usize> = (0..canvases.len()).filter(|&index| !canvases[index].is_full()).collect();
            if masked.is_empty() {
                return Ok((endings, nfe));
            }
            masked.iter().for_each(|&index| endings[index] = Ending::CutShort);
            finish(denoiser, canvases, &masked, fixed)?;
            nfe += 1;
            continue;
        }
        let mut questions: Vec<Question> = open.iter().map(|&index| samplers[index].ask(&canvases[index])).collect();
        if fixed {
            let tokens = &denoiser.spec().tokens;
            let change_length = || tokens.end.iter().chain(&tokens.expand).chain(&tokens.delete);
            questions.iter_mut().for_each(|question| question.banned.extend(change_length()));
        }
        let asks = open.iter().zip(&questions).map(|(&index, question)| Ask {
            canvas: &canvases[index],
            slots: &question.slots,
            top_k: question.top_k,
            lane: index,
            reuse: question.reuse,
            filter: question.filter,
            banned: &question.banned,
            shadows: question.shadows,
        });
        let predictions = denoiser.predict(&asks.collect::<Vec<_>>())?;
        nfe += 1;
        steps += 1;
        changed.fill(0);
        for ((&index, question), predictions) in open.iter().zip(&questions).zip(&predictions) {
            let canvas = &mut canvases[index];
            canvas.begin_step();
            let ops = samplers[index].step(canvas, &question.slots, predictions);
            changed[index] = ops.iter().filter(|op| canvas.apply(**op)).count();
            // A canvas that could not grow and was emptied again by the user may still come to its own end.
            endings[index] = if !fixed && grow(canvas, limits) { Ending::OutOfSlots } else { Ending::Complete };
        }
    }
}

/// Adds masks to each span that is full and not closed. Returns whether a span may not grow any more.
fn grow(canvas: &mut Canvas, limits: Limits) -> bool {
    if limits.growth == 0 {
        return false;
    }
    let mut exhausted = false;
    for span in 0..canvas.spans() {
        let Ok(span) = u16::try_from(span) else { continue };
        let slots = || canvas.slots().iter().filter(|slot| slot.span == Some(span));
        let (len, full) = (slots().count(), slots().all(|slot| !slot.is_masked()));
        if len == 0 || !full || canvas.is_closed(span) {
            continue;
        }
        match limits.slots.saturating_sub(len).min(limits.growth) {
            0 => exhausted = true,
            count => exhausted |= !canvas.apply(Op::Append { span, count }),
        }
    }
    exhausted
}

/// Fills all masks of the canvases at `open` with their best tokens in one pass.
fn finish(denoiser: &mut dyn Denoiser, canvases: &mut [Canvas], open: &[usize], fixed: bool) -> Result<(), ModelError> {
    let tokens = &denoiser.spec().tokens;
    let end = tokens.end;
    // There is no step left in which a slot could expand or disappear.
    let closing = end.iter().filter(|_| fixed);
    let banned: Vec<TokenId> = tokens.expand.iter().chain(&tokens.delete).chain(closing).copied().collect();
    let asked: Vec<Vec<usize>> = open.iter().map(|&index| canvases[index].masked()).collect();
    let asks = open.iter().zip(&asked).map(|(&index, slots)| Ask {
        lane: index,
        banned: &banned,
        ..Ask::new(&canvases[index], slots, 1)
    });
    let predictions = denoiser.predict(&asks.collect::<Vec<_>>())?;
    for ((&index, asked), predictions) in open.iter().zip(&asked).zip(&predictions) {
        // A threshold of zero commits every slot.
        let mut all = Threshold::new(0.0, end, Pick::greedy());
        canvases[index].begin_step();
        for op in all.step(&canvases[index], asked, predictions) {
            canvases[index].apply(op);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::diffusion::scripted::Scripted;

    const END: TokenId = 1 << 20;

    fn run(script: &str, slots: usize, limits: Limits) -> (Canvas, Ending, usize) {
        let mut denoiser = Scripted::new(script.chars().map(u32::from).chain([END]).collect(), END);
        let mut canvases = [Canvas::new(vec![1], vec![Slot::masked(0); slots], vec![])];
        let mut samplers: [Box<dyn Sampler>; 1] = [Box::new(Threshold::new(0.9, Some(END), Pick::greedy()))];
        let (endings, nfe) =
            denoise(&mut denoiser, &mut canvases, &mut samplers, limits, &mut |_| Ok(Control::Continue)).unwrap();
        let [canvas] = canvases;
        (canvas, endings[0], nfe)
    }

    fn text(canvas: &Canvas) -> String {
        canvas.span_tokens(0).into_iter().filter_map(char::from_u32).collect()
    }

    #[test]
    fn surplus_slots_are_closed_by_end() {
        let (canvas, ending, nfe) = run("abc", 8, Limits { steps: 50, slots: 64, growth: 8 });
        assert_eq!((text(&canvas).as_str(), ending, nfe), ("abc", Ending::Complete, 4));
    }

    #[test]
    fn a_span_that_is_too_short_grows() {
        let (canvas, ending, _) = run("abcdefghij", 4, Limits { steps: 50, slots: 64, growth: 4 });
        assert_eq!((text(&canvas).as_str(), ending), ("abcdefghij", Ending::Complete));
    }

    #[test]
    fn the_budget_of_slots_is_kept_and_reported() {
        let (canvas, ending, _) = run("abcdefghij", 4, Limits { steps: 50, slots: 6, growth: 4 });
        assert_eq!((text(&canvas).as_str(), ending), ("abcdef", Ending::OutOfSlots));
    }

    /// Whatever is banned of what the script says becomes `?`.
    struct Obedient(Scripted);

    impl Denoiser for Obedient {
        fn spec(&self) -> &crate::model::spec::ModelSpec {
            self.0.spec()
        }

        fn predict(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<crate::diffusion::denoiser::Prediction>>, ModelError> {
            let mut all = self.0.predict(asks)?;
            for (ask, predictions) in asks.iter().zip(&mut all) {
                let tops = predictions.iter_mut().flat_map(|prediction| &mut prediction.top);
                tops.filter(|(token, _)| ask.banned.contains(token)).for_each(|(token, _)| *token = u32::from('?'));
            }
            Ok(all)
        }
    }

    #[test]
    fn a_span_of_fixed_length_is_not_closed_and_does_not_grow() {
        let run = |script: &str, slots: usize, control: Control| {
            let mut denoiser = Obedient(Scripted::new(script.chars().map(u32::from).chain([END]).collect(), END));
            let mut canvases = [Canvas::new(vec![1], vec![Slot::masked(0); slots], vec![])];
            let mut samplers: [Box<dyn Sampler>; 1] = [Box::new(Threshold::new(0.9, Some(END), Pick::greedy()))];
            let limits = Limits { steps: 50, slots: 64, growth: 4 };
            let observe: &mut Observer<'_> = &mut |report| {
                *report.fixed = true;
                Ok(control)
            };
            let (endings, _) = denoise(&mut denoiser, &mut canvases, &mut samplers, limits, observe).unwrap();
            let [canvas] = canvases;
            (text(&canvas), endings[0])
        };
        assert_eq!(run("abc", 5, Control::Continue), ("abc??".to_owned(), Ending::Complete));
        assert_eq!(run("abcdef", 4, Control::Continue), ("abcd".to_owned(), Ending::Complete));
        assert_eq!(run("abc", 5, Control::Finish), ("abc??".to_owned(), Ending::CutShort));
    }

    #[test]
    fn the_budget_of_steps_ends_in_one_pass() {
        let (canvas, ending, nfe) = run("abcdef", 12, Limits { steps: 2, slots: 64, growth: 4 });
        assert_eq!((text(&canvas).as_str(), ending, nfe), ("abcdef", Ending::CutShort, 3));
        assert!(canvas.is_full());
    }
}
