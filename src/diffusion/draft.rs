//! Rewriting by a draft: the original tokens are checked by the exact base in one causal pass.
//!
//! All tokens up to the first disagreement are kept, the base's own token follows, and the rest of the original is laid behind
//! it as the next draft, where the text rejoins it. So a small change in a long span costs a few passes, and the result equals
//! greedy autoregressive decoding. (Speculative decoding, arXiv 2211.17192, with the original as the draft model's output.)
//! With an empty draft this is plain autoregressive decoding: the baseline of every comparison.

use crate::diffusion::denoise::Control;
use crate::diffusion::denoiser::Causal;
use crate::model::error::ModelError;
use crate::model::spec::TokenId;

/// Longest run of draft tokens that one pass checks while the draft keeps being accepted.
const LONGEST: usize = 64;
/// And right after a disagreement, when it is likely to be refused again.
const SHORTEST: usize = 8;
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

/// Decodes greedily behind `context` until `stop` says that the tokens so far are the end, or `most` tokens stand there.
///
/// `stop` sees the settled tokens with the newest one and answers how many of them belong to the text when it ends here.
///
/// # Errors
/// The model failed.
pub fn draft(
    model: &mut dyn Causal,
    context: &[TokenId],
    original: &[TokenId],
    most: usize,
    stop: &dyn Fn(&[TokenId]) -> Option<usize>,
    observe: &mut dyn FnMut(DraftStep<'_>) -> Control,
) -> Result<Drafted, ModelError> {
    let mut ids = context.to_vec();
    let mut done = Drafted { tokens: Vec::new(), confidences: Vec::new(), nfe: 0, ended: false };
    let (mut place, mut width) = (0, LONGEST);
    loop {
        let run = &original[place..original.len().min(place + width)];
        ids.truncate(context.len());
        ids.extend_from_slice(&done.tokens);
        ids.extend_from_slice(run);
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
        place += accepted;
        if accepted == run.len() {
            // The last prediction is one more token behind the whole run; it may be the next of the original.
            width = LONGEST;
            place += usize::from(original.get(place) == done.tokens.last() && place < original.len());
        } else {
            width = SHORTEST;
            place = rejoin(original, place, done.tokens.last().copied());
        }
        let step = DraftStep { tokens: &done.tokens, confidences: &done.confidences, rest: &original[place..], nfe: done.nfe };
        if observe(step) != Control::Continue {
            return Ok(done);
        }
    }
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
        let drafted = draft(&mut model, &[1], &tokens(original), 200, &stop, &mut |_| Control::Continue).unwrap();
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
        assert_eq!(run("", &long).nfe, 51, "without a draft, one pass a token");
    }
}
