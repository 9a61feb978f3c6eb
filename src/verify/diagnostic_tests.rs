use super::*;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sub/src")).unwrap();
        for name in ["a.py", "sub/src/lib.rs", "two words.c"] {
            std::fs::write(dir.path().join(name), "x\n").unwrap();
        }
        Self(dir)
    }

    fn parse(&self, output: &str) -> Vec<String> {
        let tree = self.0.path();
        let output = output.replace("TREE", tree.to_str().unwrap());
        let show = |d: Diagnostic| format!("{}:{}:{:?} {:?} {}", d.file.display(), d.line, d.column, d.level, d.message);
        parse(&output, tree, Path::new("sub")).into_iter().map(show).collect()
    }
}

#[test]
fn text_of_many_tools() {
    let tree = Tree::new();
    for (output, found) in [
        ("src/lib.rs:3:5: error: no such thing", "sub/src/lib.rs:3:Some(5) Error no such thing"),
        ("../a.py:7: warning: unused", "a.py:7:None Warning unused"),
        ("TREE/a.py:7:1: E501 line too long", "a.py:7:Some(1) Error E501 line too long"),
        ("a.py:7", "a.py:7:None Error "),
        ("src/lib.rs(3,5): error TS2322: no", "sub/src/lib.rs:3:Some(5) Error no"),
        ("TREE/two words.c:2:3: fatal error: x.h: no such file", "two words.c:2:Some(3) Error x.h: no such file"),
        (
            "\u{1b}[1;31merror[E0308]\u{1b}[0m: mismatched types\n  \u{1b}[34m-->\u{1b}[0m sub/src/lib.rs:2:9\n   |\n",
            "sub/src/lib.rs:2:Some(9) Error mismatched types",
        ),
        (
            "thread 'main' (12) panicked at src/lib.rs:4:5:\nassertion failed: x\n",
            "sub/src/lib.rs:4:Some(5) Error assertion failed: x",
        ),
        (
            "Traceback (most recent call last):\n  File \"TREE/a.py\", line 3, in <module>\n    f()\nTypeError: no\n",
            "a.py:3:None Error TypeError: no",
        ),
        (
            "  File \"../a.py\", line 1\n    def f(:\n          ^\nSyntaxError: invalid syntax\n",
            "a.py:1:None Error SyntaxError: invalid syntax",
        ),
    ] {
        assert_eq!(tree.parse(output), [found], "{output}");
    }
    for output in [
        "12:30:59 done in 3:05",
        "missing.rs:3:5: error: not in the tree",
        "/etc/passwd:1:1: error: outside",
        "../../etc/passwd:1:1: error: outside",
        "a.py:0: no line 0",
        "a.py:x",
        "error: aborting due to 2 previous errors",
        "",
    ] {
        assert!(tree.parse(output).is_empty(), "{output}");
    }
}

/// The same complaint, as rustc tells it in both of its forms.
#[test]
fn rustc_itself() {
    let tree = Tree::new();
    let root = tree.0.path().join("sub");
    std::fs::write(root.join("src/lib.rs"), "pub fn f() -> u32 {\n    \"x\"\n}\nfn g() {}\n").unwrap();
    let rustc = |arguments: &[&str]| {
        let mut command = std::process::Command::new("rustc");
        command.args(["--crate-type=lib", "--emit=metadata", "-o", "out.rmeta", "src/lib.rs"]).args(arguments);
        String::from_utf8(command.current_dir(&root).output().unwrap().stderr).unwrap()
    };
    let text = tree.parse(&rustc(&["--color=always"]));
    assert!(text.contains(&"sub/src/lib.rs:2:Some(5) Error mismatched types".to_owned()), "{text:?}");
    let json = tree.parse(&rustc(&["--error-format=json"]));
    assert!(json.iter().any(|found| found.starts_with("sub/src/lib.rs:2:Some(5) Error mismatched types")), "{json:?}");
    let cargo: String = rustc(&["--error-format=json"])
        .lines()
        .map(|line| format!("{{\"reason\":\"compiler-message\",\"package_id\":\"x\",\"message\":{line}}}\n"))
        .collect();
    assert_eq!(tree.parse(&cargo), json);
}

#[test]
fn a_complaint_counts_as_new_only_when_it_is() {
    let at = |line, message: &str| Diagnostic {
        file: "f".into(),
        line,
        last_line: line,
        column: None,
        level: Level::Error,
        message: message.into(),
    };
    let before = [at(3, "a"), at(9, "b"), at(9, "b")];
    let edit = |diagnostic: &Diagnostic| diagnostic.line < 10;
    assert_eq!(new_ones(&before, &[at(5, "a"), at(11, "b"), at(12, "b")], &edit), []);
    assert_eq!(new_ones(&before, &[at(5, "a"), at(50, "a")], &edit), [at(5, "a")], "the one in the edit is the new one");
    assert_eq!(new_ones(&before, &[at(5, "c")], &edit), [at(5, "c")]);
    assert_eq!(new_ones(&[], &[at(5, "c"), at(6, "c")], &edit).len(), 2);
}

#[test]
fn a_flood_ends() {
    let tree = Tree::new();
    let output: String = (1..5000).map(|line| format!("a.py:{line}: error: no\n")).collect();
    assert_eq!(tree.parse(&output).len(), MOST);
}
