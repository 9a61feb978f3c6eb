//! What can go wrong with a download, by name: each says what to do next.

use std::io;
use std::path::PathBuf;

/// Why a model was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Not the name of a repository.
    #[error("{0:?} is not a repository; write ORG/NAME or ORG/NAME@REVISION")]
    Name(String),
    /// The address in `HF_ENDPOINT` cannot be used.
    #[error("HF_ENDPOINT={0:?} is not an http or https address")]
    Endpoint(String),
    /// A token would travel where everybody can read it.
    #[error("HF_TOKEN is set, and {0} is not https: the token would be sent in the clear; unset it or use https")]
    TokenInTheClear(String),
    /// `HF_TOKEN` cannot be sent.
    #[error("HF_TOKEN holds characters that no token has; set it again")]
    Token,
    /// `HF_HUB_OFFLINE` is set.
    #[error("HF_HUB_OFFLINE is set; unset it to download")]
    Offline,
    /// No folder for the cache.
    #[error("no folder for downloads; set HF_HUB_CACHE")]
    NoCache,
    /// The server has no such repository, revision or file.
    #[error("{url}: not found (HTTP 404); check the name and the revision")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// The server wants a token, or another one.
    #[error(
        "{url}: refused (HTTP {status}); check the name, accept the model's terms on its page, and set HF_TOKEN to a token that may read it"
    )]
    Denied {
        /// What was asked for.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// The server is overloaded, or limits requests.
    #[error(
        "{url}: the server is busy (HTTP {status}) after {tries} tries; wait and run the same command again, it goes on where it stopped"
    )]
    Busy {
        /// What was asked for.
        url: String,
        /// 408, 429 or 5xx.
        status: u16,
        /// Requests that were made.
        tries: u32,
    },
    /// Another status than those that a download can have.
    #[error("{url}: unexpected answer (HTTP {status})")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("{url}: {reason}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// The connection failed again and again without a byte of progress.
    #[error("{url}: {reason} after {tries} tries; run the same command again, it goes on where it stopped")]
    Connection {
        /// What was asked for.
        url: String,
        /// What the last try ended with.
        reason: String,
        /// Requests that were made.
        tries: u32,
    },
    /// The list of files is not what a hub answers.
    #[error("{url}: not a list of a model's files: {reason}")]
    Listing {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that would lead out of the model's folder.
    #[error("{repo}: the server names a file {name:?}, which would leave the model's folder; nothing was downloaded")]
    UnsafePath {
        /// The repository.
        repo: String,
        /// The name.
        name: String,
    },
    /// The repository holds nothing that dcode can load.
    #[error("{repo}: {reason}")]
    Unusable {
        /// The repository.
        repo: String,
        /// What is missing or not supported.
        reason: String,
    },
    /// The server announced or sent another number of bytes than the list says.
    #[error("{file}: the server sends {found} bytes, the list of files says {expected}; nothing was kept of it")]
    Length {
        /// The file.
        file: String,
        /// Bytes that the list says.
        expected: u64,
        /// Bytes that were announced or, with a sign of more, received.
        found: String,
    },
    /// The server answered with another part of the file than the one that was asked for.
    #[error("{file}: the server sends another part of the file than the one that was asked for ({range:?})")]
    Range {
        /// The file.
        file: String,
        /// What the server says it sent.
        range: String,
    },
    /// The bytes are not those that the hub lists.
    #[error("{file}: has the hash {found}, expected {expected}; nothing was kept of it, run the same command again")]
    Digest {
        /// The file.
        file: String,
        /// The hash of the list.
        expected: String,
        /// The hash of the bytes.
        found: String,
    },
    /// Not enough room on the disk.
    #[error("{needed} bytes are needed in {path}, {free} are free; make room or set HF_HUB_CACHE to another disk")]
    Space {
        /// The folder.
        path: PathBuf,
        /// Bytes that are missing on disk.
        needed: u64,
        /// Bytes that the disk has.
        free: u64,
    },
    /// Another program downloads the same file.
    #[error("{file}: another program downloads it now; wait until it has finished (lock {})", path.display())]
    Locked {
        /// The file.
        file: String,
        /// The lock.
        path: PathBuf,
    },
    /// The user ended it.
    #[error("interrupted; the same command goes on where it stopped")]
    Interrupted,
    /// The disk.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl HubError {
    /// An error of the disk.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
