//! Examples with a prompt, as the canvas adapter learns them: infills, edits, and worse code made good again.
//!
//! The layouts are those that the engine uses ([`prompt`]); the distribution of spans, windows and corruptions is that of the reference
//! (`corrupt.py`), except that spans of syntax are drawn as well, and that what is too long is left out in place of being cut.

use std::collections::HashMap;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::breaking::Breaker;
use super::canvas::Canvas;
use super::canvas::corrupt;
use super::canvas::measured;
use super::defects::INSTRUCTIONS;
use super::defects::defect;
use super::slots::example;
use crate::edit::prompt;
use crate::edit::prompt::Prompt;
use crate::edit::prompt::Window;
use crate::hook::recipe::RecipeError;
use crate::model::spec::ModelSpec;
use crate::model::spec::PromptTemplate;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::syntax::language::Language;
use crate::train::corpus::open::Records;
use crate::train::corpus::spans::SpanKind;
use crate::train::example::Example;
use crate::train::example::Source;

/// Records that are tried for one example.
const TRIES: usize = 64;
/// Longest span, and longest lines to rewrite, in tokens.
const LONGEST_SPAN: usize = 80;
const LONGEST_OLD: usize = 110;
const LONGEST_NEW: usize = 90;
/// Lines of text before and behind a span.
const LINES_BEFORE: usize = 24;
const LINES_AFTER: usize = 14;
/// Longest line, in bytes.
const LONGEST_LINE: usize = 300;
/// Share of lines' infills that start, and perhaps end, inside a line; share of infills of spans of syntax.
const INSIDE_LINES: f64 = 0.4;
const SYNTAX: f64 = 0.5;
/// Share of edits in place of which a defect is to be put right.
const DEFECTS: f64 = 0.4;
/// Share of canvases with surplus slots.
const SURPLUS: f64 = 0.8;
/// Tokens of text around an edit.
const EDIT_WINDOW: Window = Window { before: 90, after: 40, instruction: 256 };
/// Tokens of the text before a span that could stand in it by mistake.
const LIKELY: usize = 80;

/// What the examples of a model have in common.
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
    /// The frame of a model; `None` when no token closes its spans.
    pub fn new(spec: &ModelSpec, tokenizer: Arc<Tokenizer>) -> Option<Self> {
        Some(Self { tokenizer, template: spec.prompt, mask: spec.tokens.mask, end: spec.tokens.end?, measured: None })
    }

    /// A corruption of `span` behind a prompt. `likely` are tokens that could stand in it by mistake.
    fn example(&self, prompt: Prompt, span: &[TokenId], likely: &[TokenId], random: &mut StdRng) -> Example {
        let surplus = random.random::<f64>() < SURPLUS;
        let canvas = Canvas { likely, end: self.end, surplus, fixed: &[] };
        let slots = match self.measured {
            None => {
                let ratio = random.random_range(0.03..1.0);
                corrupt(span, ratio, &canvas, random)
            }
            Some(ratio) => measured(span, ratio, &canvas, random),
        };
        example(prompt.context, &slots, self.mask)
    }

    fn infill(&self, piece: &Piece<'_>, random: &mut StdRng) -> Option<Example> {
        let span = self.tokenizer.encode(piece.span);
        let longest = [piece.before, piece.span].concat().lines().map(str::len).max().unwrap_or(0);
        if piece.span.trim().is_empty() || span.len() > LONGEST_SPAN || longest > LONGEST_LINE {
            return None;
        }
        let window = match self.measured {
            None => Window { before: random.random_range(20..200), after: random.random_range(0..90), instruction: 0 },
            Some(_) => Window { before: 150, after: 60, instruction: 0 },
        };
        let prompt = prompt::infill(&self.tokenizer, self.template, piece.before, piece.after, window);
        let near = self.tokenizer.encode(piece.before);
        let likely = [span.as_slice(), &near[near.len().saturating_sub(LIKELY)..]].concat();
        Some(self.example(prompt, &span, &likely, random))
    }

    fn edit(&self, words: &Words<'_>, random: &mut StdRng) -> Option<Example> {
        let (old, new) = (self.tokenizer.encode(words.old), self.tokenizer.encode(words.new));
        if old.len() > LONGEST_OLD || new.len() > LONGEST_NEW {
            return None;
        }
        let around = (words.before, words.after);
        let prompt = prompt::edit(&self.tokenizer, self.template, words.instruction, words.old, around, EDIT_WINDOW);
        let likely = [old, new.clone()].concat();
        Some(self.example(prompt, &new, &likely, random))
    }
}

