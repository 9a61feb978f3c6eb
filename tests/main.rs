//! All integration tests, in one binary: linking Burn once takes long enough.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#![recursion_limit = "256"]

#[cfg(unix)]
mod cli_apply;
mod cli_bad_input;
mod cli_edit;
mod cli_journal;
mod cli_reference;
mod common;
mod edit_reference;
mod edit_steer;
mod goldens;
mod model_readers;
mod model_sequence;
mod model_vectors;
#[cfg(unix)]
mod patch_files;
#[cfg(unix)]
mod patch_git;
#[cfg(unix)]
mod patch_unified;
