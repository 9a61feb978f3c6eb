//! The `dcode` program: dispatch, and nothing else.

#![recursion_limit = "256"]

use std::process::ExitCode;

fn main() -> ExitCode {
    dcode::cli::main()
}
