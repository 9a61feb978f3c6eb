//! The repository around a file: discovery, status, attributes, and staging exactly the applied hunks.
//!
//! libgit2 runs no external program: neither hooks, nor filters, nor a file system monitor. A path that needs a filter is
//! therefore never staged here. The check of who owns the repository stays on.

use std::path::Path;
use std::path::PathBuf;

use git2::AttrCheckFlags;
use git2::AttrValue;
use git2::ErrorCode;
use git2::IndexEntry;
use git2::Oid;
use git2::Repository;
use git2::RepositoryOpenFlags;

use super::anchor::Anchor;
use super::hunk;
use super::hunk::Hunk;
use crate::document::Document;
use crate::document::Span;

/// Why git is not used for a file.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The repository belongs to somebody else.
    #[error("{}: the repository belongs to another user; if you trust it: git config --global --add safe.directory {}", path.display(), path.display())]
    Owner {
        /// The root of its work tree, which is what `safe.directory` must name.
        path: PathBuf,
    },
    /// No work tree.
    #[error("{}: a bare repository has no files to edit; run dcode in a work tree", path.display())]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// An unfinished merge of this file.
    #[error("{}: has unresolved merge conflicts; resolve them and `git add` it first", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
    },
    /// Not in the index.
    #[error("{}: not tracked by git, so its hunks cannot be staged; `git add` it first", path.display())]
    Untracked {
        /// The file.
        path: PathBuf,
    },
    /// Stored through an external filter.
    #[error("{}: stored through the filter {filter:?}, which dcode does not run; stage it with `git add`", path.display())]
    Filter {
        /// The file.
        path: PathBuf,
        /// The filter's name.
        filter: String,
    },
    /// A conversion that is not understood.
    #[error("{}: git converts it in a way that dcode does not know; stage it with `git add`", path.display())]
    Conversion {
        /// The file.
        path: PathBuf,
    },
    /// The staged version differs where the hunk is.
    #[error("{}: what is staged differs at the edited lines; stage it with `git add -p`", path.display())]
    Staged {
        /// The file.
        path: PathBuf,
    },
    /// Somebody holds the index.
    #[error("the index is locked by another git process; if none runs, remove {}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The index changed between the look and the write.
    #[error("{}: staged by somebody else meanwhile; stage it with `git add -p`", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// Anything else libgit2 says.
    #[error("git: {0}")]
    Other(String),
}

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> GitError {
        GitError::Other(error.message().lines().next().unwrap_or_default().to_owned())
    }
}

/// How git sees one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// In the index.
    pub tracked: bool,
    /// The index differs from the last commit.
    pub staged: bool,
    /// The file differs from the index.
    pub modified: bool,
    /// In a merge that is not finished.
    pub conflicted: bool,
    /// Ignored.
    pub ignored: bool,
}

/// A repository with its work tree.
pub struct WorkTree {
    repository: Repository,
    root: PathBuf,
}

impl std::fmt::Debug for WorkTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkTree").field("root", &self.root).finish_non_exhaustive()
    }
}

impl WorkTree {
    /// The work tree that holds `path` (a file or directory); `None` outside of any. `GIT_DIR`, `GIT_WORK_TREE` and
    /// `GIT_INDEX_FILE` are respected, as hooks need it.
    pub fn discover(path: &Path) -> Result<Option<WorkTree>, GitError> {
        let start =
            if path.is_dir() { path } else { path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")) };
        let opened = if std::env::var_os("GIT_DIR").is_some() {
            Repository::open_from_env()
        } else {
            Repository::open_ext(start, RepositoryOpenFlags::FROM_ENV, std::iter::empty::<&Path>())
        };
        let repository = match opened {
            Ok(repository) => repository,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) if error.code() == ErrorCode::Owner => return Err(GitError::Owner { path: owned_elsewhere(start) }),
            Err(error) => return Err(error.into()),
        };
        let Some(root) = repository.workdir() else {
            return Err(GitError::Bare { path: repository.path().into() });
        };
        let root = root.canonicalize().map_err(|error| GitError::Other(format!("{}: {error}", root.display())))?;
        Ok(Some(WorkTree { repository, root }))
    }

