//! A whole model: first what is small, so that it can be looked at, then the weights, and only when all is there the snapshot that
//! makes a model of it.

use std::path::Path;
use std::path::PathBuf;

use crate::hub::cache::Cache;
use crate::hub::client::Client;
use crate::hub::digest::Digest;
use crate::hub::digest::LARGEST_SMALL;
use crate::hub::download;
use crate::hub::download::Job;
use crate::hub::error::HubError;
use crate::hub::listing::CONFIG;
use crate::hub::listing::INDEX;
use crate::hub::listing::Listing;
use crate::hub::listing::RemoteFile;
use crate::hub::name::MAIN;
use crate::hub::name::is_commit;

/// Room that is left on the disk for others.
const SPARE: u64 = 64 << 20;

/// A file whose size and hash are known.
#[derive(Clone, Debug)]
struct Planned {
    name: String,
    size: u64,
    digest: Digest,
}

/// How far a download is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file that comes now.
    pub file: &'a str,
    /// Its number, from 1, and how many there are.
    pub number: (usize, usize),
    /// Bytes of all files that are on disk.
    pub have: u64,
    /// Bytes of all files.
    pub size: u64,
}

/// A download in the making.
#[derive(Debug)]
pub struct Pull<'a> {
    client: &'a Client,
    cache: &'a Cache,
    listing: &'a Listing,
    /// The GGUF file that was asked for.
    wanted: Option<&'a str>,
    files: Vec<Planned>,
    fetched: usize,
}

impl<'a> Pull<'a> {
    /// Plans nothing yet.
    pub fn new(client: &'a Client, cache: &'a Cache, listing: &'a Listing, wanted: Option<&'a str>) -> Self {
        Self { client, cache, listing, wanted, files: Vec::new(), fetched: 0 }
    }

