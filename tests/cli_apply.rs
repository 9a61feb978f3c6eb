//! `dcode apply`, as a user runs it, with plans that the library made: no model is needed.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use dcode::document::Document;
use dcode::document::Span;
use dcode::document::Spans;
use dcode::patch::Plan;
use dcode::patch::plan::PLAN_VERSION;
use dcode::patch::plan::PlanCandidate;
use dcode::patch::plan::PlanFile;
use tempfile::TempDir;

const OLD: &str = "head\na\nb\nc\nd\nmiddle\ne\ntail\n";
const NEW: &str = "head\na\nB\nc\nD\nmiddle\nE\ntail\n";

/// A folder with a file in it, which may be a repository, and a home beside it.
struct Place {
    _temp: TempDir,
    folder: PathBuf,
    home: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("work")).unwrap();
        let place = Self { folder: base.join("work"), home: base.join("home"), _temp: temp };
        place.write("f.rs", OLD);
        place
    }

    /// In a repository whose last commit holds the file.
    fn in_git() -> Self {
        let place = Self::new();
        place.git(&["init", "-q"]);
        place.git(&["add", "f.rs"]);
        place.git(&["commit", "-q", "-m", "first"]);
        place
    }

    fn git(&self, arguments: &[&str]) -> Output {
        let output = self
            .command("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@a", "-c", "core.autocrlf=false"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success() || arguments[0] == "merge", "git {arguments:?}: {output:?}");
        output
    }

    /// A program in the folder that sees no settings of the machine.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("HOME", &self.home).env("XDG_CONFIG_HOME", &self.home);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.folder.join("f.rs")).unwrap()
    }

    /// A plan for the lines `a` to `d` and `e` of the file, with one candidate for each pair of texts, saved as `plan.json`.
    fn plan(&self, candidates: &[[&str; 2]]) -> Plan {
        let document = Document::read(&self.folder.join("f.rs")).unwrap();
        let first = document.text().lines().position(|line| line == "a").unwrap() + 1;
        let lines = [(first, first + 3), (first + 5, first + 5)];
        let spans: Vec<Span> = lines.iter().map(|&(a, b)| document.line_span(a, b).unwrap()).collect();
        let files = vec![PlanFile::new("f.rs".into(), &document, &Spans::new(&document, spans).unwrap())];
        let candidate = |texts: &[&str; 2]| {
            let texts = vec![texts.iter().map(|text| (*text).to_owned()).collect()];
            PlanCandidate::new(&[&document], &files, texts).unwrap()
        };
        let candidates = candidates.iter().map(candidate).collect();
        let plan = Plan { version: PLAN_VERSION, instruction: Some("capitals".into()), files, candidates };
        self.save(&plan);
        plan
    }

    fn save(&self, plan: &Plan) {
        std::fs::write(self.home.with_file_name("plan.json"), plan.to_json().unwrap()).unwrap();
    }

    fn dcode(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_dcode")).env("DCODE_HOME", &self.home).args(arguments).output().unwrap()
    }

    /// Runs `dcode apply` on the plan.
    fn apply(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.dcode(&[&["apply", "../plan.json"], arguments].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked") && !stderr.contains("internal fault"), "{stderr}");
        (output.status.code(), stdout, stderr)
    }

    /// Runs `dcode apply`, which must refuse with one line and leave the file as it is.
    fn refuses(&self, arguments: &[&str], exit: i32, says: &str) {
        let before = self.read();
        let (code, stdout, stderr) = self.apply(arguments);
        assert_eq!(code, Some(exit), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says) && stderr.lines().count() == 1 && stdout.is_empty(), "{arguments:?}: {stdout}{stderr}");
        assert_eq!(self.read(), before);
    }
}

const CAPITALS: [&str; 2] = ["a\nB\nc\nD\n", "E\n"];

