//! The surest slots of a block, as many as a schedule says: LLaDA's low-confidence remasking, and Dream's maskgit-plus, top-k
//! margin and entropy.

use crate::diffusion::samplers::confidence::Confidence;
use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::rule::largest;
use crate::diffusion::samplers::schedule::Schedule;

/// See the module.
#[derive(Debug)]
pub struct Quota {
    confidence: Confidence,
    schedule: Schedule,
    steps: usize,
    by_places: bool,
    counts: Vec<usize>,
}

impl Quota {
    /// `steps` steps for each block.
    pub fn new(confidence: Confidence, schedule: Schedule, steps: usize) -> Self {
        Self { confidence, schedule, steps, by_places: false, counts: Vec::new() }
    }

    /// The numbers are those of a block in which every place is masked, as SDAR counts; a block that begins with given tokens
    /// then takes fewer steps.
    #[must_use]
    pub fn by_places(self) -> Self {
        Self { by_places: true, ..self }
    }

    /// How many slots this call commits; never more than are left, and all of them when the schedule is used up.
    pub(super) fn count(&self, call: usize, left: usize) -> usize {
        self.counts.get(call).copied().unwrap_or(left).min(left)
    }
}

impl Rule for Quota {
    fn top_k(&self) -> usize {
        self.confidence.top_k()
    }

    fn begin(&mut self, masks: usize, places: usize) {
        self.counts = self.schedule.counts(if self.by_places { places } else { masks }, self.steps);
    }

    fn choose(&mut self, seen: &[Seen<'_>], call: usize) -> Vec<usize> {
        let confidences: Vec<f32> = seen.iter().map(|seen| self.confidence.of(seen.prediction)).collect();
        largest(&confidences, self.count(call, seen.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::samplers::rule::testing::choose;

    #[test]
    fn the_surest_are_committed() {
        let mut rule = Quota::new(Confidence::Probability, Schedule::Even, 2);
        assert_eq!(choose(&mut rule, &[0.5, 0.9, 0.1, 0.7]), [1, 3]);
        // A coin is unsure by margin and entropy too, whatever its probability among many tokens would be.
        for confidence in [Confidence::Margin, Confidence::NegativeEntropy] {
            let mut rule = Quota::new(confidence, Schedule::Even, 4);
            assert_eq!(choose(&mut rule, &[0.5, 0.9, 0.6, 0.7]), [1]);
        }
    }

    #[test]
    fn a_schedule_that_is_used_up_leaves_nothing() {
        let mut rule = Quota::new(Confidence::Probability, Schedule::Even, 2);
        rule.begin(4, 4);
        assert_eq!((rule.count(0, 4), rule.count(1, 1), rule.count(2, 3)), (2, 1, 3));
    }
}
