//! Waiting for the engine, and choosing among what it made.

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::hidden::HiddenArgs;
use crate::diffusion::denoise::Ending;
use crate::document::Document;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::edit::proposal::Part;
use crate::edit::proposal::Proposal;
use crate::patch::hunk::Hunk;
use crate::patch::hunk::of_spans;
use crate::verify::Status;
use crate::verify::Verdict;

/// Hands every event to `show` until the request is finished.
///
/// # Errors
/// The request failed, the engine is gone, or `show` failed.
pub fn finish(engine: &Engine, show: &mut dyn FnMut(&Event) -> Result<(), Failure>) -> Result<Vec<Candidate>, Failure> {
    for event in engine.events() {
        show(&event)?;
        match event {
            Event::Finished(candidates) => return Ok(candidates),
            Event::Failed { error, .. } => return Err(error.into()),
            _ => {}
        }
    }
    Err(Failure::new(Exit::Internal, "internal: the engine ended without a word; please report this"))
}

/// A proposal with the changes that it makes to each file.
#[derive(Clone, Debug)]
pub struct Choice<'c> {
    /// The proposal.
    pub proposal: &'c Proposal,
    /// The changes of each file.
    pub hunks: Vec<Vec<Hunk>>,
}

impl<'c> Choice<'c> {
    /// What a proposal does to the files.
    ///
    /// # Errors
    /// It does not fit them, which is a fault of dcode.
    pub fn of(parts: &[Part], proposal: &'c Proposal) -> Result<Self, Failure> {
        let hunks = parts.iter().zip(&proposal.parts).map(|(part, candidate)| hunks(&part.document, &part.spans, candidate));
        Ok(Self { proposal, hunks: hunks.collect::<Result<_, _>>()? })
    }

    /// Refuses one that would hide characters in a file.
    ///
    /// # Errors
    /// It would.
    pub fn check_hidden(&self, parts: &[Part], hidden: HiddenArgs) -> Result<(), Failure> {
        parts.iter().zip(&self.hunks).try_for_each(|(part, hunks)| hidden.check(&part.document, hunks))
    }

    /// Number of changes, over all files.
    pub fn count(&self) -> usize {
        self.hunks.iter().map(Vec::len).sum()
    }
}

/// The proposals that may be used without a person looking at them, the best first; at least one.
///
/// # Errors
/// None parses or passes the commands, their budget was used up, or they would hide characters in a file.
pub fn acceptable<'c>(parts: &[Part], proposals: &'c [Proposal], hidden: HiddenArgs) -> Result<Vec<Choice<'c>>, Failure> {
    let best = proposals.first().ok_or_else(no_text)?;
    let mut found = Vec::new();
    let mut refusal = None;
    for proposal in proposals.iter().filter(|proposal| proposal.is_acceptable()) {
        let choice = Choice::of(parts, proposal)?;
        match choice.check_hidden(parts, hidden) {
            Ok(()) => found.push(choice),
            Err(failure) => {
                refusal.get_or_insert(failure);
            }
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    Err(refusal.unwrap_or_else(|| not_acceptable(best)))
}

/// Mean confidence over all files.
pub fn confidence(proposal: &Proposal) -> f32 {
    let tokens: usize = proposal.parts.iter().map(|part| part.tokens).sum();
    let sum: f32 = proposal.parts.iter().map(|part| part.confidence * part.tokens as f32).sum();
    if tokens == 0 { 1.0 } else { sum / tokens as f32 }
}

/// Whether all files parse, in one word: that of the worst.
pub fn syntax_word(proposal: &Proposal) -> &'static str {
    let words: Vec<&str> = proposal.parts.iter().map(Candidate::syntax_word).collect();
    ["broken", "unknown"].into_iter().find(|word| words.contains(word)).unwrap_or("parses")
}

/// The model gave nothing.
pub fn no_text() -> Failure {
    Failure::new(Exit::NoCandidate, "the model gave no usable text; nothing was written")
}

