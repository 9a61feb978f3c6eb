use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::train::corpus::error::Damage;
use crate::train::corpus::open::Records;
use crate::train::corrupt::testing::python_code;
use crate::train::corrupt::testing::rust_code;
use crate::train::corrupt::testing::tokenizer;
use crate::train::corrupt::testing::tokenizer_json;
use crate::train::corrupt::testing::tree;

struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn build(&self, folders: &[&str], out: &str, options: &Options) -> Result<Manifest, CorpusError> {
        let folders: Vec<PathBuf> = folders.iter().map(|name| self.path(name)).collect();
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        build(&folders, &self.path(out), ("bytes", &tokenizer()), options, &mut |_| {})
    }

    /// Every file of a corpus with its bytes.
    fn bytes(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(self.path(out)).unwrap().flatten();
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
    }

    fn names(&self, out: &str, kind: ShardKind, set: Set) -> Vec<String> {
        let records = Records::open(&self.path(out), kind, set, &tokenizer()).unwrap();
        records.iter().map(|record| record.name().to_owned()).collect()
    }
}

const LICENCE: &str = include_str!("../../../LICENSE");

#[test]
fn each_reason_is_counted() {
    let place = Place::new();
    place.write("t/LICENSE", LICENCE);
    place.write("t/a.rs", rust_code(1));
    place.write("t/b.py", python_code(2));
    place.write("t/same.rs", rust_code(1).replace('\n', "  \r\n"));
    place.write("t/nearly.rs", format!("{}// One more line.\n", rust_code(1)));
    place.write("t/small.rs", "fn f() {}\n");
    place.write("t/large.rs", rust_code(3).repeat(2000));
    place.write("t/binary.rs", [0xff; 200]);
    place.write("t/broken.rs", rust_code(4).replacen('}', "", 1));
    place.write("t/notes.md", "# Notes\n");
    place.write("t/data.json", "{\"name\": 100}\n".repeat(20));
    place.write("t/made.rs", format!("// @generated\n{}", rust_code(5)));
    place.write("t/wide.rs", format!("{}const X: &str = \"{}\";\n", rust_code(6), "x".repeat(1200)));
    place.write("t/key.rs", format!("{}// -----BEGIN RSA PRIVATE KEY-----\n-----BEGIN RSA PRIVATE KEY-----\n", rust_code(7)));
    place.write("t/secrets.toml", "a = 1\n");
    place.write("t/gpl/COPYING", "GNU GENERAL PUBLIC LICENSE Version 3");
    place.write("t/gpl/a.rs", rust_code(8));
    place.write("t/odd/LICENSE", "Ask me first.");
    place.write("t/odd/a.rs", rust_code(9));
    place.write("t/script", format!("#!/usr/bin/env python3\n{}", python_code(10)));
    let options = Options { held_out: 0.0, ..Options::default() };
    let manifest = place.build(&["t"], "out", &options).unwrap();
    let expected = [
        (Reason::Language, 6),
        (Reason::Small, 1),
        (Reason::Large, 1),
        (Reason::NotText, 1),
        (Reason::Secret, 1),
        (Reason::Generated, 1),
        (Reason::Minified, 1),
        (Reason::UnknownLicence, 1),
        (Reason::Licence, 1),
        (Reason::Syntax, 1),
        (Reason::Duplicate, 1),
        (Reason::NearDuplicate, 1),
    ];
    assert_eq!(manifest.left_out.0, expected.into());
    assert_eq!((manifest.found, manifest.kept), (20, 3));
    assert_eq!(manifest.found, manifest.kept + manifest.left_out.total());
    assert_eq!(
        manifest.languages.iter().map(|(name, count)| (name.as_str(), count.records)).collect::<Vec<_>>(),
        [("python", 2), ("rust", 1)]
    );
    assert_eq!(manifest.licences, [("Apache-2.0".to_owned(), 3)].into());
    assert_eq!(Manifest::read(&place.path("out")).unwrap(), manifest);
    // Of the same and the nearly same, one stays; which one depends on their content alone.
    let names = place.names("out", ShardKind::Files, Set::Train);
    assert!(names.contains(&"t/b.py".to_owned()) && names.contains(&"t/script".to_owned()), "{names:?}");
    let any = Options { any_licence: true, languages: vec![Language::Rust, Language::Json], ..options };
    let manifest = place.build(&["t"], "any", &any).unwrap();
    assert_eq!(manifest.licences.keys().map(String::as_str).collect::<Vec<_>>(), ["", "Apache-2.0", "GPL-3.0-only"]);
    assert_eq!(manifest.languages.keys().map(String::as_str).collect::<Vec<_>>(), ["json", "rust"]);
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let place = Place::new();
    let files: Vec<(String, String)> =
        (0..30).map(|number| (format!("d{}/f{number}.rs", number % 3), rust_code(number))).collect();
    for (name, text) in &files {
        place.write(&format!("one/{name}"), text);
    }
    for (name, text) in files.iter().rev() {
        place.write(&format!("other/one/{name}"), text);
    }
    let two: Vec<(String, String)> = (40..50).map(|number| (format!("g{number}.py"), python_code(number))).collect();
    two.iter().for_each(|(name, text)| place.write(&format!("two/{name}"), text));
    let options = Options { any_licence: true, held_out: 0.2, shard_tokens: 4000, ..Options::default() };
    let manifest = place.build(&["one", "two"], "out1", &options).unwrap();
    let again = place.build(&["two", "other/one", "one"], "out2", &options).unwrap();
    // The third tree holds the same files again.
    assert_eq!(again.left_out.0.get(&Reason::Duplicate), Some(&30));
    let (first, second) = (place.bytes("out1"), place.bytes("out2"));
    assert!(manifest.shards.len() > 3, "{:?}", manifest.shards);
    for (name, bytes) in first.iter().filter(|(name, _)| name.ends_with(".shard")) {
        assert!(second.get(name) == Some(bytes), "{name} differs");
    }
    assert_eq!(first.len(), second.len());
    // Building again in place takes the old corpus away first.
    place.build(&["two"], "out1", &options).unwrap();
    assert!(place.bytes("out1").len() < first.len());
}