    /// The repository itself.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The root of the work tree, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How git sees the file at `relative`, a path inside the work tree.
    pub fn status(&self, relative: &Path) -> Result<FileStatus, GitError> {
        use git2::Status;
        let flags = match self.repository.status_file(relative) {
            Ok(flags) => flags,
            Err(error) if error.code() == ErrorCode::NotFound => Status::WT_NEW,
            Err(error) => return Err(error.into()),
        };
        let any = |set: Status| flags.intersects(set);
        let staged = Status::INDEX_NEW | Status::INDEX_MODIFIED | Status::INDEX_TYPECHANGE | Status::INDEX_RENAMED;
        Ok(FileStatus {
            tracked: !any(Status::WT_NEW | Status::IGNORED | Status::INDEX_DELETED),
            staged: any(staged),
            modified: any(Status::WT_MODIFIED | Status::WT_TYPECHANGE),
            conflicted: any(Status::CONFLICTED),
            ignored: any(Status::IGNORED),
        })
    }

    /// Refuses a file whose merge is not finished: its conflict markers are no code.
    pub fn refuse_conflict(&self, relative: &Path) -> Result<(), GitError> {
        if self.status(relative)?.conflicted { Err(GitError::Conflict { path: relative.into() }) } else { Ok(()) }
    }

    /// The external filter that the attributes name for the file, such as `lfs`.
    pub fn filter(&self, relative: &Path) -> Result<Option<String>, GitError> {
        let value = self.repository.get_attr_bytes(relative, "filter", AttrCheckFlags::default())?;
        Ok(match AttrValue::from_bytes(value) {
            AttrValue::Unspecified | AttrValue::False => None,
            AttrValue::True => Some("set".to_owned()),
            AttrValue::String(name) => Some(name.to_owned()),
            AttrValue::Bytes(name) => Some(String::from_utf8_lossy(name).into_owned()),
        })
    }

    /// Refuses a file whose hunks can never be staged here, whatever they are.
    pub fn refuse_to_stage(&self, relative: &Path) -> Result<(), GitError> {
        if let Some(filter) = self.filter(relative)? {
            return Err(GitError::Filter { path: relative.into(), filter });
        }
        if self.status(relative)?.tracked { Ok(()) } else { Err(GitError::Untracked { path: relative.into() }) }
    }

