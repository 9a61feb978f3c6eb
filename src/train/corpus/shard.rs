//! A shard: a file of tokens that is mapped into memory and read in place.
//!
//! All numbers are little-endian. The parts follow each other without gaps, in this order:
//!
//! | part | bytes | content |
//! | --- | --- | --- |
//! | header | 128 | see below |
//! | records | 48 each | first token (u64), first span (u64), first byte of the name (u64), numbers of tokens, spans and bytes of the name (u32 each), language (u16, in the order of [`Language::ALL`]), zero (u16), seconds since 1970 of an edit's commit, 0 for a file (i64) |
//! | spans | 12 each | start and end (u32 each), kind ([`SpanKind`], u16), zero (u16) |
//! | tokens | 4 each | ids (u32) |
//! | names | 1 each | names of the records, in UTF-8 |
//!
//! | header, from byte | content |
//! | --- | --- |
//! | 0 | `DCODESH1` |
//! | 8 | format (u32): 1 |
//! | 12 | kind (u32): 0 files, 1 edits |
//! | 16, 24, 32, 40 | numbers of records, tokens, spans, bytes of names (u64 each) |
//! | 48 | size of the vocabulary (u32), zero (u32) |
//! | 56 | fingerprint of the tokenizer (32 bytes) |
//! | 88 | sha256 of the first 88 bytes and of everything behind the header (32 bytes) |
//! | 120 | zero (u64) |
//!
//! The spans of a file are ranges of bytes of the text that its tokens stand for. Those of an edit are ranges of its tokens, one for each
//! of [`SpanKind::EDIT`]. Everything is checked when a shard is opened; nothing is allocated by what a file says of itself.

use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use sha2::Digest;
use sha2::Sha256;

use super::error::CorpusError;
use super::error::Damage;
use super::spans::KindSpan;
use super::spans::SpanKind;
use crate::model::mapped::Mapped;
use crate::model::spec::TokenId;
use crate::syntax::language::Language;

pub(super) const MAGIC: &[u8; 8] = b"DCODESH1";
pub(super) const FORMAT: u32 = 1;
/// Bytes of the header, of one record and of one span.
pub(super) const HEADER: usize = 128;
pub(super) const RECORD: usize = 48;
pub(super) const SPAN: usize = 12;
/// Bytes of the header that the checksum covers, and where it stands.
pub(super) const CHECKED: usize = 88;

/// What the records of a shard are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardKind {
    /// Whole files.
    Files,
    /// Edits from a history.
    Edits,
}

impl ShardKind {
    pub(super) fn number(self) -> u32 {
        self as u32
    }
}

/// A shard that was checked.
#[derive(Clone, Debug)]
pub struct Shard {
    map: Mapped,
    layout: Layout,
}

/// Where the parts of a shard are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    kind: ShardKind,
    records: usize,
    spans: usize,
    tokens: usize,
    names: usize,
    vocabulary: u32,
}

/// One record of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Record<'s> {
    shard: &'s Shard,
    fields: Fields,
}

#[derive(Clone, Copy, Debug)]
struct Fields {
    token: u64,
    span: u64,
    name: u64,
    tokens: u32,
    spans: u32,
    name_bytes: u32,
    language: u16,
    date: i64,
}

impl Shard {
    /// Maps and checks the shard at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<Shard, CorpusError> {
        let size = std::fs::metadata(path).map_err(CorpusError::io("read it", path))?.len();
        if size < HEADER as u64 {
            // An empty file cannot be mapped.
            return Err(CorpusError::Damaged { path: path.to_path_buf(), damage: Damage::Magic });
        }
        let map = Mapped::open(path)?;
        let layout = check(map.bytes()).map_err(|damage| CorpusError::Damaged { path: path.to_path_buf(), damage })?;
        Ok(Shard { map, layout })
    }

    /// What its records are.
    pub fn kind(&self) -> ShardKind {
        self.layout.kind
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.layout.records
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.layout.records == 0
    }

    /// Tokens of all records.
    pub fn tokens(&self) -> usize {
        self.layout.tokens
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> u32 {
        self.layout.vocabulary
    }

    /// The fingerprint of the tokenizer.
    pub fn fingerprint(&self) -> [u8; 32] {
        array(self.map.bytes(), 56)
    }

    /// The sha256 that stands in the header.
    pub fn checksum(&self) -> [u8; 32] {
        array(self.map.bytes(), CHECKED)
    }

    /// Record `number`.
    pub fn record(&self, number: usize) -> Option<Record<'_>> {
        (number < self.layout.records).then(|| Record { shard: self, fields: fields(self.map.bytes(), number) })
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).filter_map(|number| self.record(number))
    }
}

