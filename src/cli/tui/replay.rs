//! Recorded runs for the TUI: frames from a trajectory, a list of the files that hold one, and an engine that has no model.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use ignore::WalkBuilder;

use crate::cli::log::age;
use crate::cli::replay::read;
use crate::diffusion::canvas::Canvas;
use crate::diffusion::canvas::Origin;
use crate::diffusion::trajectory::Trajectory;
use crate::edit::saved::SavedRun;
use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Frame;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;
use crate::tui::engine as tui;
use crate::tui::host::Replay;
use crate::tui::state::MAX_FRAMES;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Value;

/// Columns of a mask: the mean length of a token of code.
const MASK_COLUMNS: usize = 4;
/// Cells of all frames together; a run of 500 steps over 500 slots has an eighth of it.
const MOST_CELLS: usize = 2 << 20;
/// Time between two steps in an export: a recording has none of its own.
const STEP: Duration = Duration::from_millis(200);
/// Recorded runs listed at most, the latest first.
const MOST_FILES: usize = 50;
/// How a recorded run begins.
const HEAD: &[u8] = b"{\"format\":\"dcode-trajectory\"";

/// Reads a recorded run; `candidate` is the first that was recorded when none is named.
///
/// # Errors
/// One line for the user: the file holds no run, or one that is too long to be shown.
pub fn replay(path: &Path, candidate: Option<usize>) -> Result<Replay, String> {
    let saved = read(path).map_err(|failure| failure.message)?;
    let named = |why: String| format!("{}: {why}", path.display());
    let known = saved.candidates();
    let candidate = candidate.or(known.first().copied()).ok_or_else(|| named("no run was recorded in it".to_owned()))?;
    let trajectory = saved.trajectory(candidate).ok_or_else(|| {
        let known = known.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        named(format!("no candidate {candidate}; there are {known}"))
    })?;
    let too_long = || named("too long to be shown; `dcode replay` prints its steps".to_owned());
    let (text, spans) = surroundings(&saved, &trajectory.start);
    let frames = frames(&saved, &trajectory).ok_or_else(too_long)?;
    Ok(Replay { file: saved.file, model: saved.model, candidate, text, spans, frames })
}

/// The text around the spans of a recorded run, and where in it the spans are. Of a text that was too long to be recorded, and in files
/// that have none, it is what stands between the spans on the canvas.
fn surroundings(saved: &SavedRun, start: &Canvas) -> (String, Vec<Range<usize>>) {
    if let Some(pieces) = saved.around(start.spans()) {
        let ends = pieces.iter().scan(0, |end, piece| {
            *end += piece.len();
            Some(*end)
        });
        return (pieces.concat(), ends.take(start.spans()).map(|end| end..end).collect());
    }
    let (mut text, mut places) = (String::new(), vec![None; start.spans()]);
    for slot in start.slots() {
        match (slot.span.and_then(|span| places.get_mut(usize::from(span))), slot.token) {
            (Some(place), _) => *place = place.or(Some(text.len())),
            (None, Some(token)) => text.push_str(saved.text(token)),
            (None, None) => {}
        }
    }
    let spans = places.into_iter().map(|place| place.unwrap_or(text.len())).map(|place| place..place).collect();
    (text, spans)
}

/// A frame for the start and for each step, the last [`MAX_FRAMES`] of them; `None` when they are too large.
fn frames(saved: &SavedRun, trajectory: &Trajectory) -> Option<Vec<Arc<Frame>>> {
    let mut canvas = trajectory.start.clone();
    let mut frames = VecDeque::new();
    let mut cells = 0;
    let mut ops = trajectory.ops.iter().peekable();
    for step in 0..=trajectory.steps() {
        while canvas.step() < step {
            canvas.begin_step();
        }
        while let Some((_, op)) = ops.next_if(|(at, _)| *at <= step) {
            canvas.apply(*op);
        }
        cells += canvas.slots().len();
        if cells > MOST_CELLS {
            return None;
        }
        frames.push_back(Arc::new(frame(saved, &canvas, step)));
        if frames.len() > MAX_FRAMES {
            frames.pop_front();
        }
    }
    Some(frames.into())
}

