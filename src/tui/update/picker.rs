//! Lists to choose from: opening them, typing in them, choosing.

use std::ops::Range;
use std::sync::Arc;

use crate::syntax::select;
use crate::tui::engine::Candidate;
use crate::tui::host::Job;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::layout;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::Picker;
use crate::tui::state::Place;
use crate::tui::state::Review;
use crate::tui::state::Selection;
use crate::tui::state::State;
use crate::tui::state::picker::Found;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Kind;
use crate::tui::state::picker::Value;
use crate::tui::theme::Theme;
use crate::tui::update::Effect;
use crate::tui::update::browse;
use crate::tui::update::tell;

/// Asks for the files that can be opened.
pub(super) fn files(state: &mut State) -> Vec<Effect> {
    state.overlay = Some(Overlay::Picker(Picker::waiting(Kind::Files)));
    vec![Effect::Job(Job::Files)]
}

/// Asks for the written edits.
pub(super) fn log(state: &mut State) -> Vec<Effect> {
    state.overlay = Some(Overlay::Picker(Picker::waiting(Kind::Log)));
    vec![Effect::Job(Job::Log)]
}

/// Asks for the definitions of the open file.
pub(super) fn symbols(state: &mut State) -> Vec<Effect> {
    let Some(syntax) = state.file.syntax.clone() else {
        tell(state, "no definitions: the file is not parsed", false);
        return Vec::new();
    };
    state.overlay = Some(Overlay::Picker(Picker::waiting(Kind::Symbols)));
    vec![Effect::Symbols(state.file.text.clone(), syntax)]
}

/// Asks for what the recipes find in the open file.
pub(super) fn findings(state: &mut State) -> Vec<Effect> {
    state.overlay = Some(Overlay::Picker(Picker::waiting(Kind::Findings)));
    let selection = state.selection.clone();
    state.before = Some(Place { cursor: state.cursor, top: state.top, selection });
    vec![Effect::Job(Job::Findings(state.file.text.clone()))]
}

/// Asks for the recorded runs.
pub(super) fn recordings(state: &mut State) -> Vec<Effect> {
    state.overlay = Some(Overlay::Picker(Picker::waiting(Kind::Recordings)));
    vec![Effect::Job(Job::Recordings)]
}

/// Lists what can be done in the present mode, with the keys that do it.
pub(super) fn commands(state: &mut State, keymap: &Keymap) {
    let item = |(action, keys): (Action, String)| Item {
        label: action.help().to_owned(),
        detail: keys,
        badge: ' ',
        value: Value::Action(action),
    };
    let mut items: Vec<Item> = keymap.commands(state.mode.context()).into_iter().map(item).collect();
    let global = keymap.commands(Context::Global).into_iter().filter(|(action, _)| *action != Action::Palette);
    items.extend(global.map(item));
    state.overlay = Some(Overlay::Picker(Picker::of(Kind::Commands, items)));
}

/// Lists the themes; the one looked at is shown at once.
pub(super) fn themes(state: &mut State) {
    let item = |name: &str| Item {
        label: name.to_owned(),
        detail: Theme::about(name).to_owned(),
        badge: ' ',
        value: Value::Theme(name.to_owned()),
    };
    let names = Theme::names();
    let mut picker = Picker::of(Kind::Themes, names.iter().map(|name| item(name)).collect());
    picker.at = names.iter().position(|name| *name == state.look.theme.name).unwrap_or(0);
    state.look.before = Some(state.look.theme.clone());
    state.overlay = Some(Overlay::Picker(picker));
}

/// The items of a list came.
pub(super) fn on_items(state: &mut State, keymap: &Keymap, kind: Kind, items: Result<Vec<Item>, String>) -> Vec<Effect> {
    let picker = match &mut state.overlay {
        Some(Overlay::Picker(picker)) if picker.kind == kind && picker.loading => picker,
        // It was closed meanwhile.
        _ => return Vec::new(),
    };
    match items {
        Ok(items) => {
            let (input, choosing) = (std::mem::take(&mut picker.input), picker.choosing);
            *picker = Picker { input, choosing, ..Picker::of(kind, items) };
            if !picker.input.text.is_empty() {
                return find(state);
            }
            preview(state);
            if choosing { choose(state, keymap) } else { Vec::new() }
        }
        Err(why) => {
            state.overlay = None;
            state.before = None;
            tell(state, why, true);
            Vec::new()
        }
    }
}

/// What is typed changed.
pub(super) fn refilter(state: &mut State) -> Vec<Effect> {
    if let Some(Overlay::Picker(picker)) = &mut state.overlay {
        picker.choosing = false;
    }
    find(state)
}

/// Asks for the items that match what is typed now.
fn find(state: &mut State) -> Vec<Effect> {
    let Some(Overlay::Picker(picker)) = &mut state.overlay else { return Vec::new() };
    state.revision += 1;
    picker.revision = state.revision;
    picker.filtering = true;
    let query = picker.input.text.clone();
    vec![Effect::Filter { revision: state.revision, items: picker.items.clone(), query }]
}

