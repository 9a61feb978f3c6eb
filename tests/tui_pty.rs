//! The TUI in a real terminal: the loop, the signals, the files and the journal are those of the program; the engine plays a
//! script. The program under test is this test binary again, which then runs [`child`] alone.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use dcode::cli::tui::Adapter;
use dcode::cli::tui::Taste;
use dcode::cli::tui::session;
use dcode::document::Document;
use dcode::edit::engine::Engine;
use dcode::screen::colour::ColorChoice;
use dcode::screen::frame::Cell;
use dcode::screen::frame::Frame;
use dcode::screen::frame::Part;
use dcode::screen::frame::Progress;
use dcode::screen::frame::Section;
use dcode::tui::engine::Candidate;
use dcode::tui::scripted::ScriptedEngine;

use crate::pty::Pty;

const CHILD: &str = "DCODE_TUI_CHILD";
pub(crate) const TEXT: &str = "use std::fmt;\n\nfn main() {\n    let x = 1;\n    let y = 2;\n    println!(\"{}\", x + y);\n}\n";

/// The steps of a run over the lines 4 and 5.
fn frames() -> Vec<Frame> {
    let words = ["    let x", ": u32", " = 7", ";\n", "    let y", " = ", "3", ";\n"];
    (1..=words.len() as u32)
        .map(|step| {
            let cell = |(index, word): (usize, &&str)| {
                if index < step as usize {
                    Cell::committed(*word, 0.5 + 0.06 * index as f32, index as u32 + 1)
                } else {
                    Cell::masked(4)
                }
            };
            let cells = words.iter().enumerate().map(cell).collect();
            let progress = Progress {
                step,
                max_steps: 8,
                nfe: step,
                committed: step as usize,
                masked: words.len() - step as usize,
                elapsed: Duration::from_millis(u64::from(step) * 120),
                ..Progress::default()
            };
            Frame { sections: vec![Section { first_line: 4, parts: vec![Part::Lines(cells)] }], progress, ..Frame::default() }
        })
        .collect()
}

fn candidate(text: &str) -> Candidate {
    Candidate { texts: vec![text.to_owned()], parses: Some(true), confidence: 0.8 }
}

/// What the child process does. As a test of its own it does nothing.
#[test]
fn child() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let file = std::env::var("DCODE_TUI_FILE").ok().map(PathBuf::from);
    let document = file.as_deref().map(|file| Document::read(file).unwrap());
    if what == "broken-model" {
        let engine = Engine::start_with(|_| panic!("device lost")).unwrap();
        session(file.as_deref(), document.as_ref(), &mut Adapter::new(engine), ColorChoice::Auto, Taste::default()).unwrap();
        return;
    }
    let candidates = vec![candidate("    let x: u32 = 7;\n    let y = 3;\n"), candidate("    let x = 1;\n    let y = 5;\n")];
    let mut engine = match what.as_str() {
        "panic" => ScriptedEngine::default().answer_with_a_panic(frames()),
        _ => (0..3).fold(ScriptedEngine::default(), |engine, _| engine.answer(frames(), candidates.clone())),
    };
    session(file.as_deref(), document.as_ref(), &mut engine, ColorChoice::Auto, Taste::default()).unwrap();
}

/// A folder with a file in it, and the child on that file.
pub(crate) fn start(what: &str, environment: &[(&str, &str)], size: (u16, u16)) -> (tempfile::TempDir, Pty) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.rs"), TEXT).unwrap();
    let pty = start_in(folder.path(), what, Some("main.rs"), environment, size);
    (folder, pty)
}

pub(crate) fn start_in(folder: &Path, what: &str, file: Option<&str>, environment: &[(&str, &str)], size: (u16, u16)) -> Pty {
    let home = folder.join("home").display().to_string();
    let mut all = vec![(CHILD, what), ("DCODE_HOME", home.as_str())];
    all.extend(file.map(|file| ("DCODE_TUI_FILE", file)));
    all.extend(environment);
    let program = std::env::current_exe().unwrap();
    Pty::start(&program, &["--exact", "tui_pty::child", "--nocapture"], folder, &all, size)
}

fn read(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("main.rs")).unwrap()
}

