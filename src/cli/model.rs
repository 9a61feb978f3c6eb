//! `dcode model`.

mod keep;
mod list;
mod pull;

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::hub::cache::Cache;
use crate::hub::name::Repo;
use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::locate::ModelFiles;
use crate::model::locate::locate;
use crate::model::locate::repo_of;
use crate::model::recognise::Kind;
use crate::model::registry;
use crate::model::spec::Attention;
use crate::model::spec::Shift;
use crate::text::sanitise_line;

/// List, download, check and remove models
///
/// Downloads go to the cache that the Hugging Face tools share: HF_HUB_CACHE, HF_HOME/hub, DCODE_HOME/cache/huggingface/hub, or
/// ~/.cache/huggingface/hub. Only `dcode model pull` uses the network.
#[derive(Args, Debug)]
pub struct ModelCommandArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The models that dcode knows by name, and those on this machine
    List {
        /// Print JSON Lines: name, repo, parameters (billions), licence, state, path, about
        #[arg(long)]
        json: bool,
    },
    /// What is known about a model
    Show {
        /// A name of `dcode model list`, ORG/NAME[@REVISION], a folder with config.json, or a .gguf file
        model: String,
    },
    Pull(pull::PullArgs),
    /// Compare the files of a model with their hashes, or those of a folder with their headers
    Verify {
        /// The model; without one, all that were downloaded
        model: Option<String>,
    },
    /// Remove a downloaded model, with what no other revision of it uses
    Rm {
        /// A name of `dcode model list`, or ORG/NAME[@REVISION]; without a revision, all of them
        model: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Print the folder of a model
    Path {
        /// The model
        model: String,
    },
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &ModelCommandArgs) -> Result<Exit, Failure> {
    match &args.what {
        What::List { json } => list::run(*json),
        What::Show { model } => show(model),
        What::Pull(args) => pull::run(args),
        What::Verify { model } => keep::verify(model.as_deref()),
        What::Rm { model, yes } => keep::remove(model, *yes),
        What::Path { model } => path(model),
    }
}

/// The cache of downloads.
fn cache() -> Result<Cache, Failure> {
    Ok(Cache::find().ok_or(crate::hub::error::HubError::NoCache)?)
}

/// The repository that a name stands for.
fn repo(name: &str) -> Result<Repo, Failure> {
    repo_of(name).ok_or_else(|| {
        let hint = match list::nearest(name) {
            Some(near) => format!("did you mean {near}?"),
            None => "`dcode model list` shows the names, and ORG/NAME is a repository of the hub".to_owned(),
        };
        Failure::usage(format!("no model is called {name}; {hint}"))
    })
}

/// The folder of a model's files.
fn folder_of(files: &ModelFiles) -> PathBuf {
    files.base.first().and_then(|file| file.parent()).unwrap_or(Path::new(".")).to_owned()
}

fn path(name: &str) -> Result<Exit, Failure> {
    let folder = folder_of(&locate(Some(name))?);
    print(&folder.display().to_string())?;
    Ok(Exit::Ok)
}

fn line(what: &str, value: &str) -> Result<(), Failure> {
    print(&sanitise_line(&format!("{what:<12} {value}")))
}

fn show(name: &str) -> Result<Exit, Failure> {
    let found = locate(Some(name));
    let repo = repo_of(name);
    let entry = registry::named(name).or_else(|| registry::of_repo(repo.as_ref()?));
    let found = match (found, entry) {
        (Err(error), None) => return Err(error.into()),
        (found, _) => found,
    };
    line("name", entry.map_or(name, |entry| &entry.name))?;
    repo.iter().try_for_each(|repo| line("repository", &repo.to_string()))?;
    if let Some(entry) = entry {
        line("about", &entry.about)?;
        let gigabytes = |bytes: f64| format!("{:.1} GB", entry.parameters * bytes);
        let memory = format!(
            "{} as bf16, {} with --quant q8, {} with --quant q4",
            gigabytes(2.0),
            gigabytes(34.0 / 32.0),
            gigabytes(144.0 / 256.0)
        );
        line("parameters", &format!("{} billion: about {memory}", entry.parameters))?;
        line("licence", entry.licence.as_deref().unwrap_or("see the model's card; `dcode model pull` shows it first"))?;
        entry.recommended.iter().try_for_each(|text| line("reference", text))?;
        entry.sampler.iter().try_for_each(|sampler| line("sampler", sampler))?;
        entry.unsupported.iter().try_for_each(|reason| line("cannot run", reason))?;
    }
    match found {
        Ok(files) => installed(&files)?,
        Err(_) => line("installed", &format!("no; `dcode model pull {name}` downloads it"))?,
    }
    Ok(Exit::Ok)
}

/// What the files of a model say of it.
fn installed(files: &ModelFiles) -> Result<(), Failure> {
    line("installed", &folder_of(files).display().to_string())?;
    let bytes: u64 =
        files.base.iter().chain(&files.adapter).filter_map(|file| std::fs::metadata(file).ok()).map(|data| data.len()).sum();
    line("weights", &format!("{}, {}", count(files.base.len(), "file"), size(bytes)))?;
    let Some(path) = &files.config else { return Ok(()) };
    let text = std::fs::read_to_string(path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
    let config = TransformerConfig::from_json(&text, path)?;
    line(
        "type",
        &format!(
            "{:?}, {} layers of width {}, {} tokens of context",
            config.family, config.layers, config.hidden, config.context
        ),
    )?;
    let kind = match (&config.kind, config.kind.resolve(&files.spec, None)) {
        (_, Ok(Some((attention, shift)))) => sees(attention, shift),
        (Kind::Autoregressive, Ok(None)) => {
            "continues text from left to right, unless its vocabulary has a mask token".to_owned()
        }
        (_, Ok(None)) => "continues text from left to right".to_owned(),
        (_, Err(reason)) => reason,
    };
    line("kind", &kind)
}

/// Who sees whom, in words.
fn sees(attention: Attention, shift: Shift) -> String {
    let attention = match attention {
        Attention::Bidirectional => "everything sees everything".to_owned(),
        Attention::BlockCausal(size) => format!("blocks of {size} see themselves and what is before them"),
        Attention::Canvas => "slots see the context and each other".to_owned(),
        Attention::Causal => "text sees what is before it".to_owned(),
    };
    let shift = match shift {
        Shift::Right => "predictions are read one element earlier",
        Shift::None => "predictions are read in place",
    };
    format!("a denoiser: {attention}; {shift}")
}

/// A number of things.
fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        0.0..1e3 => format!("{bytes} B"),
        1e3..1e6 => format!("{:.1} kB", bytes / 1e3),
        1e6..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        let sizes = [0, 999, 1500, 2_000_000, 15_231_233_024].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.5 kB", "2.0 MB", "15.23 GB"]);
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".to_owned(), "2 files".to_owned()));
    }
}
