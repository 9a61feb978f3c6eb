//! Behaviour of references that dcode does not offer, so that their trajectories can be compared all the same.

use dcode::diffusion::samplers::confidence::Confidence;
use dcode::diffusion::samplers::quota::Quota;
use dcode::diffusion::samplers::rule::Rule;
use dcode::diffusion::samplers::rule::Seen;
use dcode::diffusion::samplers::schedule::Schedule;
use dcode::diffusion::samplers::threshold::AtLeast;

/// Fast-dLLM Dream with a cache: the pass that begins a block commits its first place, whatever its confidence, because later
/// passes would read it from a row of their own. dcode runs one element more instead.
pub struct ForcedFirst(pub AtLeast);

impl Rule for ForcedFirst {
    fn choose(&mut self, seen: &[Seen<'_>], call: usize) -> Vec<usize> {
        if call == 0 { vec![0] } else { self.0.choose(seen, call) }
    }
}

/// Fast-dLLM Dream without a cache: the threshold acts within the number of slots that a schedule has left for the step.
pub struct CappedThreshold {
    pub threshold: f32,
    pub steps: usize,
    pub later: Vec<usize>,
}

impl Rule for CappedThreshold {
    fn begin(&mut self, masks: usize, _places: usize) {
        let counts = Schedule::Linear.counts(masks, self.steps);
        self.later = (0..counts.len()).map(|call| counts[call + 1..].iter().sum()).collect();
    }

    fn choose(&mut self, seen: &[Seen<'_>], call: usize) -> Vec<usize> {
        let most = seen.len().saturating_sub(self.later.get(call).copied().unwrap_or(0));
        let mut surest = Quota::new(Confidence::Probability, Schedule::Even, 1);
        surest.begin(most, most);
        let chosen = surest.choose(seen, 0);
        let sure =
            chosen.iter().enumerate().take_while(|(rank, index)| *rank == 0 || seen[**index].probability() >= self.threshold);
        sure.map(|(_, index)| *index).collect()
    }
}
