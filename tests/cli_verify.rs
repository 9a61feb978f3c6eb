//! `dcode edit --verify` as a user runs it, with the real model and real commands.

use std::time::Duration;
use std::time::Instant;

use crate::desk::Desk;
use crate::desk::model;

const MEAN: &str =
    "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n";

fn edit(desk: &Desk, model: &str, more: &[&str]) -> crate::desk::Said {
    let arguments = ["edit", "mean.py", "--range", "2:5", "-i", "Use the built-in sum.", "--model", model, "--device", "cpu"];
    desk.dcode(&[&arguments[..], more].concat())
}

/// Passed: written. Failed: not written, exit 3, remasked, told. The user's files are seen by no command.
#[test]
fn what_passes_is_written_and_what_fails_is_not() {
    let Some(model) = model() else { return };
    let desk = Desk::in_git();
    desk.commit("mean.py", MEAN);
    desk.write(".gitignore", "ignored\n");
    desk.write("ignored", "built");
    desk.write("check.sh", "#!/bin/sh\npwd\ntest ! -e ignored && test -z \"$GIT_DIR\" && touch mean.pyc && grep -q 'sum(values)' mean.py || grep -q 'total = 0' mean.py\n");
    std::fs::set_permissions(desk.folder.join("check.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // The folder is where the command is typed.
    let said = edit(&desk, &model, &["--in-place", "--verify", "./check.sh", "--verify", "python3 -m py_compile mean.py"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("candidate 0: `./check.sh` passed") && said.err.contains("passed the commands"), "{}", said.err);
    assert!(desk.read("mean.py").contains("sum(values)"));
    assert!(
        !desk.folder.join("mean.pyc").exists() && !desk.folder.join("__pycache__").exists(),
        "a command wrote to the user's files"
    );

    // What no candidate can pass: the old text passes, so it is theirs. Lines with `sum` are blamed, and remasked.
    desk.write("mean.py", MEAN);
    let script = "sh -c 'grep -q \"total = 0\" mean.py && exit 0; echo mean.py:2: error: use no builtins; exit 1'";
    let said = edit(&desk, &model, &["--in-place", "--json", "--verify", script, "--verify-rounds", "1"]);
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    assert_eq!(desk.read("mean.py"), MEAN);
    let events: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verify: Vec<&serde_json::Value> = events.iter().filter(|event| event["type"] == "verify").collect();
    assert_eq!((verify[0]["stage"].as_str(), verify[0]["passed"].as_bool()), (Some("baseline"), Some(true)));
    assert_eq!((verify[1]["stage"].as_str(), verify[1]["passed"].as_bool()), (Some("candidate"), Some(false)));
    assert_eq!(verify[1]["diagnostics"][0]["message"], "use no builtins");
    assert_eq!((verify[2]["stage"].as_str(), &verify[2]["lines"]), (Some("remask"), &serde_json::json!([[2, 2]])));
    let remask = events.iter().position(|event| event["stage"] == "remask").unwrap();
    assert!(events[remask..].iter().any(|event| event["type"] == "candidate"), "the lines were denoised again");
    let last = events.last().unwrap();
    assert!(last["type"] == "error" && last["exit"] == 3 && last["message"].as_str().unwrap().contains("no candidate passes"));
    let schema: serde_json::Value = serde_json::from_str(include_str!("../assets/schema/edit-events.v1.json")).unwrap();
    let known = schema["properties"]["type"]["enum"].as_array().unwrap();
    assert!(events.iter().all(|event| known.contains(&event["type"])));

    // Without --in-place the diff is shown all the same, and marked by the exit code.
    let said = edit(&desk, &model, &["--verify", "grep -q 'total = 0' mean.py", "--verify-rounds", "0"]);
    assert!(said.code == Some(3) && said.out.contains("+    total = sum"), "{} {}", said.out, said.err);
    assert!(said.err.contains("candidate 0: `grep -q 'total = 0' mean.py` failed (exit code 1"), "{}", said.err);
}

#[test]
fn commands_of_the_configuration_and_old_failures() {
    let Some(model) = model() else { return };
    let desk = Desk::in_git();
    desk.commit("mean.py", MEAN);
    let config = "[verify]\ncommands = [[\"sh\", \"-c\", \"echo old failure; exit 4\"]]\n";
    std::fs::write(desk.home.join("config.toml"), config).unwrap();
    let said = edit(&desk, &model, &["--in-place"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("fails on the files as they are (exit code 4"), "{}", said.err);
    assert!(desk.read("mean.py").contains("sum(values)"));
}

/// Commands that cannot be used are told before anything is written; none of it needs an answer of the model.
#[test]
fn commands_that_cannot_be_used() {
    let Some(model) = model() else { return };
    let desk = Desk::in_git();
    desk.commit("mean.py", MEAN);
    for (commands, exit, says) in [
        (&["--verify", "a && b"][..], 2, "is for a shell"),
        (&["--verify", "'open"], 2, "a quote is not closed"),
        (&["--verify", ""], 2, "the command is empty"),
        (&["--verify", "true", "--no-verify"], 2, "cannot be used with"),
        (&["--verify", "no-such-program-here", "--steps", "1"], 2, "cannot be started"),
        (&["--verify", "sleep 60", "--verify-time-limit", "0.3", "--steps", "1"], 2, "raise --verify-time-limit"),
    ] {
        let said = edit(&desk, &model, &[commands, &["--in-place"]].concat());
        assert!(said.code == Some(exit) && said.err.contains(says), "{commands:?}: {:?} {}", said.code, said.err);
        assert_eq!(desk.read("mean.py"), MEAN);
    }
}

/// dcode ends by a signal while a command runs: the command ends too.
#[test]
fn a_signal_ends_the_commands_too() {
    let Some(model) = model() else { return };
    let desk = Desk::in_git();
    desk.commit("mean.py", MEAN);
    let (started, late) = (desk.home.join("started"), desk.home.join("late"));
    let script = format!("sh -c 'touch {}; sleep 3; touch {}'", started.display(), late.display());
    let mut command = desk.command(env!("CARGO_BIN_EXE_dcode"));
    command.args(["edit", "mean.py", "--range", "2:5", "--model", &model, "--device", "cpu", "--verify", &script]);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !started.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the command never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    std::thread::sleep(Duration::from_millis(3500));
    assert!(!late.exists(), "the command lived on");
    assert_eq!(desk.read("mean.py"), MEAN);
}
