//! The journal: one file per edit, written before the edit (what is about to happen) and after it (that it happened).

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use super::crash;
use super::disk::Disk;
use super::disk::Like;
use super::disk::SystemDisk;
use super::entry::ENTRY_VERSION;
use super::entry::Entry;
use super::lock::Lock;
use super::lock::LockError;

/// Edits that are kept; older ones can no longer be undone.
const KEEP: usize = 1000;

/// How long one dcode waits for another one to finish its write.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("journal {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An entry that cannot be read.
    #[error("journal {}: {reason}; move the file away to go on without it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another dcode is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// The edits made on this machine.
#[derive(Debug)]
pub struct Journal<D: Disk = SystemDisk> {
    pub(super) disk: D,
    dir: PathBuf,
    lock: Option<PathBuf>,
}

impl Journal {
    /// Opens the journal in the directory `dir`, which is made if need be, for this user alone.
    pub fn open(dir: &Path) -> Result<Journal, JournalError> {
        let error = |source| JournalError::Io { path: dir.into(), source };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(error)?;
        let dir = dir.canonicalize().map_err(error)?;
        let lock = Some(dir.join("lock"));
        Ok(Journal { disk: SystemDisk, dir, lock })
    }
}

impl<D: Disk> Journal<D> {
    /// A journal on another file system, which no other process can reach.
    #[cfg(test)]
    pub(super) fn on(disk: D, dir: PathBuf) -> Journal<D> {
        Journal { disk, dir, lock: None }
    }

    pub(super) fn lock(&self) -> Result<Option<Lock>, JournalError> {
        Ok(self.lock.as_deref().map(|path| Lock::take(path, PATIENCE)).transpose()?)
    }

    /// All edits, oldest first; entries that cannot be read come as errors.
    pub fn entries(&self) -> Result<Vec<Result<Entry, JournalError>>, JournalError> {
        Ok(self.names()?.into_iter().map(|(_, path)| self.load(&path)).collect())
    }

    /// The edits that can be read, oldest first.
    pub(super) fn readable(&self) -> Result<Vec<Entry>, JournalError> {
        Ok(self.entries()?.into_iter().filter_map(Result::ok).collect())
    }

    /// Ids and paths of all entries, sorted.
    fn names(&self) -> Result<Vec<(u64, PathBuf)>, JournalError> {
        let names = self.disk.list(&self.dir).map_err(|source| JournalError::Io { path: self.dir.clone(), source })?;
        let id = |name: &OsStr| name.to_str()?.strip_suffix(".json")?.parse().ok();
        let mut found: Vec<(u64, PathBuf)> = names.iter().filter_map(|name| Some((id(name)?, self.dir.join(name)))).collect();
        found.sort();
        Ok(found)
    }

    fn load(&self, path: &Path) -> Result<Entry, JournalError> {
        let bytes = self.disk.read(path).map_err(|source| JournalError::Io { path: path.into(), source })?;
        let damaged = |reason: String| JournalError::Damaged { path: path.into(), reason };
        // The version first: what a later one added is not to be reported as damage.
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(ENTRY_VERSION) => {}
            version => return Err(damaged(format!("version {version:?} is not {ENTRY_VERSION}"))),
        }
        serde_json::from_value(value).map_err(|error| damaged(error.to_string()))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:06}.json"))
    }

    /// The number of the next edit, and the number of its first change of phase.
    pub(super) fn next(&self) -> Result<(u64, u64), JournalError> {
        // A damaged entry keeps its number.
        let id = self.names()?.last().map_or(1, |(id, _)| id.saturating_add(1));
        Ok((id, self.next_touch()?))
    }

    /// The number of the next change of phase.
    pub(super) fn next_touch(&self) -> Result<u64, JournalError> {
        Ok(self.readable()?.iter().map(|entry| entry.touched).max().unwrap_or(0).saturating_add(1))
    }

    /// Writes an entry durably, in place of what was there before.
    pub(super) fn save(&self, entry: &Entry) -> Result<(), JournalError> {
        let path = self.path(entry.id);
        let temp = self.dir.join(format!("{:06}.tmp", entry.id));
        let error = |source| JournalError::Io { path: path.clone(), source };
        let bytes = serde_json::to_vec(entry).map_err(|e| error(e.into()))?;
        // A temporary file of a process that was killed; the lock says that nobody is writing it.
        self.disk.remove(&temp).map_err(error)?;
        self.disk.create(&temp, &bytes, Like::Private).map_err(error)?;
        self.disk.sync_file(&temp).map_err(error)?;
        crash::point("journal-written");
        self.disk.rename(&temp, &path).map_err(error)?;
        self.disk.sync_dir(&self.dir).map_err(error)
    }

    /// Removes an entry durably.
    pub(super) fn forget(&self, id: u64) -> Result<(), JournalError> {
        let error = |source| JournalError::Io { path: self.path(id), source };
        self.disk.remove(&self.path(id)).map_err(error)?;
        self.disk.sync_dir(&self.dir).map_err(error)
    }

    /// Drops the oldest entries over the limit. Not being able to is no reason to fail.
    pub(super) fn prune(&self) {
        let Ok(names) = self.names() else { return };
        let surplus = names.len().saturating_sub(KEEP);
        for (_, path) in names.into_iter().take(surplus) {
            if self.load(&path).is_ok_and(|entry| entry.pending.is_none()) {
                let _ = self.disk.remove(&path);
            }
        }
    }
}

/// Seconds since 1970; 0 with a clock before that.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
