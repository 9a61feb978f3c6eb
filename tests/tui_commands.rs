//! The TUI with the user's own commands, keys and history, and with recorded runs, in a real terminal.

use std::path::Path;
use std::time::Duration;

use crate::pty::Pty;
use crate::tui_pty::TEXT;
use crate::tui_pty::start_in;

/// A folder with the file of the TUI's tests, and settings of a user beside it.
fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rs"), TEXT).unwrap();
    std::fs::create_dir(folder.path().join("home")).unwrap();
    std::fs::write(folder.path().join("home/config.toml"), config).unwrap();
    folder
}

/// The TUI with a review of two candidates: the first one says `u32`.
fn reviewing(folder: &Path) -> Pty {
    let mut pty = start_in(folder, "story", Some("main.rs"), &[], (110, 30));
    pty.wait_for("fn main()");
    pty.send("jjjvji\r");
    pty.wait_for("hunk 1/1");
    pty
}

#[test]
fn commands_complain_at_their_lines_and_nothing_is_written() {
    let script = "grep -q u32 main.rs && { echo main.rs:4:9: error: no u32 here; exit 1; }; exit 0";
    let folder = folder(&format!("verify.commands = [[\"sh\", \"-c\", \"\"\"{script}\"\"\"]]\n"));
    let mut pty = reviewing(folder.path());
    pty.type_for("v", "└ error: no u32 here");
    pty.type_for("]", "1/1  error: no u32 here");
    // The next candidate passes.
    pty.send("\t");
    pty.type_for("v", "the commands are content");
    pty.type_for("j", "✓ verified");
    // What the first one is blamed for is masked again; the script has nothing else to say.
    pty.send("\t");
    pty.type_for("r", "the same again");
    assert_eq!(std::fs::read_to_string(folder.path().join("main.rs")).unwrap(), TEXT);
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn commands_that_are_stopped_leave_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let (begun, mark) = (temp.path().join("begun"), temp.path().join("mark"));
    let script = format!("(sleep 2; echo late > {}) & echo > {}; sleep 60", mark.display(), begun.display());
    let folder = folder(&format!("verify.commands = [[\"sh\", \"-c\", \"\"\"{script}\"\"\"]]\n"));
    let mut pty = reviewing(folder.path());
    pty.type_for("v", "before");
    let start = std::time::Instant::now();
    while !begun.exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    // Keys are answered meanwhile.
    pty.type_for("x", "rejected");
    pty.type_for("v", "the commands were stopped");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!mark.exists(), "a process of the group lived on");
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
}

#[test]
fn without_commands_it_says_what_to_do() {
    let folder = folder("");
    let mut pty = reviewing(folder.path());
    pty.type_for("v", "no commands to run: write for example");
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
}

#[test]
fn a_repository_that_is_not_trusted_runs_nothing() {
    let folder = folder("");
    let mark = folder.path().join("mark");
    let config = format!("verify.commands = [[\"touch\", \"{}\"]]\n", mark.display());
    std::fs::write(folder.path().join(".dcode.toml"), config).unwrap();
    let done = std::process::Command::new("git").current_dir(folder.path()).args(["init", "-q"]).output().unwrap();
    assert!(done.status.success());
    let mut pty = reviewing(folder.path());
    pty.type_for("v", "verify.commands ignored");
    assert!(!mark.exists());
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
}

#[test]
fn instructions_outlive_the_session() {
    let folder = folder("");
    let mut pty = start_in(folder.path(), "story", Some("main.rs"), &[], (100, 30));
    pty.wait_for("fn main()");
    pty.send("jjjvji");
    pty.type_for("use u32", "use u32");
    pty.send("\r");
    pty.wait_for("hunk 1/1");
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
    let kept = folder.path().join("home/history");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "use u32\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut pty = start_in(folder.path(), "story", Some("main.rs"), &[], (100, 30));
    pty.wait_for("fn main()");
    pty.type_for("i", "what to do");
    // The history may still be on its way.
    let start = std::time::Instant::now();
    while !pty.text().contains("use u32") {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", pty.text());
        pty.send("\x1b[A");
        std::thread::sleep(Duration::from_millis(100));
    }
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
}

#[test]
fn text_is_found_and_a_finding_is_rewritten() {
    let text = "pub fn is_none(list: &[u32]) -> bool {\n    list.len() == 0\n}\n";
    let folder = folder("");
    std::fs::write(folder.path().join("main.rs"), text).unwrap();
    let mut pty = start_in(folder.path(), "story", Some("main.rs"), &[], (100, 30));
    pty.wait_for("pub fn");
    pty.type_for("/len", "1/1");
    pty.type_for("\r", "2/3  match 1/1");
    pty.type_for("r", "asks whether it is empty");
    pty.type_for("is empty\r", "hunk 1/1");
    pty.wait_for("list.is_empty()");
    pty.send(" ");
    pty.type_for("a", "written");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("main.rs")).unwrap(),
        text.replace("list.len() == 0", "list.is_empty()")
    );
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
}

const RUN: &str = r#"{"format":"dcode-trajectory","version":1,"model":"a model","file":"src/a.rs","texts":{"1":"let x","2":" = 1;"},"runs":[{"candidate":0,"context":[9],"after":[],"slots":[[null,false,0.0,"initial",0],[null,false,0.0,"initial",0]],"ops":[[1,"c",0,1,0.9],[2,"c",1,2,0.5]]}]}"#;

/// The program itself on a recorded run: it needs no model.
fn replay(folder: &Path) -> Pty {
    std::fs::write(folder.join("run.json"), RUN).unwrap();
    let home = folder.join("home").display().to_string();
    let environment = [("DCODE_HOME", home.as_str()), ("DCODE_CONFIG", "")];
    Pty::start(Path::new(env!("CARGO_BIN_EXE_dcode")), &["replay", "run.json", "--tui"], folder, &environment, (90, 20))
}

#[test]
fn a_recorded_run_plays_with_the_users_keys() {
    let folder = folder("theme = \"ember\"\n[keys.run]\nw = \"later\"\n\"f6\" = \"pause\"\n\"]\" = \"none\"\n");
    let mut pty = replay(folder.path());
    pty.wait_for("recorded · a model");
    pty.wait_for("step 0 of 2");
    pty.type_for("w", "step 1 of 2");
    assert!(pty.text().contains("let x"));
    pty.send("]");
    pty.type_for("?", "f6 space");
    assert!(pty.text().contains("w                "), "the action has that key alone: {}", pty.text());
    pty.escape();
    // Played to its end.
    pty.send("\x1b[17~");
    pty.wait_for("let x = 1;");
    pty.send("q");
    pty.wait_for("no file is open");
    // And listed.
    pty.type_for("P", "run.json  src/a.rs");
    pty.type_for("\r", "step 0 of 2");
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn keys_in_each_others_way_are_told_with_their_place() {
    let folder = folder("\n[keys.review]\na = \"accept\"\n");
    let mut pty = replay(folder.path());
    pty.wait_for("config.toml:3: keys.review.a: it is the only key of `apply`");
    assert_eq!(pty.end(), Ok(2));
}
