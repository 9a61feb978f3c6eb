//! Runs a rule over blocks of the canvas, one after the other, and says what of earlier passes may be kept for a call.
//!
//! Places are elements: those of the context first, then the slots, then the text behind them.

use std::ops::Range;

use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Op;
use crate::diffusion::denoiser::Prediction;
use crate::diffusion::denoiser::Reuse;
use crate::diffusion::filter::Filter;
use crate::diffusion::sampler::Pick;
use crate::diffusion::sampler::Question;
use crate::diffusion::sampler::Sampler;
use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;

/// Where blocks lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// All masked slots are one block.
    #[default]
    Whole,
    /// Blocks of one size, counted from an element; what lies before it is the first block.
    Every {
        /// Elements of a block.
        size: usize,
        /// The element at which one begins.
        from: usize,
    },
    /// These, in order; slots outside of them come last.
    At(Vec<Range<usize>>),
}

impl Blocks {
    /// The block of an element: its number and its place.
    fn of(&self, element: usize, elements: usize) -> (usize, Range<usize>) {
        match self {
            Self::Whole => (0, 0..elements),
            Self::Every { size, from } => match element.checked_sub(*from) {
                None => (0, 0..*from),
                Some(behind) => {
                    let number = behind / (*size).max(1);
                    let start = from + number * size;
                    (number + 1, start..(start + (*size).max(1)).min(elements))
                }
            },
            Self::At(blocks) => match blocks.iter().position(|block| block.contains(&element)) {
                Some(number) => (number, blocks[number].clone()),
                None => (blocks.len(), 0..elements),
            },
        }
    }
}

/// What is kept between the calls for a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// Nothing.
    #[default]
    Off,
    /// Keys and values of everything before the block (Fast-dLLM's prefix cache).
    Prefix,
    /// Keys and values of everything outside of the block (Fast-dLLM's dual cache).
    Dual,
    /// Keys and values of the blocks before, which attention within blocks makes exact.
    Blocks,
}

/// Settings of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachePlan {
    /// What is kept.
    pub cache: Cache,
    /// Elements before a block that run with it. A model that reads the prediction for an element at the one before it needs 1,
    /// so that the first slot of a block is read from a fresh row.
    pub lead: usize,
    /// Elements on both sides of the block that run with it too.
    pub around: usize,
    /// Every how many calls for a block everything runs; 0 is at its beginning only, 1 is no cache.
    pub refresh: usize,
}

/// See the module.
pub struct Blockwise {
    rule: Box<dyn Rule>,
    blocks: Blocks,
    plan: CachePlan,
    filter: Filter,
    pick: Pick,
    block: Option<usize>,
    calls: usize,
}

/// Alternatives to draw from when sampling is not greedy.
const DRAWN_FROM: usize = 64;

impl Blockwise {
    /// A rule over blocks, greedy and without a cache.
    pub fn new(rule: Box<dyn Rule>, blocks: Blocks) -> Self {
        let (plan, filter) = (CachePlan::default(), Filter::default());
        Self { rule, blocks, plan, filter, pick: Pick::greedy(), block: None, calls: 0 }
    }

    /// The same with a cache.
    #[must_use]
    pub fn cached(self, plan: CachePlan) -> Self {
        Self { plan, ..self }
    }

    /// The same with filtered predictions, from which tokens are drawn when there is a temperature.
    #[must_use]
    pub fn filtered(self, filter: Filter, seed: u64) -> Self {
        // The temperature is in the predictions already.
        let pick = if filter.temperature > 0.0 { Pick::seeded(1.0, seed) } else { Pick::greedy() };
        Self { filter, pick, ..self }
    }

    fn reuse(&self, block: &Range<usize>, elements: usize) -> Reuse {
        let refreshed = match self.plan.refresh {
            0 => self.calls == 0,
            every => self.calls.is_multiple_of(every),
        };
        let start = block.start.saturating_sub(self.plan.lead + self.plan.around);
        match self.plan.cache {
            Cache::Off => Reuse::Nothing,
            Cache::Blocks => Reuse::Outside { start: block.start, end: block.end },
            Cache::Prefix | Cache::Dual if refreshed => Reuse::Nothing,
            Cache::Prefix => Reuse::Outside { start, end: elements },
            Cache::Dual => Reuse::Outside { start, end: (block.end + self.plan.around).min(elements) },
        }
    }
}

