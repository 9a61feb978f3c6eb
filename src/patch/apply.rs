//! The write: every file of an edit is changed, or none.
//!
//! In order: lock; the journal says what will happen; the new content goes into temporary files beside the originals, with their
//! mode, and is synced; each file swaps names with its temporary file, and what came out of the swap must be what was expected,
//! or it is swapped back: an editor that saves in the last moment loses nothing; the directories are synced; the journal says that
//! it happened.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use super::anchor::Anchor;
use super::crash;
use super::disk::Disk;
use super::disk::Like;
use super::entry::BackHunk;
use super::entry::ENTRY_VERSION;
use super::entry::Entry;
use super::entry::FileEntry;
use super::entry::Pending;
use super::entry::Phase;
use super::entry::Step;
use super::hunk;
use super::hunk::Hunk;
use super::hunk::HunkError;
use super::journal::Journal;
use super::journal::JournalError;
use super::journal::now;
use super::recover::Recovery;
use super::target::Target;
use super::target::TargetError;
use crate::document::ContentHash;
use crate::document::Document;
use crate::document::DocumentError;

/// The change of one file.
#[derive(Clone, Debug)]
pub struct FileChange {
    /// The file.
    pub target: Target,
    /// Its content when the edit began.
    pub document: Document,
    /// What changes.
    pub hunks: Vec<Hunk>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Number of the edit, for `dcode undo`.
    pub id: u64,
    /// The files, in order.
    pub paths: Vec<PathBuf>,
    /// What an earlier, interrupted edit needed first.
    pub recovered: Vec<Recovery>,
}

