//! Writing shards: records are gathered, and written as one file when there are enough tokens.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use super::error::CorpusError;
use super::shard::CHECKED;
use super::shard::FORMAT;
use super::shard::HEADER;
use super::shard::MAGIC;
use super::shard::ShardKind;
use super::shard::checksum;
use super::shard::file_name;
use super::spans::KindSpan;
use super::split::Set;
use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::syntax::language::Language;

/// What is put into a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Name.
    pub name: String,
    /// Language.
    pub language: Language,
    /// Seconds since 1970 of an edit's commit; 0 for a file.
    pub date: i64,
    /// Tokens.
    pub tokens: Vec<TokenId>,
    /// Spans, as the format says for files and edits.
    pub spans: Vec<KindSpan>,
}

/// A shard that was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Written {
    /// Its file, in the folder of the corpus.
    pub file: PathBuf,
    /// What its records are.
    pub kind: ShardKind,
    /// Its set.
    pub set: Set,
    /// Number of records.
    pub records: usize,
    /// Tokens of all records.
    pub tokens: usize,
    /// Spans of all records.
    pub spans: usize,
    /// Bytes of the file.
    pub bytes: usize,
    /// The sha256 in its header.
    pub checksum: String,
}

/// Which tokenizer made the tokens of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// sha256 of the vocabulary: of each id, the length and bytes it stands for and whether it is text.
    pub hash: [u8; 32],
    /// Number of ids.
    pub vocabulary: u32,
}

impl Fingerprint {
    /// The fingerprint of a tokenizer. Its merges are not part of it: they are given by the vocabulary in all but made-up cases.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let vocabulary = u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        for id in 0..vocabulary {
            let token = tokenizer.bytes(id);
            bytes.extend_from_slice(&(token.len() as u64).to_le_bytes());
            bytes.extend_from_slice(token);
            bytes.push(u8::from(tokenizer.is_text(id)));
        }
        Self { hash: sha256(&bytes), vocabulary }
    }

    /// The hash in hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// Hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Gathers the records of one kind and set.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    kind: ShardKind,
    set: Set,
    fingerprint: Fingerprint,
    /// Tokens from which a shard is full.
    full: usize,
    records: Vec<NewRecord>,
    tokens: usize,
    written: Vec<Written>,
}

impl Writer {
    /// A writer into `folder`; a shard is full at `full` tokens.
    pub fn new(folder: &Path, kind: ShardKind, set: Set, fingerprint: Fingerprint, full: usize) -> Self {
        let folder = folder.to_path_buf();
        Self { folder, kind, set, fingerprint, full, records: Vec::new(), tokens: 0, written: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// A shard is full and cannot be written.
    pub fn push(&mut self, record: NewRecord) -> Result<(), CorpusError> {
        self.tokens += record.tokens.len();
        self.records.push(record);
        if self.tokens >= self.full { self.flush() } else { Ok(()) }
    }

    /// Writes what is left, and tells all shards.
    ///
    /// # Errors
    /// A shard cannot be written.
    pub fn finish(mut self) -> Result<Vec<Written>, CorpusError> {
        self.flush()?;
        Ok(self.written)
    }

    fn flush(&mut self) -> Result<(), CorpusError> {
        if self.records.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.records);
        let bytes = encode(self.kind, &self.fingerprint, &records);
        let file = file_name(self.set.name(), self.kind, self.written.len());
        write_whole(&self.folder.join(&file), &bytes)?;
        self.written.push(Written {
            file,
            kind: self.kind,
            set: self.set,
            records: records.len(),
            tokens: std::mem::take(&mut self.tokens),
            spans: records.iter().map(|record| record.spans.len()).sum(),
            bytes: bytes.len(),
            checksum: hex(&bytes[CHECKED..CHECKED + 32]),
        });
        Ok(())
    }
}

/// The bytes of a shard.
pub(super) fn encode(kind: ShardKind, fingerprint: &Fingerprint, records: &[NewRecord]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let (mut token, mut span, mut name) = (0_u64, 0_u64, 0_u64);
    for record in records {
        let numbers = [token, span, name];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        let counts = [record.tokens.len(), record.spans.len(), record.name.len()];
        counts.iter().for_each(|count| bytes.extend_from_slice(&(*count as u32).to_le_bytes()));
        bytes.extend_from_slice(&(record.language as u16).to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&record.date.to_le_bytes());
        token += counts[0] as u64;
        span += counts[1] as u64;
        name += counts[2] as u64;
    }
    for span in records.iter().flat_map(|record| &record.spans) {
        bytes.extend_from_slice(&(span.range.start as u32).to_le_bytes());
        bytes.extend_from_slice(&(span.range.end as u32).to_le_bytes());
        bytes.extend_from_slice(&(span.kind as u16).to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
    }
    for id in records.iter().flat_map(|record| &record.tokens) {
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    records.iter().for_each(|record| bytes.extend_from_slice(record.name.as_bytes()));
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..16].copy_from_slice(&kind.number().to_le_bytes());
    for (at, number) in [16, 24, 32, 40].into_iter().zip([records.len() as u64, token, span, name]) {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    bytes[48..52].copy_from_slice(&fingerprint.vocabulary.to_le_bytes());
    bytes[56..CHECKED].copy_from_slice(&fingerprint.hash);
    let sum = checksum(&bytes);
    bytes[CHECKED..CHECKED + 32].copy_from_slice(&sum);
    bytes
}

/// Writes a file so that it is there as a whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CorpusError> {
    let failed = |source| CorpusError::io("write it", path)(source);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // As other files are made, less what the user's mask takes away.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
