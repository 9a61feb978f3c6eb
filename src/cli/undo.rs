//! `dcode undo`.

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::say;
use crate::cli::write::here;
use crate::cli::write::journal;
use crate::patch::apply::Applied;
use crate::patch::undo::UndoError;
use crate::patch::undo::describe;

/// Take back an edit
///
/// What was written must still be there; text around it may have changed. Otherwise nothing is touched and the reason is given.
#[derive(Args, Debug)]
pub struct UndoArgs {
    /// Number of the edit, as `dcode log` shows it; without it the latest one in this work tree (or below this folder)
    pub id: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// There is no such edit, or what it wrote is no longer there.
pub fn run(args: &UndoArgs) -> Result<Exit, Failure> {
    let root = args.id.is_none().then(here).transpose()?;
    let undone = journal()?.undo(args.id, root.as_ref().map(|(root, _)| root.as_path()))?;
    report("undone", &undone);
    Ok(Exit::Ok)
}

/// Says what an undo or redo did.
pub(super) fn report(done: &str, applied: &Applied) {
    for recovery in &applied.recovered {
        say(&format!("note: {}", describe(recovery)));
    }
    let files: Vec<String> = applied.paths.iter().map(|path| path.display().to_string()).collect();
    say(&format!("edit {} {done}: {}", applied.id, files.join(", ")));
}

impl From<UndoError> for Failure {
    fn from(error: UndoError) -> Self {
        let exit = if matches!(error, UndoError::Unknown { .. }) { Exit::Usage } else { Exit::Refused };
        Self::new(exit, error.to_string())
    }
}