#[test]
fn what_a_record_says_is_what_the_file_says() {
    let place = Place::new();
    place.write("t/a.rs", format!("\u{feff}{}", rust_code(1).replace('\n', "\r\n")));
    place.build(&["t"], "out", &Options { any_licence: true, held_out: 0.0, ..Options::default() }).unwrap();
    let tokenizer = tokenizer();
    let records = Records::open(&place.path("out"), ShardKind::Files, Set::Train, &tokenizer).unwrap();
    let record = records.get(0).unwrap();
    let text = tokenizer.decode(&record.tokens(0..usize::MAX));
    assert_eq!(text, rust_code(1));
    let functions =
        (0..record.span_count()).filter_map(|number| record.span(number)).filter(|span| span.kind == SpanKind::Function);
    let functions: Vec<&str> = functions.map(|span| &text[span.range]).collect();
    assert!(functions.len() == 4 && functions.iter().all(|function| function.starts_with("pub fn") && function.ends_with('}')));
}

#[test]
fn a_file_and_its_edits_are_held_out_together() {
    let place = Place::new();
    std::fs::create_dir(place.path("t")).unwrap();
    tree(&place.path("t"));
    let options = Options { held_out: 0.4, edits: Some(Period::default()), ..Options::default() };
    let manifest = place.build(&["t"], "out", &options).unwrap();
    let edits = manifest.edits.clone().unwrap();
    assert_eq!((manifest.kept, edits.commits, edits.kept), (12, 12, 11));
    let files = |set| place.names("out", ShardKind::Files, set);
    let of_edits = |set| {
        place
            .names("out", ShardKind::Edits, set)
            .into_iter()
            .map(|name| name.split('@').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (train, held) = (files(Set::Train), files(Set::HeldOut));
    assert!(train.len() + held.len() == 12 && !train.is_empty() && !held.is_empty());
    assert!(
        of_edits(Set::Train).iter().all(|name| train.contains(name))
            && of_edits(Set::HeldOut).iter().all(|name| held.contains(name))
    );
    assert_eq!(of_edits(Set::Train).len() + of_edits(Set::HeldOut).len(), 11);
    let early = Options { edits: Some(Period { since: None, before: Some(1_700_000_000 + 60 * 4) }), ..options };
    assert_eq!(place.build(&["t"], "early", &early).unwrap().edits.unwrap().kept, 2);
}

#[test]
fn what_cannot_be_built() {
    let place = Place::new();
    place.write("t/notes.md", "# Notes\n");
    place.write("full/thesis.txt", "mine\n");
    let options = Options { any_licence: true, ..Options::default() };
    let error = place.build(&["t"], "out", &options).unwrap_err().to_string();
    assert_eq!(error, "nothing was kept of 1 files: 1 other languages");
    assert!(matches!(place.build(&["t"], "full", &options), Err(CorpusError::Occupied { .. })));
    assert_eq!(std::fs::read_to_string(place.path("full/thesis.txt")).unwrap(), "mine\n");
    assert!(matches!(place.build(&["none"], "out", &options), Err(CorpusError::NotAFolder { .. })));
    place.write("t/a.rs", rust_code(1));
    let edits = Options { edits: Some(Period::default()), ..options };
    assert!(matches!(place.build(&["t"], "out", &edits), Err(CorpusError::NoHistory { .. })));
    // What an interrupted run left is no corpus, and no obstacle.
    assert!(place.bytes("out").keys().any(|name| name.ends_with(".shard")) && Manifest::read(&place.path("out")).is_err());
    place.build(&["t"], "out", &Options { edits: None, ..edits }).unwrap();
}

#[test]
fn a_changed_corpus_is_not_opened() {
    let place = Place::new();
    place.write("t/a.rs", rust_code(1));
    let options = Options { any_licence: true, held_out: 0.0, ..Options::default() };
    place.build(&["t"], "out", &options).unwrap();
    let open = |tokenizer: &Tokenizer| Records::open(&place.path("out"), ShardKind::Files, Set::Train, tokenizer);
    assert_eq!(open(&tokenizer()).unwrap().len(), 1);
    let other = place.path("other.json");
    std::fs::write(&other, tokenizer_json().replace("<|fim_pad|>", "<|longer_pad|>")).unwrap();
    assert!(matches!(open(&Tokenizer::from_file(&other).unwrap()), Err(CorpusError::OtherTokenizer { .. })));
    let shard = place.path("out/train-files-00000.shard");
    let good = std::fs::read(&shard).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, &bad).unwrap();
    assert!(matches!(open(&tokenizer()), Err(CorpusError::Damaged { damage: Damage::Checksum, .. })));
    // A whole shard, but of another corpus.
    place.write("u/b.rs", rust_code(2));
    place.build(&["u"], "out2", &options).unwrap();
    std::fs::copy(place.path("out2/train-files-00000.shard"), &shard).unwrap();
    assert!(matches!(open(&tokenizer()), Err(CorpusError::Damaged { damage: Damage::Checksum, .. })));
    std::fs::write(&shard, &good).unwrap();
    let manifest = std::fs::read_to_string(place.path("out/manifest.json")).unwrap();
    for (from, to) in [("train-files-00000.shard", "../train-files-00000.shard"), ("\"format\": 1", "\"format\": 2"), ("{", "")] {
        std::fs::write(place.path("out/manifest.json"), manifest.replacen(from, to, 1)).unwrap();
        assert!(matches!(open(&tokenizer()), Err(CorpusError::Manifest { .. })), "{to}");
    }
    std::fs::remove_file(&shard).unwrap();
    std::fs::write(place.path("out/manifest.json"), manifest).unwrap();
    assert!(matches!(open(&tokenizer()), Err(CorpusError::Io { .. })));
}
