//! `dcode undo`, `dcode redo` and `dcode log`, as a user runs them, over edits that the library wrote.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use dcode::document::Document;
use dcode::patch::FileChange;
use dcode::patch::Journal;
use dcode::patch::Target;
use dcode::patch::hunk;
use tempfile::TempDir;

/// A folder with files and a home of its own, which lies beside it.
struct Place {
    _temp: TempDir,
    folder: PathBuf,
    home: PathBuf,
}

const OLD: &str = "one\ntwo\nthree\nfour\nfive\n";
const NEW: &str = "one\nTWO\nthree\nfour\nFIVE\n";

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("work")).unwrap();
        Self { folder: base.join("work"), home: base.join("home"), _temp: temp }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// Makes the files from `OLD` to `NEW` in one edit.
    fn edit(&self, names: &[&str], note: &str) {
        let changes = names.iter().map(|name| {
            let document = Document::read(&self.write(name, OLD)).unwrap();
            let hunks = hunk::of_spans(&document, &[(document.whole(), NEW)]).unwrap();
            FileChange { target: Target::resolve(document.path(), None).unwrap(), document, hunks }
        });
        Journal::open(&self.home.join("journal")).unwrap().apply(changes.collect(), note).unwrap().unwrap();
    }

    fn dcode(&self, arguments: &[&str]) -> Output {
        self.dcode_in(&self.folder, arguments)
    }

    fn dcode_in(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        command.current_dir(folder).env("DCODE_HOME", &self.home).args(arguments).output().unwrap()
    }

    /// Runs dcode and gives what it said, on either output.
    fn says(&self, arguments: &[&str], exit: i32) -> String {
        let output = self.dcode(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        said
    }
}

#[test]
fn undo_and_redo_go_back_and_forth() {
    let place = Place::new();
    place.edit(&["a.rs", "b.rs"], "first");
    place.edit(&["c.rs"], "second");
    assert!(place.says(&["undo"], 0).contains("edit 2 undone: "));
    assert_eq!((place.read("a.rs"), place.read("c.rs")), (NEW.into(), OLD.into()));
    assert!(place.says(&["undo"], 0).contains("a.rs, "));
    assert_eq!((place.read("a.rs"), place.read("b.rs")), (OLD.into(), OLD.into()));
    assert!(place.says(&["undo"], 4).contains("nothing to undo here"));
    assert!(place.says(&["redo"], 0).contains("edit 1 applied again"));
    assert_eq!((place.read("b.rs"), place.read("c.rs")), (NEW.into(), OLD.into()));
    assert!(place.says(&["redo", "2"], 0).contains("edit 2 applied again"));
    assert_eq!(place.read("c.rs"), NEW);
    assert!(place.says(&["redo"], 4).contains("nothing to redo here"));
}

#[test]
fn undo_keeps_what_was_written_since_and_refuses_what_it_would_lose() {
    let place = Place::new();
    place.edit(&["a.rs"], "");
    place.write("a.rs", &format!("zero\n{NEW}six\n"));
    place.says(&["undo", "1"], 0);
    assert_eq!(place.read("a.rs"), format!("zero\n{OLD}six\n"));
    assert!(place.says(&["undo", "1"], 4).contains("edit 1 is undone already"));
    place.says(&["redo"], 0);

    let changed = place.read("a.rs").replace("TWO", "zwei");
    place.write("a.rs", &changed);
    let said = place.says(&["undo"], 4);
    assert!(said.contains("cannot undo edit 1") && said.lines().count() == 1, "{said}");
    assert_eq!(place.read("a.rs"), changed);
    assert!(place.says(&["undo", "7"], 2).contains("there is no edit 7"));
    std::fs::remove_file(place.folder.join("a.rs")).unwrap();
    assert!(place.says(&["undo"], 4).contains("no such file"));
}

#[test]
fn undo_without_a_number_stays_in_this_folder() {
    let place = Place::new();
    place.edit(&["a.rs"], "");
    let elsewhere = tempfile::tempdir().unwrap();
    let output = place.dcode_in(elsewhere.path(), &["undo"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(place.read("a.rs"), NEW);
    assert_eq!(place.dcode_in(elsewhere.path(), &["undo", "1"]).status.code(), Some(0));
    assert_eq!(place.read("a.rs"), OLD);
}

#[test]
fn the_log_lists_the_latest_first_and_shows_no_escape() {
    let place = Place::new();
    assert_eq!(place.says(&["log"], 0), "");
    place.edit(&["a.rs", "b.rs"], "first");
    place.edit(&["c\u{1b}[2J.rs"], "with \u{1b}]0;title\u{7} and \u{202e}");
    place.says(&["undo", "1"], 0);
    let said = place.says(&["log"], 0);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(" 2 ") && lines[0].contains("applied") && lines[0].contains("+2 -2"), "{said}");
    assert!(lines[1].contains("undone") && lines[1].ends_with("first"), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");

    let json = place.says(&["log", "--json"], 0);
    assert!(!json.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{json:?}");
    let edits: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&edits[0]["id"], &edits[0]["state"]), (&2.into(), &"applied".into()));
    assert_eq!((&edits[1]["added"], &edits[1]["removed"]), (&4.into(), &4.into()));
    assert_eq!(edits[1]["files"][1]["path"], place.folder.join("b.rs").to_str().unwrap());
    assert!(edits[0]["note"].as_str().unwrap().ends_with("and \u{202e}"));
}

/// The name of a model in the environment, or a flag for all commands, is no word for the TUI.
#[test]
fn global_flags_and_the_environment_go_with_every_command() {
    let place = Place::new();
    for (variable, arguments) in [("x", &["log"][..]), ("", &["log", "--color", "never"]), ("x", &["log", "--color", "always"])] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        command.current_dir(&place.folder).env("DCODE_HOME", &place.home).args(arguments);
        if !variable.is_empty() {
            command.env("DCODE_MODEL", variable);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_damaged_entry_is_told_and_skipped() {
    let place = Place::new();
    place.edit(&["a.rs"], "kept");
    place.edit(&["b.rs"], "damaged");
    std::fs::write(place.home.join("journal/000002.json"), b"{\"version\":1,").unwrap();
    let said = place.says(&["log"], 0);
    assert!(said.contains("kept") && said.contains("000002.json") && !said.contains("panicked"), "{said}");
    place.says(&["undo"], 0);
    assert_eq!((place.read("a.rs"), place.read("b.rs")), (OLD.into(), NEW.into()));
}
