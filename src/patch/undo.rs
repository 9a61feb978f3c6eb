//! Undo and redo: the guarded inverse of what was written, or a refusal that says why.
//!
//! Both are the same operation, which takes back the last change of an edit.

use std::path::Path;
use std::path::PathBuf;

use super::anchor::AnchorError;
use super::apply::Applied;
use super::apply::ApplyError;
use super::apply::Prepared;
use super::apply::not_waiting;
use super::disk::Disk;
use super::entry::Entry;
use super::entry::FileEntry;
use super::entry::Phase;
use super::hunk::Hunk;
use super::journal::Journal;
use super::recover::Recovery;
use crate::document::Document;
use crate::document::Span;

/// Why an edit is not undone or redone. No file was changed.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// Nothing to take back.
    #[error("nothing to {word} here; `dcode log` lists all edits")]
    Nothing {
        /// "undo" or "redo".
        word: &'static str,
    },
    /// No edit of that number.
    #[error("there is no edit {id}; `dcode log` lists them")]
    Unknown {
        /// The number asked for.
        id: u64,
    },
    /// It is in that state already.
    #[error("edit {id} is {state} already")]
    Already {
        /// The number.
        id: u64,
        /// "undone" or "applied".
        state: &'static str,
    },
    /// The text that was written is no longer there.
    #[error("{}: cannot {word} edit {id}: {reason}; no file was changed", path.display())]
    Conflict {
        /// "undo" or "redo".
        word: &'static str,
        /// The number.
        id: u64,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: AnchorError,
    },
    /// The write.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl From<super::journal::JournalError> for UndoError {
    fn from(error: super::journal::JournalError) -> UndoError {
        UndoError::Apply(error.into())
    }
}

#[derive(Clone, Copy)]
struct Direction {
    word: &'static str,
    done: &'static str,
    from: Phase,
    goal: Phase,
}

const UNDO: Direction = Direction { word: "undo", done: "undone", from: Phase::Applied, goal: Phase::Undone };
const REDO: Direction = Direction { word: "redo", done: "applied", from: Phase::Undone, goal: Phase::Applied };

impl<D: Disk> Journal<D> {
    /// Takes back the edit `id`, or the latest one that lies below `root`.
    pub fn undo(&self, id: Option<u64>, root: Option<&Path>) -> Result<Applied, UndoError> {
        self.turn(UNDO, id, root)
    }

    /// Brings back the edit `id`, or the one below `root` that was undone last.
    pub fn redo(&self, id: Option<u64>, root: Option<&Path>) -> Result<Applied, UndoError> {
        self.turn(REDO, id, root)
    }

    fn turn(&self, direction: Direction, id: Option<u64>, root: Option<&Path>) -> Result<Applied, UndoError> {
        let _lock = self.lock()?;
        let recovered = self.recover_locked()?;
        let mut entry = self.choose(direction, id, root)?;
        let touched = self.next_touch()?;
        let mut prepared = Vec::with_capacity(entry.files.len());
        for file in &entry.files {
            not_waiting(&recovered, &file.path)?;
            prepared.push(self.back(direction, entry.id, file)?);
        }
        entry.touched = touched;
        self.transact(&mut entry, direction.goal, &prepared)?;
        Ok(Applied { id: entry.id, paths: prepared.into_iter().map(|p| p.step.path).collect(), recovered })
    }

    fn choose(&self, direction: Direction, id: Option<u64>, root: Option<&Path>) -> Result<Entry, UndoError> {
        let entries = self.readable()?;
        let Some(id) = id else {
            let here = entries.into_iter().filter(|e| e.phase == direction.from && root.is_none_or(|root| e.is_below(root)));
            // What changed last goes first, in both directions.
            return here.max_by_key(|entry| entry.touched).ok_or(UndoError::Nothing { word: direction.word });
        };
        let entry = entries.into_iter().find(|entry| entry.id == id).ok_or(UndoError::Unknown { id })?;
        if entry.phase == direction.from { Ok(entry) } else { Err(UndoError::Already { id, state: direction.done }) }
    }

    /// The step that takes back the last change of a file.
    fn back(&self, direction: Direction, id: u64, file: &FileEntry) -> Result<Prepared, UndoError> {
        let target = self.disk.resolve(&file.path, file.root.as_deref()).map_err(ApplyError::from)?;
        let read = |source| ApplyError::Io { action: "read it", path: file.path.clone(), source };
        let bytes = self.disk.read(target.path()).map_err(read)?;
        let document = Document::from_bytes(file.path.clone(), bytes).map_err(ApplyError::from)?;
        let conflict = |reason| UndoError::Conflict { word: direction.word, id, path: file.path.clone(), reason };
        let mut hunks: Vec<Hunk> = Vec::with_capacity(file.back.len());
        for back in &file.back {
            let mut hunk = back.hunk.clone();
            if document.hash() != file.hash {
                hunk.at = back.anchor.find(document.text(), &hunk.old).map_err(conflict)?;
            }
            hunks.push(hunk);
        }
        let in_order = hunks.windows(2).all(|pair| matches!(pair, [a, b] if follows(a.at, b.at)));
        if !in_order {
            return Err(conflict(AnchorError::Gone));
        }
        Ok(Prepared::new(&target, &document, hunks, id)?)
    }
}

/// Hunks must be found in the order they were written, or one of them was found in the wrong place.
fn follows(first: Span, second: Span) -> bool {
    first.end <= second.start && first != second
}

/// A line for the user about what an interrupted edit needed.
pub fn describe(recovery: &Recovery) -> String {
    use super::recover::Outcome;
    let what = match &recovery.outcome {
        Outcome::Finished => "was interrupted after its last write and counts as done",
        Outcome::TakenBack => "was interrupted and has been taken back",
        Outcome::Waiting(reason) => return format!("edit {} was interrupted and still waits: {reason}", recovery.id),
    };
    match recovery.left.len() {
        0 => format!("edit {} {what}", recovery.id),
        left => format!("edit {} {what}, except {left} file(s) that changed since", recovery.id),
    }
}
