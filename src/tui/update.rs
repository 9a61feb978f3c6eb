//! How messages change the state, and what they ask for.

use std::sync::Arc;

use crate::patch::hunk::Hunk;
use crate::screen::text::visible;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;
use crate::syntax::select;
use crate::tui::engine::Event;
use crate::tui::engine::Request;
use crate::tui::input::edit_input;
use crate::tui::input::type_text;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Key;
use crate::tui::keymap::Keymap;
use crate::tui::state::EngineState;
use crate::tui::state::File;
use crate::tui::state::MAX_FRAMES;
use crate::tui::state::Message;
use crate::tui::state::Mode;
use crate::tui::state::Review;
use crate::tui::state::Run;
use crate::tui::state::Selection;
use crate::tui::state::State;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The engine tells something.
    Engine(Event),
    /// The parse of this text is done.
    Parsed(Arc<str>, Option<Arc<Syntax>>),
    /// Hunks were applied: the text of the file now, or why not.
    Applied(Result<String, String>),
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Parse the text, and answer with [`Msg::Parsed`].
    Parse(Arc<str>, Language),
    /// Start a request.
    Submit(Request),
    /// Stop the running request early.
    Stop,
    /// Hold the running request, or let it go on.
    Pause(bool),
    /// Apply hunks to the file, and answer with [`Msg::Applied`].
    Apply(Vec<Hunk>),
    /// Draw everything again.
    Redraw,
    /// Stop the process, as Ctrl-Z does.
    Suspend,
    /// Leave.
    Quit,
}

/// What to do at the start.
pub fn start(state: &State) -> Vec<Effect> {
    state.file.language.map(|language| Effect::Parse(state.file.text.clone(), language)).into_iter().collect()
}

/// Changes the state for a message.
pub fn update(state: &mut State, keymap: &Keymap, msg: Msg) -> Vec<Effect> {
    let effects = match msg {
        Msg::Key(key) => on_key(state, keymap, key),
        Msg::Paste(text) => {
            if state.mode == Mode::Prompt {
                type_text(state, &text);
            }
            Vec::new()
        }
        Msg::Resize(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Msg::Engine(event) => on_engine(state, event),
        Msg::Parsed(text, syntax) => {
            // The file may have changed since.
            if Arc::ptr_eq(&text, &state.file.text) {
                state.file.syntax = syntax;
            }
            Vec::new()
        }
        Msg::Applied(result) => on_applied(state, result),
    };
    keep_in_view(state);
    effects
}

/// Shows a line to the user, made safe.
pub(super) fn tell(state: &mut State, text: impl AsRef<str>, is_error: bool) {
    state.message = Some(Message { text: visible(text.as_ref()).into_owned(), is_error });
}

fn on_key(state: &mut State, keymap: &Keymap, key: Key) -> Vec<Effect> {
    if state.mode == Mode::Prompt && !state.help && edit_input(state, key) {
        return Vec::new();
    }
    let Some(action) = keymap.action(state.mode.context(), key) else { return Vec::new() };
    state.message = None;
    match action {
        Action::Help => state.help = !state.help,
        Action::Redraw => return vec![Effect::Redraw],
        Action::Suspend => return vec![Effect::Suspend],
        _ if state.help => {
            state.help = false;
            // Leaving is always possible; every other key only closes the help.
            if keymap.action(Context::Global, key) == Some(Action::Quit) {
                return vec![Effect::Quit];
            }
        }
        Action::Quit => return vec![Effect::Quit],
        _ => {
            return match state.mode {
                Mode::Browse => browse(state, action),
                Mode::Prompt => prompt(state, action),
                Mode::Run => run(state, action),
                Mode::Review => review(state, action),
            };
        }
    }
    Vec::new()
}

fn browse(state: &mut State, action: Action) -> Vec<Effect> {
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
        state.cursor = to;
        if matches!(state.selection, Some(Selection::Node { .. })) {
            state.selection = None;
        }
        return Vec::new();
    }
    match action {
        Action::SelectLines => {
            state.selection = match state.selection {
                Some(Selection::Lines { .. }) => None,
                _ => Some(Selection::Lines { anchor: state.cursor }),
            };
        }
        Action::Grow => grow(state),
        Action::Shrink => shrink(state),
        Action::Instruct => state.mode = Mode::Prompt,
        Action::Cancel => state.selection = None,
        _ => {}
    }
    Vec::new()
}

