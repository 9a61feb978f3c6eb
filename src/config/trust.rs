//! Which repositories' configuration is trusted: by where it lies and what it says, so that a changed file is trusted no more.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use super::file::ConfigError;
use crate::document::ContentHash;
use crate::patch::path_json;
use crate::patch::quote::path_bytes;

/// A file that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// Where it lies.
    #[serde(with = "path_json")]
    pub path: PathBuf,
    /// What it said when it was trusted.
    pub hash: ContentHash,
    /// When, in seconds since 1970.
    pub time: u64,
}

/// A folder with one file for each that is trusted; for this user alone.
#[derive(Clone, Debug)]
pub struct TrustStore {
    dir: PathBuf,
}

impl TrustStore {
    /// The store in the folder `dir`, which is made when something is trusted.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Whether the file at `path` is trusted with this content.
    pub fn is_trusted(&self, path: &Path, content: &[u8]) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        self.load(&self.entry(&path)).is_some_and(|known| known.path == path && known.hash == ContentHash::of(content))
    }

    /// Trusts the file at `path` as long as it has this content.
    ///
    /// # Errors
    /// The system refused.
    pub fn trust(&self, path: &Path, content: &[u8]) -> Result<Trusted, ConfigError> {
        let path = path.canonicalize().map_err(at(path))?;
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let trusted = Trusted { path, hash: ContentHash::of(content), time };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir).map_err(at(&self.dir))?;
        let entry = self.entry(&trusted.path);
        let bytes = serde_json::to_vec(&trusted).map_err(|error| at(&entry)(error.into()))?;
        // A file of this user alone, whole or not at all.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(at(&self.dir))?;
        io::Write::write_all(&mut file, &bytes).and_then(|()| file.as_file().sync_all()).map_err(at(&entry))?;
        file.persist(&entry).map_err(|error| at(&entry)(error.error))?;
        Ok(trusted)
    }

    /// Trusts the file at `path` no more. Returns whether it was trusted, with whatever content.
    ///
    /// # Errors
    /// The system refused.
    pub fn revoke(&self, path: &Path) -> Result<bool, ConfigError> {
        // The file itself may be gone.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let entry = self.entry(&path);
        match std::fs::remove_file(&entry) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at(&entry)(error)),
        }
    }

    /// All files that are trusted, by path.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self) -> Result<Vec<Trusted>, ConfigError> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(&self.dir)(error)),
        };
        let mut found: Vec<Trusted> = entries.filter_map(|entry| self.load(&entry.ok()?.path())).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// A damaged entry trusts nothing.
    fn load(&self, entry: &Path) -> Option<Trusted> {
        serde_json::from_slice(&std::fs::read(entry).ok()?).ok()
    }

    fn entry(&self, path: &Path) -> PathBuf {
        self.dir.join(format!("{}.json", ContentHash::of(&path_bytes(path))))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ConfigError + use<> {
    let path = path.to_path_buf();
    move |source| ConfigError::Trust { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_for_a_place_and_a_content() {
        let temp = tempfile::tempdir().unwrap();
        let store = TrustStore::new(temp.path().join("data/trust"));
        let file = temp.path().join("c.toml");
        std::fs::write(&file, "a").unwrap();
        assert!(!store.is_trusted(&file, b"a") && store.list().unwrap().is_empty() && !store.revoke(&file).unwrap());
        store.trust(&file, b"a").unwrap();
        assert!(store.is_trusted(&file, b"a") && !store.is_trusted(&file, b"b"));
        let other = temp.path().join("d.toml");
        std::fs::copy(&file, &other).unwrap();
        assert!(!store.is_trusted(&other, b"a"), "the same content elsewhere is another thing");
        store.trust(&file, b"b").unwrap();
        assert!(!store.is_trusted(&file, b"a"), "one content at a time");
        assert_eq!(store.list().unwrap().len(), 1);
        std::fs::write(temp.path().join("data/trust/x.json"), "damaged").unwrap();
        assert_eq!(store.list().unwrap().len(), 1);
        assert!(store.revoke(&file).unwrap() && !store.is_trusted(&file, b"b"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(temp.path().join("data/trust")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
    }
}
