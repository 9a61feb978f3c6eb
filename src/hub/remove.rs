//! Taking a snapshot out of the cache, with what no other snapshot of its repository uses.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::hub::cache::Cache;
use crate::hub::error::HubError;
use crate::hub::name::Repo;

/// What a removal would take away.
#[derive(Debug)]
pub struct Removal {
    repo: Repo,
    /// The commits whose snapshots go.
    pub commits: Vec<String>,
    /// The commits whose snapshots stay.
    pub kept: Vec<String>,
    /// The blobs that go, with those that were not complete.
    blobs: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
}

impl Removal {
    /// Looks what goes with a revision of `repo`, or with all of them when it names none.
    ///
    /// # Errors
    /// The cache cannot be read. `None` is the answer when nothing of it is there.
    pub fn plan(cache: &Cache, repo: &Repo) -> Result<Option<Self>, HubError> {
        let all = cache.commits(repo);
        let commits = match repo.revision() {
            None => all.clone(),
            Some(_) => cache.commit(repo).filter(|commit| all.contains(commit)).into_iter().collect(),
        };
        let kept: Vec<String> = all.into_iter().filter(|commit| !commits.contains(commit)).collect();
        let mut used = BTreeSet::new();
        for commit in &kept {
            used.extend(cache.files(repo, commit)?.into_iter().filter_map(|file| file.digest));
        }
        let used: BTreeSet<&str> = used.iter().map(|digest| digest.as_str()).collect();
        let folder = cache.folder(repo).join("blobs");
        let (mut blobs, mut bytes) = (Vec::new(), 0);
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_used = name.to_str().is_none_or(|name| used.contains(name));
            // While others stay, a part of a download may be theirs.
            let is_partial = name.to_str().is_some_and(|name| name.ends_with(".incomplete"));
            if !is_used && (kept.is_empty() || !is_partial) {
                bytes += entry.metadata().map_or(0, |data| data.len());
                blobs.push(entry.path());
            }
        }
        blobs.sort();
        Ok((!commits.is_empty() || !blobs.is_empty() && kept.is_empty()).then(|| Self {
            repo: repo.clone(),
            commits,
            kept,
            blobs,
            bytes,
        }))
    }

    /// Takes it away: names first, so that nothing is left that looks like a model.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn run(&self, cache: &Cache) -> Result<(), HubError> {
        let folder = cache.folder(&self.repo);
        self.remove_refs(folder.join("refs"))?;
        for commit in &self.commits {
            let snapshot = cache.snapshot_of(&self.repo, commit);
            std::fs::remove_dir_all(&snapshot).map_err(HubError::io(snapshot))?;
        }
        for blob in &self.blobs {
            std::fs::remove_file(blob).map_err(HubError::io(blob))?;
        }
        if self.kept.is_empty() {
            // What other tools keep beside it says that files are not there. Folders that are not empty stay.
            let _ = std::fs::remove_dir_all(folder.join(".no_exist"));
            for inner in ["snapshots", "blobs", "refs"] {
                let _ = std::fs::remove_dir(folder.join(inner));
            }
            let _ = std::fs::remove_dir(&folder);
        }
        Ok(())
    }

    /// Removes the names of commits that go.
    fn remove_refs(&self, root: PathBuf) -> Result<(), HubError> {
        let mut open = vec![root.clone()];
        let mut folders = Vec::new();
        while let Some(inner) = open.pop() {
            for entry in std::fs::read_dir(&inner).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() && !path.is_symlink() {
                    open.push(path.clone());
                    folders.push(path);
                } else if let Ok(commit) = std::fs::read_to_string(&path)
                    && self.commits.iter().any(|gone| gone == commit.trim())
                {
                    std::fs::remove_file(&path).map_err(HubError::io(path))?;
                }
            }
        }
        for folder in folders.iter().rev() {
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0000000000000000000000000000000000000000";
    const NEW: &str = "1111111111111111111111111111111111111111";

    /// Two snapshots that share a file, and one file of each by itself.
    #[cfg(unix)]
    fn cache() -> (tempfile::TempDir, Cache, Repo) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().to_owned());
        let repo: Repo = "a/b".parse().unwrap();
        let digest = |letter: char| letter.to_string().repeat(64);
        std::fs::create_dir_all(cache.folder(&repo).join("blobs")).unwrap();
        for letter in ['a', 'b', 'c'] {
            std::fs::write(cache.folder(&repo).join("blobs").join(digest(letter)), b"12345").unwrap();
        }
        std::fs::write(cache.folder(&repo).join("blobs").join(format!("{}.incomplete", digest('d'))), b"1").unwrap();
        for (commit, files) in [(OLD, ['a', 'b']), (NEW, ['b', 'c'])] {
            std::fs::create_dir_all(cache.snapshot_of(&repo, commit)).unwrap();
            for letter in files {
                let path = cache.snapshot_of(&repo, commit).join(format!("{letter}.safetensors"));
                std::os::unix::fs::symlink(format!("../../blobs/{}", digest(letter)), path).unwrap();
            }
        }
        std::fs::create_dir_all(cache.folder(&repo).join("refs/pr")).unwrap();
        std::fs::write(cache.folder(&repo).join("refs/main"), NEW).unwrap();
        std::fs::write(cache.folder(&repo).join("refs/pr/1"), OLD).unwrap();
        (folder, cache, repo)
    }

    #[cfg(unix)]
    #[test]
    fn what_another_snapshot_uses_stays() {
        let (_folder, cache, repo) = cache();
        let old: Repo = "a/b@pr/1".parse().unwrap();
        let removal = Removal::plan(&cache, &old).unwrap().unwrap();
        assert_eq!(
            (removal.commits.as_slice(), removal.kept.as_slice(), removal.bytes),
            (&[OLD.to_owned()][..], &[NEW.to_owned()][..], 5)
        );
        removal.run(&cache).unwrap();
        assert_eq!(cache.commits(&repo), [NEW]);
        assert!(cache.files(&repo, NEW).unwrap().iter().all(|file| file.blob.exists()));
        assert!(!cache.folder(&repo).join("refs/pr").exists() && cache.folder(&repo).join("refs/main").exists());
        assert!(Removal::plan(&cache, &old).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn the_last_snapshot_takes_the_folder_along() {
        let (folder, cache, repo) = cache();
        let removal = Removal::plan(&cache, &repo).unwrap().unwrap();
        assert_eq!((removal.commits.len(), removal.bytes), (2, 16));
        removal.run(&cache).unwrap();
        assert!(!cache.folder(&repo).exists());
        assert!(folder.path().exists() && Removal::plan(&cache, &repo).unwrap().is_none());
    }
}
