//! The reports that programs read, against their schemas; and `dcode lint`.

use serde_json::Value;

use crate::hook_git::Repo;
use crate::hook_git::text;

const RUST: &str = "// é\nfn empty(v: &[u8]) -> bool {\n    v.len() == 0\n}\n";
const PYTHON: &str = "def f(x, y=[]):\n    y.append(x)\n    return not x in y\n";

/// What `value` breaks of `schema`, for the words of JSON Schema that our schemas use.
fn breaks(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("{at}: {what}"));
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !(types.contains(&kind) || kind == "integer" && types.contains(&"number")) {
        say(format!("is {kind}, not {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) || schema.get("const").is_some_and(|one| one != value) {
        say(format!("{value} is not allowed"));
    }
    let bound = |name: &str| schema[name].as_f64().zip(value.as_f64());
    if bound("minimum").is_some_and(|(least, value)| value < least) || bound("maximum").is_some_and(|(most, value)| value > most)
    {
        say(format!("{value} is out of bounds"));
    }
    if let Value::Object(object) = value {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                say(format!("{name} is missing"));
            }
        }
        for (name, inner) in object {
            match schema["properties"].get(name) {
                Some(inner_schema) => found.extend(breaks(inner, inner_schema, &format!("{at}/{name}"))),
                None if schema["additionalProperties"] == false => found.push(format!("{at}: {name} is unknown")),
                None => {}
            }
        }
    }
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            found.extend(breaks(item, schema, &format!("{at}/{index}")));
        }
    }
    found
}

fn repo() -> Repo {
    let repo = Repo::new();
    repo.stage("dir/a b.rs", RUST);
    repo.stage("p.py", PYTHON);
    repo.stage("broken.rs", "fn f( {\n");
    repo
}

