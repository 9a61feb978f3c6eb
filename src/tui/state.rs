//! Everything the TUI knows, as plain data.

use std::ops::Range;
use std::sync::Arc;

use crate::patch::hunk::Hunk;
use crate::patch::hunk::hunks;
use crate::screen::frame::Frame;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;
use crate::tui::engine::Candidate;
use crate::tui::keymap::Context;

/// Frames kept of one run; the oldest go first.
pub const MAX_FRAMES: usize = 2048;

/// The open file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, for the title.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// Its language.
    pub language: Option<Language>,
    /// Its tree, when the parse is done.
    pub syntax: Option<Arc<Syntax>>,
    starts: Vec<usize>,
}

impl File {
    /// A file, not parsed yet.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>, language: Option<Language>) -> Self {
        let text = text.into();
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        if starts.len() > 1 && starts.last() == Some(&text.len()) {
            starts.pop();
        }
        Self { name: name.into(), text, language, syntax: None, starts }
    }

    /// Number of lines; an empty file has one.
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of a line, 0-based, with its end.
    pub fn line(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        start..self.starts.get(line + 1).copied().unwrap_or(self.text.len())
    }

    /// Text of a line without its end.
    pub fn line_text(&self, line: usize) -> &str {
        let text = &self.text[self.line(line)];
        let text = text.strip_suffix('\n').unwrap_or(text);
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// The line, 0-based, that holds an offset.
    pub fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }
}

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
    /// Watches a run.
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
            Self::Run => Context::Run,
            Self::Review => Context::Review,
        }
    }
}

/// One line of typed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The text.
    pub text: String,
    /// Byte offset of the cursor.
    pub cursor: usize,
}

/// A run under way or ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The request.
    pub id: u64,
    /// The bytes under change.
    pub spans: Vec<Range<usize>>,
    /// The frames so far.
    pub frames: Vec<Arc<Frame>>,
    /// The frame looked at; `None` for the newest.
    pub shown: Option<usize>,
    /// Whether the engine holds.
    pub paused: bool,
    /// Whether the engine has ended it.
    pub ended: bool,
    /// Rows by which the view was moved away from the span.
    pub scroll: isize,
}

impl Run {
    /// The frame to draw.
    pub fn frame(&self) -> Option<&Arc<Frame>> {
        match self.shown {
            Some(index) => self.frames.get(index),
            None => self.frames.last(),
        }
    }

    /// Slots that changed in each frame.
    pub fn changes(&self) -> Vec<usize> {
        let committed = |frame: &Arc<Frame>| frame.progress.committed;
        let mut before = 0;
        self.frames.iter().map(|frame| committed(frame).abs_diff(std::mem::replace(&mut before, committed(frame)))).collect()
    }
}

/// A hunk and what the user decided.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewHunk {
    /// The change.
    pub hunk: Hunk,
    /// Accepted, rejected, or not decided yet.
    pub accepted: Option<bool>,
}

/// The candidates of an ended run.
#[derive(Clone, Debug)]
pub struct Review {
    /// The bytes they replace.
    pub spans: Vec<Range<usize>>,
    /// Candidates, best first.
    pub candidates: Vec<Candidate>,
    /// The one looked at.
    pub candidate: usize,
    /// Its hunks.
    pub hunks: Vec<ReviewHunk>,
    /// The hunk looked at.
    pub at: usize,
}

impl Review {
    /// A review that begins with the first candidate.
    pub fn new(text: &str, spans: Vec<Range<usize>>, candidates: Vec<Candidate>) -> Self {
        let mut review = Self { spans, candidates, candidate: 0, hunks: Vec::new(), at: 0 };
        review.look_at(text, 0);
        review
    }

    /// Turns to a candidate; decisions about another one are dropped, since its hunks are others.
    pub fn look_at(&mut self, text: &str, candidate: usize) {
        self.candidate = candidate;
        self.at = 0;
        let texts = self.candidates.get(candidate).map(|candidate| candidate.texts.as_slice()).unwrap_or_default();
        let of_span = |(span, new): (&Range<usize>, &String)| hunks(span.start, text.get(span.clone()).unwrap_or(""), new);
        let all = self.spans.iter().zip(texts).flat_map(of_span);
        self.hunks = all.map(|hunk| ReviewHunk { hunk, accepted: None }).collect();
    }

    /// The hunks that were accepted.
    pub fn accepted(&self) -> Vec<Hunk> {
        self.hunks.iter().filter(|each| each.accepted == Some(true)).map(|each| each.hunk.clone()).collect()
    }
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

/// A line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The line.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    /// The open file.
    pub file: File,
    /// What the user does now.
    pub mode: Mode,
    /// Whether the keys are shown.
    pub help: bool,
    /// The line of the cursor, 0-based.
    pub cursor: usize,
    /// The first line shown, 0-based.
    pub top: usize,
    /// What is selected.
    pub selection: Option<Selection>,
    /// The instruction.
    pub input: Input,
    /// Earlier instructions, the newest last.
    pub history: Vec<String>,
    /// Place in the history while it is leafed through.
    pub history_at: Option<usize>,
    /// The present or last run.
    pub run: Option<Run>,
    /// The review of its candidates.
    pub review: Option<Review>,
    /// The engine.
    pub engine: EngineState,
    /// What to tell the user.
    pub message: Option<Message>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Number of the next request.
    pub next_id: u64,
}

impl State {
    /// The state at the start.
    pub fn new(file: File, size: (u16, u16)) -> Self {
        Self {
            file,
            mode: Mode::Browse,
            help: false,
            cursor: 0,
            top: 0,
            selection: None,
            input: Input::default(),
            history: Vec::new(),
            history_at: None,
            run: None,
            review: None,
            engine: EngineState::Starting,
            message: None,
            size,
            next_id: 1,
        }
    }

    /// Rows of the file that fit on the screen.
    pub fn page(&self) -> usize {
        usize::from(self.size.1).saturating_sub(3).max(1)
    }

    /// The selected bytes; without a selection, the line of the cursor.
    pub fn span(&self) -> Range<usize> {
        match &self.selection {
            Some(Selection::Node { range, .. }) => range.clone(),
            Some(Selection::Lines { anchor }) => {
                let (first, last) = ((*anchor).min(self.cursor), (*anchor).max(self.cursor));
                self.file.line(first).start..self.file.line(last).end
            }
            None => self.file.line(self.cursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file() {
        let file = File::new("a", "one\r\n\ntwo", None);
        assert_eq!(file.line_count(), 3);
        assert_eq!([file.line_text(0), file.line_text(1), file.line_text(2), file.line_text(9)], ["one", "", "two", ""]);
        assert_eq!([file.line_at(0), file.line_at(4), file.line_at(5), file.line_at(6), file.line_at(99)], [0, 0, 1, 2, 2]);
        assert_eq!(File::new("a", "", None).line_count(), 1);
        assert_eq!(File::new("a", "x\n", None).line_count(), 1);
        assert_eq!(File::new("a", "\n", None).line_count(), 1);
    }
}
