//! Settings as the defaults of flags: what a configuration says holds wherever nothing is typed, `--help` shows it, and it is
//! checked as a flag would be.

use std::path::Path;
use std::path::PathBuf;

use clap::Command;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::config::ConfigError;
use crate::config::Layers;
use crate::config::Origin;
use crate::config::TrustStore;
use crate::config::places::trust_dir;
use crate::patch::git::WorkTree;

/// Commands that measure: their settings are those of their command line alone.
const MEASURING: [&str; 2] = ["bench", "eval"];

/// Loads the settings for the repository around `path`.
///
/// # Errors
/// A file or variable holds what it may not.
pub fn load(path: &Path) -> Result<Layers, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let store = trust_dir().map(TrustStore::new);
    Ok(Layers::load(root(path).as_deref(), &variable, store.as_ref())?)
}

/// The root of the work tree around `path`. A repository that may not be used sets nothing; the command itself says why.
pub fn root(path: &Path) -> Option<PathBuf> {
    WorkTree::discover(path).ok().flatten().map(|tree| tree.root().to_path_buf())
}

/// The command line with the settings as defaults.
pub fn apply(mut command: Command, layers: &Layers) -> Command {
    for setting in &layers.settings {
        let (Some(value), false) = (&setting.value, setting.origin == Origin::BuiltIn) else { continue };
        if setting.key.name == "verify.commands" {
            continue;
        }
        let id = setting.key.flag.replace('-', "_");
        // The parser keeps references for as long as the process lives; there are as many as there are keys.
        let value: &'static str = Box::leak(value.flag().into_boxed_str());
        command = set(command, &id, value);
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names.into_iter().filter(|name| !MEASURING.contains(&name.as_str())) {
            command = command.mut_subcommand(name, |sub| set(sub, &id, value));
        }
    }
    command
}

fn set(command: Command, id: &str, value: &'static str) -> Command {
    let known = command.get_arguments().any(|argument| argument.get_id() == id);
    if known { command.mut_arg(id, |argument| argument.default_value(value)) } else { command }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = if matches!(error, ConfigError::Trust { .. }) { Exit::Refused } else { Exit::Usage };
        Self::new(exit, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::config::keys::KEYS;

    /// Every key has a flag somewhere, so that none is set in vain.
    #[test]
    fn every_key_has_its_flag() {
        let command = Cli::command();
        for key in &KEYS {
            let id = key.flag.replace('-', "_");
            let has = |command: &Command| command.get_arguments().any(|argument| argument.get_id() == id.as_str());
            assert!(has(&command) || command.get_subcommands().any(has), "{}", key.name);
        }
    }
}
