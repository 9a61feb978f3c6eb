//! How fast the TUI is, and that it does not grow. `DCODE_MEASURE=1` takes more samples; the figures are printed either way, and
//! those of `docs/benchmarks.md` come from here. The bounds are wide, since the machine may be shared.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use dcode::screen::colour::Depth;
use dcode::screen::frame::Cell;
use dcode::screen::frame::Frame;
use dcode::screen::frame::Part;
use dcode::screen::frame::Section;
use dcode::tui::engine::Candidate;
use dcode::tui::engine::Event;
use dcode::tui::host::Answer;
use dcode::tui::host::Job;
use dcode::tui::host::Opened;
use dcode::tui::keymap::Keymap;
use dcode::tui::state::File;
use dcode::tui::state::Look;
use dcode::tui::state::State;
use dcode::tui::update::Effect;
use dcode::tui::update::Msg;
use dcode::tui::update::start;
use dcode::tui::update::update;
use dcode::tui::view::draw;

use crate::common::embedded_model;
use crate::pty::Pty;

/// The file of the measurements.
fn ten_thousand_lines() -> String {
    (0..2500).fold(String::new(), |mut text, number| {
        let _ = write!(text, "/// Adds {number}.\nfn add_{number}(value: u64) -> u64 {{\n    value + {number}\n}}\n");
        text
    })
}

fn measuring() -> bool {
    std::env::var_os("DCODE_MEASURE").is_some()
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    let last = times.len() - 1;
    times[((last as f64) * part).round() as usize]
}

fn program(folder: &Path, environment: &[(&str, &str)]) -> Pty {
    let home = folder.join("home").display().to_string();
    let mut all = vec![("DCODE_HOME", home.as_str())];
    all.extend(environment);
    Pty::start(Path::new(env!("CARGO_BIN_EXE_dcode")), &["long.rs"], folder, &all, (120, 40))
}

/// The program itself, with the embedded model on the CPU.
#[test]
fn frames_come_in_time() {
    if embedded_model().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("long.rs"), ten_thousand_lines()).unwrap();
    let model = dcode::model::locate::locate(None).unwrap().base[0].parent().unwrap().display().to_string();
    let environment = [("DCODE_MODEL", model.as_str()), ("DCODE_DEVICE", "cpu")];
    let mut firsts: Vec<Duration> = (0..if measuring() { 20 } else { 3 })
        .map(|_| {
            let begin = Instant::now();
            let mut pty = program(folder.path(), &environment);
            pty.wait_for("fn add_0");
            let time = begin.elapsed();
            pty.send("q");
            pty.end().unwrap();
            time
        })
        .collect();
    let (median, slowest) = (percentile(&mut firsts, 0.5), percentile(&mut firsts, 1.0));
    eprintln!("first frame, from the start of the process: median {median:?}, slowest {slowest:?} of {}", firsts.len());
    assert!(median < Duration::from_secs(1), "{median:?}");

    let mut pty = program(folder.path(), &environment);
    pty.wait_for("fn add_0");
    // In the middle of the file; denoised, so that there are many steps.
    pty.send("G");
    pty.wait_for("fn add_2499");
    pty.send(format!("{}v{}", "\x1b[5~".repeat(20), "j".repeat(8)));
    pty.type_for("i\x14", "denoise");
    pty.send("Use wrapping_add.\r");
    // Laid out, and in its first forward pass.
    pty.wait_for("step ");
    let mut keys: Vec<Duration> = Vec::new();
    let most = if measuring() { 400 } else { 60 };
    while keys.len() < most && pty.text().contains("stop now") {
        // Back and forth, so that every frame shows other lines.
        let key = if (keys.len() / 20).is_multiple_of(2) { "\x1b[6~" } else { "\x1b[5~" };
        keys.push(pty.time_of_frame(key));
        std::thread::sleep(Duration::from_millis(25));
    }
    let count = keys.len();
    assert!(count >= 20, "the run was over after {count} keys");
    let (median, late) = (percentile(&mut keys, 0.5), percentile(&mut keys, 0.99));
    eprintln!("key to frame while the model denoises, in 10,000 lines: median {median:?}, 99th percentile {late:?} of {count}");
    assert!(median < Duration::from_millis(100) && late < Duration::from_secs(1), "{median:?} {late:?}");
    pty.send("\x03");
    pty.end().unwrap();
}

const MEMORY_CHILD: &str = "DCODE_MEMORY_CHILD";

/// Kilobytes of memory in use.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A thousand edits, each watched, drawn, accepted and applied, in a process of their own. As a test of its own it does nothing.
#[test]
fn memory_child() {
    if std::env::var_os(MEMORY_CHILD).is_none() {
        return;
    }
    let keymap = Keymap::default();
    let mut state = State::new(File::new("long.rs", ten_thousand_lines(), None), Look::automatic(Depth::True, false), (120, 40));
    start(&mut state);
    let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect { x: 0, y: 0, width: 120, height: 40 });
    for edit in 0..1000u64 {
        let new = format!("/// Adds one, edit {edit}.\n");
        for key in ["i", "x", "enter"] {
            update(&mut state, &keymap, Msg::Key(key.parse().unwrap()));
        }
        let id = state.run.as_ref().unwrap().id;
        for step in 1..=8u32 {
            let cells = (0..8).map(|index| if index < step { Cell::committed("word ", 0.9, index) } else { Cell::masked(4) });
            let section = Section { first_line: 1, parts: vec![Part::Lines(cells.collect())] };
            let frame = Arc::new(Frame { sections: vec![section], ..Frame::default() });
            update(&mut state, &keymap, Msg::Engine(Event::Frame { id, frame }));
            draw(&state, &state.look.theme, &keymap, &mut buffer);
        }
        let candidates = vec![Candidate { texts: vec![new], parses: Some(true), confidence: 0.9 }];
        update(&mut state, &keymap, Msg::Engine(Event::Finished { id, candidates }));
        let mut effects = Vec::new();
        for key in ["A", "a"] {
            effects.extend(update(&mut state, &keymap, Msg::Key(key.parse().unwrap())));
        }
        let Some(Effect::Job(Job::Apply { hunks, .. })) = effects.pop() else {
            panic!("nothing is applied: {:?}", state.message)
        };
        let mut text = state.file.text.to_string();
        text.replace_range(hunks[0].at.range(), &hunks[0].new);
        let opened = Opened { name: "long.rs".into(), text, git: None };
        update(&mut state, &keymap, Msg::Answer(Answer::Written(Ok((opened, "written".into())))));
        if matches!(edit, 99 | 999) {
            let mut out = std::io::stdout();
            std::io::Write::write_all(&mut out, format!("\nRSS {}\n", resident()).as_bytes()).unwrap();
        }
    }
}

#[test]
fn memory_stays_flat_over_a_thousand_edits() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", "tui_speed::memory_child", "--nocapture"])
        .env(MEMORY_CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<u64> = text.lines().filter_map(|line| line.strip_prefix("RSS ")?.parse().ok()).collect();
    let [early, late] = found[..] else { panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)) };
    eprintln!("memory after 100 edits {early} kB, after 1000 edits {late} kB");
    assert!(late < early + 8 * 1024, "{early} kB after 100 edits, {late} kB after 1000");
}
