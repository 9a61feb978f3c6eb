//! Spans that are closed by the token `end`: what any sampler commits is looked through for it.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::model::spec::TokenId;

/// The operations that close spans, to be applied after the commits of `end` at `ends` (ascending).
///
/// Closing from the back keeps the indices of the slots in front; of several ends in a row the first one counts. A pinned slot
/// begins a new row, because closing stops there.
pub fn closes(canvas: &Canvas, ends: &[usize]) -> Vec<Op> {
    let slots = canvas.slots();
    let mut last: Option<usize> = None;
    let firsts: Vec<usize> = ends
        .iter()
        .copied()
        .filter(|&slot| {
            let same = |last: usize| slots[last..slot].iter().all(|each| each.span == slots[slot].span && !each.pinned);
            let joined = last.is_some_and(same);
            last = Some(slot);
            !joined
        })
        .collect();
    firsts.into_iter().rev().map(|slot| Op::Close { slot }).collect()
}

/// A sampler whose commits of `end` close the span.
pub struct Closing {
    inner: Box<dyn Sampler>,
    end: TokenId,
}

impl Closing {
    /// Wraps a sampler that knows nothing of `end`.
    pub fn new(inner: Box<dyn Sampler>, end: TokenId) -> Self {
        Self { inner, end }
    }
}

impl Sampler for Closing {
    fn is_open(&self, canvas: &Canvas) -> bool {
        self.inner.is_open(canvas)
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        self.inner.ask(canvas)
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.inner.set_threshold(threshold);
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let mut ops = self.inner.step(canvas, asked, predictions);
        let mut ends: Vec<usize> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Commit { slot, token, .. } if *token == self.end => Some(*slot),
                _ => None,
            })
            .collect();
        ends.sort_unstable();
        ops.extend(closes(canvas, &ends));
        ops
    }
}
