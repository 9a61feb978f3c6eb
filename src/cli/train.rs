//! `dcode train`.

use clap::Args;
use clap::Subcommand;

use crate::cli::corpus;
use crate::cli::corpus::CorpusArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;

/// Train a model, and build what it learns from
#[derive(Args, Debug)]
pub struct TrainArgs {
    #[command(subcommand)]
    command: TrainCommand,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    Corpus(Box<CorpusArgs>),
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &TrainArgs) -> Result<Exit, Failure> {
    match &args.command {
        TrainCommand::Corpus(args) => corpus::run(args),
    }
}
