//! Examples from windows of source files, for models that see the whole sequence: masked, or corrupted by edits.

use std::ops::Range;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use crate::model::spec::Shift;
use crate::model::spec::TokenId;
use crate::syntax::language::Language;
use crate::train::example::Example;
use crate::train::example::Source;
use crate::train::mdlm;
use crate::train::mdlm::Weighting;

/// A file as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// Its language, when there is a grammar for it.
    pub language: Option<Language>,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
}

/// Files as tokens, from which windows are drawn; each token is as likely as any other.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    files: Arc<[TokenFile]>,
    /// Tokens of the files up to each one.
    ends: Arc<[usize]>,
    length: usize,
}

impl Windows {
    /// Windows of at most `length` tokens; files of less than two tokens are left out.
    pub fn new(files: impl Iterator<Item = TokenFile>, length: usize) -> Self {
        let files: Vec<TokenFile> = files.filter(|file| file.tokens.len() >= 2).collect();
        let ends = files.iter().scan(0, |sum, file| {
            *sum += file.tokens.len();
            Some(*sum)
        });
        Self { ends: ends.collect(), files: files.into(), length }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// A window; `None` when there are no files.
    pub fn draw(&self, random: &mut StdRng) -> Option<&[TokenId]> {
        let (file, window) = self.place(random)?;
        Some(&file.tokens[window])
    }

    /// A file, and where a window lies in it.
    pub fn place(&self, random: &mut StdRng) -> Option<(&TokenFile, Range<usize>)> {
        let all = self.ends.last().copied().filter(|&all| all > 0)?;
        let place = random.random_range(0..all);
        let file = self.ends.partition_point(|&end| end <= place);
        let found = &self.files[file];
        let tokens = &found.tokens;
        let inside = place - (self.ends[file] - tokens.len());
        // Windows of one length, as far as the file goes, so that little of a batch is padding.
        let start = inside.min(tokens.len().saturating_sub(self.length));
        Some((found, start..(start + self.length).min(tokens.len())))
    }
}

/// How windows are corrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption {
    /// The id of a masked element.
    pub mask: TokenId,
    /// Where predictions are read: with the right shift nothing is learned about the first element.
    pub shift: Shift,
    /// How masked elements are weighted.
    pub weighting: Weighting,
}

/// Masked windows: half of them anywhere, half of them a span of up to half of the window, as an edit has it.
#[derive(Clone, Debug)]
pub struct Masked {
    /// Where windows come from.
    pub windows: Windows,
    /// How they are corrupted.
    pub corruption: Corruption,
}

impl Source for Masked {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        let window = self.windows.draw(random)?;
        Some(self.corruption.masked(window, random))
    }
}

impl Corruption {
    fn masked(&self, window: &[TokenId], random: &mut StdRng) -> Example {
        let first = usize::from(self.shift == Shift::Right);
        let span = if random.random_bool(0.5) {
            first..window.len()
        } else {
            let len = random.random_range(1..=(window.len() / 2).max(1));
            let start = random.random_range(first.min(window.len() - len)..=window.len() - len).max(first);
            start..(start + len).min(window.len())
        };
        let labels: Vec<Option<TokenId>> =
            window.iter().enumerate().map(|(i, &token)| span.contains(&i).then_some(token)).collect();
        let mut draws: Vec<f32> = (0..window.len()).map(|_| random.random()).collect();
        let time = mdlm::time(random.random());
        // At least one is masked: nothing would be learned otherwise.
        if !span.clone().any(|i| f64::from(draws[i]) < time) {
            draws[random.random_range(span)] = 0.0;
        }
        mdlm::mask(window, &labels, &draws, time, self.weighting, self.mask)
    }
}

/// Windows with edits in them (Seed Diffusion's second stage): up to `alpha` of the tokens deleted, inserted or substituted, and
/// every token a target, right ones too. A share of the windows is masked instead.
///
/// Places must stay aligned, so an insertion or a deletion moves only the tokens up to the end of a short region, where a token is
/// dropped or a mask is added.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Where windows come from.
    pub windows: Windows,
    /// How those that are masked are corrupted.
    pub corruption: Corruption,
    /// The largest share of tokens that are edited.
    pub alpha: f64,
    /// Share of windows that are edited.
    pub share: f64,
    /// Weight of a token that is right already.
    pub kept_weight: f32,
}

/// Tokens that an insertion or deletion moves, at most.
const MOVED: usize = 6;

impl Source for Edited {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        let window = self.windows.draw(random)?.to_vec();
        if !random.random_bool(self.share) {
            return Some(self.corruption.masked(&window, random));
        }
        let alpha = random.random::<f64>() * self.alpha;
        let edits = ((window.len() as f64 * alpha) as usize).max(1);
        let mut tokens = window.clone();
        for _ in 0..edits {
            // Wrong tokens are likely ones: those of another place in the files.
            let other = self.windows.draw(random)?;
            let wrong = other[random.random_range(0..other.len())];
            edit(&mut tokens, wrong, self.corruption.mask, random);
        }
        let first = usize::from(self.corruption.shift == Shift::Right);
        let targets = window.iter().enumerate().map(|(i, &token)| (i >= first).then_some(token)).collect();
        let weight = |(token, right): (&TokenId, &TokenId)| if token == right { self.kept_weight } else { 1.0 };
        let weights = tokens.iter().zip(&window).map(weight).collect();
        Some(Example { tokens, targets, context: 0, weights })
    }
}

