//! How messages change the state, and what they ask for.

mod answer;
mod browse;
mod engine;
mod mouse;
mod picker;
mod prompt;
mod review;
mod run;
mod search;
mod verify;

use std::ops::Range;
use std::sync::Arc;

use crate::screen::text::visible;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;
use crate::tui::engine::Command;
use crate::tui::engine::Event;
use crate::tui::engine::Request;
use crate::tui::host::Answer;
use crate::tui::host::Job;
use crate::tui::input::edit_input;
use crate::tui::input::type_text;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Key;
use crate::tui::keymap::Keymap;
use crate::tui::state::Message;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::State;
use crate::tui::state::Verifying;
use crate::tui::state::picker::Found;
use crate::tui::state::picker::Item;
pub use crate::tui::update::mouse::Mouse;
pub use crate::tui::update::mouse::MouseKind;
use crate::tui::verify as verifier;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(Mouse),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The engine tells something.
    Engine(Event),
    /// The verifier tells something.
    Verify(verifier::Event),
    /// The parse of this text is done.
    Parsed(Arc<str>, Option<Arc<Syntax>>),
    /// A job is done.
    Answer(Answer),
    /// The items of the list that match what was typed.
    Filtered {
        /// What was asked for.
        revision: u64,
        /// The items.
        found: Vec<Found>,
    },
    /// Where what is looked for stands in this text.
    Matches {
        /// What was asked for.
        revision: u64,
        /// The text.
        text: Arc<str>,
        /// The places, ascending.
        matches: Vec<Range<usize>>,
    },
    /// The user's editor gave a text back, or why not.
    Edited(Result<String, String>),
    /// Time for the next step of a run that plays by itself.
    Tick,
    /// The terminal says what its background is.
    Background {
        /// Whether it is light.
        light: bool,
    },
}

/// Something to be done outside.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Parse the text, and answer with [`Msg::Parsed`].
    Parse(Arc<str>, Language),
    /// List the definitions of a text, and answer with [`Answer::Items`].
    Symbols(Arc<str>, Arc<Syntax>),
    /// Find the items that match, and answer with [`Msg::Filtered`].
    Filter {
        /// To be told apart from earlier ones.
        revision: u64,
        /// All items.
        items: Arc<[Item]>,
        /// What is typed.
        query: String,
    },
    /// Find what is looked for in the text, and answer with [`Msg::Matches`].
    Search {
        /// To be told apart from earlier ones.
        revision: u64,
        /// The text.
        text: Arc<str>,
        /// What is looked for.
        query: String,
    },
    /// Start a request.
    Submit(Request),
    /// Steer the running request.
    Steer(Command),
    /// Run the user's commands on a candidate.
    Verify(verifier::Request),
    /// Stop them.
    CancelVerify,
    /// Do a job, and answer with [`Msg::Answer`].
    Job(Job),
    /// Let the user edit a text in an editor, and answer with [`Msg::Edited`].
    Edit {
        /// The text.
        text: String,
        /// How the name of its file ends, for the editor's colours.
        suffix: String,
    },
    /// Give text to the terminal's clipboard.
    Copy(String),
    /// Listen to the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Draw everything again.
    Redraw,
    /// Stop the process, as Ctrl-Z does.
    Suspend,
    /// Leave.
    Quit,
}

/// What to do at the start: parse the file, or let the user choose one.
pub fn start(state: &mut State) -> Vec<Effect> {
    if !state.file.is_open() {
        // Who begins with a recorded run wants to see it.
        if state.mode == Mode::Run {
            return Vec::new();
        }
        let mut effects = picker::files(state);
        effects.push(Effect::Job(Job::History));
        return effects;
    }
    let mut effects = parse(state);
    effects.push(Effect::Job(Job::History));
    effects.push(Effect::Job(Job::Git));
    effects
}

/// Asks for the parse of the open file.
fn parse(state: &State) -> Vec<Effect> {
    state.file.language.map(|language| Effect::Parse(state.file.text.clone(), language)).into_iter().collect()
}

