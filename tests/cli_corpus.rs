//! `dcode train corpus` as people run it: with the tokenizer of the embedded model.

use dcode::model::load::load_tokenizer;
use dcode::model::locate::locate;
use dcode::train::corpus::manifest::Manifest;
use dcode::train::corpus::open::Records;
use dcode::train::corpus::shard::ShardKind;
use dcode::train::corpus::split::Set;

use crate::desk::Desk;

const LICENCE: &str = include_str!("../LICENSE");
const CODE: &str = "/// Adds.\npub fn add(left: u32, right: u32) -> u32 {\n    let sum = left + right;\n    sum\n}\n\npub fn none() -> Option<u32> {\n    None\n}\n";

/// Whether the files of the embedded model are here.
fn has_model() -> bool {
    let found = locate(None).is_ok_and(|files| load_tokenizer(&files).is_ok());
    if !found {
        eprintln!("skipped: the embedded model is not complete");
    }
    found
}

#[test]
fn a_tree_with_its_history() {
    if !has_model() {
        return;
    }
    let desk = Desk::in_git();
    desk.write("LICENSE", LICENCE);
    desk.write(".gitignore", "/built\n");
    desk.write("built/made.rs", &CODE.replace("add", "made"));
    desk.write(".env", "TOKEN=1\n");
    desk.write("notes.md", "# Notes\n");
    desk.commit("src/lib.rs", CODE);
    desk.write("src/lib.rs", &CODE.replace("    let sum = left + right;\n    sum\n", "    left + right\n"));
    desk.git(&["commit", "-q", "-a", "-m", "Return the sum without a name"]);
    let said = desk.dcode(&["train", "corpus", ".", "--out", "../shards", "--edits", "--held-out", "0"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for line in [
        "1 of 3 files kept",
        "  rust: 1 files, ",
        "  licences: Apache-2.0 1",
        "2 files left out: 2 other languages",
        "1 edits kept, of 2 commits",
    ] {
        assert!(said.out.lines().any(|found| found.starts_with(line)), "{line}: {}", said.out);
    }
    assert!(said.err.starts_with("written to ../shards in "), "{}", said.err);
    let out = desk.folder.with_file_name("shards");
    let manifest = Manifest::read(&out).unwrap();
    assert_eq!(manifest.command, ["train", "corpus", ".", "--out", "../shards", "--edits", "--held-out", "0"]);
    let tokenizer = load_tokenizer(&locate(None).unwrap()).unwrap();
    let files = Records::open(&out, ShardKind::Files, Set::Train, &tokenizer).unwrap();
    let record = files.get(0).unwrap();
    assert_eq!((files.len(), record.name()), (1, "work/src/lib.rs"));
    assert_eq!(tokenizer.decode(&record.tokens(0..usize::MAX)), desk.read("src/lib.rs"));
    let edits = Records::open(&out, ShardKind::Edits, Set::Train, &tokenizer).unwrap();
    let [instruction, before, old, new, after] =
        dcode::train::corpus::spans::SpanKind::EDIT.map(|part| tokenizer.decode(&edits.get(0).unwrap().part(part)));
    assert_eq!(instruction, "Return the sum without a name");
    assert_eq!((old.as_str(), new.as_str()), ("    let sum = left + right;\n    sum\n", "    left + right\n"));
    assert_eq!([before, old, after].concat(), CODE);
    // The same again in the same place, and the same bytes.
    let shard = std::fs::read(out.join("train-files-00000.shard")).unwrap();
    assert_eq!(desk.dcode(&["train", "corpus", ".", "--out", "../shards"]).code, Some(0));
    assert_eq!(std::fs::read(out.join("train-files-00000.shard")).unwrap(), shard);
    assert!(!out.join("train-edits-00000.shard").exists());
}

#[test]
fn what_is_refused() {
    let desk = Desk::new();
    desk.write("t/a.rs", CODE);
    desk.write("full/thesis.txt", "mine\n");
    let refuses = |arguments: &[&str], exit: i32, says: &str| {
        let said = desk.dcode(&[&["train", "corpus"], arguments].concat());
        assert!(said.code == Some(exit) && said.err.contains(says), "{arguments:?}: {:?} {}", said.code, said.err);
    };
    refuses(&["t"], 2, "--out");
    refuses(&["--out", "o"], 2, "DIR");
    refuses(&["t", "--out", "o", "--since", "2025-01-01"], 2, "--edits");
    refuses(&["t", "--out", "o", "--edits", "--since", "yesterday"], 2, "write it as 2025-12-31");
    refuses(&["t", "--out", "o", "--held-out", "2"], 2, "a share from 0 to 1");
    refuses(&["t", "--out", "o", "--language", "cobol"], 2, "rust");
    refuses(&["t", "--out", "o", "--tokenizer", "full/thesis.txt"], 5, "thesis.txt");
    refuses(&["t", "--out", "o", "--model", "none"], 5, "is not installed");
    if !has_model() {
        return;
    }
    refuses(&["none", "--out", "o"], 2, "not a folder");
    refuses(&["t", "--out", "full"], 4, "holds files that are no corpus");
    refuses(&["t", "--out", "o"], 3, "nothing was kept of 1 files: 1 unknown licence");
    refuses(&["t", "--out", "o", "--any-licence", "--edits"], 2, "not in a git work tree");
    assert_eq!(desk.read("full/thesis.txt"), "mine\n");
    assert_eq!(desk.dcode(&["train", "corpus", "t", "--out", "o", "--any-licence"]).code, Some(0));
}
