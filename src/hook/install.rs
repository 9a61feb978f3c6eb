//! Putting dcode into a repository's `pre-commit` event, and taking it out again.
//!
//! git from 2.54 on reads hooks from its configuration, beside the scripts of others. Older ones run one script a hook: there, ours
//! carries a mark, runs what was there before it, and goes without a trace.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use git2::ConfigLevel;

use crate::patch::GitError;
use crate::patch::WorkTree;

/// The first git that reads hooks from its configuration.
const CONFIG_HOOKS: (u32, u32) = (2, 54);
/// The line by which our script is known.
const MARK: &str = "# dcode hook: written by `dcode hook install`, removed by `dcode hook uninstall`";
/// Where a script that was there before is kept.
const BEFORE: &str = "pre-commit.before-dcode";

/// Why nothing was installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// git says no.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A hooks folder for several repositories.
    #[error("hooks of this repository lie outside of it, in {}; add `dcode hook` to the pre-commit script there yourself", path.display())]
    Shared {
        /// The folder.
        path: PathBuf,
    },
    /// Both scripts are there.
    #[error("{}: is in the way; it is left of an earlier installation. Move it away first", path.display())]
    InTheWay {
        /// The script that was kept.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<git2::Error> for InstallError {
    fn from(error: git2::Error) -> Self {
        InstallError::Git(error.into())
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// Written to the repository's git configuration.
    Config,
    /// Written as a script; the flag says whether one that was there runs before it.
    Script(PathBuf, bool),
    /// Taken out.
    Removed,
    /// There was nothing of ours.
    Nothing,
}

/// Installs `command` (a shell command line) into the `pre-commit` event. `git` is the version of git that will run it.
///
/// # Errors
/// The hooks folder may not be written, or a script is in the way.
pub fn install(tree: &WorkTree, command: &str, git: Option<(u32, u32)>) -> Result<Installed, InstallError> {
    // One of them only: both would run it twice.
    uninstall(tree)?;
    if git.is_some_and(|version| version >= CONFIG_HOOKS) {
        let mut config = tree.repository().config()?.open_level(ConfigLevel::Local)?;
        config.set_str("hook.dcode.event", "pre-commit")?;
        config.set_str("hook.dcode.command", command)?;
        return Ok(Installed::Config);
    }
    let folder = hooks_folder(tree)?;
    let (script, before) = (folder.join("pre-commit"), folder.join(BEFORE));
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| InstallError::Io { path, source }
    };
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    let chains = script.symlink_metadata().is_ok();
    if chains {
        if before.symlink_metadata().is_ok() {
            return Err(InstallError::InTheWay { path: before });
        }
        std::fs::rename(&script, &before).map_err(io(&script))?;
    }
    write_script(&script, &text(command)).map_err(io(&script))?;
    Ok(Installed::Script(script, chains))
}

/// Takes out what [`install`] put in, and puts back the script that was there before.
///
/// # Errors
/// The configuration or the hooks folder may not be written.
pub fn uninstall(tree: &WorkTree) -> Result<Installed, InstallError> {
    let mut found = Installed::Nothing;
    let mut config = tree.repository().config()?.open_level(ConfigLevel::Local)?;
    for name in ["hook.dcode.event", "hook.dcode.command"] {
        match config.remove(name) {
            Ok(()) => found = Installed::Removed,
            Err(error) if error.code() == git2::ErrorCode::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let folder = match hooks_folder(tree) {
        Err(InstallError::Shared { .. }) => return Ok(found),
        folder => folder?,
    };
    let (script, before) = (folder.join("pre-commit"), folder.join(BEFORE));
    let ours = std::fs::read_to_string(&script).is_ok_and(|text| text.lines().any(|line| line == MARK));
    if !ours {
        return Ok(found);
    }
    let io = |source| InstallError::Io { path: script.clone(), source };
    if before.symlink_metadata().is_ok() {
        std::fs::rename(&before, &script).map_err(io)?;
    } else {
        std::fs::remove_file(&script).map_err(io)?;
    }
    Ok(Installed::Removed)
}

/// The folder from which git runs scripts: `core.hooksPath`, or `hooks` of the repository.
fn hooks_folder(tree: &WorkTree) -> Result<PathBuf, InstallError> {
    let repository = tree.repository();
    let own = repository.commondir();
    let configured = match repository.config()?.get_path("core.hooksPath") {
        Ok(path) if path.as_os_str().is_empty() => None,
        Ok(path) => Some(path),
        Err(error) if error.code() == git2::ErrorCode::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let Some(path) = configured else { return Ok(own.join("hooks")) };
    let path = tree.root().join(path);
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    let common = own.canonicalize().unwrap_or_else(|_| own.to_path_buf());
    if real.starts_with(tree.root()) || real.starts_with(common) { Ok(path) } else { Err(InstallError::Shared { path }) }
}

fn text(command: &str) -> String {
    format!(
        "#!/bin/sh\n{MARK}\nbefore=\"$(dirname \"$0\")/{BEFORE}\"\nif [ -x \"$before\" ]; then\n    \"$before\" \"$@\" || exit $?\nfi\nexec {command}\n"
    )
}

fn write_script(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Major and minor number in the output of `git version`.
pub fn parse_git_version(output: &str) -> Option<(u32, u32)> {
    let number = output.strip_prefix("git version ")?.split_whitespace().next()?;
    let mut parts = number.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git() {
        assert_eq!(parse_git_version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(parse_git_version("git version 2.54.0.windows.1"), Some((2, 54)));
        assert_eq!(parse_git_version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(parse_git_version("hub"), None);
    }
}
