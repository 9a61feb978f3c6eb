//! The model's part of `dcode hook`: one load, only when a recipe needs it, and none when the answer is known.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use dcode::document::Document;
use dcode::hook::cache::Answer;
use dcode::hook::cache::Cache;
use dcode::hook::library::Choice;
use dcode::hook::library::Library;
use dcode::hook::model::fingerprint;
use dcode::hook::place::Allowed;
use dcode::model::locate::locate;
use dcode::syntax::language::Language;

use crate::common::embedded_model;
use crate::hook_git::Repo;
use crate::hook_git::text;

const MANUAL: &str = "fn f(x: Option<u8>) -> Option<u16> {\n    match x {\n        Some(y) => Some(u16::from(y) + 1),\n        None => None,\n    }\n}\n";
const MAPPED: &str = "fn f(x: Option<u8>) -> Option<u16> {\n    x.map(|y| u16::from(y) + 1)\n}\n";

fn report(repo: &Repo, model: &str, arguments: &[&str]) -> serde_json::Value {
    let mut command = repo.command(env!("CARGO_BIN_EXE_dcode"));
    let output = command.env("DCODE_MODEL", model).args(["hook", "--json"]).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Puts an answer into the cache, as if the model in `folder` had given it.
fn remember(repo: &Repo, folder: &Path, new: &str) {
    let document = Arc::new(Document::from_bytes("a.rs".into(), MANUAL.into()).unwrap());
    let kit = Library::embedded().unwrap().kit(Language::Rust, &Choice::default()).unwrap().unwrap();
    let open = kit.scan(&document, &Allowed::All, None, None).unwrap().open.remove(0);
    let name = fingerprint(&locate(folder.to_str()).unwrap());
    let key = Cache::key(document.hash(), &open.at, &open.recipe, &name);
    let cache = Cache::at(&repo.home.join("dcode/cache/hook"));
    cache.put(key, &Answer { new: Some(new.to_owned()), confidence: 0.97 }).unwrap();
}

/// A folder that looks like a model and cannot be loaded: whoever tries fails.
fn unloadable(repo: &Repo) -> std::path::PathBuf {
    let folder = repo.home.join("model");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("x.gguf"), "no model").unwrap();
    folder
}

#[test]
fn a_known_answer_needs_no_model_and_is_proven_again() {
    let repo = Repo::new();
    let folder = unloadable(&repo);
    repo.stage("a.rs", MANUAL);
    let model = folder.to_str().unwrap();
    let failed = report(&repo, model, &[]);
    assert!(failed["notices"][0]["text"].as_str().unwrap().contains("the model failed"), "{failed}");

    remember(&repo, &folder, "    x.map(|y| u16::from(y) + 1)\n");
    let found = report(&repo, model, &[]);
    assert_eq!((&found["cached"], &found["by_model"], &found["model_loaded"]), (&1.into(), &1.into(), &false.into()), "{found}");
    assert_eq!(found["findings"][0]["new"], "    x.map(|y| u16::from(y) + 1)\n");
    let output = repo.command(env!("CARGO_BIN_EXE_dcode")).env("DCODE_MODEL", model).args(["hook", "--fix"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(repo.read("a.rs"), MAPPED);

    // What somebody wrote into the cache is no proof: another call, another number, something that does not parse.
    repo.stage("a.rs", MANUAL);
    for bad in [
        "    x.map(|y| evil(y) + 1)\n",
        "    x.map(|y| u16::from(y) + 2)\n",
        "    x.map(|y| u16::from(y + 1\n",
        "    x.map(|y| u16::from(y) + 1) // \u{202e}\n",
    ] {
        remember(&repo, &folder, bad);
        let found = report(&repo, model, &[]);
        assert_eq!((&found["cached"], &found["findings"]), (&1.into(), &serde_json::json!([])), "{bad:?}");
    }
}

#[test]
fn a_file_that_templates_suffice_for_loads_no_model() {
    let repo = Repo::new();
    let folder = unloadable(&repo);
    repo.stage("a.rs", "fn empty(v: &[u8]) -> bool {\n    v.len() == 0\n}\n");
    let found = report(&repo, folder.to_str().unwrap(), &[]);
    assert_eq!(
        (&found["by_template"], &found["model_loaded"], &found["notices"]),
        (&1.into(), &false.into(), &serde_json::json!([]))
    );
}

/// With everything known, a hook takes a fraction of a second. The bound is wide: other work may run beside the tests.
#[test]
fn a_warm_hook_is_fast() {
    let repo = Repo::new();
    let folder = unloadable(&repo);
    repo.stage("a.rs", MANUAL);
    repo.stage("big.rs", &"fn empty(v: &[u8]) -> bool {\n    v.is_empty()\n}\n".repeat(500));
    remember(&repo, &folder, "    x.map(|y| u16::from(y) + 1)\n");
    let fastest = (0..5)
        .map(|_| {
            let start = Instant::now();
            let found = report(&repo, folder.to_str().unwrap(), &[]);
            assert_eq!((&found["cached"], &found["model_loaded"]), (&1.into(), &false.into()));
            start.elapsed()
        })
        .min()
        .unwrap();
    eprintln!("hook with a warm cache: {fastest:?}");
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
}

#[test]
fn the_embedded_model_answers_once() {
    if embedded_model().is_none() {
        return;
    }
    let repo = Repo::new();
    repo.stage("a.rs", MANUAL);
    let files = locate(None).unwrap();
    let model = files.base[0].parent().unwrap().display().to_string();
    let first = report(&repo, &model, &["--budget", "600"]);
    assert_eq!((&first["model_loaded"], &first["cached"]), (&true.into(), &0.into()), "{first}");
    let second = report(&repo, &model, &["--budget", "600"]);
    assert_eq!((&second["model_loaded"], &second["cached"]), (&false.into(), &1.into()), "{second}");
    assert_eq!(first["findings"], second["findings"]);
    // A budget that is too short for loading is told, and nothing is remembered of it.
    repo.stage("a.rs", &format!("{MANUAL}\n"));
    let short = report(&repo, &model, &["--budget", "0.05"]);
    assert!(short["notices"][0]["text"].as_str().unwrap().contains("skipped: budget"), "{short}");
}
