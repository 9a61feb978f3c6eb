//! The lines around the file: title and status.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::screen::text::visible;
use crate::tui::engine::RULES;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::state::EngineState;
use crate::tui::state::Mode;
use crate::tui::state::Overlay;
use crate::tui::state::Review;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::verify::Level;
use crate::tui::verify::Progress;

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
    let recorded = state.run.as_ref().filter(|_| state.mode == Mode::Run).and_then(|run| Some((run, run.recorded.as_ref()?)));
    let (engine, role) = match recorded {
        Some((_, model)) => (format!("recorded · {model}"), "note"),
        None => (engine, role),
    };
    let engine = cut(&engine, width / 2, true);
    let mut line = Writer { buffer, area, x: 1 };
    let name = match recorded {
        Some((run, _)) => run.file.name.as_str(),
        None if state.file.is_open() => state.file.name.as_str(),
        None => "dcode",
    };
    // The end of a path says more than its beginning.
    let room = width.saturating_sub(2);
    line.put(
        &cut_start(name, if columns(name) + columns(&engine) + 4 <= width { room } else { room * 2 / 3 }),
        theme.role("title"),
    );
    if let Some(git) = state.git.as_ref().filter(|_| recorded.is_none()) {
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
        Mode::Search => {
            vec![
                (Action::Submit, "stay"),
                (Action::NextMatch, "next"),
                (Action::PreviousMatch, "previous"),
                (Action::Cancel, "back"),
            ]
        }
        Mode::Run => {
            let Some(run) = &state.run else { return Vec::new() };
            numbers(run, theme, line);
            match (run.ended, run.cursor.is_some(), run.paused) {
                (true, ..) => {
                    let back = if state.review.is_some() { "review" } else { "leave" };
                    let play = if run.playing { "hold" } else { "play" };
                    let steps = [(Action::Earlier, "back"), (Action::Later, "on"), (Action::Pause, play)];
                    steps.into_iter().chain([(Action::Cancel, back), (Action::Export, "export")]).collect()
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
            if state.verifying.is_some() {
                return vec![(Action::Verify, "stop"), (Action::Accept, "accept"), (Action::Reject, "reject")];
            }
            let mut hints = vec![(Action::Accept, "accept"), (Action::Reject, "reject"), (Action::Apply, "apply")];
            let judged = state.review.as_ref().and_then(|review| review.judged(&state.file.text));
            match judged.map(|judged| judged.verdict.passed) {
                Some(true) => {}
                Some(false) => {
                    hints.splice(0..0, [(Action::NextDiagnostic, "complaint"), (Action::RemaskBlamed, "re-mask")]);
                }
                None => hints.push((Action::Verify, "verify")),
            }
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
    if let Some(at) = state.search.at {
        line.gap();
        line.put(&format!("match {}/{}", at + 1, state.search.matches.len()), theme.role("match"));
    }
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
    if run.fixed {
        line.gap();
        line.put("fixed length", theme.role("key"));
    }
    if run.rule > 0 {
        line.gap();
        line.put(&format!("by {}", RULES[run.rule % RULES.len()]), theme.role("key"));
    }
    let threshold = format!("threshold {:.2}", run.threshold);
    if line.room() > columns(&threshold) + 2 + HINT_ROOM + HELP_ROOM {
        line.gap();
        line.put(&threshold, status);
    }
}

/// What the commands say about the candidate, or how far they are.
fn verdict(state: &State, review: &Review, theme: &Theme, line: &mut Writer<'_>) {
    if let Some(verifying) = state.verifying.as_ref().filter(|verifying| verifying.candidate == review.candidate) {
        let told = match &verifying.progress {
            Some(Progress { command, baseline, at, count, seconds }) if !command.is_empty() => {
                // Old failures are not held against a candidate, so the file as it is comes first.
                let before = if *baseline { " before" } else { "" };
                let number = if *count > 1 { format!(" {at}/{count}") } else { String::new() };
                format!("… {seconds} s{before}{number} {command}")
            }
            Some(Progress { seconds, .. }) => format!("… {seconds} s copying files"),
            None => "… copying files".to_owned(),
        };
        let told = cut(&told, line.room().saturating_sub(HELP_ROOM + 2).min(48), true);
        line.gap();
        return line.put(&told, theme.role("key"));
    }
    let Some(judged) = review.decisions.get(review.candidate).and_then(|each| each.judged.as_ref()) else { return };
    let (errors, warnings): (Vec<_>, Vec<_>) = judged.verdict.diagnostics.iter().partition(|found| found.level == Level::Error);
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (text, role) = match (judged.verdict.passed, errors.len(), warnings.len()) {
        _ if review.judged(&state.file.text).is_none() => ("? not verified".to_owned(), "note"),
        (true, _, 0) => ("✓ verified".to_owned(), "good"),
        (true, _, more) => (format!("✓ verified, {}", plural(more, "warning")), "good"),
        (false, 0, _) => ("✗ fails".to_owned(), "diagnostic"),
        (false, more, _) => (format!("✗ {}", plural(more, "error")), "diagnostic"),
    };
    line.gap();
    line.put(&text, theme.role(role));
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
        verdict(state, review, theme, line);
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
