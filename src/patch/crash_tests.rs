//! The process is killed at each named place, in a fresh process each time, on the real file system.

#![cfg(unix)]
#![allow(clippy::print_stderr)]

use std::path::Path;
use std::process::Command;

use super::apply::FileChange;
use super::entry::Phase;
use super::hunk;
use super::journal::Journal;
use super::target::Target;
use crate::document::Document;

/// Every place, and how often it is reached while three files are written (the journal is written twice).
const POINTS: [(&str, usize); 9] = [
    ("journal-written", 2),
    ("intent", 1),
    // Three files and two journal entries.
    ("temp-half-written", 5),
    ("temp-written", 3),
    ("temp-synced", 3),
    ("swapped", 3),
    ("renamed", 3),
    ("directories-synced", 1),
    ("done", 1),
];

const FILES: [&str; 3] = ["a.rs", "b.rs", "sub/c.rs"];

fn old(name: &str) -> String {
    format!("// {name}\n{}// end", "keep\r\nchange\n".repeat(200))
}

fn new(name: &str) -> String {
    old(name).replace("change\n", "changed\nand more\n")
}

fn changes(tree: &Path) -> Vec<FileChange> {
    let change = |name: &&str| {
        let path = tree.join(name);
        let document = Document::read(&path).unwrap();
        let hunks = hunk::of_spans(&document, &[(document.whole(), &new(name))]).unwrap();
        FileChange { target: Target::resolve(&path, Some(tree)).unwrap(), document, hunks }
    };
    FILES.iter().map(change).collect()
}

/// What the killed process does; run by [`kill_everywhere`] only.
#[test]
fn child() {
    let Some(dir) = std::env::var_os("DCODE_CRASH_DIR") else { return };
    let dir = Path::new(&dir);
    let journal = Journal::open(&dir.join("state")).unwrap();
    match std::env::var("DCODE_CRASH_ACTION").as_deref() {
        Ok("undo") => drop(journal.undo(None, None).unwrap()),
        _ => drop(journal.apply(changes(&dir.join("tree")), "crash").unwrap()),
    }
}

/// Kills `trials` processes at each place and checks what each left behind. Returns trials and kills.
fn kill_everywhere(trials: usize) -> (usize, usize) {
    let (mut tried, mut killed) = (0, 0);
    for action in ["apply", "undo"] {
        for (point, times) in POINTS {
            for trial in 0..trials {
                let temp = tempfile::tempdir().unwrap();
                let dir = temp.path().canonicalize().unwrap();
                let tree = dir.join("tree");
                std::fs::create_dir_all(tree.join("sub")).unwrap();
                FILES.iter().for_each(|name| std::fs::write(tree.join(name), old(name)).unwrap());
                if action == "undo" {
                    Journal::open(&dir.join("state")).unwrap().apply(changes(&tree), "").unwrap();
                }
                let output = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "patch::crash_tests::child", "--test-threads=1"])
                    .env("DCODE_CRASH_DIR", &dir)
                    .env("DCODE_CRASH_ACTION", action)
                    .env("DCODE_CRASH_POINT", format!("{point}#{}", trial % times + 1))
                    .output()
                    .unwrap();
                tried += 1;
                killed += usize::from(std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9));
                check(&dir, action, point);
            }
        }
    }
    (tried, killed)
}

fn check(dir: &Path, action: &str, point: &str) {
    let tree = dir.join("tree");
    let read = |name: &&str| std::fs::read_to_string(tree.join(name)).unwrap();
    // Even before any recovery, each file is one or the other.
    for name in &FILES {
        let text = read(name);
        assert!(text == old(name) || text == new(name), "{action} {point} {name}");
    }
    let journal = Journal::open(&dir.join("state")).unwrap();
    for recovery in journal.recover().unwrap() {
        assert!(recovery.left.is_empty() && recovery.outcome.waiting().is_none(), "{action} {point}: {recovery:?}");
    }
    let applied = journal.readable().unwrap().iter().any(|entry| entry.phase == Phase::Applied);
    for name in &FILES {
        assert_eq!(read(name), if applied { new(name) } else { old(name) }, "{action} {point} {name}");
    }
    let count = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    assert_eq!((count(&tree), count(&tree.join("sub"))), (3, 1), "{action} {point}: something was left behind");
    if applied {
        journal.undo(None, None).unwrap();
        FILES.iter().for_each(|name| assert_eq!(read(name), old(name)));
    }
}

#[test]
fn killed_at_every_place() {
    let trials = std::env::var("DCODE_CRASH_TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let (tried, killed) = kill_everywhere(trials);
    eprintln!("crash: {tried} processes, {killed} killed, 0 files lost, 0 edits half done");
    assert_eq!(tried, killed, "a place was not reached");
}
