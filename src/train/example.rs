//! What one example of training is, and where examples come from.

use rand::rngs::StdRng;

use crate::model::spec::TokenId;

/// One sequence to learn from. `tokens`, `targets` and `weights` are of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// What the model sees: context, then canvas. A masked element holds the mask token.
    pub tokens: Vec<TokenId>,
    /// What is to be predicted for each element, wherever the model reads that prediction (the shift is the loss's business);
    /// `None` where nothing is learned.
    pub targets: Vec<Option<TokenId>>,
    /// Elements at the beginning that are context and nothing else. With canvas attention they run through the base alone, all but
    /// the last one, which is the anchor of the canvas. Elements of the context have no targets.
    pub context: usize,
    /// Weight of the loss of each element; it counts where there is a target.
    pub weights: Vec<f32>,
}

impl Example {
    /// Whether the parts fit each other: equal lengths, a context within the tokens and without targets, weights that are numbers
    /// and not negative.
    pub fn is_sound(&self) -> bool {
        let lengths = self.targets.len() == self.tokens.len() && self.weights.len() == self.tokens.len();
        let context = self.targets.get(..self.context).is_some_and(|targets| targets.iter().all(Option::is_none));
        lengths && context && self.weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// A stream of examples that depends on the random numbers and on nothing else: the same generator in the same state gives the same
/// examples, whatever ran before. So a run can be taken up again from the state of the generator alone.
pub trait Source {
    /// The next example; `None` when there is nothing to make one of, or no more.
    fn next(&mut self, random: &mut StdRng) -> Option<Example>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_fit_are_told() {
        let sound =
            Example { tokens: vec![1, 2, 3], targets: vec![None, Some(4), None], context: 1, weights: vec![0.0, 1.0, 0.0] };
        assert!(sound.is_sound());
        for broken in [
            Example { targets: vec![None, Some(4)], ..sound.clone() },
            Example { weights: vec![0.0], ..sound.clone() },
            Example { context: 2, ..sound.clone() },
            Example { context: 4, ..sound.clone() },
            Example { weights: vec![0.0, f32::NAN, 0.0], ..sound.clone() },
            Example { weights: vec![0.0, -1.0, 0.0], ..sound.clone() },
        ] {
            assert!(!broken.is_sound(), "{broken:?}");
        }
    }
}