impl<'s> Record<'s> {
    /// Its name: of a file, that of its tree and its path; of an edit, with the commit.
    pub fn name(&self) -> &'s str {
        let start = self.shard.layout.names_at() + self.fields.name as usize;
        let bytes = self.shard.map.bytes().get(start..start + self.fields.name_bytes as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The language of the file.
    pub fn language(&self) -> Language {
        Language::ALL[usize::from(self.fields.language).min(Language::ALL.len() - 1)]
    }

    /// Seconds since 1970 of an edit's commit.
    pub fn date(&self) -> i64 {
        self.fields.date
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.fields.tokens as usize
    }

    /// Whether it has no token.
    pub fn is_empty(&self) -> bool {
        self.fields.tokens == 0
    }

    /// The tokens of `range`; what lies outside is left out.
    pub fn tokens(&self, range: Range<usize>) -> Vec<TokenId> {
        let end = range.end.min(self.len());
        let start = self.shard.layout.tokens_at() + (self.fields.token as usize + range.start.min(end)) * 4;
        let bytes = self.shard.map.bytes().get(start..start + (end - range.start.min(end)) * 4).unwrap_or_default();
        bytes.as_chunks::<4>().0.iter().map(|id| u32::from_le_bytes(*id)).collect()
    }

    /// Number of spans.
    pub fn span_count(&self) -> usize {
        self.fields.spans as usize
    }

    /// Span `number`; see the module for what its numbers count.
    pub fn span(&self, number: usize) -> Option<KindSpan> {
        if number >= self.span_count() {
            return None;
        }
        span_at(self.shard.map.bytes(), &self.shard.layout, self.fields.span as usize + number)
    }

    /// The tokens of one part of an edit.
    pub fn part(&self, kind: SpanKind) -> Vec<TokenId> {
        let place = SpanKind::EDIT.iter().position(|part| *part == kind);
        place.and_then(|place| self.span(place)).map(|span| self.tokens(span.range)).unwrap_or_default()
    }
}

impl Layout {
    fn records_at(&self) -> usize {
        HEADER
    }

    fn spans_at(&self) -> usize {
        self.records_at() + self.records * RECORD
    }

    fn tokens_at(&self) -> usize {
        self.spans_at() + self.spans * SPAN
    }

