//! Plans: all that is needed to apply an edit later, without a model.
//!
//! The format is JSON with a version; `docs/plan-format.md` describes it.

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::anchor::Anchor;
use super::anchor::AnchorError;
use super::apply::FileChange;
use super::hunk;
use super::hunk::Hunk;
use super::hunk::HunkError;
use super::partly;
use super::target::Target;
use super::target::TargetError;
use crate::document::ContentHash;
use crate::document::Document;
use crate::document::DocumentError;
use crate::document::Span;
use crate::document::SpanError;
use crate::document::Spans;

/// The format of plans; others are refused.
pub const PLAN_VERSION: u32 = 1;

/// Files with their spans, candidates for them, and what was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The instruction, if there was one.
    #[serde(default)]
    pub instruction: Option<String>,
    /// The files.
    pub files: Vec<PlanFile>,
    /// The candidates, the best first.
    pub candidates: Vec<PlanCandidate>,
}

/// One file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFile {
    /// The path inside the work tree, or an absolute one outside of any.
    #[serde(with = "super::path_json")]
    pub path: PathBuf,
    /// Hash of the content that the spans belong to.
    pub hash: ContentHash,
    /// The spans, in order.
    pub spans: Vec<PlanSpan>,
}

/// One span of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSpan {
    /// Its bytes.
    pub span: Span,
    /// Its text.
    pub original: String,
    /// What surrounds it.
    pub anchor: Anchor,
}

/// One candidate for all spans of all files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanCandidate {
    /// Per file and span, the new text with the file's line endings.
    pub texts: Vec<Vec<String>>,
    /// Per file, the hunks between the original spans and the texts.
    pub hunks: Vec<Vec<Hunk>>,
    /// Mean probability of the tokens.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// `parses`, `broken` or `unknown`.
    #[serde(default)]
    pub syntax: Option<String>,
    /// `passed`, `failed` or nothing if no command was run.
    #[serde(default)]
    pub verify: Option<String>,
}

/// Why a plan cannot be applied. No file was changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not a plan, or a damaged one.
    #[error("not a plan: {0}")]
    Format(String),
    /// Written by another version.
    #[error("plan version {found} is not supported (this dcode reads {PLAN_VERSION}); make the plan again")]
    Version {
        /// The version of the plan.
        found: u64,
    },
    /// A candidate or hunk that is not in the plan.
    #[error("the plan has no {what} {number}; it has {count}")]
    Missing {
        /// "candidate" or "hunk".
        what: &'static str,
        /// The number asked for, from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// The spans themselves changed.
    #[error("{}: the lines of the plan cannot be found: {reason}; make the plan again", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: AnchorError,
    },
    /// A hunk outside its spans.
    #[error("{}: the plan changes bytes {at}, which no span of it allows", path.display())]
    Outside {
        /// The file.
        path: PathBuf,
        /// The hunk.
        at: Span,
    },
    /// Spans that do not fit the file.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// Hunks that do not fit the file.
    #[error(transparent)]
    Hunk(#[from] HunkError),
    /// A file that cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A file that is never written.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl PlanFile {
    /// The file of a plan for `document`, which is called `path` in its work tree.
    pub fn new(path: PathBuf, document: &Document, spans: &Spans) -> PlanFile {
        let span = |span: Span| {
            let original = document.span_text(span)?.to_owned();
            Some(PlanSpan { span, original, anchor: Anchor::of(document.text(), span)? })
        };
        PlanFile { path, hash: document.hash(), spans: spans.iter().filter_map(span).collect() }
    }

    /// Where the spans are in `document`: where they were if nothing changed, elsewhere if only text outside them did, and an
    /// error otherwise.
    pub fn find(&self, document: &Document) -> Result<Vec<Span>, PlanError> {
        let stale = |reason| PlanError::Stale { path: self.path.clone(), reason };
        let mut found = Vec::with_capacity(self.spans.len());
        for span in &self.spans {
            found.push(if document.hash() == self.hash {
                span.span
            } else {
                span.anchor.find(document.text(), &span.original).map_err(stale)?
            });
        }
        if !found.windows(2).all(|pair| matches!(pair, [a, b] if a.end <= b.start)) {
            return Err(stale(AnchorError::Gone));
        }
        Ok(Spans::new(document, found)?.as_slice().to_vec())
    }
}

impl PlanCandidate {
    /// A candidate with the given texts, per file and span, fitted to the files' line endings.
    pub fn new(documents: &[&Document], files: &[PlanFile], texts: Vec<Vec<String>>) -> Result<PlanCandidate, PlanError> {
        let mut hunks = Vec::with_capacity(files.len());
        for ((document, file), texts) in documents.iter().zip(files).zip(&texts) {
            let changes: Vec<(Span, &str)> = file.spans.iter().map(|s| s.span).zip(texts.iter().map(String::as_str)).collect();
            hunks.push(hunk::of_spans(document, &changes)?);
        }
        Ok(PlanCandidate { texts, hunks, confidence: None, syntax: None, verify: None })
    }
}

