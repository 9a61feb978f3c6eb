//! Everything the TUI knows, as plain data.

mod file;
pub mod picker;
mod review;
mod run;
pub mod search;

use std::ops::Range;
use std::sync::Arc;

pub use self::file::File;
pub use self::picker::Picker;
pub use self::review::Decisions;
pub use self::review::Judged;
pub use self::review::Layout;
pub use self::review::Mending;
pub use self::review::Review;
pub use self::review::ReviewHunk;
pub use self::review::Verifying;
pub use self::run::Composition;
pub use self::run::MAX_FRAMES;
pub use self::run::Run;
pub use self::run::cells;
pub use self::search::Search;
use crate::screen::colour::Depth;
use crate::tui::engine::Options;
use crate::tui::keymap::Context;
use crate::tui::theme::Theme;

/// Instructions kept for leafing back.
pub const MAX_HISTORY: usize = 200;

/// What is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Whole lines, from where the selection began to the cursor.
    Lines {
        /// The line it began at, 0-based.
        anchor: usize,
    },
    /// A syntax node, and the smaller ones it grew from.
    Node {
        /// Its bytes.
        range: Range<usize>,
        /// What was selected before, the last one inside this.
        smaller: Vec<Range<usize>>,
    },
}

/// What the user does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reads and selects.
    #[default]
    Browse,
    /// Types the instruction.
    Prompt,
    /// Types what is looked for in the file.
    Search,
    /// Watches and steers a run.
    Run,
    /// Reviews hunks.
    Review,
}

impl Mode {
    /// The keys that count.
    pub fn context(self) -> Context {
        match self {
            Self::Browse => Context::Browse,
            Self::Prompt => Context::Prompt,
            Self::Search => Context::Search,
            Self::Run => Context::Run,
            Self::Review => Context::Review,
        }
    }
}

/// What lies over the file.
#[derive(Clone, Debug)]
pub enum Overlay {
    /// The keys.
    Help {
        /// Rows scrolled.
        scroll: usize,
    },
    /// A list to choose from.
    Picker(Picker),
}

/// Where the user was in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line of the cursor.
    pub cursor: usize,
    /// The first line shown.
    pub top: usize,
    /// What was selected.
    pub selection: Option<Selection>,
}

/// One line of typed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The text.
    pub text: String,
    /// Byte offset of the cursor.
    pub cursor: usize,
}

/// How the engine is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum EngineState {
    /// Nothing heard yet.
    #[default]
    Starting,
    /// The share of the model that is loaded.
    Loading(f32),
    /// Ready: name and device.
    Ready(String),
    /// Gone, and why.
    Gone(String),
}

/// What git says about the open file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitState {
    /// The branch.
    pub branch: String,
    /// Whether the file differs from the last commit.
    pub modified: bool,
}

/// A line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The line.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
}

/// How things look.
#[derive(Clone, Debug)]
pub struct Look {
    /// The theme.
    pub theme: Arc<Theme>,
    /// The theme that comes back when the choice of another is given up.
    pub before: Option<Arc<Theme>>,
    /// What the terminal can show.
    pub depth: Depth,
    /// Whether the terminal's background decides.
    pub automatic: bool,
}

impl Look {
    /// The look that suits a terminal, as far as is known before it was asked.
    pub fn automatic(depth: Depth, light: bool) -> Self {
        // A built-in theme is there; a test reads them all.
        let theme = Theme::named(Theme::automatic(depth, light)).unwrap_or_default().reduced(depth);
        Self { theme: Arc::new(theme), before: None, depth, automatic: true }
    }

