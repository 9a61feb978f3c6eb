//! Saying what to do, and starting requests.

use std::ops::Range;

use crate::tui::engine::Method;
use crate::tui::engine::Options;
use crate::tui::engine::Request;
use crate::tui::engine::Start;
use crate::tui::host::Job;
use crate::tui::keymap::Action;
use crate::tui::state::Composition;
use crate::tui::state::EngineState;
use crate::tui::state::File;
use crate::tui::state::MAX_HISTORY;
use crate::tui::state::Mode;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::tell;

/// Candidates that can be asked for at once.
const MOST_CANDIDATES: usize = 4;

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Submit if state.follow_up => return follow_up(state),
        Action::Submit => return submit(state),
        Action::Cancel => state.mode = if state.follow_up { Mode::Review } else { Mode::Browse },
        Action::MoreCandidates => state.options.candidates = state.options.candidates % MOST_CANDIDATES + 1,
        Action::Method => state.options.method = state.options.method.next(),
        Action::Earlier | Action::Later => {
            let at = state.history_at.unwrap_or(state.history.len());
            let at = if action == Action::Earlier { at.saturating_sub(1) } else { (at + 1).min(state.history.len()) };
            state.input.text = state.history.get(at).cloned().unwrap_or_default();
            state.input.cursor = state.input.text.len();
            state.history_at = Some(at);
        }
        _ => {}
    }
    Vec::new()
}

/// Starts a request for the selected spans of the file.
pub(super) fn submit(state: &mut State) -> Vec<Effect> {
    let run = Run::new(state.next_id, state.file.clone(), state.spans(), state.options.threshold);
    let effects = request(state, run, None, state.options, None);
    if !effects.is_empty() {
        state.review = None;
    }
    effects
}

/// Starts a request for the spans as the candidate looked at has them.
fn follow_up(state: &mut State) -> Vec<Effect> {
    let Some(review) = &state.review else {
        state.mode = Mode::Browse;
        return Vec::new();
    };
    let composition = review.composition(&state.file.text);
    let (text, spans) = spliced(&state.file.text, &review.spans, &composition);
    let file = File::new(state.file.name.clone(), text, state.file.language);
    let run = Run::new(state.next_id, file, spans, state.options.threshold);
    request(state, Run { adds: true, composition: Some(composition), ..run }, None, state.options, None)
}

/// Starts a request for a part of a candidate, around which the rest is kept; `complaint` is what commands said about it.
pub(super) fn restart(state: &mut State, start: Start, options: Options, complaint: Option<String>) -> Vec<Effect> {
    let Some(review) = &state.review else { return Vec::new() };
    let run = Run::new(state.next_id, state.file.clone(), review.spans.clone(), options.threshold);
    request(state, Run { adds: true, ..run }, Some(start), options, complaint)
}

/// The file with the pieces in the place of its spans, and the holes in it.
fn spliced(text: &str, spans: &[Range<usize>], composition: &Composition) -> (String, Vec<Range<usize>>) {
    let (mut new, mut place, mut starts) = (String::new(), 0, Vec::new());
    for (span, piece) in spans.iter().zip(&composition.pieces) {
        new.push_str(text.get(place..span.start).unwrap_or(""));
        starts.push(new.len());
        new.push_str(piece);
        place = span.end;
    }
    new.push_str(text.get(place..).unwrap_or(""));
    let hole = |(piece, range): &(usize, Range<usize>)| {
        let start = starts.get(*piece).copied().unwrap_or(0);
        start + range.start..start + range.end
    };
    (new, composition.holes.iter().map(hole).collect())
}

fn request(state: &mut State, run: Run, start: Option<Start>, options: Options, complaint: Option<String>) -> Vec<Effect> {
    if let EngineState::Gone(why) = &state.engine {
        let why = why.clone();
        tell(state, why, true);
        return Vec::new();
    }
    state.next_id += 1;
    let instruction = state.input.text.trim().to_owned();
    // Who asks for something else has given up the rounds.
    if let Some(review) = state.review.as_mut().filter(|_| complaint.is_none()) {
        review.mending = None;
    }
    let mut effects = Vec::new();
    if !instruction.is_empty() && state.history.last() != Some(&instruction) {
        effects.push(Effect::Job(Job::Remember(instruction.clone())));
        state.history.push(instruction.clone());
        let surplus = state.history.len().saturating_sub(MAX_HISTORY);
        state.history.drain(..surplus);
    }
    state.history_at = None;
    state.mode = Mode::Run;
    // Several candidates are drawn by denoising; a draft is one.
    let method = if options.candidates > 1 && options.method == Method::Auto { Method::Denoise } else { options.method };
    let options = Options { method, ..options };
    let (id, file, text, spans) = (run.id, run.file.name.clone(), run.file.text.clone(), run.spans.clone());
    state.run = Some(run);
    let complaint = complaint.unwrap_or_default();
    let request = Request { id, file, text, spans, instruction, complaint, options, start };
    effects.insert(0, Effect::Submit(request));
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_take_the_place_of_spans() {
        let composition = Composition { pieces: vec!["XYZ".into(), "Q".into()], holes: vec![(0, 1..2), (1, 0..1)] };
        let (text, holes) = spliced("a[b]c[d]e", &[2..3, 6..7], &composition);
        assert_eq!(text, "a[XYZ]c[Q]e");
        assert_eq!(holes, [3..4, 8..9]);
    }
}
