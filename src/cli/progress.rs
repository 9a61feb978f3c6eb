//! One line on standard error that says what is going on; only on a terminal.

use std::io::IsTerminal;
use std::io::Write;

use crate::edit::event::Event;

/// A line that is rewritten in place.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    visible: bool,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), visible: false }
    }

    /// Shows what an event says.
    pub fn show(&mut self, event: &Event) {
        let line = match event {
            Event::Loading(share) => format!("loading the model {:.0} %", share * 100.0),
            Event::Started { context, .. } => format!("reading {context} tokens of context"),
            Event::Step(step) => {
                let masked = step.canvas.masked().len();
                format!("step {}, {} slots denoised, {masked} masked", step.nfe, step.canvas.slots().len() - masked)
            }
            _ => return,
        };
        self.line(&line);
    }

    /// Shows a line; what it names may be anybody's.
    pub fn line(&mut self, line: &str) {
        let line = crate::text::sanitise_line(line);
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
            let _ = std::io::stderr().flush();
            self.visible = true;
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.visible) {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            let _ = std::io::stderr().flush();
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
