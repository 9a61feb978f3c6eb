//! The mouse: lines, tokens, list items, steps of the timeline.

use crate::tui::keymap::Action;
use crate::tui::keymap::Keymap;
use crate::tui::layout;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::Selection;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::act;
use crate::tui::update::browse;
use crate::tui::update::picker;
use crate::tui::update::run;

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseKind {
    /// The left button went down.
    Press,
    /// It moved with the left button held.
    Drag,
    /// The wheel turned up.
    WheelUp,
    /// The wheel turned down.
    WheelDown,
}

/// Something the mouse did, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mouse {
    /// What.
    pub kind: MouseKind,
    /// Column, from 0.
    pub column: u16,
    /// Row, from 0.
    pub row: u16,
}

/// Lines that one turn of the wheel moves.
const WHEEL: usize = 3;

pub(super) fn on_mouse(state: &mut State, keymap: &Keymap, mouse: Mouse) -> Vec<Effect> {
    if !state.mouse {
        return Vec::new();
    }
    if let MouseKind::WheelUp | MouseKind::WheelDown = mouse.kind {
        return wheel(state, keymap, mouse.kind == MouseKind::WheelUp);
    }
    match &mut state.overlay {
        Some(Overlay::Help { .. }) => {
            state.overlay = None;
            return Vec::new();
        }
        Some(Overlay::Picker(list)) => {
            let Some(row) = layout::picker_item_at(list, state.size, mouse.column, mouse.row) else { return Vec::new() };
            let item = layout::picker_top(list, state.size) + row;
            if mouse.kind == MouseKind::Press && item < list.found.len() {
                list.at = item;
                return picker::choose(state, keymap);
            }
            return Vec::new();
        }
        None => {}
    }
    match state.mode {
        Mode::Browse => on_file(state, mouse),
        Mode::Run => on_run(state, mouse),
        Mode::Prompt | Mode::Search | Mode::Review => Vec::new(),
    }
}

fn wheel(state: &mut State, keymap: &Keymap, up: bool) -> Vec<Effect> {
    let action = match (state.mode, &state.overlay, up) {
        (Mode::Prompt | Mode::Search, None, _) => return Vec::new(),
        (_, Some(Overlay::Help { scroll }), up) => {
            let scroll = if up { scroll.saturating_sub(WHEEL) } else { (scroll + WHEEL).min(200) };
            state.overlay = Some(Overlay::Help { scroll });
            return Vec::new();
        }
        (Mode::Browse, None, _) => {
            let to = if up { state.cursor.saturating_sub(WHEEL) } else { state.cursor + WHEEL };
            browse::go_to(state, to);
            return Vec::new();
        }
        (_, Some(Overlay::Picker(_)), true) => Action::Up,
        (_, Some(Overlay::Picker(_)), false) => Action::Down,
        (_, None, true) => Action::PageUp,
        (_, None, false) => Action::PageDown,
    };
    let told = state.message.take();
    let effects = act(state, keymap, action);
    state.message = state.message.take().or(told);
    effects
}

/// A click puts the cursor on a line, a drag selects lines.
fn on_file(state: &mut State, mouse: Mouse) -> Vec<Effect> {
    let areas = layout::areas(state);
    let inside = areas.body.contains((mouse.column, mouse.row).into());
    if !inside || !state.file.is_open() {
        return Vec::new();
    }
    let line = (state.top + usize::from(mouse.row - areas.body.y)).min(state.file.line_count() - 1);
    if mouse.kind == MouseKind::Press {
        state.selection = None;
    } else if !matches!(state.selection, Some(Selection::Lines { .. })) {
        state.selection = Some(Selection::Lines { anchor: state.cursor });
    }
    state.cursor = line;
    Vec::new()
}

/// A click on a token puts the cursor there, a drag selects tokens, a click on the timeline goes to a step.
fn on_run(state: &mut State, mouse: Mouse) -> Vec<Effect> {
    let areas = layout::areas(state);
    let at = (mouse.column, mouse.row).into();
    let Some(run) = &mut state.run else { return Vec::new() };
    if areas.timeline.contains(at) {
        let Some(step) = layout::timeline_step(run, areas.timeline, mouse.column) else { return Vec::new() };
        run.look_at(step);
        return run::hold(run);
    }
    let Some(slot) = layout::slot_at(run, areas.body, mouse.column, mouse.row) else { return Vec::new() };
    match mouse.kind {
        MouseKind::Drag => run.anchor = run.anchor.or(run.cursor),
        _ => run.anchor = None,
    }
    run.cursor = Some(slot);
    run::on_slot(run)
}
