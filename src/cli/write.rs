//! Where a file lies in its work tree, and writing accepted hunks to it.

use std::path::Path;
use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::say;
use crate::document::Document;
use crate::model::locate::data_dir;
use crate::patch::apply::ApplyError;
use crate::patch::apply::FileChange;
use crate::patch::hunk::Hunk;
use crate::patch::journal::Journal;
use crate::patch::target::Target;
use crate::patch::undo::describe;

/// The root of the work tree that holds `path`, if it is in one.
pub fn work_tree(path: &Path) -> Option<PathBuf> {
    let folder = path.canonicalize().ok()?.parent()?.to_path_buf();
    git2::Repository::discover(folder).ok()?.workdir().map(Path::to_path_buf)
}

/// The path that a diff of the document names: inside the work tree, or the file name alone.
pub fn diff_path(document: &Document) -> PathBuf {
    let path = document.path();
    match Target::resolve(path, work_tree(path).as_deref()) {
        Ok(target) => target.relative().to_path_buf(),
        // A diff can be shown for what may not be written.
        Err(_) => path.file_name().map_or_else(|| path.to_path_buf(), PathBuf::from),
    }
}

/// Writes `hunks` to the document's file, atomically and with an entry in the journal.
///
/// # Errors
/// The file changed since it was read, may not be written, or the system refused.
pub fn write(document: &Document, hunks: &[Hunk], note: Option<&str>) -> Result<(), Failure> {
    let target = Target::resolve(document.path(), work_tree(document.path()).as_deref()).map_err(ApplyError::from)?;
    let dir = data_dir().ok_or_else(|| Failure::usage("no folder for the journal; set DCODE_HOME"))?.join("journal");
    let journal = Journal::open(&dir).map_err(ApplyError::from)?;
    let change = FileChange { target, document: document.clone(), hunks: hunks.to_vec() };
    let applied = journal.apply(vec![change], note.unwrap_or("infill"))?;
    for recovery in applied.iter().flat_map(|applied| &applied.recovered) {
        say(&format!("note: {}", describe(recovery)));
    }
    Ok(())
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}
