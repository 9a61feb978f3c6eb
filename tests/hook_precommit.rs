//! The manifest under the real pre-commit framework. Skipped, with a word, where `pre-commit` is not installed; CI installs it.

use std::path::PathBuf;
use std::process::Output;

use crate::hook_git::Repo;
use crate::hook_git::text;

const LONG: &str = "def f(x, y):\n    return not x in y\n";
const SHORT: &str = "def f(x, y):\n    return x not in y\n";

/// A repository with the hooks of the manifest `ids`, installed into git by the framework.
struct Framed {
    repo: Repo,
    _manifest: Repo,
    program: PathBuf,
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("DCODE_PRE_COMMIT").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found =
        named.or_else(|| std::env::split_paths(&paths).map(|folder| folder.join("pre-commit")).find(|path| path.is_file()));
    if found.is_none() {
        eprintln!("skipped: pre-commit is not installed (`pip install pre-commit`, or name it in DCODE_PRE_COMMIT)");
    }
    found
}

impl Framed {
    fn new(ids: &[&str]) -> Option<Framed> {
        let program = program()?;
        let manifest = Repo::new();
        manifest.commit(".pre-commit-hooks.yaml", include_str!("../.pre-commit-hooks.yaml"));
        let revision = manifest.git(&["rev-parse", "HEAD"]);
        let repo = Repo::new();
        let hooks: String = ids.iter().map(|id| format!("      - id: {id}\n        verbose: true\n")).collect();
        let config = format!("repos:\n  - repo: {}\n    rev: {}    hooks:\n{hooks}", manifest.root.display(), revision);
        repo.commit(".pre-commit-config.yaml", &config);
        let framed = Framed { repo, _manifest: manifest, program };
        let installed = framed.run(&["install"]);
        assert!(installed.status.success(), "{}", text(&installed.stdout));
        Some(framed)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.repo.command(self.program.to_str().unwrap());
        command.env("PRE_COMMIT_HOME", self.repo.home.join("pre-commit")).args(arguments).output().unwrap()
    }

    /// A commit of what is staged: whether it was made, and what was printed.
    fn commit(&self) -> (bool, String) {
        let mut command = self.repo.command("git");
        let output =
            command.env("PRE_COMMIT_HOME", self.repo.home.join("pre-commit")).args(["commit", "-m", "x"]).output().unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }
}

#[test]
fn the_manifest_is_valid() {
    let Some(program) = program() else { return };
    let repo = Repo::new();
    repo.write("m.yaml", include_str!("../.pre-commit-hooks.yaml"));
    let output = repo.command(program.to_str().unwrap()).args(["validate-manifest", "m.yaml"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}

#[test]
fn check_stops_a_commit_and_changes_nothing() {
    let Some(framed) = Framed::new(&["dcode-system"]) else { return };
    framed.repo.stage("a.py", LONG);
    let (made, out) = framed.commit();
    assert!(!made && out.contains("a.py:2:12 not-in"), "{out}");
    assert_eq!(framed.repo.read("a.py"), LONG);
    let skipped = framed.repo.command("git").env("SKIP", "dcode-system").args(["commit", "-q", "-m", "x"]).output().unwrap();
    assert!(skipped.status.success());
}

#[test]
fn fix_changes_the_file_and_leaves_the_index_to_the_user() {
    let Some(framed) = Framed::new(&["dcode-fix-system"]) else { return };
    framed.repo.stage("a.py", LONG);
    let (made, out) = framed.commit();
    assert!(!made && out.contains("files were modified by this hook"), "{out}");
    assert_eq!(framed.repo.read("a.py"), SHORT);
    assert_eq!(framed.repo.git(&["show", ":a.py"]), LONG);
    framed.repo.git(&["add", "a.py"]);
    let (made, out) = framed.commit();
    assert!(made, "{out}");
    assert_eq!(framed.repo.git(&["show", "HEAD:a.py"]), SHORT);
}

#[test]
fn unstaged_changes_survive_the_fix() {
    let Some(framed) = Framed::new(&["dcode-fix-system"]) else { return };
    let head = "import os\n\n\n";
    framed.repo.commit("a.py", &format!("{head}def g():\n    return os\n\n\n"));
    framed.repo.stage("a.py", &format!("{head}def g():\n    return os\n\n\n{LONG}"));
    // Not staged, at the head of the file; the framework puts it away and back again.
    framed.repo.write("a.py", &format!("# note\n{head}def g():\n    return os\n\n\n{LONG}"));
    let (made, out) = framed.commit();
    assert!(!made && !out.contains("Rolling back fixes"), "{out}");
    assert_eq!(framed.repo.read("a.py"), format!("# note\n{head}def g():\n    return os\n\n\n{SHORT}"));
}

#[test]
fn many_files_are_one_run() {
    let Some(framed) = Framed::new(&["dcode-system"]) else { return };
    for number in 0..40 {
        framed.repo.stage(&format!("f{number}.py"), LONG);
    }
    let (made, out) = framed.commit();
    assert!(!made, "{out}");
    assert_eq!(out.matches("not-in `x not in y` says it").count(), 40, "{out}");
    assert_eq!(out.matches("40 findings: 40 by template").count(), 1, "{out}");
}

#[test]
fn a_merge_looks_at_what_was_resolved() {
    let Some(framed) = Framed::new(&["dcode-system"]) else { return };
    let repo = &framed.repo;
    repo.commit("a.py", "x = 1\n");
    repo.git(&["checkout", "-q", "-b", "other"]);
    repo.commit("a.py", "x = 2\n");
    repo.commit("b.py", LONG);
    repo.git(&["checkout", "-q", "main"]);
    repo.commit("a.py", "x = 3\n");
    assert!(!repo.command("git").args(["merge", "-q", "other"]).output().unwrap().status.success());
    repo.stage("a.py", LONG);
    let (made, out) = framed.commit();
    assert!(!made && out.contains("a.py:2:12 not-in") && !out.contains("b.py"), "{out}");
    repo.stage("a.py", SHORT);
    let (made, out) = framed.commit();
    assert!(made, "{out}");
}