/// Why nothing was written, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody changed the file meanwhile.
    #[error("{}: changed since it was read; nothing was written, run the edit again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// One file twice in one edit.
    #[error("{}: named twice in one edit; give all its spans together", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
    },
    /// The hunks do not fit the file.
    #[error("{}: {source}", path.display())]
    Hunk {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: HunkError,
    },
    /// The system refused; everything is as it was.
    #[error("{}: cannot {action}: {source}; nothing was changed", path.display())]
    Io {
        /// What was not possible.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused, and refused to go back too.
    #[error("{}: cannot restore the file after a failed edit: {reason}; run `dcode log` once the disk can be written again", path.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A file that is never written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file that can no longer be read as text.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A step with the bytes it leads from and to.
pub(super) struct Prepared {
    pub(super) step: Step,
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

impl Prepared {
    pub(super) fn new(target: &Target, document: &Document, hunks: Vec<Hunk>, id: u64) -> Result<Prepared, ApplyError> {
        let path = target.path().to_path_buf();
        let to = hunk::apply(document, &hunks).map_err(|source| ApplyError::Hunk { path: path.clone(), source })?;
        let root = target.root().map(Path::to_path_buf);
        let step = Step { temp: temp_name(&path, id), path, root, from: document.hash(), to: ContentHash::of(&to), hunks };
        Ok(Prepared { step, from: document.bytes().to_vec(), to })
    }
}

/// A name beside `path` that nobody else uses: the lock keeps other dcode processes away, and the creation is exclusive.
fn temp_name(path: &Path, id: u64) -> PathBuf {
    // The name of the file is left out: with it, the name could be longer than a name may be.
    let hash = ContentHash::of(&super::quote::path_bytes(path)).short();
    path.with_file_name(format!(".dcode-{id}-{}-{hash}.tmp", std::process::id()))
}

impl<D: Disk> Journal<D> {
    /// Changes the files, all or none. Without any hunk nothing is written and there is no entry.
    pub fn apply(&self, changes: Vec<FileChange>, note: &str) -> Result<Option<Applied>, ApplyError> {
        let changes: Vec<FileChange> = changes.into_iter().filter(|change| !change.hunks.is_empty()).collect();
        if changes.is_empty() {
            return Ok(None);
        }
        let _lock = self.lock()?;
        let recovered = self.recover_locked()?;
        let (id, touched) = self.next()?;
        let mut prepared = Vec::with_capacity(changes.len());
        for change in &changes {
            // Again, under the lock: the path may lead elsewhere by now.
            let target = self.disk.resolve(change.target.path(), change.target.root())?;
            let next = Prepared::new(&target, &change.document, change.hunks.clone(), id)?;
            if prepared.iter().any(|p: &Prepared| p.step.path == next.step.path) {
                return Err(ApplyError::Twice { path: next.step.path });
            }
            not_waiting(&recovered, &next.step.path)?;
            prepared.push(next);
        }
        let mut entry = Entry {
            version: ENTRY_VERSION,
            id,
            time: now(),
            touched,
            note: note.to_owned(),
            phase: Phase::New,
            files: Vec::new(),
            pending: None,
        };
        self.transact(&mut entry, Phase::Applied, &prepared)?;
        self.prune();
        Ok(Some(Applied { id, paths: prepared.into_iter().map(|p| p.step.path).collect(), recovered }))
    }

    /// Leads `entry` to the phase `goal` by the prepared steps, or leaves everything as it was.
    pub(super) fn transact(&self, entry: &mut Entry, goal: Phase, prepared: &[Prepared]) -> Result<(), ApplyError> {
        for p in prepared {
            self.expect(&p.step)?;
        }
        let before = entry.clone();
        let steps = prepared.iter().map(|p| p.step.clone()).collect();
        entry.pending = Some(Pending { goal, steps });
        self.save(entry)?;
        crash::point("intent");
        let done = prepared.iter().map(|p| (&p.step, p.to.as_slice()));
        let written = self.write_all(prepared).and_then(|()| self.finish(entry, goal, done));
        if let Err(error) = written {
            // Without its journal entry an edit could not be undone, so that is a failure like any other.
            self.roll_back(prepared)?;
            *entry = before;
            if entry.phase == Phase::New {
                self.forget(entry.id)?
            } else {
                self.save(entry)?
            }
            return Err(error);
        }
        crash::point("done");
        Ok(())
    }

    /// Records that the change of phase happened.
    pub(super) fn finish<'p>(
        &self,
        entry: &mut Entry,
        goal: Phase,
        done: impl Iterator<Item = (&'p Step, &'p [u8])>,
    ) -> Result<(), ApplyError> {
        entry.files = done.map(|(step, to)| file_entry(step, to)).collect();
        entry.phase = goal;
        entry.pending = None;
        Ok(self.save(entry)?)
    }

    /// The file must still be what the step starts from.
    fn expect(&self, step: &Step) -> Result<(), ApplyError> {
        let bytes = self.disk.read(&step.path).map_err(failed("read it", &step.path))?;
        if ContentHash::of(&bytes) == step.from { Ok(()) } else { Err(ApplyError::Changed { path: step.path.clone() }) }
    }

    fn write_all(&self, prepared: &[Prepared]) -> Result<(), ApplyError> {
        for Prepared { step, to, .. } in prepared {
            let action = "make a temporary file beside it";
            self.disk.create(&step.temp, to, Like::File(&step.path)).map_err(failed(action, &step.path))?;
            crash::point("temp-written");
            self.disk.sync_file(&step.temp).map_err(failed("make its new content durable", &step.path))?;
            crash::point("temp-synced");
        }
        for Prepared { step, .. } in prepared {
            self.swap_in(step)?;
            crash::point("renamed");
        }
        self.clean(prepared.iter().map(|p| &p.step))?;
        crash::point("directories-synced");
        Ok(())
    }

    /// Puts the temporary file in the place of the file.
    fn swap_in(&self, step: &Step) -> Result<(), ApplyError> {
        let replace = "replace it";
        if !self.disk.exchange(&step.temp, &step.path).map_err(failed(replace, &step.path))? {
            // This file system cannot swap; what is left is to look once more just before.
            self.expect(step)?;
            return self.disk.rename(&step.temp, &step.path).map_err(failed(replace, &step.path));
        }
        crash::point("swapped");
        let out = self.disk.read(&step.temp).map_err(failed("read it", &step.path))?;
        if ContentHash::of(&out) != step.from {
            // Somebody saved between the look and the swap: theirs goes back at once.
            self.disk.exchange(&step.temp, &step.path).map_err(failed(replace, &step.path))?;
            return Err(ApplyError::Changed { path: step.path.clone() });
        }
        Ok(())
    }

    /// Removes temporary files and makes the names durable.
    pub(super) fn clean<'p>(&self, steps: impl Iterator<Item = &'p Step>) -> Result<(), ApplyError> {
        let mut dirs: Vec<&Path> = Vec::new();
        for step in steps {
            gone_is_fine(self.disk.remove(&step.temp)).map_err(failed("remove the temporary file beside it", &step.path))?;
            dirs.extend(step.temp.parent());
        }
        dirs.sort();
        dirs.dedup();
        for dir in dirs {
            gone_is_fine(self.disk.sync_dir(dir)).map_err(failed("make the change durable in", dir))?;
        }
        Ok(())
    }

    /// Puts back what was there before a write that failed half way.
    fn roll_back(&self, prepared: &[Prepared]) -> Result<(), ApplyError> {
        for Prepared { step, from, to } in prepared {
            let stuck = |error: io::Error| ApplyError::Stuck { path: step.path.clone(), reason: error.to_string() };
            let current = self.disk.read(&step.path).map_err(stuck)?;
            if ContentHash::of(&current) == step.to && from != to {
                // After a swap the old file is still there; that it needs no room matters on a full disk.
                let kept = self.disk.read(&step.temp).is_ok_and(|bytes| bytes == *from);
                if !(kept && self.disk.exchange(&step.temp, &step.path).map_err(stuck)?) {
                    self.put_back(step, from).map_err(stuck)?;
                }
            }
        }
        self.clean(prepared.iter().map(|p| &p.step))
            .map_err(|error| ApplyError::Stuck { path: prepared[0].step.path.clone(), reason: error.to_string() })
    }

    /// Replaces the file of `step`, which holds its new content, by `bytes`.
    pub(super) fn put_back(&self, step: &Step, bytes: &[u8]) -> io::Result<()> {
        self.disk.remove(&step.temp)?;
        self.disk.create(&step.temp, bytes, Like::File(&step.path))?;
        self.disk.sync_file(&step.temp)?;
        self.disk.rename(&step.temp, &step.path)
    }
}

/// A file that an interrupted edit still has to restore is not written before that is done.
pub(super) fn not_waiting(recovered: &[Recovery], path: &Path) -> Result<(), ApplyError> {
    match recovered.iter().find_map(|r| r.outcome.waiting().filter(|_| r.left.iter().any(|left| left == path))) {
        Some(reason) => Err(ApplyError::Stuck { path: path.into(), reason: reason.to_owned() }),
        None => Ok(()),
    }
}

/// A directory that was removed since needs no cleaning.
fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> ApplyError + use<'p> {
    move |source| ApplyError::Io { action, path: path.to_path_buf(), source }
}

/// What the journal keeps of a file after a step.
fn file_entry(step: &Step, to: &[u8]) -> FileEntry {
    let text = String::from_utf8_lossy(to);
    let back = hunk::inverse(&step.hunks)
        .into_iter()
        .filter_map(|hunk| Some(BackHunk { anchor: Anchor::of(&text, hunk.at)?, hunk }))
        .collect();
    FileEntry { path: step.path.clone(), root: step.root.clone(), hash: step.to, back }
}
