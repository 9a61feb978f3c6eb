//! The cache of the Hugging Face tools, which dcode shares: what one of them downloaded is there for all.
//!
//! ```text
//! models--ORG--NAME/
//!   blobs/DIGEST              the files, under their hashes; DIGEST.incomplete while they come
//!   snapshots/COMMIT/FILE     links to blobs
//!   refs/REVISION             the commit of a branch or tag
//! .locks/models--ORG--NAME/DIGEST.lock
//! ```
//! Source: `constants.py` and `file_download.py` of huggingface_hub.

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

use crate::hub::digest::Digest;
use crate::hub::error::HubError;
use crate::hub::name::MAIN;
use crate::hub::name::Repo;
use crate::hub::name::is_commit;

/// The folder with all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name.
    pub name: String,
    /// Where its bytes are.
    pub blob: PathBuf,
    /// The hash that the hub knows it by; `None` where it is a file of its own and no link.
    pub digest: Option<Digest>,
}

impl Cache {
    /// The cache of this user: `HF_HUB_CACHE`, `HF_HOME/hub`, `DCODE_HOME/cache/huggingface/hub`, or the usual place.
    pub fn find() -> Option<Self> {
        Self::find_with(&|name| std::env::var_os(name), directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()))
    }

    fn find_with(variable: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("HF_HUB_CACHE")
            .or_else(|| set("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| set("HF_HOME").map(|home| home.join("hub")))
            .or_else(|| set("DCODE_HOME").map(|home| home.join("cache/huggingface/hub")))
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
            .or_else(|| home.map(|home| home.join(".cache/huggingface/hub")))?;
        Some(Self { root })
    }

    /// The cache in a folder.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repositories that have something in it, by name.
    pub fn repos(&self) -> Vec<Repo> {
        let entries = std::fs::read_dir(&self.root).into_iter().flatten().flatten();
        let mut repos: Vec<Repo> = entries.filter_map(|entry| Repo::of_folder(entry.file_name().to_str()?)).collect();
        repos.sort_by(|a, b| a.id().cmp(b.id()));
        repos
    }

    /// The folder of a repository.
    pub fn folder(&self, repo: &Repo) -> PathBuf {
        self.root.join(repo.folder())
    }

    /// Where a blob lies, or will.
    pub fn blob(&self, repo: &Repo, digest: &Digest) -> PathBuf {
        self.folder(repo).join("blobs").join(digest.as_str())
    }

    /// The lock of a blob.
    pub fn lock(&self, repo: &Repo, digest: &Digest) -> PathBuf {
        self.root.join(".locks").join(repo.folder()).join(format!("{}.lock", digest.as_str()))
    }

    /// The commits that have a snapshot, in order.
    pub fn commits(&self, repo: &Repo) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder(repo).join("snapshots")).into_iter().flatten().flatten();
        let mut commits: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        commits.retain(|commit| is_commit(commit));
        commits.sort();
        commits
    }

    /// The commit of a revision, as far as the cache knows it; without one that of `main`, or the only one there is.
    pub fn commit(&self, repo: &Repo) -> Option<String> {
        let named = |revision: &str| {
            let text = std::fs::read_to_string(self.folder(repo).join("refs").join(revision)).ok()?;
            Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
        };
        match repo.revision() {
            Some(commit) if is_commit(commit) => Some(commit.to_owned()),
            Some(revision) => named(revision),
            None => named(MAIN).or_else(|| match self.commits(repo).as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            }),
        }
    }

    /// The folder of a commit's files.
    pub fn snapshot_of(&self, repo: &Repo, commit: &str) -> PathBuf {
        self.folder(repo).join("snapshots").join(commit)
    }

    /// The folder of a revision's files, when it is there.
    pub fn snapshot(&self, repo: &Repo) -> Option<PathBuf> {
        let folder = self.snapshot_of(repo, &self.commit(repo)?);
        folder.is_dir().then_some(folder)
    }

    /// The files of a snapshot, by name.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn files(&self, repo: &Repo, commit: &str) -> Result<Vec<SnapshotFile>, HubError> {
        let folder = self.snapshot_of(repo, commit);
        let mut files = Vec::new();
        let mut open = vec![folder.clone()];
        while let Some(inner) = open.pop() {
            for entry in std::fs::read_dir(&inner).map_err(HubError::io(&inner))? {
                let path = entry.map_err(HubError::io(&inner))?.path();
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                    continue;
                }
                let target = std::fs::read_link(&path).ok();
                let digest = target.as_ref().and_then(|target| Digest::parse(target.file_name()?.to_str()?));
                let blob = target.map_or_else(|| path.clone(), |target| inner.join(target));
                let name = path.strip_prefix(&folder).unwrap_or(&path).to_string_lossy().into_owned();
                files.push(SnapshotFile { name, blob, digest });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The repository and commit that a snapshot's path belongs to, in whatever cache.
    pub fn repo_of(path: &Path) -> Option<(Repo, String)> {
        let mut parts = path.components().rev().map(|part| part.as_os_str().to_str());
        let commit = parts.next()??;
        let snapshots = parts.next()??;
        let repo = Repo::of_folder(parts.next()??)?;
        (snapshots == "snapshots" && is_commit(commit)).then(|| (repo, commit.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_other_tools_look() {
        let find = |set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            Cache::find_with(&variable, Some("/home/u".into())).unwrap().root
        };
        assert_eq!(find(&[]), Path::new("/home/u/.cache/huggingface/hub"));
        assert_eq!(find(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(find(&[("DCODE_HOME", "/d"), ("XDG_CACHE_HOME", "/x")]), Path::new("/d/cache/huggingface/hub"));
        assert_eq!(find(&[("HF_HOME", "/h"), ("DCODE_HOME", "/d")]), Path::new("/h/hub"));
        assert_eq!(find(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]), Path::new("/c"));
        assert_eq!(find(&[("HF_HUB_CACHE", ""), ("HF_HOME", "/h")]), Path::new("/h/hub"));
    }

    #[test]
    fn a_revision_leads_to_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().to_owned());
        let repo: Repo = "a/b".parse().unwrap();
        let (old, new) = ("0".repeat(40), "1".repeat(40));
        assert_eq!(cache.snapshot(&repo), None);
        std::fs::create_dir_all(cache.snapshot_of(&repo, &old)).unwrap();
        assert_eq!(cache.commit(&repo), Some(old.clone()), "the only one");
        std::fs::create_dir_all(cache.snapshot_of(&repo, &new)).unwrap();
        assert_eq!(cache.commit(&repo), None, "two, and nothing says which");
        std::fs::create_dir_all(cache.folder(&repo).join("refs")).unwrap();
        std::fs::write(cache.folder(&repo).join("refs/main"), format!("{new}\n")).unwrap();
        std::fs::write(cache.folder(&repo).join("refs/bad"), "../../x").unwrap();
        let at = |text: &str| cache.snapshot(&text.parse().unwrap());
        assert_eq!(at("a/b"), Some(cache.snapshot_of(&repo, &new)));
        assert_eq!(at(&format!("a/b@{old}")), Some(cache.snapshot_of(&repo, &old)));
        assert_eq!((at("a/b@bad"), at("a/b@none"), at(&format!("a/b@{}", "2".repeat(40)))), (None, None, None));
        assert_eq!(cache.repos(), std::slice::from_ref(&repo));
        let (found, commit) = Cache::repo_of(&cache.snapshot_of(&repo, &old)).unwrap();
        assert_eq!((found, commit), (repo, old));
        assert_eq!(Cache::repo_of(Path::new("/models--a--b/snapshots/main")), None);
    }
}
