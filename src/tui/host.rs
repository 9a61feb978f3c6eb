//! What the TUI asks of the program around it, on a thread of its own: files, git, the journal.

use std::ops::Range;
use std::sync::Arc;

use crate::patch::hunk::Hunk;
use crate::screen::frame::Frame;
use crate::tui::export::Recording;
use crate::tui::state::GitState;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Kind;

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Job {
    /// List the files that can be opened.
    Files,
    /// Read a file.
    Open(String),
    /// Write hunks to the open file.
    Apply {
        /// What the file must hold.
        text: Arc<str>,
        /// The hunks.
        hunks: Vec<Hunk>,
        /// The instruction, for the log.
        note: String,
        /// Whether to stage them in git's index too.
        stage: bool,
        /// Whether hidden characters may come in.
        allow_hidden: bool,
    },
    /// Take back an edit; the last one without a number.
    Undo(Option<u64>),
    /// Bring back an edit; the one taken back last without a number.
    Redo(Option<u64>),
    /// Read the instructions of earlier sessions.
    History,
    /// Keep an instruction for later sessions.
    Remember(String),
    /// Ask git about the open file.
    Git,
    /// List the written edits.
    Log,
    /// Find the lines of the open file that differ from the last commit.
    Changes(Arc<str>),
    /// Look through this text of the open file with the recipes.
    Findings(Arc<str>),
    /// List the recorded runs.
    Recordings,
    /// Read a recorded run.
    Replay {
        /// The file with it.
        path: String,
        /// The candidate.
        candidate: usize,
    },
    /// Write a run to files.
    Export(Box<Recording>),
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What git says about it.
    pub git: Option<GitState>,
}

/// A recorded run.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The file that it changed.
    pub file: String,
    /// The model that made it.
    pub model: String,
    /// The candidate.
    pub candidate: usize,
    /// The text between its spans.
    pub text: String,
    /// Where in it the spans are.
    pub spans: Vec<Range<usize>>,
    /// Its start and its steps.
    pub frames: Vec<Arc<Frame>>,
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Hidden characters would come into the file; which and where.
    Hidden(String),
    /// Anything else.
    Other(String),
}

/// What came of a job.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Things to choose from.
    Items(Kind, Result<Vec<Item>, String>),
    /// A file was read.
    Opened(Result<Opened, String>),
    /// Something was written: the open file as it is now, and a line for the user.
    Written(Result<(Opened, String), Refusal>),
    /// The instructions of earlier sessions, the newest last.
    History(Vec<String>),
    /// An instruction was kept, or why not.
    Remembered(Result<(), String>),
    /// What git says about the file of this name.
    Git(String, Option<GitState>),
    /// The changed lines of this text, as bytes.
    Changes(Arc<str>, Result<Vec<Range<usize>>, String>),
    /// What the recipes find in this text.
    Findings(Arc<str>, Result<Vec<Item>, String>),
    /// A recorded run was read.
    Replayed(Result<Replay, String>),
    /// A run was written; a line for the user.
    Exported(Result<String, String>),
}

/// Does jobs, one after the other. Called on a thread of its own: it may take its time.
pub trait Host: Send + 'static {
    /// Does a job.
    fn answer(&mut self, job: Job) -> Answer;
}