/// The items that match came.
pub(super) fn on_filtered(state: &mut State, keymap: &Keymap, revision: u64, found: Vec<Found>) -> Vec<Effect> {
    let Some(Overlay::Picker(picker)) = &mut state.overlay else { return Vec::new() };
    if picker.revision != revision || found.iter().any(|each| each.item >= picker.items.len()) {
        return Vec::new();
    }
    picker.found = found;
    picker.at = 0;
    picker.filtering = false;
    let choosing = picker.choosing && !picker.loading;
    preview(state);
    if choosing { choose(state, keymap) } else { Vec::new() }
}

pub(super) fn act(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    let Some(Overlay::Picker(picker)) = &mut state.overlay else { return Vec::new() };
    let page = layout::picker_rows(picker, state.size) as isize;
    match action {
        Action::Up => picker.step(-1),
        Action::Down => picker.step(1),
        Action::PageUp => picker.step(-page),
        Action::PageDown => picker.step(page),
        // Who types and presses enter at once means what was typed, not what is listed still.
        Action::Submit if picker.loading || picker.filtering => picker.choosing = true,
        Action::Submit => return choose(state, keymap),
        Action::Cancel => {
            state.overlay = None;
            if let Some(before) = state.look.before.take() {
                state.look.theme = before;
            }
            if let Some(Place { cursor, top, selection }) = state.before.take() {
                (state.cursor, state.top, state.selection) = (cursor, top, selection);
            }
            return Vec::new();
        }
        _ => return Vec::new(),
    }
    preview(state);
    Vec::new()
}

/// A theme is tried as soon as it is looked at, and a place of the file is shown.
fn preview(state: &mut State) {
    let Some(Overlay::Picker(picker)) = &state.overlay else { return };
    if let Some(Item { value: Value::Finding { at, .. }, .. }) = picker.current() {
        let at = at.clone();
        return show_place(state, at);
    }
    if let Some(Item { value: Value::Theme(name), .. }) = picker.current()
        && *name != state.look.theme.name
        && let Ok(theme) = Theme::named(name)
    {
        state.look.theme = Arc::new(theme.reduced(state.look.depth));
    }
}

/// Goes to bytes of the file and selects them, with some lines before them in view.
fn show_place(state: &mut State, range: Range<usize>) {
    if state.file.text.get(range.clone()).is_some() {
        state.cursor = state.file.line_at(range.start);
        state.top = state.cursor.saturating_sub(state.page() / 4);
        state.selection = Some(Selection::Node { range, smaller: Vec::new() });
    }
}

/// The terminal said what its background is: unless the user chose a theme, the one that suits it is taken.
pub(super) fn on_background(state: &mut State, light: bool) {
    let name = Theme::automatic(state.look.depth, light);
    if state.look.automatic
        && name != state.look.theme.name
        && let Ok(theme) = Theme::named(name)
    {
        state.look.theme = Arc::new(theme.reduced(state.look.depth));
    }
}

/// Takes the item looked at.
pub(super) fn choose(state: &mut State, keymap: &Keymap) -> Vec<Effect> {
    let Some(Overlay::Picker(picker)) = &state.overlay else { return Vec::new() };
    let Some(value) = picker.current().map(|item| item.value.clone()) else { return Vec::new() };
    state.overlay = None;
    match value {
        Value::File(name) => browse::job(state, Job::Open(name)),
        Value::Symbol(range) => {
            if state.file.text.get(range.clone()).is_some() {
                let lines = select::whole_lines(&state.file.text, &range);
                show_place(state, lines);
            }
            Vec::new()
        }
        Value::Finding { at, instruction, rewrite } => {
            state.before = None;
            take_up(state, at, instruction, rewrite);
            Vec::new()
        }
        Value::Recording { path, candidate } => browse::job(state, Job::Replay { path, candidate }),
        Value::Action(action) => super::act(state, keymap, action),
        Value::Theme(name) => {
            state.look.before = None;
            state.look.automatic = false;
            tell(state, format!("theme {name}"), false);
            Vec::new()
        }
        Value::Edit { id, applied: true } => browse::job(state, Job::Undo(Some(id))),
        Value::Edit { id, applied: false } => browse::job(state, Job::Redo(Some(id))),
    }
}

/// What a recipe found: its rewriting goes to the review, and what the model is to do becomes a selection with an instruction.
fn take_up(state: &mut State, at: Range<usize>, instruction: String, rewrite: Vec<(Range<usize>, String)>) {
    let fits = |range: &Range<usize>| state.file.text.get(range.clone()).is_some();
    if !fits(&at) || !rewrite.iter().all(|(range, _)| fits(range)) {
        return;
    }
    state.marks.clear();
    state.input.cursor = instruction.len();
    state.input.text = instruction;
    state.follow_up = false;
    if rewrite.is_empty() {
        show_place(state, at);
        state.mode = Mode::Prompt;
        return;
    }
    let (spans, texts) = rewrite.into_iter().unzip();
    // It was proven when it was found.
    let candidate = Candidate { texts, parses: Some(true), confidence: 1.0 };
    let number = state.next_id;
    state.next_id += 1;
    state.selection = None;
    state.run = None;
    state.review = Some(Review { number, ..Review::new(&state.file.text, spans, vec![candidate]) });
    state.mode = Mode::Review;
}
