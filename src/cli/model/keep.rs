//! `dcode model verify` and `dcode model rm`.

use std::io::BufRead;
use std::io::IsTerminal;
use std::io::Write;

use super::cache;
use super::count;
use super::repo;
use super::size;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::progress::Progress;
use crate::cli::say;
use crate::hub::cache::Cache;
use crate::hub::name::Repo;
use crate::hub::remove::Removal;
use crate::model::config::TransformerConfig;
use crate::model::error::ModelError;
use crate::model::gguf::Gguf;
use crate::model::locate::ModelFiles;
use crate::model::locate::locate;
use crate::model::weights::Weights;
use crate::text::sanitise_line;

/// Compares files with their hashes.
///
/// # Errors
/// A file differs or is missing.
pub(super) fn verify(model: Option<&str>) -> Result<Exit, Failure> {
    let cache = cache()?;
    let Some(name) = model else {
        let repos = cache.repos();
        let known = repos.iter().flat_map(|repo| cache.commits(repo).into_iter().map(move |commit| (repo, commit)));
        let mut damaged = 0;
        for (repo, commit) in known {
            damaged += usize::from(!snapshot(&cache, repo, &commit)?);
        }
        return end(damaged);
    };
    let files = locate(Some(name))?;
    let folder = super::folder_of(&files);
    let folder = folder.canonicalize().unwrap_or(folder);
    match Cache::repo_of(&folder)
        .filter(|_| folder.starts_with(cache.root().canonicalize().unwrap_or_else(|_| cache.root().to_owned())))
    {
        Some((repo, commit)) => end(usize::from(!snapshot(&cache, &repo, &commit)?)),
        None => headers(&files),
    }
}

fn end(damaged: usize) -> Result<Exit, Failure> {
    if damaged == 0 {
        return Ok(Exit::Ok);
    }
    let message = format!("{} damaged; remove it with `dcode model rm` and pull it again", count(damaged, "model"));
    Err(Failure::new(Exit::Model, message))
}

/// Compares the files of a snapshot; whether all are right.
fn snapshot(cache: &Cache, repo: &Repo, commit: &str) -> Result<bool, Failure> {
    let (mut right, mut progress) = (true, Progress::new());
    let tell = |state: &str, name: &str| print(&sanitise_line(&format!("{state:<11} {repo}@{} {name}", &commit[..12])));
    for file in cache.files(repo, commit)? {
        progress.line(&format!("reading {}", file.name));
        let state = match &file.digest {
            _ if !file.blob.is_file() => "missing",
            None => "not checked",
            Some(digest) => match digest.check(&file.blob)? {
                Ok(()) => "ok",
                Err(_) => "damaged",
            },
        };
        progress.clear();
        right &= !matches!(state, "missing" | "damaged");
        tell(state, &file.name)?;
    }
    Ok(right)
}

/// Looks at what the files of a folder say of themselves: there are no hashes to compare with.
fn headers(files: &ModelFiles) -> Result<Exit, Failure> {
    if let Some(path) = &files.config {
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
        TransformerConfig::from_json(&text, path)?;
        Weights::open_safetensors(&files.base)?;
    } else if let Some(path) = files.base.first() {
        TransformerConfig::from_gguf(&Gguf::open(path)?)?;
    }
    print(&sanitise_line(&format!("whole       {}", super::folder_of(files).display())))?;
    say("note: headers and sizes fit; the hub's hashes are known of downloads only");
    Ok(Exit::Ok)
}

/// Removes what was downloaded of a model.
///
/// # Errors
/// Nothing of it is there, nobody can be asked, or it cannot be removed.
pub(super) fn remove(name: &str, yes: bool) -> Result<Exit, Failure> {
    let cache = cache()?;
    // A pinned commit is not one that was named: all revisions of a registered model go.
    let named = name.parse::<Repo>().ok();
    let repo = match named {
        Some(repo) => repo,
        None => repo(name)?.id().parse().map_err(Failure::from)?,
    };
    let Some(removal) = Removal::plan(&cache, &repo)? else {
        let message = format!("nothing of {repo} is in {}; `dcode model list` shows what is", cache.root().display());
        return Err(Failure::new(Exit::Model, message));
    };
    let kept = match removal.kept.len() {
        0 => String::new(),
        kept => format!("; {} of it stay", count(kept, "other revision")),
    };
    let what = format!("{repo}: {}, {}{kept}", count(removal.commits.len(), "revision"), size(removal.bytes));
    if !yes && !ask(&format!("remove {what}?"))? {
        return Ok(Exit::Rejected);
    }
    removal.run(&cache)?;
    say(&format!("removed {what}"));
    Ok(Exit::Ok)
}

/// Asks on the terminal; only `y` and `yes` are a yes.
fn ask(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask on; add --yes"));
    }
    // The answer is typed behind it, so it is no line of its own.
    let _ = write!(std::io::stderr(), "{} [y/N] ", sanitise_line(question));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
