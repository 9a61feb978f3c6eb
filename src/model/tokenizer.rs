//! Text to ids and back: from GGUF metadata or from a `tokenizer.json`.
//!
//! Strings of special tokens in text stay plain text: special ids enter a sequence only as ids.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use tokenizers::DecoderWrapper;
use tokenizers::ModelWrapper;
use tokenizers::NormalizerWrapper;
use tokenizers::PreTokenizerWrapper;
use tokenizers::SplitDelimiterBehavior;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::pre_tokenizers::split::SplitPattern;

use crate::model::error::ModelError;
use crate::model::gguf::Gguf;
use crate::model::spec::TokenId;

/// The pattern by which Qwen2 splits text before its merges.
pub(crate) const QWEN2_SPLIT: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3_SPLIT: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub(super) const GPT2_SPLIT: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const DIGIT_SPLIT: &str = r"\p{N}";

/// ggml's kinds of tokens that matter here.
const NORMAL: u64 = 1;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Largest `tokenizer.json` that is read; real ones are below 40 MB.
const LARGEST: u64 = 128 << 20;

/// What is looked at before the library reads a `tokenizer.json`.
#[derive(Deserialize)]
struct Part {
    decoder: Option<serde_json::Value>,
}

/// What an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A piece of text.
    Text,
    /// A mark between texts.
    Special,
    /// Nothing.
    Unused,
}

/// The two halves of a merge, as vocabularies write it.
pub(super) fn pair(merge: &str) -> Result<(String, String), String> {
    let (left, right) = merge.split_once(' ').ok_or_else(|| format!("merge {merge:?} is not a pair"))?;
    Ok((left.to_owned(), right.to_owned()))
}

