//! Infill of any length (DreamOn): a slot can become two masks by the token `expand`, or disappear by the token `delete`.
//!
//! Each call commits the surest slots. `expand` turns its slot into two masks; it is banned when the span is as long as it may be
//! or was expanded often enough. `delete` takes its slot away, and with `to_the_right` every mask behind it too, which ends the
//! span there (the reference's `pad_eos_to_right`).

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::confidence::Confidence;
use crate::diffusion::samplers::rule::largest;
use crate::model::spec::TokenId;

/// Alternatives to draw from when sampling is not greedy.
const DRAWN_FROM: usize = 64;

/// Settings, with the reference's defaults where it has some.
#[derive(Clone, Copy, Debug)]
pub struct DreamOnSettings {
    /// The token that expands.
    pub expand: TokenId,
    /// The token that deletes.
    pub delete: TokenId,
    /// Slots that all spans together may have; also how often slots can be expanded.
    pub most: usize,
    /// How sure a slot is.
    pub confidence: Confidence,
    /// Slots that a call commits.
    pub at_once: usize,
    /// Whether a deletion takes the masks behind it along.
    pub to_the_right: bool,
    /// Changes of the distributions; the reference draws at temperature 0.2 with top-p 0.9.
    pub filter: Filter,
}

impl DreamOnSettings {
    /// The defaults for a model with these tokens.
    pub fn new(expand: TokenId, delete: TokenId) -> Self {
        Self {
            expand,
            delete,
            most: 64,
            confidence: Confidence::NegativeEntropy,
            at_once: 1,
            to_the_right: true,
            filter: Filter::default(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct DreamOn {
    settings: DreamOnSettings,
    expansions: usize,
    pick: Pick,
}

impl DreamOn {
    /// A sampler with these settings.
    pub fn new(settings: DreamOnSettings, seed: u64) -> Self {
        let pick = if settings.filter.temperature > 0.0 { Pick::seeded(1.0, seed) } else { Pick::greedy() };
        Self { settings, expansions: 0, pick }
    }

    fn may_expand(&self, canvas: &Canvas) -> bool {
        let own = canvas.slots().iter().filter(|slot| slot.span.is_some()).count();
        own < self.settings.most && self.expansions < self.settings.most
    }
}

impl Sampler for DreamOn {
    fn ask(&mut self, canvas: &Canvas) -> Question {
        let top_k = if self.pick.is_greedy() { self.settings.confidence.top_k() } else { DRAWN_FROM };
        let banned = if self.may_expand(canvas) { Vec::new() } else { vec![self.settings.expand] };
        Question { top_k, banned, filter: self.settings.filter, ..Question::about(canvas.masked()) }
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let settings = self.settings;
        let confidences: Vec<f32> = predictions.iter().map(|prediction| settings.confidence.of(prediction)).collect();
        let mut chosen = largest(&confidences, settings.at_once.max(1));
        chosen.sort_unstable();
        let picked: Vec<(usize, TokenId, f32)> = chosen
            .into_iter()
            .map(|index| {
                let (token, confidence) = self.pick.pick(&predictions[index]);
                (asked[index], token, confidence)
            })
            .collect();
        let mut deleted: Vec<usize> =
            picked.iter().filter(|(_, token, _)| *token == settings.delete).map(|(slot, ..)| *slot).collect();
        if let (Some(&first), true) = (deleted.first(), settings.to_the_right) {
            // Masks of other spans are none of this deletion's business.
            let span = canvas.slots()[first].span;
            deleted = asked.iter().copied().filter(|&slot| slot >= first && canvas.slots()[slot].span == span).collect();
        }
        let room = settings.most.saturating_sub(canvas.slots().iter().filter(|slot| slot.span.is_some()).count());
        let mut ops: Vec<Op> = Vec::new();
        // From the back, so that the indices of the slots in front stay what they are.
        let mut changes: Vec<(usize, Option<(TokenId, f32)>)> = deleted.iter().map(|&slot| (slot, None)).collect();
        let others = picked.iter().filter(|(slot, ..)| !deleted.contains(slot));
        changes.extend(others.map(|&(slot, token, confidence)| (slot, Some((token, confidence)))));
        changes.sort_by_key(|(slot, _)| std::cmp::Reverse(*slot));
        let mut expanded = 0;
        for (slot, change) in changes {
            match change {
                None => ops.push(Op::Delete { slot }),
                Some((token, _)) if token == settings.expand => {
                    if expanded < room {
                        expanded += 1;
                        ops.push(Op::Expand { slot });
                    }
                }
                Some((token, confidence)) => ops.push(Op::Commit { slot, token, confidence }),
            }
        }
        self.expansions += expanded;
        ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;

    const EXPAND: TokenId = 90;
    const DELETE: TokenId = 91;

    fn prediction(token: TokenId, entropy: f32) -> Prediction {
        Prediction { top: vec![(token, -entropy)], entropy, current: None }
    }

    fn step(settings: DreamOnSettings, canvas: &mut Canvas, predictions: &[Prediction]) -> Question {
        let mut sampler = DreamOn::new(settings, 1);
        let question = sampler.ask(canvas);
        let ops = sampler.step(canvas, &question.slots, predictions);
        assert!(ops.iter().all(|op| canvas.apply(*op)));
        question
    }

    #[test]
    fn spans_grow_and_shrink() {
        let settings = DreamOnSettings { at_once: 2, to_the_right: false, ..DreamOnSettings::new(EXPAND, DELETE) };
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); 4], vec![]);
        step(settings, &mut canvas, &[prediction(5, 0.9), prediction(EXPAND, 0.1), prediction(DELETE, 0.2), prediction(6, 0.8)]);
        assert_eq!((canvas.slots().len(), canvas.ids()), (4, &[0, 1, 4, 3][..]));
        let settings = DreamOnSettings { to_the_right: true, ..settings };
        step(settings, &mut canvas, &[prediction(5, 0.1), prediction(DELETE, 0.1), prediction(6, 0.8), prediction(6, 0.8)]);
        assert_eq!((canvas.span_tokens(0), canvas.is_full()), (vec![5], true), "the rest is gone");
    }

    #[test]
    fn a_span_that_is_long_enough_expands_no_more() {
        let settings = DreamOnSettings { most: 2, ..DreamOnSettings::new(EXPAND, DELETE) };
        let mut canvas = Canvas::new(vec![0], vec![Slot::masked(0); 2], vec![]);
        let question = step(settings, &mut canvas, &[prediction(5, 0.1), prediction(6, 0.2)]);
        assert_eq!((question.banned, canvas.masked()), (vec![EXPAND], vec![1]));
    }
}
