//! `dcode edit` and `dcode filter` with the embedded model, as a user runs them.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use dcode::model::locate::locate;

use crate::common::embedded_model;

const MEAN: &str =
    "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n";

/// The folder of the model, so that tests with a home of their own find it; `None` when it is not complete.
fn model() -> Option<String> {
    embedded_model()?;
    let files = locate(None).ok()?;
    files.base.first()?.parent().map(|folder| folder.display().to_string())
}

fn dcode(folder: &Path, model: &str, arguments: &[&str], input: Option<&[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dcode"))
        .current_dir(folder)
        .env("DCODE_HOME", folder.join("home"))
        .args(arguments)
        .args(["--model", model, "--device", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One model load each is seconds; what belongs together is one test.
#[test]
fn an_edit_shows_a_diff_that_git_applies_and_writes_only_when_asked() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mean.py");
    // CR LF, a BOM and no newline at the end survive.
    let original = format!("\u{feff}{}# the end", MEAN.replace('\n', "\r\n"));
    std::fs::write(&file, &original).unwrap();
    let arguments = ["edit", "mean.py", "--range", "2:5", "-i", "Use the built-in sum."];
    let shown = dcode(folder.path(), &model, &arguments, None);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert_eq!(std::fs::read(&file).unwrap(), original.as_bytes(), "a diff writes nothing");
    let diff = text(&shown.stdout);
    assert!(diff.contains("sum(values)"), "{diff}");
    assert!(text(&shown.stderr).contains("mean.py 2:5 (bytes "), "the resolved range is printed back");

    let again = dcode(folder.path(), &model, &[&arguments[..], &["--in-place"]].concat(), None);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("\u{feff}def mean(values):\r\n") && written.ends_with("# the end"));
    assert_eq!(written.matches('\n').count(), written.matches("\r\n").count());

    std::fs::write(&file, &original).unwrap();
    let planned = dcode(folder.path(), &model, &[&arguments[..], &["--plan", "plan.json"]].concat(), None);
    assert_eq!(planned.status.code(), Some(0), "{}", text(&planned.stderr));
    assert_eq!((planned.stdout.len(), std::fs::read(&file).unwrap()), (0, original.as_bytes().to_vec()));
    let mut apply = Command::new(env!("CARGO_BIN_EXE_dcode"));
    let applied = apply.current_dir(folder.path()).env("DCODE_HOME", folder.path().join("home")).args(["apply", "plan.json"]);
    assert!(applied.status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written, "a plan and --in-place agree");

    std::fs::write(&file, &original).unwrap();
    let mut git = Command::new("git").args(["apply", "-"]).current_dir(folder.path()).stdin(Stdio::piped()).spawn().unwrap();
    git.stdin.take().unwrap().write_all(&shown.stdout).unwrap();
    assert!(git.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written, "git apply and --in-place agree");
}

#[test]
fn json_lines_tell_the_whole_run() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mean.py"), MEAN).unwrap();
    let output = dcode(folder.path(), &model, &["edit", "mean.py", "--range", "3:4", "--json", "--candidates", "2"], None);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty());
    let events: Vec<serde_json::Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(&kinds[..2], ["start", "resolved"]);
    assert_eq!(kinds.iter().filter(|kind| **kind == "candidate").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| **kind == "result").count(), 1);
    assert_eq!(*kinds.last().unwrap(), "result");
    assert_eq!(events[1]["spans"][0]["start"], 32);
    let ranked = events.last().unwrap()["ranked"].as_array().unwrap();
    let scores: Vec<f64> =
        ranked.iter().map(|each| each["score"].as_f64().expect("several candidates are scored by the base")).collect();
    assert_eq!(scores.len(), 2);
    let schema: serde_json::Value = serde_json::from_str(include_str!("../assets/schema/edit-events.v1.json")).unwrap();
    let known = schema["properties"]["type"]["enum"].as_array().unwrap();
    assert!(kinds.iter().all(|kind| known.iter().any(|known| known == kind)));
}

#[test]
fn a_filter_is_silent_and_repeatable() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["filter", "--stdin-filename", "mean.py", "--range", "3:4"];
    let first = dcode(folder.path(), &model, &arguments, Some(MEAN.as_bytes()));
    let second = dcode(folder.path(), &model, &arguments, Some(MEAN.as_bytes()));
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(first.stderr.is_empty(), "{}", text(&first.stderr));
    assert_eq!(first.stdout, second.stdout);
    assert!(text(&first.stdout).starts_with("def mean(values):\n    total = 0\n"));
}

#[test]
fn budgets_end_in_exit_6_and_nothing_is_written() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mean.py"), MEAN).unwrap();
    let output = dcode(folder.path(), &model, &["edit", "mean.py", "--range", "2:4", "--steps", "1", "--in-place"], None);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(folder.path().join("mean.py")).unwrap(), MEAN);
}

