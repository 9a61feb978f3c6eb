//! Where a file lies in its work tree, and writing accepted hunks to it.

use std::path::Path;
use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::say;
use crate::document::Document;
use crate::model::locate::data_dir;
use crate::patch::apply::Applied;
use crate::patch::apply::ApplyError;
use crate::patch::apply::FileChange;
use crate::patch::git::GitError;
use crate::patch::git::WorkTree;
use crate::patch::hunk::Hunk;
use crate::patch::journal::Journal;
use crate::patch::journal::JournalError;
use crate::patch::target::Target;
use crate::patch::undo::describe;

/// The work tree that holds `path` (a file or folder), if it is in one.
///
/// # Errors
/// There is a repository, but it may not be used: it belongs to another user, has no work tree, or is damaged.
pub fn work_tree(path: &Path) -> Result<Option<WorkTree>, Failure> {
    Ok(WorkTree::discover(path)?)
}

/// The folder that edits are looked for in and plans are applied in: the work tree around the current folder, or that folder.
///
/// # Errors
/// As [`work_tree`], or there is no current folder any more.
pub fn here() -> Result<(PathBuf, Option<WorkTree>), Failure> {
    let folder = std::env::current_dir().and_then(|folder| folder.canonicalize());
    let folder = folder.map_err(|error| Failure::usage(format!("cannot use the current folder: {error}")))?;
    let tree = work_tree(&folder)?;
    Ok((tree.as_ref().map_or(folder, |tree| tree.root().to_path_buf()), tree))
}

/// The journal of this user.
///
/// # Errors
/// It cannot be made or opened.
pub fn journal() -> Result<Journal, Failure> {
    let dir = data_dir().ok_or_else(|| Failure::usage("no folder for the journal; set DCODE_HOME"))?.join("journal");
    Ok(Journal::open(&dir)?)
}

/// A file to edit, and the work tree around it.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    tree: Option<WorkTree>,
}

impl Place {
    /// Finds the work tree around the file.
    ///
    /// # Errors
    /// As [`work_tree`], or the file is in the middle of a merge.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let mut place = Self { path: path.to_path_buf(), tree: work_tree(path)? };
        // A link in one work tree that leads out of it: what lies there is not that tree's, whoever made the link.
        if let Some(folder) = before_first_link(path)
            && let Some(named) = work_tree(&folder)?
            && place.tree.as_ref().is_none_or(|tree| tree.root() != named.root())
        {
            place.tree = Some(named);
        }
        // What may not be written can still be shown, so a path that is refused is no failure yet.
        if let (Some(tree), Ok(target)) = (&place.tree, place.target()) {
            tree.refuse_conflict(target.relative())?;
        }
        Ok(place)
    }

    /// The work tree.
    pub fn tree(&self) -> Option<&WorkTree> {
        self.tree.as_ref()
    }

    /// The file that is really written.
    ///
    /// # Errors
    /// It may not be written.
    pub fn target(&self) -> Result<Target, Failure> {
        let root = self.tree.as_ref().map(WorkTree::root);
        Ok(Target::resolve(&self.path, root).map_err(ApplyError::from)?)
    }

    /// The path that a diff names: inside the work tree, or the file name alone.
    pub fn diff_path(&self) -> PathBuf {
        match self.target() {
            Ok(target) => target.relative().to_path_buf(),
            Err(_) => self.path.file_name().map_or_else(|| self.path.clone(), PathBuf::from),
        }
    }

    /// Writes `hunks` to the file, atomically and with an entry in the journal; with `stage` also to git's index.
    ///
    /// # Errors
    /// The file changed since it was read, may not be written or staged, or the system refused.
    pub fn write(&self, document: &Document, hunks: &[Hunk], note: Option<&str>, stage: bool) -> Result<(), Failure> {
        self.write_with(document, hunks, note, stage, &mut say_note).map(|_| ())
    }

    /// As [`Place::write`]; what an earlier, interrupted edit needed goes to `tell`.
    ///
    /// # Errors
    /// As [`Place::write`].
    pub fn write_with(
        &self,
        document: &Document,
        hunks: &[Hunk],
        note: Option<&str>,
        stage: bool,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Option<Applied>, Failure> {
        let change = FileChange { target: self.target()?, document: document.clone(), hunks: hunks.to_vec() };
        write_with(self.tree(), vec![change], note, stage, tell)
    }
}

/// The folder in which the first symbolic link on the way to `path` stands.
fn before_first_link(path: &Path) -> Option<PathBuf> {
    let mut way = PathBuf::new();
    for part in path.components() {
        let folder = way.clone();
        way.push(part);
        if way.is_symlink() {
            return Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder });
        }
    }
    None
}

/// Writes changes of files of one work tree, all or none, with an entry in the journal; with `stage` also to git's index.
///
/// # Errors
/// As [`Place::write`].
pub fn write(
    tree: Option<&WorkTree>,
    changes: Vec<FileChange>,
    note: Option<&str>,
    stage: bool,
) -> Result<Option<Applied>, Failure> {
    write_with(tree, changes, note, stage, &mut say_note)
}

fn say_note(note: &str) {
    say(&format!("note: {note}"));
}

fn write_with(
    tree: Option<&WorkTree>,
    changes: Vec<FileChange>,
    note: Option<&str>,
    stage: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<Option<Applied>, Failure> {
    let mut stagings = Vec::new();
    if stage {
        let tree = tree.ok_or_else(no_tree_to_stage)?;
        for change in changes.iter().filter(|change| !change.hunks.is_empty()) {
            stagings.push(tree.stage(change.target.relative(), &change.document, &change.hunks)?);
        }
    }
    let applied = journal()?.apply(changes, note.unwrap_or("infill"))?;
    for recovery in applied.iter().flat_map(|applied| &applied.recovered) {
        tell(&describe(recovery));
    }
    for staging in stagings {
        // Only somebody else at the index leads here: every other reason was found before the write.
        let id = applied.as_ref().map_or(0, |applied| applied.id);
        staging.commit().map_err(|error| {
            let message = format!("edit {id} is written, but not staged: {error}; `dcode undo {id}` takes it back");
            Failure::new(Exit::Refused, message)
        })?;
    }
    Ok(applied)
}

/// `--index` where there is no index.
pub fn no_tree_to_stage() -> Failure {
    Failure::usage("--index needs a git work tree; leave it out here")
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}