    fn names_at(&self) -> usize {
        self.tokens_at() + self.tokens * 4
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        out.copy_from_slice(found);
    }
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn fields(bytes: &[u8], number: usize) -> Fields {
    let at = HEADER + number * RECORD;
    Fields {
        token: u64_at(bytes, at),
        span: u64_at(bytes, at + 8),
        name: u64_at(bytes, at + 16),
        tokens: u32_at(bytes, at + 24),
        spans: u32_at(bytes, at + 28),
        name_bytes: u32_at(bytes, at + 32),
        language: u16::from_le_bytes(array(bytes, at + 36)),
        date: i64::from_le_bytes(array(bytes, at + 40)),
    }
}

fn span_at(bytes: &[u8], layout: &Layout, number: usize) -> Option<KindSpan> {
    let at = layout.spans_at() + number * SPAN;
    let (start, end) = (u32_at(bytes, at) as usize, u32_at(bytes, at + 4) as usize);
    let kind = SpanKind::of(u16::from_le_bytes(array(bytes, at + 8)))?;
    (start <= end).then_some(KindSpan { range: start..end, kind })
}

/// The sha256 that a shard must have.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(bytes.get(..CHECKED).unwrap_or_default());
    hash.update(bytes.get(HEADER..).unwrap_or_default());
    hash.finalize().into()
}

/// Checks all of a shard: afterwards nothing in it leads outside of it.
fn check(bytes: &[u8]) -> Result<Layout, Damage> {
    if bytes.len() < HEADER || &bytes[..8] != MAGIC {
        return Err(Damage::Magic);
    }
    let format = u32_at(bytes, 8);
    if format != FORMAT {
        return Err(Damage::Version(format));
    }
    let kind = match u32_at(bytes, 12) {
        0 => ShardKind::Files,
        1 => ShardKind::Edits,
        number => return Err(Damage::Unknown { what: "kind of shard", number }),
    };
    let numbers = [16, 24, 32, 40].map(|at| u64_at(bytes, at));
    let sizes = [RECORD as u64, 4, SPAN as u64, 1];
    let mut expected = Some(HEADER as u64);
    for (number, size) in numbers.iter().zip(sizes) {
        expected = expected.zip(number.checked_mul(size)).and_then(|(sum, part)| sum.checked_add(part));
    }
    let found = bytes.len() as u64;
    if expected != Some(found) {
        return Err(Damage::Length { expected: expected.unwrap_or(u64::MAX), found });
    }
    if checksum(bytes) != array(bytes, CHECKED) {
        return Err(Damage::Checksum);
    }
    // All of them are smaller than the file, so they fit.
    let [records, tokens, spans, names] = numbers.map(|number| number as usize);
    let layout = Layout { kind, records, spans, tokens, names, vocabulary: u32_at(bytes, 48) };
    for record in 0..records {
        check_record(bytes, &layout, record)?;
    }
    let ids = bytes[layout.tokens_at()..layout.names_at()].as_chunks::<4>().0;
    match ids.iter().map(|id| u32::from_le_bytes(*id)).find(|id| *id >= layout.vocabulary) {
        Some(id) => Err(Damage::Token(id)),
        None => Ok(layout),
    }
}

fn check_record(bytes: &[u8], layout: &Layout, record: usize) -> Result<(), Damage> {
    let fields = fields(bytes, record);
    let inside = |start: u64, len: u32, all: usize| start.checked_add(u64::from(len)).is_some_and(|end| end <= all as u64);
    let is_inside = inside(fields.token, fields.tokens, layout.tokens)
        && inside(fields.span, fields.spans, layout.spans)
        && inside(fields.name, fields.name_bytes, layout.names);
    if !is_inside {
        return Err(Damage::Record(record));
    }
    if usize::from(fields.language) >= Language::ALL.len() {
        return Err(Damage::Unknown { what: "language", number: u32::from(fields.language) });
    }
    let name = layout.names_at() + fields.name as usize;
    if std::str::from_utf8(&bytes[name..name + fields.name_bytes as usize]).is_err() {
        return Err(Damage::Record(record));
    }
    if layout.kind == ShardKind::Edits && fields.spans as usize != SpanKind::EDIT.len() {
        return Err(Damage::Record(record));
    }
    for number in 0..fields.spans as usize {
        let span = span_at(bytes, layout, fields.span as usize + number);
        let fits = span.is_some_and(|span| match layout.kind {
            // Bytes: judged by the text, which is not decoded here; readers look them up.
            ShardKind::Files => !SpanKind::EDIT.contains(&span.kind),
            ShardKind::Edits => span.kind == SpanKind::EDIT[number] && span.range.end <= fields.tokens as usize,
        });
        if !fits {
            return Err(Damage::Span { record, span: number });
        }
    }
    Ok(())
}

/// The file of shard `number` of one kind and set.
pub(super) fn file_name(set: &str, kind: ShardKind, number: usize) -> PathBuf {
    let kind = match kind {
        ShardKind::Files => "files",
        ShardKind::Edits => "edits",
    };
    PathBuf::from(format!("{set}-{kind}-{number:05}.shard"))
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