    /// Fetches licence, configuration, tokenizer and index.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn small(&mut self) -> Result<(), HubError> {
        self.plan(self.listing.small(self.wanted)?)?;
        self.fetch(&mut |_| {})
    }

    /// Where a file that was fetched lies.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let file = self.files[..self.fetched].iter().find(|file| file.name == name)?;
        Some(self.blob(file))
    }

    /// Plans the weights, and looks whether there is room for them. Gives the bytes of all files, and those that are still to come.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn weights(&mut self) -> Result<(u64, u64), HubError> {
        let read = |path: PathBuf| std::fs::read_to_string(&path).map_err(HubError::io(path));
        let index = self.path(INDEX).map(read).transpose()?;
        self.plan(self.listing.weights(self.wanted, index.as_deref())?)?;
        let (size, have) = (self.size(), self.files.iter().map(|file| self.on_disk(file)).sum::<u64>());
        let needed = size.saturating_sub(have);
        let root = self.cache.root();
        if let Some(free) = free_space(root)
            && needed > 0
            && needed.saturating_add(SPARE) > free
        {
            return Err(HubError::Space { path: root.to_owned(), needed, free });
        }
        Ok((size, needed))
    }

    /// Fetches what is planned and not there yet, in order.
    ///
    /// # Errors
    /// See [`HubError`]. What came so far stays for the next time.
    pub fn fetch(&mut self, report: &mut dyn FnMut(Progress<'_>)) -> Result<(), HubError> {
        let (size, count) = (self.size(), self.files.len());
        for index in self.fetched..count {
            let file = &self.files[index];
            let before: u64 = self.files[..index].iter().map(|file| file.size).sum();
            let job = Job {
                url: self.listing.url(self.client, &file.name),
                name: &file.name,
                size: file.size,
                digest: &file.digest,
                blob: self.blob(file),
                lock: self.cache.lock(self.listing.repo(), &file.digest),
            };
            let mut told = |have| report(Progress { file: &file.name, number: (index + 1, count), have: before + have, size });
            download::fetch(self.client, &job, &mut told)?;
            self.fetched = index + 1;
        }
        Ok(())
    }

    /// Makes the snapshot of what was fetched, and lets the revision lead to it. The configuration comes last, so that a snapshot
    /// that was begun is not taken for a model.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn finish(&self) -> Result<PathBuf, HubError> {
        let (repo, commit) = (self.listing.repo(), self.listing.commit());
        let snapshot = self.cache.snapshot_of(repo, commit);
        std::fs::create_dir_all(&snapshot).map_err(HubError::io(&snapshot))?;
        let (last, first): (Vec<&Planned>, Vec<&Planned>) = self.files.iter().partition(|file| file.name == CONFIG);
        for file in first.into_iter().chain(last) {
            link(&self.blob(file), &file.digest, &snapshot.join(&file.name))?;
        }
        let revision = repo.revision().unwrap_or(MAIN);
        if !is_commit(revision) {
            let path = self.cache.folder(repo).join("refs").join(revision);
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(HubError::io(folder))?;
            let file = tempfile::NamedTempFile::new_in(folder).map_err(HubError::io(folder))?;
            std::fs::write(file.path(), commit).map_err(HubError::io(file.path()))?;
            file.persist(&path).map_err(|error| HubError::Io { path: path.clone(), source: error.error })?;
        }
        Ok(snapshot)
    }

    fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    fn blob(&self, file: &Planned) -> PathBuf {
        self.cache.blob(self.listing.repo(), &file.digest)
    }

    /// Bytes of a file that are on disk.
    fn on_disk(&self, file: &Planned) -> u64 {
        let blob = self.blob(file);
        let len = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
        if blob.exists() { file.size } else { len(&download::partial(&blob)).min(file.size) }
    }

    /// Adds files; where the list does not know a size or a hash, the file's own headers do.
    fn plan(&mut self, files: Vec<RemoteFile>) -> Result<(), HubError> {
        for file in files {
            if self.files.iter().any(|planned| planned.name == file.name) {
                continue;
            }
            let (size, digest) = match file.known.clone() {
                Some(known) => known,
                None => self.describe(&file)?,
            };
            self.files.push(Planned { name: file.name, size, digest });
        }
        Ok(())
    }

    fn describe(&self, file: &RemoteFile) -> Result<(u64, Digest), HubError> {
        let url = self.listing.url(self.client, &file.name);
        let headers = self.client.describe(&url)?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let size = text("x-linked-size").or_else(|| text("content-length")).and_then(|size| size.trim().parse::<u64>().ok());
        let digest = text("x-linked-etag").or_else(|| text("etag")).and_then(Digest::parse);
        let fits =
            |(size, digest): &(u64, Digest)| matches!(digest, Digest::Sha256(_)) && *size < 1 << 43 || *size <= LARGEST_SMALL;
        size.zip(digest).filter(fits).ok_or_else(|| HubError::Listing {
            url,
            reason: "neither the list nor the file's headers name its size and its hash".to_owned(),
        })
    }
}

/// A name in a snapshot for a blob: a relative link, so that the whole cache can be moved; where there are none, the file itself.
/// It takes the place of what was there in one step, because another program may make the same one.
fn link(blob: &Path, digest: &Digest, path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = folder.join(format!(".{}.{}", digest.as_str(), std::process::id()));
    // Left by a process of the same number that was killed.
    let _ = std::fs::remove_file(&made);
    #[cfg(unix)]
    let linked = {
        let _ = blob;
        std::os::unix::fs::symlink(Path::new("../../blobs").join(digest.as_str()), &made)
    };
    #[cfg(not(unix))]
    let linked = std::fs::hard_link(blob, &made);
    linked.and_then(|()| std::fs::rename(&made, path)).map_err(HubError::io(path))
}

/// Bytes that are free for this user where `path` lies or will lie; `None` where the system does not say.
fn free_space(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let there = path.ancestors().find(|path| path.exists())?;
        let stat = rustix::fs::statvfs(there).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}
