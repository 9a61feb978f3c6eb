//! One run as something to show: an SVG picture that moves, or an asciicast.
//!
//! The frames are drawn by the very view that the user saw, into buffers instead of a terminal.

mod cast;
mod svg;

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::screen::colour::Depth;
use crate::screen::frame::Frame;
use crate::tui::keymap::Keymap;
use crate::tui::state::EngineState;
use crate::tui::state::File;
use crate::tui::state::Look;
use crate::tui::state::Mode;
use crate::tui::state::Run;
use crate::tui::state::State;
use crate::tui::state::cells;
use crate::tui::theme::Ground;
use crate::tui::theme::Theme;
use crate::tui::view::draw;

/// Columns of the picture.
const WIDTH: u16 = 100;
/// Rows of the picture at least and at most.
const HEIGHT: (u16, u16) = (14, 36);
/// Rows beside those of the spans.
const AROUND: usize = 12;
/// How long the last frame stays before a picture begins again.
const LAST: Duration = Duration::from_secs(3);
/// Longest time between two frames; a run that was held is not to be held in the picture.
const LONGEST: Duration = Duration::from_secs(1);
/// Shortest time between two frames.
const SHORTEST: Duration = Duration::from_millis(40);

/// A run to be shown.
#[derive(Clone, Debug)]
pub struct Recording {
    run: Run,
    instruction: String,
    theme: Arc<Theme>,
}

impl Recording {
    /// The steps of a run so far.
    pub fn new(run: &Run, instruction: &str, theme: Arc<Theme>) -> Self {
        let run = Run { cursor: None, anchor: None, scroll: 0, paused: false, ended: true, ..run.clone() };
        Self { run, instruction: instruction.to_owned(), theme }
    }

    /// Name of the file that the run changes.
    pub fn file(&self) -> &str {
        &self.run.file.name
    }

    /// What is needed to replay the run; nothing before its end, and of a draft.
    pub fn trajectory(&self) -> Option<&str> {
        self.run.trajectory.as_deref()
    }

    /// An SVG picture that plays the run and begins again. Where pictures do not move it shows the last step.
    pub fn svg(&self) -> String {
        svg::picture(&self.frames(), self.theme.ground() == Ground::Light)
    }

    /// An asciicast of version 2.
    pub fn cast(&self) -> String {
        cast::recording(&self.frames())
    }

    /// Each step, and for how long it is shown.
    fn frames(&self) -> Vec<(Duration, Buffer)> {
        let size = (WIDTH, self.height());
        let look = Look::of(Theme::clone(&self.theme), Depth::True);
        let mut state = State::new(File::new(self.file().to_owned(), "", None), look, size);
        state.mode = Mode::Run;
        state.input.text = self.instruction.clone();
        let times: Vec<Duration> = self.run.frames.iter().map(|frame| frame.progress.elapsed).collect();
        state.run = Some(self.run.clone());
        (0..self.run.frames.len())
            .map(|index| {
                state.engine = EngineState::Ready(self.run.frames[index].note.clone());
                if let Some(run) = &mut state.run {
                    run.look_at(index);
                }
                let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width: size.0, height: size.1 });
                draw(&state, &state.look.theme, &Keymap::default(), &mut buffer);
                let next = times.get(index + 1).map(|next| next.saturating_sub(times[index]).clamp(SHORTEST, LONGEST));
                (next.unwrap_or(LAST), buffer)
            })
            .collect()
    }

    /// Rows that show the spans with something around them.
    fn height(&self) -> u16 {
        let lines =
            |frame: &Arc<Frame>| cells(frame).into_iter().flatten().map(|cell| cell.text.matches('\n').count()).sum::<usize>();
        let most = self.run.frames.iter().map(lines).max().unwrap_or(0);
        u16::try_from(most + AROUND).unwrap_or(HEIGHT.1).clamp(HEIGHT.0, HEIGHT.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::update::tests::frames;

    fn recording(theme: &str) -> Recording {
        let text = "use std::fmt;\n\nfn main() {\n    let x = 1;\n    let y = 2;\n}\n";
        let mut run = Run::new(1, File::new("src/a & b.rs", text, None), vec![27..42], 0.9);
        for (index, mut frame) in frames().into_iter().enumerate() {
            frame.progress.elapsed = Duration::from_millis(200 * index as u64 * index as u64);
            run.push(Arc::new(frame));
        }
        Recording::new(&run, "say <hello>", Arc::new(Theme::named(theme).unwrap()))
    }

    #[test]
    fn a_picture_of_every_theme_is_well_formed_and_shows_the_run() {
        for name in Theme::names() {
            let svg = recording(name).svg();
            let mut open: Vec<&str> = Vec::new();
            for tag in svg.split('<').skip(1) {
                let (tag, rest) = tag.split_once('>').expect("every tag ends");
                assert!(!rest.contains('>'), "{rest:?} is escaped");
                let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
                if let Some(closed) = tag.strip_prefix('/') {
                    assert_eq!(open.pop(), Some(closed));
                } else if !tag.ends_with('/') {
                    open.push(name);
                }
            }
            assert_eq!(open, Vec::<&str>::new());
            assert!(svg.contains("say &lt;hello&gt;") && svg.contains("a &amp; b.rs"), "{name}");
            assert!(svg.contains("<animate "));
        }
    }

    #[test]
    fn an_asciicast_plays_back_to_the_last_frame() {
        let recording = recording("dark");
        let cast = recording.cast();
        let mut lines = cast.lines();
        let header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let size = (header["width"].as_u64().unwrap() as u16, header["height"].as_u64().unwrap() as u16);
        assert_eq!((header["version"].as_u64(), size.0), (Some(2), WIDTH));
        let mut screen = vt100::Parser::new(size.1, size.0, 0);
        let mut last = -1.0;
        for line in lines {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let time = event[0].as_f64().unwrap();
            assert!(time >= last && event[1] == "o");
            last = time;
            screen.process(event[2].as_str().unwrap().as_bytes());
        }
        let frames = recording.frames();
        let (_, buffer) = frames.last().unwrap();
        for y in 0..size.1 {
            for x in 0..size.0 {
                let cell = screen.screen().cell(y, x).unwrap();
                let shown = if cell.has_contents() { cell.contents() } else { " " };
                assert_eq!(shown, buffer[(x, y)].symbol(), "{x} {y}");
            }
        }
    }
}
