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
use crate::edit::request::Method;
use crate::edit::run::run;
use crate::edit::steer::Steering;
use crate::model::load::LoadedModel;

/// A fixed edit.
#[derive(Clone, Debug)]
pub struct BenchEdit {
    /// Name in tables.
    pub name: &'static str,
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

/// The edits of `dcode bench`: infills of 1 and 5 lines, and a rewrite of 20 lines that changes one.
pub fn edits() -> Vec<BenchEdit> {
    let text = FUNCTION.to_owned();
    vec![
        BenchEdit { name: "infill of 1 line", text: text.clone(), lines: (6, 6), instruction: None },
        BenchEdit { name: "infill of 5 lines", text: text.clone(), lines: (9, 13), instruction: None },
        BenchEdit {
            name: "rewrite of 20 lines, 1 changes",
            text,
            lines: (1, 20),
            instruction: Some("Compare to None with `is`, not `==`."),
        },
    ]
}

/// The 5-line infill inside a file of `lines` lines.
pub fn in_a_file_of(lines: usize) -> BenchEdit {
    // Long enough that a file of 100 lines fills the model's window as one of 100,000 does.
    let filler = "\n\ndef unused(first, second, third, fourth):\n    return {\"first\": first, \"second\": second, \"third\": third, \"fourth\": fourth}\n";
    let before = filler.repeat(lines.saturating_sub(20) / 2 / 4);
    let first = before.lines().count() + 9;
    let text = format!("{before}{FUNCTION}{before}");
    BenchEdit { name: "infill of 5 lines", text, lines: (first, first + 4), instruction: None }
}

/// Runs an edit with one method, with nothing kept of earlier ones.
///
/// # Errors
/// The model failed, or the edit does not fit its file.
pub fn measure(model: &mut LoadedModel, edit: &BenchEdit, method: Method) -> Result<Measured, EditError> {
    let start = Instant::now();
    let document = Arc::new(
        Document::from_bytes(PathBuf::from("bench.py"), edit.text.clone().into_bytes())
            .map_err(|error| EditError::Engine(error.to_string()))?,
    );
    let span = document.line_span(edit.lines.0, edit.lines.1);
    let spans = Spans::new(&document, span.into_iter().collect())?;
    let options = EditOptions { method, guard_rounds: 0, ..EditOptions::default() };
    let request = EditRequest::new(document, spans, edit.instruction.map(str::to_owned), options);
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
