//! Reading the file and selecting spans.

use crate::syntax::select;
use crate::tui::host::Job;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::sideways;
use crate::tui::state::Mode;
use crate::tui::state::Search;
use crate::tui::state::Selection;
use crate::tui::state::State;
use crate::tui::state::apart;
use crate::tui::update::Effect;
use crate::tui::update::picker;
use crate::tui::update::search;
use crate::tui::update::tell;

pub(super) fn act(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    let last = state.file.line_count() - 1;
    let page = state.page();
    let to = match action {
        Action::Up => Some(state.cursor.saturating_sub(1)),
        Action::Down => Some((state.cursor + 1).min(last)),
        Action::PageUp => Some(state.cursor.saturating_sub(page)),
        Action::PageDown => Some((state.cursor + page).min(last)),
        Action::Top => Some(0),
        Action::Bottom => Some(last),
        _ => None,
    };
    if let Some(to) = to {
        go_to(state, to);
        return Vec::new();
    }
    if action == Action::Files {
        return picker::files(state);
    }
    let anywhere = matches!(action, Action::Undo | Action::Redo | Action::Log | Action::Recordings | Action::Cancel);
    let needs_file = !anywhere && !state.file.is_open();
    if needs_file {
        tell(state, format!("no file is open: {} opens one", keymap.key_text(Context::Browse, Action::Files)), false);
        return Vec::new();
    }
    match action {
        Action::SelectLines => {
            state.selection = match state.selection {
                Some(Selection::Lines { .. }) => None,
                _ => Some(Selection::Lines { anchor: state.cursor }),
            };
        }
        Action::Grow => grow(state, keymap),
        Action::Shrink => shrink(state),
        Action::Mark => mark(state),
        Action::ChangedLines => return vec![Effect::Job(Job::Changes(state.file.text.clone()))],
        Action::Symbols => return picker::symbols(state),
        Action::Reload => return job(state, Job::Open(state.file.name.clone())),
        Action::Instruct => {
            state.mode = Mode::Prompt;
            state.follow_up = false;
        }
        Action::Search => search::open(state),
        Action::NextMatch | Action::PreviousMatch => return search::next(state, keymap, action),
        Action::ScrollLeft | Action::ScrollRight => sideways::scroll(state, action == Action::ScrollRight),
        Action::Copy => {
            let texts: Vec<&str> = state.spans().into_iter().filter_map(|span| state.file.text.get(span)).collect();
            return copy(state, texts.concat());
        }
        Action::Undo => return job(state, Job::Undo(None)),
        Action::Redo => return job(state, Job::Redo(None)),
        Action::Log => return picker::log(state),
        Action::Recipes => return picker::findings(state),
        Action::Recordings => return picker::recordings(state),
        // First the selection, then the spans that were kept, then what was found.
        Action::Cancel if state.selection.is_some() => state.selection = None,
        Action::Cancel if !state.marks.is_empty() => state.marks.clear(),
        Action::Cancel => state.search = Search::default(),
        _ => {}
    }
    Vec::new()
}

/// Moves the cursor; a node is let go, lines stay selected up to here.
pub(super) fn go_to(state: &mut State, line: usize) {
    state.cursor = line.min(state.file.line_count() - 1);
    if matches!(state.selection, Some(Selection::Node { .. })) {
        state.selection = None;
    }
}

/// Asks for something that writes or reads files, once at a time.
pub(super) fn job(state: &mut State, job: Job) -> Vec<Effect> {
    if state.busy {
        tell(state, "one moment: the last request is still at work", false);
        return Vec::new();
    }
    state.busy = true;
    vec![Effect::Job(job)]
}

/// Bytes that are given to the terminal's clipboard at most: terminals drop longer sequences.
const MAX_COPY: usize = 74_000;

/// Gives text to the clipboard.
pub(super) fn copy(state: &mut State, text: String) -> Vec<Effect> {
    if text.len() > MAX_COPY {
        tell(state, format!("too long for the terminal's clipboard: {} bytes, at most {MAX_COPY}", text.len()), true);
        return Vec::new();
    }
    let lines = text.lines().count();
    tell(state, if lines == 1 { "1 line copied".to_owned() } else { format!("{lines} lines copied") }, false);
    vec![Effect::Copy(text)]
}

/// Keeps the selection as a span, or lets go of the kept ones that it touches.
fn mark(state: &mut State) {
    let span = state.selected().unwrap_or_else(|| state.file.line(state.cursor));
    let touches = |mark: &std::ops::Range<usize>| mark.start < span.end && span.start < mark.end || *mark == span;
    if state.marks.iter().any(touches) {
        state.marks.retain(|mark| !touches(mark));
    } else {
        let mut marks = std::mem::take(&mut state.marks);
        marks.push(span);
        state.marks = apart(marks);
    }
    state.selection = None;
}

fn grow(state: &mut State, keymap: &Keymap) {
    let Some(syntax) = state.file.syntax.clone() else {
        if state.file.language.is_some() {
            return tell(state, "the file is not parsed yet", false);
        }
        let key = keymap.key_text(Context::Browse, Action::SelectLines);
        return tell(state, format!("no syntax for this file: select lines with {key}"), false);
    };
    let lines = state.selected();
    let (range, mut smaller) = match (state.selection.take(), lines) {
        (Some(Selection::Node { range, smaller }), _) => (range, smaller),
        (Some(Selection::Lines { .. }), Some(range)) => (range, Vec::new()),
        _ => {
            // From nothing, the first step takes the node at the first character of the line.
            let line = state.file.line(state.cursor);
            let text = state.file.line_text(state.cursor);
            let at = line.start + (text.len() - text.trim_start().len());
            (at..at, Vec::new())
        }
    };
    match select::grow(&syntax, &state.file.text, &range) {
        Some(larger) => {
            if !range.is_empty() {
                smaller.push(range);
            }
            state.selection = Some(Selection::Node { range: larger, smaller });
        }
        None => state.selection = Some(Selection::Node { range, smaller }),
    }
}

fn shrink(state: &mut State) {
    let Some(Selection::Node { range, mut smaller }) = state.selection.take() else { return };
    state.selection = match (smaller.pop(), &state.file.syntax) {
        (Some(range), _) => Some(Selection::Node { range, smaller }),
        (None, Some(syntax)) => {
            let inner = select::shrink(syntax, &state.file.text, &range, range.start).unwrap_or(range);
            Some(Selection::Node { range: inner, smaller })
        }
        (None, None) => Some(Selection::Node { range, smaller }),
    };
}
