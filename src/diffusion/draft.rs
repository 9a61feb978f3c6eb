//! Rewriting by a draft: the original tokens are checked by the exact base in one causal pass.
//!
//! All tokens up to the first disagreement are kept, the base's own token follows, and the rest of the original is laid behind
//! it as the next draft, where the text rejoins it. So a small change in a long span costs a few passes, and the result equals
//! greedy autoregressive decoding, whatever is guessed. (Speculative decoding, arXiv 2211.17192, with the original as the draft
//! model's output.) Without a guess this is plain autoregressive decoding: the baseline of every comparison.

use crate::diffusion::denoise::Control;
use crate::diffusion::denoiser::Causal;
use crate::model::error::ModelError;
use crate::model::spec::TokenId;

/// Longest run of draft tokens that one pass checks while the draft keeps being accepted.
const LONGEST: usize = 64;
/// And of those that are guessed after a disagreement: where nothing agrees with the newest tokens, for each token that does once more,
/// and at most.
const SHORTEST: usize = 4;
const LONGEST_APART: usize = 24;
/// Newest tokens that are compared.
const AGREED: usize = 8;
/// How far ahead in the original a token that rejoins it is looked for.
const REJOIN: usize = 48;

/// A finished or interrupted draft run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drafted {
    /// The tokens, without the one that ended them.
    pub tokens: Vec<TokenId>,
    /// The base's probability of each.
    pub confidences: Vec<f32>,
    /// Forward passes.
    pub nfe: usize,
    /// Whether the text came to its own end.
    pub ended: bool,
}

/// The state of a run after each pass.
#[derive(Clone, Copy, Debug)]
pub struct DraftStep<'a> {
    /// Tokens that are settled.
    pub tokens: &'a [TokenId],
    /// Their probabilities.
    pub confidences: &'a [f32],
    /// The part of the original that is still the draft.
    pub rest: &'a [TokenId],
    /// Passes so far.
    pub nfe: usize,
}

/// What is checked in the next pass.
pub trait Guess {
    /// The tokens that may come next behind `context` and `tokens`.
    fn next(&mut self, context: &[TokenId], tokens: &[TokenId]) -> Vec<TokenId>;

    /// How it went: `accepted` of the tokens of the last guess were right, and `last` is the newest token, which the model put there.
    fn told(&mut self, accepted: usize, last: Option<TokenId>);

    /// What may still come, for whoever looks on.
    fn rest(&self) -> &[TokenId] {
        &[]
    }
}

/// Decodes greedily behind `context`, checking what `guess` says, until `stop` says that the tokens so far are the end, or `most`
/// tokens stand there.
///
/// `stop` sees the settled tokens with the newest one and answers how many of them belong to the text when it ends here.
///
/// # Errors
/// The model failed.
pub fn draft(
    model: &mut dyn Causal,
    context: &[TokenId],
    guess: &mut dyn Guess,
    most: usize,
    stop: &dyn Fn(&[TokenId]) -> Option<usize>,
    observe: &mut dyn FnMut(DraftStep<'_>) -> Control,
) -> Result<Drafted, ModelError> {
    let mut ids = context.to_vec();
    let mut done = Drafted { tokens: Vec::new(), confidences: Vec::new(), nfe: 0, ended: false };
    loop {
        let run = guess.next(context, &done.tokens);
        ids.truncate(context.len());
        ids.extend_from_slice(&done.tokens);
        ids.extend_from_slice(&run);
        let predictions = model.continue_from(&ids, context.len() + done.tokens.len(), 1)?;
        done.nfe += 1;
        let mut accepted = 0;
        for (index, prediction) in predictions.iter().enumerate() {
            let (token, confidence) = prediction.best();
            done.tokens.push(token);
            done.confidences.push(confidence);
            if let Some(keep) = stop(&done.tokens) {
                done.tokens.truncate(keep);
                done.confidences.truncate(keep);
                done.ended = true;
                return Ok(done);
            }
            if done.tokens.len() >= most {
                return Ok(done);
            }
            if run.get(index) != Some(&token) {
                break;
            }
            accepted += 1;
        }
        guess.told(accepted, done.tokens.last().copied());
        let step = DraftStep { tokens: &done.tokens, confidences: &done.confidences, rest: guess.rest(), nfe: done.nfe };
        if observe(step) != Control::Continue {
            return Ok(done);
        }
    }
}

/// No guess: one token a pass, plain autoregressive decoding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Guess for Nothing {
    fn next(&mut self, _: &[TokenId], _: &[TokenId]) -> Vec<TokenId> {
        Vec::new()
    }

    fn told(&mut self, _: usize, _: Option<TokenId>) {}
}

