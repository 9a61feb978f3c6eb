//! Asking the model about the spans that no template can rewrite, within a time limit.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use super::cache::Answer;
use super::condition::Source;
use super::finding::Open;
use super::keep::keeps;
use super::place::Allowed;
use super::scan::Kit;
use crate::diffusion::denoise::Ending;
use crate::document::Document;
use crate::document::Span;
use crate::document::SpanError;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::error::EditError;
use crate::edit::event::Event;
use crate::edit::request::EditOptions;
use crate::edit::request::EditRequest;
use crate::model::locate::ModelFiles;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;

/// What came of a question.
#[derive(Debug)]
pub enum Asked {
    /// An answer, which may be that there is none.
    Answer(Answer),
    /// The time ran out.
    OutOfTime,
    /// The model failed; it will not answer any more if the flag is set.
    Failed(EditError, bool),
}

/// Asks the model to rewrite the lines of `open`, until `deadline`.
pub fn ask(engine: &Engine, document: &Arc<Document>, open: &Open, deadline: Option<Instant>) -> Asked {
    let request = match request(document, open, deadline) {
        Ok(request) => request,
        Err(error) => return Asked::Failed(error.into(), false),
    };
    engine.submit(request);
    loop {
        let event = match deadline {
            None => engine.events().recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => engine.events().recv_timeout(deadline.saturating_duration_since(Instant::now())),
        };
        match event {
            Ok(Event::Finished(candidates)) => {
                return match candidates.first() {
                    Some(best) if best.ending == Ending::CutShort => Asked::OutOfTime,
                    best => Asked::Answer(answer(document, open, best)),
                };
            }
            Ok(Event::Failed { error, fatal }) => return Asked::Failed(error, fatal),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {
                engine.steering().abort();
                return Asked::OutOfTime;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Asked::Failed(EditError::Engine("it ended without a word".to_owned()), true);
            }
        }
    }
}

fn request(document: &Arc<Document>, open: &Open, deadline: Option<Instant>) -> Result<EditRequest, SpanError> {
    let spans = Spans::new(document, vec![Span::from(open.at.clone())])?;
    let time_limit = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let options = EditOptions { time_limit, ..EditOptions::default() };
    let instruction = Some(open.recipe.instruction.clone());
    Ok(EditRequest::new(Arc::clone(document), spans, instruction, options))
}

/// The candidate as an answer: its text if it holds what the recipe asks, nothing otherwise.
fn answer(document: &Document, open: &Open, best: Option<&Candidate>) -> Answer {
    let nothing = Answer { new: None, confidence: 0.0 };
    let Some((best, text)) = best.and_then(|best| Some((best, best.texts.first()?))) else { return nothing };
    if best.is_acceptable() && holds(document, open, text) {
        Answer { new: Some(text.clone()), confidence: best.least_confidence }
    } else {
        nothing
    }
}

/// The text of `span` after the model rewrote what recipes found in it, whole lines inside of it, as often as its answers hold; `None`
/// when none does.
///
/// # Errors
/// The model failed.
pub fn rewrite_span(
    engine: &Engine,
    kit: &Kit,
    document: &Arc<Document>,
    span: &Range<usize>,
) -> Result<Option<(String, Vec<String>)>, EditError> {
    let Ok(scan) = kit.scan(document, &Allowed::All, None, None) else { return Ok(None) };
    let text = document.text();
    // The end of the span's last line may belong to the text behind it.
    let reach = if text[span.end..].starts_with('\n') { span.end + 1 } else { span.end };
    let (mut out, mut kept, mut recipes) = (String::new(), span.start, Vec::new());
    for open in scan.open.iter().filter(|open| span.start <= open.at.start && open.at.end <= reach) {
        if open.at.start < kept {
            continue;
        }
        let new = match ask(engine, document, open, None) {
            Asked::Answer(Answer { new: Some(new), .. }) => new,
            Asked::Failed(error, _) => return Err(error),
            Asked::Answer(_) | Asked::OutOfTime => continue,
        };
        out.push_str(&text[kept..open.at.start]);
        out.push_str(&new);
        kept = open.at.end;
        recipes.push(open.recipe.name.clone());
    }
    if recipes.is_empty() {
        return Ok(None);
    }
    if kept > span.end {
        out.truncate(out.strip_suffix('\n').map_or(out.len(), str::len));
    }
    out.push_str(text.get(kept..span.end).unwrap_or_default());
    Ok(Some((out, recipes)))
}

/// Whether `new` may replace the span: it parses, and keeps what the recipe says.
pub fn holds(document: &Document, open: &Open, new: &str) -> bool {
    let parsed = Syntax::parse(document.text(), open.recipe.language, PARSE_LIMIT);
    parsed.is_ok_and(|syntax| keeps(Source { document, syntax: &syntax }, &open.recipe, &open.at, new))
}

/// What tells one model from another without reading it: names, sizes and times of its files.
pub fn fingerprint(files: &ModelFiles) -> String {
    let mut text = files.name.clone();
    // What is said about the model changes its answers as its files do.
    text.push_str(&format!(" {:?} {:?} {:?}", files.spec, files.sampler, files.quant));
    for path in files.base.iter().chain(&files.adapter).chain(&files.config).chain(&files.tokenizer) {
        let metadata = std::fs::metadata(path).ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        let time = metadata.and_then(|metadata| metadata.modified().ok());
        let time = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos());
        text.push_str(&format!("\n{} {size} {time}", path.display()));
    }
    text
}
