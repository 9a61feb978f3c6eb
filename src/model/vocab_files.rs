//! A tokenizer in the older form: `vocab.json` and `merges.txt`, with the special tokens in files beside them. The Dream models come
//! so.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::model::error::ModelError;
use crate::model::spec::TokenId;
use crate::model::tokenizer::GPT2_SPLIT;
use crate::model::tokenizer::QWEN2_SPLIT;
use crate::model::tokenizer::TokenKind;
use crate::model::tokenizer::Tokenizer;
use crate::model::tokenizer::pair;

/// Largest of the files that is read; real ones are below 10 MB.
const LARGEST: u64 = 64 << 20;
/// Ids of a real vocabulary are smaller.
const MOST_IDS: TokenId = 1 << 24;

/// What matters of `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    tokenizer_class: Option<String>,
    #[serde(default)]
    added_tokens_decoder: HashMap<String, AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    content: String,
}

/// Reads the tokenizer whose `vocab.json` lies at `path`.
///
/// # Errors
/// A file is missing or damaged, or the tokenizer is of another kind than GPT-2's and Qwen2's.
pub fn read(path: &Path) -> Result<Tokenizer, ModelError> {
    let damaged = |path: &Path, reason: String| ModelError::Damaged { path: path.to_owned(), reason };
    let vocab: HashMap<String, TokenId> = json(path)?;
    let beside = |name: &str| path.with_file_name(name);
    let optional = |name: &str| Some(beside(name)).filter(|path| path.is_file());
    let config: TokenizerConfig = optional("tokenizer_config.json").map(|path| json(&path)).transpose()?.unwrap_or_default();
    let added: HashMap<String, TokenId> = optional("added_tokens.json").map(|path| json(&path)).transpose()?.unwrap_or_default();
    let numbered = config.added_tokens_decoder.iter().filter_map(|(id, token)| Some((token.content.clone(), id.parse().ok()?)));
    let special: HashMap<String, TokenId> = added.into_iter().chain(numbered).collect();

    let class = config.tokenizer_class.as_deref().unwrap_or_default().to_lowercase();
    let pieces: &[&str] = match class.as_str() {
        name if name.starts_with("qwen2") || name.starts_with("dream") => &[QWEN2_SPLIT],
        name if name.starts_with("gpt2") => &[GPT2_SPLIT],
        other => {
            let reason =
                format!("a tokenizer of class {other:?} without a tokenizer.json is not supported (Qwen2, Dream and GPT2 are)");
            return Err(damaged(path, reason));
        }
    };
    let last = vocab.values().chain(special.values()).copied().max().unwrap_or(0);
    if last >= MOST_IDS {
        return Err(damaged(path, format!("it has the id {last}, which is not possible")));
    }
    let mut tokens = vec![String::new(); last as usize + 1];
    let mut kinds = vec![TokenKind::Unused; tokens.len()];
    let texts = vocab.into_iter().map(|(token, id)| (token, id, TokenKind::Text));
    for (token, id, kind) in texts.chain(special.into_iter().map(|(token, id)| (token, id, TokenKind::Special))) {
        tokens[id as usize] = token;
        kinds[id as usize] = kind;
    }
    let merges = beside("merges.txt");
    let text = text(&merges)?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
    let pairs = lines.map(pair).collect::<Result<_, _>>().map_err(|reason| damaged(&merges, reason))?;
    Tokenizer::assemble(pieces, &tokens, &kinds, pairs).map_err(|reason| damaged(path, reason))
}