    /// Prepares staging `hunks` of a file (offsets of `document`, its content before the edit) without touching the index, so
    /// that every refusal comes before the file is written. What else is staged or not staged of the file stays so.
    pub fn stage(&self, relative: &Path, document: &Document, hunks: &[Hunk]) -> Result<Staging<'_>, GitError> {
        let path = || relative.to_path_buf();
        if let Some(filter) = self.filter(relative)? {
            return Err(GitError::Filter { path: path(), filter });
        }
        let mut index = self.repository.index()?;
        index.read(true)?;
        let lock = index.path().map(|index| index.with_extension("lock"));
        if let Some(lock) = lock.filter(|lock| lock.exists()) {
            return Err(GitError::Locked { path: lock });
        }
        if index.get_path(relative, 1).or(index.get_path(relative, 2)).or(index.get_path(relative, 3)).is_some() {
            return Err(GitError::Conflict { path: path() });
        }
        let entry = index.get_path(relative, 0).ok_or_else(|| GitError::Untracked { path: path() })?;
        let blob = self.repository.find_blob(entry.id)?;
        let staged = Document::from_bytes(path(), blob.content().to_vec()).map_err(|_| GitError::Conversion { path: path() })?;
        let (old, hunks) = self.as_stored(relative, document, hunks)?;
        let found = find_hunks(&old, &hunks, &staged).ok_or_else(|| GitError::Staged { path: path() })?;
        let bytes = hunk::apply(&staged, &found).map_err(|_| GitError::Staged { path: path() })?;
        let blob = self.repository.blob(&bytes)?;
        Ok(Staging { tree: self, relative: path(), before: entry, blob, size: bytes.len() })
    }

    /// The document and its hunks as git stores them: with LF where git converts CR LF.
    fn as_stored(&self, relative: &Path, document: &Document, hunks: &[Hunk]) -> Result<(Document, Vec<Hunk>), GitError> {
        let conversion = || GitError::Conversion { path: relative.into() };
        // Asking libgit2 for what it would store answers all of autocrlf, text, eol and ident at once.
        let stored = self.repository.find_blob(self.repository.blob_path(&self.root.join(relative))?)?;
        let on_disk = std::fs::read(self.root.join(relative)).map_err(|_| conversion())?;
        if on_disk != document.bytes() {
            return Err(GitError::Moved { path: relative.into() });
        }
        if stored.content() == document.bytes() {
            return Ok((document.clone(), hunks.to_vec()));
        }
        let text = document.text();
        let lf = text.replace("\r\n", "\n");
        if stored.content() != lf.as_bytes() {
            return Err(conversion());
        }
        let shorter = |offset: usize| offset - text[..offset].matches("\r\n").count();
        let convert = |hunk: &Hunk| Hunk {
            at: Span::new(shorter(hunk.at.start), shorter(hunk.at.end)),
            old: hunk.old.replace("\r\n", "\n"),
            new: hunk.new.replace("\r\n", "\n"),
        };
        let document = Document::from_bytes(relative.into(), lf.into_bytes()).map_err(|_| conversion())?;
        Ok((document, hunks.iter().map(convert).collect()))
    }
}

/// The root of the repository around `start`, as far as it can be told without opening it.
fn owned_elsewhere(start: &Path) -> PathBuf {
    let start = start.canonicalize().unwrap_or_else(|_| start.into());
    start.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&start).to_path_buf()
}

/// The hunks with their places in `staged`, if each is certain.
fn find_hunks(old: &Document, hunks: &[Hunk], staged: &Document) -> Option<Vec<Hunk>> {
    let mut found = Vec::with_capacity(hunks.len());
    for hunk in hunks {
        let at = if old.hash() == staged.hash() {
            hunk.at
        } else {
            Anchor::of(old.text(), hunk.at)?.find(staged.text(), &hunk.old).ok()?
        };
        found.push(Hunk { at, ..hunk.clone() });
    }
    Some(found)
}

/// A staging that is ready to be written to the index.
pub struct Staging<'t> {
    tree: &'t WorkTree,
    relative: PathBuf,
    before: IndexEntry,
    blob: Oid,
    size: usize,
}

impl std::fmt::Debug for Staging<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staging").field("relative", &self.relative).field("blob", &self.blob).finish_non_exhaustive()
    }
}

impl Staging<'_> {
    /// Writes the index. The entry must still be the one that was looked at.
    pub fn commit(self) -> Result<(), GitError> {
        let mut index = self.tree.repository.index()?;
        index.read(true)?;
        if index.get_path(&self.relative, 0).is_none_or(|now| now.id != self.before.id) {
            return Err(GitError::Moved { path: self.relative });
        }
        let zero = git2::IndexTime::new(0, 0);
        // Without times and size git looks at the file itself instead of taking it for unchanged.
        let entry = IndexEntry { id: self.blob, ctime: zero, mtime: zero, file_size: self.size as u32, ..self.before };
        index.add(&entry)?;
        index.write().map_err(|error| match error.code() {
            ErrorCode::Locked => GitError::Locked { path: index.path().unwrap_or(Path::new("index")).with_extension("lock") },
            _ => error.into(),
        })
    }
}
