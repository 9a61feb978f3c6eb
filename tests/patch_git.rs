//! Editing and staging in real repositories, checked with the real `git`.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use dcode::document::Document;
use dcode::patch::FileChange;
use dcode::patch::GitError;
use dcode::patch::Journal;
use dcode::patch::Target;
use dcode::patch::TargetError;
use dcode::patch::WorkTree;
use dcode::patch::hunk;

/// A repository in a directory of its own, and a journal outside of it.
struct Repo {
    _temp: tempfile::TempDir,
    root: PathBuf,
    journal: Journal,
}

fn git_in(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@a"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@a"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Repo {
    fn new() -> Repo {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap().join("repo");
        std::fs::create_dir(&root).unwrap();
        git_in(&root, &["init", "-q"]);
        let journal = Journal::open(&temp.path().join("state")).unwrap();
        Repo { _temp: temp, root, journal }
    }

    fn git(&self, args: &[&str]) -> String {
        git_in(&self.root, args)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.root.join(name)).unwrap()
    }

    fn commit(&self, name: &str, text: &str) {
        self.write(name, text);
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    /// Replaces `from` by `to` in a file and stages exactly that.
    fn edit(&self, name: &str, from: &str, to: &str) -> Result<(), GitError> {
        let path = self.root.join(name);
        let tree = WorkTree::discover(&path).unwrap().unwrap();
        let target = Target::resolve(&path, Some(tree.root())).unwrap();
        let document = Document::read(&path).unwrap();
        let at = document.text().find(from).unwrap();
        let hunks = hunk::of_spans(&document, &[((at..at + from.len()).into(), to)]).unwrap();
        let relative = target.relative().to_path_buf();
        let staging = tree.stage(&relative, &document, &hunks)?;
        self.journal.apply(vec![FileChange { target, document, hunks }], "").unwrap();
        staging.commit()
    }

    fn staged(&self, name: &str) -> String {
        self.git(&["show", &format!(":{name}")])
    }
}

const TEXT: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";

#[test]
fn stages_exactly_the_applied_hunks_of_a_partially_staged_file() {
    let repo = Repo::new();
    repo.commit("f", TEXT);
    repo.write("f", &TEXT.replace("1\n2\n", "1\nstaged\n"));
    repo.git(&["add", "f"]);
    // Not staged, and before the edited line, so that all offsets differ.
    repo.write("f", &format!("unstaged\n{}", TEXT.replace("1\n2\n", "1\nstaged\n")));
    repo.edit("f", "9\n", "nine\n").unwrap();
    let staged = TEXT.replace("1\n2\n", "1\nstaged\n").replace("9\n", "nine\n");
    assert_eq!(repo.staged("f"), staged);
    assert_eq!(repo.read("f"), format!("unstaged\n{staged}"));
    assert_eq!(repo.git(&["diff", "--numstat"]), "1\t0\tf\n");
    assert_eq!(repo.git(&["status", "--porcelain"]), "MM f\n");
    repo.git(&["fsck", "--strict"]);
}

#[test]
fn refuses_when_the_staged_lines_differ() {
    let repo = Repo::new();
    repo.commit("f", TEXT);
    repo.write("f", &TEXT.replace("9\n", "neuf\n"));
    assert!(matches!(repo.edit("f", "neuf\n", "nine\n"), Err(GitError::Staged { .. })));
    assert_eq!(repo.read("f"), TEXT.replace("9\n", "neuf\n"), "refused before the write");
}

#[test]
fn line_ending_conversion_stages_what_git_add_would() {
    for (config, text) in
        [("true", "1\r\n2\r\n3\r\n"), ("input", "1\n2\n3\n"), ("input", "1\r\n2\r\n3\r\n"), ("false", "1\r\n2\r\n")]
    {
        let repo = Repo::new();
        repo.git(&["config", "core.autocrlf", config]);
        repo.git(&["config", "core.safecrlf", "false"]);
        repo.commit("f", text);
        let eol = if text.contains('\r') { "\r\n" } else { "\n" };
        repo.edit("f", &format!("2{eol}"), &format!("two{eol}more{eol}")).unwrap();
        assert_eq!(repo.read("f"), text.replace('2', &format!("two{eol}more")));
        assert_eq!(repo.git(&["diff", "--stat"]), "", "{config} {text:?}: nothing is left unstaged");
        let ours = repo.staged("f");
        repo.git(&["add", "f"]);
        assert_eq!(repo.staged("f"), ours, "{config} {text:?}");
    }
}

#[test]
fn a_filtered_path_is_edited_but_never_staged() {
    let repo = Repo::new();
    repo.write(".gitattributes", "*.bin filter=lfs\n*.id ident\n");
    repo.commit("big.bin", TEXT);
    assert!(matches!(repo.edit("big.bin", "2\n", "two\n"), Err(GitError::Filter { filter, .. }) if filter == "lfs"));
    assert_eq!(repo.read("big.bin"), TEXT);
    repo.commit("x.id", "1\n$Id$\n");
    repo.git(&["rm", "-q", "--cached", "x.id"]);
    assert!(matches!(repo.edit("x.id", "1\n", "one\n"), Err(GitError::Untracked { .. })));
}

#[test]
fn unborn_untracked_ignored_and_executable() {
    let repo = Repo::new();
    repo.write("f", TEXT);
    assert!(matches!(repo.edit("f", "2\n", "two\n"), Err(GitError::Untracked { .. })));
    repo.git(&["add", "f"]);
    repo.git(&["update-index", "--chmod=+x", "f"]);
    repo.edit("f", "2\n", "two\n").unwrap();
    assert_eq!(repo.staged("f"), TEXT.replacen("2\n", "two\n", 1));
    assert!(repo.git(&["ls-files", "-s", "f"]).starts_with("100755"));
    repo.write(".gitignore", "ignored\n");
    repo.write("ignored", "x\n");
    let tree = WorkTree::discover(&repo.root).unwrap().unwrap();
    let status = tree.status(Path::new("ignored")).unwrap();
    assert!(status.ignored && !status.tracked);
    assert!(!tree.status(Path::new("none")).unwrap().tracked);
}

#[test]
fn conflicts_are_refused() {
    let repo = Repo::new();
    repo.commit("f", "base\n");
    repo.git(&["checkout", "-q", "-b", "other"]);
    repo.commit("f", "other\n");
    repo.git(&["checkout", "-q", "-"]);
    repo.commit("f", "main\n");
    let merge = Command::new("git").args(["merge", "-q", "other"]).current_dir(&repo.root).output().unwrap();
    assert!(!merge.status.success());
    let tree = WorkTree::discover(&repo.root).unwrap().unwrap();
    assert!(matches!(tree.refuse_conflict(Path::new("f")), Err(GitError::Conflict { .. })));
    assert!(matches!(repo.edit("f", "main\n", "x\n"), Err(GitError::Conflict { .. })));
}

#[test]
fn a_locked_index_is_refused_before_the_write() {
    let repo = Repo::new();
    repo.commit("f", TEXT);
    repo.write(".git/index.lock", "");
    assert!(matches!(repo.edit("f", "2\n", "two\n"), Err(GitError::Locked { .. })));
    assert_eq!(repo.read("f"), TEXT);
}

#[test]
fn worktrees_submodules_and_bare_repositories() {
    let repo = Repo::new();
    repo.commit("f", TEXT);
    repo.git(&["worktree", "add", "-q", "../linked"]);
    let linked = Repo { root: repo.root.parent().unwrap().join("linked"), ..repo };
    linked.edit("f", "2\n", "two\n").unwrap();
    assert_eq!(linked.git(&["status", "--porcelain"]), "M  f\n");
    let main = linked.root.parent().unwrap().join("repo");
    assert_eq!(git_in(&main, &["status", "--porcelain"]), "");

    git_in(&main, &["submodule", "add", "-q", "./", "sub"]);
    let tree = WorkTree::discover(&main).unwrap().unwrap();
    assert!(matches!(Target::resolve(&main.join("sub/f"), Some(tree.root())), Err(TargetError::Submodule { .. })));
    let inner = WorkTree::discover(&main.join("sub/f")).unwrap().unwrap();
    assert_eq!(inner.root(), main.join("sub"));

    let bare = main.parent().unwrap().join("bare.git");
    git_in(&main, &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    assert!(matches!(WorkTree::discover(&bare.join("config")), Err(GitError::Bare { .. })));
    assert!(WorkTree::discover(Path::new("/proc/self/status")).unwrap().is_none());
}

#[test]
fn undo_leaves_what_is_staged_alone() {
    let repo = Repo::new();
    repo.commit("f", TEXT);
    repo.edit("f", "2\n", "two\n").unwrap();
    repo.journal.undo(None, Some(&repo.root)).unwrap();
    assert_eq!(repo.read("f"), TEXT);
    assert_eq!(repo.git(&["status", "--porcelain"]), "MM f\n");
}
