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
use crate::patch::hunk::Hunk;
use crate::patch::hunk::of_spans;

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

/// A candidate with the changes that it makes to the document.
#[derive(Clone, Debug)]
pub struct Choice<'c> {
    /// The candidate.
    pub candidate: &'c Candidate,
    /// Its changes.
    pub hunks: Vec<Hunk>,
}

/// The candidates that may be used without a person looking at them, the best first; at least one.
///
/// # Errors
/// None parses, their budget was used up, or they would hide characters in the file.
pub fn acceptable<'c>(
    document: &Document,
    spans: &Spans,
    candidates: &'c [Candidate],
    hidden: HiddenArgs,
) -> Result<Vec<Choice<'c>>, Failure> {
    let best = candidates
        .first()
        .ok_or_else(|| Failure::new(Exit::NoCandidate, "the model gave no usable text; nothing was written"))?;
    let mut found = Vec::new();
    let mut refusal = None;
    for candidate in candidates.iter().filter(|candidate| candidate.is_acceptable()) {
        let hunks = hunks(document, spans, candidate)?;
        match hidden.check(document, &hunks) {
            Ok(()) => found.push(Choice { candidate, hunks }),
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

/// The changes of a candidate.
///
/// # Errors
/// The candidate does not fit the document, which is a fault of dcode.
pub fn hunks(document: &Document, spans: &Spans, candidate: &Candidate) -> Result<Vec<Hunk>, Failure> {
    let changes: Vec<_> = spans.iter().zip(candidate.texts.iter().map(String::as_str)).collect();
    of_spans(document, &changes).map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

fn not_acceptable(best: &Candidate) -> Failure {
    match best.ending {
        Ending::Complete => {
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
        let document = Document::from_bytes("f".into(), b"a\nb\n".to_vec()).unwrap();
        let spans = Spans::new(&document, vec![document.line_span(2, 2).unwrap()]).unwrap();
        let chosen = acceptable(&document, &spans, candidates, HiddenArgs { allow_bidi });
        chosen.map(|all| all.iter().map(|choice| choice.hunks[0].new.clone()).collect()).map_err(|failure| failure.exit)
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
