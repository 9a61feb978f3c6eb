//! `dcode train`.

use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use clap::Subcommand;

use crate::cli::corpus;
use crate::cli::corpus::CorpusArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::progress::Progress;
use crate::cli::say;
use crate::model::device;
use crate::model::device::DeviceChoice;
use crate::model::device::OpenDevice;
use crate::model::locate::data_dir;
use crate::train::error::TrainError;
use crate::train::metrics;
use crate::train::metrics::Line;
use crate::train::plot;
use crate::train::recipe::Recipe;
use crate::train::run;
use crate::train::run::Event;
use crate::train::run::Options;
use crate::train::run::Outcome;

/// Train a model or a canvas adapter by a recipe, and build what it learns from
///
/// A run keeps everything in one folder: metrics.jsonl with a line for each step, a checkpoint, and in the end `result`, which
/// --model or --adapter loads. A run that was stopped, by kill -9 too, goes on from its checkpoint with --resume, bit for bit.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TrainArgs {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    /// What is trained on what, and how; see docs/training.md
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Stop after so many steps of all stages together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_steps: Option<u32>,
    /// The folder of the run [default: runs/NAME in dcode's data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the folder's checkpoint
    #[arg(long)]
    resume: bool,
    /// Device: auto, cpu, gpu, gpu:N, or gpu:software
    #[arg(long, value_name = "DEVICE", default_value = "auto", env = "DCODE_DEVICE")]
    device: DeviceChoice,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    Corpus(Box<CorpusArgs>),
    Plot(PlotArgs),
}

/// Draw the curves of a run as SVG
#[derive(Args, Debug)]
struct PlotArgs {
    /// The folder of the run, or its metrics.jsonl
    run: PathBuf,
    /// Where to write the picture [default: curves.svg beside the metrics]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &TrainArgs) -> Result<Exit, Failure> {
    match (&args.command, &args.recipe) {
        (Some(TrainCommand::Corpus(args)), _) => corpus::run(args),
        (Some(TrainCommand::Plot(args)), _) => plot(args),
        (None, Some(recipe)) => train(args, recipe),
        (None, None) => Err(Failure::usage("name a recipe with --recipe FILE, such as assets/train/nano.toml")),
    }
}

fn train(args: &TrainArgs, recipe: &Path) -> Result<Exit, Failure> {
    let recipe = Recipe::read(recipe)?;
    let out = out_folder(args.out.as_deref(), "runs", &recipe.name)?;
    let device = device::open(args.device)?;
    let options = Options { out, max_steps: args.max_steps.map(|steps| steps as usize), resume: args.resume };
    let outcome = drive(&recipe, &device, &options)?;
    print(&outcome.result.display().to_string())?;
    Ok(Exit::Ok)
}

/// The folder of a run: the one that was named, or `kind/name` in dcode's data folder.
///
/// # Errors
/// Nothing was named, and there is no data folder.
pub fn out_folder(named: Option<&Path>, kind: &str, name: &str) -> Result<PathBuf, Failure> {
    let none = || Failure::usage("there is no data folder here; name a folder with --out");
    match named {
        Some(named) => Ok(named.to_owned()),
        None => Ok(data_dir().ok_or_else(none)?.join(kind).join(name)),
    }
}

/// Runs a recipe and says on standard error how it goes.
///
/// # Errors
/// As [`run::run`].
pub fn drive(recipe: &Recipe, device: &OpenDevice, options: &Options) -> Result<Outcome, Failure> {
    say(&format!("{}: {} steps on {}, in {}", recipe.name, recipe.steps(), device.name, options.out.display()));
    let (mut progress, mut started) = (Progress::new(), Instant::now());
    let mut last_stage = String::new();
    let mut first = None;
    let result = run::run(recipe, device, options, &mut |event| {
        let (line, last) = match event {
            Event::Corpus(far) => return progress.line(&corpus::words(far)),
            Event::Begins => {
                started = Instant::now();
                return progress.line("measuring held-out text");
            }
            Event::Step(line, last) => (line, last),
        };
        let first = *first.get_or_insert(line.step - 1);
        progress.line(&status(line, last, started.elapsed().as_secs_f64() / (line.step - first) as f64));
        if let Some(held_out) = line.held_out {
            progress.clear();
            say(&format!(
                "{}: step {}, held-out loss {:.3}, accuracy {:.3}",
                line.stage, line.step, held_out.loss, held_out.accuracy
            ));
        } else if last_stage != line.stage {
            progress.clear();
            say(&format!("{}: begins", line.stage));
        }
        last_stage.clone_from(&line.stage);
    });
    progress.clear();
    let outcome = result?;
    if outcome.manifest.skipped > 0 {
        say(&format!("{} steps were left out because their loss was no number", outcome.manifest.skipped));
    }
    say(&format!("{:.0} s for {} steps", started.elapsed().as_secs_f64(), outcome.manifest.steps - first.unwrap_or(0)));
    Ok(outcome)
}

/// The progress line: how far, how well, how fast, how long still.
fn status(line: &Line, last: usize, seconds: f64) -> String {
    let loss = line.loss.map_or_else(|| "no number".to_owned(), |loss| format!("{loss:.3}"));
    let left = seconds * (last - line.step.min(last)) as f64;
    let left = if left < 90.0 { format!("{left:.0} s") } else { format!("{:.0} min", left / 60.0) };
    let speed = line.tokens_per_second;
    format!("{} {}/{last}  loss {loss}  accuracy {:.2}  {speed:.0} tokens/s  {left} left", line.stage, line.step, line.accuracy)
}

fn plot(args: &PlotArgs) -> Result<Exit, Failure> {
    let path = if args.run.is_dir() { metrics::path(&args.run) } else { args.run.clone() };
    let lines = metrics::read(&path)?;
    if lines.is_empty() {
        return Err(Failure::usage(format!("{}: there is no step in it yet", path.display())));
    }
    let out = args.out.clone().unwrap_or_else(|| path.with_file_name("curves.svg"));
    let folder = path.parent().and_then(Path::file_name).map_or_else(|| "run".into(), |name| name.to_string_lossy());
    std::fs::write(&out, plot::svg(&folder, &lines)).map_err(TrainError::io(&out))?;
    print(&out.display().to_string())?;
    Ok(Exit::Ok)
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let exit = match error {
            TrainError::Model(error) => return error.into(),
            TrainError::Corpus(error) => return error.into(),
            TrainError::Recipe { .. } | TrainError::Data(_) => Exit::Usage,
            TrainError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => Exit::Usage,
            TrainError::Io { .. } | TrainError::Checkpoint { .. } => Exit::Refused,
            TrainError::Diverged { .. } | TrainError::Above { .. } => Exit::Budget,
        };
        Self::new(exit, error.to_string())
    }
}
