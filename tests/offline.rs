//! No network: an edit works where there is none, and the system sees no socket being made.

use std::process::Command;

use crate::desk::Desk;
use crate::desk::model;

const TEXT: &str = "def double(x):\n    return x * 2\n";

fn arguments(model: &str) -> Vec<String> {
    let fixed =
        ["edit", "a.py", "--range", "2:2", "-i", "Use addition: x + x.", "--in-place", "--device", "cpu", "--model", model];
    fixed.map(str::to_owned).to_vec()
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let works = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("skipped: {program} cannot be used here");
    }
    works
}

#[test]
fn an_edit_works_without_a_network() {
    let Some(model) = model() else { return };
    if !works("unshare", &["-n", "true"]) {
        return;
    }
    let desk = Desk::in_git();
    desk.write("a.py", TEXT);
    let mut command = desk.command("unshare");
    let output = command
        .args(["-n", env!("CARGO_BIN_EXE_dcode")])
        .args(arguments(&model))
        .args(["--verify", "grep -q return a.py"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(desk.read("a.py"), TEXT);
}

/// Every call that makes or uses a socket, by dcode or by what it starts.
#[test]
fn an_edit_makes_no_socket() {
    let Some(model) = model() else { return };
    if !works("strace", &["-f", "-e", "trace=%network", "true"]) {
        return;
    }
    let desk = Desk::in_git();
    desk.write("a.py", TEXT);
    let trace = desk.home.join("trace");
    let mut command = desk.command("strace");
    command.args(["-f", "-qq", "-e", "trace=%network", "-e", "signal=none", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_dcode"));
    let output = command.args(arguments(&model)).args(["--verify", "grep -q return a.py"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(desk.read("a.py"), TEXT);
    let calls = std::fs::read_to_string(&trace).unwrap();
    // A pair of local sockets wakes the thread that waits for signals; it leads nowhere.
    let local = |line: &&str| {
        ["socketpair(AF_UNIX", "sendto(", "recvfrom(", "exited with"].iter().any(|call| line.contains(call))
            && !line.contains("AF_INET")
    };
    let (explained, network): (Vec<&str>, Vec<&str>) = calls.lines().partition(local);
    eprintln!("calls: {} of local socket pairs, {} others", explained.len(), network.len());
    assert!(network.is_empty(), "{network:?}");
    // That the trace can see a socket at all.
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=%network", "-o"]).arg(&trace);
    let program = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))";
    if command.args(["python3", "-c", program]).output().is_ok() {
        assert!(std::fs::read_to_string(&trace).unwrap().contains("AF_INET"));
    }
}

/// All of `dcode model` but `pull`.
#[test]
fn looking_at_models_makes_no_socket() {
    if !works("strace", &["-f", "-e", "trace=%network", "true"]) {
        return;
    }
    let desk = Desk::new();
    let trace = desk.home.join("trace");
    for arguments in [&["list"][..], &["show", "dreamon-7b"], &["path", "a/b"], &["verify"], &["rm", "a/b", "--yes"]] {
        let mut command = desk.command("strace");
        command.args(["-f", "-qq", "-e", "trace=%network", "-e", "signal=none", "-o"]).arg(&trace);
        command.arg(env!("CARGO_BIN_EXE_dcode")).arg("model").args(arguments).output().unwrap();
        let calls = std::fs::read_to_string(&trace).unwrap();
        let network: Vec<&str> = calls.lines().filter(|line| !line.contains("exited with")).collect();
        assert!(network.is_empty(), "{arguments:?}: {network:?}");
    }
}