/// A byte-level BPE tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: HashMap<String, TokenId>,
    bytes: Vec<Box<[u8]>>,
    text: Vec<bool>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("vocab", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Builds the tokenizer that the metadata of a GGUF file describes.
    ///
    /// # Errors
    /// The metadata is missing or incomplete, or names a kind of tokenizer that is not supported.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, ModelError> {
        Self::build(gguf).map_err(|reason| ModelError::Damaged { path: gguf.path().to_owned(), reason })
    }

    fn build(gguf: &Gguf) -> Result<Self, String> {
        let strings = |key: &str| gguf.get(key).and_then(|value| value.as_strings()).ok_or_else(|| format!("{key} is missing"));
        if gguf.string("tokenizer.ggml.model") != Some("gpt2") {
            return Err("only byte-level BPE tokenizers (gpt2) are supported in GGUF files".to_owned());
        }
        let pieces: &[&str] = match gguf.string("tokenizer.ggml.pre").unwrap_or("default") {
            "qwen2" => &[QWEN2_SPLIT],
            "llama-bpe" | "llama3" | "llama-v3" => &[LLAMA3_SPLIT],
            "smollm" | "starcoder" | "refact" | "codeshell" => &[DIGIT_SPLIT, GPT2_SPLIT],
            "gpt-2" | "gpt2" => &[GPT2_SPLIT],
            other => return Err(format!("the tokenizer's way to split text, {other}, is not supported")),
        };
        let tokens = strings("tokenizer.ggml.tokens")?;
        let kinds = gguf.get("tokenizer.ggml.token_type").and_then(|value| value.as_integers()).ok_or("no token types")?;
        if kinds.len() != tokens.len() {
            return Err(format!("{} token types for {} tokens", kinds.len(), tokens.len()));
        }
        let kind = |kind: &u64| match *kind {
            NORMAL => TokenKind::Text,
            CONTROL | USER_DEFINED => TokenKind::Special,
            _ => TokenKind::Unused,
        };
        let kinds: Vec<TokenKind> = kinds.iter().map(kind).collect();
        let merges = strings("tokenizer.ggml.merges")?.iter().map(|merge| pair(merge)).collect::<Result<_, _>>()?;
        Self::assemble(pieces, tokens, &kinds, merges)
    }

    /// Builds a tokenizer from its parts: how text is split, the token and its kind for each id, and the merges in order.
    pub(super) fn assemble(
        pieces: &[&str],
        tokens: &[String],
        kinds: &[TokenKind],
        merges: Vec<(String, String)>,
    ) -> Result<Self, String> {
        let ids = || (0..).zip(tokens.iter().zip(kinds));
        let of_kind =
            |wanted: TokenKind| ids().filter(move |(_, (_, kind))| **kind == wanted).map(|(id, (token, _))| (token.clone(), id));
        let vocab = of_kind(TokenKind::Text).collect::<tokenizers::models::bpe::Vocab>();
        let model = BPE::builder().vocab_and_merges(vocab, merges).build().map_err(|error| error.to_string())?;
        let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(model));
        if pieces == [QWEN2_SPLIT] {
            inner.with_normalizer(Some(NormalizerWrapper::NFC(NFC))).map_err(|error| error.to_string())?;
        }
        let split = |pattern: &&str| {
            let split = Split::new(SplitPattern::Regex((*pattern).to_owned()), SplitDelimiterBehavior::Isolated, false);
            split.map(PreTokenizerWrapper::Split).map_err(|error| error.to_string())
        };
        let mut pipeline = pieces.iter().map(split).collect::<Result<Vec<_>, _>>()?;
        pipeline.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)));
        inner.with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(pipeline))));
        inner.with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::default())));
        let special = of_kind(TokenKind::Special).collect();
        let bytes = tokens.iter().map(|token| bytes_of(token)).collect();
        let text = kinds.iter().map(|kind| *kind == TokenKind::Text).collect();
        Ok(Self { inner, special, bytes, text })
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// Not a tokenizer file, or not a byte-level one.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let damaged = |reason: String| ModelError::Damaged { path: path.to_owned(), reason };
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let len = std::fs::metadata(path).map_err(io)?.len();
        if len > LARGEST {
            return Err(damaged(format!("{len} bytes are too many for a tokenizer")));
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        // The library ends the program when the part about decoding is no JSON; the rest of the file is skipped here.
        let part: Part = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if part.decoder.is_none_or(|decoder| decoder.get("type").is_none_or(|kind| kind != "ByteLevel")) {
            return Err(damaged("only byte-level tokenizers are supported".to_owned()));
        }
        let mut inner: tokenizers::Tokenizer = text.parse().map_err(|error: tokenizers::Error| damaged(error.to_string()))?;
        inner.set_encode_special_tokens(true);
        if !matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            return Err(damaged("only byte-level tokenizers are supported".to_owned()));
        }
        let added = inner.get_added_tokens_decoder();
        let text = (0..).map(|id| !added.contains_key(&id));
        let special: HashMap<_, _> = added.iter().map(|(&id, token)| (token.content.clone(), id)).collect();
        let size = u32::try_from(inner.get_vocab_size(true)).map_err(|_| damaged("the vocabulary is too large".to_owned()))?;
        let token = |id| inner.id_to_token(id).unwrap_or_default();
        let bytes = (0..size).map(|id| bytes_of(&token(id))).collect();
        let text = text.take(size as usize).collect();
        Ok(Self { inner, special, bytes, text })
    }

    /// Ids of plain text.
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        // The only failures are those of a missing unknown token, which a byte-level vocabulary does not need.
        self.inner.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
    }

    /// The id of a special token.
    pub fn special(&self, token: &str) -> Option<TokenId> {
        self.special.get(token).copied()
    }

    /// The bytes that a token stands for. A character may be spread over several tokens.
    pub fn bytes(&self, id: TokenId) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], |bytes| bytes)
    }

    /// The text of ids; pieces of characters at the ends or between become the replacement character.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        String::from_utf8_lossy(&self.decode_bytes(ids)).into_owned()
    }

    /// The exact bytes of ids.
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.bytes(id)).copied().collect()
    }

    /// Whether an id stands for text: neither special nor unused.
    pub fn is_text(&self, id: TokenId) -> bool {
        self.text.get(id as usize).copied().unwrap_or(false)
    }

    /// Number of ids, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }
}

/// Undoes the byte-level alphabet, in which every byte is a printable character. Other characters stand for themselves.
fn bytes_of(token: &str) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(token.len());
    for character in token.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes.into()
}

/// The byte of a character of the alphabet: printable bytes stand for themselves, the 68 others are U+0100 and following.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => u8::try_from(code).ok(),
        0x100..=0x143 => {
            let place = u8::try_from(code - 0x100).ok()?;
            Some(match place {
                0..=0x20 => place,
                0x21..=0x42 => 0x7f + (place - 0x21),
                _ => 0xad,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_is_a_bijection() {
        let mut seen = [false; 256];
        for code in 0..0x144 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                assert!(!std::mem::replace(&mut seen[usize::from(byte)], true), "byte {byte} twice");
            }
        }
        assert!(seen.iter().all(|seen| *seen));
        assert_eq!(*bytes_of("ĠĊ"), *b" \n");
    }
}
