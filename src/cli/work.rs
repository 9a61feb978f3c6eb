//! Waiting for the engine, and choosing among what it made.

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::diffusion::denoise::Ending;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::event::Event;

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

/// The best candidate, when it may be used without a person looking at it.
///
/// # Errors
/// It does not parse, or its budget was used up.
pub fn acceptable(candidates: &[Candidate]) -> Result<&Candidate, Failure> {
    let best = candidates
        .first()
        .ok_or_else(|| Failure::new(Exit::NoCandidate, "the model gave no usable text; nothing was written"))?;
    if best.is_acceptable() {
        return Ok(best);
    }
    Err(match best.ending {
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
    })
}
