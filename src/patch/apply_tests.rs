//! Apply, undo and redo, on the real file system and on one that loses power, fails, and is written to by others.

#![allow(clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::apply::ApplyError;
use super::apply::FileChange;
use super::disk::Disk;
use super::entry::Phase;
use super::hunk;
use super::journal::Journal;
use super::recover::Outcome;
use super::sim::SimDisk;
use super::target::Target;
use super::undo::UndoError;
use crate::document::Document;

const STATE: &str = "/state";
const OLD: [(&str, &str); 3] =
    [("/tree/a.rs", "a1\na2\na3\n"), ("/tree/b.rs", "b1\r\nb2\r\nb3"), ("/tree/sub/c.rs", "c1\nc2\nc3\n")];
const NEW: [&str; 3] = ["a1\nA2\na3\n", "b1\r\nB2\r\nB2\r\nb3", "c1\nc3\n"];

fn change(path: &str, old: &str, new: &str) -> FileChange {
    let document = Document::from_bytes(path.into(), old.as_bytes().to_vec()).unwrap();
    let hunks = hunk::of_spans(&document, &[(document.whole(), new)]).unwrap();
    FileChange { target: Target::unchecked(path.into()), document, hunks }
}

fn changes(files: usize) -> Vec<FileChange> {
    OLD.iter().zip(NEW).take(files).map(|((path, old), new)| change(path, old, new)).collect()
}

fn journal(can_exchange: bool) -> Journal<SimDisk> {
    let disk = SimDisk::new(can_exchange);
    OLD.iter().for_each(|(path, text)| disk.put(path, text.as_bytes()));
    Journal::on(disk, STATE.into())
}

/// The files of the tree, without the journal.
fn tree(disk: &SimDisk) -> BTreeMap<PathBuf, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    disk.files().into_iter().filter(|(path, _)| path.starts_with("/tree")).map(|(p, b)| (p, text(b))).collect()
}

fn expected(files: usize) -> [BTreeMap<PathBuf, String>; 2] {
    let old = OLD.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    let new = |i: usize| if i < files { NEW[i] } else { OLD[i].1 }.to_owned();
    [old, OLD.iter().enumerate().map(|(i, (path, _))| (PathBuf::from(path), new(i))).collect()]
}

#[test]
fn apply_undo_redo() {
    for can_exchange in [true, false] {
        let journal = journal(can_exchange);
        let [old, new] = expected(3);
        assert_eq!(journal.apply(Vec::new(), "").unwrap(), None);
        let id = journal.apply(changes(3), "first").unwrap().unwrap().id;
        assert_eq!(tree(&journal.disk), new);
        journal.undo(None, None).unwrap();
        assert_eq!(tree(&journal.disk), old);
        assert!(matches!(journal.undo(None, None), Err(UndoError::Nothing { .. })));
        assert!(matches!(journal.undo(Some(id), None), Err(UndoError::Already { .. })));
        journal.redo(Some(id), None).unwrap();
        assert_eq!(tree(&journal.disk), new);
        assert!(matches!(journal.redo(None, None), Err(UndoError::Nothing { .. })));
        assert!(matches!(journal.undo(Some(99), None), Err(UndoError::Unknown { id: 99 })));
        assert!(matches!(journal.undo(None, Some(Path::new("/elsewhere"))), Err(UndoError::Nothing { .. })));
        journal.undo(None, Some(Path::new("/tree"))).unwrap();
        assert_eq!(tree(&journal.disk), old);
        assert_eq!(journal.readable().unwrap().iter().map(|e| (e.id, e.phase)).collect::<Vec<_>>(), [(1, Phase::Undone)]);
    }
}

