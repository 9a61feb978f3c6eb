//! One finished text for the spans of a request, and what is known about it.

use crate::diffusion::canvas::Slot;
use crate::diffusion::denoise::Ending;
use crate::diffusion::trajectory::Trajectory;
use crate::syntax::guard::Report;
use crate::syntax::guard::Verdict;

/// A token below this probability is more likely wrong than right.
pub const UNSURE: f32 = 0.5;

/// A candidate.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Place among the candidates of the request as they were made, from 0.
    pub number: usize,
    /// The new text of each span, with the file's line endings.
    pub texts: Vec<String>,
    /// Mean probability of the tokens when they were committed.
    pub confidence: f32,
    /// The smallest of them.
    pub least_confidence: f32,
    /// How its canvas came to its end.
    pub ending: Ending,
    /// Whether it parses.
    pub syntax: Report,
    /// log P(span | before) + log P(after | before, span) of the exact base, in nats; only with several candidates.
    pub score: Option<f64>,
    /// Denoiser calls.
    pub nfe: usize,
    /// Tokens of all spans.
    pub tokens: usize,
    /// How it came about; a draft has none.
    pub trajectory: Option<Trajectory>,
}

impl Candidate {
    /// Whether it may be applied without a person looking at it: it parses (or cannot be judged), and came to its own end.
    pub fn is_acceptable(&self) -> bool {
        self.ending.is_own() && !matches!(self.syntax.verdict, Verdict::Broken { .. })
    }

    /// Tokens that were committed below a probability of [`UNSURE`], as those are that a stop fills in at once; a draft has no
    /// record of them.
    pub fn unsure(&self) -> usize {
        let end = self.trajectory.as_ref().and_then(|trajectory| trajectory.at(trajectory.steps()));
        let unsure = |slot: &&Slot| slot.span.is_some() && !slot.pinned && slot.confidence < UNSURE;
        end.map_or(0, |canvas| canvas.slots().iter().filter(unsure).count())
    }

    /// In one word, for people.
    pub fn syntax_word(&self) -> &'static str {
        match self.syntax.verdict {
            Verdict::Parses => "parses",
            Verdict::Broken { .. } => "broken",
            Verdict::Unknown(_) => "unknown",
        }
    }
}

/// Sorts candidates, the best first: complete before cut short, parses before not, then the base's score, then confidence.
pub fn rank(candidates: &mut [Candidate]) {
    let broken = |candidate: &Candidate| matches!(candidate.syntax.verdict, Verdict::Broken { .. });
    candidates.sort_by(|a, b| {
        let complete = b.ending.is_own().cmp(&a.ending.is_own());
        let score = |candidate: &Candidate| candidate.score.unwrap_or(f64::NEG_INFINITY);
        broken(a).cmp(&broken(b)).then(complete).then(score(b).total_cmp(&score(a))).then(b.confidence.total_cmp(&a.confidence))
    });
}
