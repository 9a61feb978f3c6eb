//! Reading a corpus: its shards, and records drawn from them.

use std::path::Path;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::error::CorpusError;
use super::error::Damage;
use super::manifest::Manifest;
use super::shard::Record;
use super::shard::Shard;
use super::shard::ShardKind;
use super::split::Set;
use super::writer::Fingerprint;
use super::writer::hex;
use crate::model::tokenizer::Tokenizer;

/// The records of one kind and set of a corpus.
#[derive(Clone, Debug)]
pub struct Records {
    shards: Arc<[Shard]>,
    /// For each record, its shard, its number there, and the tokens of all records up to it.
    places: Arc<[(u32, u32, u64)]>,
}

impl Records {
    /// Opens the shards of one kind and set in the folder of a corpus; all of them are checked.
    ///
    /// # Errors
    /// One is missing or damaged, or made with another tokenizer.
    pub fn open(folder: &Path, kind: ShardKind, set: Set, tokenizer: &Tokenizer) -> Result<Records, CorpusError> {
        Self::open_listed(folder, &Manifest::read(folder)?, (kind, set), Fingerprint::of(tokenizer))
    }

    /// The same with a manifest that was read and the fingerprint of the tokenizer.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub fn open_listed(
        folder: &Path,
        manifest: &Manifest,
        (kind, set): (ShardKind, Set),
        fingerprint: Fingerprint,
    ) -> Result<Records, CorpusError> {
        let other = || CorpusError::OtherTokenizer { path: folder.to_path_buf() };
        if manifest.tokenizer_hash != fingerprint.hex() {
            return Err(other());
        }
        let mut shards = Vec::new();
        for listed in manifest.shards.iter().filter(|shard| shard.kind == kind && shard.set == set) {
            let path = folder.join(&listed.file);
            let shard = Shard::open(&path)?;
            if shard.fingerprint() != fingerprint.hash {
                return Err(other());
            }
            // A whole shard of another run is not the one that the manifest speaks of.
            if hex(&shard.checksum()) != listed.checksum || shard.kind() != kind {
                return Err(CorpusError::Damaged { path, damage: Damage::Checksum });
            }
            shards.push(shard);
        }
        let (mut places, mut sum) = (Vec::new(), 0);
        for (shard, number) in shards.iter().zip(0_u32..) {
            for (record, index) in shard.records().zip(0_u32..) {
                sum += record.len() as u64;
                places.push((number, index, sum));
            }
        }
        Ok(Records { shards: shards.into(), places: places.into() })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Tokens of all records.
    pub fn tokens(&self) -> u64 {
        self.places.last().map_or(0, |place| place.2)
    }

    /// Record `number`.
    pub fn get(&self, number: usize) -> Option<Record<'_>> {
        let (shard, record, _) = *self.places.get(number)?;
        self.shards.get(shard as usize)?.record(record as usize)
    }

    /// All records in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    /// A record, each as likely as every other.
    pub fn draw(&self, random: &mut StdRng) -> Option<Record<'_>> {
        if self.is_empty() { None } else { self.get(random.random_range(0..self.len())) }
    }

    /// A record, as likely as it has tokens: every piece of text is as likely as every other.
    pub fn draw_by_tokens(&self, random: &mut StdRng) -> Option<Record<'_>> {
        let all = self.tokens();
        if all == 0 {
            return None;
        }
        let token = random.random_range(0..all);
        self.get(self.places.partition_point(|place| place.2 <= token))
    }
}
