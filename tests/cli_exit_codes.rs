//! Each exit code, and that no other one comes out of any command that ends by itself.

use std::io::Write;
use std::process::Stdio;

use crate::desk::Desk;
use crate::desk::model;

#[test]
fn without_a_model() {
    let desk = Desk::new();
    desk.write("f.rs", "a\nb\nc\n");
    desk.write("binary", "a\0b");
    let plan = desk.plan("plan.json", "f.rs", (2, 2), "B\n");
    let plan = plan.to_str().unwrap();
    let mut broken: dcode::patch::Plan = dcode::patch::Plan::from_json(&std::fs::read(plan).unwrap()).unwrap();
    broken.candidates[0].syntax = Some("broken".into());
    let broken_path = desk.home.with_file_name("broken.json");
    std::fs::write(&broken_path, broken.to_json().unwrap()).unwrap();
    broken.candidates[0].syntax = None;
    broken.candidates[0].verify = Some("failed".into());
    let failed_path = desk.home.with_file_name("failed.json");
    std::fs::write(&failed_path, broken.to_json().unwrap()).unwrap();
    for (exit, arguments) in [
        (0, &["log"][..]),
        (0, &["--version"]),
        (0, &["apply", plan, "--dry-run"]),
        (1, &["apply", plan, "--check"]),
        (2, &["--no-such-flag"]),
        (2, &[]),
        (2, &["edit", "f.rs", "--range", "9:9"]),
        (2, &["undo", "7"]),
        (2, &["config", "get", "nothing"]),
        (3, &["apply", broken_path.to_str().unwrap()]),
        (3, &["apply", failed_path.to_str().unwrap()]),
        (4, &["edit", "binary", "--range", "1:1"]),
        (4, &["undo"]),
        (5, &["edit", "f.rs", "--range", "1:1", "--model", "no-such-model"]),
        (5, &["doctor", "--quick", "--model", "no-such-model"]),
    ] {
        let said = desk.dcode(arguments);
        assert_eq!(said.code, Some(exit), "{arguments:?}: {}", said.err);
    }
    assert_eq!(desk.read("f.rs"), "a\nb\nc\n");
}

/// A reader that is gone is no failure that anybody has to hear of.
#[test]
fn a_closed_pipe_is_quiet() {
    let desk = Desk::new();
    let mut child = desk
        .command(env!("CARGO_BIN_EXE_dcode"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

/// Codes 1, 3 and 6 by the real model: on a terminal of its own the change is rejected, interrupted, or accepted.
#[test]
fn with_the_model_on_a_terminal() {
    let Some(model) = model() else { return };
    let desk = Desk::new();
    let text = "def double(x):\n    return x * 2\n";
    for (key, exit) in [("n", 1), ("\u{3}", 130), ("y", 0)] {
        desk.write("a.py", text);
        let code = on_a_terminal(&desk, &model, key);
        assert_eq!(code, exit, "{key:?}");
        assert_eq!(desk.read("a.py") != text, exit == 0, "{key:?}");
    }
}

/// Runs an edit in a pseudo-terminal, answers the question with a key, and returns the exit code.
fn on_a_terminal(desk: &Desk, model: &str, key: &str) -> u32 {
    use portable_pty::CommandBuilder;
    use portable_pty::PtySize;
    let pty =
        portable_pty::native_pty_system().openpty(PtySize { rows: 40, cols: 100, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_dcode"));
    command.args(["edit", "a.py", "--range", "2:2", "-i", "Use addition: x + x.", "--model", model, "--device", "cpu"]);
    command.args(["--verify", "grep -q return a.py"]);
    command.cwd(&desk.folder);
    for (name, value) in [("DCODE_HOME", desk.home.as_os_str()), ("TERM", "xterm-256color".as_ref())] {
        command.env(name, value);
    }
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut writer = pty.master.take_writer().unwrap();
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    let mut answered = false;
    while let Ok(count @ 1..) = std::io::Read::read(&mut reader, &mut buffer) {
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if !answered && seen.contains("Apply?") {
            answered = true;
            // The keys are read once the terminal is in raw mode.
            std::thread::sleep(std::time::Duration::from_millis(300));
            writer.write_all(key.as_bytes()).unwrap();
            writer.flush().unwrap();
        }
    }
    assert!(answered && seen.contains("candidate 0: `grep -q return a.py` passed"), "{seen}");
    child.wait().unwrap().exit_code()
}
