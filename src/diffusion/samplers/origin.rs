//! Slots at random, each with the share of the masks that a step of the schedule uncovers (the original sampler of masked
//! diffusion models; Dream's `origin`). The places are random also where tokens are not.

use std::collections::VecDeque;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::diffusion::samplers::rule::Rule;
use crate::diffusion::samplers::rule::Seen;
use crate::diffusion::samplers::schedule::dream_share;

/// See the module.
#[derive(Debug)]
pub struct Origin {
    steps: usize,
    eps: f32,
    draws: Draws,
}

/// Where uniform numbers come from.
#[derive(Debug)]
enum Draws {
    Seeded(Box<StdRng>),
    Given(VecDeque<Vec<f32>>),
}

impl Origin {
    /// Draws from a seed.
    pub fn seeded(steps: usize, eps: f32, seed: u64) -> Self {
        Self { steps, eps, draws: Draws::Seeded(Box::new(StdRng::seed_from_u64(seed))) }
    }

    /// Takes the draws from a record: for each call one number for each masked slot.
    pub fn recorded(steps: usize, eps: f32, draws: Vec<Vec<f32>>) -> Self {
        Self { steps, eps, draws: Draws::Given(draws.into()) }
    }
}

impl Rule for Origin {
    fn choose(&mut self, seen: &[Seen<'_>], call: usize) -> Vec<usize> {
        let share = dream_share(call, self.steps, self.eps);
        let draws: Vec<f32> = match &mut self.draws {
            Draws::Seeded(random) => seen.iter().map(|_| random.random()).collect(),
            Draws::Given(record) => record.pop_front().unwrap_or_default(),
        };
        (0..seen.len()).filter(|&index| draws.get(index).is_none_or(|draw| *draw < share)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::samplers::rule::testing::predictions;

    #[test]
    fn the_last_step_leaves_nothing_and_a_seed_repeats() {
        let predictions = predictions(&[0.5; 40]);
        let seen: Vec<Seen<'_>> = (0..).zip(&predictions).map(|(id, prediction)| Seen { id, prediction }).collect();
        let run = |seed| {
            let mut rule = Origin::seeded(4, 1e-3, seed);
            (0..4).map(|call| rule.choose(&seen, call)).collect::<Vec<_>>()
        };
        let first = run(3);
        assert_eq!(first, run(3));
        assert_ne!(first, run(4));
        assert!((2..30).contains(&first[0].len()), "a quarter of 40, more or less: {}", first[0].len());
        assert_eq!(first[3].len(), 40);
    }
}