#[test]
fn a_plan_is_looked_at_applied_and_undone() {
    for place in [Place::new(), Place::in_git()] {
        place.plan(&[CAPITALS]);
        let (code, stdout, stderr) = place.apply(&["--check"]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let (code, diff, _) = place.apply(&["--dry-run"]);
        assert_eq!(code, Some(0));
        assert_eq!(place.read(), OLD);
        let (code, _, stderr) = place.apply(&[]);
        assert!(code == Some(0) && stderr.contains("3 hunks written to "), "{stderr}");
        assert_eq!(place.read(), NEW);
        assert!(String::from_utf8(place.dcode(&["log"]).stdout).unwrap().contains("capitals"));
        assert_eq!(place.dcode(&["undo"]).status.code(), Some(0));
        assert_eq!(place.read(), OLD);
        std::fs::write(place.home.with_file_name("diff"), diff).unwrap();
        place.git(&["apply", "../diff"]);
        assert_eq!(place.read(), NEW, "git takes the same diff");
        // Once more: all of it is there.
        let (code, _, stderr) = place.apply(&[]);
        assert!(code == Some(0) && stderr.contains("the plan changes nothing"), "{stderr}");
        assert_eq!(place.read(), NEW);
    }
}

#[test]
fn a_plan_without_changes_passes_the_check() {
    let place = Place::new();
    place.plan(&[["a\nb\nc\nd\n", "e\n"]]);
    assert_eq!(place.apply(&["--check"]).0, Some(0));
    assert_eq!(place.apply(&[]).0, Some(0));
    assert_eq!(place.read(), OLD);
}

#[test]
fn hunks_and_candidates_are_chosen_by_number() {
    let place = Place::new();
    place.plan(&[CAPITALS, ["a\nb\nc\n", "e\n"]]);
    place.refuses(&["--hunk", "4"], 2, "the plan has no hunk 4; it has 3");
    place.refuses(&["--hunk", "0"], 2, "the plan has no hunk 0");
    place.refuses(&["--candidate", "3"], 2, "the plan has no candidate 3; it has 2");
    assert_eq!(place.apply(&["--hunk", "1", "--hunk", "3"]).0, Some(0));
    assert_eq!(place.read(), OLD.replace("b\n", "B\n").replace("\ne\n", "\nE\n"));
    place.write("f.rs", OLD);
    assert_eq!(place.apply(&["--candidate", "2"]).0, Some(0));
    assert_eq!(place.read(), OLD.replace("d\nmiddle", "middle"));
}

#[test]
fn the_rest_of_a_plan_can_be_applied_later() {
    let place = Place::in_git();
    place.plan(&[CAPITALS]);
    assert_eq!(place.apply(&["--hunk", "2", "--index"]).0, Some(0));
    assert_eq!(place.read(), OLD.replace("\nd\n", "\nD\n"));
    assert_eq!(place.apply(&["--hunk", "2", "--check"]).0, Some(0), "it is there already");
    assert_eq!(place.apply(&["--check"]).0, Some(1));
    assert_eq!(place.apply(&["--index"]).0, Some(0));
    assert_eq!((place.read().as_str(), String::from_utf8(place.git(&["show", ":f.rs"]).stdout).unwrap().as_str()), (NEW, NEW));
    assert_eq!(place.dcode(&["undo"]).status.code(), Some(0));
    assert_eq!(place.read(), OLD.replace("\nd\n", "\nD\n"), "each step is undone by itself");
}

#[test]
fn a_plan_follows_its_spans_and_refuses_when_they_changed() {
    let place = Place::new();
    place.plan(&[CAPITALS]);
    place.write("f.rs", &format!("// new\n{}// end\n", OLD.replace("middle", "MIDDLE\nmore")));
    place.refuses(&["--check"], 4, "make the plan again");
    place.write("f.rs", &format!("// new\n// lines\n{OLD}// end\n"));
    assert_eq!(place.apply(&["--check"]).0, Some(1));
    assert_eq!(place.apply(&[]).0, Some(0));
    assert_eq!(place.read(), format!("// new\n// lines\n{NEW}// end\n"));
    place.write("f.rs", &OLD.replace("c\n", "see\n"));
    place.refuses(&[], 4, "f.rs: the lines of the plan cannot be found");
    std::fs::remove_file(place.folder.join("f.rs")).unwrap();
    let (code, _, stderr) = place.apply(&[]);
    assert!(code == Some(4) && stderr.contains("no such file"), "{stderr}");
}

#[test]
fn what_is_no_plan_or_leads_elsewhere_is_refused() {
    let place = Place::new();
    let plan = place.plan(&[CAPITALS]);
    place.write("../outside.rs", OLD);
    for path in ["../outside.rs", "/etc/passwd", ".git/config"] {
        std::fs::create_dir_all(place.folder.join(".git")).unwrap();
        place.write(".git/config", OLD);
        let mut forged = plan.clone();
        forged.files[0].path = path.into();
        place.save(&forged);
        place.refuses(&[], 4, path);
    }
    assert_eq!(std::fs::read_to_string(place.folder.join("../outside.rs")).unwrap(), OLD);
    for (text, says) in [("{\"version\":9}", "version 9"), ("no plan", "not a plan"), ("{\"version\":1}", "not a plan")] {
        std::fs::write(place.home.with_file_name("plan.json"), text).unwrap();
        place.refuses(&[], 2, says);
    }
    std::fs::remove_file(place.home.with_file_name("plan.json")).unwrap();
    place.refuses(&[], 2, "plan.json");
}

#[test]
fn hidden_characters_and_broken_syntax_need_a_word() {
    let place = Place::new();
    let mut plan = place.plan(&[["a\nb\nnew\nc\u{202e}\nd\n", "e\n"]]);
    for arguments in [&[][..], &["--check"], &["--dry-run"]] {
        place.refuses(arguments, 4, "line 5 of the new text has the directional character U+202E");
    }
    assert_eq!(place.apply(&["--check", "--allow-bidi"]).0, Some(1));
    plan.candidates[0].syntax = Some("broken".into());
    place.save(&plan);
    place.refuses(&["--allow-bidi"], 3, "--candidate 1");
    assert_eq!(place.apply(&["--allow-bidi", "--candidate", "1"]).0, Some(0));
    assert!(place.read().contains('\u{202e}'));
}

#[test]
fn the_index_gets_exactly_the_applied_hunks() {
    let place = Place::new();
    place.plan(&[CAPITALS]);
    place.refuses(&["--index"], 2, "--index needs a git work tree");
    place.git(&["init", "-q"]);
    place.refuses(&["--index"], 4, "not tracked by git");

    let place = Place::in_git();
    place.write("f.rs", &format!("unstaged\n{OLD}"));
    place.plan(&[CAPITALS]);
    assert_eq!(place.apply(&["--index", "--hunk", "3"]).0, Some(0));
    assert_eq!(place.read(), format!("unstaged\n{}", OLD.replace("\ne\n", "\nE\n")));
    assert_eq!(String::from_utf8(place.git(&["show", ":f.rs"]).stdout).unwrap(), OLD.replace("\ne\n", "\nE\n"));
    // Without the flag nothing is staged.
    place.plan(&[CAPITALS]);
    assert_eq!(place.apply(&["--hunk", "1"]).0, Some(0));
    assert!(place.read().contains("B\n"));
    assert!(!String::from_utf8(place.git(&["show", ":f.rs"]).stdout).unwrap().contains("B\n"));
}

#[test]
fn a_file_in_a_merge_is_refused() {
    let place = Place::in_git();
    place.git(&["checkout", "-q", "-b", "other"]);
    place.write("f.rs", &OLD.replace("head", "other"));
    place.git(&["commit", "-q", "-a", "-m", "other"]);
    place.git(&["checkout", "-q", "-"]);
    place.write("f.rs", &OLD.replace("head", "ours"));
    place.git(&["commit", "-q", "-a", "-m", "ours"]);
    place.git(&["merge", "-q", "other"]);
    assert!(place.read().contains("<<<<<<<"));
    place.plan(&[["x\n", "y\n"]]);
    place.refuses(&[], 4, "unresolved merge conflicts");
    let output = place.dcode(&["edit", "f.rs", "--range", "2:2"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains("unresolved merge conflicts"));
}

#[test]
fn a_repository_of_another_user_is_named_with_what_to_do() {
    let place = Place::in_git();
    place.plan(&[CAPITALS]);
    let give = |path: &Path| std::os::unix::fs::chown(path, Some(12345), Some(12345));
    if give(&place.folder.join(".git")).and_then(|()| give(&place.folder)).is_err() {
        eprintln!("skipped: giving a folder away needs root");
        return;
    }
    let says = format!("safe.directory {}", place.folder.display());
    place.refuses(&[], 4, &says);
    std::fs::create_dir(place.folder.join("deep")).unwrap();
    std::fs::write(place.folder.join("deep/g.rs"), "a\n").unwrap();
    let output = place.dcode(&["edit", "deep/g.rs", "--range", "1:1"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&says));
}

#[test]
fn colours_are_for_people() {
    let place = Place::new();
    place.plan(&[CAPITALS]);
    let (_, exact, _) = place.apply(&["--dry-run"]);
    assert!(exact.starts_with("diff --git a/f.rs b/f.rs\n") && !exact.contains('\u{1b}'), "{exact}");
    let (_, never, _) = place.apply(&["--dry-run", "--color", "never"]);
    assert_eq!(exact, never);
    let (_, always, _) = place.apply(&["--dry-run", "--color", "always"]);
    assert!(always.contains("\u{1b}[31") && always.contains("\u{1b}[32") && !always.contains("diff --git"), "{always:?}");
    // What the file holds does not act on the terminal of the person who looks.
    place.write("f.rs", &OLD.replace("c\n", "c\u{1b}[2J\u{202e}\n"));
    place.plan(&[["a\nB\nc\u{1b}[2J\u{202e}\nd\n", "e\n"]]);
    let (code, shown, stderr) = place.apply(&["--dry-run", "--color", "always"]);
    assert!(code == Some(0) && shown.contains("␛[2J\\u{202e}"), "{shown:?}{stderr}");
    assert!(!shown.contains("\u{1b}[2J") && !shown.contains('\u{202e}'), "{shown:?}");
}

#[test]
fn a_plan_may_come_from_standard_input() {
    use std::io::Write;
    let place = Place::new();
    let plan = place.plan(&[CAPITALS]);
    let mut command = place.command(env!("CARGO_BIN_EXE_dcode"));
    let mut child =
        command.env("DCODE_HOME", &place.home).args(["apply", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_json().unwrap().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(place.read(), NEW);
}
