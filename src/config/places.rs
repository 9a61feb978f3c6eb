//! Where settings, trust and caches lie: `DCODE_HOME`, or the folders of the platform.

use std::path::Path;
use std::path::PathBuf;

use crate::model::locate::data_dir;

/// Name of the file in the root of a repository.
pub const REPOSITORY_FILE: &str = ".dcode.toml";

/// Name of the file that names files which are not for a model, with the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".dcodeignore";

/// The user's own file: `DCODE_CONFIG`, `DCODE_HOME/config.toml`, or the one of the platform. The flag says whether it was asked
/// for by name, so that it must be there.
pub fn user_file(variable: &dyn Fn(&str) -> Option<String>) -> Option<(PathBuf, bool)> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(path) = set("DCODE_CONFIG") {
        return Some((PathBuf::from(path), true));
    }
    if let Some(home) = set("DCODE_HOME") {
        return Some((Path::new(&home).join("config.toml"), false));
    }
    directories::ProjectDirs::from("", "", "dcode").map(|dirs| (dirs.config_dir().join("config.toml"), false))
}

/// The file of a repository.
pub fn repository_file(root: &Path) -> PathBuf {
    root.join(REPOSITORY_FILE)
}

/// The folder of the trust store: with dcode's own data, out of reach of any repository.
pub fn trust_dir() -> Option<PathBuf> {
    data_dir().map(|dir| dir.join("trust"))
}

/// The folder for what can be made again, such as shadow work trees.
pub fn cache_dir() -> Option<PathBuf> {
    match std::env::var_os("DCODE_HOME") {
        Some(home) if !home.is_empty() => Some(PathBuf::from(home).join("cache")),
        _ => directories::ProjectDirs::from("", "", "dcode").map(|dirs| dirs.cache_dir().to_owned()),
    }
}