/// The slots of a canvas; a span that has none left is empty.
fn frame(saved: &SavedRun, canvas: &Canvas, step: u32) -> Frame {
    let mut spans: Vec<Vec<Cell>> = vec![Vec::new(); canvas.spans()];
    for slot in canvas.slots() {
        let Some(cells) = slot.span.and_then(|span| spans.get_mut(usize::from(span))) else { continue };
        let text = slot.token.map_or("", |token| saved.text(token));
        cells.push(match (slot.token, slot.origin) {
            (None, _) => Cell::masked(MASK_COLUMNS),
            (Some(_), _) if slot.pinned => Cell::pinned(text),
            (Some(_), Origin::Committed(at)) => Cell::committed(text, slot.confidence, at),
            (Some(_), _) => Cell { text: text.to_owned(), state: CellState::Original },
        });
    }
    let count = |is: fn(CellState) -> bool| spans.iter().flatten().filter(|cell| is(cell.state)).count();
    let committed = count(|state| matches!(state, CellState::Committed { .. }));
    let masked = count(CellState::is_masked);
    let parts = spans.into_iter().map(Part::Span).collect();
    let progress = Progress {
        step,
        max_steps: step,
        nfe: step,
        tpf: (step > 0).then(|| committed as f32 / step as f32),
        tokens_per_second: None,
        committed,
        masked,
        elapsed: STEP * step,
    };
    Frame { file: saved.file.clone(), note: saved.model.clone(), sections: vec![Section { first_line: 1, parts }], progress }
}

/// The recorded runs below `root` that no ignore rule names, the latest first.
pub fn recordings(root: &Path) -> Vec<Item> {
    let walk = WalkBuilder::new(root).build();
    let mut files: Vec<(SystemTime, std::path::PathBuf)> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()) && is_recording(entry.path()))
        .map(|entry| {
            let time = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
            (time.unwrap_or(SystemTime::UNIX_EPOCH), entry.into_path())
        })
        .collect();
    files.sort_by(|a, b| b.cmp(a));
    files.truncate(MOST_FILES);
    files.iter().flat_map(|(time, path)| items(root, *time, path)).collect()
}

