//! What a recipe found, and its proven rewriting.

use std::ops::Range;
use std::sync::Arc;

use super::recipe::Recipe;
use crate::patch::Hunk;

/// Who made the new text of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A template or rule: determined by the match.
    Template,
    /// The model.
    Model,
}

impl Maker {
    /// In one word, for people and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Maker::Template => "template",
            Maker::Model => "model",
        }
    }
}

/// A span with a rewriting that met every condition.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The recipe.
    pub recipe: Arc<Recipe>,
    /// The bytes that are replaced.
    pub at: Range<usize>,
    /// What replaces them.
    pub new: String,
    /// The lines that change, as hunks of whole lines.
    pub hunks: Vec<Hunk>,
    /// Who made it.
    pub maker: Maker,
    /// 1 for what is determined; the least probability of a token for the model's.
    pub confidence: f32,
    /// Whether all lines that change are among those that may.
    pub is_inside: bool,
    /// Whether it is shown and not written, because a command fails with it or has not run.
    pub is_held_back: bool,
}

/// A span that a recipe found and the model has to rewrite.
#[derive(Clone, Debug)]
pub struct Open {
    /// The recipe.
    pub recipe: Arc<Recipe>,
    /// The bytes that may be replaced: whole lines.
    pub at: Range<usize>,
}
