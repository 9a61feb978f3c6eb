//! A small corpus for tests: a byte tokenizer with the special tokens of the embedded model, and a tree with a history.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::model::spec::TokenId;
use crate::model::tokenizer::Tokenizer;
use crate::train::corpus::build::Options;
use crate::train::corpus::build::build;
use crate::train::corpus::history::Period;
use crate::train::corpus::open::Records;
use crate::train::corpus::shard::ShardKind;
use crate::train::corpus::split::Set;

/// Special tokens of [`tokenizer`] by their places behind the bytes.
pub const SPECIAL: [&str; 7] =
    ["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|im_start|>", "<|im_end|>"];
pub const END: TokenId = 256;
pub const MASK: TokenId = 260;

/// The text of a `tokenizer.json` with one token for each byte.
pub fn tokenizer_json() -> String {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100;
    let mut vocabulary = serde_json::Map::new();
    for byte in 0..256_u32 {
        let code = if printable(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        vocabulary.insert(char::from_u32(code).unwrap().to_string(), json!(byte));
    }
    let added: Vec<_> = SPECIAL
        .iter()
        .zip(256..)
        .map(|(token, id)| json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}))
        .collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null, "pre_tokenizer": level,
        "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": []},
    })
    .to_string()
}

/// One token for each byte, and the special tokens of the embedded model.
pub fn tokenizer() -> Arc<Tokenizer> {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer_json()).unwrap();
    Arc::new(Tokenizer::from_file(&path).unwrap())
}

/// Rust code that no other number gives nearly the same of.
pub fn rust_code(number: usize) -> String {
    let name = |place: usize| format!("name{}_{}", number * 31 % 97, place * number % 89);
    let mut text = format!("//! Part {number}.\n\n");
    for place in 0..4 {
        let (a, b, c) = (name(place), name(place + 5), name(place + 9));
        text.push_str(&format!("pub fn {a}({b}: &[u{}]) -> Option<usize> {{\n    let {c} = {b}.len() + {number};\n    if {b}.is_empty() && {c} > {place} {{\n        return None;\n    }}\n    println!(\"{{{c}}}\");\n    Some({c})\n}}\n\n", 8 << (number % 3)));
    }
    text
}

/// Python code of the same kind.
pub fn python_code(number: usize) -> String {
    let mut text = format!("\"\"\"Part {number}.\"\"\"\n\n");
    for place in 0..4 {
        let (a, b) = (format!("call_{}_{place}", number * 17 % 83), format!("value_{}", place * number % 71));
        text.push_str(&format!("def {a}({b}):\n    if {b} is None and {number} != {place}:\n        return []\n    other_{place} = {b} * {number}\n    return [other_{place}, {b}]\n\n\n"));
    }
    text
}

/// Commits everything that is not ignored, tracked or not, one minute after the last commit.
pub fn commit_all(repository: &git2::Repository, subject: &str) {
    let mut index = repository.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    index.update_all(["*"], None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
    let clock = parent.as_ref().map_or(1_700_000_000, |parent| parent.time().seconds()) + 60;
    let author = git2::Signature::new("a", "a@a", &git2::Time::new(clock, 0)).unwrap();
    repository.commit(Some("HEAD"), &author, &author, subject, &tree, &parent.iter().collect::<Vec<_>>()).unwrap();
}

/// Writes a tree of twelve files with a licence and a history of eleven edits.
pub fn tree(folder: &Path) {
    let repository = git2::Repository::init(folder).unwrap();
    std::fs::write(folder.join("LICENSE"), include_str!("../../../LICENSE")).unwrap();
    let name = |number: usize| if number.is_multiple_of(2) { format!("file{number}.rs") } else { format!("file{number}.py") };
    let code = |number: usize| if number.is_multiple_of(2) { rust_code(number) } else { python_code(number) };
    (0..12).for_each(|number| std::fs::write(folder.join(name(number)), code(number)).unwrap());
    commit_all(&repository, "add all files");
    for number in 1..12 {
        let text = code(number).replacen(&number.to_string(), &format!("{}", number + 1000), 1).replacen("Part", "The part", 1);
        std::fs::write(folder.join(name(number)), text).unwrap();
        commit_all(&repository, &format!("give part {number} another number"));
    }
}

/// A corpus of [`tree`]: its folder, the files that are not held out, and the tokenizer.
pub fn corpus() -> (tempfile::TempDir, Records, Arc<Tokenizer>) {
    let source = tempfile::tempdir().unwrap();
    tree(source.path());
    let out = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    let options = Options { held_out: 0.0, edits: Some(Period::default()), ..Options::default() };
    build(&[source.path()], out.path(), ("bytes", &tokenizer), &options, &mut |_| {}).unwrap();
    let records = Records::open(out.path(), ShardKind::Files, Set::Train, &tokenizer).unwrap();
    (out, records, tokenizer)
}
