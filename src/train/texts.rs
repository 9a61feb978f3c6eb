//! The texts of a run: the records of its corpus, to learn from and to measure on.

use std::path::Path;
use std::sync::Arc;

use sha2::Digest;
use sha2::Sha256;

use crate::model::tokenizer::Tokenizer;
use crate::train::corpus::error::CorpusError;
use crate::train::corpus::manifest::Manifest;
use crate::train::corpus::open::Records;
use crate::train::corpus::shard::ShardKind;
use crate::train::corpus::split::Set;
use crate::train::corpus::writer::Fingerprint;
use crate::train::corpus::writer::hex;

/// The files and edits of one set.
#[derive(Clone, Debug)]
pub struct Part {
    /// Files.
    pub files: Records,
    /// Edits from histories.
    pub edits: Records,
}

/// A corpus, opened.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The tokenizer that it was made with.
    pub tokenizer: Arc<Tokenizer>,
    /// To learn from.
    pub learned: Part,
    /// To measure on.
    pub held_out: Part,
    /// A hash of all of it: another one is another run.
    pub hash: String,
}

impl Texts {
    /// Opens the corpus in a folder.
    ///
    /// # Errors
    /// It is missing, damaged, or was made with another tokenizer.
    pub fn open(folder: &Path, tokenizer: Arc<Tokenizer>) -> Result<Self, CorpusError> {
        let (manifest, fingerprint) = (Manifest::read(folder)?, Fingerprint::of(&tokenizer));
        let part = |set| -> Result<Part, CorpusError> {
            let records = |kind| Records::open_listed(folder, &manifest, (kind, set), fingerprint);
            Ok(Part { files: records(ShardKind::Files)?, edits: records(ShardKind::Edits)? })
        };
        let (learned, held_out) = (part(Set::Train)?, part(Set::HeldOut)?);
        let mut hash = Sha256::new();
        for shard in &manifest.shards {
            hash.update(format!("{:?} {:?} {}\n", shard.kind, shard.set, shard.checksum));
        }
        Ok(Self { tokenizer, learned, held_out, hash: hex(&hash.finalize()) })
    }
}
