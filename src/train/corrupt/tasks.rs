//! Tasks with a prompt, as the canvas adapter learns them, and the corruptions of one task that share its context.
//!
//! The layouts are those that the engine uses ([`prompt`]); windows and corruptions have the distribution of the reference (`corrupt.py`),
//! except that what is too long is left out in place of being cut.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::canvas::Canvas;
use super::canvas::corrupt;
use super::canvas::measured;
use super::slots::example;
use crate::edit::prompt;
use crate::edit::prompt::Prompt;
use crate::edit::prompt::Window;
use crate::model::spec::PromptTemplate;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::train::example::Example;

/// Longest span, and longest lines to rewrite, in tokens.
const LONGEST_SPAN: usize = 80;
const LONGEST_OLD: usize = 110;
const LONGEST_NEW: usize = 90;
/// Longest line, in bytes.
const LONGEST_LINE: usize = 300;
/// Share of canvases with surplus slots.
const SURPLUS: f64 = 0.8;
/// Tokens of text around an edit.
const EDIT_WINDOW: Window = Window { before: 90, after: 40, instruction: 256 };
/// Tokens of the text before a span that could stand in it by mistake.
const LIKELY: usize = 80;

/// What is asked of a model: a context, and the span that belongs into the canvas behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The prompt.
    pub context: Vec<TokenId>,
    /// The answer.
    pub span: Vec<TokenId>,
    /// Tokens that could stand in it by mistake.
    pub likely: Vec<TokenId>,
}

/// A stream of tasks that depends on the random numbers and on nothing else, like a [`Source`](crate::train::example::Source).
pub trait Tasks {
    /// The next task; `None` when there is nothing to make one of.
    fn next(&mut self, random: &mut StdRng) -> Option<Task>;
}

/// What the tasks of a model have in common.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The model's tokenizer, with which the corpus was made.
    pub tokenizer: Arc<Tokenizer>,
    /// Its layout.
    pub template: PromptTemplate,
    /// The token in a masked slot.
    pub mask: TokenId,
    /// The token that closes a span.
    pub end: TokenId,
    /// Share of the slots that are masked evenly, and all of them counted alike, to measure a held-out loss; `None` corrupts as in
    /// training.
    pub measured: Option<f64>,
}

impl Frame {
    /// A corruption of a task.
    pub fn corrupted(&self, task: &Task, random: &mut StdRng) -> Example {
        let surplus = random.random::<f64>() < SURPLUS;
        let canvas = Canvas { likely: &task.likely, end: self.end, surplus, fixed: &[] };
        let slots = match self.measured {
            None => {
                let ratio = random.random_range(0.03..1.0);
                corrupt(&task.span, ratio, &canvas, random)
            }
            Some(ratio) => measured(&task.span, ratio, &canvas, random),
        };
        example(task.context.clone(), &slots, self.mask)
    }

    /// Some corruptions of the next task; their context runs once for all of them.
    pub fn group(&self, tasks: &mut dyn Tasks, copies: usize, random: &mut StdRng) -> Option<Vec<Example>> {
        let task = tasks.next(random)?;
        Some((0..copies).map(|_| self.corrupted(&task, random)).collect())
    }

    /// To fill in a piece of a text; `None` when it is empty or too long.
    pub(super) fn infill(&self, piece: &Piece<'_>, random: &mut StdRng) -> Option<Task> {
        let span = self.tokenizer.encode(piece.span);
        let longest = [piece.before, piece.span].concat().lines().map(str::len).max().unwrap_or(0);
        if piece.span.trim().is_empty() || span.len() > LONGEST_SPAN || longest > LONGEST_LINE {
            return None;
        }
        let window = match self.measured {
            None => Window { before: random.random_range(20..200), after: random.random_range(0..90), instruction: 0 },
            Some(_) => Window { before: 150, after: 60, instruction: 0 },
        };
        let Prompt { context, .. } = prompt::infill(&self.tokenizer, self.template, piece.before, piece.after, window);
        let near = self.tokenizer.encode(piece.before);
        let likely = [span.as_slice(), &near[near.len().saturating_sub(LIKELY)..]].concat();
        Some(Task { context, span, likely })
    }

    /// To rewrite lines by an instruction; `None` when they are too long.
    pub(super) fn edit(&self, words: &Words<'_>) -> Option<Task> {
        let (old, new) = (self.tokenizer.encode(words.old), self.tokenizer.encode(words.new));
        if old.len() > LONGEST_OLD || new.len() > LONGEST_NEW {
            return None;
        }
        let around = (words.before, words.after);
        let Prompt { context, .. } =
            prompt::edit(&self.tokenizer, self.template, words.instruction, words.old, around, EDIT_WINDOW);
        let likely = [old, new.clone()].concat();
        Some(Task { context, span: new, likely })
    }
}

/// A span with the text around it.
pub(super) struct Piece<'t> {
    pub before: &'t str,
    pub span: &'t str,
    pub after: &'t str,
}

/// An edit's texts.
pub(super) struct Words<'t> {
    pub instruction: &'t str,
    pub before: &'t str,
    pub old: &'t str,
    pub new: &'t str,
    pub after: &'t str,
}
