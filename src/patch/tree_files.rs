//! The files that make up a work tree as git sees it: what is tracked, and what is not ignored.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use git2::Repository;
use git2::Status;
use git2::StatusOptions;

use super::git::GitError;
use super::git::WorkTree;

/// Mode of an entry in the index that is the commit of a submodule.
const GITLINK: u32 = 0o160_000;
/// Submodules in submodules that are followed.
const DEPTH: usize = 8;

impl WorkTree {
    /// Paths inside the work tree of all files that are tracked or new, without those that are ignored; submodules with theirs.
    pub fn files(&self) -> Result<Vec<PathBuf>, GitError> {
        let mut found = BTreeSet::new();
        collect(self.repository(), Path::new(""), DEPTH, &mut found)?;
        Ok(found.into_iter().collect())
    }
}

fn collect(repository: &Repository, below: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<(), GitError> {
    let Some(root) = repository.workdir() else { return Ok(()) };
    for entry in repository.index()?.iter() {
        let path = path_of(&entry.path);
        if entry.mode != GITLINK {
            found.insert(below.join(path));
        } else if depth > 0
            && let Ok(inner) = Repository::open(root.join(&path))
        {
            collect(&inner, &below.join(path), depth - 1, found)?;
        }
    }
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false).exclude_submodules(true);
    for entry in repository.statuses(Some(&mut options))?.iter() {
        if entry.status().contains(Status::WT_NEW) {
            found.insert(below.join(path_of(entry.path_bytes())));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
