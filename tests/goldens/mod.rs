//! Small random models, sampler runs, tables, losses and gradients against the reference implementations.
//!
//! Cases are folders in the format that the README of the goldens describes. Those in `tests/data/goldens` are always checked;
//! `DCODE_GOLDENS` names a folder with more, by default `../shared/goldens`, which may be absent.

mod caches;
mod case;
mod forward;
mod quirks;
mod tables;
mod training;
mod trajectory;

use std::path::Path;
use std::path::PathBuf;

use case::Case;

use crate::common::shared;

/// All case folders of a folder, sorted.
fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("case.json").is_file()).collect();
    folders.sort();
    folders
}

/// The folder that `DCODE_GOLDENS` names, which must be there, or the usual one, which may be absent.
fn root() -> Option<PathBuf> {
    match std::env::var_os("DCODE_GOLDENS") {
        Some(root) => Some(PathBuf::from(root)),
        None => shared("goldens"),
    }
}

/// Checks every case of a folder; the panic at the end names all that differ.
fn check(root: &Path) {
    let folders = folders(root);
    assert!(!folders.is_empty(), "{}: no case in it", root.display());
    let (mut checked, mut trainable, mut failed) = (0, 0, Vec::new());
    for folder in folders {
        let case = Case::read(&folder);
        let result = match case.group.as_str() {
            "A" => forward::check(&case).and_then(|()| {
                trainable += usize::from(training::check_forward(&case)?);
                Ok(())
            }),
            "B" => trajectory::check(&case),
            "C" if tables::is_one(&case) => tables::check(&case),
            "C" => training::check(&case),
            other => Err(format!("group {other} is not known")),
        };
        match result {
            Ok(()) => checked += 1,
            Err(reason) => failed.push(format!("{}: {reason}", case.name)),
        }
    }
    let worst = case::worst();
    eprintln!(
        "{}: {checked} cases equal, {trainable} of them by the trainable model too; largest error {worst:.1e}",
        root.display()
    );
    assert!(failed.is_empty(), "{} cases differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn cases_of_the_repository_equal_the_references() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/goldens"));
}

#[test]
fn all_cases_equal_the_references() {
    if let Some(root) = root() {
        check(&root);
    }
}
