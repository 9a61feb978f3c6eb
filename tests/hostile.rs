//! A repository that means no good: nothing of it runs, nothing leaves its tree, nothing reaches the terminal.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use crate::desk::Desk;
use crate::desk::model;

/// Text that would act on a terminal: it clears the screen, sets its title, writes its clipboard, hides and turns text around.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\u{202e}\u{200b}\u{e0041}\r";

/// What is printed holds nothing that acts, but what dcode itself colours.
fn assert_harmless(what: &str, text: &str) {
    for (at, character) in text.char_indices() {
        let acts = character.is_control() && !matches!(character, '\n' | '\t');
        let hides = matches!(character, '\u{202e}' | '\u{200b}' | '\u{e0041}');
        assert!(!acts && !hides, "{what}: {character:?} at {at}: {text:?}");
    }
}

/// A repository with every trap in it, and the file that shows that one of them went off.
fn trap() -> (Desk, std::path::PathBuf) {
    let desk = Desk::in_git();
    let mark = desk.home.with_file_name("mark");
    let touch = format!("touch {}", mark.display());
    desk.commit("a.py", &format!("x = 1\n# {ESCAPES}\ny = 2\n"));
    let script = desk.write("evil.sh", &format!("#!/bin/sh\n{touch}\n"));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    desk.write(
        ".dcode.toml",
        &format!(
            "model = \"./model\"\nallow-bidi = true\n\"bad\\u001b[2J\\nkey\" = 1\n[verify]\ncommands = [[\"{}\"]]\n",
            script.display()
        ),
    );
    // Everything by which git itself would run a program.
    for (key, value) in [
        ("core.fsmonitor", script.to_str().unwrap()),
        ("core.hooksPath", "."),
        ("core.pager", script.to_str().unwrap()),
        ("filter.evil.clean", &touch),
        ("filter.evil.smudge", &touch),
        ("diff.evil.textconv", &touch),
        ("diff.external", &touch),
        ("core.sshCommand", &touch),
        ("core.editor", &touch),
    ] {
        desk.git(&["config", key, value]);
    }
    desk.write(".gitattributes", "*.py filter=evil diff=evil\n");
    for hook in ["pre-commit", "post-checkout", "post-index-change", "fsmonitor-watchman"] {
        let path = desk.folder.join(".git/hooks").join(hook);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&script, path).unwrap();
    }
    desk.write("model/config.json", "{}");
    desk.write("model/model.safetensors", "");
    desk.write("cubecl.toml", "not = [valid");
    desk.write("burn.toml", "not = [valid");
    symlink("/etc/passwd", desk.folder.join("passwd.py")).unwrap();
    symlink("..", desk.folder.join("up")).unwrap();
    (desk, mark)
}

#[test]
fn nothing_of_it_runs_and_nothing_leaves_the_tree() {
    let (desk, mark) = trap();
    let outside = desk.folder.with_file_name("outside.py");
    std::fs::write(&outside, "secret = 1\n").unwrap();
    let config = desk.read(".git/config");
    for arguments in [
        &["edit", "a.py", "--range", "1:1", "--in-place"][..],
        &["edit", "a.py", "--hunk", "1"],
        &["edit", "--staged"],
        &["edit", "passwd.py", "--range", "1:1", "--in-place"],
        &["edit", "up/outside.py", "--range", "1:1", "--in-place"],
        &["edit", ".git/config", "--range", "1:1", "--in-place"],
        &["edit", ".git/hooks/pre-commit", "--range", "1:1", "--in-place"],
        &["config", "list"],
        &["config", "path"],
        &["doctor", "--quick"],
        &["log"],
        &["undo"],
        &["trust", "--list"],
    ] {
        let said = desk.dcode(&[arguments, if arguments[0] == "edit" { &["--model", "none"][..] } else { &[] }].concat());
        assert_ne!(said.code, None, "{arguments:?}");
        assert!(!mark.exists(), "{arguments:?} ran something");
        assert_harmless(&format!("{arguments:?}"), &format!("{}{}", said.out, said.err));
        if arguments.contains(&"--in-place") && arguments[1] != "a.py" {
            assert_eq!(said.code, Some(4), "{arguments:?}: {}", said.err);
        }
    }
    assert_eq!(desk.read(".git/config"), config);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret = 1\n");
    // Its model is not taken, and the key with escapes is told without acting.
    let said = desk.dcode(&["config", "list"]);
    assert!(said.out.contains("qwen2.5-coder-0.5b-canvas") && said.out.contains("commands   = []"), "{}", said.out);
    assert!(said.err.contains("unknown key bad␛[2J␊key"), "{}", said.err);
}

