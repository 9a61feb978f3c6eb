//! The lines around the file: title, instruction, status.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::screen::text::glyphs;
use crate::screen::text::visible;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::EngineState;
use crate::tui::state::Input;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// Room kept for the hint that names the help: whoever sees no other key sees that one.
const HELP_ROOM: usize = 8;

/// Room kept for hints before numbers that only the curious want.
const HINT_ROOM: usize = 42;

/// The name of the file, what git says of it, and on the right the engine.
pub fn title(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let (engine, role) = match &state.engine {
        EngineState::Starting => ("starting".to_owned(), "note"),
        EngineState::Loading(share) => (format!("loading {:>3.0} %", share * 100.0), "note"),
        EngineState::Ready(name) => (name.clone(), "note"),
        EngineState::Gone(_) => ("no model".to_owned(), "diagnostic"),
    };
    let engine = cut(&engine, width / 2, true);
    let mut line = Writer { buffer, area, x: 1 };
    let name = if state.file.is_open() { state.file.name.as_str() } else { "dcode" };
    // The end of a path says more than its beginning.
    let room = width.saturating_sub(2);
    line.put(
        &cut_start(name, if columns(name) + columns(&engine) + 4 <= width { room } else { room * 2 / 3 }),
        theme.role("title"),
    );
    if let Some(git) = &state.git {
        let branch = cut(&git.branch, 24, true);
        if line.room() > columns(&branch) + columns(&engine) + 8 {
            line.gap();
            line.put(&branch, theme.role("note"));
            if git.modified {
                line.put(" ●", theme.role("bar"));
            }
        }
    }
    let used = columns(&engine);
    if line.room() > used + 2 {
        line.x = area.width - used as u16 - 1;
        line.put(&engine, theme.role(role));
    }
}

/// `text` made visible, cut at its beginning to `width` columns.
fn cut_start(text: &str, width: usize) -> String {
    let text = visible(text);
    if columns(&text) <= width {
        return text.into_owned();
    }
    let mut rest: &str = &text;
    while columns(rest) + 1 > width {
        let mut chars = rest.chars();
        if chars.next().is_none() {
            break;
        }
        rest = chars.as_str();
    }
    format!("…{rest}")
}

/// The instruction, with a cursor while it is typed, and how the request will run.
pub fn prompt(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    buffer.set_stringn(area.x, area.y, " ▏", usize::from(area.width), theme.role("bar"));
    let typed = state.mode == Mode::Prompt;
    let mut room = usize::from(area.width).saturating_sub(4);
    if typed {
        let candidates = match state.options.candidates {
            1 => "1 candidate".to_owned(),
            count => format!("{count} candidates"),
        };
        let options = format!("{candidates} · {}", state.options.method.name());
        if room > columns(&options) + 30 {
            let x = area.right() - columns(&options) as u16 - 1;
            buffer.set_stringn(x, area.y, &options, columns(&options), theme.role("note"));
            room -= columns(&options) + 2;
        }
    }
    let place = Rect { x: area.x + 3, width: room as u16, ..area };
    if state.input.text.is_empty() {
        let hint = match (typed, state.follow_up) {
            (true, true) => "what to change in this candidate",
            (true, false) => "what to do; empty fills in from the text around",
            (false, _) => "filled in from the text around",
        };
        // One column on, so that the cursor does not stand on the hint.
        let x = place.x + u16::from(typed);
        buffer.set_stringn(x, area.y, cut(hint, room.saturating_sub(1), true), room, theme.role("dim"));
    }
    field(&state.input, typed, theme, buffer, place);
}

/// A line that is typed: its end where it is too long, and the cursor.
pub fn field(input: &Input, typed: bool, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    let mut start = 0;
    while shown_columns(&input.text[start..input.cursor]) > room.saturating_sub(1) && start < input.cursor {
        start += input.text[start..].chars().next().map_or(1, char::len_utf8);
    }
    buffer.set_stringn(area.x, area.y, cut(&input.text[start..], room, true), room, Style::default());
    if typed {
        let x = area.x + shown_columns(&input.text[start..input.cursor]) as u16;
        if x < area.right() {
            buffer.set_style(Rect { x, y: area.y, width: 1, height: 1 }, theme.role("cursor"));
        }
    }
}

/// Columns of typed text as [`cut`] draws it.
fn shown_columns(text: &str) -> usize {
    glyphs(text, 0, 4).map(|glyph| glyph.width).sum()
}

/// The last line: a message, or the numbers of the run, and the keys that matter.
pub fn status(state: &State, theme: &Theme, keymap: &Keymap, buffer: &mut Buffer, area: Rect) {
    let mut line = Writer { buffer, area, x: 1 };
    let context = state.context();
    if let (Some(message), None) = (&state.message, &state.overlay) {
        line.put(&message.text, theme.role(if message.is_error { "diagnostic" } else { "status" }));
        hint(keymap, context, Action::Help, "help", 0, theme, &mut line);
        return;
    }
    let hints: Vec<(Action, &str)> = match &state.overlay {
        Some(Overlay::Help { .. }) => {
            line.put("up and down scroll, any other key goes back", theme.role("note"));
            return;
        }
        Some(Overlay::Picker(_)) => {
            vec![(Action::Submit, "choose"), (Action::Cancel, "back")]
        }
        None => of_mode(state, theme, &mut line),
    };
    for (action, text) in hints {
        if !hint(keymap, context, action, text, HELP_ROOM, theme, &mut line) {
            break;
        }
    }
    if state.overlay.is_none() {
        hint(keymap, context, Action::Help, "help", 0, theme, &mut line);
    }
}