impl Plan {
    /// Reads a plan.
    pub fn from_json(bytes: &[u8]) -> Result<Plan, PlanError> {
        let format = |error: serde_json::Error| PlanError::Format(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(format)?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(PLAN_VERSION) => {}
            Some(found) => return Err(PlanError::Version { found }),
            None => return Err(PlanError::Format("no version".to_owned())),
        }
        let plan: Plan = serde_json::from_value(value).map_err(format)?;
        let fits = |c: &PlanCandidate| c.texts.len() == plan.files.len() && c.hunks.len() == plan.files.len();
        if plan.candidates.iter().all(fits) {
            Ok(plan)
        } else {
            Err(PlanError::Format("a candidate does not cover every file".into()))
        }
    }

    /// Writes a plan, for people to read too.
    pub fn to_json(&self) -> Result<String, PlanError> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| PlanError::Format(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// The changes of candidate `number` (from 1) in the files as they are now, below `root`; only the hunks with the given
    /// numbers (from 1, counted through all files) unless none is given. Hunks that were applied before are left out.
    pub fn changes(&self, root: Option<&Path>, number: usize, chosen: &[usize]) -> Result<Vec<FileChange>, PlanError> {
        let missing = |what, number, count| PlanError::Missing { what, number, count };
        let candidate = number.checked_sub(1).and_then(|index| self.candidates.get(index));
        let candidate = candidate.ok_or_else(|| missing("candidate", number, self.candidates.len()))?;
        let count = candidate.hunks.iter().map(Vec::len).sum();
        if let Some(&bad) = chosen.iter().find(|&&hunk| hunk == 0 || hunk > count) {
            return Err(missing("hunk", bad, count));
        }
        let mut changes = Vec::with_capacity(self.files.len());
        let mut hunk_number = 0;
        for (file, hunks) in self.files.iter().zip(&candidate.hunks) {
            let path = root.map_or_else(|| file.path.clone(), |root| root.join(&file.path));
            let target = Target::resolve(&path, root)?;
            let document = Document::read(target.path())?;
            let places = file.places(hunks, &document)?;
            let mut moved = Vec::new();
            for (hunk, place) in hunks.iter().zip(places) {
                hunk_number += 1;
                if chosen.is_empty() || chosen.contains(&hunk_number) {
                    moved.extend(place.map(|at| Hunk { at, ..hunk.clone() }));
                }
            }
            // Fails here, with the reason, rather than in the middle of the write.
            hunk::apply(&document, &moved)?;
            changes.push(FileChange { target, document, hunks: moved });
        }
        Ok(changes)
    }
}

impl PlanFile {
    /// Where each hunk of a candidate goes in `document`; `None` for one that is applied already. A hunk outside all spans is
    /// refused: the plan may come from anywhere.
    fn places(&self, hunks: &[Hunk], document: &Document) -> Result<Vec<Option<Span>>, PlanError> {
        let inside = |span: &Span, hunk: &Hunk| {
            // A span that claims another length than its text has would reach beyond what is found.
            span.start <= hunk.at.start && hunk.at.start <= hunk.at.end && hunk.at.end <= span.end
        };
        let honest = |span: &&PlanSpan| span.span.len() == span.original.len() && span.span.start <= span.span.end;
        let owner = |hunk: &Hunk| {
            let found = self.spans.iter().position(|span| honest(&span) && inside(&span.span, hunk));
            found.ok_or_else(|| PlanError::Outside { path: self.path.clone(), at: hunk.at })
        };
        let owners = hunks.iter().map(owner).collect::<Result<Vec<usize>, _>>();
        match self.find(document) {
            Ok(now) => {
                let owners = owners?;
                let place = |(hunk, &owner): (&Hunk, &usize)| {
                    let start = now.get(owner)?.start + (hunk.at.start - self.spans.get(owner)?.span.start);
                    Some(Span::new(start, start + hunk.at.len()))
                };
                Ok(hunks.iter().zip(&owners).map(place).collect())
            }
            Err(PlanError::Stale { path, reason }) => {
                let found = owners.ok().and_then(|owners| self.partly(hunks, &owners, document));
                found.ok_or(PlanError::Stale { path, reason })
            }
            Err(other) => Err(other),
        }
    }

    /// The same when some of the hunks were applied before; `None` when that is not what happened.
    fn partly(&self, hunks: &[Hunk], owners: &[usize], document: &Document) -> Option<Vec<Option<Span>>> {
        let mut places = vec![None; hunks.len()];
        let mut before: Option<partly::Before> = None;
        for (number, span) in self.spans.iter().enumerate() {
            let own: Vec<usize> = (0..hunks.len()).filter(|&index| owners.get(index) == Some(&number)).collect();
            let list: Vec<&Hunk> = own.iter().filter_map(|&index| hunks.get(index)).collect();
            let gap = |next: &PlanSpan| next.span.start.checked_sub(span.span.end);
            let after = match self.spans.get(number + 1) {
                Some(next) => Some(gap(next)?),
                None => None,
            };
            let found = partly::find(document.text(), span, &list, before, after).ok()?;
            // Spans stand in their order, or one of them was found in the wrong place.
            if before.is_some_and(|before| found.span.start < before.end) {
                return None;
            }
            before = after.map(|gap| partly::Before { end: found.span.end, gap });
            for (index, place) in own.into_iter().zip(found.places) {
                places[index] = place;
            }
        }
        Some(places)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
