//! The shadow work tree: a copy of the user's files, as they are now, in which commands may do what they like.
//!
//! It lies in dcode's cache folder and is used again, so that a build in it takes what it takes in the user's own tree. Every file
//! is a copy (the file system may share the blocks, never the file): no command can reach the user's files by way of it. What git
//! ignores is not copied; what commands leave behind stays, except in place of a copied file. A shadow whose work tree is gone, or
//! that was not used for two weeks, is removed when the next one is taken.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use crate::document::ContentHash;
use crate::patch::lock::Lock;
use crate::patch::lock::LockError;
use crate::patch::quote::path_bytes;
use crate::patch::target::is_git_dir;
use crate::verify::prune::mark;
use crate::verify::prune::prune;

/// Most files and bytes that are copied.
const MOST_FILES: usize = 200_000;
const MOST_BYTES: u64 = 8 << 30;
/// Shadows of one work tree that may be in use at once.
const SLOTS: usize = 8;
/// A file that changed this shortly before it was copied may change again without a new time.
const RACY: Duration = Duration::from_secs(2);

/// Why there is no shadow.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// The system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was not possible.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// All slots are taken.
    #[error("{SLOTS} other dcode processes verify in copies of this work tree; wait for one of them, or leave --verify out")]
    Busy,
    /// More than is copied.
    #[error("{}: too large to verify in a copy ({files} files, {bytes} bytes); leave --verify out here", root.display())]
    TooLarge {
        /// The work tree.
        root: PathBuf,
        /// Files that would be copied.
        files: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A path that leads out of the tree.
    #[error("{}: not a path inside the work tree", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
}

/// What a file looked like when it was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    mode: u32,
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let mode = std::os::unix::fs::MetadataExt::mode(metadata);
        #[cfg(not(unix))]
        let mode = u32::from(metadata.permissions().readonly());
        Self { size: metadata.len(), modified: nanoseconds(metadata.modified().ok()), mode }
    }
}

/// A copied file: what the user's looked like, and what the copy did.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Copied {
    source: Seen,
    copy: Seen,
    /// When it was copied, in nanoseconds since 1970.
    at: u128,
}

/// See the module.
#[derive(Debug)]
pub struct Shadow {
    root: PathBuf,
    slot: PathBuf,
    copied: BTreeMap<PathBuf, Copied>,
    _lock: Lock,
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> ShadowError + use<'p> {
    move |source| ShadowError::Io { action, path: path.to_path_buf(), source }
}

impl Shadow {
    /// Takes a shadow of the work tree at `root`, in the folder `cache`, which is made for this user alone. It holds whatever it
    /// held last.
    ///
    /// # Errors
    /// The folder cannot be made, or too many processes have one.
    pub fn open(cache: &Path, root: &Path) -> Result<Self, ShadowError> {
        let root = root.canonicalize().map_err(failed("find it", root))?;
        let name = root.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
        let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect();
        let folder = cache.join(format!("{}-{plain}", ContentHash::of(&path_bytes(&root)).short()));
        for number in 0..SLOTS {
            let slot = folder.join(number.to_string());
            make_private(&slot).map_err(failed("make it", &slot))?;
            // Commands are told where they are; the path must be the one that they see.
            let slot = slot.canonicalize().map_err(failed("find it", &slot))?;
            match Lock::take(&slot.join("lock"), Duration::ZERO) {
                Ok(lock) => {
                    let manifest = std::fs::read(slot.join("manifest.json")).unwrap_or_default();
                    let list: Vec<(String, Copied)> = serde_json::from_slice(&manifest).unwrap_or_default();
                    let copied = list.into_iter().map(|(path, copied)| (PathBuf::from(path), copied)).collect();
                    mark(&folder, &root).map_err(failed("write into it", &folder))?;
                    prune(cache, &folder, SystemTime::now());
                    return Ok(Self { root, slot, copied, _lock: lock });
                }
                Err(LockError::Held { .. }) => {}
                Err(LockError::Io { path, source }) => return Err(ShadowError::Io { action: "lock it", path, source }),
            }
        }
        Err(ShadowError::Busy)
    }

    /// Where commands run.
    pub fn tree(&self) -> PathBuf {
        self.slot.join("tree")
    }

