//! A sampler whose commits keep a canvas completable, as a check of the caller's says.

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::model::spec::TokenId;

/// Alternatives that are tried for a slot before it stays masked.
const TRIED: usize = 16;

/// Whether a canvas can still become a text that is right.
pub trait Completable {
    /// The judgement; a canvas that cannot be judged is completable.
    fn is_completable(&self, canvas: &Canvas) -> bool;
}

/// See the module.
pub struct Constrained {
    inner: Box<dyn Sampler>,
    check: Box<dyn Completable>,
    end: Option<TokenId>,
}

impl Constrained {
    /// Wraps a sampler; `end` closes a span.
    pub fn new(inner: Box<dyn Sampler>, check: Box<dyn Completable>, end: Option<TokenId>) -> Self {
        Self { inner, check, end }
    }

    /// Applies a commit, and the closing of the span that it may mean, to a copy, and checks it.
    fn tried(&self, canvas: &Canvas, slot: usize, token: TokenId, confidence: f32) -> Option<Canvas> {
        let mut tried = canvas.clone();
        let mut done = tried.apply(Op::Commit { slot, token, confidence });
        if Some(token) == self.end {
            done &= tried.apply(Op::Close { slot });
        }
        (done && self.check.is_completable(&tried)).then_some(tried)
    }
}

impl Sampler for Constrained {
    fn is_open(&self, canvas: &Canvas) -> bool {
        self.inner.is_open(canvas)
    }

    fn ask(&mut self, canvas: &Canvas) -> Question {
        let question = self.inner.ask(canvas);
        Question { top_k: question.top_k.max(TRIED), ..question }
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.inner.set_threshold(threshold);
    }

    /// Commits in the order of the sampler: the token it chose, or the best alternative that keeps the canvas completable, or none
    /// for now. When nothing at all could be committed, the first commit goes through as it is: a run must come to its end, and
    /// the guard judges it then. What was never completable is not constrained.
    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let ops = self.inner.step(canvas, asked, predictions);
        if !self.check.is_completable(canvas) {
            return ops;
        }
        let mut kept: Vec<Op> = Vec::new();
        let mut ends: Vec<usize> = Vec::new();
        let mut state = canvas.clone();
        for op in &ops {
            let Op::Commit { slot, token, confidence } = *op else { continue };
            let alternatives = asked.iter().position(|each| *each == slot).map_or(&[][..], |index| &predictions[index].top);
            let others = alternatives.iter().filter(|(other, _)| *other != token).map(|(other, p)| (*other, p.exp()));
            let found = std::iter::once((token, confidence)).chain(others).find_map(|(token, confidence)| {
                self.tried(&state, slot, token, confidence).map(|next| (next, Op::Commit { slot, token, confidence }, token))
            });
            let Some((_, op, token)) = found else { continue };
            // Spans are closed at the end of the step, so that indices stay what they are until then.
            if Some(token) == self.end {
                ends.push(slot);
            }
            state.apply(op);
            kept.push(op);
        }
        if kept.is_empty() {
            return ops;
        }
        // Other changes of the sampler's stay; its closings are made anew, for the ends that were committed.
        let other = |op: &&Op| !matches!(op, Op::Commit { .. } | Op::Close { .. });
        kept.extend(ops.iter().filter(other).copied());
        ends.sort_unstable();
        kept.extend(crate::diffusion::closing::closes(canvas, &ends));
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::diffusion::sampler::Pick;
    use crate::diffusion::threshold::Threshold;

    const END: TokenId = 9;

    /// Ascending from the left, up to the first mask; a full canvas holds at least two tokens.
    struct Ascending;

    impl Completable for Ascending {
        fn is_completable(&self, canvas: &Canvas) -> bool {
            let tokens: Vec<TokenId> = canvas.slots().iter().map_while(|slot| slot.token).filter(|t| *t != END).collect();
            tokens.windows(2).all(|pair| pair[0] <= pair[1]) && (!canvas.is_full() || tokens.len() >= 2)
        }
    }

    fn prediction(top: &[(TokenId, f32)]) -> Prediction {
        Prediction { top: top.iter().map(|&(token, p)| (token, p.ln())).collect(), entropy: 0.0, current: None }
    }

    fn step(canvas: &mut Canvas, predictions: &[Prediction]) {
        let inner = Box::new(Threshold::new(0.9, Some(END), Pick::greedy()));
        let mut sampler = Constrained::new(inner, Box::new(Ascending), Some(END));
        let question = sampler.ask(canvas);
        assert!(question.top_k >= TRIED);
        for op in sampler.step(canvas, &question.slots, predictions) {
            assert!(canvas.apply(op));
        }
    }

    #[test]
    fn the_best_token_that_can_be_completed_is_committed() {
        let mut canvas = Canvas::new(vec![0], vec![Slot::original(0, 5), Slot::masked(0), Slot::masked(0)], vec![]);
        step(&mut canvas, &[prediction(&[(3, 0.8), (6, 0.1), (7, 0.05)]), prediction(&[(4, 0.95), (8, 0.02)])]);
        assert_eq!(canvas.span_tokens(0), [5, 6, 8]);
    }

    #[test]
    fn an_end_that_comes_too_early_waits_and_a_run_still_ends() {
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); 3], vec![]);
        step(&mut canvas, &[prediction(&[(END, 0.8), (6, 0.1)]), prediction(&[(1, 0.1)]), prediction(&[(1, 0.1)])]);
        assert_eq!((canvas.span_tokens(0), canvas.is_closed(0)), (vec![6], false));
        step(&mut canvas, &[prediction(&[(3, 0.8)]), prediction(&[(1, 0.1)])]);
        assert_eq!(canvas.span_tokens(0), [6, 3], "nothing else was there to commit");
    }
}
