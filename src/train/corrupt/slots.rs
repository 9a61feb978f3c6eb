//! A run of slots in training: what is seen in each, and what shall stand there.

use crate::model::spec::TokenId;
use crate::train::example::Example;

/// One slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// What the model sees; `None` is a masked slot.
    pub seen: Option<TokenId>,
    /// What shall stand here: a token of the text, or one that says what becomes of the slot.
    pub target: TokenId,
    /// What its loss counts; 0 for none.
    pub weight: f32,
    /// Tokens of the clean text that it stands for: 1, 2 for a slot that expands, 0 for one that goes away.
    pub covers: usize,
}

impl Slot {
    /// A slot with the token that belongs there, of which nothing is to be learned.
    pub fn clean(token: TokenId) -> Self {
        Self { seen: Some(token), target: token, weight: 0.0, covers: 1 }
    }

    /// A masked slot behind the text, which learns that it is not needed.
    pub fn surplus(target: TokenId) -> Self {
        Self { seen: None, target, weight: 0.0, covers: 0 }
    }

    /// Whether nothing is seen in it.
    pub fn is_masked(&self) -> bool {
        self.seen.is_none()
    }

    /// Whether something wrong is seen in it.
    pub fn is_wrong(&self) -> bool {
        self.seen.is_some_and(|token| token != self.target)
    }
}

/// A run of clean slots.
pub fn clean(tokens: &[TokenId]) -> Vec<Slot> {
    tokens.iter().copied().map(Slot::clean).collect()
}

/// The example of a context and the slots behind it. Slots of weight 0 have targets too: some losses count them.
pub fn example(context: Vec<TokenId>, slots: &[Slot], mask: TokenId) -> Example {
    let length = context.len();
    let mut example = Example { targets: vec![None; length], weights: vec![0.0; length], context: length, tokens: context };
    for slot in slots {
        example.tokens.push(slot.seen.unwrap_or(mask));
        example.targets.push(Some(slot.target));
        example.weights.push(slot.weight);
    }
    example
}
