//! The live view of `dcode edit`: a block below the prompt, redrawn in place while a span settles.
//!
//! Not the alternate screen: what was on the terminal stays, and the last frame stays too. The block is redrawn by moving the
//! cursor up over it inside a synchronized update, and every line is cut to the terminal, so nothing wraps and nothing jumps.

pub mod compose;
pub mod editor;
pub mod paint;
pub mod prompt;

use std::io;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use crate::cli::live::compose::Row;
use crate::cli::live::compose::compose;
use crate::cli::live::compose::status_text;
use crate::cli::live::paint::paint;
use crate::screen::colour::Depth;
use crate::screen::frame::Frame;

/// Shortest time between two drawn frames: 60 a second.
const FRAME_TIME: Duration = Duration::from_micros(16_667);

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Colours.
    pub depth: Depth,
    /// Whether characters outside of ASCII may be used for what dcode draws itself.
    pub unicode: bool,
    /// Whether the cursor can be moved; a dumb terminal gets one line at the end instead of a live block.
    pub live: bool,
    /// Columns of a tab.
    pub tab: usize,
}

impl Screen {
    /// An 80-column terminal with everything.
    pub fn new(width: usize, height: usize, depth: Depth) -> Self {
        Self { width, height, depth, unicode: true, live: true, tab: 4 }
    }

    /// The screen by the environment and the size of the terminal.
    pub fn detect(depth: Depth, variable: impl Fn(&str) -> Option<String>) -> Self {
        let (width, height) = crossterm::terminal::size().unwrap_or((80, 24));
        let term = variable("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(&variable).find(|value| !value.is_empty());
        // `C` and `POSIX` mean ASCII; a locale that is not set says nothing, and terminals today read UTF-8.
        let ascii = locale.is_some_and(|value| value == "C" || value == "POSIX") || term == "linux-ascii" || term == "dumb";
        Self {
            width: usize::from(width).max(1),
            height: usize::from(height).max(1),
            depth,
            unicode: !ascii,
            live: term != "dumb" && !(term.is_empty() && cfg!(unix)),
            tab: 4,
        }
    }
}

/// Draws frames in place.
#[derive(Debug)]
pub struct LiveView<W: Write> {
    out: W,
    screen: Screen,
    /// Columns used by each row of the block that stands on the terminal.
    drawn: Vec<usize>,
    last: Option<Instant>,
    pending: Option<Frame>,
}

impl<W: Write> LiveView<W> {
    /// A view that draws to `out`.
    pub fn new(out: W, screen: Screen) -> Self {
        Self { out, screen, drawn: Vec::new(), last: None, pending: None }
    }

    /// Shows a frame, or keeps it until the next one is due: the latest wins.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn offer(&mut self, frame: Frame) -> io::Result<()> {
        let due = self.last.is_none_or(|last| last.elapsed() >= FRAME_TIME);
        self.pending = Some(frame);
        if due { self.flush() } else { Ok(()) }
    }

    /// Draws the frame that was kept, if there is one.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(frame) => self.draw(&frame),
            None => Ok(()),
        }
    }

    /// Draws a frame now.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        self.last = Some(Instant::now());
        if !self.screen.live {
            return Ok(());
        }
        let rows = compose(frame, &self.screen);
        let mut block = String::from("\u{1b}[?2026h");
        block.push_str(&self.to_top());
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                block.push_str("\r\n");
            }
            block.push_str(&paint(row, self.screen.depth));
            block.push_str("\u{1b}[K");
        }
        block.push_str("\u{1b}[J\u{1b}[?2026l");
        self.drawn = rows.iter().map(Row::columns).collect();
        self.out.write_all(block.as_bytes())?;
        self.out.flush()
    }

    /// Tells the view that the terminal has another size. Terminals break lines that no longer fit, so the block may take more
    /// rows than it was drawn with.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.screen.width = width.max(1);
        self.screen.height = height.max(1);
    }

    /// Ends the view: the last frame stays, and what follows begins below it.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn finish(&mut self, last: &Frame) -> io::Result<()> {
        self.pending = None;
        self.draw(last)?;
        if self.screen.live {
            self.drawn.clear();
            self.out.write_all(b"\r\n")?;
        } else {
            writeln!(self.out, "{}", status_text(last, &self.screen))?;
        }
        self.out.flush()
    }

    /// Removes the block from the terminal.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn clear(&mut self) -> io::Result<()> {
        self.pending = None;
        if self.screen.live && !self.drawn.is_empty() {
            let top = self.to_top();
            self.drawn.clear();
            self.out.write_all(format!("{top}\u{1b}[J").as_bytes())?;
        }
        self.out.flush()
    }

    /// Where frames go, for text between two of them.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// The sequence that moves the cursor to the first row of the block.
    fn to_top(&self) -> String {
        let rows: usize = self.drawn.iter().map(|columns| columns.div_ceil(self.screen.width).max(1)).sum();
        match rows.saturating_sub(1).min(self.screen.height.saturating_sub(1)) {
            0 => "\r".to_owned(),
            up => format!("\r\u{1b}[{up}A"),
        }
    }
}

#[cfg(test)]
#[path = "live/live_tests.rs"]
mod tests;