    /// A folder beside the tree for what commands build, so that it is kept and lies in nobody's way.
    pub fn build(&self) -> PathBuf {
        self.slot.join("build")
    }

    /// Makes the tree equal to the user's `files`, which are paths inside the work tree. Copies what changed in either of them
    /// since, and removes what is no longer there.
    ///
    /// # Errors
    /// It is too large, or the system refused.
    pub fn sync(&mut self, files: &[PathBuf]) -> Result<(), ShadowError> {
        let tree = self.tree();
        make_private(&tree).map_err(failed("make it", &tree))?;
        let mut bytes = 0;
        let mut present = Vec::with_capacity(files.len());
        for path in files {
            check(path)?;
            if path.components().any(|part| is_git_dir(part.as_os_str())) {
                continue;
            }
            // Deleted, or left out of a sparse checkout.
            let Ok(metadata) = self.root.join(path).symlink_metadata() else { continue };
            bytes += metadata.len();
            present.push((path, metadata));
        }
        if present.len() > MOST_FILES || bytes > MOST_BYTES {
            return Err(ShadowError::TooLarge { root: self.root.clone(), files: present.len(), bytes });
        }
        let mut old = std::mem::take(&mut self.copied);
        // What is gone goes first: a folder may have its name now.
        let kept: BTreeSet<&PathBuf> = present.iter().map(|(path, _)| *path).collect();
        for path in old.keys().filter(|path| !kept.contains(path)) {
            // Only below folders that are really there: a command may have put a link in place of one.
            if self.is_plain(path.parent().unwrap_or(Path::new(""))) {
                remove(&tree.join(path)).map_err(failed("remove it", &tree.join(path)))?;
            }
        }
        let mut copied = BTreeMap::new();
        for (path, metadata) in present {
            let before = old.remove(path);
            if let Some(before) = before.filter(|before| self.is_fresh(path, before, &metadata)) {
                copied.insert(path.clone(), before);
            } else if let Some(new) = self.copy(path, &metadata)? {
                copied.insert(path.clone(), new);
            }
        }
        self.copied = copied;
        self.save()
    }

    /// Puts back every copied file that a command or [`Shadow::put`] changed.
    ///
    /// # Errors
    /// The system refused.
    pub fn reset(&mut self) -> Result<(), ShadowError> {
        for (path, before) in std::mem::take(&mut self.copied) {
            let now = self.tree().join(&path).symlink_metadata().ok().map(|metadata| Seen::of(&metadata));
            if now.as_ref() == Some(&before.copy) && self.is_plain(path.parent().unwrap_or(Path::new(""))) {
                self.copied.insert(path, before);
            } else if let Ok(metadata) = self.root.join(&path).symlink_metadata()
                && let Some(new) = self.copy(&path, &metadata)?
            {
                self.copied.insert(path, new);
            }
        }
        Ok(())
    }

    /// Gives the file `path`, inside the tree, this content; [`Shadow::reset`] takes it back.
    ///
    /// # Errors
    /// The system refused.
    pub fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ShadowError> {
        check(path)?;
        let target = self.room_for(path)?;
        let error = failed("write it", &target);
        let written = create(&target).and_then(|mut file| io::Write::write_all(&mut file, bytes));
        written.and_then(|()| copy_mode(&self.root.join(path), &target)).map_err(error)
    }

    /// Whether the copy is still what was copied, and what was copied is still what the user has.
    fn is_fresh(&self, path: &Path, before: &Copied, source: &Metadata) -> bool {
        let racy = before.at.saturating_sub(before.source.modified) < RACY.as_nanos();
        let copy = self.tree().join(path).symlink_metadata();
        !racy
            && before.source == Seen::of(source)
            && copy.is_ok_and(|copy| Seen::of(&copy) == before.copy)
            && self.is_plain(path.parent().unwrap_or(Path::new("")))
    }

