//! Mixtures of sources of examples or of tasks.

use rand::Rng;
use rand::rngs::StdRng;

use super::tasks::Task;
use super::tasks::Tasks;
use crate::train::example::Example;
use crate::train::example::Source;

/// Several sources, each drawn with its share; one that is exhausted or has nothing is passed over for the next.
pub struct Mixed<S: ?Sized> {
    sources: Vec<(f64, Box<S>)>,
}

impl<S: ?Sized> std::fmt::Debug for Mixed<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixed").field("shares", &self.sources.iter().map(|source| source.0).collect::<Vec<_>>()).finish()
    }
}

impl<S: ?Sized> Mixed<S> {
    /// A mixture; the shares need not add up to 1, and what is not above 0 is never drawn.
    pub fn new(sources: Vec<(f64, Box<S>)>) -> Self {
        Self { sources: sources.into_iter().filter(|(share, _)| *share > 0.0 && share.is_finite()).collect() }
    }

    fn draw<T>(&mut self, random: &mut StdRng, next: impl Fn(&mut S, &mut StdRng) -> Option<T>) -> Option<T> {
        let all: f64 = self.sources.iter().map(|source| source.0).sum();
        let mut at = random.random::<f64>() * all;
        let chosen = self.sources.iter().position(|(share, _)| {
            at -= share;
            at < 0.0
        });
        let count = self.sources.len();
        let first = chosen.unwrap_or(count.saturating_sub(1));
        (0..count).find_map(|step| next(&mut self.sources[(first + step) % count].1, random))
    }
}

impl Source for Mixed<dyn Source> {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        self.draw(random, |source, random| source.next(random))
    }
}

impl Tasks for Mixed<dyn Tasks> {
    fn next(&mut self, random: &mut StdRng) -> Option<Task> {
        self.draw(random, |tasks, random| tasks.next(random))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::model::spec::TokenId;

    struct Fixed(Option<TokenId>);

    impl Source for Fixed {
        fn next(&mut self, _: &mut StdRng) -> Option<Example> {
            self.0.map(|id| Example { tokens: vec![id], targets: vec![None], weights: vec![0.0], context: 0 })
        }
    }

    fn mixed(sources: &[(f64, Option<TokenId>)]) -> Mixed<dyn Source> {
        let boxed = |&(share, id): &(f64, Option<TokenId>)| (share, Box::new(Fixed(id)) as Box<dyn Source>);
        Mixed::new(sources.iter().map(boxed).collect())
    }

    #[test]
    fn a_mixture_keeps_its_shares() {
        let mut three = mixed(&[(3.0, Some(1)), (1.0, Some(2)), (0.0, Some(3))]);
        let mut counts = [0_usize; 4];
        let mut random = StdRng::seed_from_u64(1);
        (0..4000).for_each(|_| counts[three.next(&mut random).unwrap().tokens[0] as usize] += 1);
        assert!(counts[1].abs_diff(3000) < 120 && counts[2].abs_diff(1000) < 120 && counts[3] == 0, "{counts:?}");
        let mut passed = mixed(&[(5.0, None), (1.0, Some(2))]);
        assert!((0..50).all(|_| passed.next(&mut random).is_some()));
        assert_eq!(mixed(&[]).next(&mut random), None);
        assert_eq!(mixed(&[(1.0, None)]).next(&mut random), None);
    }
}
