//! What the journal remembers about one edit.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::anchor::Anchor;
use super::hunk::Hunk;
use crate::document::ContentHash;

/// The format of entries; a journal of a later version is refused.
pub const ENTRY_VERSION: u32 = 1;

/// Whether an edit is in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not yet in the files: the first write has not finished.
    New,
    /// In the files.
    Applied,
    /// Taken back.
    Undone,
}

/// One edit of one or several files, which are changed all together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`ENTRY_VERSION`] at the time.
    pub version: u32,
    /// Number of the edit, counted from 1.
    pub id: u64,
    /// Seconds since 1970 when it was made.
    pub time: u64,
    /// Orders the changes of phase: the edit with the largest number was touched last.
    pub touched: u64,
    /// The instruction, or what else the user wants to see in the log.
    pub note: String,
    /// Whether the edit is in the files.
    pub phase: Phase,
    /// The files.
    pub files: Vec<FileEntry>,
    /// The change of phase under way; after a crash it is found here.
    pub pending: Option<Pending>,
}

/// One file of an edit, as the last finished change of phase left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The real path.
    #[serde(with = "super::path_json")]
    pub path: PathBuf,
    /// The work tree it lies in.
    #[serde(with = "super::path_json::option")]
    pub root: Option<PathBuf>,
    /// Hash of the file.
    pub hash: ContentHash,
    /// The hunks that take the last change back, with what surrounds each.
    pub back: Vec<BackHunk>,
}

/// A hunk with what surrounds it, so that it can still be taken back after the file changed elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackHunk {
    /// The hunk: `old` is what the file holds now.
    pub hunk: Hunk,
    /// What surrounds it now.
    pub anchor: Anchor,
}

/// A change of phase under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The phase it leads to.
    pub goal: Phase,
    /// One step per file.
    pub steps: Vec<Step>,
}

/// The change of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The real path.
    #[serde(with = "super::path_json")]
    pub path: PathBuf,
    /// The work tree it lies in.
    #[serde(with = "super::path_json::option")]
    pub root: Option<PathBuf>,
    /// The temporary file beside it.
    #[serde(with = "super::path_json")]
    pub temp: PathBuf,
    /// Hash before.
    pub from: ContentHash,
    /// Hash afterwards.
    pub to: ContentHash,
    /// The hunks that lead from one to the other.
    pub hunks: Vec<Hunk>,
}

impl Entry {
    /// Whether every file lies below `root`.
    pub fn is_below(&self, root: &Path) -> bool {
        let pending = self.pending.iter().flat_map(|pending| pending.steps.iter().map(|step| &step.path));
        let mut paths = self.files.iter().map(|file| &file.path).chain(pending).peekable();
        paths.peek().is_some() && paths.all(|path| path.starts_with(root))
    }

    /// Lines added and removed, for the log.
    pub fn size(&self) -> (usize, usize) {
        let (mut now, mut back) = (0, 0);
        for hunk in self.files.iter().flat_map(|file| &file.back) {
            now += hunk.hunk.old.lines().count();
            back += hunk.hunk.new.lines().count();
        }
        if self.phase == Phase::Undone { (back, now) } else { (now, back) }
    }
}
