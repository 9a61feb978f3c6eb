//! `dcode` in repositories of every kind, compared with what git itself says afterwards.

use crate::desk::Desk;

const TEXT: &str = "1\n2\n3\n4\n5\n";

/// Applies a plan for line 2 of a file, with more arguments.
fn apply(desk: &Desk, file: &str, more: &[&str]) -> crate::desk::Said {
    let plan = desk.plan("plan.json", file, (2, 2), "two\n");
    desk.dcode(&[&["apply", plan.to_str().unwrap()], more].concat())
}

#[test]
fn a_sparse_checkout_keeps_what_is_left_out() {
    let desk = Desk::in_git();
    desk.commit("in/f", TEXT);
    desk.commit("out/g", TEXT);
    desk.git(&["sparse-checkout", "set", "in"]);
    assert!(!desk.folder.join("out/g").exists());
    let said = apply(&desk, "in/f", &["--index"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(desk.git(&["show", ":in/f"]), TEXT.replace('2', "two"));
    assert_eq!(desk.git(&["status", "--porcelain"]), "M  in/f\n", "what is left out is not deleted");
    assert_eq!(desk.git(&["show", ":out/g"]), TEXT);
    assert!(desk.git(&["ls-files", "-t"]).contains("S out/g"), "still left out");
    // A file that is left out is not there to be edited.
    let said = desk.dcode(&["edit", "out/g", "--range", "1:1"]);
    assert!(said.code == Some(2) && said.err.contains("no such file"), "{}", said.err);
}

#[test]
fn a_bare_repository_is_told() {
    let desk = Desk::new();
    desk.git(&["init", "-q", "--bare", "."]);
    let said = desk.dcode(&["edit", "description", "--range", "1:1", "--in-place"]);
    assert!(said.code == Some(4) && said.err.contains("bare repository"), "{}", said.err);
}

#[test]
fn a_linked_work_tree_has_its_own_index() {
    let desk = Desk::in_git();
    desk.commit("f", TEXT);
    desk.git(&["worktree", "add", "-q", "../work-2", "-b", "other"]);
    let linked = desk.folder.with_file_name("work-2");
    let plan = desk.plan("plan.json", "f", (2, 2), "two\n");
    let mut command = desk.command(env!("CARGO_BIN_EXE_dcode"));
    let output = command.current_dir(&linked).arg("apply").arg(plan).arg("--index").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status = |folder: &std::path::Path| desk.git(&["-C", folder.to_str().unwrap(), "status", "--porcelain"]);
    assert_eq!((status(&linked), status(&desk.folder)), ("M  f\n".to_owned(), String::new()));
    assert_eq!(desk.read("f"), TEXT);
}

#[test]
fn before_the_first_commit() {
    let desk = Desk::in_git();
    desk.write("f", TEXT);
    let said = apply(&desk, "f", &["--index"]);
    assert!(said.code == Some(4) && said.err.contains("not tracked by git"), "{}", said.err);
    desk.git(&["add", "f"]);
    let said = apply(&desk, "f", &["--index"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(
        (desk.git(&["show", ":f"]), desk.git(&["status", "--porcelain"])),
        (TEXT.replace('2', "two"), "A  f\n".to_owned())
    );
}

/// The pointer that LFS would store is never replaced by the content itself.
#[test]
fn a_filtered_file_is_written_but_not_staged() {
    let desk = Desk::in_git();
    desk.commit("f", TEXT);
    desk.write(".gitattributes", "f filter=lfs diff=lfs merge=lfs -text\n");
    let said = apply(&desk, "f", &["--index"]);
    assert!(said.code == Some(4) && said.err.contains("the filter \"lfs\""), "{}", said.err);
    assert_eq!((desk.read("f"), desk.git(&["show", ":f"])), (TEXT.to_owned(), TEXT.to_owned()));
    assert_eq!(apply(&desk, "f", &[]).code, Some(0));
    assert_eq!((desk.read("f"), desk.git(&["show", ":f"])), (TEXT.replace('2', "two"), TEXT.to_owned()));
}

/// What is staged is what `git add` would stage, and the file keeps its own line ends.
#[test]
fn automatic_line_ends() {
    for (setting, stored) in [("true", "\n"), ("input", "\n"), ("false", "\r\n")] {
        let desk = Desk::in_git();
        desk.git(&["config", "core.autocrlf", setting]);
        let crlf = TEXT.replace('\n', "\r\n");
        desk.write("f", &crlf);
        desk.git(&["add", "f"]);
        desk.git(&["commit", "-q", "-m", "x"]);
        assert_eq!(desk.git(&["show", ":f"]), TEXT.replace('\n', stored));
        let plan = desk.plan("plan.json", "f", (2, 2), "two\r\n");
        let said = desk.dcode(&["apply", plan.to_str().unwrap(), "--index"]);
        assert_eq!(said.code, Some(0), "{setting}: {}", said.err);
        assert_eq!(desk.read("f"), crlf.replace('2', "two"), "{setting}");
        let staged = desk.git(&["show", ":f"]);
        assert_eq!(staged, TEXT.replace('2', "two").replace('\n', stored), "{setting}");
        desk.git(&["add", "f"]);
        assert_eq!(desk.git(&["show", ":f"]), staged, "{setting}: git add agrees");
        assert_eq!(desk.git(&["status", "--porcelain"]), "M  f\n", "{setting}");
    }
}

/// As in a hook of `git commit -a`: another index and a repository named by the environment.
#[test]
fn the_environment_names_repository_and_index() {
    let desk = Desk::in_git();
    desk.commit("f", TEXT);
    let other = desk.home.join("other-index");
    std::fs::copy(desk.folder.join(".git/index"), &other).unwrap();
    let before = std::fs::read(desk.folder.join(".git/index")).unwrap();
    let plan = desk.plan("plan.json", "f", (2, 2), "two\n");
    let mut command = desk.command(env!("CARGO_BIN_EXE_dcode"));
    command.env("GIT_DIR", desk.folder.join(".git")).env("GIT_WORK_TREE", &desk.folder).env("GIT_INDEX_FILE", &other);
    let output = command.arg("apply").arg(&plan).arg("--index").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(desk.folder.join(".git/index")).unwrap(), before, "the own index is as it was");
    let mut git = desk.command("git");
    let shown = git.env("GIT_INDEX_FILE", &other).args(["show", ":f"]).output().unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), TEXT.replace('2', "two"));
    assert_eq!(desk.git(&["show", ":f"]), TEXT);
}

#[test]
fn a_repository_of_somebody_else_can_be_allowed() {
    let desk = Desk::in_git();
    desk.commit("f", TEXT);
    let give = |path: &std::path::Path| std::os::unix::fs::chown(path, Some(12345), Some(12345));
    if give(&desk.folder.join(".git")).and_then(|()| give(&desk.folder)).is_err() {
        eprintln!("skipped: giving a folder away needs root");
        return;
    }
    let said = apply(&desk, "f", &[]);
    assert!(said.code == Some(4) && said.err.contains("belongs to another user"), "{}", said.err);
    // Its settings are not read either.
    std::fs::write(desk.folder.join(".dcode.toml"), "steps = 3\n").unwrap();
    assert_eq!(desk.dcode(&["config", "get", "steps"]).out, "512\n");
    let allowed = ["config", "--global", "--add", "safe.directory", desk.folder.to_str().unwrap()];
    let mut git = desk.command("git");
    assert!(git.current_dir(&desk.home).args(allowed).status().unwrap().success());
    let said = apply(&desk, "f", &["--index"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(desk.dcode(&["config", "get", "steps"]).out, "3\n");
}
