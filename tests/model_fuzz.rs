//! The corpus of damaged model files in `tests/data/fuzz`: each ends in the error that is written beside it, with exit code 5, and
//! within a small address space. `scripts/fuzz_corpus.py` writes most of them; what a fuzzer finds is added by hand.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use dcode::model::config::TransformerConfig;
use dcode::model::gguf::Gguf;
use dcode::model::tokenizer::Tokenizer;
use dcode::model::weights::Weights;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::model_sequence::biases;
use crate::model_sequence::config;
use crate::model_sequence::llama;
use crate::model_sequence::write;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz")
}

/// The files of the corpus as `FOLDER/NAME`, sorted.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["config", "gguf", "safetensors", "tokenizer"] {
        for entry in std::fs::read_dir(corpus().join(folder)).unwrap() {
            files.push(format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    files.sort();
    files
}

/// A whole small model, with one of its files replaced.
fn with(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let damaged = std::fs::read(corpus().join(file)).unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), &damaged).unwrap();
    if file.starts_with("gguf/") {
        put("model.gguf");
        return folder;
    }
    write(folder.path(), &config("Dream"), &[llama(), biases()].concat(), false);
    match file.split('/').next() {
        Some("config") => put("config.json"),
        Some("tokenizer") => put("tokenizer.json"),
        _ => put("model-0.safetensors"),
    }
    folder
}

/// Kilobytes of address space for a model of a few kilobytes: the program, its threads, and nothing that a file only claims to need.
const SPACE: u32 = 3 << 20;

#[cfg(target_os = "linux")]
#[test]
fn every_damaged_file_has_its_error() {
    let expected = std::fs::read_to_string(corpus().join("expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
    let (mut wrong, mut found) = (Vec::new(), serde_json::Map::new());
    for file in files() {
        let folder = with(&file);
        let mut command = Command::new("sh");
        let model = if file.starts_with("gguf/") { "model.gguf" } else { "." };
        let script = format!("ulimit -v {SPACE}; exec \"$0\" doctor --device cpu --model ./{model}");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_dcode")]).current_dir(folder.path());
        command.env("DCODE_HOME", folder.path().join("home")).env("RAYON_NUM_THREADS", "2").env("MALLOC_ARENA_MAX", "2");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let message = said.strip_prefix("dcode: ").unwrap_or(&said).trim_end();
        let message = message.split("; run `dcode doctor`").next().unwrap_or_default().trim_start_matches("./");
        found.insert(file.clone(), message.into());
        let says = expected.get(&file).and_then(Value::as_str).unwrap_or("nothing is expected");
        let is_safe = !message.chars().any(char::is_control);
        if output.status.code() != Some(5) || message != says || !is_safe {
            wrong.push(format!("{file}: {:?} {message:?}, expected {says:?}", output.status.code()));
        }
    }
    if std::env::var_os("DCODE_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&Value::Object(found)).unwrap();
        std::fs::write(corpus().join("expected.json"), text + "\n").unwrap();
        return;
    }
    let forgotten: Vec<&String> = expected.keys().filter(|file| !found.contains_key(*file)).collect();
    assert!(forgotten.is_empty(), "no longer there: {forgotten:?}");
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// Damage upon damage: parts of two files of the corpus joined, and bytes changed. Whatever a reader makes of it, it does not
/// panic. `DCODE_FUZZ_CASES` says how often, for long runs.
#[test]
fn no_mixture_of_damage_ends_in_a_panic() {
    let cases = std::env::var("DCODE_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    let all: Vec<(String, Vec<u8>)> =
        files().into_iter().map(|file| (file.clone(), std::fs::read(corpus().join(file)).unwrap())).collect();
    let count = all.len();
    let folder = tempfile::tempdir().unwrap();
    let strategy = (
        0..count,
        0..count,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6),
    );
    let check = |(one, other, cut, from, changes): (
        usize,
        usize,
        prop::sample::Index,
        prop::sample::Index,
        Vec<(prop::sample::Index, u8)>,
    )| {
        let ((file, first), (_, second)) = (&all[one], &all[other]);
        let mut bytes = [&first[..cut.index(first.len() + 1)], &second[from.index(second.len() + 1)..]].concat();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let path = folder.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        match file.split('/').next() {
            Some("config") => drop(TransformerConfig::from_json(&String::from_utf8_lossy(&bytes), &path)),
            Some("tokenizer") => drop(Tokenizer::from_file(&path)),
            Some("gguf") => {
                drop(Gguf::open(&path).and_then(|gguf| TransformerConfig::from_gguf(&gguf).and(Tokenizer::from_gguf(&gguf))))
            }
            _ => drop(Weights::open_safetensors(&[path])),
        }
        Ok(())
    };
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) })
        .run(&strategy, check)
        .unwrap();
}
