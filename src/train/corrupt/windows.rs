//! Examples from windows of a corpus's files, without a prompt: what a model learns from random weights, or an adapted whole one.

use std::ops::Range;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::edits::edit;
use super::length::draw_merge;
use super::length::merge;
use super::length::surplus;
use super::mask::Masking;
use super::mask::mask;
use super::slots::Slot;
use super::slots::clean;
use super::slots::example;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::train::corpus::open::Records;
use crate::train::corpus::shard::Record;
use crate::train::example::Example;
use crate::train::example::Source;

/// Spans that are masked in a window at most, and the share of it that they may fill.
const MOST_SPANS: usize = 8;
const MOST_SPAN_SHARE: f64 = 0.5;
/// Most slots behind a span that are to go away, as in DreamOn's reference.
const MOST_DELETES: usize = 64;

/// How a window is corrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Corruption {
    /// Not at all: every token is learned as it stands, which with causal attention is an autoregressive model's training.
    None,
    /// Tokens anywhere are masked.
    Tokens(Masking),
    /// Tokens inside of spans of syntax are masked.
    Spans(Masking),
    /// Tokens inside of one span of syntax are masked; some pairs of them are one slot that learns `expand`, and slots behind the span learn
    /// `delete` (DreamOn).
    Length {
        /// How tokens are masked.
        masking: Masking,
        /// The token that makes two slots of one.
        expand: TokenId,
        /// The token that takes a slot away.
        delete: TokenId,
    },
    /// Up to this share of the tokens is deleted, inserted or substituted, and all of them are learned (Seed Diffusion's second stage).
    Edits {
        /// The largest share of edits; each window has one from 0 to this.
        alpha: f64,
        /// What a slot counts that holds the right token.
        kept_weight: f32,
    },
}

/// A source of windows.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Files.
    pub records: Records,
    /// The tokenizer that the corpus was made with.
    pub tokenizer: Arc<Tokenizer>,
    /// Tokens of a window; a shorter file is one of its own.
    pub length: usize,
    /// What is done to it.
    pub corruption: Corruption,
    /// The token in a masked slot.
    pub mask: TokenId,
    /// Where predictions are read: with the right shift nothing stands before the first token, and nothing is learned about it.
    pub shift: Shift,
}

/// Some record, and a window of at most `length` tokens in it; each token is as likely as every other.
pub fn draw_window<'r>(records: &'r Records, length: usize, random: &mut StdRng) -> Option<(Record<'r>, Range<usize>)> {
    let record = records.draw_by_tokens(random)?;
    let length = record.len().min(length);
    let start = random.random_range(0..=record.len() - length);
    Some((record, start..start + length))
}

impl Source for Windows {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        let (record, window) = draw_window(&self.records, self.length, random)?;
        let tokens = record.tokens(window.clone());
        let spans = match self.corruption {
            Corruption::Spans(_) | Corruption::Length { .. } => self.spans(&record, window),
            _ => Vec::new(),
        };
        let mut example = example(Vec::new(), &self.corrupt(&tokens, &spans, random), self.mask);
        if let (Shift::Right, Some(target), Some(weight)) = (self.shift, example.targets.first_mut(), example.weights.first_mut())
        {
            (*target, *weight) = (None, 0.0);
        }
        Some(example)
    }
}

impl Windows {
    /// The slots of a window with these spans of syntax in it.
    fn corrupt(&self, tokens: &[TokenId], spans: &[Range<usize>], random: &mut StdRng) -> Vec<Slot> {
        let whole = self.first().min(tokens.len())..tokens.len();
        let wrong = self.wrong(tokens, random);
        let mut slots = clean(tokens);
        match &self.corruption {
            Corruption::None => slots.iter_mut().for_each(|slot| slot.weight = 1.0),
            Corruption::Tokens(masking) => mask(&mut slots, &[whole], masking, &wrong, random),
            Corruption::Spans(masking) => {
                let chosen = choose(spans, tokens.len(), random);
                mask(&mut slots, if chosen.is_empty() { std::slice::from_ref(&whole) } else { &chosen }, masking, &wrong, random);
            }
            Corruption::Length { masking, expand, delete } => {
                let span = if spans.is_empty() { whole } else { spans[random.random_range(0..spans.len())].clone() };
                let behind = slots.split_off(span.end);
                mask(&mut slots, std::slice::from_ref(&span), masking, &wrong, random);
                let mut inside = slots.split_off(span.start);
                let probability = draw_merge(&inside, random);
                merge(&mut inside, probability, *expand, random);
                let weight = inside.iter().map(|slot| slot.weight).fold(0.0, f32::max);
                surplus(&mut inside, random.random_range(0..=MOST_DELETES.min(span.len())), *delete, weight);
                slots.extend(inside);
                slots.extend(behind);
            }
            Corruption::Edits { alpha, kept_weight } => {
                let alpha = random.random_range(0.0..=*alpha);
                edit(&mut slots[whole], alpha, &wrong, random);
                let right = slots.iter_mut().filter(|slot| !slot.is_masked() && !slot.is_wrong());
                right.for_each(|slot| slot.weight = *kept_weight);
            }
        }
        slots
    }

