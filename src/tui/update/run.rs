//! Watching a run: time, and steering it.

use crate::screen::frame::CellState;
use crate::tui::engine::Command;
use crate::tui::engine::RULES;
use crate::tui::engine::SlotId;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::layout;
use crate::tui::state::Mode;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::review;
use crate::tui::update::tell;
use crate::tui::update::verify;

/// How much a key changes the threshold.
const THRESHOLD_STEP: f32 = 0.05;
/// Its bounds: below, everything is committed at once.
const THRESHOLDS: (f32, f32) = (0.05, 1.0);

pub(super) fn act(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    let Some(run) = &mut state.run else {
        state.mode = Mode::Browse;
        return Vec::new();
    };
    match action {
        Action::PageUp => run.scroll = (run.scroll - 5).max(-100_000),
        Action::PageDown => run.scroll = (run.scroll + 5).min(100_000),
        Action::Earlier | Action::Later | Action::First | Action::Last => {
            run.playing = false;
            return scrub(run, action);
        }
        Action::TokenLeft | Action::TokenRight | Action::TokenUp | Action::TokenDown => return move_cursor(run, action),
        Action::Cancel if run.cursor.is_some() => {
            // Out of the tokens first, then out of the run.
            run.cursor = None;
            run.anchor = None;
        }
        Action::Cancel => return leave(state),
        Action::Export => return review::export(state),
        Action::Pause if run.ended => {
            run.playing = !run.playing;
            // From the end it begins again.
            if run.playing && run.shown.is_none() {
                run.look_at(0);
            }
        }
        _ if run.ended => tell(state, "the run has ended: only its steps can be looked at", false),
        Action::Pause => {
            run.paused = !run.paused;
            run.shown = None;
            if !run.paused {
                run.cursor = None;
                run.anchor = None;
            }
            return vec![Effect::Steer(if run.paused { Command::Pause } else { Command::Resume })];
        }
        Action::StepOnce => {
            run.paused = true;
            run.shown = None;
            return vec![Effect::Steer(Command::Step)];
        }
        Action::Stop => {
            run.paused = false;
            run.shown = None;
            run.cursor = None;
            return vec![Effect::Steer(Command::Finish)];
        }
        Action::Bolder | Action::Stricter => {
            let by = if action == Action::Bolder { -THRESHOLD_STEP } else { THRESHOLD_STEP };
            run.threshold = ((run.threshold + by) * 100.0).round() / 100.0;
            run.threshold = run.threshold.clamp(THRESHOLDS.0, THRESHOLDS.1);
            return vec![Effect::Steer(Command::Threshold(run.threshold))];
        }
        Action::Sampler => {
            run.rule = (run.rule + 1) % RULES.len();
            return vec![Effect::Steer(Command::Sampler(RULES[run.rule]))];
        }
        Action::MoreSlots => return vec![Effect::Steer(Command::Lengthen(run.span_to_resize()))],
        Action::FewerSlots => return vec![Effect::Steer(Command::Shorten(run.span_to_resize()))],
        Action::FixLength => {
            run.fixed = !run.fixed;
            return vec![Effect::Steer(Command::FixLength(run.fixed))];
        }
        _ => return steer(state, keymap, action),
    }
    Vec::new()
}

fn leave(state: &mut State) -> Vec<Effect> {
    let ended = state.run.as_ref().is_none_or(|run| run.ended);
    state.mode = if state.review.is_some() { Mode::Review } else { Mode::Browse };
    if ended {
        return Vec::new();
    }
    // What the engine still tells about it is dropped.
    state.run = None;
    verify::give_up(state);
    vec![Effect::Steer(Command::Abort)]
}

/// Looks at another step; the run is held meanwhile.
fn scrub(run: &mut Run, action: Action) -> Vec<Effect> {
    let Some(last) = run.frames.len().checked_sub(1) else { return Vec::new() };
    let to = match action {
        Action::Earlier => run.place().saturating_sub(1),
        Action::Later => run.place() + 1,
        Action::First => 0,
        _ => last,
    };
    run.look_at(to);
    hold(run)
}

