//! Verifying candidates, walking through what the commands complain about, and re-masking it in rounds.

use crate::tui::engine::Method;
use crate::tui::engine::Options;
use crate::tui::engine::Start;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::Judged;
use crate::tui::state::Mending;
use crate::tui::state::Mode;
use crate::tui::state::State;
use crate::tui::state::Verifying;
use crate::tui::update::Effect;
use crate::tui::update::prompt;
use crate::tui::update::tell;
use crate::tui::verify::Event;
use crate::tui::verify::Request;

/// Candidates of a round: the first is greedy and may say the same again.
const CANDIDATES: usize = 2;

/// Starts the commands on the candidate looked at, or stops them.
pub(super) fn toggle(state: &mut State) -> Vec<Effect> {
    if state.verifying.is_some() {
        return stop(state);
    }
    if let Some(review) = &mut state.review {
        review.mending = None;
    }
    start(state)
}

/// Stops the commands.
pub(super) fn stop(state: &mut State) -> Vec<Effect> {
    if let Some(review) = &mut state.review {
        review.mending = None;
    }
    if state.verifying.take().is_none() {
        return Vec::new();
    }
    tell(state, "the commands were stopped", false);
    vec![Effect::CancelVerify]
}

/// Starts the commands on the candidate looked at, as far as it is not rejected.
fn start(state: &mut State) -> Vec<Effect> {
    let Some(review) = &mut state.review else { return Vec::new() };
    let texts = review.kept_texts(&state.file.text);
    state.revision += 1;
    let id = state.revision;
    let (number, spans) = (review.number, review.spans.clone());
    review.focus = None;
    state.verifying = Some(Verifying { id, review: number, candidate: review.candidate, texts: texts.clone(), progress: None });
    vec![Effect::Verify(Request { id, review: number, text: state.file.text.clone(), spans, texts })]
}

/// What the verifier tells.
pub(super) fn on_event(state: &mut State, keymap: &Keymap, event: Event) -> Vec<Effect> {
    let (Event::Running { id, .. } | Event::Finished { id, .. } | Event::Failed { id, .. }) = event;
    let Some(verifying) = state.verifying.as_mut().filter(|verifying| verifying.id == id) else { return Vec::new() };
    match event {
        Event::Running { progress, .. } => {
            verifying.progress = Some(progress);
            Vec::new()
        }
        Event::Failed { message, .. } => {
            state.verifying = None;
            if let Some(review) = &mut state.review {
                review.mending = None;
            }
            tell(state, message, true);
            Vec::new()
        }
        Event::Finished { verdict, .. } => {
            let Verifying { candidate, texts, .. } = verifying.clone();
            state.verifying = None;
            let Some(review) = &mut state.review else { return Vec::new() };
            let Some(decisions) = review.decisions.get_mut(candidate) else { return Vec::new() };
            decisions.judged = Some(Judged { texts, verdict });
            finished(state, keymap, candidate)
        }
    }
}

/// A candidate was judged: the next one of the round is, or the next round begins, or the user is told.
fn finished(state: &mut State, keymap: &Keymap, candidate: usize) -> Vec<Effect> {
    let Some(review) = &mut state.review else { return Vec::new() };
    let Some(verdict) = review.decisions.get(candidate).and_then(|each| each.judged.as_ref()).map(|judged| &judged.verdict)
    else {
        return Vec::new();
    };
    let (passed, errors, failure) = (verdict.passed, verdict.diagnostics.len(), verdict.failure.clone());
    let mending = review.mending.as_mut();
    if passed {
        review.mending = None;
        review.candidate = candidate;
        tell(state, "the commands are content", false);
        return Vec::new();
    }
    if let Some(next) = mending.and_then(|mending| mending.waiting.pop()) {
        review.candidate = next;
        return start(state);
    }
    if review.mending.as_ref().is_some_and(|mending| mending.rounds > 0) {
        return round(state);
    }
    let gave_up = review.mending.take().is_some_and(|mending| mending.begun);
    let key = |action| keymap.key_text(Context::Review, action);
    let told = match (gave_up, errors) {
        (true, _) => format!("the commands still complain: {} tries once more, or say what to do", key(Action::RemaskBlamed)),
        (false, 0) => failure,
        (false, _) => format!(
            "{} goes to it, {} re-masks what is blamed: {failure}",
            key(Action::NextDiagnostic),
            key(Action::RemaskBlamed)
        ),
    };
    tell(state, told, true);
    Vec::new()
}