    /// The first token that something is learned about.
    fn first(&self) -> usize {
        usize::from(self.shift == Shift::Right)
    }

    /// Tokens that could stand somewhere by mistake: those of the window, and as many from anywhere in the vocabulary.
    fn wrong(&self, tokens: &[TokenId], random: &mut StdRng) -> Vec<TokenId> {
        let size = u32::try_from(self.tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let mut wrong = tokens.to_vec();
        if size > 0 {
            wrong.extend((0..tokens.len()).map(|_| random.random_range(0..size)).filter(|&id| self.tokenizer.is_text(id)));
        }
        wrong
    }

    /// The spans of syntax inside a window, as ranges of its tokens: from the token that holds the first byte to that with the last.
    fn spans(&self, record: &Record<'_>, window: Range<usize>) -> Vec<Range<usize>> {
        let mut ends = Vec::with_capacity(window.end);
        let mut sum = 0;
        for id in record.tokens(0..window.end) {
            sum += self.tokenizer.bytes(id).len();
            ends.push(sum);
        }
        let token_of = |byte: usize| ends.partition_point(|&end| end <= byte);
        (0..record.span_count())
            .filter_map(|number| record.span(number))
            .map(|span| token_of(span.range.start)..token_of(span.range.end.saturating_sub(1)) + 1)
            .filter(|tokens| window.start + self.first() <= tokens.start && tokens.end <= window.end)
            .map(|tokens| tokens.start - window.start..tokens.end - window.start)
            .collect()
    }
}

/// Some of the spans that do not overlap and fill no more than their share of `length` tokens: sorted.
fn choose(spans: &[Range<usize>], length: usize, random: &mut StdRng) -> Vec<Range<usize>> {
    let room = (length as f64 * random.random_range(0.0..MOST_SPAN_SHARE)) as usize;
    let mut chosen: Vec<Range<usize>> = Vec::new();
    if spans.is_empty() {
        return chosen;
    }
    let mut filled = 0;
    for _ in 0..MOST_SPANS * 4 {
        let span = &spans[random.random_range(0..spans.len())];
        let is_apart = chosen.iter().all(|other| other.end <= span.start || span.end <= other.start);
        if is_apart && filled + span.len() <= room.max(1) && chosen.len() < MOST_SPANS {
            filled += span.len();
            chosen.push(span.clone());
        }
    }
    chosen.sort_by_key(|span| span.start);
    chosen
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::train::alignment::distance;
    use crate::train::corrupt::testing::MASK;
    use crate::train::corrupt::testing::corpus;

    const EXPAND: TokenId = 900_001;
    const DELETE: TokenId = 900_002;
    const EDITS: Corruption = Corruption::Edits { alpha: 0.1, kept_weight: 0.25 };

    fn windows(corruption: Corruption) -> (Windows, Vec<Vec<TokenId>>, tempfile::TempDir) {
        let (folder, records, tokenizer) = corpus();
        let texts = records.iter().map(|record| record.tokens(0..usize::MAX)).collect();
        (Windows { records, tokenizer, length: 64, corruption, mask: MASK, shift: Shift::None }, texts, folder)
    }

    /// Whether some window of the files reads like this, where `None` is any token and `Some` a given one.
    fn is_a_window(texts: &[Vec<TokenId>], pattern: &[Option<TokenId>]) -> bool {
        let fits =
            |window: &[TokenId]| window.iter().zip(pattern).all(|(token, wanted)| wanted.is_none_or(|wanted| wanted == *token));
        texts.iter().any(|text| text.windows(pattern.len()).any(fits))
    }

    #[test]
    fn every_corruption_leads_back_to_a_window_of_a_file() {
        let masking = Masking { wrong: 0.1, ..Masking::default() };
        for corruption in [
            Corruption::None,
            Corruption::Tokens(masking),
            Corruption::Spans(Masking { time_per_span: true, ..masking }),
            Corruption::Length { masking, expand: EXPAND, delete: DELETE },
            EDITS,
        ] {
            let (mut source, texts, _folder) = windows(corruption);
            let mut seeds = StdRng::seed_from_u64(1);
            let mut random = StdRng::seed_from_u64(1);
            let mut learned = 0;
            for _ in 0..60 {
                let example = source.next(&mut random).unwrap();
                assert_eq!(Some(&example), source.next(&mut seeds).as_ref(), "the same numbers give the same example");
                assert!(example.is_sound() && example.context == 0 && !example.is_empty());
                let mut pattern = Vec::new();
                for (seen, target) in example.tokens.iter().zip(&example.targets) {
                    match target {
                        Some(EXPAND) => pattern.extend([None, None]),
                        Some(DELETE) => {}
                        Some(target) => pattern.push(Some(*target)),
                        None => pattern.push(Some(*seen)),
                    }
                }
                assert!(is_a_window(&texts, &pattern), "{corruption:?}");
                learned += example.weights.iter().filter(|&&weight| weight > 0.0).count();
            }
            assert!(learned > 60, "{corruption:?}: {learned}");
        }
    }

    #[test]
    fn spans_are_those_of_the_syntax() {
        let (source, _, _folder) = windows(EDITS);
        let record = source.records.get(0).unwrap();
        let text = source.tokenizer.decode(&record.tokens(0..usize::MAX));
        let all = source.spans(&record, 0..record.len());
        assert_eq!(all.len(), record.span_count());
        for (number, tokens) in all.iter().enumerate() {
            let said = source.tokenizer.decode(&record.tokens(tokens.clone()));
            let span = &text[record.span(number).unwrap().range];
            assert!(said.contains(span), "{said:?} {span:?}");
        }
        let some = source.spans(&record, 40..240);
        assert!(!some.is_empty() && some.len() < all.len() && some.iter().all(|span| span.end <= 200));
        let mut random = StdRng::seed_from_u64(5);
        for _ in 0..200 {
            let chosen = choose(&all, record.len(), &mut random);
            assert!(chosen.windows(2).all(|pair| pair[0].end <= pair[1].start));
            assert!(chosen.iter().map(ExactSizeIterator::len).sum::<usize>() <= record.len() / 2);
        }
    }

    #[test]
    fn with_the_right_shift_nothing_is_learned_about_the_first_token() {
        let masking = Masking::default();
        for corruption in [Corruption::None, Corruption::Tokens(masking), Corruption::Spans(masking), EDITS] {
            let (mut source, _, _folder) = windows(corruption);
            source.shift = Shift::Right;
            let mut random = StdRng::seed_from_u64(4);
            for _ in 0..100 {
                let example = source.next(&mut random).unwrap();
                assert!(example.is_sound() && example.targets[0].is_none() && example.tokens[0] != MASK, "{corruption:?}");
                assert!(example.weights.iter().any(|&weight| weight > 0.0), "{corruption:?}");
            }
        }
    }

    #[test]
    fn an_edited_window_is_near_its_target_and_as_long() {
        let (mut source, _, _folder) = windows(EDITS);
        let mut random = StdRng::seed_from_u64(3);
        let mut wrong = 0;
        for _ in 0..300 {
            let example = source.next(&mut random).unwrap();
            let target: Vec<TokenId> = example.targets.iter().flatten().copied().collect();
            assert_eq!(target.len(), example.len());
            // Each of at most six edits is at most one deletion and one insertion or mask.
            assert!(distance(&example.tokens, &target) <= 2 * 6);
            for ((seen, target), &weight) in example.tokens.iter().zip(&target).zip(&example.weights) {
                assert_eq!(weight, if seen == target { 0.25 } else { 1.0 });
                wrong += usize::from(seen != target);
            }
        }
        assert!(wrong > 300, "{wrong}");
    }

    #[test]
    fn an_empty_corpus_gives_nothing() {
        let (mut source, _, folder) = windows(EDITS);
        source.records = Records::open(
            folder.path(),
            crate::train::corpus::shard::ShardKind::Edits,
            crate::train::corpus::split::Set::HeldOut,
            &source.tokenizer,
        )
        .unwrap();
        assert_eq!(source.next(&mut StdRng::seed_from_u64(1)), None);
    }
}
