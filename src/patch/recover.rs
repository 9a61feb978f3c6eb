//! After a crash: what an interrupted edit left behind is finished or taken back.

use std::path::Path;
use std::path::PathBuf;

use super::apply::ApplyError;
use super::disk::Disk;
use super::entry::Entry;
use super::entry::Pending;
use super::entry::Phase;
use super::entry::Step;
use super::hunk;
use super::journal::Journal;
use crate::document::ContentHash;
use crate::document::Document;

/// What was done about an interrupted edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Number of the edit.
    pub id: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Files that somebody changed since; they were left alone.
    pub left: Vec<PathBuf>,
}

/// What became of an interrupted edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All files were written before the crash; it counts as done.
    Finished,
    /// Not all files were written; those that were have their old content again.
    TakenBack,
    /// The disk refused, with this reason; it is tried again next time. Other files can be edited meanwhile.
    Waiting(String),
}

impl Outcome {
    /// The reason, if the edit still waits for its recovery.
    pub fn waiting(&self) -> Option<&str> {
        match self {
            Outcome::Waiting(reason) => Some(reason),
            Outcome::Finished | Outcome::TakenBack => None,
        }
    }
}

/// What a file holds, as seen from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Old,
    New,
    Other,
}

impl<D: Disk> Journal<D> {
    /// Finishes or takes back every interrupted edit.
    pub fn recover(&self) -> Result<Vec<Recovery>, ApplyError> {
        let _lock = self.lock()?;
        self.recover_locked()
    }

    pub(super) fn recover_locked(&self) -> Result<Vec<Recovery>, ApplyError> {
        let mut done = Vec::new();
        for mut entry in self.readable()? {
            let Some(pending) = entry.pending.take() else { continue };
            let id = entry.id;
            let left = pending.steps.iter().map(|step| step.path.clone()).collect();
            done.push(self.recover_entry(entry, pending).unwrap_or_else(|error| {
                let outcome = Outcome::Waiting(error.to_string());
                Recovery { id, outcome, left }
            }));
        }
        Ok(done)
    }

    fn recover_entry(&self, mut entry: Entry, pending: Pending) -> Result<Recovery, ApplyError> {
        let id = entry.id;
        let mut left = Vec::new();
        let mut states = Vec::with_capacity(pending.steps.len());
        for step in &pending.steps {
            let state = self.holds(step);
            let state = if state == Holds::New { self.return_foreign(step)? } else { state };
            if state == Holds::Other {
                left.push(step.path.clone());
            }
            states.push(state);
        }
        if states.iter().all(|state| *state == Holds::New) {
            let mut contents = Vec::with_capacity(pending.steps.len());
            for step in &pending.steps {
                contents.push(self.disk.read(&step.path).map_err(|source| io("read it", &step.path, source))?);
            }
            self.clean(pending.steps.iter())?;
            let done = pending.steps.iter().zip(&contents).map(|(step, bytes)| (step, bytes.as_slice()));
            self.finish(&mut entry, pending.goal, done)?;
            return Ok(Recovery { id, outcome: Outcome::Finished, left });
        }
        for (step, state) in pending.steps.iter().zip(&states) {
            if *state == Holds::New && step.from != step.to {
                self.take_back(step)?;
            }
        }
        let ours = pending.steps.iter().zip(&states).filter(|(step, state)| self.may_remove(step, **state));
        self.clean(ours.map(|(step, _)| step))?;
        if entry.phase == Phase::New {
            self.forget(id)?
        } else {
            self.save(&entry)?
        }
        Ok(Recovery { id, outcome: Outcome::TakenBack, left })
    }

    fn holds(&self, step: &Step) -> Holds {
        match self.hash(&step.path) {
            Some(hash) if hash == step.to => Holds::New,
            Some(hash) if hash == step.from => Holds::Old,
            _ => Holds::Other,
        }
    }

    fn hash(&self, path: &Path) -> Option<ContentHash> {
        self.disk.read(path).ok().map(|bytes| ContentHash::of(&bytes))
    }

    /// The crash may have come between the swap and the look at what came out of it. If that was neither of ours, somebody saved
    /// in that moment, and theirs goes back into its place.
    fn return_foreign(&self, step: &Step) -> Result<Holds, ApplyError> {
        match self.hash(&step.temp) {
            Some(hash) if hash != step.from && hash != step.to => {
                self.disk.rename(&step.temp, &step.path).map_err(|source| io("put back", &step.path, source))?;
                Ok(Holds::Other)
            }
            _ => Ok(Holds::New),
        }
    }

    /// Whether the temporary file holds nothing but ours. Before the swap it may be half written; beside a file that somebody
    /// changed, only known content is removed.
    fn may_remove(&self, step: &Step, state: Holds) -> bool {
        match state {
            Holds::Old | Holds::New => true,
            Holds::Other => self.hash(&step.temp).is_some_and(|hash| hash == step.from || hash == step.to),
        }
    }

    fn take_back(&self, step: &Step) -> Result<(), ApplyError> {
        let stuck = |reason: String| ApplyError::Stuck { path: step.path.clone(), reason };
        let bytes = self.disk.read(&step.path).map_err(|error| stuck(error.to_string()))?;
        let document = Document::from_bytes(step.path.clone(), bytes)?;
        let old = hunk::apply(&document, &hunk::inverse(&step.hunks)).map_err(|error| stuck(error.to_string()))?;
        if ContentHash::of(&old) != step.from {
            return Err(stuck("the journal does not lead back to the old content".into()));
        }
        self.put_back(step, &old).map_err(|error| stuck(error.to_string()))
    }
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> ApplyError {
    ApplyError::Io { action, path: path.into(), source }
}