fn is_recording(path: &Path) -> bool {
    let mut head = [0; HEAD.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == HEAD
}

/// An item for each candidate of a recorded run; a damaged file is left out.
fn items(root: &Path, time: SystemTime, path: &Path) -> Vec<Item> {
    let Ok(saved) = read(path) else { return Vec::new() };
    let Some(shown) = path.strip_prefix(root).unwrap_or(path).to_str() else { return Vec::new() };
    let passed = SystemTime::now().duration_since(time).map_or(0, |passed| passed.as_secs());
    let known = saved.candidates();
    let item = |&candidate: &usize| {
        let which = if known.len() > 1 { format!(", candidate {candidate}") } else { String::new() };
        let steps = saved.trajectory(candidate).map_or(0, |trajectory| trajectory.steps());
        Item {
            label: format!("{shown}  {}{which}", saved.file),
            detail: format!("{steps} steps  {}", age(passed)),
            badge: ' ',
            value: Value::Recording { path: shown.to_owned(), candidate },
        }
    };
    known.iter().map(item).collect()
}

/// An engine without a model, for whoever only looks at what was recorded.
#[derive(Debug)]
pub struct NoModel {
    events: VecDeque<tui::Event>,
}

impl NoModel {
    /// An engine that says this about itself.
    pub fn new(name: &str) -> Self {
        Self { events: VecDeque::from([tui::Event::Ready(name.to_owned())]) }
    }
}

impl tui::Engine for NoModel {
    fn submit(&mut self, request: tui::Request) {
        let message = "there is no model in a replay: `dcode FILE` opens a file with one".to_owned();
        self.events.push_back(tui::Event::Failed { id: Some(request.id), message });
    }

    fn steer(&mut self, _: tui::Command) {}

    fn poll(&mut self) -> Option<tui::Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spans with text between them; the second one is emptied in the last step.
    const RUN: &str = r#"{"format":"dcode-trajectory","version":1,"model":"m","file":"src/a.rs",
        "texts":{"1":"let x","2":" = 1;\n","3":"// between\n"},
        "runs":[{"candidate":2,"context":[9],"after":[],
            "slots":[[null,false,0.0,"initial",0],[null,false,0.0,"initial",0],[3,true,1.0,"original",null],[null,false,0.0,"initial",1]],
            "ops":[[1,"c",0,1,0.9],[2,"c",1,2,0.5],[2,"x",3,0,0.0]]}]}"#;

    fn compact(text: &str) -> String {
        text.lines().map(str::trim).collect()
    }

    #[test]
    fn a_frame_for_the_start_and_for_each_step() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run.json");
        std::fs::write(&path, RUN).unwrap();
        let found = replay(&path, None).unwrap();
        assert_eq!((found.file.as_str(), found.model.as_str(), found.candidate), ("src/a.rs", "m", 2));
        assert_eq!((found.text.as_str(), found.spans.as_slice()), ("// between\n", &[0..0, 11..11][..]));
        let around = RUN.replace("\"runs\"", "\"around\":[\"fn f() {\\n\",\"// now\\n\",\"}\\n\"],\"runs\"");
        std::fs::write(&path, around).unwrap();
        let whole = replay(&path, None).unwrap();
        assert_eq!((whole.text.as_str(), whole.spans.as_slice()), ("fn f() {\n// now\n}\n", &[9..9, 16..16][..]));
        let shown: Vec<Vec<Vec<String>>> = found
            .frames
            .iter()
            .map(|frame| {
                let cells = crate::tui::state::cells(frame);
                let text = |cell: &Cell| if cell.state.is_masked() { "░".to_owned() } else { cell.text.clone() };
                cells.into_iter().map(|cells| cells.iter().map(text).collect()).collect()
            })
            .collect();
        assert_eq!(shown, [[vec!["░", "░"], vec!["░"]], [vec!["let x", "░"], vec!["░"]], [vec!["let x", " = 1;\n"], vec![]]]);
        let progress = found.frames[2].progress;
        assert_eq!((progress.step, progress.committed, progress.masked, progress.tpf), (2, 2, 0, Some(1.0)));
    }

    #[test]
    fn what_cannot_be_replayed_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run.json");
        assert!(replay(&path, None).unwrap_err().contains("run.json"));
        std::fs::write(&path, "{}").unwrap();
        assert!(replay(&path, None).unwrap_err().contains("not a trajectory"));
        std::fs::write(&path, RUN).unwrap();
        assert!(replay(&path, Some(7)).unwrap_err().ends_with("no candidate 7; there are 2"));
        std::fs::write(&path, RUN.replace("[2,\"x\",3,0,0.0]", "[9000000,\"x\",3,0,0.0]")).unwrap();
        assert!(!replay(&path, None).unwrap_err().contains('\n'));
        std::fs::write(&path, RUN.replace("[2,\"x\",3,0,0.0]", "[1048000,\"x\",3,0,0.0]")).unwrap();
        assert!(replay(&path, None).unwrap_err().contains("too long to be shown"));
    }

    #[test]
    fn recorded_runs_are_listed_the_latest_first() {
        let temp = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(temp.path().join(name), text).unwrap();
        let run = compact(RUN);
        write("old.json", &run);
        write("package.json", "{\"name\": \"x\"}");
        write("damaged.json", &run[..run.len() - 4]);
        write("short.json", "{");
        let past = SystemTime::now() - Duration::from_secs(7200);
        std::fs::File::options().write(true).open(temp.path().join("old.json")).unwrap().set_modified(past).unwrap();
        write("new.json", &run);
        let found = recordings(temp.path());
        let labels: Vec<&str> = found.iter().map(|item| item.label.as_str()).collect();
        assert_eq!(labels, ["new.json  src/a.rs", "old.json  src/a.rs"]);
        assert!(found[1].detail.starts_with("2 steps"), "{}", found[1].detail);
        assert_eq!(found[0].value, Value::Recording { path: "new.json".into(), candidate: 2 });
    }
}
