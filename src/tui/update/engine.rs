//! What the engine tells.

use crate::screen::text::visible;
use crate::tui::engine::Candidate;
use crate::tui::engine::Event;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::EngineState;
use crate::tui::state::Mode;
use crate::tui::state::Review;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::run;
use crate::tui::update::tell;
use crate::tui::update::verify;

pub(super) fn on_engine(state: &mut State, keymap: &Keymap, event: Event) -> Vec<Effect> {
    let current = state.run.as_ref().filter(|run| !run.ended).map(|run| run.id);
    match event {
        Event::Loading(share) => state.engine = EngineState::Loading(share.clamp(0.0, 1.0)),
        Event::Ready(name) => state.engine = EngineState::Ready(visible(&name).into_owned()),
        Event::Frame { id, frame } if current == Some(id) => {
            if let Some(run) = &mut state.run {
                run.push(frame);
                return run::ask(run);
            }
        }
        Event::Choices { id, choices } if current == Some(id) => {
            if let Some(run) = &mut state.run {
                let answered = run.asked.take();
                run.choices.extend(choices);
                // The cursor may have gone on meanwhile.
                if answered != run.cursor {
                    return run::ask(run);
                }
            }
        }
        Event::Finished { id, candidates } if current == Some(id) => return finished(state, keymap, candidates),
        Event::Recorded { id, trajectory } if current == Some(id) => {
            if let Some(run) = &mut state.run {
                run.trajectory = Some(trajectory);
            }
        }
        Event::Refused { id, message } if current == Some(id) => {
            if let Some(run) = &mut state.run {
                run.asked = None;
            }
            tell(state, message, true);
        }
        Event::Failed { id, message } => {
            if id.is_none() {
                state.engine = EngineState::Gone(visible(&message).into_owned());
            }
            if id.is_none() || id == current {
                if state.run.as_ref().is_some_and(|run| !run.ended) {
                    state.run = None;
                }
                if state.mode == Mode::Run && state.run.is_none() {
                    state.mode = if state.review.is_some() { Mode::Review } else { Mode::Browse };
                }
                tell(state, message, true);
                verify::give_up(state);
            }
        }
        // Of a request that was given up.
        Event::Frame { .. } | Event::Choices { .. } | Event::Recorded { .. } | Event::Finished { .. } | Event::Refused { .. } => {
        }
    }
    Vec::new()
}

fn finished(state: &mut State, keymap: &Keymap, candidates: Vec<Candidate>) -> Vec<Effect> {
    let Some(run) = &mut state.run else { return Vec::new() };
    let number = run.id;
    run.ended = true;
    run.paused = false;
    run.cursor = None;
    run.anchor = None;
    run.shown = None;
    let candidates = run.composed(candidates);
    match (&mut state.review, run.adds) {
        (Some(review), true) => {
            let new: Vec<Candidate> = candidates.into_iter().filter(|candidate| !review.has(candidate)).collect();
            let (before, first) = (review.candidate, review.candidates.len());
            let count = new.len();
            new.into_iter().for_each(|candidate| review.add(&state.file.text, candidate));
            if count > 0 {
                review.candidate = first;
                review.carry_over(before);
            }
            review.scroll = 0;
            state.mode = Mode::Review;
            let told = match count {
                0 => "the model says the same again: edit the hunk, or say what to do differently".to_owned(),
                1 => "one more candidate".to_owned(),
                count => format!("{count} more candidates: {} goes on", keymap.key_text(Context::Review, Action::NextCandidate)),
            };
            tell(state, told, false);
            verify::after_round(state, first)
        }
        _ => {
            let spans = run.spans.clone();
            let review = Review { number, ..Review::new(&state.file.text, spans, candidates) };
            if review.decisions.iter().all(|decisions| decisions.hunks.is_empty()) {
                let why = if review.candidates.is_empty() {
                    "no candidate"
                } else {
                    "the candidate equals the text: nothing to change"
                };
                state.mode = Mode::Browse;
                tell(state, why, false);
                return Vec::new();
            }
            state.review = Some(review);
            state.mode = Mode::Review;
            Vec::new()
        }
    }
}