/// Special tokens in the user's text are text, and none comes out of the model.
#[test]
fn odd_files_are_edited_too() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tokens = "# <|endoftext|> <|im_start|> are text\nvalues = [1, 2]\ntotal = sum(values)\n";
    std::fs::write(folder.path().join("tokens.py"), tokens).unwrap();
    let output = dcode(folder.path(), &model, &["edit", "tokens.py", "--range", "3:3", "--stdout", "--steps", "40"], None);
    assert!(matches!(output.status.code(), Some(0 | 3 | 6)), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("# <|endoftext|> <|im_start|> are text\nvalues = [1, 2]\n"));
    // A language that has no grammar.
    std::fs::write(folder.path().join("list.xyz"), "alpha\nbeta\ngamma\n").unwrap();
    let output = dcode(folder.path(), &model, &["edit", "list.xyz", "--range", "2:2", "--steps", "20"], None);
    assert!(matches!(output.status.code(), Some(0 | 6)), "{}", text(&output.stderr));
    // An instruction longer than the window loses its end, and says so.
    let long = "Rename it. ".repeat(400);
    let output = dcode(folder.path(), &model, &["edit", "list.xyz", "--range", "2:2", "--steps", "2", "-i", &long], None);
    assert!(text(&output.stderr).contains("longer than the model's window"), "{}", text(&output.stderr));
    // One line of a megabyte: the window is cut, and a few characters of it can be edited.
    let line = format!("x = \"{}\"\ny = 1\n", "a".repeat(1 << 20));
    std::fs::write(folder.path().join("long.py"), &line).unwrap();
    let output = dcode(folder.path(), &model, &["edit", "long.py", "--range", "2:5-2:5", "--steps", "4", "--stdout"], None);
    assert!(matches!(output.status.code(), Some(0 | 3 | 6)), "{}", text(&output.stderr));
    let output = dcode(folder.path(), &model, &["edit", "long.py", "--range", "1:1"], None);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("select fewer lines"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(folder.path().join("long.py")).unwrap(), line);
}

/// The events of a steered edit, one JSON object a line.
#[test]
fn an_edit_follows_commands_from_standard_input() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mean.py"), MEAN).unwrap();
    let commands = concat!(
        "{\"command\":\"alternatives\",\"slots\":[0,1]}\n",
        "{\"command\":\"dance\"}\n",
        "{\"command\":\"step\"}\n",
        "{\"command\":\"pin\",\"slots\":[0]}\n",
        "{\"command\":\"pin\",\"slots\":[77]}\n",
    );
    let arguments = ["edit", "mean.py", "--range", "4:4", "--json", "--steer"];
    let output = dcode(folder.path(), &model, &arguments, Some(commands.as_bytes()));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events: Vec<serde_json::Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let told = of("alternatives");
    assert_eq!(told.len(), 1);
    let slots = told[0]["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 2);
    assert_eq!(slots[0]["tokens"].as_array().unwrap().len(), 8);
    let reasons: Vec<&str> = of("refused").iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.starts_with("line 2")) && reasons.contains(&"slot 77 is gone"));
    let steps = of("step");
    assert_eq!((&steps[0]["nfe"], steps[0]["ids"].as_array().unwrap().len()), (&serde_json::json!(0), 24));
    assert!(steps.iter().any(|step| step["pinned"] == serde_json::json!([0])));
    assert_eq!(of("result").len(), 1, "the end of the input lets the edit go on");
    let without = dcode(folder.path(), &model, &["edit", "mean.py", "--range", "4:4", "--steer"], None);
    assert_eq!(without.status.code(), Some(2), "commands without --json make no sense");
}

/// A rule by name, its record, and the record shown again without a model.
#[test]
fn a_run_by_another_rule_is_recorded_and_replayed() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mean.py"), MEAN).unwrap();
    let arguments = ["edit", "mean.py", "--range", "4:4", "--json", "--trajectory", "run.json", "--constrain"];
    let sampler = ["--sampler", "entropy-bound:gamma=0.3"];
    let output = dcode(folder.path(), &model, &[&arguments[..], &sampler[..]].concat(), None);
    assert_eq!(output.status.code(), Some(0), "{} {}", text(&output.stdout), text(&output.stderr));
    let events: Vec<serde_json::Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let candidate = events.iter().find(|event| event["type"] == "candidate").unwrap()["candidate"].clone();
    let replay = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcode"));
        let output = command.current_dir(folder.path()).arg("replay").args(arguments).output().unwrap();
        (output.status.code(), text(&output.stdout).to_owned() + text(&output.stderr))
    };
    let (code, start) = replay(&["run.json", "--step", "0"]);
    assert_eq!((code, start.trim_end()), (Some(0), "░".repeat(24).as_str()));
    let nfe = candidate["nfe"].as_u64().unwrap();
    let (code, end) = replay(&["run.json", "--step", &nfe.to_string()]);
    assert_eq!((code, end.as_str()), (Some(0), candidate["texts"][0].as_str().unwrap()));
    let (code, steps) = replay(&["run.json"]);
    assert_eq!((code, steps.lines().filter(|line| line.starts_with("step ")).count() as u64), (Some(0), nfe + 1));
    assert!(steps.ends_with(&end), "{steps}");
    let (_, lines) = replay(&["run.json", "--json"]);
    assert_eq!(lines.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count() as u64, nfe + 1);
    for arguments in [&["run.json", "--step", "999"][..], &["run.json", "--candidate", "7"], &["mean.py"], &["absent"]] {
        let (code, message) = replay(arguments);
        assert!(code == Some(2) && message.lines().count() == 1, "{code:?} {message}");
    }
    let unknown = dcode(folder.path(), &model, &["edit", "mean.py", "--range", "4:4", "--sampler", "magic"], None);
    assert_eq!(unknown.status.code(), Some(2));
}