fn run(repo: &Repo, arguments: &[&str]) -> Value {
    let output = repo.dcode(arguments);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn json_is_what_its_schema_says() {
    let repo = repo();
    let schema: Value = serde_json::from_str(include_str!("../assets/schema/hook-report.v1.json")).unwrap();
    let report = run(&repo, &["hook", "--json", "--no-model"]);
    assert_eq!(breaks(&report, &schema, ""), [""; 0]);
    let empty = &report["findings"][0];
    assert_eq!((&empty["path"], &empty["line"], &empty["column"]), (&"dir/a b.rs".into(), &3.into(), &5.into()));
    assert_eq!(
        (&empty["start_byte"], &empty["old"], &empty["new"]),
        (&39.into(), &"v.len() == 0".into(), &"v.is_empty()".into())
    );
    let levels: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|each| each["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["fix", "suggest", "fix"]);
    assert_eq!(report["notices"][0]["path"], "broken.rs");
    // The checker of this test finds what is wrong.
    let mut wrong = report.clone();
    wrong["findings"][0]["line"] = 0.into();
    wrong["extra"] = 1.into();
    wrong["findings"][1]["level"] = "x".into();
    assert_eq!(breaks(&wrong, &schema, "").len(), 3);
}

#[test]
fn sarif_has_the_structure_of_2_1_0() {
    let repo = repo();
    let schema: Value = serde_json::from_str(include_str!("data/sarif-2.1.0-subset.json")).unwrap();
    let log = run(&repo, &["hook", "--sarif", "--no-model"]);
    assert_eq!(breaks(&log, &schema, ""), [""; 0]);
    let sarif = &log["runs"][0];
    let results = sarif["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let rule = &sarif["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "dir/a%20b.rs");
    assert_eq!(results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"], "v.is_empty()");
    assert_eq!(results[1]["level"], "note");
    assert!(
        sarif["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap().starts_with("broken.rs: ")
    );
}

#[test]
fn suggestions_are_never_written() {
    let repo = repo();
    assert!(repo.dcode(&["hook", "--fix", "--no-model"]).status.success());
    assert_eq!(repo.read("p.py"), PYTHON.replace("not x in y", "x not in y"));
    let only = repo.dcode(&["hook", "--check", "--no-model", "--recipe", "mutable-default-list"]);
    assert_eq!(only.status.code(), Some(0), "a suggestion alone stops no commit");
    assert!(text(&only.stdout).contains("p.py:1:6 mutable-default-list "), "{}", text(&only.stdout));
    assert!(text(&only.stdout).contains("+def f(x, y=None):\n+    if y is None:\n+        y = []\n"), "{}", text(&only.stdout));
}

#[test]
fn lint_looks_at_whole_files_and_fixes_until_nothing_is_left() {
    let repo = repo();
    repo.write(".gitignore", "ignored.py\n");
    repo.write("ignored.py", PYTHON);
    // Two rounds: the inner condition makes room for the outer one.
    let nested = "def f(a, b, c):\n    if a:\n        if b:\n            if c:\n                g()\n";
    repo.write("nested.py", nested);
    let check = repo.dcode(&["lint", "--short"]);
    assert_eq!(check.status.code(), Some(1));
    let out = text(&check.stdout);
    assert!(out.contains("dir/a b.rs:3:5 len-zero") && out.contains("p.py:3:12 not-in") && !out.contains("ignored"), "{out}");
    let fix = repo.dcode(&["lint", "--fix", "--json"]);
    assert!(fix.status.success(), "{}", text(&fix.stderr));
    assert_eq!(repo.read("nested.py"), "def f(a, b, c):\n    if a and b and c:\n        g()\n");
    assert_eq!(repo.read("ignored.py"), PYTHON);
    assert_eq!(repo.dcode(&["lint", "--short"]).status.code(), Some(0));
    assert!(repo.dcode(&["undo"]).status.success());
    assert_eq!(repo.read("nested.py"), nested);
    assert_eq!(repo.dcode(&["lint", "--recipe", "no-such"]).status.code(), Some(2));
}

#[test]
fn recipes_of_the_user_are_data() {
    let repo = Repo::new();
    let folder = repo.home.join("dcode/recipes/rust");
    std::fs::create_dir_all(&folder).unwrap();
    let recipe = "name = \"no-foo\"\nmessage = \"no foo\"\ninstruction = \"Call bar.\"\nquery = '''((call_expression function: (identifier) @span) (#eq? @span \"foo\"))'''\ntemplate = 'bar'\n[example]\nbefore = 'fn f() { foo() }'\nafter = 'fn f() { bar() }'\n";
    std::fs::write(folder.join("no-foo.toml"), recipe).unwrap();
    repo.stage("a.rs", "fn f() {\n    foo()\n}\n");
    assert!(repo.dcode(&["hook", "--fix"]).status.success());
    assert_eq!(repo.read("a.rs"), "fn f() {\n    bar()\n}\n");
    for (bad, why) in [
        (recipe.replace("template", "command = ['rm']\ntemplate"), "unknown field `command`"),
        (recipe.replace("@span", "@other"), "no capture `@span`"),
        (recipe.replace("'bar'", "'$bar'"), "`$bar`, which the query does not capture"),
        (recipe.replace("#eq?", "#run?"), "unknown condition `#run?`"),
        (recipe.replace("(call_expression", "(no_such_node"), "query, line 1"),
    ] {
        std::fs::write(folder.join("no-foo.toml"), bad).unwrap();
        let output = repo.dcode(&["hook"]);
        assert_eq!(output.status.code(), Some(2));
        let message = text(&output.stderr);
        assert!(message.contains("no-foo") && message.contains(why) && message.lines().count() == 1, "{message}");
    }
}

/// A file that a hostile commit brings: its name and text reach the terminal only in a form that does nothing there.
#[test]
fn names_and_text_are_made_safe() {
    let repo = Repo::new();
    repo.stage("a\u{1b}[31m.rs", "fn empty(v\u{202e}: &[u8]) -> bool {\n    return true;\n}\n");
    let output = repo.dcode(&["hook", "--short"]);
    let out = text(&output.stdout) + &text(&output.stderr);
    assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out:?}");
}