/// The changes of a candidate.
///
/// # Errors
/// The candidate does not fit the document, which is a fault of dcode.
pub fn hunks(document: &Document, spans: &Spans, candidate: &Candidate) -> Result<Vec<Hunk>, Failure> {
    let changes: Vec<_> = spans.iter().zip(candidate.texts.iter().map(String::as_str)).collect();
    of_spans(document, &changes).map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

fn not_acceptable(best: &Proposal) -> Failure {
    if let Some(failure) = best.verdict.as_ref().and_then(Verdict::failure) {
        let hint = if failure.status == Status::TimedOut {
            "Raise --verify-time-limit"
        } else {
            "Try --candidates 4 or a smaller range"
        };
        return Failure::new(Exit::NoCandidate, format!("no candidate passes the commands; nothing was written. {hint}"));
    }
    let ending = best.parts.iter().map(|part| part.ending).find(|ending| !ending.is_own());
    match ending.unwrap_or(Ending::Complete) {
        Ending::Complete | Ending::Left => {
            let message = "no candidate parses; nothing was written. Try --candidates 4 or a smaller range";
            Failure::new(Exit::NoCandidate, message)
        }
        Ending::CutShort => {
            Failure::new(Exit::Budget, "steps or time ran out; nothing was written. Raise --steps or --time-limit")
        }
        Ending::OutOfSlots => Failure::new(
            Exit::Budget,
            "the text did not come to an end; nothing was written. Select fewer lines or say more with -i",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::guard::Report;
    use crate::syntax::guard::Unjudged;
    use crate::syntax::guard::Verdict;

    fn candidate(text: &str, ending: Ending) -> Candidate {
        Candidate {
            number: 0,
            texts: vec![text.to_owned()],
            confidence: 1.0,
            least_confidence: 1.0,
            ending,
            syntax: Report { verdict: Verdict::Unknown(Unjudged::UnsupportedLanguage), parsed_before: None },
            score: None,
            nfe: 1,
            tokens: 1,
            trajectory: None,
        }
    }

    fn choose(candidates: &[Candidate], allow_bidi: bool) -> Result<Vec<String>, Exit> {
        let proposals: Vec<Proposal> = candidates.iter().map(|one| Proposal::new(0, vec![one.clone()])).collect();
        choose_of(&proposals, allow_bidi)
    }

    fn choose_of(proposals: &[Proposal], allow_bidi: bool) -> Result<Vec<String>, Exit> {
        let document = Document::from_bytes("f".into(), b"a\nb\n".to_vec()).unwrap();
        let spans = Spans::new(&document, vec![document.line_span(2, 2).unwrap()]).unwrap();
        let parts = [Part { document: document.into(), spans, relative: "f".into() }];
        let chosen = acceptable(&parts, proposals, HiddenArgs { allow_bidi });
        chosen.map(|all| all.iter().map(|choice| choice.hunks[0][0].new.clone()).collect()).map_err(|failure| failure.exit)
    }

    #[test]
    fn what_fails_the_commands_is_never_taken() {
        let judged = |passed: bool| {
            let (status, time, tail) = (Status::Exited(i32::from(!passed)), std::time::Duration::ZERO, String::new());
            let result =
                crate::verify::CheckResult { check: 0, status, passed, failed_before: false, time, new: Vec::new(), tail };
            let verdict = Some(crate::verify::Verdict { results: vec![result] });
            Proposal { verdict, ..Proposal::new(0, vec![candidate("c\n", Ending::Complete)]) }
        };
        assert_eq!(choose_of(&[judged(false), judged(true)], false).map(|all| all.len()), Ok(1));
        assert_eq!(choose_of(&[judged(false)], false), Err(Exit::NoCandidate));
    }

    #[test]
    fn a_candidate_with_hidden_characters_gives_way_to_the_next_and_is_never_taken() {
        let hidden = candidate("b\u{2066}\n", Ending::Complete);
        let plain = candidate("c\n", Ending::Complete);
        assert_eq!(choose(&[hidden.clone(), plain.clone()], false), Ok(vec!["c\n".to_owned()]));
        assert_eq!(choose(&[hidden.clone(), plain], true).map(|all| all.len()), Ok(2));
        assert_eq!(choose(&[hidden.clone(), candidate("d\n", Ending::CutShort)], false), Err(Exit::Refused));
        assert_eq!(choose(&[candidate("d\n", Ending::CutShort), hidden], false), Err(Exit::Refused));
    }

    #[test]
    fn endings_have_their_exit_codes() {
        assert_eq!(choose(&[], false), Err(Exit::NoCandidate));
        assert_eq!(choose(&[candidate("x\n", Ending::CutShort)], false), Err(Exit::Budget));
        assert_eq!(choose(&[candidate("x\n", Ending::OutOfSlots)], false), Err(Exit::Budget));
    }
}
