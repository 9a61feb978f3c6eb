//! Errors of building and reading a corpus.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::model::error::ModelError;
use crate::patch::git::GitError;

/// Why a corpus could not be built or read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
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
    /// A named folder is not there.
    #[error("{}: not a folder; name the folders whose sources to take", path.display())]
    NotAFolder {
        /// What was named.
        path: PathBuf,
    },
    /// The folder for the shards holds something else.
    #[error("{}: holds files that are no corpus; name an empty or new folder with --out", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing was kept.
    #[error("nothing was kept of {found} files: {reasons}")]
    Empty {
        /// Files that were found.
        found: usize,
        /// What was left out, for people.
        reasons: String,
    },
    /// Edits were asked for where there is no history.
    #[error("{}: not in a git work tree, so it has no history; name a folder of a repository, or ask for no edits", path.display())]
    NoHistory {
        /// The folder.
        path: PathBuf,
    },
    /// Ignore rules name the folder.
    #[error("{}: is ignored, so nothing in it is learned from; name another folder", path.display())]
    Ignored {
        /// The folder.
        path: PathBuf,
    },
    /// A shard does not hold what it must.
    #[error("{}: {damage}; build the corpus again with `dcode train corpus`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The manifest cannot be read as one.
    #[error("{}: not the manifest of a corpus: {reason}; build the corpus again with `dcode train corpus`", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokens are those of another tokenizer.
    #[error("{}: made with another tokenizer than this model's; build the corpus again with --model", path.display())]
    OtherTokenizer {
        /// The folder of the corpus.
        path: PathBuf,
    },
    /// The history could not be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The tokenizer could not be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl CorpusError {
    /// Makes an error of what the system said.
    pub(super) fn io<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> CorpusError + use<'p> {
        move |source| CorpusError::Io { action, path: path.to_path_buf(), source }
    }
}

/// What is wrong with a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not a shard at all.
    #[error("not a shard of a corpus")]
    Magic,
    /// Of a later dcode.
    #[error("a shard of format {0}, which this dcode does not know")]
    Version(u32),
    /// Shorter or longer than its header says.
    #[error("{found} bytes long, and {expected} by its header")]
    Length {
        /// Bytes by the header; the largest number when it says more than can be.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The content does not have its checksum.
    #[error("its content was changed: the checksum does not match")]
    Checksum,
    /// A record points outside of what is there.
    #[error("record {0} points to where nothing is")]
    Record(usize),
    /// A span is of no known kind, or not inside its record.
    #[error("span {span} of record {record} is wrong")]
    Span {
        /// Number of the record.
        record: usize,
        /// Number of the span in it.
        span: usize,
    },
    /// A token that the vocabulary does not have.
    #[error("token {0} is not in the vocabulary")]
    Token(u32),
    /// A kind of shard or language that is not known.
    #[error("{what} {number} is not known")]
    Unknown {
        /// What.
        what: &'static str,
        /// Its number.
        number: u32,
    },
}
