//! The write on the real file system: modes, owners, attributes, faults, and several processes at once.

use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use dcode::document::Document;
use dcode::patch::ApplyError;
use dcode::patch::FileChange;
use dcode::patch::Journal;
use dcode::patch::JournalError;
use dcode::patch::Target;
use dcode::patch::hunk;
use proptest::prelude::*;

struct Place {
    _temp: tempfile::TempDir,
    tree: PathBuf,
    state: PathBuf,
}

fn place() -> Place {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().canonicalize().unwrap();
    std::fs::create_dir(base.join("tree")).unwrap();
    Place { tree: base.join("tree"), state: base.join("state"), _temp: temp }
}

fn change(path: &Path, root: &Path, new: &str) -> FileChange {
    let document = Document::read(path).unwrap();
    let hunks = hunk::of_spans(&document, &[(document.whole(), new)]).unwrap();
    FileChange { target: Target::resolve(path, Some(root)).unwrap(), document, hunks }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn mode_link_and_name_survive() {
    let place = place();
    let file = place.tree.join("f.rs");
    let journal = Journal::open(&place.state).unwrap();
    for mode in [0o600, 0o644, 0o755, 0o4755] {
        std::fs::write(&file, "old\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let owner = std::fs::metadata(&file).map(|m| (m.uid(), m.gid())).unwrap();
        journal.apply(vec![change(&file, &place.tree, "new\n")], "").unwrap();
        let metadata = std::fs::metadata(&file).unwrap();
        assert_eq!(metadata.mode() & 0o7777, mode);
        assert_eq!((metadata.uid(), metadata.gid()), owner);
    }
    std::os::unix::fs::symlink("f.rs", place.tree.join("link.rs")).unwrap();
    journal.apply(vec![change(&place.tree.join("link.rs"), &place.tree, "by link\n")], "").unwrap();
    assert!(place.tree.join("link.rs").is_symlink());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "by link\n");
    assert_eq!(names(&place.tree), ["f.rs", "link.rs"]);
    // What the journal keeps is for this user alone.
    assert_eq!(std::fs::metadata(&place.state).unwrap().mode() & 0o777, 0o700);
    for name in names(&place.state).into_iter().filter(|name| name.ends_with(".json")) {
        assert_eq!(std::fs::metadata(place.state.join(name)).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_owner_survives_when_root_edits() {
    let place = place();
    let file = place.tree.join("f.rs");
    std::fs::write(&file, "old\n").unwrap();
    if std::os::unix::fs::chown(&file, Some(12345), Some(12345)).is_err() {
        eprintln!("skipped: giving a file away needs root");
        return;
    }
    let journal = Journal::open(&place.state).unwrap();
    journal.apply(vec![change(&file, &place.tree, "new\n")], "").unwrap();
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (12345, 12345));
}

/// A parent directory that becomes a symbolic link out of the tree after the checks.
#[test]
fn a_swapped_directory_leads_nowhere() {
    let place = place();
    let outside = place.tree.with_file_name("outside");
    for dir in [&place.tree.join("dir"), &outside] {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join("f.rs"), "same\n").unwrap();
    }
    let change = change(&place.tree.join("dir/f.rs"), &place.tree, "new\n");
    std::fs::rename(place.tree.join("dir"), place.tree.join("old")).unwrap();
    std::os::unix::fs::symlink(&outside, place.tree.join("dir")).unwrap();
    Journal::open(&place.state).unwrap().apply(vec![change], "").unwrap_err();
    assert_eq!(std::fs::read_to_string(outside.join("f.rs")).unwrap(), "same\n");
    assert_eq!(names(&outside), ["f.rs"]);
}

#[test]
fn a_file_that_vanished_or_changed_is_refused() {
    let place = place();
    let journal = Journal::open(&place.state).unwrap();
    let (a, b) = (place.tree.join("a.rs"), place.tree.join("b.rs"));
    for path in [&a, &b] {
        std::fs::write(path, "old\n").unwrap();
    }
    let changes = vec![change(&a, &place.tree, "new\n"), change(&b, &place.tree, "new\n")];
    std::fs::write(&b, "by hand\n").unwrap();
    assert!(matches!(journal.apply(changes.clone(), ""), Err(ApplyError::Changed { path }) if path == b));
    std::fs::remove_file(&b).unwrap();
    assert!(matches!(journal.apply(changes, ""), Err(ApplyError::Target(_))));
    assert_eq!(std::fs::read_to_string(&a).unwrap(), "old\n");
    assert_eq!(names(&place.tree), ["a.rs"]);
}

/// Eight writers at once, each with its own handle, count up in one file. A refused edit is tried again on the new content; no
/// count may be lost.
#[test]
fn writers_at_once_lose_nothing() {
    let place = place();
    let file = place.tree.join("count");
    std::fs::write(&file, "0\n").unwrap();
    const EACH: usize = 10;
    let refused: usize = std::thread::scope(|scope| {
        let writer = || {
            let journal = Journal::open(&place.state).unwrap();
            let (mut done, mut refused) = (0, 0);
            while done < EACH {
                let document = Document::read(&file).unwrap();
                let count: usize = document.text().trim().parse().unwrap();
                let hunks = hunk::of_spans(&document, &[(document.whole(), &format!("{}\n", count + 1))]).unwrap();
                let target = Target::resolve(&file, Some(&place.tree)).unwrap();
                match journal.apply(vec![FileChange { target, document, hunks }], "") {
                    Ok(_) => done += 1,
                    // On a busy machine the others may hold the lock for longer than one waits.
                    Err(ApplyError::Changed { .. } | ApplyError::Journal(JournalError::Lock(_))) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            refused
        };
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(writer)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    eprintln!("8 writers, {} edits, {refused} refused and tried again", 8 * EACH);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", 8 * EACH));
    assert_eq!(names(&place.tree), ["count"]);
}

#[test]
fn a_full_disk_changes_nothing() {
    let place = place();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&place.tree)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    }
    let file = place.tree.join("f");
    let result = std::panic::catch_unwind(|| {
        std::fs::write(&file, "old\n").unwrap();
        let journal = Journal::open(&place.state).unwrap();
        let error = journal.apply(vec![change(&file, &place.tree, &"x".repeat(100_000))], "").unwrap_err();
        assert!(matches!(&error, ApplyError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old\n");
        assert_eq!(names(&place.tree), ["f"]);
        assert!(journal.entries().unwrap().is_empty());
        // The same with a file system that became read-only.
        let change = change(&file, &place.tree, "new\n");
        let remount = ["-o", "remount,ro"];
        assert!(std::process::Command::new("mount").args(remount).arg(&place.tree).status().unwrap().success());
        let error = journal.apply(vec![change], "").unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old\n", "{error}");
    });
    let _ = std::process::Command::new("umount").arg(&place.tree).status();
    result.unwrap();
}

fn line() -> impl Strategy<Value = String> {
    let content = prop_oneof![Just(""), Just("\tx"), Just("  y"), Just("日本🦀"), Just("e\u{301}"), Just("a\rb"), Just("same")];
    (content, prop_oneof![Just("\n"), Just("\r\n")]).prop_map(|(content, eol)| format!("{content}{eol}"))
}

fn text() -> impl Strategy<Value = String> {
    let lines = prop::collection::vec(line(), 0..12);
    (prop::bool::ANY, lines, prop_oneof![Just(""), Just("last"), Just("\u{e9}\r")])
        .prop_map(|(bom, lines, last)| format!("{}{}{last}", if bom { "\u{feff}" } else { "" }, lines.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random documents, spans, candidates and choices of hunks, and edits elsewhere in between.
    #[test]
    fn only_the_span_changes_and_undo_brings_it_back(
        text in text(),
        ends in prop::array::uniform4(0usize..14),
        candidates in prop::array::uniform2(prop::collection::vec(line(), 0..6)),
        choice in prop::collection::vec(prop::bool::ANY, 16),
        edit_before in prop::bool::ANY,
    ) {
        let place = place();
        let file = place.tree.join("f");
        std::fs::write(&file, &text).unwrap();
        let document = Document::read(&file).unwrap();
        let count = document.lines().count();
        let mut ends = ends.map(|end| end % count.max(1));
        ends.sort_unstable();
        let mut spans = Vec::new();
        if count > 0 {
            spans.extend(document.line_span(ends[0] + 1, ends[1] + 1));
            if ends[2] > ends[1] {
                spans.extend(document.line_span(ends[2] + 1, ends[3] + 1));
            }
        }
        let fitted: Vec<String> = spans.iter().zip(&candidates)
            .map(|(span, lines)| document.fit(*span, &lines.concat().replace("\r\n", "\n")).into_owned()).collect();
        let changes: Vec<_> = spans.iter().copied().zip(fitted.iter().map(String::as_str)).collect();
        let all = hunk::of_spans(&document, &changes).unwrap();

        // Accepting all gives the candidate, rejecting all the original.
        let mut expected = String::new();
        let mut kept = 0;
        for (span, new) in &changes {
            expected.push_str(&text[kept..span.start]);
            expected.push_str(new);
            kept = span.end;
        }
        expected.push_str(&text[kept..]);
        prop_assert_eq!(String::from_utf8(hunk::apply(&document, &all).unwrap()).unwrap(), expected);
        prop_assert_eq!(hunk::apply(&document, &[]).unwrap(), text.as_bytes());

        let chosen: Vec<_> = all.into_iter().zip(choice).filter(|(_, take)| *take).map(|(hunk, _)| hunk).collect();
        let journal = Journal::open(&place.state).unwrap();
        let target = Target::resolve(&file, Some(&place.tree)).unwrap();
        let applied = journal.apply(vec![FileChange { target, document, hunks: chosen.clone() }], "").unwrap();
        prop_assert_eq!(applied.is_some(), !chosen.is_empty());
        if applied.is_none() {
            prop_assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
            return Ok(());
        }
        let new = std::fs::read_to_string(&file).unwrap();
        if edit_before {
            // Behind everything: the start of the file is as it was, so the place of each hunk is certain.
            std::fs::write(&file, format!("{new}// mine")).unwrap();
        }
        let mine = if edit_before { "// mine" } else { "" };
        // Text added to a last line without an ending is part of a line the hunk may have changed; it is never lost.
        journal.undo(None, None).unwrap();
        prop_assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{text}{mine}"));
        journal.redo(None, None).unwrap();
        prop_assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{new}{mine}"));
    }
}
