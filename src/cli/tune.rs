//! `dcode tune`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::say;
use crate::cli::train::drive;
use crate::cli::train::out_folder;
use crate::model::device;
use crate::model::device::DeviceChoice;
use crate::model::locate::ModelFiles;
use crate::model::locate::locate;
use crate::patch::git::WorkTree;
use crate::train::run::Options;
use crate::train::tune::Tuning;
use crate::train::tune::name_of;

/// Go on training the canvas adapter on a repository and its history
///
/// Learns from the files of the work tree that parse, and from its edits; nothing that git or .dcodeignore leaves out, nothing that
/// looks like a secret. A tenth of the files is held out: what is predicted of them before and after is told. The result is a small
/// adapter, for --adapter or the setting `adapter`; the model itself is not changed. On a CPU a step takes minutes.
#[derive(Args, Debug)]
pub struct TuneArgs {
    /// A folder in a git work tree
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Updates, of 16 canvases each
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// The largest rate of learning [default: that of assets/train/tune.toml]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// The folder of the run, which holds the corpus, too [default: tuned/NAME in dcode's data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the folder's checkpoint
    #[arg(long)]
    resume: bool,
    /// Model: a name, a folder with config.json, or a .gguf file
    #[arg(long, value_name = "NAME|PATH", env = "DCODE_MODEL")]
    model: Option<String>,
    /// Canvas adapter to go on from, in place of the one that lies beside the model
    #[arg(long, value_name = "FILE", env = "DCODE_ADAPTER")]
    adapter: Option<PathBuf>,
    /// Device: auto, cpu, gpu, gpu:N, or gpu:software
    #[arg(long, value_name = "DEVICE", default_value = "auto", env = "DCODE_DEVICE")]
    device: DeviceChoice,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &TuneArgs) -> Result<Exit, Failure> {
    let missing = |_| Failure::usage(format!("{}: no such folder", args.folder.display()));
    let folder = args.folder.canonicalize().map_err(missing)?;
    let work = WorkTree::discover(&folder)?;
    let name = name_of(work.as_ref().map_or(folder.as_path(), |work| work.root()));
    let found = locate(args.model.as_deref())?;
    let files = ModelFiles { adapter: args.adapter.clone().or(found.adapter.clone()), ..found };
    let recipe = Tuning { name: name.clone(), files: &files, folder, steps: args.steps, rate: args.rate }.recipe()?;
    let out = out_folder(args.out.as_deref(), "tuned", &name)?;
    let device = device::open(args.device)?;
    let outcome = drive(&recipe, &device, &Options { out, max_steps: None, resume: args.resume })?;
    let adapter = outcome.result.join("adapter.safetensors");
    let manifest = &outcome.manifest;
    say(&format!("learned from {} files and {} edits", manifest.files, manifest.edits));
    print(&adapter.display().to_string())?;
    match (manifest.before, manifest.after.last()) {
        (Some(before), Some((_, after))) => {
            say(&format!(
                "held-out loss {:.3} before, {:.3} after; right at once {:.1} % before, {:.1} % after ({} files)",
                before.loss,
                after.loss,
                before.accuracy * 100.0,
                after.accuracy * 100.0,
                manifest.held_out_files
            ));
            // Not the other way round: no number is not better.
            let better = after.loss < before.loss;
            if !better {
                say(
                    "it did not get better on held-out files; try a smaller --rate or fewer --steps, or stay with the adapter that you have",
                );
                return Ok(Exit::NoCandidate);
            }
        }
        _ => say("no file was held out, so nothing says whether it is better"),
    }
    say(&format!("use it: dcode edit FILE --adapter {}", adapter.display()));
    Ok(Exit::Ok)
}