#[test]
fn undo_after_an_edit_elsewhere_keeps_that_edit() {
    let journal = journal(true);
    let old: String = (0..20).map(|i| format!("line {i}\n")).collect();
    let new = old.replace("line 5\n", "five\n").replace("line 15\n", "");
    journal.disk.put("/tree/l.rs", old.as_bytes());
    journal.apply(vec![change("/tree/l.rs", &old, &new)], "").unwrap();
    let edited = format!("// mine\n{new}").replace("line 10\n", "line ten\n");
    journal.disk.put("/tree/l.rs", edited.as_bytes());
    journal.undo(None, None).unwrap();
    let kept = format!("// mine\n{old}").replace("line 10\n", "line ten\n");
    assert_eq!(tree(&journal.disk)[Path::new("/tree/l.rs")], kept);
    journal.redo(None, None).unwrap();
    assert_eq!(tree(&journal.disk)[Path::new("/tree/l.rs")], edited);
}

#[test]
fn undo_of_changed_text_is_refused_and_touches_no_file() {
    let journal = journal(true);
    journal.apply(changes(3), "").unwrap();
    journal.disk.put("/tree/b.rs", b"b1\r\nb2 by hand\r\nb3");
    let before = tree(&journal.disk);
    let error = journal.undo(None, None).unwrap_err();
    assert!(matches!(&error, UndoError::Conflict { path, .. } if path == Path::new("/tree/b.rs")), "{error}");
    assert_eq!(tree(&journal.disk), before);
}

#[test]
fn a_file_that_changed_is_never_overwritten() {
    let journal = journal(true);
    journal.disk.put("/tree/b.rs", b"by hand");
    let before = tree(&journal.disk);
    assert!(matches!(journal.apply(changes(3), ""), Err(ApplyError::Changed { .. })));
    assert_eq!(tree(&journal.disk), before);
    let twice = vec![changes(1).remove(0), changes(1).remove(0)];
    assert!(matches!(journal.apply(twice, ""), Err(ApplyError::Twice { .. })));
}

/// Somebody saves a file just before each operation in turn. Their content must be there afterwards, in the file.
#[test]
fn a_save_at_any_moment_is_never_lost() {
    let mut refused = 0;
    let mut trials = 0;
    for files in [1, 3] {
        for (path, _) in OLD.iter().take(files) {
            for operation in 0.. {
                let journal = journal(true);
                journal.disk.interfere_at(operation, path, b"saved by hand\n");
                let result = journal.apply(changes(files), "");
                if journal.disk.operations() <= operation {
                    break;
                }
                trials += 1;
                refused += usize::from(result.is_err());
                let now = tree(&journal.disk);
                // Either their save came first, and nothing is written anywhere; or last, and it is theirs that counts.
                assert_eq!(now[Path::new(path)], "saved by hand\n", "operation {operation}: {result:?}");
                if result.is_err() {
                    let [old, _] = expected(files);
                    let others = old.iter().filter(|(p, _)| *p != Path::new(path));
                    others.for_each(|(p, text)| assert_eq!(&now[p], text, "operation {operation}"));
                }
                assert_eq!(now.len(), OLD.len(), "operation {operation}: {now:?}");
            }
        }
    }
    eprintln!("saves by others: {trials} trials, {refused} edits refused, 0 saves lost");
    assert!(refused > 10 && trials > 60);
}

/// ENOSPC, EDQUOT, EROFS, EACCES, EXDEV, EIO.
const ERRORS: [i32; 6] = [28, 122, 30, 13, 18, 5];

/// Every operation fails in turn, once (a full disk, a file system that became read-only, and so on) or for good (power loss). Afterwards, and after the recovery, the files are
/// all old or all new, nothing else lies around, and the journal agrees.
#[test]
fn every_failure_leaves_all_old_or_all_new() {
    let mut random = StdRng::seed_from_u64(5);
    let mut counts = BTreeMap::new();
    for can_exchange in [true, false] {
        for files in [1, 3] {
            let [old, new] = expected(files);
            for once in [true, false] {
                for operation in 0.. {
                    let mut ran = false;
                    for trial in 0..if once { ERRORS.len() } else { 40 } {
                        let journal = journal(can_exchange);
                        journal.disk.fail_at(operation, once);
                        journal.disk.fail_with(ERRORS[trial % ERRORS.len()]);
                        let result = journal.apply(changes(files), "");
                        ran = journal.disk.operations() > operation;
                        if !ran {
                            break;
                        }
                        let disk = if once { journal.disk } else { journal.disk.after_power_loss(&mut random) };
                        let after = check(disk, &old, &new, operation);
                        *counts.entry((once, after)).or_insert(0usize) += 1;
                        // What was reported as done must be there, and a refusal on a living disk means that nothing is.
                        match result {
                            Ok(_) => assert_eq!(after, "new", "operation {operation}"),
                            Err(error) if once => assert_eq!(after, "old", "operation {operation}: {error}"),
                            Err(_) => {}
                        }
                    }
                    if !ran {
                        break;
                    }
                }
            }
        }
    }
    eprintln!("failures (once, then): {counts:?}, 0 files lost");
    assert!(counts[&(false, "new")] > 0 && counts[&(false, "old")] > 0 && counts[&(true, "old")] > 0);
}