/// The original text: what the edit leaves as it is comes right in one pass.
///
/// After a disagreement it is not known where the original goes on, or whether the new text says something that stands elsewhere. The
/// place whose text before it agrees with most of the newest tokens is taken: in the original, the nearest one, or else behind it in
/// the context or in the new text itself, where the names that an edit brings in are mostly taken from. The more agrees, the more is
/// guessed.
#[derive(Clone, Debug)]
pub struct Original<'a> {
    tokens: &'a [TokenId],
    /// Where it goes on.
    place: usize,
    /// Whether the last guess was right as a whole.
    in_step: bool,
    /// Tokens of the last guess, and its place when it was taken from the original.
    guessed: (usize, Option<usize>),
}

impl<'a> Original<'a> {
    /// The draft of a text.
    pub fn new(tokens: &'a [TokenId]) -> Self {
        Self { tokens, place: 0, in_step: true, guessed: (0, None) }
    }

    /// The place of the original before which most of the newest tokens stand, and how many do; of several the nearest to where it goes
    /// on, those before it counting as twice as far.
    fn place_of(&self, newest: &[TokenId]) -> (usize, usize) {
        let near =
            |place: usize| if place + 1 >= self.place { place.abs_diff(self.place) } else { 2 * place.abs_diff(self.place) };
        let places = (0..=self.tokens.len()).map(|place| (agreement(&self.tokens[..place], newest), place));
        let best = places.max_by_key(|&(agreed, place)| (agreed, std::cmp::Reverse(near(place))));
        best.filter(|&(agreed, _)| agreed > 0).unwrap_or((0, self.place))
    }
}

impl Guess for Original<'_> {
    fn next(&mut self, context: &[TokenId], newest: &[TokenId]) -> Vec<TokenId> {
        let run_at = |text: &[TokenId], place: usize, width: usize| text[place..text.len().min(place + width)].to_vec();
        let (run, of_original) = if newest.is_empty() || (self.in_step && self.place < self.tokens.len()) {
            (run_at(self.tokens, self.place, LONGEST), Some(self.place))
        } else {
            let (agreed, place) = self.place_of(newest);
            let all = [context, newest].concat();
            // The latest place wins: what was said last is said again.
            let elsewhere = (1..all.len()).map(|place| (agreement(&all[..place], newest), place)).max();
            match elsewhere.filter(|&(elsewhere, _)| elsewhere > agreed) {
                Some((agreed, place)) => (run_at(&all, place, width(agreed)), None),
                None => (run_at(self.tokens, place, width(agreed)), Some(place)),
            }
        };
        self.guessed = (run.len(), of_original);
        run
    }

    fn told(&mut self, accepted: usize, last: Option<TokenId>) {
        let (guessed, Some(place)) = self.guessed else {
            self.in_step = false;
            return;
        };
        self.in_step = accepted == guessed && guessed > 0;
        self.place = place + accepted;
        if self.in_step {
            // The last prediction is one more token behind the whole run; it may be the next of the original.
            self.place += usize::from(self.place < self.tokens.len() && self.tokens.get(self.place).copied() == last);
        } else {
            self.place = rejoin(self.tokens, self.place, last);
        }
    }

    fn rest(&self) -> &[TokenId] {
        &self.tokens[self.place..]
    }
}

/// How many of the newest tokens, up to [`AGREED`], stand at the end of `before`.
fn agreement(before: &[TokenId], newest: &[TokenId]) -> usize {
    before.iter().rev().zip(newest.iter().rev()).take(AGREED).take_while(|(one, other)| one == other).count()
}

/// Tokens that are guessed where so many of the newest ones agree.
fn width(agreed: usize) -> usize {
    (SHORTEST * (agreed + 1)).min(LONGEST_APART)
}

/// Prompt lookup: what followed the newest tokens where they stood before. It needs no original, so it is the strongest baseline
/// that autoregressive decoding has for edits. (A. Saxena, "Prompt Lookup Decoding", github.com/apoorvumang/prompt-lookup-decoding,
/// with its settings: runs of up to 3 tokens are looked up, 10 are guessed.)
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookup;

impl Guess for Lookup {
    fn next(&mut self, context: &[TokenId], tokens: &[TokenId]) -> Vec<TokenId> {
        const RUN: usize = 3;
        const GUESSED: usize = 10;
        let all = [context, tokens].concat();
        for run in (1..=RUN.min(all.len().saturating_sub(1))).rev() {
            let newest = &all[all.len() - run..];
            let found = all[..all.len() - 1].windows(run).position(|window| window == newest);
            if let Some(found) = found {
                let start = found + run;
                return all[start..all.len().min(start + GUESSED)].to_vec();
            }
        }
        Vec::new()
    }

    fn told(&mut self, _: usize, _: Option<TokenId>) {}
}

