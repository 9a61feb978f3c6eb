//! Writing accepted hunks to the file.

use std::io::Write;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::document::Document;
use crate::patch::hunk::Hunk;
use crate::patch::hunk::apply;

/// Writes `hunks` to the document's file.
///
/// # Errors
/// The file changed since it was read, or cannot be written.
pub fn write(document: &Document, hunks: &[Hunk], _note: Option<&str>) -> Result<(), Failure> {
    let path = document.path();
    let new = apply(document, hunks).map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    if Document::read(path)?.hash() != document.hash() {
        return Err(Failure::new(Exit::Refused, format!("{}: changed since it was read; nothing was written", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&new)?;
    file.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| Failure::from(error.error))?;
    Ok(())
}