    /// Copies a file or link; `None` when there is nothing that can be copied.
    fn copy(&self, path: &Path, metadata: &Metadata) -> Result<Option<Copied>, ShadowError> {
        let source = self.root.join(path);
        let at = nanoseconds(Some(SystemTime::now()));
        if metadata.is_symlink() {
            if !self.copy_link(path, &source)? {
                return Ok(None);
            }
        } else if metadata.is_file() {
            let target = self.room_for(path)?;
            // The file may go away between the list and the copy.
            let Ok(mut from) = File::open(&source) else { return Ok(None) };
            let mut to = create(&target).map_err(failed("write it", &target))?;
            // Shares the blocks where the file system can; never the file.
            io::copy(&mut from, &mut to).map_err(failed("copy it", &source))?;
            copy_mode(&source, &target).map_err(failed("copy it", &source))?;
        } else {
            return Ok(None);
        }
        let target = self.tree().join(path);
        let copy = target.symlink_metadata().map_err(failed("read it", &target))?;
        Ok(Some(Copied { source: Seen::of(metadata), copy: Seen::of(&copy), at }))
    }

    /// A link into the work tree leads to the same place in the shadow; one to a file elsewhere becomes a copy of it, so that
    /// nothing is written through it. Returns whether there is something now.
    fn copy_link(&self, path: &Path, source: &Path) -> Result<bool, ShadowError> {
        let Ok(real) = source.canonicalize() else { return Ok(false) };
        let target = self.room_for(path)?;
        if let Ok(inside) = real.strip_prefix(&self.root) {
            let inside = self.tree().join(inside);
            #[cfg(unix)]
            std::os::unix::fs::symlink(&inside, &target).map_err(failed("link it", &target))?;
            #[cfg(not(unix))]
            if real.is_file() {
                std::fs::copy(&real, &target).map_err(failed("copy it", &inside))?;
            }
            return Ok(target.symlink_metadata().is_ok());
        }
        if !real.is_file() {
            return Ok(false);
        }
        std::fs::copy(&real, &target).map_err(failed("copy it", &real))?;
        Ok(true)
    }

    /// The place of `path` in the tree, with nothing there and its folders made; whatever a command put in place of a folder
    /// gives way, a link above all.
    fn room_for(&self, path: &Path) -> Result<PathBuf, ShadowError> {
        let mut place = self.tree();
        for part in path.parent().unwrap_or(Path::new("")).components() {
            place.push(part);
            if !place.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                remove(&place).and_then(|()| std::fs::create_dir(&place)).map_err(failed("make it", &place))?;
            }
        }
        let target = self.tree().join(path);
        remove(&target).map_err(failed("remove it", &target))?;
        Ok(target)
    }

    /// Whether every part of a folder's path in the tree is a folder and no link.
    fn is_plain(&self, folder: &Path) -> bool {
        let mut place = self.tree();
        folder.components().all(|part| {
            place.push(part);
            place.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
        })
    }

    fn save(&self) -> Result<(), ShadowError> {
        let path = self.slot.join("manifest.json");
        // A name that is not Unicode cannot be kept; its file is copied each time.
        let list: Vec<(&str, &Copied)> = self.copied.iter().filter_map(|(path, copied)| Some((path.to_str()?, copied))).collect();
        let bytes = serde_json::to_vec(&list).map_err(io::Error::from);
        bytes.and_then(|bytes| std::fs::write(&path, bytes)).map_err(failed("write it", &path))
    }
}

/// Only plain relative paths: they come from git's index, which anybody may have made.
fn check(path: &Path) -> Result<(), ShadowError> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_))) && path.components().next().is_some();
    if plain { Ok(()) } else { Err(ShadowError::Path { path: path.to_path_buf() }) }
}

/// A new file; whatever had its name was removed.
fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

/// Permission bits, so that scripts stay executable; the owner may always write.
fn copy_mode(source: &Path, target: &Path) -> io::Result<()> {
    let Ok(metadata) = source.metadata() else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Without set-user-id and its like.
        std::fs::set_permissions(target, PermissionsExt::from_mode(metadata.permissions().mode() & 0o777 | 0o600))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Ok(())
    }
}

/// Removes a file, link or folder; that nothing is there is fine.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(error),
        _ => Ok(()),
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn nanoseconds(time: Option<SystemTime>) -> u128 {
    time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0, |time| time.as_nanos())
}

#[cfg(unix)]
#[cfg(test)]
#[path = "shadow_tests.rs"]
mod tests;