/// A span with the text around it.
struct Piece<'t> {
    before: &'t str,
    span: &'t str,
    after: &'t str,
}

/// An edit's texts.
struct Words<'t> {
    instruction: &'t str,
    before: &'t str,
    old: &'t str,
    new: &'t str,
    after: &'t str,
}

/// Infills of a corpus's files: lines, pieces of lines, and spans of syntax.
#[derive(Clone, Debug)]
pub struct Infills {
    /// The model.
    pub frame: Frame,
    /// Files.
    pub records: Records,
}

impl Source for Infills {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        for _ in 0..TRIES {
            let record = self.records.draw_by_tokens(random)?;
            let text = self.frame.tokenizer.decode(&record.tokens(0..usize::MAX));
            let range = if random.random::<f64>() < SYNTAX && record.span_count() > 0 {
                let span = record.span(random.random_range(0..record.span_count()));
                span.and_then(|span| with_blanks(&text, span.range))
            } else {
                lines_or_piece(&text, random)
            };
            let example = range.and_then(|range| self.frame.infill(&around(&text, range), random));
            if example.is_some() {
                return example;
            }
        }
        None
    }
}

/// A span with the blanks before it on its line, because tokens break before blanks. `None` where it does not lie in the text.
fn with_blanks(text: &str, range: std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    text.get(range.clone())?;
    let start = text[..range.start].trim_end_matches([' ', '\t']).len();
    Some(start..range.end)
}

/// Some lines, or a piece that starts inside of one; `None` when it did not work out this time.
fn lines_or_piece(text: &str, random: &mut StdRng) -> Option<std::ops::Range<usize>> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).filter(|&at| at < text.len()).collect();
    if starts.len() < 8 {
        return None;
    }
    let first = random.random_range(1..starts.len() - 2);
    let mut count = 1;
    while count < 10 && first + count < starts.len() && random.random::<f64>() >= 0.45 {
        count += 1;
    }
    let range = starts[first]..starts.get(first + count).copied().unwrap_or(text.len());
    if random.random::<f64>() >= INSIDE_LINES {
        return Some(range);
    }
    let cuts = cuts(&text[range.clone()]);
    if cuts.len() < 3 {
        return None;
    }
    let one = random.random_range(0..cuts.len());
    let mut other = random.random_range(0..cuts.len() - 1);
    other += usize::from(other >= one);
    let (start, end) = (cuts[one.min(other)], cuts[one.max(other)]);
    let end = if random.random::<f64>() < 0.6 { range.start + end } else { range.end };
    Some(range.start + start..end)
}

/// Places between characters where a piece may start or end: before blanks, and between words and signs.
fn cuts(text: &str) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let pairs = text.char_indices().zip(text.chars().skip(1));
    pairs
        .filter(|((_, left), right)| {
            let before_blank = !left.is_whitespace() && right.is_whitespace();
            let behind_sign = !left.is_whitespace() && !is_word(*left) && is_word(*right);
            before_blank || (is_word(*left) && !is_word(*right)) || behind_sign
        })
        .map(|((at, left), _)| at + left.len_utf8())
        .collect()
}