/// Staging, writing and taking back in it: still nothing runs, and what needs a filter is not staged.
#[test]
fn writing_in_it_runs_nothing() {
    let (desk, mark) = trap();
    let plan = desk.plan("plan.json", "a.py", (1, 1), "x = 3\n");
    let plan = plan.to_str().unwrap();
    let said = desk.dcode(&["apply", plan, "--index"]);
    assert!(said.code == Some(4) && said.err.contains("filter \"evil\""), "{}", said.err);
    let said = desk.dcode(&["apply", plan, "--dry-run", "--color", "always"]);
    // What dcode itself colours is taken out first.
    let plain: String = said
        .out
        .split("\u{1b}[")
        .enumerate()
        .map(|(index, piece)| if index == 0 { piece } else { piece.split_once('m').map_or(piece, |(_, rest)| rest) })
        .collect();
    assert_harmless("a diff for people", &plain);
    assert!(plain.contains("␛[2J"), "{plain}");
    assert_eq!(desk.dcode(&["apply", plan]).code, Some(0));
    assert!(desk.read("a.py").starts_with("x = 3\n# \u{1b}[2J"));
    assert_eq!(desk.dcode(&["undo"]).code, Some(0));
    assert!(!mark.exists());
}

#[test]
fn names_that_act_on_a_terminal() {
    let desk = Desk::in_git();
    let names = ["a\u{1b}[2J.py", "line\nfeed.py", "tab\t.py", "turn\u{202e}yp.py", "-x.py", " blank .py", "\u{1b}]0;t\u{7}.py"];
    for (number, name) in names.into_iter().enumerate() {
        desk.write(name, "x = 1\n");
        let path = format!("./{name}");
        let said = desk.dcode(&["edit", &path, "--range", "9:9"]);
        assert_eq!(said.code, Some(2), "{name:?}");
        assert_harmless(name, &said.err);
        let plan = desk.plan(&format!("{number}.json"), name, (1, 1), "x = 2\n");
        let said = desk.dcode(&["apply", plan.to_str().unwrap()]);
        assert_eq!(said.code, Some(0), "{name:?} {}", said.err);
        assert_harmless(name, &said.err);
        assert_eq!(desk.read(name), "x = 2\n");
    }
    let log = desk.dcode(&["log"]);
    assert_harmless("log", &log.out);
    assert_eq!(log.out.lines().count(), names.len());
    for _ in names {
        assert_harmless("undo", &desk.dcode(&["undo"]).err);
    }
    assert!(names.iter().all(|name| desk.read(name) == "x = 1\n"));
}

/// The whole way with the real model: a file full of escapes is edited, its commands are not run, and JSON and diff are harmless.
#[test]
fn an_edit_in_it_is_harmless() {
    let Some(model) = model() else { return };
    let (desk, mark) = trap();
    let said = desk.dcode(&["edit", "a.py", "--range", "3:3", "--json", "--steps", "8", "--model", &model, "--device", "cpu"]);
    assert!(matches!(said.code, Some(0 | 3 | 6)), "{}", said.err);
    assert_harmless("json", &said.out);
    assert_harmless("stderr", &said.err);
    assert!(said.err.contains("verify.commands ignored") && !mark.exists());
    assert!(!said.out.contains("\"type\":\"verify\""), "no command ran");
}
