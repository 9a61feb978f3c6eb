//! Looking for text in the open file.

use std::ops::Range;
use std::sync::Arc;

use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::sideways;
use crate::tui::state::Input;
use crate::tui::state::Mode;
use crate::tui::state::Place;
use crate::tui::state::Search;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::tell;

/// Steps that are kept while the matches are still to come.
const MOST_STEPS: usize = 100;

/// Opens the line for what is looked for.
pub(super) fn open(state: &mut State) {
    state.search.input = Input::default();
    state.search.origin = Some(Place { cursor: state.cursor, top: state.top, selection: state.selection.clone() });
    state.mode = Mode::Search;
}

/// What is typed changed: the first match from where the search began is gone to as it comes.
pub(super) fn refresh(state: &mut State) -> Vec<Effect> {
    state.search.query = state.search.input.text.clone();
    ask(state, true)
}

/// The file has another text: what was looked for in the one before is looked for again.
pub(super) fn again(state: &mut State) -> Vec<Effect> {
    if state.search.query.is_empty() { Vec::new() } else { ask(state, false) }
}

fn ask(state: &mut State, seeking: bool) -> Vec<Effect> {
    state.revision += 1;
    let search = &mut state.search;
    (search.matches, search.at) = (Arc::new([]), None);
    search.steps.clear();
    search.revision = state.revision;
    search.waiting = !search.query.is_empty();
    search.seeking = seeking;
    if search.query.is_empty() {
        restore(state);
        return Vec::new();
    }
    let query = state.search.query.clone();
    vec![Effect::Search { revision: state.revision, text: state.file.text.clone(), query }]
}

/// The matches came.
pub(super) fn on_matches(state: &mut State, revision: u64, text: &Arc<str>, matches: Vec<Range<usize>>) {
    if state.search.revision != revision || !Arc::ptr_eq(text, &state.file.text) {
        return;
    }
    state.search.matches = matches.into();
    state.search.waiting = false;
    let steps = std::mem::take(&mut state.search.steps);
    if std::mem::take(&mut state.search.seeking) {
        if state.search.matches.is_empty() {
            if state.mode == Mode::Search {
                restore(state);
            } else {
                nothing_found(state);
            }
            return;
        }
        first(state);
    }
    // What was asked for while they were looked for is done in its order.
    for action in steps {
        step(state, action);
    }
}

/// Goes to the first match from where the search began.
fn first(state: &mut State) {
    let line = state.search.origin.as_ref().map_or(state.cursor, |origin| origin.cursor);
    let from = state.file.line(line).start;
    let first = state.search.matches.partition_point(|found| found.start < from);
    go_to(state, if first < state.search.matches.len() { first } else { 0 });
}

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Submit => {
            state.mode = Mode::Browse;
            if state.search.query.is_empty() {
                state.search = Search::default();
            } else if !state.search.waiting && state.search.matches.is_empty() {
                nothing_found(state);
            }
        }
        Action::Cancel => {
            restore(state);
            state.search = Search::default();
            state.mode = Mode::Browse;
        }
        Action::NextMatch | Action::PreviousMatch => step(state, action),
        _ => {}
    }
    Vec::new()
}

/// Goes to the next match, or the one before: from the match gone to last, or from the cursor where that has left it.
pub(super) fn next(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    if state.search.query.is_empty() {
        let key = keymap.key_text(Context::Browse, Action::Search);
        tell(state, format!("nothing is looked for: {key} looks for something"), false);
    } else if !state.search.waiting && state.search.matches.is_empty() {
        nothing_found(state);
    } else {
        step(state, action);
    }
    Vec::new()
}

fn nothing_found(state: &mut State) {
    let told = format!("`{}` is nowhere in this file", state.search.query);
    tell(state, told, true);
}

fn step(state: &mut State, action: Action) {
    if state.search.waiting {
        if state.search.steps.len() < MOST_STEPS {
            state.search.steps.push(action);
        }
        return;
    }
    let search = &state.search;
    let Some(last) = search.matches.len().checked_sub(1) else { return };
    let here = search.at.filter(|_| search.current().is_some_and(|found| state.file.line_at(found.start) == state.cursor));
    let line = state.file.line(state.cursor);
    let to = match (here, action) {
        (Some(at), Action::NextMatch) => at + 1,
        (Some(at), _) => at.checked_sub(1).unwrap_or(last),
        (None, Action::NextMatch) => search.matches.partition_point(|found| found.start < line.end),
        (None, _) => search.matches.partition_point(|found| found.start < line.start).checked_sub(1).unwrap_or(last),
    };
    go_to(state, if to > last { 0 } else { to });
}

/// Goes to a match: its line becomes that of the cursor, and its columns come into view. What is selected by lines grows to it.
fn go_to(state: &mut State, at: usize) {
    let Some(found) = state.search.matches.get(at).cloned() else { return };
    state.search.at = Some(at);
    let line = state.file.line_at(found.start);
    super::browse::go_to(state, line);
    sideways::bring_into_view(state, &found);
}

/// Goes back to where the search began.
fn restore(state: &mut State) {
    if let Some(Place { cursor, top, selection }) = state.search.origin.clone() {
        state.cursor = cursor.min(state.file.line_count() - 1);
        (state.top, state.selection) = (top, selection);
    }
}