/// One edit at a random place: a substitution, an insertion of `wrong`, or a deletion.
fn edit(tokens: &mut [TokenId], wrong: TokenId, mask: TokenId, random: &mut StdRng) {
    let at = random.random_range(0..tokens.len());
    let end = (at + random.random_range(2..=MOVED)).min(tokens.len());
    match random.random_range(0..3) {
        0 => tokens[at] = wrong,
        1 => {
            tokens[at..end].rotate_right(1);
            tokens[at] = wrong;
        }
        _ => {
            tokens[at..end].rotate_left(1);
            tokens[end - 1] = mask;
        }
    }
}

/// The next token of each element, for autoregressive models.
#[derive(Clone, Debug)]
pub struct NextToken {
    /// Where windows come from.
    pub windows: Windows,
}

impl Source for NextToken {
    fn next(&mut self, random: &mut StdRng) -> Option<Example> {
        let tokens = self.windows.draw(random)?.to_vec();
        let targets = tokens.iter().enumerate().map(|(i, &token)| (i > 0).then_some(token)).collect();
        let weights = vec![1.0; tokens.len()];
        Some(Example { tokens, targets, context: 0, weights })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::train::alignment::distance;

    const MASK: TokenId = 999;

    fn windows() -> Windows {
        let files = [(0..40).collect(), vec![7], (100..500).collect()];
        Windows::new(files.into_iter().map(|tokens| TokenFile { language: None, tokens }), 32)
    }

    fn corruption(shift: Shift) -> Corruption {
        Corruption { mask: MASK, shift, weighting: Weighting::Uniform }
    }

    #[test]
    fn windows_are_runs_of_one_file_and_every_token_comes() {
        let (windows, mut random) = (windows(), StdRng::seed_from_u64(1));
        assert_eq!(windows.tokens(), 440);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2000 {
            let window = windows.draw(&mut random).unwrap();
            assert_eq!(window.len(), 32);
            assert!(window.windows(2).all(|pair| pair[1] == pair[0] + 1));
            seen.extend(window.iter().copied());
        }
        assert_eq!(seen.len(), 440);
        assert!(Windows::default().draw(&mut random).is_none());
    }

    #[test]
    fn a_masked_window_hides_targets_only() {
        for shift in [Shift::None, Shift::Right] {
            let mut source = Masked { windows: windows(), corruption: corruption(shift) };
            let mut random = StdRng::seed_from_u64(2);
            let mut masked = 0;
            for _ in 0..500 {
                let example = source.next(&mut random).unwrap();
                assert!(example.is_sound());
                assert!(shift == Shift::None || example.targets[0].is_none());
                for ((&token, target), &weight) in example.tokens.iter().zip(&example.targets).zip(&example.weights) {
                    assert_eq!(token == MASK, weight > 0.0);
                    assert!(token == MASK || target.is_none_or(|target| target == token));
                    masked += usize::from(token == MASK);
                }
                assert!(example.tokens.contains(&MASK));
            }
            assert!((500 * 4..500 * 20).contains(&masked), "{masked}");
        }
    }

    #[test]
    fn an_edited_window_is_near_its_target_and_as_long() {
        let mut source =
            Edited { windows: windows(), corruption: corruption(Shift::None), alpha: 0.1, share: 1.0, kept_weight: 0.1 };
        let mut random = StdRng::seed_from_u64(3);
        let (mut wrong, mut moved) = (0, 0);
        for _ in 0..500 {
            let example = source.next(&mut random).unwrap();
            assert!(example.is_sound());
            let target: Vec<TokenId> = example.targets.iter().flatten().copied().collect();
            assert_eq!(target.len(), example.len());
            // Each of at most three edits is at most one deletion and one insertion or mask.
            assert!(distance(&example.tokens, &target) <= 2 * 3);
            let differ = example.tokens.iter().zip(&target).filter(|(a, b)| a != b).count();
            let marked = example.weights.iter().filter(|&&weight| weight == 1.0).count();
            assert_eq!(differ, marked);
            wrong += differ;
            moved += usize::from(differ > 3);
        }
        assert!(wrong > 500 && moved > 50, "{wrong} {moved}");
    }

    #[test]
    fn the_same_state_gives_the_same_example() {
        let mut source = Masked { windows: windows(), corruption: corruption(Shift::None) };
        let first = source.next(&mut StdRng::seed_from_u64(9));
        source.next(&mut StdRng::seed_from_u64(8));
        assert_eq!(source.next(&mut StdRng::seed_from_u64(9)), first);
    }
}