#[test]
fn the_whole_story() {
    let (folder, mut pty) = start("story", &[], (100, 30));
    pty.wait_for("fn main()");
    pty.type_for("jjjvj", "lines 4-5");
    pty.type_for("i", "what to do");
    pty.type_for("use u32", "use u32");
    // Held before its first step, then step by step.
    pty.type_for("\r ", "held");
    pty.type_for("nnn", "step 3");
    pty.type_for("\x1b[C", "80 %");
    pty.type_for("p", "held");
    pty.type_for("l", ":·u32");
    pty.type_for("r", "left   6");
    pty.send(" ");
    pty.wait_for("hunk 1/1");
    assert_eq!(read(&folder), TEXT, "nothing is written before it is accepted");
    pty.type_for(" ", "accepted");
    pty.type_for("a", "written");
    assert_eq!(read(&folder), TEXT.replace("x = 1", "x: u32 = 7").replace("y = 2", "y = 3"));
    pty.type_for("u", "taken back");
    assert_eq!(read(&folder), TEXT);
    pty.type_for("U", "brought back");
    assert!(read(&folder).contains("u32"));
    pty.type_for("L", "written edits");
    pty.type_for("\r", "taken back");
    assert_eq!(read(&folder), TEXT);
    pty.send("q");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn a_file_is_chosen_from_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        assert!(
            command
                .current_dir(folder.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(arguments)
                .output()
                .unwrap()
                .status
                .success()
        );
    };
    git(&["init", "-q", "-b", "trunk"]);
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/main.rs"), TEXT).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-qm", "x"]);
    std::fs::write(folder.path().join("src/main.rs"), TEXT.replace("x = 1", "x = 10")).unwrap();
    let mut pty = start_in(folder.path(), "story", None, &[], (90, 24));
    pty.wait_for("M src/main.rs");
    pty.wait_for("modified");
    pty.type_for("main\r", "let x = 10;");
    pty.wait_for("trunk ●");
    pty.type_for("c", "1 change since the last commit");
    pty.escape();
    pty.type_for("s", "go to a symbol");
    pty.type_for("main\r", "lines 3-7");
    pty.send("q");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn a_storm_of_sizes() {
    let (_folder, mut pty) = start("story", &[], (80, 24));
    pty.wait_for("fn main()");
    pty.send("jjji\r");
    let mut random = 1u32;
    for _ in 0..1000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        pty.resize(1 + (random >> 8) as u16 % 200, 1 + (random >> 16) as u16 % 60);
        if random.is_multiple_of(7) {
            pty.send(["j", "?", "\x1b", "n"][random as usize % 4]);
        }
    }
    pty.resize(80, 24);
    pty.wait_quiet(Duration::from_millis(300));
    (0..3).for_each(|_| pty.escape());
    pty.send("\x0c");
    pty.wait_for("main.rs");
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn a_megabyte_is_pasted() {
    let (_folder, mut pty) = start("story", &[], (80, 24));
    pty.wait_for("fn main()");
    let mut paste = b"\x1b[200~".to_vec();
    paste.extend(std::iter::repeat_n(b"paste \x07\x1b[2J\n".as_slice(), 100_000).flatten());
    paste.extend_from_slice(b"\x1b[201~");
    assert!(paste.len() > 1_000_000);
    // While reading it is nothing; while typing it is the instruction, cut.
    pty.send(&paste);
    pty.type_for("i", "what to do");
    pty.send(&paste);
    pty.wait_for("the line is cut at 4096 bytes");
    pty.send("\x15");
    pty.type_for("still here", "still here");
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn signals_that_end_it_restore_the_terminal() {
    for (signal, name) in [("TERM", "Terminated"), ("HUP", "Hangup"), ("INT", "Interrupt")] {
        let (_folder, mut pty) = start("story", &[], (80, 24));
        pty.wait_for("fn main()");
        assert!(pty.screen(vt100::Screen::alternate_screen));
        pty.signal(signal);
        assert_eq!(pty.end(), Err(name.to_owned()));
        pty.assert_restored();
    }
}

#[test]
fn it_is_stopped_and_goes_on() {
    let (_folder, mut pty) = start("story", &[], (80, 24));
    pty.wait_for("fn main()");
    pty.send("\x1a");
    let start = std::time::Instant::now();
    while pty.process_state() != 'T' {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", pty.process_state());
        std::thread::sleep(Duration::from_millis(5));
    }
    pty.wait_until("the usual screen", |screen| !screen.alternate_screen());
    pty.assert_restored();
    pty.signal("CONT");
    pty.wait_until("the screen again", |screen| screen.alternate_screen() && screen.contents().contains("fn main()"));
    pty.type_for("jj", "3/7");
    pty.send("q");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn a_panic_of_the_engine_is_a_message() {
    let (folder, mut pty) = start("broken-model", &[], (100, 24));
    pty.wait_for("no model");
    pty.wait_for("device lost");
    pty.type_for("j", "2/7");
    pty.type_for("i\r", "device lost");
    pty.escape();
    pty.send("q");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
    assert_eq!(read(&folder), TEXT);
}

#[test]
fn a_panic_of_the_program_restores_the_terminal() {
    let (folder, mut pty) = start("panic", &[], (80, 24));
    pty.wait_for("fn main()");
    pty.send("i\r");
    assert_eq!(pty.end(), Ok(101), "the exit code of a failed test");
    pty.assert_restored();
    assert!(pty.text().contains("the script panics here"), "{}", pty.text());
    assert_eq!(read(&folder), TEXT);
}

#[test]
fn a_hunk_goes_through_the_editor() {
    let (folder, mut pty) = start("story", &[("EDITOR", "sed -i s/u32/i64/")], (80, 24));
    pty.wait_for("fn main()");
    pty.send("jjjvji\r");
    pty.wait_for("hunk 1/1");
    pty.type_for("e", "accepted");
    pty.wait_for("i64");
    pty.type_for("a", "written");
    assert!(read(&folder).contains("let x: i64 = 7;"));
    pty.send("q");
    assert_eq!(pty.end(), Ok(0));
    pty.assert_restored();
}

#[test]
fn the_terminal_says_that_it_is_light() {
    let (_folder, mut pty) = start("story", &[], (80, 24));
    pty.wait_for("fn main()");
    assert!(pty.bytes().windows(7).any(|window| window == b"\x1b]11;?\x1b"), "it was asked");
    // The keyword in the first line, in the colours of the themes for dark and for light backgrounds.
    let keyword = |(r, g, b)| {
        move |screen: &vt100::Screen| screen.cell(1, 6).is_some_and(|cell| cell.fgcolor() == vt100::Color::Rgb(r, g, b))
    };
    pty.wait_until("the dark theme", keyword((0xc6, 0x78, 0xdd)));
    pty.send("\x1b]11;rgb:ffff/ffff/f0f0\x1b\\");
    pty.wait_until("the light theme", keyword((0x84, 0x31, 0xa8)));
    pty.type_for("j", "2/7");
    pty.send("q");
    assert_eq!(pty.end(), Ok(0));
    let (_folder, pty) = start_with_no_color();
    pty.wait_for("fn main()");
    pty.screen(|screen| {
        let (rows, columns) = screen.size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let plain = |(row, column)| {
            screen
                .cell(row, column)
                .is_none_or(|cell| (cell.fgcolor(), cell.bgcolor()) == (vt100::Color::Default, vt100::Color::Default))
        };
        assert!(cells.into_iter().all(plain), "NO_COLOR");
    });
}

fn start_with_no_color() -> (tempfile::TempDir, Pty) {
    start("story", &[("NO_COLOR", "1")], (80, 24))
}

#[test]
fn text_is_copied_and_a_run_is_exported() {
    let (folder, mut pty) = start("story", &[], (80, 24));
    pty.wait_for("fn main()");
    pty.type_for("y", "1 line copied");
    // base64 of "use std::fmt;\n"
    let copied = b"\x1b]52;c;dXNlIHN0ZDo6Zm10Owo=\x07";
    assert!(pty.bytes().windows(copied.len()).any(|window| window == copied));
    pty.send("jjjvji\r");
    pty.wait_for("hunk 1/1");
    pty.type_for("E", "written: main-run-1.svg");
    let svg = std::fs::read_to_string(folder.path().join("main-run-1.svg")).unwrap();
    assert!(svg.contains("<animate ") && svg.contains("u32"));
    assert!(folder.path().join("main-run-1.cast").is_file());
    pty.send("\x03");
    assert_eq!(pty.end(), Ok(0));
}