/// Where the draft goes on behind `token`, which the base put in place of `original[place]`: at the same place, when the token is
/// the one before it (what looked like a replacement was an insertion); behind its next occurrence, when the original was
/// shortened; behind the replaced token otherwise.
fn rejoin(original: &[TokenId], place: usize, token: Option<TokenId>) -> usize {
    if place > 0 && original.get(place - 1).copied() == token {
        return place;
    }
    let ahead = original.iter().skip(place + 1).take(REJOIN).position(|other| Some(*other) == token);
    ahead.map_or(place + 1, |ahead| place + 1 + ahead + 1).min(original.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::scripted::Scripted;

    const END: TokenId = 1 << 20;

    fn run(original: &str, answer: &str) -> Drafted {
        let tokens = |text: &str| text.chars().map(u32::from).collect::<Vec<_>>();
        let mut model = Scripted::new(tokens(answer), END);
        let stop = |tokens: &[TokenId]| (tokens.last() == Some(&END)).then(|| tokens.len() - 1);
        let original_tokens = tokens(original);
        let mut guess = Original::new(&original_tokens);
        let drafted = draft(&mut model, &[1], &mut guess, 200, &stop, &mut |_| Control::Continue).unwrap();
        assert_eq!(drafted.tokens, tokens(answer), "{original:?} to {answer:?}");
        assert_eq!(drafted.confidences.len(), drafted.tokens.len());
        drafted
    }

    #[test]
    fn the_result_is_the_answer_whatever_the_draft() {
        for (original, answer) in
            [("", "abc"), ("abc", ""), ("abcdef", "abXdef"), ("abcdef", "abef"), ("abef", "abcdef"), ("aaaa", "aa")]
        {
            run(original, answer);
        }
    }

    #[test]
    fn an_unchanged_span_costs_one_pass_and_a_small_change_few() {
        let long: String = ('a'..='z').cycle().take(50).collect();
        assert_eq!(run(&long, &long).nfe, 1);
        let changed = long.replacen("klm", "kXm", 1);
        let drafted = run(&long, &changed);
        assert!(drafted.nfe <= 4, "{} passes", drafted.nfe);
        assert!(drafted.ended);
        let inserted = long.replacen("klm", "kXlm", 1);
        assert!(run(&long, &inserted).nfe <= 5);
        let mut model = Scripted::new(long.chars().map(u32::from).collect(), END);
        let stop = |tokens: &[TokenId]| (tokens.last() == Some(&END)).then(|| tokens.len() - 1);
        let plain = draft(&mut model, &[1], &mut Nothing, 200, &stop, &mut |_| Control::Continue).unwrap();
        assert_eq!(plain.nfe, 51, "without a guess, one pass a token");
    }

    #[test]
    fn a_guess_comes_from_where_the_newest_tokens_stand() {
        let tokens = |text: &str| text.chars().map(u32::from).collect::<Vec<_>>();
        let text = |run: Vec<TokenId>| run.into_iter().filter_map(char::from_u32).collect::<String>();
        let (original, context) = (tokens("let a = one(x);\nlet b = two(y);\n"), tokens("fn three(z) {}\n"));
        let guess_at = |place: usize, newest: &str| {
            let mut guess = Original { place, in_step: false, ..Original::new(&original) };
            text(guess.next(&context, &tokens(newest)))
        };
        // The nearest of two places; one before counts as twice as far.
        assert_eq!(guess_at(2, "let "), "a = one(x);\nlet b = ");
        assert_eq!(guess_at(18, "let "), "b = two(y);\n");
        // A name that stands in the context only.
        assert_eq!(guess_at(8, "let a = th"), "ree(z) {}\nlet a ");
        // Nothing agrees: what was replaced goes on.
        assert_eq!(guess_at(8, "§"), "one(");
        // The text goes on behind the original.
        let mut guess = Original { place: original.len(), ..Original::new(&original) };
        assert_eq!(text(guess.next(&context, &tokens("let b"))), " = two(y);\n");
    }

    #[test]
    fn what_stands_in_the_context_is_guessed_from_there() {
        let tokens = |text: &str| text.chars().map(u32::from).collect::<Vec<_>>();
        let (context, answer) = (tokens("let total = price * count;"), "total = price * count + 1");
        let mut model = Scripted::new(tokens(answer), END);
        let stop = |tokens: &[TokenId]| (tokens.last() == Some(&END)).then(|| tokens.len() - 1);
        // The scripted model answers by the length of what stands behind its context of one token.
        let mut guess = Behind(context, Lookup);
        let drafted = draft(&mut model, &[1], &mut guess, 200, &stop, &mut |_| Control::Continue).unwrap();
        assert_eq!(drafted.tokens, tokens(answer));
        assert!(drafted.nfe <= 12, "{} passes for {} tokens", drafted.nfe, answer.len());
        assert!(Lookup.next(&[], &[]).is_empty());
        assert_eq!(Lookup.next(&[1, 2, 3, 9, 8, 1, 2], &[3]), [9, 8, 1, 2, 3]);
        assert!(Lookup.next(&[5], &[6]).is_empty());
    }

    /// Looks up in another context.
    struct Behind(Vec<TokenId>, Lookup);

    impl Guess for Behind {
        fn next(&mut self, _: &[TokenId], tokens: &[TokenId]) -> Vec<TokenId> {
            self.1.next(&self.0, tokens)
        }

        fn told(&mut self, accepted: usize, last: Option<TokenId>) {
            self.1.told(accepted, last);
        }
    }
}
