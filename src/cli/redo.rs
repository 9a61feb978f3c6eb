//! `dcode redo`.

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::undo::report;
use crate::cli::write::here;
use crate::cli::write::journal;

/// Bring back an edit that was undone
#[derive(Args, Debug)]
pub struct RedoArgs {
    /// Number of the edit, as `dcode log` shows it; without it the one undone last in this work tree (or below this folder)
    pub id: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// There is no such edit, or the text it replaces is no longer there.
pub fn run(args: &RedoArgs) -> Result<Exit, Failure> {
    let root = args.id.is_none().then(here).transpose()?;
    let applied = journal()?.redo(args.id, root.as_ref().map(|(root, _)| root.as_path()))?;
    report("applied again", &applied);
    Ok(Exit::Ok)
}
