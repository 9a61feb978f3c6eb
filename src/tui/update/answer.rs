//! What came of jobs: files that were read, edits that were written.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::syntax::language::Language;
use crate::tui::engine::Command;
use crate::tui::host::Answer;
use crate::tui::host::Opened;
use crate::tui::host::Refusal;
use crate::tui::host::Replay;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::File;
use crate::tui::state::MAX_HISTORY;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::state::apart;
use crate::tui::state::picker::Kind;
use crate::tui::update::Effect;
use crate::tui::update::parse;
use crate::tui::update::picker;
use crate::tui::update::search;
use crate::tui::update::tell;

pub(super) fn on_answer(state: &mut State, keymap: &Keymap, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Items(kind, items) => return picker::on_items(state, keymap, kind, items),
        Answer::Opened(result) => {
            state.busy = false;
            match result {
                Ok(opened) => return open(state, opened),
                Err(why) => tell(state, why, true),
            }
        }
        Answer::Written(result) => {
            state.busy = false;
            match result {
                Ok((opened, told)) => {
                    let effects = open(state, opened);
                    tell(state, told, false);
                    return effects;
                }
                Err(Refusal::Hidden(what)) => {
                    let key = keymap.key_text(Context::Review, Action::AllowHidden);
                    tell(state, format!("{what}; nothing was written: {key} takes it all the same"), true);
                }
                Err(Refusal::Other(why)) => tell(state, why, true),
            }
        }
        Answer::History(earlier) => {
            // What was typed before the answer came is the newest.
            let typed = std::mem::replace(&mut state.history, earlier);
            state.history.extend(typed);
            let surplus = state.history.len().saturating_sub(MAX_HISTORY);
            state.history.drain(..surplus);
            state.history_at = None;
        }
        Answer::Remembered(result) => {
            if let Err(why) = result {
                tell(state, why, true);
            }
        }
        Answer::Git(name, git) => {
            if name == state.file.name {
                state.git = git;
            }
        }
        Answer::Changes(text, result) if Arc::ptr_eq(&text, &state.file.text) => changed_lines(state, result),
        Answer::Findings(text, items) if Arc::ptr_eq(&text, &state.file.text) => {
            return picker::on_items(state, keymap, Kind::Findings, items);
        }
        // The file was read again since.
        Answer::Changes(..) | Answer::Findings(..) => {}
        Answer::Replayed(result) => {
            state.busy = false;
            match result {
                Ok(replay) => return show(state, replay),
                Err(why) => tell(state, why, true),
            }
        }
        Answer::Exported(result) => {
            state.busy = false;
            match result {
                Ok(told) => tell(state, told, false),
                Err(why) => tell(state, why, true),
            }
        }
    }
    Vec::new()
}

/// Shows a file; what was selected, run and reviewed belongs to its earlier text.
fn open(state: &mut State, opened: Opened) -> Vec<Effect> {
    let same_file = opened.name == state.file.name;
    let language = Language::detect(Path::new(&opened.name), opened.text.lines().next().unwrap_or(""));
    state.file = File::new(opened.name, opened.text, language);
    state.git = opened.git;
    state.selection = None;
    state.marks.clear();
    let runs = state.run.take().is_some_and(|run| !run.ended);
    state.review = None;
    state.mode = Mode::Browse;
    // Someone may be choosing a theme meanwhile; a list of places, though, was of the other text.
    if matches!(&state.overlay, Some(Overlay::Picker(list)) if matches!(list.kind, Kind::Symbols | Kind::Findings)) {
        state.overlay = None;
    }
    state.before = None;
    if !same_file {
        state.cursor = 0;
        state.top = 0;
        state.left = 0;
    }
    state.cursor = state.cursor.min(state.file.line_count() - 1);
    let mut effects = parse(state);
    effects.extend(search::again(state));
    if runs {
        effects.push(Effect::Steer(Command::Abort));
    }
    effects
}

/// Shows a recorded run; one that is under way is given up.
fn show(state: &mut State, replay: Replay) -> Vec<Effect> {
    let runs = state.run.take().is_some_and(|run| !run.ended);
    let Replay { file, model, text, spans, frames, .. } = replay;
    let language = Language::from_path(Path::new(&file));
    state.run = Some(Run::recorded(File::new(file, text, language), spans, frames, model));
    state.review = None;
    state.overlay = None;
    state.mode = Mode::Run;
    if runs { vec![Effect::Steer(Command::Abort)] } else { Vec::new() }
}

fn changed_lines(state: &mut State, result: Result<Vec<Range<usize>>, String>) {
    match result {
        Ok(ranges) => {
            // Lines that were deleted are nowhere in the file.
            let fits = |range: &Range<usize>| !range.is_empty() && state.file.text.get(range.clone()).is_some();
            let ranges: Vec<Range<usize>> = apart(ranges.into_iter().filter(fits).collect());
            let Some(first) = ranges.first() else { return tell(state, "nothing changed since the last commit", false) };
            state.cursor = state.file.line_at(first.start);
            let told = match ranges.len() {
                1 => "1 change since the last commit".to_owned(),
                count => format!("{count} changes since the last commit"),
            };
            state.marks = ranges;
            state.selection = None;
            tell(state, told, false);
        }
        Err(why) => tell(state, why, true),
    }
}