    /// A theme of the user's choice.
    pub fn of(theme: Theme, depth: Depth) -> Self {
        Self { theme: Arc::new(theme.reduced(depth)), before: None, depth, automatic: false }
    }
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    /// The open file.
    pub file: File,
    /// What git says about it.
    pub git: Option<GitState>,
    /// What the user does now.
    pub mode: Mode,
    /// What lies over the file.
    pub overlay: Option<Overlay>,
    /// The line of the cursor, 0-based.
    pub cursor: usize,
    /// The first line shown, 0-based.
    pub top: usize,
    /// Columns of the lines that are left of the screen.
    pub left: usize,
    /// What is looked for in the file.
    pub search: Search,
    /// What is selected.
    pub selection: Option<Selection>,
    /// Where the user was before a list that shows places of the file.
    pub before: Option<Place>,
    /// Spans that are kept while more are selected, ascending and apart.
    pub marks: Vec<Range<usize>>,
    /// The instruction.
    pub input: Input,
    /// Whether the instruction is about a candidate, not the file.
    pub follow_up: bool,
    /// Earlier instructions, the newest last.
    pub history: Vec<String>,
    /// Place in the history while it is leafed through.
    pub history_at: Option<usize>,
    /// Settings of the next request.
    pub options: Options,
    /// The present or last run.
    pub run: Option<Run>,
    /// The review of its candidates.
    pub review: Option<Review>,
    /// Commands at work on a candidate of the review.
    pub verifying: Option<Verifying>,
    /// Rounds of re-masking what the commands complain about, at most.
    pub rounds: usize,
    /// The engine.
    pub engine: EngineState,
    /// What to tell the user.
    pub message: Option<Message>,
    /// Whether something is being written or read; keys that would do so again wait for its end.
    pub busy: bool,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// Theme and colours.
    pub look: Look,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Number of the next request.
    pub next_id: u64,
    /// Number of the next thing that is answered from another thread.
    pub revision: u64,
}

impl State {
    /// The state at the start.
    pub fn new(file: File, look: Look, size: (u16, u16)) -> Self {
        Self {
            file,
            git: None,
            mode: Mode::Browse,
            overlay: None,
            cursor: 0,
            top: 0,
            left: 0,
            search: Search::default(),
            selection: None,
            before: None,
            marks: Vec::new(),
            input: Input::default(),
            follow_up: false,
            history: Vec::new(),
            history_at: None,
            options: Options::default(),
            run: None,
            review: None,
            verifying: None,
            rounds: 2,
            engine: EngineState::Starting,
            message: None,
            busy: false,
            mouse: true,
            look,
            size,
            next_id: 1,
            revision: 0,
        }
    }

    /// The keys that count now.
    pub fn context(&self) -> Context {
        match self.overlay {
            Some(Overlay::Picker(_)) => Context::Picker,
            Some(Overlay::Help { .. }) => Context::Global,
            None => self.mode.context(),
        }
    }

    /// Whether the steps of a run follow each other by themselves.
    pub fn is_playing(&self) -> bool {
        self.mode == Mode::Run && self.run.as_ref().is_some_and(|run| run.playing)
    }

    /// Rows of the file that fit on the screen.
    pub fn page(&self) -> usize {
        usize::from(self.size.1).saturating_sub(3).max(1)
    }

    /// The bytes selected now, beside the kept spans.
    pub fn selected(&self) -> Option<Range<usize>> {
        match self.selection.as_ref()? {
            Selection::Node { range, .. } => Some(range.clone()),
            Selection::Lines { anchor } => Some(self.file.span_of_lines((*anchor).min(self.cursor), (*anchor).max(self.cursor))),
        }
    }

    /// What an instruction would be for: kept spans and the selection, or else the line of the cursor. Ascending and apart.
    pub fn spans(&self) -> Vec<Range<usize>> {
        let mut spans = self.marks.clone();
        spans.extend(self.selected());
        if spans.is_empty() {
            spans.push(self.file.line(self.cursor));
        }
        apart(spans)
    }
}

/// The ranges in order, those that touch joined.
pub fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut result: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match result.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => result.push(range),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(apart(vec![4..6, 0..2, 2..3, 5..9]), [0..3, 4..9]);
        assert_eq!(apart(vec![3..3, 1..2]), [1..2, 3..3]);
    }
}
