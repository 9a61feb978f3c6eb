//! What git says has changed: the hunks of a file since the last commit, or those that are staged, as lines of the file as it is.

use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;

use git2::Diff;
use git2::DiffOptions;

use super::git::GitError;
use super::git::WorkTree;
use super::hunk::line_ops;
use crate::document::Document;
use crate::document::Span;

/// Which changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Everything since the last commit, staged or not: what `git diff HEAD` shows.
    Head,
    /// What is staged: what `git diff --cached` shows.
    Staged,
}

/// A hunk as git counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The lines from its first new one to its last new one, from 1; `None` when it only takes lines away.
    pub lines: Option<RangeInclusive<usize>>,
}

/// Why the hunks of a file are not known.
#[derive(Debug, thiserror::Error)]
pub enum ChangedError {
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// What is staged is no longer in the file.
    #[error("{}: staged lines {}:{} were changed again since; stage them, or give lines with --range", path.display(), lines.start(), lines.end())]
    Moved {
        /// The file.
        path: PathBuf,
        /// The lines in the staged version.
        lines: RangeInclusive<usize>,
    },
}

impl WorkTree {
    /// The hunks of `document`, which is the file at `relative`, in order.
    pub fn changed(&self, relative: &Path, document: &Document, since: Since) -> Result<Vec<Changed>, ChangedError> {
        let git = |error: git2::Error| ChangedError::Git(error.into());
        let repository = self.repository();
        // Before the first commit everything is new.
        let head = repository.head().ok().and_then(|head| head.peel_to_tree().ok());
        let mut options = DiffOptions::new();
        options.pathspec(relative).disable_pathspec_match(true).include_untracked(true).show_untracked_content(true);
        let diff = match since {
            Since::Head => repository.diff_tree_to_workdir_with_index(head.as_ref(), Some(&mut options)),
            Since::Staged => repository.diff_tree_to_index(head.as_ref(), None, Some(&mut options)),
        };
        let hunks = hunks(&diff.map_err(git)?).map_err(git)?;
        match since {
            Since::Head => Ok(hunks),
            Since::Staged => self.in_file(relative, document, hunks),
        }
    }

    /// The files of which something is staged, without those that are taken away.
    pub fn staged_files(&self) -> Result<Vec<PathBuf>, GitError> {
        let head = self.repository().head().ok().and_then(|head| head.peel_to_tree().ok());
        let diff = self.repository().diff_tree_to_index(head.as_ref(), None, None)?;
        let there = diff.deltas().filter(|delta| delta.status() != git2::Delta::Deleted);
        Ok(there.filter_map(|delta| delta.new_file().path().map(Path::to_path_buf)).collect())
    }

    /// Hunks of the staged version with the lines of the file as it is.
    fn in_file(&self, relative: &Path, document: &Document, hunks: Vec<Changed>) -> Result<Vec<Changed>, ChangedError> {
        let git = |error: git2::Error| ChangedError::Git(error.into());
        let index = self.repository().index().map_err(git)?;
        let Some(entry) = index.get_path(relative, 0) else { return Ok(hunks) };
        let blob = self.repository().find_blob(entry.id).map_err(git)?;
        let staged = String::from_utf8_lossy(blob.content());
        let (staged, now): (Vec<&str>, Vec<&str>) = (staged.lines().collect(), document.text().lines().collect());
        let ops = line_ops(&staged, &now);
        let moved = |changed: Changed| {
            let Some(lines) = changed.lines else { return Ok(changed) };
            // All of it must stand together in one piece that is equal in both.
            let piece = ops.iter().find(|op| {
                let old = op.old_range();
                matches!(op, similar::DiffOp::Equal { .. }) && old.start < *lines.start() && *lines.end() <= old.end
            });
            let piece = piece.ok_or_else(|| ChangedError::Moved { path: relative.into(), lines: lines.clone() })?;
            let shifted = |line: usize| line - piece.old_range().start + piece.new_range().start;
            Ok(Changed { lines: Some(shifted(*lines.start())..=shifted(*lines.end())) })
        };
        hunks.into_iter().map(moved).collect()
    }
}

fn hunks(diff: &Diff<'_>) -> Result<Vec<Changed>, git2::Error> {
    let mut found: Vec<Changed> = Vec::new();
    let started = std::cell::Cell::new(0usize);
    let mut hunk = |_: git2::DiffDelta<'_>, _: git2::DiffHunk<'_>| {
        started.set(started.get() + 1);
        true
    };
    let mut line = |_: git2::DiffDelta<'_>, _: Option<git2::DiffHunk<'_>>, line: git2::DiffLine<'_>| {
        found.resize(started.get(), Changed { lines: None });
        if let (Some(last), '+', Some(number)) = (found.last_mut(), line.origin(), line.new_lineno()) {
            let number = number as usize;
            last.lines = Some(last.lines.as_ref().map_or(number, |lines| *lines.start())..=number);
        }
        true
    };
    diff.foreach(&mut |_, _| true, None, Some(&mut hunk), Some(&mut line))?;
    Ok(found)
}

/// The span of a hunk; `None` when it has no lines of its own, or the file no longer has them.
pub fn span(document: &Document, changed: &Changed) -> Option<Span> {
    let lines = changed.lines.as_ref()?;
    document.line_span(*lines.start(), *lines.end())
}