/// Holds a run that goes on.
pub(super) fn hold(run: &mut Run) -> Vec<Effect> {
    if run.paused || run.ended {
        return Vec::new();
    }
    run.paused = true;
    vec![Effect::Steer(Command::Pause)]
}

/// Moves the cursor from token to token; the first move puts it on the first slot that is not settled.
fn move_cursor(run: &mut Run, action: Action) -> Vec<Effect> {
    let slots = run.slots();
    if slots.is_empty() {
        return Vec::new();
    }
    run.cursor = match run.cursor {
        None => {
            let doubtful = |slot: &&SlotId| {
                run.cell(**slot).is_some_and(|cell| match cell.state {
                    CellState::Masked { .. } => true,
                    CellState::Committed { confidence, .. } => confidence < run.threshold,
                    _ => false,
                })
            };
            slots.iter().find(doubtful).or(slots.first()).copied()
        }
        Some(cursor) => {
            let at = slots.iter().position(|slot| *slot == cursor).unwrap_or(0);
            match action {
                Action::TokenLeft => slots.get(at.saturating_sub(1)).copied(),
                Action::TokenRight => slots.get((at + 1).min(slots.len() - 1)).copied(),
                Action::TokenUp => layout::slot_beside(run, cursor, -1),
                _ => layout::slot_beside(run, cursor, 1),
            }
            .or(Some(cursor))
        }
    };
    on_slot(run)
}

/// The cursor came to a slot: the run is held, and what else could stand there is asked for if it is not known.
pub(super) fn on_slot(run: &mut Run) -> Vec<Effect> {
    let mut effects = hold(run);
    effects.extend(ask(run));
    effects
}

/// Asks what else could stand in the slot of the cursor, while the run is held: each answer costs the model a call. One question
/// at a time: who runs over many slots wants to know about the last one.
pub(super) fn ask(run: &mut Run) -> Vec<Effect> {
    let wants = run.paused && !run.ended && run.shown.is_none() && run.anchor.is_none() && run.asked.is_none();
    match run.cursor.filter(|slot| wants && !run.choices.contains_key(slot)) {
        Some(slot) => {
            run.asked = Some(slot);
            vec![Effect::Steer(Command::Ask(slot))]
        }
        None => Vec::new(),
    }
}

/// Commands for the slots that are chosen.
fn steer(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    let key = |action| keymap.key_text(Context::Run, action);
    let Some(run) = &mut state.run else { return Vec::new() };
    let Some(cursor) = run.cursor else {
        let told = format!("choose a token first: {} moves to one", key(Action::TokenRight));
        tell(state, told, false);
        return Vec::new();
    };
    if run.shown.is_some() {
        let told = format!("this is an earlier step: {} goes to the newest, which can be changed", key(Action::Last));
        tell(state, told, false);
        return Vec::new();
    }
    let chosen = run.chosen();
    let mut effects = hold(run);
    let command = match action {
        Action::SelectTokens => {
            run.anchor = if run.anchor.is_some() { None } else { Some(cursor) };
            return effects;
        }
        Action::Pin => {
            let state_of = |slot: &SlotId| run.cell(*slot).map(|cell| cell.state);
            let pinned = chosen.iter().all(|slot| state_of(slot) == Some(CellState::Pinned));
            let filled: Vec<SlotId> =
                chosen.iter().copied().filter(|slot| state_of(slot).is_some_and(|state| !state.is_masked())).collect();
            match (pinned, filled.is_empty()) {
                (true, _) => Command::Unpin(chosen),
                (false, false) => Command::Pin(filled),
                (false, true) => {
                    tell(state, "nothing stands here yet: choose one of the alternatives", false);
                    return effects;
                }
            }
        }
        Action::Remask => Command::Remask(chosen),
        Action::RemaskLine => Command::Remask(run.line_of(cursor)),
        _ => {
            let Some(rank) = action.choice() else { return effects };
            let Some(alternative) = run.choices.get(&cursor).and_then(|all| all.get(rank)) else {
                tell(state, format!("there is no alternative {} here", rank + 1), false);
                return effects;
            };
            Command::Choose { slot: cursor, token: alternative.token }
        }
    };
    if let Some(run) = &mut state.run {
        run.anchor = None;
    }
    effects.push(Effect::Steer(command));
    effects
}
