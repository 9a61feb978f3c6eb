//! Which file is really written, and the files that never are.

use std::ffi::OsStr;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// Why a file is not written. Its bytes are untouched.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nothing there.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A symbolic link to nothing.
    #[error("{}: symbolic link to a missing file; repair or remove the link", path.display())]
    BrokenLink {
        /// The path as given.
        path: PathBuf,
    },
    /// Outside the work tree, perhaps through a symbolic link.
    #[error("{}: lies outside the work tree, at {}; edit it from where it lives", path.display(), real.display())]
    Outside {
        /// The path as given.
        path: PathBuf,
        /// Where it leads.
        real: PathBuf,
    },
    /// Outside a work tree, through a symbolic link.
    #[error("{}: symbolic link; edit the file it points to: {}", path.display(), real.display())]
    Link {
        /// The path as given.
        path: PathBuf,
        /// Where it leads.
        real: PathBuf,
    },
    /// In git's own directory.
    #[error("{}: belongs to git itself and is never edited", path.display())]
    GitDir {
        /// The path as given.
        path: PathBuf,
    },
    /// In the work tree of another repository.
    #[error("{}: belongs to the repository at {}; run dcode there", path.display(), inner.display())]
    Submodule {
        /// The path as given.
        path: PathBuf,
        /// The root of the inner repository.
        inner: PathBuf,
    },
    /// Not a regular file.
    #[error("{}: not a regular file", path.display())]
    Special {
        /// The path as given.
        path: PathBuf,
    },
    /// Several names for one file.
    #[error("{}: has {links} hard links, which replacing it would part; make a copy of its own first", path.display())]
    HardLinks {
        /// The path as given.
        path: PathBuf,
        /// Number of names.
        links: u64,
    },
    /// No permission to write.
    #[error("{}: read-only; make it writable first (chmod u+w)", path.display())]
    ReadOnly {
        /// The path as given.
        path: PathBuf,
    },
    /// Another user's file.
    #[error("{}: owned by another user (uid {owner}), whose file it would no longer be; run dcode as that user", path.display())]
    Foreign {
        /// The path as given.
        path: PathBuf,
        /// The owner.
        owner: u32,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A file that may be written: its real path, without a symbolic link anywhere in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    real: PathBuf,
    root: Option<PathBuf>,
}

impl Target {
    /// Finds the real file behind `path` and checks that it may be written. With a work tree as `root` the file must lie in it,
    /// and a symbolic link inside it is written through; without one, a symbolic link is refused.
    pub fn resolve(path: &Path, root: Option<&Path>) -> Result<Target, TargetError> {
        let io = |source| TargetError::Io { path: path.into(), source };
        let link = match std::fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type().is_symlink(),
            Err(error) => return Err(missing_or(path, error)),
        };
        let real = match path.canonicalize() {
            Err(error) if link && error.kind() == std::io::ErrorKind::NotFound => {
                return Err(TargetError::BrokenLink { path: path.into() });
            }
            other => other.map_err(|error| missing_or(path, error))?,
        };
        let root = root.map(Path::canonicalize).transpose().map_err(io)?;
        let inside = match &root {
            Some(root) => match real.strip_prefix(root) {
                Ok(inside) => inside,
                Err(_) => return Err(TargetError::Outside { path: path.into(), real }),
            },
            None if link => return Err(TargetError::Link { path: path.into(), real }),
            None => &real,
        };
        if inside.components().any(|part| matches!(part, Component::Normal(name) if is_git_dir(name))) {
            return Err(TargetError::GitDir { path: path.into() });
        }
        if let Some(root) = &root {
            let parents = inside.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
            if let Some(inner) = parents.map(|parent| root.join(parent)).find(|dir| dir.join(".git").exists()) {
                return Err(TargetError::Submodule { path: path.into(), inner });
            }
        }
        check_file(path, &real)?;
        Ok(Target { real, root })
    }

    /// A target that nothing was checked for.
    #[cfg(test)]
    pub(crate) fn unchecked(real: PathBuf) -> Target {
        Target { real, root: None }
    }

    /// The real path: absolute, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.real
    }

    /// The work tree, if there is one.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The path inside the work tree, or the file name without one: what a diff names.
    pub fn relative(&self) -> &Path {
        match &self.root {
            Some(root) => self.real.strip_prefix(root).unwrap_or(&self.real),
            None => self.real.file_name().map_or(&self.real, Path::new),
        }
    }
}

fn missing_or(path: &Path, source: std::io::Error) -> TargetError {
    match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => TargetError::NotFound { path: path.into() },
        _ => TargetError::Io { path: path.into(), source },
    }
}

