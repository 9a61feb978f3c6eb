//! `dcode hook` in real repositories, run as git runs it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

/// A repository, and a home for dcode beside it.
pub struct Repo {
    _temp: tempfile::TempDir,
    pub root: PathBuf,
    pub home: PathBuf,
}

/// Something for the recipe `len-zero` and something for `needless-return`.
const LONG: &str = "fn empty(v: &[u8]) -> bool {\n    v.len() == 0\n}\n";
const SHORT: &str = "fn empty(v: &[u8]) -> bool {\n    v.is_empty()\n}\n";
const RETURN: &str = "fn one(x: u8) -> u8 {\n    return x;\n}\n";

impl Repo {
    pub fn new() -> Repo {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        let (root, home) = (base.join("repo"), base.join("home"));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        let repo = Repo { _temp: temp, root, home };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// A command in the repository, away from the configuration of whoever runs the tests.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let dcode = Path::new(env!("CARGO_BIN_EXE_dcode")).parent().unwrap();
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([dcode.to_path_buf()].into_iter().chain(std::env::split_paths(&paths))).unwrap();
        command
            .current_dir(&self.root)
            .env("PATH", path)
            .env("HOME", &self.home)
            .env("DCODE_HOME", self.home.join("dcode"))
            .env("DCODE_DEVICE", "cpu")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env_remove("DCODE_SKIP")
            .env_remove("PRE_COMMIT")
            .envs([
                ("GIT_AUTHOR_NAME", "a"),
                ("GIT_AUTHOR_EMAIL", "a@a"),
                ("GIT_COMMITTER_NAME", "a"),
                ("GIT_COMMITTER_EMAIL", "a@a"),
            ]);
        command
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.command("git").args(["-c", "protocol.file.allow=always"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.root.join(name)).unwrap()
    }

    pub fn stage(&self, name: &str, content: &str) {
        self.write(name, content);
        self.git(&["add", name]);
    }

    pub fn commit(&self, name: &str, content: &str) {
        self.stage(name, content);
        self.git(&["commit", "-q", "--no-verify", "-m", "x"]);
    }

    pub fn dcode(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_dcode")).args(arguments).output().unwrap()
    }

    /// `dcode hook` without the model, and its exit code.
    fn hook(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.dcode(&[&["hook", "--no-model"], arguments].concat());
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn findings(&self) -> Vec<(String, u64, String)> {
        let (code, out, err) = self.hook(&["--json"]);
        assert_eq!(code, 0, "{err}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let field = |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap().to_owned();
        findings.iter().map(|each| (field(each, "path"), each["line"].as_u64().unwrap(), field(each, "recipe"))).collect()
    }

    fn staged(&self, name: &str) -> String {
        self.git(&["show", &format!(":{name}")])
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn finding(path: &str, line: u64, recipe: &str) -> (String, u64, String) {
    (path.to_owned(), line, recipe.to_owned())
}

#[test]
fn only_staged_lines_are_looked_at() {
    let repo = Repo::new();
    // Before the first commit everything is new.
    repo.stage("a.rs", &format!("{LONG}{RETURN}"));
    assert_eq!(repo.findings(), [finding("a.rs", 2, "len-zero"), finding("a.rs", 5, "needless-return")]);
    repo.git(&["commit", "-q", "--no-verify", "-m", "x"]);
    assert_eq!(repo.findings(), []);
    // A staged line beside one that was there before, and one that is not staged.
    repo.stage("a.rs", &format!("{LONG}{}", RETURN.replace("x;", "x ;")));
    repo.write("a.rs", &format!("{LONG}{}{LONG}", RETURN.replace("x;", "x ;")));
    assert_eq!(repo.findings(), [finding("a.rs", 5, "needless-return")]);
    let (code, out, _) = repo.hook(&["--check"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("a.rs:5:5 needless-return "), "{out}");
    assert!(out.contains("-    return x ;\n+    x\n"), "{out}");
    // Only the file that is named.
    assert_eq!(repo.hook(&["--check", "b.rs"]).0, 0);
    assert_eq!(repo.hook(&["--check", "a.rs"]).0, 1);
    assert_eq!(repo.hook(&["--check", "../elsewhere.rs"]).0, 2);
}

#[test]
fn a_fix_of_a_wholly_staged_file_is_written_and_staged() {
    let repo = Repo::new();
    repo.commit("a.rs", RETURN);
    repo.stage("a.rs", &format!("{RETURN}{LONG}"));
    let (code, _, err) = repo.hook(&["--fix", "--strict"]);
    assert_eq!(code, 0, "{err}");
    // The line that was there before stays, though a recipe finds it.
    assert_eq!(repo.read("a.rs"), format!("{RETURN}{SHORT}"));
    assert_eq!(repo.staged("a.rs"), format!("{RETURN}{SHORT}"));
    assert_eq!(repo.git(&["status", "--porcelain"]), "M  a.rs\n");
    assert!(repo.dcode(&["undo"]).status.success());
    assert_eq!(repo.read("a.rs"), format!("{RETURN}{LONG}"));
}

#[test]
fn under_the_framework_nothing_is_staged() {
    let repo = Repo::new();
    repo.stage("a.rs", LONG);
    let output =
        repo.command(env!("CARGO_BIN_EXE_dcode")).env("PRE_COMMIT", "1").args(["hook", "--fix", "a.rs"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!((repo.read("a.rs"), repo.staged("a.rs")), (SHORT.to_owned(), LONG.to_owned()));
    // Between two revisions: what the branch changed.
    repo.git(&["commit", "-q", "--no-verify", "-m", "x"]);
    let report = |from: &str| {
        let mut command = repo.command(env!("CARGO_BIN_EXE_dcode"));
        let output = command.env("PRE_COMMIT", "1").env("PRE_COMMIT_FROM_REF", from).args(["hook", "--check"]).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    repo.git(&["checkout", "-q", "--", "a.rs"]);
    repo.commit("b.rs", RETURN);
    let (code, out) = report("HEAD~1");
    assert!(code == Some(1) && out.starts_with("b.rs:2:5") && !out.contains("a.rs"), "{out}");
}

#[test]
fn a_partly_staged_file_gets_a_patch_and_is_not_touched() {
    let repo = Repo::new();
    let head = "fn a() {}\n\n\n\n";
    repo.commit("a.rs", head);
    repo.stage("a.rs", &format!("{head}{LONG}"));
    let unstaged = format!("// not staged\n{head}{LONG}");
    repo.write("a.rs", &unstaged);
    let (code, _, err) = repo.hook(&["--fix"]);
    assert_eq!(code, 0);
    assert!(err.contains("not all of it is staged") && err.contains("git apply --cached"), "{err}");
    assert_eq!((repo.read("a.rs"), repo.staged("a.rs")), (unstaged.clone(), format!("{head}{LONG}")));
    assert_eq!(repo.hook(&["--fix", "--strict"]).0, 1);
    repo.git(&["apply", "--cached", ".git/dcode-hook.patch"]);
    assert_eq!(repo.staged("a.rs"), format!("{head}{SHORT}"));
    repo.git(&["apply", ".git/dcode-hook.patch"]);
    assert_eq!(repo.read("a.rs"), unstaged.replace(LONG, SHORT));
}

#[test]
fn a_commit_with_an_index_of_its_own_is_left_alone() {
    for arguments in
        [&["commit", "-q", "-a", "-m", "y"][..], &["commit", "-q", "-m", "y", "a.rs"], &["commit", "-q", "-m", "y", "-i", "a.rs"]]
    {
        let repo = Repo::new();
        repo.commit("a.rs", "fn a() {}\n");
        repo.commit("b.rs", "fn b() {}\n");
        assert!(repo.dcode(&["hook", "install", "--fix"]).status.success());
        repo.stage("b.rs", "fn b() {}\nfn c() {}\n");
        repo.write("a.rs", LONG);
        repo.git(arguments);
        assert_eq!(repo.git(&["show", "HEAD:a.rs"]), LONG, "{arguments:?}: the commit is what was asked for");
        assert_eq!(repo.read("a.rs"), LONG, "{arguments:?}");
        assert!(repo.root.join(".git/dcode-hook.patch").is_file(), "{arguments:?}");
        repo.git(&["fsck", "--strict"]);
    }
}

#[test]
fn renames_links_submodules_deletions_and_binaries() {
    let repo = Repo::new();
    let body: String = (0..20).map(|number| format!("fn f{number}() {{}}\n")).collect();
    repo.commit("old.rs", &format!("{RETURN}{body}"));
    repo.commit("gone.rs", LONG);
    repo.commit("other.rs", "fn o() {}\n");
    repo.git(&["mv", "old.rs", "new.rs"]);
    repo.stage("new.rs", &format!("{RETURN}{body}{LONG}"));
    repo.git(&["rm", "-q", "gone.rs"]);
    std::os::unix::fs::symlink("new.rs", repo.root.join("link.rs")).unwrap();
    repo.git(&["add", "link.rs"]);
    std::fs::write(repo.root.join("binary.rs"), b"fn a() {}\0").unwrap();
    repo.git(&["add", "binary.rs"]);
    let inner = Repo::new();
    inner.commit("a.rs", LONG);
    repo.git(&["submodule", "add", "-q", inner.root.to_str().unwrap(), "sub"]);
    // The lines that moved with the file are not new.
    assert_eq!(repo.findings(), [finding("new.rs", 25, "len-zero")]);
    let (code, _, err) = repo.hook(&["--fix", "--strict"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(repo.staged("new.rs"), format!("{RETURN}{body}{SHORT}"));
    assert_eq!(std::fs::read_to_string(repo.root.join("sub/a.rs")).unwrap(), LONG);
    assert!(repo.root.join("link.rs").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn files_in_a_conflict_are_named_and_left_alone() {
    let repo = Repo::new();
    repo.commit("a.rs", "fn a() {}\n");
    repo.git(&["checkout", "-q", "-b", "other"]);
    repo.commit("a.rs", LONG);
    repo.git(&["checkout", "-q", "main"]);
    repo.commit("a.rs", RETURN);
    assert!(!repo.command("git").args(["merge", "-q", "other"]).output().unwrap().status.success());
    let before = repo.read("a.rs");
    let (code, _, err) = repo.hook(&["--fix"]);
    assert_eq!(code, 0);
    assert!(err.contains("a.rs: has unresolved merge conflicts"), "{err}");
    assert_eq!(repo.read("a.rs"), before);
    // Once it is resolved, only what neither side had is new.
    repo.stage("a.rs", &format!("{RETURN}{LONG}{}", LONG.replace("empty", "vacant")));
    let found = repo.findings();
    assert!(found.iter().all(|(_, line, _)| *line >= 7) && !found.is_empty(), "{found:?}");
}

#[test]
fn line_endings_are_those_of_the_file() {
    for config in ["true", "input", "false"] {
        let repo = Repo::new();
        repo.git(&["config", "core.autocrlf", config]);
        repo.git(&["config", "core.safecrlf", "false"]);
        repo.stage("a.rs", &LONG.replace('\n', "\r\n"));
        let (code, _, err) = repo.hook(&["--fix", "--strict"]);
        assert_eq!(code, 0, "{config}: {err}");
        assert_eq!(repo.read("a.rs"), SHORT.replace('\n', "\r\n"), "{config}");
        assert_eq!(repo.git(&["diff", "--stat"]), "", "{config}: nothing is left unstaged");
    }
}

#[test]
fn skipping_the_budget_and_a_missing_model() {
    let repo = Repo::new();
    repo.stage("a.rs", "fn f(x: Option<u8>) -> Option<u16> {\n    match x {\n        Some(y) => Some(u16::from(y) + 1),\n        None => None,\n    }\n}\n");
    let run = |arguments: &[&str], variable: (&str, &str)| {
        let mut command = repo.command(env!("CARGO_BIN_EXE_dcode"));
        let output = command.env(variable.0, variable.1).arg("hook").args(arguments).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    let missing = ("DCODE_MODEL", "/nonexistent/model");
    let (code, out) = run(&["--check"], missing);
    assert!(code == 0 && out.contains("no model"), "{code} {out}");
    assert_eq!(run(&["--strict"], missing).0, 5);
    assert_eq!(run(&["--strict", "--no-model"], missing), (0, String::new()));
    let (code, out) = run(&["--strict"], ("DCODE_SKIP", "1"));
    assert!(code == 0 && out.contains("DCODE_SKIP"), "{out}");
    repo.stage("a.rs", LONG);
    let (code, out) = run(&["--check", "--budget", "0"], missing);
    assert!(code == 0 && out.contains("skipped: budget"), "{code} {out}");
    assert_eq!(run(&["--check", "--budget", "0", "--strict"], missing).0, 6);
}

#[test]
fn installed_as_a_script_it_chains_what_was_there_and_goes_without_a_trace() {
    let repo = Repo::new();
    let hook = repo.root.join(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let theirs = "#!/bin/sh\necho theirs >> \"$(git rev-parse --git-dir)/ran\"\n";
    std::fs::write(&hook, theirs).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..2 {
        let output = repo.dcode(&["hook", "install", "--check"]);
        assert!(output.status.success() && text(&output.stderr).contains("runs before it"), "{}", text(&output.stderr));
    }
    repo.stage("a.rs", LONG);
    let commit = || repo.command("git").args(["commit", "-q", "-m", "x"]).output().unwrap();
    let stopped = commit();
    assert!(!stopped.status.success(), "a finding stops the commit");
    assert!(text(&stopped.stdout).contains("len-zero") || text(&stopped.stderr).contains("len-zero"));
    assert_eq!(std::fs::read_to_string(repo.root.join(".git/ran")).unwrap(), "theirs\n");
    repo.stage("a.rs", SHORT);
    assert!(commit().status.success());
    assert!(repo.dcode(&["hook", "uninstall"]).status.success());
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), theirs);
    assert!(!hook.with_file_name("pre-commit.before-dcode").exists());
    // A second time there is nothing to remove, and the script of others stays.
    assert!(repo.dcode(&["hook", "uninstall"]).status.success());
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), theirs);
}

#[test]
fn the_configured_hooks_folder_is_used_and_a_shared_one_refused() {
    let repo = Repo::new();
    repo.git(&["config", "core.hooksPath", "scripts/hooks"]);
    assert!(repo.dcode(&["hook", "install", "--fix"]).status.success());
    assert!(repo.root.join("scripts/hooks/pre-commit").is_file());
    repo.stage("a.rs", LONG);
    repo.git(&["commit", "-q", "-m", "x"]);
    assert_eq!(repo.git(&["show", "HEAD:a.rs"]), SHORT, "the commit holds the fix");
    assert_eq!(repo.git(&["status", "--porcelain", "a.rs"]), "");
    assert!(repo.dcode(&["hook", "uninstall"]).status.success());
    assert!(!repo.root.join("scripts/hooks/pre-commit").exists());

    let shared = repo.home.join("hooks");
    repo.git(&["config", "core.hooksPath", shared.to_str().unwrap()]);
    let refused = repo.dcode(&["hook", "install"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("lie outside"), "{}", text(&refused.stderr));
    assert!(!shared.exists());
}

#[test]
fn a_new_git_gets_it_in_its_configuration() {
    let repo = Repo::new();
    // A git of a later version: everything but its number is the real one's.
    let bin = repo.home.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("git"), "#!/bin/sh\necho 'git version 2.54.0'\n").unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let paths = std::env::var("PATH").unwrap();
    let mut install = repo.command(env!("CARGO_BIN_EXE_dcode"));
    let output = install.env("PATH", format!("{}:{paths}", bin.display())).args(["hook", "install", "--check"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(repo.git(&["config", "hook.dcode.event"]), "pre-commit\n");
    assert!(repo.git(&["config", "hook.dcode.command"]).trim_end().ends_with(" hook --check"));
    assert!(!repo.root.join(".git/hooks/pre-commit").exists());
    // What the configuration says is a command line that a shell runs.
    repo.stage("a.rs", LONG);
    let command = repo.git(&["config", "hook.dcode.command"]);
    let ran = repo.command("sh").args(["-c", command.trim_end()]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stderr));
    assert!(repo.dcode(&["hook", "uninstall"]).status.success());
    assert!(repo.command("git").args(["config", "hook.dcode.event"]).output().unwrap().stdout.is_empty());
}

#[test]
fn linked_work_trees_have_their_own_index() {
    let repo = Repo::new();
    repo.commit("a.rs", "fn a() {}\n");
    repo.git(&["worktree", "add", "-q", "../linked"]);
    let linked = Repo { root: repo.root.parent().unwrap().join("linked"), ..repo };
    linked.stage("a.rs", LONG);
    assert!(linked.dcode(&["hook", "install", "--fix"]).status.success());
    linked.git(&["commit", "-q", "-m", "x"]);
    assert_eq!(linked.git(&["show", "HEAD:a.rs"]), SHORT);
}

/// A recipe of the user that asks for the commands of the settings.
const ASKS: &str = "name = 'no-foo'\nmessage = 'foo'\ninstruction = 'Use bar.'\nquery = '((identifier) @span (#eq? @span \"foo\"))'\n\
                    template = 'bar'\nverify = true\n[example]\nbefore = 'foo = 1'\nafter = 'bar = 1'\n";

/// Runs `dcode hook --fix` over two files in which the recipe finds something; the command fails when `b.py` has `bar` in it.
fn with_commands(commands: &str, arguments: &[&str]) -> (Repo, Output) {
    let repo = Repo::new();
    let home = repo.home.join("dcode");
    std::fs::create_dir_all(home.join("recipes/python")).unwrap();
    std::fs::write(home.join("recipes/python/no-foo.toml"), ASKS).unwrap();
    std::fs::write(home.join("config.toml"), commands).unwrap();
    repo.stage("a.py", "foo = 1\n");
    repo.stage("b.py", "foo = 2\n");
    let mut command = repo.command(env!("CARGO_BIN_EXE_dcode"));
    let output = command.args(["hook", "--fix", "--no-model"]).args(arguments).output().unwrap();
    (repo, output)
}

#[test]
fn what_a_command_fails_with_is_not_written() {
    let read = |repo: &Repo, name: &str| std::fs::read_to_string(repo.root.join(name)).unwrap();
    let commands =
        "[verify]\ncommands = [[\"sh\", \"-c\", \"if grep -q bar b.py; then echo b.py:1:1: error: bar; exit 1; fi\"]]\n";
    let (repo, output) = with_commands(commands, &["--budget", "60"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!((read(&repo, "a.py").as_str(), read(&repo, "b.py").as_str()), ("bar = 1\n", "foo = 2\n"), "{said}");
    assert!(said.contains("b.py: no-foo: not written: a command of verify.commands fails with it"), "{said}");
    assert_eq!(output.status.code(), Some(0));

    let (repo, output) = with_commands("[verify]\ncommands = [[\"true\"]]\n", &["--budget", "60"]);
    assert_eq!(
        (read(&repo, "a.py").as_str(), read(&repo, "b.py").as_str()),
        ("bar = 1\n", "bar = 2\n"),
        "{}",
        text(&output.stderr)
    );

    let (repo, output) = with_commands("", &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!((read(&repo, "a.py").as_str(), read(&repo, "b.py").as_str()), ("foo = 1\n", "foo = 2\n"));
    assert!(said.contains("2 not written: their recipes ask for verify.commands"), "{said}");

    // A command that takes longer than the budget holds nothing up.
    let slow = "[verify]\ncommands = [[\"sleep\", \"100\"]]\n";
    let (repo, output) = with_commands(slow, &["--budget", "2", "--strict"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!((read(&repo, "a.py").as_str(), output.status.code()), ("foo = 1\n", Some(6)), "{said}");
    assert!(said.contains("skipped: budget"), "{said}");
}
