//! The lines around the file: title, instruction, status.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::EngineState;
use crate::tui::state::Mode;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// Room kept for the hint that names the help: whoever sees no other key sees that one.
const HELP_ROOM: usize = 8;

/// Room kept for hints before numbers that only the curious want.
const HINT_ROOM: usize = 42;

/// The same for the fewer hints of a run.
const RUN_HINT_ROOM: usize = 34;

/// Steps in the timeline at most.
const TIMELINE: usize = 32;

/// The name of the file, and on the right the engine.
pub fn title(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let name = cut(&state.file.name, width.saturating_sub(2), true);
    buffer.set_stringn(area.x + 1, area.y, &name, width - 1, theme.role("title"));
    let (engine, role) = match &state.engine {
        EngineState::Starting => ("starting".to_owned(), "note"),
        EngineState::Loading(share) => (format!("loading {:>3.0} %", share * 100.0), "note"),
        EngineState::Ready(name) => (name.clone(), "note"),
        EngineState::Gone(_) => ("no model".to_owned(), "diagnostic"),
    };
    let engine = cut(&engine, width / 2, true);
    let used = columns(&engine);
    if columns(&name) + used + 4 <= width {
        buffer.set_stringn(area.right() - used as u16 - 1, area.y, &engine, used, theme.role(role));
    }
}

/// The instruction, with a cursor while it is typed.
pub fn prompt(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    buffer.set_stringn(area.x, area.y, " ▏", 2, theme.role("bar"));
    let room = usize::from(area.width).saturating_sub(4);
    let typed = state.mode == Mode::Prompt;
    if state.input.text.is_empty() {
        let hint = if typed { "what to do; empty fills in from the text around" } else { "filled in from the text around" };
        buffer.set_stringn(area.x + 3, area.y, cut(hint, room, true), room, theme.role("dim"));
    }
    // The end of a long instruction is what is typed: it is the part that shows.
    let mut start = 0;
    while columns(&state.input.text[start..state.input.cursor]) > room.saturating_sub(1) {
        start += state.input.text[start..].chars().next().map_or(1, char::len_utf8);
    }
    let shown = cut(&state.input.text[start..], room, true);
    buffer.set_stringn(area.x + 3, area.y, &shown, room, theme.role("text"));
    if typed {
        let x = area.x + 3 + columns(&state.input.text[start..state.input.cursor]) as u16;
        if x < area.right() {
            buffer.set_style(Rect { x, y: area.y, width: 1, height: 1 }, theme.role("cursor"));
        }
    }
}

/// The last line: a message, or the numbers of the run, and the keys that matter.
pub fn status(state: &State, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer, area: Rect) {
    let mut line = Writer { buffer, area, x: 1 };
    if let Some(message) = &state.message {
        line.put(&message.text, theme.role(if message.is_error { "diagnostic" } else { "status" }));
        return;
    }
    let hints: &[(Action, &str)] = match state.mode {
        Mode::Browse => {
            let position = format!("{}/{}", state.cursor + 1, state.file.line_count());
            line.put(&position, theme.role("status"));
            if state.selection.is_some() {
                let span = state.span();
                let (first, last) =
                    (state.file.line_at(span.start), state.file.line_at(span.end.saturating_sub(1).max(span.start)));
                line.gap();
                line.put(&format!("lines {}-{}", first + 1, last + 1), theme.role("status"));
            }
            &[(Action::Instruct, "edit"), (Action::SelectLines, "lines"), (Action::Grow, "grow")]
        }
        Mode::Prompt => &[(Action::Submit, "start"), (Action::Cancel, "back")],
        Mode::Run => {
            if let Some(run) = &state.run {
                numbers(run, theme, &mut line);
            }
            &[(Action::Pause, "pause"), (Action::Stop, "stop now")]
        }
        Mode::Review => {
            review(state, theme, &mut line);
            &[(Action::Accept, "accept"), (Action::Reject, "reject"), (Action::Apply, "apply"), (Action::NextCandidate, "next")]
        }
    };
    let context = state.mode.context();
    let single = state.review.as_ref().is_none_or(|review| review.candidates.len() < 2);
    for (action, text) in hints.iter().filter(|(action, _)| !(single && *action == Action::NextCandidate)) {
        if !hint(keymap, context, *action, text, HELP_ROOM, theme, &mut line) {
            break;
        }
    }
    hint(keymap, context, Action::Help, "help", 0, theme, &mut line);
}

