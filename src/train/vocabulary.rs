//! The vocabulary of a new model: byte-level BPE, made from the files that it learns from.

use std::path::Path;

use tokenizers::AddedToken;
use tokenizers::DecoderWrapper;
use tokenizers::ModelWrapper;
use tokenizers::PreTokenizerWrapper;
use tokenizers::SplitDelimiterBehavior;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::pre_tokenizers::split::SplitPattern;

use crate::model::tokenizer::QWEN2_SPLIT;
use crate::train::checkpoint::write_file;
use crate::train::error::TrainError;

/// Closes a text.
pub const END: &str = "<|endoftext|>";
/// Stands in a masked element.
pub const MASK: &str = "<|mask|>";

/// Makes a vocabulary of at most `size` tokens, the two special ones at its end, and writes it as a `tokenizer.json`.
///
/// # Errors
/// There are no texts, or the file could not be written.
pub fn make(texts: impl Iterator<Item = String> + Send, size: usize, path: &Path) -> Result<(), TrainError> {
    let failed = |error: tokenizers::Error| TrainError::Data(format!("the vocabulary could not be made: {error}"));
    let mut tokenizer = tokenizers::Tokenizer::new(ModelWrapper::BPE(BPE::default()));
    let pattern = SplitPattern::Regex(QWEN2_SPLIT.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(failed)?;
    let pieces = vec![PreTokenizerWrapper::Split(split), PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false))];
    tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(pieces))));
    tokenizer.with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::default())));
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(size.saturating_sub(2))
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut TrainerWrapper::BpeTrainer(trainer), texts).map_err(failed)?;
    let special = [END, MASK].map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(failed)?;
    let text = tokenizer.to_string(true).map_err(failed)?;
    write_file(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tokenizer::Tokenizer;

    #[test]
    fn a_vocabulary_reads_every_text_back_and_is_made_alike_twice() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("vocabulary.rs");
        let make = |name: &str| {
            let path = folder.path().join(name);
            make([text, text].into_iter().map(str::to_owned), 400, &path).unwrap();
            path
        };
        let (one, two) = (make("a.json"), make("b.json"));
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let tokenizer = Tokenizer::from_file(&one).unwrap();
        assert_eq!(tokenizer.vocab_size(), 400);
        assert_eq!((tokenizer.special(END), tokenizer.special(MASK)), (Some(398), Some(399)));
        for text in [text, "日本語 🦀\r\n\tx <|mask|> \0\u{7f}", ""] {
            let ids = tokenizer.encode(text);
            assert_eq!(tokenizer.decode(&ids), text);
            assert!(ids.iter().all(|&id| tokenizer.is_text(id)), "special tokens in text are plain text");
        }
        assert!(tokenizer.encode(text).len() < text.len() * 2 / 3, "it merges");
    }
}
