//! Whole edits: denoising and drafts beside autoregressive decoding of the same weights in the same engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::document::Document;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::error::EditError;
use crate::edit::event::Event;
use crate::edit::event::Step;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::edit::run::run;
use crate::edit::steer::Steering;
use crate::model::load::LoadedModel;

/// A fixed edit.
#[derive(Clone, Debug)]
pub struct BenchEdit {
    /// Name in tables.
    pub name: &'static str,
    /// Name of the file, for its language.
    pub path: &'static str,
    /// The text of the file.
    pub text: String,
    /// First and last line of the span.
    pub lines: (usize, usize),
    /// What to do; `None` is an infill.
    pub instruction: Option<&'static str>,
}

/// How an edit went.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Tokens that were read before the slots.
    pub context: usize,
    /// Seconds until the first step was done.
    pub first_step: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// Forward passes.
    pub nfe: usize,
    /// Tokens.
    pub tokens: usize,
    /// The text.
    pub text: String,
}

const FUNCTION: &str = "\
def parse_port(text):
    \"\"\"Return the port number in text, or None.\"\"\"
    text = text.strip()
    if not text.isdigit():
        return None
    port = int(text)
    if port == None:
        return None
    if port < 1:
        return None
    if port > 65535:
        return None
    return port


def parse_address(text):
    host, _, port = text.rpartition(\":\")
    if not host:
        return None
    return host, parse_port(port)
";

/// The rewrite of 20 lines that the figures of speed are about.
pub const REWRITE: &str = "rewrite of 20 lines, 1 changes";

/// The edits whose time is compared: infills of 1, 5 and 20 lines, and rewrites of 5, 20 and 80 lines that change one.
pub fn edits() -> Vec<BenchEdit> {
    let infill = |name, text: &str, lines| BenchEdit { name, path: "bench.py", text: text.to_owned(), lines, instruction: None };
    let rewrite = |name, text: &str, lines| BenchEdit {
        instruction: Some("Compare to None with `is`, not `==`."),
        ..infill(name, text, lines)
    };
    vec![
        infill("infill of 1 line", FUNCTION, (6, 6)),
        infill("infill of 5 lines", FUNCTION, (9, 13)),
        rewrite(REWRITE, FUNCTION, (1, 20)),
        rewrite("rewrite of 5 lines, 1 changes", FUNCTION, (5, 9)),
        rewrite("rewrite of 80 lines, 1 changes", INVENTORY, (9, 88)),
        infill("infill of 20 lines", INVENTORY, (48, 67)),
    ]
}

/// Holes of one to three lines in two files, each with text behind it. An answer that equals what stood there is right.
pub fn holes() -> Vec<BenchEdit> {
    let hole = |path, text: &str, lines| BenchEdit { name: "hole", path, text: text.to_owned(), lines, instruction: None };
    let python = [(18, 18), (28, 28), (44, 44), (51, 52), (59, 60), (65, 65), (77, 78), (85, 85)];
    let rust = [(20, 20), (31, 31), (40, 42), (44, 44), (54, 54), (60, 62)];
    let python = python.into_iter().map(|lines| hole("inventory.py", INVENTORY, lines));
    python.chain(rust.into_iter().map(|lines| hole("queue.rs", QUEUE, lines))).collect()
}

/// A module of 88 lines.
const INVENTORY: &str = include_str!("../../assets/bench/inventory.py");
/// A module of 65 lines.
const QUEUE: &str = include_str!("../../assets/bench/queue.rs");

/// The 5-line infill inside a file of `lines` lines.
pub fn in_a_file_of(lines: usize) -> BenchEdit {
    // Long enough that a file of 100 lines fills the model's window as one of 100,000 does.
    let filler = "\n\ndef unused(first, second, third, fourth):\n    return {\"first\": first, \"second\": second, \"third\": third, \"fourth\": fourth}\n";
    let before = filler.repeat(lines.saturating_sub(20) / 2 / 4);
    let first = before.lines().count() + 9;
    let text = format!("{before}{FUNCTION}{before}");
    BenchEdit { name: "infill of 5 lines", path: "bench.py", text, lines: (first, first + 4), instruction: None }
}

impl BenchEdit {
    /// The lines of the span as they are.
    pub fn original(&self) -> String {
        let lines = self.text.split_inclusive('\n');
        lines.skip(self.lines.0.saturating_sub(1)).take((self.lines.1 + 1).saturating_sub(self.lines.0)).collect()
    }

    /// The edit as a request.
    ///
    /// # Errors
    /// The lines are not in the text.
    pub fn request(&self, options: EditOptions) -> Result<EditRequest, EditError> {
        let document = Document::from_bytes(PathBuf::from(self.path), self.text.clone().into_bytes())
            .map_err(|error| EditError::Engine(error.to_string()))?;
        let document = Arc::new(document);
        let span = document.line_span(self.lines.0, self.lines.1);
        let spans = Spans::new(&document, span.into_iter().collect())?;
        let options = EditOptions { guard_rounds: 0, ..options };
        Ok(EditRequest::new(document, spans, self.instruction.map(str::to_owned), options))
    }
}

/// Runs an edit with nothing kept of earlier ones.
///
/// # Errors
/// The model failed, or the edit does not fit its file.
pub fn measure(model: &mut LoadedModel, edit: &BenchEdit, options: EditOptions) -> Result<Measured, EditError> {
    let start = Instant::now();
    let request = edit.request(options)?;
    model.denoiser.forget_contexts();
    let (mut first_step, mut read) = (None, 0);
    let candidates = run(model, &request, &Steering::default(), &mut |event| match event {
        Event::Started { context, .. } => read = context,
        Event::Step(Step { nfe: 1.., .. }) => {
            first_step.get_or_insert_with(|| start.elapsed().as_secs_f64());
        }
        _ => {}
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let best = candidates.first();
    let number = |get: fn(&Candidate) -> usize| best.map_or(0, get);
    Ok(Measured {
        context: read,
        first_step: first_step.unwrap_or(seconds),
        seconds,
        nfe: number(|best| best.nfe),
        tokens: number(|best| best.tokens),
        text: best.and_then(|best| best.texts.first().cloned()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edit_is_about_whole_lines_of_its_text() {
        for edit in edits().into_iter().chain(holes()).chain([in_a_file_of(36), in_a_file_of(1000)]) {
            let request = edit.request(EditOptions::default()).unwrap();
            let span = request.spans.as_slice()[0];
            assert_eq!(&edit.text[span.range()], edit.original(), "{} {:?}", edit.path, edit.lines);
            let behind = &edit.text[span.end..];
            assert!(edit.instruction.is_some() || !behind.trim().is_empty(), "the end of a hole must be known");
            if edit.name == REWRITE {
                assert_eq!(edit.original().matches("== None").count(), 1);
            }
        }
    }
}