/// Changes the state for a message.
pub fn update(state: &mut State, keymap: &Keymap, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Key(key) => on_key(state, keymap, key),
        Msg::Paste(text) => on_paste(state, &text),
        Msg::Mouse(mouse) => mouse::on_mouse(state, keymap, mouse),
        Msg::Resize(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Msg::Engine(event) => engine::on_engine(state, keymap, event),
        Msg::Verify(event) => verify::on_event(state, keymap, event),
        Msg::Parsed(text, syntax) => {
            // The file may have changed since.
            if Arc::ptr_eq(&text, &state.file.text) {
                state.file.syntax = syntax;
            }
            Vec::new()
        }
        Msg::Answer(answer) => answer::on_answer(state, keymap, answer),
        Msg::Filtered { revision, found } => picker::on_filtered(state, keymap, revision, found),
        Msg::Matches { revision, text, matches } => {
            search::on_matches(state, revision, &text, matches);
            Vec::new()
        }
        Msg::Edited(result) => {
            review::on_edited(state, result);
            Vec::new()
        }
        Msg::Tick => {
            if let Some(run) = &mut state.run {
                run.play_on();
            }
            Vec::new()
        }
        Msg::Background { light } => {
            picker::on_background(state, light);
            Vec::new()
        }
    };
    // Whatever ended the review, nobody waits for what the commands say about it.
    let stale = |verifying: &Verifying| state.review.as_ref().is_none_or(|review| review.number != verifying.review);
    if state.verifying.as_ref().is_some_and(stale) {
        state.verifying = None;
        effects.push(Effect::CancelVerify);
    }
    keep_in_view(state);
    effects
}

/// Shows a line to the user, made safe.
pub(super) fn tell(state: &mut State, text: impl AsRef<str>, is_error: bool) {
    state.message = Some(Message { text: visible(text.as_ref()).into_owned(), is_error });
}

fn on_paste(state: &mut State, text: &str) -> Vec<Effect> {
    match &state.overlay {
        None if state.mode == Mode::Prompt => {
            type_text(state, text);
            Vec::new()
        }
        Some(Overlay::Picker(_)) => {
            type_text(state, text);
            picker::refilter(state)
        }
        None if state.mode == Mode::Search => {
            type_text(state, text);
            search::refresh(state)
        }
        _ => Vec::new(),
    }
}

fn on_key(state: &mut State, keymap: &Keymap, key: Key) -> Vec<Effect> {
    let context = state.context();
    if context.is_typed() && edit_input(state, key) {
        return match context {
            Context::Picker => picker::refilter(state),
            Context::Search => search::refresh(state),
            _ => Vec::new(),
        };
    }
    if let Some(Overlay::Help { scroll }) = state.overlay {
        return on_help_key(state, keymap, key, scroll);
    }
    match keymap.action(context, key) {
        Some(action) => act(state, keymap, action),
        None => Vec::new(),
    }
}

/// In the help, keys that move scroll it; leaving is always possible, every other key closes it.
fn on_help_key(state: &mut State, keymap: &Keymap, key: Key, scroll: usize) -> Vec<Effect> {
    let page = state.page().max(2) / 2;
    let moved = match keymap.action(Context::Browse, key) {
        Some(Action::Down) => scroll.saturating_add(1),
        Some(Action::Up) => scroll.saturating_sub(1),
        Some(Action::PageDown) => scroll.saturating_add(page),
        Some(Action::PageUp) => scroll.saturating_sub(page),
        _ => {
            state.overlay = None;
            return match keymap.action(Context::Global, key) {
                Some(Action::Quit) => vec![Effect::Quit],
                Some(Action::Suspend) => vec![Effect::Suspend],
                Some(Action::Redraw) => vec![Effect::Redraw],
                _ => Vec::new(),
            };
        }
    };
    state.overlay = Some(Overlay::Help { scroll: moved.min(200) });
    Vec::new()
}

/// Does what a key, a click or a chosen command stands for.
fn act(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    state.message = None;
    match action {
        Action::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::Redraw => return vec![Effect::Redraw],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Quit => return vec![Effect::Quit],
        Action::Palette if !matches!(state.overlay, Some(Overlay::Picker(_))) => picker::commands(state, keymap),
        Action::Themes => picker::themes(state),
        Action::Mouse => {
            state.mouse = !state.mouse;
            let told = if state.mouse { "the mouse is listened to" } else { "the mouse is left to the terminal" };
            tell(state, told, false);
            return vec![Effect::Mouse(state.mouse)];
        }
        _ => {
            return match (&state.overlay, state.mode) {
                (Some(Overlay::Picker(_)), _) => picker::act(state, keymap, action),
                (Some(Overlay::Help { .. }), _) => Vec::new(),
                (None, Mode::Browse) => browse::act(state, keymap, action),
                (None, Mode::Prompt) => prompt::act(state, action),
                (None, Mode::Search) => search::act(state, action),
                (None, Mode::Run) => run::act(state, keymap, action),
                (None, Mode::Review) => review::act(state, keymap, action),
            };
        }
    }
    Vec::new()
}

/// Moves the view so that the cursor's line is in it.
fn keep_in_view(state: &mut State) {
    let page = state.page().saturating_sub(crate::tui::layout::covered(state)).max(1);
    let margin = (page / 6).min(3);
    state.top = state.top.min(state.cursor.saturating_sub(margin)).max((state.cursor + margin + 1).saturating_sub(page));
    state.top = state.top.min(state.file.line_count().saturating_sub(page));
}

#[cfg(test)]
pub(crate) mod tests;