fn grow(state: &mut State) {
    let Some(syntax) = state.file.syntax.clone() else {
        let why = if state.file.language.is_some() {
            "the file is not parsed yet"
        } else {
            "no syntax for this file: select lines with v"
        };
        return tell(state, why, false);
    };
    let (range, mut smaller) = match state.selection.take() {
        Some(Selection::Node { range, smaller }) => (range, smaller),
        Some(lines @ Selection::Lines { .. }) => {
            state.selection = Some(lines);
            (state.span(), Vec::new())
        }
        None => {
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

fn prompt(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Submit => return submit(state),
        Action::Cancel => state.mode = Mode::Browse,
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

fn submit(state: &mut State) -> Vec<Effect> {
    if let EngineState::Gone(why) = &state.engine {
        let why = why.clone();
        tell(state, why, true);
        return Vec::new();
    }
    let span = state.span();
    let id = state.next_id;
    state.next_id += 1;
    let instruction = state.input.text.trim().to_owned();
    if !instruction.is_empty() && state.history.last() != Some(&instruction) {
        state.history.push(instruction.clone());
    }
    state.history_at = None;
    state.review = None;
    state.mode = Mode::Run;
    state.run =
        Some(Run { id, spans: vec![span.clone()], frames: Vec::new(), shown: None, paused: false, ended: false, scroll: 0 });
    let request = Request { id, file: state.file.name.clone(), text: state.file.text.clone(), spans: vec![span], instruction };
    vec![Effect::Submit(request)]
}

fn run(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(run) = &mut state.run else {
        state.mode = Mode::Browse;
        return Vec::new();
    };
    match action {
        Action::Pause if !run.ended => {
            run.paused = !run.paused;
            if !run.paused {
                run.shown = None;
            }
            return vec![Effect::Pause(run.paused)];
        }
        Action::Stop if !run.ended => {
            run.paused = false;
            run.shown = None;
            return vec![Effect::Stop];
        }
        Action::Earlier | Action::Later if !run.frames.is_empty() => {
            let last = run.frames.len() - 1;
            let at = run.shown.unwrap_or(last);
            let at = if action == Action::Earlier { at.saturating_sub(1) } else { at + 1 };
            run.shown = (at < last).then_some(at);
            if !run.paused && !run.ended {
                run.paused = true;
                return vec![Effect::Pause(true)];
            }
        }
        Action::Up => run.scroll = (run.scroll - 1).max(-100_000),
        Action::Down => run.scroll = (run.scroll + 1).min(100_000),
        Action::Cancel => {
            let ended = run.ended;
            // What the engine still tells about it is dropped.
            state.run = None;
            state.mode = Mode::Browse;
            return if ended { Vec::new() } else { vec![Effect::Stop] };
        }
        _ => {}
    }
    Vec::new()
}

fn review(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(review) = &mut state.review else {
        state.mode = Mode::Browse;
        return Vec::new();
    };
    let count = review.hunks.len();
    match action {
        Action::Accept | Action::Reject => {
            if let Some(hunk) = review.hunks.get_mut(review.at) {
                hunk.accepted = Some(action == Action::Accept);
                review.at = (review.at + 1).min(count - 1);
            }
        }
        Action::AcceptAll => review.hunks.iter_mut().for_each(|hunk| hunk.accepted = Some(true)),
        Action::NextHunk => review.at = (review.at + 1).min(count.saturating_sub(1)),
        Action::PreviousHunk => review.at = review.at.saturating_sub(1),
        Action::NextCandidate if review.candidates.len() > 1 => {
            let next = (review.candidate + 1) % review.candidates.len();
            let text = state.file.text.clone();
            review.look_at(&text, next);
        }
        Action::Apply => {
            let accepted = review.accepted();
            if accepted.is_empty() {
                tell(state, "nothing is accepted yet: space accepts a hunk, A all of them", false);
                return Vec::new();
            }
            return vec![Effect::Apply(accepted)];
        }
        Action::Again => return submit(state),
        Action::Cancel => {
            state.review = None;
            state.mode = Mode::Browse;
        }
        _ => {}
    }
    Vec::new()
}

fn on_engine(state: &mut State, event: Event) -> Vec<Effect> {
    let current = state.run.as_ref().map(|run| run.id);
    match event {
        Event::Loading(share) => state.engine = EngineState::Loading(share.clamp(0.0, 1.0)),
        Event::Ready(name) => state.engine = EngineState::Ready(visible(&name).into_owned()),
        Event::Frame { id, frame } if current == Some(id) => {
            if let Some(run) = &mut state.run {
                if run.frames.len() >= MAX_FRAMES {
                    run.frames.remove(0);
                    run.shown = run.shown.map(|shown| shown.saturating_sub(1));
                }
                run.frames.push(frame);
            }
        }
        Event::Finished { id, candidates } if current == Some(id) => finished(state, candidates),
        Event::Failed { id, message } => {
            if id.is_none() {
                state.engine = EngineState::Gone(visible(&message).into_owned());
            }
            if id.is_none() || id == current {
                state.run = None;
                if state.mode == Mode::Run {
                    state.mode = Mode::Browse;
                }
                tell(state, message, true);
            }
        }
        // Of a request that was given up.
        Event::Frame { .. } | Event::Finished { .. } => {}
    }
    Vec::new()
}

fn finished(state: &mut State, candidates: Vec<crate::tui::engine::Candidate>) {
    let Some(run) = &mut state.run else { return };
    run.ended = true;
    run.paused = false;
    let spans = run.spans.clone();
    let review = Review::new(&state.file.text, spans, candidates);
    if review.candidates.is_empty() || review.hunks.is_empty() && review.candidates.len() == 1 {
        let why = if review.candidates.is_empty() { "no candidate" } else { "the candidate equals the text: nothing to change" };
        state.mode = Mode::Browse;
        return tell(state, why, false);
    }
    state.review = Some(review);
    state.mode = Mode::Review;
}

fn on_applied(state: &mut State, result: Result<String, String>) -> Vec<Effect> {
    match result {
        Ok(text) => {
            let language = state.file.language;
            state.file = File::new(std::mem::take(&mut state.file.name), text, language);
            state.selection = None;
            state.run = None;
            state.review = None;
            state.mode = Mode::Browse;
            state.cursor = state.cursor.min(state.file.line_count() - 1);
            tell(state, "applied", false);
            start(state)
        }
        Err(message) => {
            tell(state, message, true);
            Vec::new()
        }
    }
}

/// Moves the view so that the cursor's line is in it.
fn keep_in_view(state: &mut State) {
    let page = state.page();
    let margin = (page / 6).min(3);
    state.top = state.top.min(state.cursor.saturating_sub(margin)).max((state.cursor + margin + 1).saturating_sub(page));
    state.top = state.top.min(state.file.line_count().saturating_sub(page));
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