fn text(path: &Path) -> Result<String, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let len = std::fs::metadata(path).map_err(io)?.len();
    if len > LARGEST {
        return Err(ModelError::Damaged { path: path.to_owned(), reason: format!("{len} bytes are too many") });
    }
    std::fs::read_to_string(path).map_err(io)
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = text(path)?;
    serde_json::from_str(&text).map_err(|error| ModelError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::model::locate::DEFAULT_MODEL;
    use crate::model::locate::locate;

    fn folder(vocab: &Value, merges: &str, config: &Value) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("vocab.json", &vocab.to_string());
        put("merges.txt", merges);
        put("tokenizer_config.json", &config.to_string());
        folder
    }

    #[test]
    fn tokens_merges_and_special_tokens_are_read() {
        let vocab = json!({ "a": 0, "b": 1, "ab": 2, "\u{120}": 3, "\u{120}ab": 4 });
        let config = json!({ "tokenizer_class": "DreamTokenizer", "added_tokens_decoder": { "6": { "content": "<|mask|>" } } });
        let folder = folder(&vocab, "#version: 0.2\na b\n\u{120} ab\n", &config);
        std::fs::write(folder.path().join("added_tokens.json"), json!({ "<|endoftext|>": 5 }).to_string()).unwrap();
        let tokenizer = read(&folder.path().join("vocab.json")).unwrap();
        assert_eq!(tokenizer.encode("ab ab"), [2, 4]);
        assert_eq!((tokenizer.special("<|mask|>"), tokenizer.special("<|endoftext|>")), (Some(6), Some(5)));
        assert_eq!((tokenizer.decode(&[2, 4]).as_str(), tokenizer.vocab_size()), ("ab ab", 7));
        assert!(tokenizer.is_text(4) && !tokenizer.is_text(5) && !tokenizer.is_text(7));
    }

    #[test]
    fn damage_is_named() {
        let good = json!({ "tokenizer_class": "Qwen2Tokenizer" });
        for (vocab, merges, config, says) in [
            (json!({ "a": 0 }), "a b\n", &good, "vocab.json"),
            (json!({ "a": 0 }), "ab\n", &good, "not a pair"),
            (json!({ "a": u32::MAX }), "", &good, "not possible"),
            (json!({ "a": -1 }), "", &good, "vocab.json"),
            (json!([]), "", &good, "vocab.json"),
            (json!({ "a": 0 }), "", &json!({}), "class \"\""),
            (json!({ "a": 0 }), "", &json!({ "tokenizer_class": "LlamaTokenizer" }), "llamatokenizer"),
        ] {
            let folder = folder(&vocab, merges, config);
            let error = read(&folder.path().join("vocab.json")).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }

    /// The embedded model's vocabulary written in this form gives the same ids.
    #[test]
    fn both_forms_of_a_vocabulary_agree() {
        let Ok(files) = locate(Some(DEFAULT_MODEL)).or_else(|_| locate(None)) else { return };
        let Ok(gguf) = crate::model::gguf::Gguf::open(&files.base[0]) else { return };
        let expected = Tokenizer::from_gguf(&gguf).unwrap();
        let strings = |key: &str| gguf.get(key).unwrap().as_strings().unwrap().to_vec();
        let tokens = strings("tokenizer.ggml.tokens");
        let kinds = gguf.get("tokenizer.ggml.token_type").unwrap().as_integers().unwrap();
        let of = |wanted: u64| (0u32..).zip(&tokens).zip(&kinds).filter(move |(_, kind)| **kind == wanted).map(|(pair, _)| pair);
        let vocab: serde_json::Map<String, Value> = of(1).map(|(id, token)| (token.clone(), json!(id))).collect();
        let added: serde_json::Map<String, Value> =
            of(3).map(|(id, token)| (id.to_string(), json!({ "content": token, "special": true }))).collect();
        let config = json!({ "tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added });
        let folder = folder(&Value::Object(vocab), &strings("tokenizer.ggml.merges").join("\n"), &config);
        let found = read(&folder.path().join("vocab.json")).unwrap();
        for text in
            ["fn main() {\n    println!(\"größe: {}\", 1_000);\n}\n", "#include <x>\r\n\t// 漢字 e\u{301}", "'s 'LL <|im_end|>"]
        {
            assert_eq!(found.encode(text), expected.encode(text), "{text}");
        }
        assert_eq!(found.special("<|fim_pad|>"), expected.special("<|fim_pad|>"));
    }
}
