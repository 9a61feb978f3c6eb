//! `dcode apply`.

use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::hidden::HiddenArgs;
use crate::cli::say;
use crate::cli::show::Output;
use crate::cli::write::here;
use crate::cli::write::write;
use crate::patch::apply::FileChange;
use crate::patch::plan::Plan;
use crate::patch::plan::PlanError;
use crate::screen::colour::ColorChoice;

/// Apply a plan that `dcode edit --plan` wrote; no model is loaded
///
/// The files are looked for in the work tree around the current folder, or below that folder where there is none. Text outside
/// of the plan's spans may have changed since; if a span itself did, nothing is written and the exit code is 4.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The plan; - reads standard input
    pub plan: PathBuf,
    /// Apply this hunk only, counted from 1 through all files; repeat for several
    #[arg(long = "hunk", value_name = "N", value_delimiter = ',')]
    pub hunks: Vec<usize>,
    /// Apply this candidate instead of the first, which is the best
    #[arg(long, value_name = "N")]
    pub candidate: Option<usize>,
    /// Write nothing; the exit code is 1 if the plan would change a file
    #[arg(long)]
    pub check: bool,
    /// Show the diff and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Stage the applied hunks in git's index too, and nothing else
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub index: bool,
    /// Which characters may come into the file
    #[command(flatten)]
    pub hidden: HiddenArgs,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read, or no longer fits the files.
pub fn run(args: &ApplyArgs, color: ColorChoice) -> Result<Exit, Failure> {
    let plan = read(&args.plan)?;
    let number = args.candidate.unwrap_or(1);
    let candidate = number.checked_sub(1).and_then(|index| plan.candidates.get(index));
    if let (None, Some(candidate)) = (args.candidate, candidate) {
        let why = match (candidate.syntax.as_deref(), candidate.verify.as_deref()) {
            (Some("broken"), _) => Some("does not parse"),
            (_, Some("failed")) => Some("does not pass the commands"),
            _ => None,
        };
        if let Some(why) = why {
            let message =
                format!("the best candidate of the plan {why}; nothing was written. --candidate 1 takes it all the same");
            return Err(Failure::new(Exit::NoCandidate, message));
        }
    }
    let (root, tree) = here()?;
    let changes = plan.changes(Some(&root), number, &args.hunks)?;
    for change in &changes {
        if let Some(tree) = &tree {
            tree.refuse_conflict(change.target.relative())?;
        }
        args.hidden.check(&change.document, &change.hunks)?;
    }
    let count: usize = changes.iter().map(|change| change.hunks.len()).sum();
    if args.dry_run {
        show(&changes, color)?;
    }
    let hunks = if count == 1 { "1 hunk".to_owned() } else { format!("{count} hunks") };
    if args.check || args.dry_run {
        say(&format!("{hunks} would be written; the plan fits"));
        return Ok(if args.check && count > 0 { Exit::Rejected } else { Exit::Ok });
    }
    match write(tree.as_ref(), changes, plan.instruction.as_deref(), args.index)? {
        Some(applied) => {
            let files: Vec<String> = applied.paths.iter().map(|path| path.display().to_string()).collect();
            say(&format!("edit {}: {hunks} written to {}", applied.id, files.join(", ")));
        }
        None => say("the plan changes nothing"),
    }
    Ok(Exit::Ok)
}

/// Largest plan that is read.
const CAP: u64 = 256 << 20;

fn read(path: &Path) -> Result<Plan, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(CAP).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(CAP).read_to_end(&mut bytes).map_err(failed)?;
    }
    Plan::from_json(&bytes).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn show(changes: &[FileChange], color: ColorChoice) -> Result<(), Failure> {
    let output = Output::detect(color);
    changes.iter().try_for_each(|change| output.diff(&change.document, &change.hunks, change.target.relative()))
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let exit = match error {
            PlanError::Format(_) | PlanError::Version { .. } | PlanError::Missing { .. } => Exit::Usage,
            _ => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}
