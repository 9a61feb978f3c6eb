//! `dcode trust`.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use crate::cli::defaults;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::say;
use crate::config::TrustStore;
use crate::config::file::ConfigFile;
use crate::config::places;
use crate::document::ContentHash;
use crate::text::sanitise_line;

/// Let the .dcode.toml of a repository run its commands
///
/// What it says now is shown and trusted; when its content changes, it is ignored again. Trust means that programs of this
/// repository may run: its build scripts and tests too, if a command builds or tests it.
#[derive(Args, Debug)]
pub struct TrustArgs {
    /// A file or folder in the repository
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// List what is trusted
    #[arg(long, conflicts_with = "revoke")]
    pub list: bool,
    /// Trust the repository no more
    #[arg(long)]
    pub revoke: bool,
}

/// Runs the command.
///
/// # Errors
/// There is no such file, it is not valid, or the trust store cannot be written.
pub fn run(args: &TrustArgs) -> Result<Exit, Failure> {
    let dir = places::trust_dir().ok_or_else(|| Failure::usage("no folder for the trust store; set DCODE_HOME"))?;
    let store = TrustStore::new(dir);
    if args.list {
        return list(&store);
    }
    let path = config_of(&args.path)?;
    let shown = path.display();
    if args.revoke {
        let was = store.revoke(&path)?;
        say(&format!("{shown}: {}", if was { "no longer trusted" } else { "was not trusted" }));
        return Ok(Exit::Ok);
    }
    let missing = || Failure::usage(format!("{shown}: no such file; there is nothing to trust"));
    if path.is_symlink() {
        return Err(Failure::new(Exit::Refused, format!("{shown}: a symbolic link; put the file itself there")));
    }
    let file = ConfigFile::read(&path)?.ok_or_else(missing)?;
    file.notes.iter().for_each(|note| say(&format!("note: {note}")));
    for item in file.guarded() {
        print(&sanitise_line(&format!("{} = {}", item.key.name, item.value)))?;
    }
    let trusted = store.trust(&path, &file.bytes)?;
    let what = if file.guarded().next().is_some() { "trusted, with the settings above" } else { "trusted; it names no command" };
    say(&format!("{shown}: {what}, as long as its content is {}", trusted.hash.short()));
    Ok(Exit::Ok)
}

/// The configuration of the repository around `path`.
fn config_of(path: &Path) -> Result<PathBuf, Failure> {
    if path.file_name().is_some_and(|name| name == places::REPOSITORY_FILE) {
        return Ok(path.to_path_buf());
    }
    let root = defaults::root(path).ok_or_else(|| Failure::usage(format!("{}: in no git work tree", path.display())))?;
    Ok(places::repository_file(&root))
}

fn list(store: &TrustStore) -> Result<Exit, Failure> {
    for trusted in store.list()? {
        let state = match std::fs::read(&trusted.path) {
            Ok(bytes) if ContentHash::of(&bytes) == trusted.hash => "",
            Ok(_) => "  (changed since, so ignored)",
            Err(_) => "  (not there)",
        };
        print(&sanitise_line(&format!("{}  {}{state}", trusted.hash.short(), trusted.path.display())))?;
    }
    Ok(Exit::Ok)
}