/// Re-masks what the commands blame of the candidate looked at, up to `rounds` times; one that was not judged yet is first.
pub(super) fn mend(state: &mut State, keymap: &Keymap, rounds: usize) -> Vec<Effect> {
    if state.verifying.is_some() {
        tell(state, "one moment: the commands are still at work", false);
        return Vec::new();
    }
    let Some(review) = &mut state.review else { return Vec::new() };
    let text = &state.file.text;
    let judged = review.judged(text).map(|judged| judged.verdict.passed);
    if judged == Some(true) {
        tell(state, "the commands are content: there is nothing to re-mask", false);
        return Vec::new();
    }
    if rounds == 0 {
        tell(state, "verify.rounds is 0: there are no rounds to go", false);
        return Vec::new();
    }
    review.mending = Some(Mending { rounds, ..Mending::default() });
    match judged {
        Some(_) => round(state),
        None => {
            let effects = start(state);
            let key = keymap.key_text(Context::Review, Action::Verify);
            tell(state, format!("the commands run first: {key} stops them"), false);
            effects
        }
    }
}

/// Denoises what the commands blame of the failed candidate with the fewest complaints.
fn round(state: &mut State) -> Vec<Effect> {
    let Some(review) = &mut state.review else { return Vec::new() };
    let tried = review.mending.as_ref().map(|mending| mending.tried.clone()).unwrap_or_default();
    let best = review.least_blamed(&state.file.text, &tried);
    review.candidate = best.unwrap_or(review.candidate);
    let judged = best.and_then(|_| review.judged(&state.file.text).cloned());
    let (Some(judged), Some(mending)) = (judged, &mut review.mending) else {
        review.mending = None;
        tell(state, "every candidate was re-masked already: say what to do differently", true);
        return Vec::new();
    };
    mending.rounds = mending.rounds.saturating_sub(1);
    mending.begun = true;
    mending.tried.push(review.candidate);
    // The same draw would say the same.
    state.options.seed = state.options.seed.wrapping_add(1);
    let options = Options { candidates: CANDIDATES, method: Method::Denoise, ..state.options };
    let start = Start { texts: judged.texts, masked: judged.verdict.masked };
    let effects = prompt::restart(state, start, options, Some(judged.verdict.complaint));
    if effects.is_empty()
        && let Some(review) = &mut state.review
    {
        review.mending = None;
    }
    effects
}

/// A round brought candidates, the first of them at `first`: the commands judge them.
pub(super) fn after_round(state: &mut State, first: usize) -> Vec<Effect> {
    let Some(review) = &mut state.review else { return Vec::new() };
    let Some(mending) = review.mending.as_mut().filter(|mending| mending.begun) else { return Vec::new() };
    let count = review.candidates.len();
    if first >= count {
        review.mending = None;
        tell(state, "the model says the same again: say what to do differently", true);
        return Vec::new();
    }
    mending.waiting = (first + 1..count).rev().collect();
    review.candidate = first;
    start(state)
}

/// Goes to another complaint, and to the hunk that it is in.
pub(super) fn go(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    let Some(review) = &mut state.review else { return Vec::new() };
    let key = keymap.key_text(Context::Review, Action::Verify);
    let Some(judged) = review.judged(&state.file.text) else {
        let stale = review.decisions.get(review.candidate).is_some_and(|each| each.judged.is_some());
        let what = if stale { "the candidate was changed since: " } else { "" };
        tell(state, format!("{what}{key} runs the commands on it"), false);
        return Vec::new();
    };
    let all = judged.verdict.diagnostics.clone();
    if all.is_empty() {
        let told = if judged.verdict.passed { "the commands are content".to_owned() } else { judged.verdict.failure.clone() };
        tell(state, told, false);
        return Vec::new();
    }
    let last = all.len() - 1;
    let at = match (review.focus, action) {
        (None, Action::NextDiagnostic) => 0,
        (None, _) => last,
        (Some(at), Action::NextDiagnostic) => {
            if at >= last {
                0
            } else {
                at + 1
            }
        }
        (Some(at), _) => at.checked_sub(1).unwrap_or(last).min(last),
    };
    review.focus = Some(at);
    review.scroll = 0;
    review.compare = false;
    let found = &all[at];
    if found.file.is_none()
        && let Some(hunk) = review.hunk_at(&state.file, found.line)
        && let Some(decisions) = review.present()
    {
        decisions.at = hunk;
    }
    let place = found.file.as_ref().map_or_else(String::new, |file| format!("{file}:{}: ", found.line));
    tell(state, format!("{}/{}  {place}{}: {}", at + 1, all.len(), found.level.name(), found.message), false);
    Vec::new()
}

/// The run of a round ended without candidates.
pub(super) fn give_up(state: &mut State) {
    if state.mode != Mode::Run
        && let Some(review) = &mut state.review
    {
        review.mending = None;
    }
}
