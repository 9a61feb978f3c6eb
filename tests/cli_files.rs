//! Which files and spans an edit takes: several files, symbols behind a name, git's hunks, and files that are not for a model.
//! Without a model: an edit whose spans are those expected goes on to the model that is not there.

use crate::desk::Desk;
use crate::desk::model;

/// Goes on to the missing model: everything before it was right.
fn goes_on(desk: &Desk, arguments: &[&str]) {
    let said = desk.dcode(&[&["edit", "--model", "none"], arguments].concat());
    assert!(said.code == Some(5) && said.err.contains("is not installed"), "{arguments:?}: {:?} {}", said.code, said.err);
}

fn refuses(desk: &Desk, arguments: &[&str], exit: i32, says: &str) {
    let said = desk.dcode(&[&["edit", "--model", "none"], arguments].concat());
    assert!(said.code == Some(exit) && said.err.contains(says), "{arguments:?}: {:?} {}", said.code, said.err);
}

/// Forty lines that can be told apart.
fn lines() -> String {
    (1..=40).map(|number| format!("L{number:02}\n")).collect()
}

/// The numbers are those of the hunks that git itself shows.
#[test]
fn hunks_are_counted_as_git_counts_them() {
    let desk = Desk::in_git();
    desk.commit("f", &lines());
    // Two changes near each other are one hunk of git's; one only takes lines away.
    let now = lines().replace("L02\nL03\nL04\n", "two\nL03\nfour\n").replace("L20\n", "").replace("L35\n", "L35\nnew\nlines\n");
    desk.write("f", &now);
    let shown = desk.git(&["diff", "HEAD", "--", "f"]);
    assert_eq!(shown.matches("\n@@ ").count(), 3, "{shown}");
    goes_on(&desk, &["f", "--hunk", "1", "--expect", "two\nL03\nfour"]);
    goes_on(&desk, &["f", "--hunk", "3", "--expect", "new\nlines"]);
    goes_on(&desk, &["f", "--hunk", "3,1", "--expect", "two\nL03\nfour", "--expect", "new\nlines"]);
    refuses(&desk, &["f", "--hunk", "2"], 2, "only takes lines away");
    refuses(&desk, &["f", "--hunk", "4"], 2, "has no hunk 4; `git diff HEAD` shows 3");
    refuses(&desk, &["f", "--hunk", "0"], 2, "has no hunk 0");
    refuses(&desk, &["f", "--staged"], 2, "nothing of it is staged");
    // A new file is one hunk; before the first commit everything is.
    desk.write("new", "a\nb\n");
    goes_on(&desk, &["new", "--hunk", "1", "--expect", "a\nb"]);
    let unborn = Desk::in_git();
    unborn.write("f", &lines());
    unborn.git(&["add", "f"]);
    goes_on(&unborn, &["f", "--staged", "--expect", &lines()]);
    let outside = Desk::new();
    outside.write("f", &lines());
    refuses(&outside, &["f", "--hunk", "1"], 2, "need a git work tree");
}

#[test]
fn staged_lines_are_found_where_they_are_now() {
    let desk = Desk::in_git();
    desk.commit("f", &lines());
    let staged = lines().replace("L05\n", "five\n").replace("L15\n", "fifteen\nmore\n");
    desk.write("f", &staged);
    desk.git(&["add", "f"]);
    goes_on(&desk, &["f", "--staged", "--expect", "five", "--expect", "fifteen\nmore"]);
    // Unstaged lines before them.
    desk.write("f", &format!("unstaged\n{staged}"));
    goes_on(&desk, &["f", "--staged", "--hunk", "2", "--expect", "fifteen\nmore"]);
    goes_on(&desk, &["--staged"]);
    // Changed again since.
    desk.write("f", &staged.replace("more", "again"));
    refuses(&desk, &["f", "--staged"], 4, "were changed again since");
    desk.write("f", &staged);
    desk.git(&["commit", "-q", "-m", "y"]);
    refuses(&desk, &["--staged"], 2, "nothing is staged");
}

#[test]
fn line_endings_do_not_move_staged_lines() {
    let desk = Desk::in_git();
    desk.git(&["config", "core.autocrlf", "true"]);
    desk.commit("f", &lines().replace('\n', "\r\n"));
    desk.write("f", &lines().replace("L05\n", "five\n").replace('\n', "\r\n"));
    desk.git(&["add", "f"]);
    goes_on(&desk, &["f", "--staged", "--expect", "five"]);
    goes_on(&desk, &["f", "--hunk", "1", "--expect", "five"]);
}

