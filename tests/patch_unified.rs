//! The unified diff against the tools that read it: `git apply`, `git apply -R` and `patch -p1`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use dcode::patch::UnifiedOptions;
use dcode::patch::unified;

/// Runs a tool with `input`; returns what it printed if it failed.
fn pipe(dir: &Path, argv: &[&str], input: &[u8]) -> Result<(), String> {
    let mut child = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{argv:?}: {text}")) }
}

const TEXTS: &[(&str, &str)] = &[
    ("a\nb\nc\n", "a\nB\nc\n"),
    ("a\nb\nc", "a\nb\nC"),
    ("a\nb\nc", "a\nb\nc\n"),
    ("a\nb\nc\n", "a\nb\nc"),
    ("a\r\nb\r\nc\r\n", "a\r\nx\r\ny\r\nc\r\n"),
    ("a\r\nb\nc\r\n", "a\r\nb\r\nc\r\n"),
    ("\u{feff}a\nb\n", "\u{feff}A\nb\n"),
    ("a\rb\nc\n", "a\rB\nc\n"),
    ("\tx\n  y\n", "\t\tx\n y\n"),
    ("日本\né\n", "日本語\ne\u{301}\n"),
    ("", "first\n"),
    ("only\n", ""),
    ("x", ""),
    ("-- old\n++ new\n@@ -1 +1 @@\n", "-- old\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n"),
    ("diff --git a/x b/x\nindex 1..2\n", "diff --git a/y b/y\n\\ No newline at end of file\n"),
    ("\n\n\n\n\n\n\n\n\n\n\n\n", "\n\nx\n\n\n\n\n\n\n\n\n\ny\n\n"),
];

const NAMES: &[&[u8]] = &[
    b"plain.rs",
    b"dir/deep/f.rs",
    b"with space.rs",
    b" lead",
    b"trail ",
    b"tab\tname",
    b"quote\"back\\slash",
    "na\u{ef}ve-\u{65e5}\u{672c}.rs".as_bytes(),
    "rtl\u{202e}.rs".as_bytes(),
    b"esc\x1b[31m",
    b"latin\xe9",
    b"-x",
    b"a b/c d.rs",
    b"new\nline.rs",
];

#[test]
fn git_and_patch_take_every_diff() {
    let root = tempfile::tempdir().unwrap();
    pipe(root.path(), &["git", "init", "-q"], b"").unwrap();
    let mut tried = 0;
    for name in NAMES {
        let path = Path::new(OsStr::from_bytes(name));
        let file = root.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (old, new) in TEXTS {
            let diff = unified(old.as_bytes(), new.as_bytes(), path, UnifiedOptions::default());
            let context = |error: String| format!("{path:?} {old:?} -> {new:?}: {error}\n{}", String::from_utf8_lossy(&diff));
            std::fs::write(&file, old).unwrap();
            let run = |argv: &[&str]| pipe(root.path(), argv, &diff).map_err(context).unwrap();
            run(&["git", "apply", "--check", "-"]);
            run(&["git", "apply", "--whitespace=nowarn", "-"]);
            assert_eq!(std::fs::read(&file).unwrap(), new.as_bytes(), "{path:?}");
            run(&["git", "apply", "-R", "--whitespace=nowarn", "-"]);
            assert_eq!(std::fs::read(&file).unwrap(), old.as_bytes(), "{path:?}");
            // GNU patch refuses names with a newline (its CVE-2018-1000156 hardening) and deletes a file that becomes empty
            // unless told that the diff is not a deletion.
            if !name.contains(&b'\n') {
                run(&["patch", "-p1", "-s", "--posix"]);
                assert_eq!(std::fs::read(&file).unwrap(), new.as_bytes(), "{path:?} {old:?}");
            }
            tried += 1;
        }
        std::fs::remove_file(&file).unwrap();
    }
    assert_eq!(tried, NAMES.len() * TEXTS.len());
}

#[test]
fn the_blobs_in_the_header_are_gits() {
    let root = tempfile::tempdir().unwrap();
    pipe(root.path(), &["git", "init", "-q"], b"").unwrap();
    let file = root.path().join("f");
    std::fs::write(&file, "a\nb\n").unwrap();
    pipe(root.path(), &["git", "add", "f"], b"").unwrap();
    std::fs::write(&file, "a\nc\n").unwrap();
    let output = Command::new("git").args(["diff", "--full-index"]).current_dir(root.path()).output().unwrap();
    let ours = unified(b"a\nb\n", b"a\nc\n", Path::new("f"), UnifiedOptions::default());
    assert_eq!(String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&ours));
}
