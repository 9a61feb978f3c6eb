//! What a corpus is made of and what was left out, as JSON beside its shards.
//!
//! It holds no time and no name of this machine but what was typed, so that the same sources give the same file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use super::error::CorpusError;
use super::filter::LeftOut;
use super::writer::Written;
use super::writer::write_whole;

/// Name of the file.
pub const MANIFEST: &str = "manifest.json";
/// Version of what it holds.
pub const MANIFEST_FORMAT: u32 = 1;
/// Largest manifest that is read.
const CAP: u64 = 64 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of what it holds.
    pub format: u32,
    /// The command that made it.
    pub command: Vec<String>,
    /// Name of the model whose tokenizer it is, or of the tokenizer's file.
    pub tokenizer: String,
    /// Fingerprint of the tokenizer, in hexadecimal digits.
    pub tokenizer_hash: String,
    /// Number of ids of the tokenizer.
    pub vocabulary: u32,
    /// Share of the files that are held out.
    pub held_out: f64,
    /// Whether files of any licence were taken.
    pub any_licence: bool,
    /// Files that were looked at.
    pub found: usize,
    /// Files that were kept.
    pub kept: usize,
    /// Files that were left out, by reason.
    pub left_out: LeftOut,
    /// Kept files by language.
    pub languages: BTreeMap<String, Count>,
    /// Kept files by licence; the empty name is that of files of unknown licence.
    pub licences: BTreeMap<String, usize>,
    /// Edits, where they were asked for.
    pub edits: Option<Edits>,
    /// The shards in order.
    pub shards: Vec<Written>,
}

/// Files or edits of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How many.
    pub records: usize,
    /// Their tokens.
    pub tokens: usize,
}

/// Edits from histories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edits {
    /// Commits in the asked time.
    pub commits: usize,
    /// Commits that were left out, by reason.
    pub commits_left_out: LeftOut,
    /// Edits that were kept.
    pub kept: usize,
    /// Changed files of the other commits that were left out, by reason.
    pub left_out: LeftOut,
    /// Kept edits by language.
    pub languages: BTreeMap<String, Count>,
}

impl Manifest {
    /// Reads the manifest in the folder of a corpus.
    ///
    /// # Errors
    /// There is none, or it is not one.
    pub fn read(folder: &Path) -> Result<Manifest, CorpusError> {
        let path = folder.join(MANIFEST);
        let size = std::fs::metadata(&path).map_err(CorpusError::io("read it", &path))?.len();
        let wrong = |reason: String| CorpusError::Manifest { path: path.clone(), reason };
        if size > CAP {
            return Err(wrong(format!("{size} bytes are too many")));
        }
        let text = std::fs::read(&path).map_err(CorpusError::io("read it", &path))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != MANIFEST_FORMAT {
            return Err(wrong(format!("format {} is not known", manifest.format)));
        }
        let is_plain = |shard: &Written| shard.file.components().count() == 1 && shard.file.file_name().is_some();
        match manifest.shards.iter().find(|shard| !is_plain(shard)) {
            Some(shard) => Err(wrong(format!("{} is not the name of a shard", shard.file.display()))),
            None => Ok(manifest),
        }
    }

    /// Writes it into the folder of a corpus.
    ///
    /// # Errors
    /// The system refused.
    pub fn write(&self, folder: &Path) -> Result<(), CorpusError> {
        let path = folder.join(MANIFEST);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| CorpusError::Manifest { path: path.clone(), reason: error.to_string() })?;
        text.push('\n');
        write_whole(&path, text.as_bytes())
    }
}