#[test]
fn files_with_their_spans_in_their_names() {
    let desk = Desk::new();
    desk.write("a.rs", "struct T;\nimpl T {\n    fn f(&self) {}\n}\n");
    desk.write("b.rs", "fn g() {}\nfn h() {}\n");
    goes_on(&desk, &["a.rs::T::f", "--dry-run"]);
    goes_on(&desk, &["a.rs::T::f", "b.rs#2:2"]);
    goes_on(&desk, &["a.rs#L1-L2", "b.rs::h", "b.rs#1"]);
    refuses(&desk, &["a.rs#1", "b.rs"], 2, "no range given");
    refuses(&desk, &["a.rs#1", "b.rs#9"], 2, "past the end");
    refuses(&desk, &["a.rs#1", "a.rs#1:2"], 2, "overlap");
    refuses(&desk, &["a.rs", "b.rs", "--range", "1"], 2, "are for one file");
    refuses(&desk, &["a.rs#1", "b.rs#1", "--stdout"], 2, "--stdout prints one file");
    refuses(&desk, &["a.rs::T::nothing"], 2, "nothing");
    refuses(&desk, &[], 2, "FILE");
    let other = Desk::in_git();
    let elsewhere = other.write("c.rs", "fn c() {}\n");
    refuses(&desk, &["a.rs#1", &format!("{}#1", elsewhere.display())], 2, "another work tree");
}

#[test]
fn files_that_are_not_for_a_model() {
    let desk = Desk::in_git();
    desk.write(".env", "TOKEN=x\n");
    desk.write("key.txt", "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n");
    desk.write("secret/plain.rs", "fn a() {}\n");
    desk.write("built.rs", "fn a() {}\n");
    desk.write(".dcodeignore", "# not for models\nsecret/\n*.gen.rs\n!b.gen.rs\n");
    desk.write(".gitignore", "built.rs\n");
    desk.write("a.gen.rs", "fn a() {}\n");
    desk.write("b.gen.rs", "fn a() {}\n");
    refuses(&desk, &[".env#1"], 4, "--allow-secrets");
    refuses(&desk, &["key.txt#1"], 4, "holds a private key");
    goes_on(&desk, &[".env#1", "--allow-secrets"]);
    // By whatever name it is called.
    std::os::unix::fs::symlink(".env", desk.folder.join("harmless")).unwrap();
    refuses(&desk, &["harmless#1"], 4, "looks like a secret");
    refuses(&desk, &["secret/plain.rs#1"], 4, ".dcodeignore keeps it from dcode");
    refuses(&desk, &["secret/plain.rs#1", "--allow-secrets"], 4, ".dcodeignore");
    refuses(&desk, &["a.gen.rs#1"], 4, ".dcodeignore");
    goes_on(&desk, &["b.gen.rs#1"]);
    refuses(&desk, &["built.rs#1"], 5, "is ignored by git; whatever makes it may overwrite the edit");
}

/// One edit of two files, with the real model: both are written, or none, and undone together.
#[test]
fn several_files_are_written_together_or_not_at_all() {
    let Some(model) = model() else { return };
    let desk = Desk::in_git();
    let text = "def double(x):\n    return x * 2\n";
    desk.commit("a.py", text);
    desk.commit("b.py", text);
    let arguments = ["edit", "a.py#2", "b.py#2", "-i", "Use addition: x + x.", "--model", &model, "--device", "cpu"];
    let said = desk.dcode(&[&arguments[..], &["--json", "--in-place"]].concat());
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    let result: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(result["files"].as_array().unwrap().len(), 2);
    let (a, b) = (desk.read("a.py"), desk.read("b.py"));
    assert!(a != text && b != text, "{a}{b}");
    assert!(a.starts_with("def double(x):\n") && b.starts_with("def double(x):\n"));
    let log = desk.dcode(&["log"]);
    assert!(log.out.lines().count() == 1 && log.out.contains("a.py, ") && log.out.contains("b.py"), "{}", log.out);
    assert_eq!(desk.dcode(&["undo"]).code, Some(0));
    assert_eq!((desk.read("a.py").as_str(), desk.read("b.py").as_str()), (text, text));
    // The same as a plan; one of the files changes before it is applied.
    let said = desk.dcode(&[&arguments[..], &["--plan", "../plan.json"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    desk.write("b.py", &text.replace("x * 2", "x * 3"));
    assert_eq!(desk.dcode(&["apply", "../plan.json"]).code, Some(4));
    assert_eq!(desk.read("a.py"), text, "none is written");
    desk.write("b.py", text);
    assert_eq!(desk.dcode(&["apply", "../plan.json"]).code, Some(0));
    assert_eq!((desk.read("a.py"), desk.read("b.py")), (a, b));
}
