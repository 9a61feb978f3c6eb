//! All integration tests, in one binary: linking Burn once takes long enough.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#![recursion_limit = "256"]

#[cfg(unix)]
mod cli_apply;
mod cli_bad_input;
#[cfg(unix)]
mod cli_config;
#[cfg(unix)]
mod cli_corpus;
mod cli_edit;
#[cfg(unix)]
mod cli_exit_codes;
#[cfg(unix)]
mod cli_files;
#[cfg(unix)]
mod cli_git;
mod cli_journal;
#[cfg(unix)]
mod cli_processes;
mod cli_reference;
#[cfg(unix)]
mod cli_verify;
mod common;
#[cfg(unix)]
mod desk;
mod edit_file_end;
mod edit_reference;
mod edit_steer;
mod goldens;
#[cfg(unix)]
mod hook_git;
#[cfg(unix)]
mod hook_model;
#[cfg(unix)]
mod hook_precommit;
#[cfg(unix)]
mod hook_report;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod hub;
mod model_fuzz;
mod model_kinds;
mod model_quant;
mod model_readers;
mod model_sequence;
mod model_vectors;
#[cfg(target_os = "linux")]
mod offline;
#[cfg(unix)]
mod patch_files;
#[cfg(unix)]
mod patch_git;
#[cfg(unix)]
mod patch_state;
#[cfg(unix)]
mod patch_unified;
#[cfg(unix)]
mod pty;
mod train_run;
mod train_speed;
mod train_tune;
#[cfg(unix)]
mod tui_commands;
mod tui_guide;
#[cfg(unix)]
mod tui_pty;
#[cfg(unix)]
mod tui_speed;
