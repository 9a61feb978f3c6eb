//! The spans that need the model: answers from the cache, then from the model, within the budget; and saying what was left out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::document::Document;
use crate::edit::engine::Engine;
use crate::hook::cache::Answer;
use crate::hook::cache::Cache;
use crate::hook::finding::Finding;
use crate::hook::finding::Maker;
use crate::hook::finding::Open;
use crate::hook::model::Asked;
use crate::hook::model::ask;
use crate::hook::model::fingerprint;
use crate::hook::model::holds;
use crate::hook::place::Allowed;
use crate::hook::report::Report;
use crate::hook::scan::finding;
use crate::model::locate::data_dir;

/// A span of a file for the model.
#[derive(Debug)]
pub struct Question {
    /// Index of the file in the report.
    pub file: usize,
    /// The file's path, for messages.
    pub path: PathBuf,
    /// Its content.
    pub document: Arc<Document>,
    /// The span.
    pub open: Open,
    /// The lines that may change.
    pub allowed: Allowed,
}

/// Answers the questions and puts findings into the report. Returns how the command would end if it were strict: the budget was not
/// enough, or there is no model.
///
/// # Errors
/// The system gives no thread.
pub fn answer(
    questions: Vec<Question>,
    model: &ModelArgs,
    deadline: Option<Instant>,
    report: &mut Report,
) -> Result<Exit, Failure> {
    if questions.is_empty() {
        return Ok(Exit::Ok);
    }
    let files = match model.files() {
        Ok(files) => files,
        Err(error) => {
            let count = questions.len();
            report.notice(None, format!("no model: {count} spans that need it were left out ({error})"));
            return Ok(Exit::Model);
        }
    };
    let cache = data_dir().map(|folder| Cache::at(&folder.join("cache").join("hook")));
    let name = fingerprint(&files);
    let mut asked = Vec::new();
    for question in questions {
        let key = Cache::key(question.document.hash(), &question.open.at, &question.open.recipe, &name);
        match cache.as_ref().and_then(|cache| cache.get(key)) {
            Some(answer) => {
                report.cached += 1;
                take(&question, &answer, report);
            }
            None => asked.push((key, question)),
        }
    }
    if asked.is_empty() {
        return Ok(Exit::Ok);
    }
    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
        skipped(&asked.iter().map(|(_, question)| question).collect::<Vec<_>>(), report);
        return Ok(Exit::Budget);
    }
    let engine = Engine::start(files, model.device)?;
    report.model_loaded = true;
    let mut left = asked.iter();
    while let Some((key, question)) = left.next() {
        match ask(&engine, &question.document, &question.open, deadline) {
            Asked::Answer(answer) => {
                take(question, &answer, report);
                if let Some(cache) = &cache
                    && let Err(error) = cache.put(*key, &answer)
                {
                    report.notice(None, format!("the answer could not be kept: {error}"));
                }
            }
            Asked::OutOfTime => {
                let rest: Vec<&Question> = std::iter::once(question).chain(left.map(|(_, question)| question)).collect();
                skipped(&rest, report);
                return Ok(Exit::Budget);
            }
            Asked::Failed(error, false) => report.notice(Some(&question.path), format!("{}: {error}", question.open.recipe.name)),
            Asked::Failed(error, true) => {
                report.notice(None, format!("the model failed, spans that need it were left out: {error}"));
                return Ok(Failure::from(error).exit);
            }
        }
    }
    Ok(Exit::Ok)
}

fn skipped(questions: &[&Question], report: &mut Report) {
    for question in questions {
        let line = question.document.lines().number_at(question.open.at.start);
        report.notice(Some(&question.path), format!("line {line}: {}: skipped: budget", question.open.recipe.name));
    }
}

fn take(question: &Question, answer: &Answer, report: &mut Report) {
    let Some(new) = &answer.new else { return };
    // Also for what the cache says: it is a file that anybody may have changed.
    if !holds(&question.document, &question.open, new) {
        return;
    }
    let (document, open) = (&question.document, &question.open);
    let found: Finding =
        finding(document, &open.recipe, open.at.clone(), new.clone(), Maker::Model, answer.confidence, &question.allowed);
    if let Some(file) = report.files.get_mut(question.file) {
        file.findings.push(found);
        file.findings.sort_by_key(|finding| (finding.at.start, finding.at.end));
    }
}
