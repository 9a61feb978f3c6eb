//! The hashes by which the hub knows files: the sha256 of what lies in its large-file storage, git's blob id of everything else.
//! The length of the text tells them apart, and each is the name of the file in the cache.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use git2::ObjectType;
use git2::Oid;
use sha2::Digest as _;
use sha2::Sha256;

use crate::hub::error::HubError;

/// Largest file that has a blob id only. The hub keeps files above 10 MB in its large-file storage.
pub const LARGEST_SMALL: u64 = 64 << 20;

/// A hash of a file's content, in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// The sha256 of the bytes.
    Sha256(String),
    /// git's blob id: the sha1 of a header and the bytes.
    Blob(String),
}

impl Digest {
    /// Reads a hash, or an entity tag that holds one: quotes and the mark of a weak tag do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            64 if is_hex => Some(Self::Sha256(text)),
            40 if is_hex => Some(Self::Blob(text)),
            _ => None,
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sha256(text) | Self::Blob(text) => text,
        }
    }

    /// Reads a file and compares it; the hash that was found is the error.
    ///
    /// # Errors
    /// The file cannot be read. The inner error is the hash of a file that differs.
    pub fn check(&self, path: &Path) -> Result<Result<(), String>, HubError> {
        let found = match self {
            Self::Sha256(_) => sha256_of(path)?,
            Self::Blob(_) => {
                let bytes = read_small(path)?;
                Oid::hash_object(ObjectType::Blob, &bytes).map_or_else(|error| error.to_string(), |id| id.to_string())
            }
        };
        Ok(if found == self.as_str() { Ok(()) } else { Err(found) })
    }
}

fn read_small(path: &Path) -> Result<Vec<u8>, HubError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(HubError::io(path))?;
    file.take(LARGEST_SMALL + 1).read_to_end(&mut bytes).map_err(HubError::io(path))?;
    Ok(bytes)
}

fn sha256_of(path: &Path) -> Result<String, HubError> {
    let mut file = File::open(path).map_err(HubError::io(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(HubError::io(path))? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Hexadecimal digits of bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"hello\n").unwrap();
        // `printf 'hello\n' | sha256sum` and `git hash-object`.
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let blob = "ce013625030ba8dba906f756967f9e9ca394464a";
        for right in [sha256, blob] {
            let digest = Digest::parse(right).unwrap();
            assert_eq!(digest.as_str(), right);
            assert_eq!(digest.check(&path).unwrap(), Ok(()));
            std::fs::write(folder.path().join("b"), b"hello").unwrap();
            assert!(digest.check(&folder.path().join("b")).unwrap().is_err());
            assert!(digest.check(&folder.path().join("none")).is_err());
        }
        assert_eq!(Digest::parse(&format!("W/\"{sha256}\"")), Some(Digest::Sha256(sha256.to_owned())));
        for wrong in ["", "\"\"", "abc", &"g".repeat(64), &"a".repeat(63), "../../etc/passwd"] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }
}