/// Whether some file system takes `name` for git's directory: in any case, with the trailing dots and blanks that Windows drops,
/// by its short name there, or with the invisible characters that macOS ignores.
pub fn is_git_dir(name: &OsStr) -> bool {
    let name: String = name
        .to_string_lossy()
        .chars()
        .filter(|c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'))
        .flat_map(char::to_lowercase)
        .collect();
    // Windows reads what follows a colon as the name of a stream.
    let name = name.split(':').next().unwrap_or_default();
    matches!(name.trim_end_matches(['.', ' ']), ".git" | "git~1")
}

#[cfg(unix)]
fn check_file(path: &Path, real: &Path) -> Result<(), TargetError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(real).map_err(|error| missing_or(path, error))?;
    if !metadata.is_file() {
        return Err(TargetError::Special { path: path.into() });
    }
    if metadata.nlink() > 1 {
        return Err(TargetError::HardLinks { path: path.into(), links: metadata.nlink() });
    }
    // The permission bits are asked too: root may write everything, but a read-only file was meant.
    let writable = rustix::fs::access(real, rustix::fs::Access::WRITE_OK).is_ok();
    if metadata.mode() & 0o200 == 0 || !writable {
        return Err(TargetError::ReadOnly { path: path.into() });
    }
    let user = rustix::process::geteuid().as_raw();
    // Root can give the new file its old owner; nobody else can.
    if metadata.uid() != user && user != 0 {
        return Err(TargetError::Foreign { path: path.into(), owner: metadata.uid() });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_file(path: &Path, real: &Path) -> Result<(), TargetError> {
    let metadata = std::fs::symlink_metadata(real).map_err(|error| missing_or(path, error))?;
    if !metadata.is_file() {
        return Err(TargetError::Special { path: path.into() });
    }
    if metadata.permissions().readonly() { Err(TargetError::ReadOnly { path: path.into() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_gits_directory() {
        for name in [".git", ".GIT", ".Git", ".git.", ".git ", ".git . .", "git~1", "GIT~1", ".g\u{200c}it", ".git::$INDEX"] {
            assert!(is_git_dir(OsStr::new(name)), "{name:?}");
        }
        for name in [".github", ".gitignore", "git", "git~2", "x.git", ".gitmodules"] {
            assert!(!is_git_dir(OsStr::new(name)), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn policies() {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::fs::symlink;
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap().join("tree");
        let file = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            path
        };
        let plain = file("src/a.rs");
        let resolve = |path: &Path| Target::resolve(path, Some(&root));
        let target = resolve(&root.join("src/../src/a.rs")).unwrap();
        assert_eq!((target.path(), target.relative()), (plain.as_path(), Path::new("src/a.rs")));

        symlink("a.rs", root.join("src/link.rs")).unwrap();
        assert_eq!(resolve(&root.join("src/link.rs")).unwrap().path(), plain);
        assert!(matches!(Target::resolve(&root.join("src/link.rs"), None), Err(TargetError::Link { .. })));

        let outside = temp.path().join("outside.rs");
        std::fs::write(&outside, "x").unwrap();
        symlink(&outside, root.join("escape.rs")).unwrap();
        symlink(temp.path(), root.join("up")).unwrap();
        for path in [root.join("escape.rs"), root.join("up/outside.rs"), root.join("../outside.rs"), outside] {
            assert!(matches!(resolve(&path), Err(TargetError::Outside { .. })), "{path:?}");
        }

        symlink("nowhere", root.join("broken")).unwrap();
        assert!(matches!(resolve(&root.join("broken")), Err(TargetError::BrokenLink { .. })));
        symlink("loop", root.join("loop")).unwrap();
        assert!(matches!(resolve(&root.join("loop")), Err(TargetError::Io { .. })));
        assert!(matches!(resolve(&root.join("none")), Err(TargetError::NotFound { .. })));
        assert!(matches!(resolve(&root.join("src")), Err(TargetError::Special { .. })));
        for name in [".git/config", ".GIT/config", "deep/.git/hooks/x"] {
            assert!(matches!(resolve(&file(name)), Err(TargetError::GitDir { .. })), "{name}");
        }
        std::fs::remove_dir_all(root.join("deep")).unwrap();
        file("sub/.git");
        assert!(matches!(resolve(&file("sub/x/a.rs")), Err(TargetError::Submodule { .. })));

        let hard = file("hard.rs");
        std::fs::hard_link(&hard, root.join("hard2.rs")).unwrap();
        assert!(matches!(resolve(&hard), Err(TargetError::HardLinks { links: 2, .. })));
        let locked = file("locked.rs");
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(resolve(&locked), Err(TargetError::ReadOnly { .. })));
    }
}