/// The same while an edit is undone.
#[test]
fn every_failure_of_undo_leaves_all_old_or_all_new() {
    let mut random = StdRng::seed_from_u64(6);
    let [old, new] = expected(3);
    let mut trials = 0;
    for can_exchange in [true, false] {
        for operation in 0.. {
            let first = journal(can_exchange);
            first.apply(changes(3), "").unwrap();
            first.disk.fail_at(operation, false);
            let result = first.undo(None, None);
            if first.disk.operations() <= operation {
                break;
            }
            for _ in 0..20 {
                let after = check(first.disk.after_power_loss(&mut random), &old, &new, operation);
                assert!(result.is_err() || after == "old");
                trials += 1;
            }
        }
    }
    eprintln!("power loss during undo: {trials} trials, 0 files lost");
}

/// Recovers, checks the tree and the journal, and says which state it is.
fn check(disk: SimDisk, old: &BTreeMap<PathBuf, String>, new: &BTreeMap<PathBuf, String>, operation: usize) -> &'static str {
    let journal = Journal::on(disk, STATE.into());
    for recovery in journal.recover().unwrap() {
        assert!(recovery.left.is_empty(), "operation {operation}: {recovery:?}");
        assert!(!matches!(recovery.outcome, Outcome::Waiting(_)), "operation {operation}: {recovery:?}");
    }
    let now = tree(&journal.disk);
    let applied = journal.readable().unwrap().iter().any(|entry| entry.phase == Phase::Applied);
    assert!(journal.readable().unwrap().iter().all(|entry| entry.pending.is_none()));
    if now == *old {
        assert!(!applied, "operation {operation}");
        "old"
    } else {
        assert_eq!(now, *new, "operation {operation}");
        assert!(applied, "operation {operation}");
        journal.undo(None, None).unwrap();
        assert_eq!(tree(&journal.disk), *old);
        "new"
    }
}

#[test]
fn a_stuck_recovery_blocks_its_own_files_only() {
    let journal = journal(true);
    journal.disk.fail_at(usize::MAX, false);
    // Find an operation after which the edit is half done.
    let stuck = (0..200)
        .find_map(|operation| {
            let journal = self::journal(true);
            journal.disk.fail_at(operation, false);
            let _ = journal.apply(changes(3), "");
            let now = tree(&journal.disk);
            (now[Path::new("/tree/a.rs")] == NEW[0] && now[Path::new("/tree/b.rs")] == OLD[1].1).then_some(journal)
        })
        .unwrap();
    stuck.disk.fail_at(usize::MAX, false);
    // The journal no longer leads back: the entry waits, and other files can be edited.
    let mut entry = stuck.readable().unwrap().remove(0);
    let pending = entry.pending.as_mut().unwrap();
    pending.steps[0].hunks[0].old = "something else\n".into();
    stuck.save(&entry).unwrap();
    stuck.disk.put("/tree/other.rs", b"x\n");
    let applied = stuck.apply(vec![change("/tree/other.rs", "x\n", "y\n")], "").unwrap().unwrap();
    assert!(matches!(applied.recovered[0].outcome, Outcome::Waiting(_)));
    assert!(matches!(stuck.apply(changes(1), ""), Err(ApplyError::Changed { .. } | ApplyError::Stuck { .. })));
    assert!(stuck.disk.read(Path::new("/tree/a.rs")).is_ok());
}
