//! dcode is not alone: two of its processes at once, an editor that saves while the model works, and files that refuse.

use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::desk::Desk;
use crate::desk::Said;
use crate::desk::model;

/// Two real processes write at the same moment, many times. Edits of the same lines: one is written, the other refused; edits of
/// other lines: both are written.
#[test]
fn two_processes_at_once() {
    const ROUNDS: usize = 40;
    let mut refused = 0;
    for round in 0..ROUNDS {
        let same = round % 2 == 0;
        let desk = Desk::new();
        let text: String = (1..=40).map(|line| format!("{line}\n")).collect();
        desk.write("f.rs", &text);
        let first = desk.plan("a.json", "f.rs", (3, 3), "three by a\n");
        let second = desk.plan("b.json", "f.rs", if same { (3, 3) } else { (30, 30) }, "by b\n");
        let spawn = |plan: &std::path::Path| {
            let mut command = desk.command(env!("CARGO_BIN_EXE_dcode"));
            command.arg("apply").arg(plan).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let (a, b) = (spawn(&first), spawn(&second));
        let said = [a, b].map(|child| Said::of(child.wait_with_output().unwrap()));
        let codes: Vec<Option<i32>> = said.iter().map(|said| said.code).collect();
        let with = |a: bool, b: bool| {
            let text = if a { text.replace("\n3\n", "\nthree by a\n") } else { text.clone() };
            let line = if same { "\n3\n" } else { "\n30\n" };
            if b { text.replace(line, "\nby b\n") } else { text }
        };
        let done = codes.iter().map(|code| *code == Some(0)).collect::<Vec<_>>();
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 4))), "{codes:?} {} {}", said[0].err, said[1].err);
        assert!(done[0] || done[1], "one of them writes");
        assert!(!(same && done[0] && done[1]), "the same line twice");
        assert_eq!(desk.read("f.rs"), with(done[0], done[1]), "{codes:?}");
        assert_eq!(std::fs::read_dir(&desk.folder).unwrap().count(), 1, "nothing else lies around");
        refused += done.iter().filter(|done| !**done).count();
        // What was refused can be applied after the other one, where it changes other lines.
        if !(same || done[0] && done[1]) {
            let again = if done[0] { &second } else { &first };
            assert_eq!(desk.dcode(&["apply", again.to_str().unwrap()]).code, Some(0));
            assert_eq!(desk.read("f.rs"), with(true, true));
        }
    }
    eprintln!("two processes at once: {ROUNDS} trials, {refused} edits refused, 0 lost");
    assert!(refused >= ROUNDS / 2, "edits of the same line are refused");
}

/// The file is saved by an editor while the model works: theirs stays, and the edit is refused.
#[test]
fn a_save_in_the_middle_of_a_denoise_is_kept() {
    let Some(model) = model() else { return };
    let desk = Desk::new();
    desk.write("a.py", "def f(x):\n    y = x\n    return y\n");
    let mut command = desk.command(env!("CARGO_BIN_EXE_dcode"));
    command.args(["edit", "a.py", "--range", "2:2", "--in-place", "--json", "--model", &model, "--device", "cpu"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let step = lines.find(|line| line.contains("\"type\":\"step\"")).unwrap();
    assert!(step.contains("null"), "it is in the middle of its work");
    let saved = "def f(x):\n    y = x  # saved by hand\n    return y\n";
    desk.write("a.py", saved);
    let last = lines.last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{last}");
    assert!(last.contains("changed since it was read"), "{last}");
    assert_eq!(desk.read("a.py"), saved);
    assert!(desk.dcode(&["log"]).out.is_empty());
}

/// Runs dcode as a user who may write nothing here.
fn as_nobody(desk: &Desk, arguments: &[&str]) -> Option<Said> {
    let program = env!("CARGO_BIN_EXE_dcode");
    let mut command = desk.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]).args(arguments);
    command.env("DCODE_HOME", desk.home.join("nobody"));
    let output = command.output().ok()?;
    if output.status.code() == Some(127) || String::from_utf8_lossy(&output.stderr).contains("setpriv:") {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(Said::of(output))
}

#[test]
fn no_permission_changes_nothing() {
    let desk = Desk::new();
    desk.write("f.rs", "old\n");
    let plan = desk.plan("a.json", "f.rs", (1, 1), "new\n");
    // For the other user to see: everything but writing.
    let open = |path: &std::path::Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(desk.home.parent().unwrap(), 0o755);
    open(&desk.folder, 0o755);
    open(&desk.folder.join("f.rs"), 0o666);
    open(&plan, 0o644);
    std::fs::create_dir(desk.home.join("nobody")).unwrap();
    open(&desk.home.join("nobody"), 0o777);
    let plan = plan.to_str().unwrap();
    // The program itself may lie where that user cannot reach it.
    let Some(said) = as_nobody(&desk, &["apply", plan]) else { return };
    if said.code.is_none_or(|code| code == 126) {
        eprintln!("skipped: another user cannot run dcode here");
        return;
    }
    assert!(said.code == Some(4) && said.err.contains("owned by another user"), "{:?} {}", said.code, said.err);
    if std::os::unix::fs::chown(desk.folder.join("f.rs"), Some(65534), Some(65534)).is_ok() {
        let said = as_nobody(&desk, &["apply", plan]).unwrap();
        assert!(
            said.code == Some(4) && said.err.contains("Permission denied") && said.err.contains("nothing was changed"),
            "{}",
            said.err
        );
    }
    assert_eq!(desk.read("f.rs"), "old\n");
    assert_eq!(std::fs::read_dir(&desk.folder).unwrap().count(), 1);
    assert!(desk.dcode(&["log"]).out.is_empty());
}

/// A file that is a mount of its own cannot be renamed over (EXDEV or EBUSY), and one on a read-only file system not at all.
#[test]
fn a_file_that_cannot_be_replaced_stays() {
    let desk = Desk::new();
    desk.write("f.rs", "old\n");
    desk.write("other.rs", "old\n");
    let plan = desk.plan("a.json", "f.rs", (1, 1), "new\n");
    let mount = |arguments: &[&str]| {
        let output = std::process::Command::new("mount")
            .args(arguments)
            .arg(desk.folder.join("other.rs"))
            .arg(desk.folder.join("f.rs"))
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    if !mount(&["--bind"]) {
        eprintln!("skipped: a file cannot be mounted here");
        return;
    }
    let said = desk.dcode(&["apply", plan.to_str().unwrap()]);
    let text = desk.read("f.rs");
    let unmounted = std::process::Command::new("umount").arg(desk.folder.join("f.rs")).status().unwrap();
    assert!(unmounted.success());
    assert!(said.code == Some(4) && said.err.contains("nothing was changed"), "{:?} {}", said.code, said.err);
    assert_eq!((text.as_str(), desk.read("f.rs").as_str()), ("old\n", "old\n"));
    assert_eq!(std::fs::read_dir(&desk.folder).unwrap().count(), 2, "nothing else lies around");
}