impl Sampler for Blockwise {
    fn ask(&mut self, canvas: &Canvas) -> Question {
        let context = canvas.context().len();
        let elements = context + canvas.slots().len() + canvas.after().len();
        let masked = canvas.masked();
        let place = |slot: &usize| self.blocks.of(context + slot, elements);
        let Some((number, mut block)) = masked.iter().map(place).min_by_key(|(number, _)| *number) else {
            return Question::default();
        };
        let slots: Vec<usize> = masked.into_iter().filter(|slot| place(slot).0 == number).collect();
        if self.blocks == Blocks::Whole {
            // As small as the masks let it be, so that a cache pays.
            block = context + slots[0]..context + slots[slots.len() - 1] + 1;
        }
        if self.block != Some(number) {
            (self.block, self.calls) = (Some(number), 0);
            self.rule.begin(slots.len(), block.len());
        }
        let top_k = if self.pick.is_greedy() { self.rule.top_k() } else { DRAWN_FROM.max(self.rule.top_k()) };
        let reuse = self.reuse(&block, elements);
        Question { top_k, reuse, filter: self.filter, ..Question::about(slots) }
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.rule.set_threshold(threshold);
    }

    fn step(&mut self, canvas: &Canvas, asked: &[usize], predictions: &[Prediction]) -> Vec<Op> {
        let seen = asked.iter().zip(predictions).map(|(&slot, prediction)| Seen { id: canvas.ids()[slot], prediction });
        let mut chosen = self.rule.choose(&seen.collect::<Vec<_>>(), self.calls);
        self.calls += 1;
        chosen.sort_unstable();
        let mut commit = |index: usize| {
            let (token, confidence) = self.pick.pick(&predictions[index]);
            Op::Commit { slot: asked[index], token, confidence }
        };
        chosen.into_iter().filter(|index| *index < asked.len()).map(&mut commit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::canvas::Slot;
    use crate::diffusion::samplers::rule::testing::predictions;
    use crate::diffusion::samplers::threshold::AtLeast;

    /// Slots and reuse of each question when every step commits one slot; 3 elements of context, 6 slots, 2 behind them.
    fn questions(blocks: Blocks, plan: CachePlan) -> Vec<(Vec<usize>, Reuse)> {
        let mut canvas = Canvas::new(vec![0; 3], vec![Slot::masked(0); 6], vec![0; 2]);
        let mut sampler = Blockwise::new(Box::new(AtLeast::new(0.9)), blocks).cached(plan);
        let mut questions = Vec::new();
        while sampler.is_open(&canvas) {
            let question = sampler.ask(&canvas);
            let ops = sampler.step(&canvas, &question.slots, &predictions(&vec![0.5; question.slots.len()]));
            assert_eq!(ops.len(), 1);
            assert!(canvas.apply(ops[0]));
            questions.push((question.slots, question.reuse));
        }
        questions
    }

    #[test]
    fn blocks_come_in_order() {
        let slots = |blocks| questions(blocks, CachePlan::default()).into_iter().map(|(slots, _)| slots).collect::<Vec<_>>();
        let size = |slots: Vec<Vec<usize>>| slots.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(size(slots(Blocks::Whole)), [6, 5, 4, 3, 2, 1]);
        assert_eq!(slots(Blocks::Every { size: 4, from: 0 })[..2], [vec![0], vec![1, 2, 3, 4]], "blocks begin at element 0");
        assert_eq!(size(slots(Blocks::Every { size: 4, from: 3 })), [4, 3, 2, 1, 2, 1]);
        assert_eq!(size(slots(Blocks::Every { size: 4, from: 5 })), [2, 1, 4, 3, 2, 1]);
        assert_eq!(size(slots(Blocks::At(vec![6..9, 3..5]))), [3, 2, 1, 2, 1, 1]);
    }

    #[test]
    fn a_cache_is_filled_when_a_block_begins_and_as_often_as_wished() {
        let reuse = |blocks, plan| questions(blocks, plan).into_iter().map(|(_, reuse)| reuse).collect::<Vec<_>>();
        let blocks = Blocks::Every { size: 3, from: 3 };
        let outside = |start, end| Reuse::Outside { start, end };
        let plan = CachePlan { cache: Cache::Dual, lead: 1, ..CachePlan::default() };
        let dual = reuse(blocks.clone(), plan);
        assert_eq!(dual[..4], [Reuse::Nothing, outside(2, 6), outside(2, 6), Reuse::Nothing]);
        let prefix = reuse(blocks.clone(), CachePlan { cache: Cache::Prefix, ..plan });
        assert_eq!(prefix[1], outside(2, 11));
        let exact = reuse(blocks.clone(), CachePlan { cache: Cache::Blocks, lead: 0, ..plan });
        assert_eq!((exact[0], exact[3]), (outside(3, 6), outside(6, 9)));
        let often = reuse(blocks, CachePlan { refresh: 1, ..plan });
        assert!(often.iter().all(|reuse| *reuse == Reuse::Nothing));
        let whole = reuse(Blocks::Whole, CachePlan { around: 1, refresh: 2, ..plan });
        assert_eq!(whole[..4], [Reuse::Nothing, outside(2, 10), Reuse::Nothing, outside(4, 10)]);
    }
}
