//! `dcode replay`.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::json;
use crate::cli::tui;
use crate::config::Layers;
use crate::diffusion::canvas::Canvas;
use crate::diffusion::trajectory::Trajectory;
use crate::edit::saved::SavedRun;
use crate::screen::colour::ColorChoice;
use crate::text::sanitise;
use crate::text::sanitise_line;

/// What stands for a masked slot.
const MASK: char = '░';
/// Largest file that is read; a trajectory of a thousand steps is below one megabyte.
const LARGEST: u64 = 64 << 20;

/// Show a recorded run step by step, without a model
///
/// Runs are recorded by `dcode edit --trajectory FILE`, and by the TUI when it exports one. Without --step each step is a line, and the text at the end follows.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// File with the run
    pub file: PathBuf,
    /// Candidate to show, when there are several; the first that was recorded otherwise
    #[arg(long, value_name = "N")]
    pub candidate: Option<usize>,
    /// Show the text of the slots after this step, masks as ░; 0 is the start
    #[arg(long, value_name = "N")]
    pub step: Option<u32>,
    /// Print each step as a JSON line, in the form of step events
    #[arg(long, conflicts_with = "step")]
    pub json: bool,
    /// Show the run in the TUI: go through its steps, or let them play
    #[arg(long, conflicts_with_all = ["step", "json"])]
    pub tui: bool,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &ReplayArgs, color: ColorChoice, layers: &Layers) -> Result<Exit, Failure> {
    if args.tui {
        return tui::replay(&args.file, args.candidate, color, layers);
    }
    let saved = read(&args.file)?;
    let known = saved.candidates();
    let list = || known.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let Some(candidate) = args.candidate.or(known.first().copied()) else {
        return Err(Failure::usage(format!("{}: no run was recorded in it", args.file.display())));
    };
    let trajectory = saved
        .trajectory(candidate)
        .ok_or_else(|| Failure::usage(format!("{}: no candidate {candidate}; there are {}", args.file.display(), list())))?;
    let mut out = std::io::stdout().lock();
    let last = trajectory.steps();
    if let Some(step) = args.step {
        if step > last {
            return Err(Failure::usage(format!("there is no step {step}; the last one is {last}")));
        }
        write!(out, "{}", sanitise(&text(&saved, &at(&trajectory, step)?)))?;
        return Ok(Exit::Ok);
    }
    for step in 0..=last {
        let canvas = at(&trajectory, step)?;
        let (slots, masked) = (canvas.slots().len(), canvas.masked().len());
        let changed = trajectory.ops.iter().filter(|(of, _)| *of == step).count();
        if args.json {
            let pieces = canvas.slots().iter().map(|slot| slot.token.map(|token| json!([saved.text(token), slot.confidence])));
            let line = json!({
                "type": "step",
                "candidate": candidate,
                "nfe": step,
                "changed": changed,
                "slots": pieces.collect::<Vec<_>>(),
                "ids": canvas.ids(),
            });
            writeln!(out, "{}", json::line(&line))?;
        } else {
            writeln!(out, "step {step}: {changed} changes, {masked} of {slots} slots masked")?;
        }
    }
    if !args.json {
        writeln!(out, "{}, by {}", sanitise_line(&saved.file), sanitise_line(&saved.model))?;
        write!(out, "{}", sanitise(&text(&saved, &at(&trajectory, last)?)))?;
    }
    Ok(Exit::Ok)
}

/// Reads a recorded run.
///
/// # Errors
/// The file cannot be read, is too large, or is no recorded run.
pub(super) fn read(path: &Path) -> Result<SavedRun, Failure> {
    let named = |reason: String| Failure::usage(format!("{}: {reason}", path.display()));
    let len = std::fs::metadata(path).map_err(|error| named(error.to_string()))?.len();
    if len > LARGEST {
        return Err(named(format!("{len} bytes are too many for a trajectory")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    SavedRun::read(&text).map_err(named)
}

fn at(trajectory: &Trajectory, step: u32) -> Result<Canvas, Failure> {
    // Reading the file has replayed all of it once.
    trajectory.at(step).ok_or_else(|| Failure::new(Exit::Internal, "internal: a step does not replay; please report this"))
}

/// The text of the slots, with a newline at the end.
fn text(saved: &SavedRun, canvas: &Canvas) -> String {
    let piece = |token: Option<u32>| token.map_or_else(|| MASK.to_string(), |token| saved.text(token).to_owned());
    let text: String = canvas.slots().iter().map(|slot| piece(slot.token)).collect();
    if text.ends_with('\n') || text.is_empty() { text } else { text + "\n" }
}