/// The span with some lines around it.
fn around(text: &str, range: std::ops::Range<usize>) -> Piece<'_> {
    let line = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let start = text[..line].rmatch_indices('\n').nth(LINES_BEFORE).map_or(0, |(at, _)| at + 1);
    let end = text[range.end..].match_indices('\n').nth(LINES_AFTER).map_or(text.len(), |(at, _)| range.end + at + 1);
    Piece { before: &text[start..range.start], span: &text[range.clone()], after: &text[range.end..end] }
}

/// Edits from histories; in some, a defect of the new text is to be put right instead.
#[derive(Clone, Debug)]
pub struct Edits {
    /// The model.
    pub frame: Frame,
    /// Edits.
    pub records: Records,
}

impl Source for Edits {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        for _ in 0..TRIES {
            let record = self.records.draw(random)?;
            let [instruction, before, old, new, after] =
                SpanKind::EDIT.map(|part| self.frame.tokenizer.decode(&record.part(part)));
            let breaks = self.frame.measured.is_none() && random.random::<f64>() < DEFECTS;
            let broken = if breaks { defect(&new, random) } else { None };
            let words = match &broken {
                Some(broken) => Words {
                    instruction: INSTRUCTIONS[random.random_range(0..INSTRUCTIONS.len())],
                    before: &before,
                    old: broken,
                    new: &new,
                    after: &after,
                },
                None => Words { instruction: &instruction, before: &before, old: &old, new: &new, after: &after },
            };
            if let Some(example) = self.frame.edit(&words, random) {
                return Some(example);
            }
        }
        None
    }
}

/// Clean code of a corpus's files that was made worse by a rule, to be made good again by the recipe's instruction.
#[derive(Debug)]
pub struct Refactorings {
    frame: Frame,
    records: Records,
    breakers: HashMap<Language, Breaker>,
}

impl Refactorings {
    /// A source over files.
    ///
    /// # Errors
    /// A rule is wrong: a fault of the build.
    pub fn new(frame: Frame, records: Records) -> Result<Self, RecipeError> {
        let mut breakers = HashMap::new();
        for language in Language::ALL {
            if let Some(breaker) = Breaker::new(language)? {
                breakers.insert(language, breaker);
            }
        }
        Ok(Self { frame, records, breakers })
    }
}

impl Source for Refactorings {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        for _ in 0..TRIES {
            let record = self.records.draw_by_tokens(random)?;
            let Some(breaker) = self.breakers.get(&record.language()) else { continue };
            let text = self.frame.tokenizer.decode(&record.tokens(0..usize::MAX));
            let Some(broken) = breaker.break_one(&text, random) else { continue };
            let words = Words {
                instruction: &broken.instruction,
                before: &broken.before,
                old: &broken.worse,
                new: &broken.good,
                after: &broken.after,
            };
            if let Some(example) = self.frame.edit(&words, random) {
                return Some(example);
            }
        }
        None
    }
}

/// Several sources, each drawn with its share; one that is exhausted or has nothing is passed over for the next.
pub struct Mixed {
    sources: Vec<(f64, Box<dyn Source + Send>)>,
}

impl std::fmt::Debug for Mixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixed").field("shares", &self.sources.iter().map(|source| source.0).collect::<Vec<_>>()).finish()
    }
}

impl Mixed {
    /// A mixture; the shares need not add up to 1, and what is not above 0 is never drawn.
    pub fn new(sources: Vec<(f64, Box<dyn Source + Send>)>) -> Self {
        Self { sources: sources.into_iter().filter(|(share, _)| *share > 0.0 && share.is_finite()).collect() }
    }
}

impl Source for Mixed {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        let all: f64 = self.sources.iter().map(|source| source.0).sum();
        let mut at = random.random::<f64>() * all;
        let chosen = self.sources.iter().position(|(share, _)| {
            at -= share;
            at < 0.0
        });
        let count = self.sources.len();
        let first = chosen.unwrap_or(count.saturating_sub(1));
        (0..count).find_map(|step| self.sources[(first + step) % count].1.next(random))
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
