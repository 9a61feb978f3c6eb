//! `dcode edit` on a terminal.

use crate::cli::edit::EditArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Spans;
use crate::edit::engine::Engine;

/// Shows the edit live, asks, and writes what was accepted.
///
/// # Errors
/// See [`Exit`].
pub fn run(
    _engine: &Engine,
    _document: &Document,
    _spans: &Spans,
    _resolved: &[ResolvedRange],
    _args: &EditArgs,
) -> Result<Exit, Failure> {
    Err(Failure::usage("not here yet"))
}
