//! Tasks drawn from a corpus: infills, edits, and worse code made good again.
//!
//! Lines are drawn as by the reference (`corrupt.py`); spans of syntax are drawn as well.

use std::collections::HashMap;

use rand::Rng;
use rand::rngs::StdRng;

use super::breaking::Breaker;
use super::defects::INSTRUCTIONS;
use super::defects::defect;
use super::tasks::Frame;
use super::tasks::Piece;
use super::tasks::Task;
use super::tasks::Tasks;
use super::tasks::Words;
use crate::hook::recipe::RecipeError;
use crate::syntax::language::Language;
use crate::train::corpus::open::Records;
use crate::train::corpus::spans::SpanKind;

/// Records that are tried for one task.
const TRIES: usize = 64;
/// Lines of text before and behind a span.
const LINES_BEFORE: usize = 24;
const LINES_AFTER: usize = 14;
/// Share of lines' infills that start, and perhaps end, inside a line; share of infills of spans of syntax.
const INSIDE_LINES: f64 = 0.4;
const SYNTAX: f64 = 0.5;
/// Share of edits in place of which a defect is to be put right.
const DEFECTS: f64 = 0.4;

/// Infills of a corpus's files: lines, pieces of lines, and spans of syntax.
#[derive(Clone, Debug)]
pub struct Infills {
    /// The model.
    pub frame: Frame,
    /// Files.
    pub records: Records,
}

impl Tasks for Infills {
    fn next(&mut self, random: &mut StdRng) -> Option<Task> {
        for _ in 0..TRIES {
            let record = self.records.draw_by_tokens(random)?;
            let text = self.frame.tokenizer.decode(&record.tokens(0..usize::MAX));
            let range = if random.random::<f64>() < SYNTAX && record.span_count() > 0 {
                let span = record.span(random.random_range(0..record.span_count()));
                span.and_then(|span| with_blanks(&text, span.range))
            } else {
                lines_or_piece(&text, random)
            };
            let task = range.and_then(|range| self.frame.infill(&around(&text, range), random));
            if task.is_some() {
                return task;
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

impl Tasks for Edits {
    fn next(&mut self, random: &mut StdRng) -> Option<Task> {
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
            if let Some(task) = self.frame.edit(&words) {
                return Some(task);
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

impl Tasks for Refactorings {
    fn next(&mut self, random: &mut StdRng) -> Option<Task> {
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
            if let Some(task) = self.frame.edit(&words) {
                return Some(task);
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
