//! One finished text for all files of an edit: a candidate for each file, and what the commands say about them together.

use std::path::PathBuf;
use std::sync::Arc;

use crate::document::Document;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::verify::Splice;
use crate::verify::Verdict;

/// One file of an edit.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file as it is.
    pub document: Arc<Document>,
    /// What may change in it.
    pub spans: Spans,
    /// Its path inside the work tree.
    pub relative: PathBuf,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Its number among all proposals of the edit, from 0; with one file, that of its candidate.
    pub number: usize,
    /// A candidate for each file, in the order of the files.
    pub parts: Vec<Candidate>,
    /// What the commands say; `None` when none was run.
    pub verdict: Option<Verdict>,
}

impl Proposal {
    /// A proposal that no command has seen.
    pub fn new(number: usize, parts: Vec<Candidate>) -> Self {
        Self { number, parts, verdict: None }
    }

    /// The new texts of each file.
    pub fn texts(&self) -> Vec<Vec<String>> {
        self.parts.iter().map(|part| part.texts.clone()).collect()
    }

    /// Whether it may be applied without a person looking at it: all files parse and came to their end, and no command failed.
    pub fn is_acceptable(&self) -> bool {
        self.parts.iter().all(Candidate::is_acceptable) && self.verdict.as_ref().is_none_or(Verdict::passed)
    }

    /// In one word, for people and plans; `None` when no command was run.
    pub fn verify_word(&self) -> Option<&'static str> {
        self.verdict.as_ref().map(|verdict| if verdict.passed() { "passed" } else { "failed" })
    }
}

/// Proposals from the candidates of each file, the best first: the n-th best of each file stand together, and a file with fewer
/// gives its last one again.
pub fn combine(files: Vec<Vec<Candidate>>) -> Vec<Proposal> {
    if files.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let most = files.iter().map(Vec::len).max().unwrap_or(0);
    let nth = |place: usize| {
        let parts: Vec<Candidate> = files.iter().filter_map(|file| file.get(place).or(file.last()).cloned()).collect();
        let number = if let [only] = &parts[..] { only.number } else { place };
        Proposal::new(number, parts)
    };
    (0..most).map(nth).collect()
}

/// Sorts proposals, the best first: verified, then parsing and complete, then fewer new complaints, then the base's score,
/// then confidence, then the smaller change.
pub fn rank(parts: &[Part], proposals: &mut [Proposal]) {
    let class = |proposal: &Proposal| match proposal.verdict.as_ref().map(Verdict::passed) {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    };
    let usable = |proposal: &Proposal| proposal.parts.iter().all(Candidate::is_acceptable);
    let complaints = |proposal: &Proposal| proposal.verdict.as_ref().map_or(0, |verdict| verdict.complaints().count());
    let score = |proposal: &Proposal| -> f64 { proposal.parts.iter().map(|part| part.score.unwrap_or(f64::NEG_INFINITY)).sum() };
    let confidence = |proposal: &Proposal| -> f32 { proposal.parts.iter().map(|part| part.confidence).sum() };
    let size = |proposal: &Proposal| -> usize { parts.iter().zip(&proposal.parts).map(|(part, new)| changed(part, new)).sum() };
    proposals.sort_by(|a, b| {
        class(a)
            .cmp(&class(b))
            .then(usable(b).cmp(&usable(a)))
            .then(complaints(a).cmp(&complaints(b)))
            .then_with(|| score(b).total_cmp(&score(a)))
            .then_with(|| confidence(b).total_cmp(&confidence(a)))
            .then_with(|| size(a).cmp(&size(b)))
    });
}

/// Bytes between the first and the last one that differ, over all spans.
fn changed(part: &Part, candidate: &Candidate) -> usize {
    let texts = part.spans.iter().zip(&candidate.texts);
    let size = |(span, new): (Span, &String)| {
        let old = part.document.span_text(span).unwrap_or_default().as_bytes();
        let new = new.as_bytes();
        let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
        old.len().max(new.len()) - head - tail
    };
    texts.map(size).sum()
}

/// A file with a candidate in it.
#[derive(Clone, Debug)]
pub struct Spliced {
    /// The whole new text.
    pub document: Document,
    /// Where the candidate's texts are in it.
    pub spans: Vec<Span>,
}

impl Spliced {
    /// Puts the texts of the candidate into the file; `None` when they do not fit, which a candidate of this file always does.
    pub fn new(part: &Part, texts: &[String]) -> Option<Self> {
        let changes: Vec<_> = part.spans.iter().zip(texts.iter().map(String::as_str)).collect();
        let bytes = part.document.splice(&changes).ok()?;
        let document = Document::from_bytes(part.document.path().to_path_buf(), bytes).ok()?;
        let mut growth = 0isize;
        let place = |(span, text): (Span, &str)| {
            let start = span.start.saturating_add_signed(growth);
            growth += text.len() as isize - span.len() as isize;
            Span::new(start, start + text.len())
        };
        let spans = changes.into_iter().map(place).collect();
        Some(Self { document, spans })
    }

    /// For the verifier.
    pub fn splice<'a>(&'a self, part: &'a Part) -> Splice<'a> {
        let lines = self.spans.iter().map(|span| lines_of(&self.document, *span));
        Splice { path: &part.relative, bytes: self.document.bytes(), lines: lines.collect() }
    }
}

/// The lines that a span touches, from 1.
pub fn lines_of(document: &Document, span: Span) -> std::ops::RangeInclusive<usize> {
    let first = document.lines().number_at(span.start);
    let last = if span.is_empty() { first } else { document.lines().number_at(span.end - 1) };
    first..=last
}

#[cfg(test)]
#[path = "proposal_tests.rs"]
pub(crate) mod tests;