/// What the present mode says, and the keys that it names.
fn of_mode(state: &State, theme: &Theme, line: &mut Writer<'_>) -> Vec<(Action, &'static str)> {
    match state.mode {
        Mode::Browse if !state.file.is_open() => {
            vec![(Action::Files, "open a file"), (Action::Log, "log"), (Action::Quit, "leave")]
        }
        Mode::Browse => {
            place(state, theme, line);
            let mut hints =
                vec![(Action::Instruct, "edit"), (Action::SelectLines, "lines"), (Action::Grow, "grow"), (Action::Mark, "keep")];
            hints.extend([(Action::Symbols, "symbol"), (Action::Files, "file"), (Action::Palette, "commands")]);
            hints
        }
        Mode::Prompt => {
            let mut hints = vec![(Action::Submit, "start"), (Action::Cancel, "back")];
            hints.extend([(Action::Earlier, "earlier"), (Action::MoreCandidates, "candidates"), (Action::Method, "method")]);
            hints
        }
        Mode::Run => {
            let Some(run) = &state.run else { return Vec::new() };
            numbers(run, theme, line);
            match (run.ended, run.cursor.is_some(), run.paused) {
                (true, ..) => {
                    vec![(Action::Earlier, "back"), (Action::Later, "on"), (Action::Cancel, "review"), (Action::Export, "export")]
                }
                (_, true, _) => vec![
                    (Action::Pin, "pin"),
                    (Action::Remask, "re-mask"),
                    (Action::RemaskLine, "line"),
                    (Action::Pause, "go on"),
                ],
                (_, _, true) => vec![
                    (Action::Pause, "go on"),
                    (Action::StepOnce, "one step"),
                    (Action::TokenRight, "tokens"),
                    (Action::Stop, "stop now"),
                ],
                _ => vec![(Action::Pause, "pause"), (Action::TokenRight, "tokens"), (Action::Stop, "stop now")],
            }
        }
        Mode::Review => {
            review(state, theme, line);
            let several = state.review.as_ref().is_some_and(|review| review.candidates.len() > 1);
            let mut hints = vec![(Action::Accept, "accept"), (Action::Reject, "reject"), (Action::Apply, "apply")];
            if several {
                hints.extend([(Action::NextCandidate, "next"), (Action::Compare, "compare")]);
            }
            hints.extend([(Action::AgainHunk, "again"), (Action::EditHunk, "edit"), (Action::Instruct, "follow up")]);
            hints
        }
    }
}

/// Where the cursor is, and what is selected.
fn place(state: &State, theme: &Theme, line: &mut Writer<'_>) {
    let status = theme.role("status");
    line.put(&format!("{}/{}", state.cursor + 1, state.file.line_count()), status);
    let spans = state.spans();
    if state.selection.is_none() && state.marks.is_empty() {
        return;
    }
    line.gap();
    if let [span] = spans.as_slice() {
        let (first, last) = state.file.lines_of(span);
        let text = if first == last { format!("line {}", first + 1) } else { format!("lines {}-{}", first + 1, last + 1) };
        line.put(&text, status);
    } else {
        let lines: usize = spans.iter().map(|span| state.file.lines_of(span)).map(|(first, last)| last - first + 1).sum();
        line.put(&format!("{} spans, {lines} lines", spans.len()), status);
    }
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
    let status = theme.role("status");
    let Some(frame) = run.frame() else {
        line.put("reading the context", status);
        if run.paused {
            line.gap();
            line.put("held", theme.role("key"));
        }
        return;
    };
    let progress = &frame.progress;
    line.put(&format!("step {}", progress.step), status);
    if run.shown.is_some() {
        line.put(&format!(" of {}", run.frames.back().map_or(0, |last| last.progress.step)), status);
    }
    if run.paused {
        line.gap();
        line.put("held", theme.role("key"));
    }
    line.gap();
    line.put(&format!("left {:>3}", progress.masked), status);
    let threshold = format!("threshold {:.2}", run.threshold);
    if line.room() > columns(&threshold) + 2 + HINT_ROOM + HELP_ROOM {
        line.gap();
        line.put(&threshold, status);
    }
}

fn review(state: &State, theme: &Theme, line: &mut Writer<'_>) {
    let Some(review) = &state.review else { return };
    let status = theme.role("status");
    let at = if review.hunks().is_empty() { 0 } else { review.at() + 1 };
    line.put(&format!("hunk {at}/{}", review.hunks().len()), status);
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

    /// Two blanks, except at the beginning of the line.
    fn gap(&mut self) {
        if self.x > 1 {
            self.x = self.x.saturating_add(2);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(cut_start("src/tui/view/status.rs", 12), "…w/status.rs");
        assert_eq!(cut_start("a.rs", 12), "a.rs");
        assert_eq!(cut_start("日本語", 3), "…語");
        assert_eq!(cut_start("abc", 0), "…");
    }
}