/// Names a key, when there is room for it and for `reserve` columns more; false when there is not.
fn hint(
    keymap: &Keymap,
    context: Context,
    action: Action,
    text: &str,
    reserve: usize,
    theme: &Theme,
    line: &mut Writer<'_>,
) -> bool {
    let Some(key) = keymap.key(context, action) else { return true };
    let key = key.to_string();
    // Only whole hints: a cut one would name another key.
    if line.room() < columns(&key) + columns(text) + 3 + reserve {
        return false;
    }
    line.gap();
    line.put(&key, theme.role("key"));
    line.put(" ", theme.role("status"));
    line.put(text, theme.role("note"));
    true
}

fn numbers(run: &Run, theme: &Theme, line: &mut Writer<'_>) {
    let Some(frame) = run.frame() else {
        line.put("starting", theme.role("status"));
        return;
    };
    let progress = &frame.progress;
    let steps = progress.max_steps.to_string().len();
    line.put(&format!("step {:>steps$}/{}", progress.step, progress.max_steps), theme.role("status"));
    line.gap();
    timeline(run, theme, line);
    let number =
        |value: Option<f32>| value.filter(|value| value.is_finite()).map_or("-".to_owned(), |value| format!("{value:.1}"));
    let fields = [
        (format!("left {:>3}", progress.masked), HELP_ROOM),
        (format!("{:>5} tok/s", number(progress.tokens_per_second)), RUN_HINT_ROOM),
        (format!("TPF {:>4}", number(progress.tpf)), RUN_HINT_ROOM),
        (format!("NFE {:>3}", progress.nfe), RUN_HINT_ROOM),
    ];
    for (field, reserve) in fields {
        if line.room() <= columns(&field) + 2 + reserve {
            break;
        }
        line.gap();
        line.put(&field, theme.role("status"));
    }
    if run.paused && line.room() > 8 + HELP_ROOM {
        line.gap();
        line.put("paused", theme.role("key"));
    }
}

/// One bar for each step: how many slots changed. The step that is shown stands out.
fn timeline(run: &Run, theme: &Theme, line: &mut Writer<'_>) {
    let changes = run.changes();
    let room = (line.room() / 4).min(TIMELINE);
    let shown = run.shown.unwrap_or(changes.len().saturating_sub(1));
    // The part of the time around the shown step.
    let start = (shown + 1).saturating_sub(room).min(changes.len().saturating_sub(room));
    let most = changes.iter().copied().max().unwrap_or(0).max(1);
    for (index, change) in changes.iter().enumerate().skip(start).take(room) {
        let bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        let bar = bars[(change * (bars.len() - 1)).div_ceil(most).min(bars.len() - 1)];
        let role = if index == shown { "timeline.current" } else { "timeline" };
        line.put(bar, theme.role(role));
    }
}

fn review(state: &State, theme: &Theme, line: &mut Writer<'_>) {
    let Some(review) = &state.review else { return };
    let status = theme.role("status");
    let at = if review.hunks.is_empty() { 0 } else { review.at + 1 };
    line.put(&format!("hunk {at}/{}", review.hunks.len()), status);
    if let Some(candidate) = review.candidates.get(review.candidate) {
        let (word, role) = match candidate.parses {
            Some(true) => ("✓ parses", "good"),
            Some(false) => ("✗ does not parse", "diagnostic"),
            None => ("? not parsed", "note"),
        };
        line.gap();
        line.put(word, theme.role(role));
        let which = format!("candidate {}/{}", review.candidate + 1, review.candidates.len());
        if review.candidates.len() > 1 && line.room() > columns(&which) + 2 + HINT_ROOM {
            line.gap();
            line.put(&which, status);
            if line.room() > 6 + HINT_ROOM {
                line.gap();
                line.put(&format!("{:.2}", candidate.confidence), status);
            }
        }
    }
}

/// Writes pieces one after the other, up to the border.
struct Writer<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    x: u16,
}

impl Writer<'_> {
    fn room(&self) -> usize {
        usize::from(self.area.width.saturating_sub(self.x))
    }

    fn gap(&mut self) {
        self.x = self.x.saturating_add(2);
    }

    fn put(&mut self, text: &str, style: Style) {
        let room = self.room();
        if room > 0 {
            let text = cut(text, room, true);
            self.buffer.set_stringn(self.area.x + self.x, self.area.y, &text, room, style);
            self.x = self.x.saturating_add(columns(&text) as u16);
        }
    }
}
