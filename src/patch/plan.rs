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
    /// numbers (from 1, counted through all files) unless none is given.
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
            let spans = file.find(&document)?;
            let mut moved = Vec::new();
            for hunk in hunks {
                hunk_number += 1;
                let moved_hunk = file.move_hunk(hunk, &spans)?;
                if chosen.is_empty() || chosen.contains(&hunk_number) {
                    moved.push(moved_hunk);
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
    /// The hunk where its span is now. A hunk outside all spans is refused: the plan may come from anywhere.
    fn move_hunk(&self, hunk: &Hunk, now: &[Span]) -> Result<Hunk, PlanError> {
        let inside = |span: &Span| span.start <= hunk.at.start && hunk.at.start <= hunk.at.end && hunk.at.end <= span.end;
        let (then, now) = self
            .spans
            .iter()
            .map(|span| span.span)
            .zip(now)
            // A span that claims another length than its text has would reach beyond what was found.
            .find(|(then, now)| inside(then) && then.len() == now.len())
            .ok_or_else(|| PlanError::Outside { path: self.path.clone(), at: hunk.at })?;
        let start = now.start + (hunk.at.start - then.start);
        Ok(Hunk { at: Span::new(start, start + hunk.at.len()), ..hunk.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "head\na\nb\nc\nd\nmiddle\ne\ntail\n";

    fn plan(root: &Path) -> Plan {
        let path = root.join("f.rs");
        std::fs::write(&path, OLD).unwrap();
        let document = Document::read(&path).unwrap();
        let spans = vec![document.line_span(2, 5).unwrap(), document.line_span(7, 7).unwrap()];
        let files = vec![PlanFile::new("f.rs".into(), &document, &Spans::new(&document, spans).unwrap())];
        let texts = vec![vec!["a\nB\nc\nD\n".to_owned(), "E\n".to_owned()]];
        let candidate = PlanCandidate::new(&[&document], &files, texts).unwrap();
        Plan { version: PLAN_VERSION, instruction: None, files, candidates: vec![candidate] }
    }

    fn apply(plan: &Plan, root: &Path, chosen: &[usize]) -> Result<String, PlanError> {
        let plan = Plan::from_json(plan.to_json()?.as_bytes())?;
        let changes = plan.changes(Some(root), 1, chosen)?;
        Ok(String::from_utf8(hunk::apply(&changes[0].document, &changes[0].hunks)?).unwrap())
    }

    #[test]
    fn applies_all_or_chosen_hunks() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(dir.path());
        assert_eq!(apply(&plan, dir.path(), &[]).unwrap(), "head\na\nB\nc\nD\nmiddle\nE\ntail\n");
        assert_eq!(apply(&plan, dir.path(), &[2, 3]).unwrap(), "head\na\nb\nc\nD\nmiddle\nE\ntail\n");
        assert!(matches!(apply(&plan, dir.path(), &[4]), Err(PlanError::Missing { what: "hunk", count: 3, .. })));
        assert!(matches!(plan.changes(Some(dir.path()), 2, &[]), Err(PlanError::Missing { what: "candidate", .. })));
    }

    #[test]
    fn follows_its_spans_and_refuses_when_they_changed() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(dir.path());
        let file = dir.path().join("f.rs");
        std::fs::write(&file, format!("// new\n{OLD}// end\n")).unwrap();
        assert_eq!(apply(&plan, dir.path(), &[1]).unwrap(), format!("// new\n{}// end\n", OLD.replace("b\n", "B\n")));
        std::fs::write(&file, OLD.replace("c\n", "see\n")).unwrap();
        assert!(matches!(apply(&plan, dir.path(), &[1]), Err(PlanError::Stale { .. })));
    }

    #[test]
    fn a_forged_plan_stays_in_its_spans_and_in_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let mut forged = plan(dir.path());
        forged.candidates[0].hunks[0][0] = Hunk { at: Span::new(0, 5), old: "head\n".into(), new: "evil\n".into() };
        assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Outside { .. })));
        for path in ["../outside", "/etc/passwd", ".git/config"] {
            let mut forged = plan(dir.path());
            std::fs::create_dir_all(dir.path().join(".git")).unwrap();
            std::fs::write(dir.path().join(".git/config"), OLD).unwrap();
            forged.files[0].path = path.into();
            assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Target(_))), "{path}");
        }
        // A span that claims to be longer than its text, in a file that changed: its hunk would lie outside of what was found.
        let mut forged = plan(dir.path());
        forged.files[0].spans.truncate(1);
        forged.files[0].spans[0].span.end = OLD.len();
        let at = OLD.find("tail").unwrap();
        forged.candidates[0].hunks[0] = vec![Hunk { at: Span::new(at, at + 5), old: "tail\n".into(), new: "evil\n".into() }];
        std::fs::write(dir.path().join("f.rs"), format!("// new\n{OLD}")).unwrap();
        assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Outside { .. })));
        // Numbers at the end of what a number can be.
        let mut forged = plan(dir.path());
        let far = usize::MAX - 1;
        for span in &mut forged.files[0].spans {
            (span.span, span.anchor.start, span.anchor.rest) = (Span::new(far, usize::MAX), far, far);
        }
        forged.candidates[0].hunks[0][0].at = Span::new(far, usize::MAX);
        assert!(apply(&forged, dir.path(), &[]).is_err());
        std::fs::write(dir.path().join("f.rs"), "other\n").unwrap();
        assert!(matches!(apply(&forged, dir.path(), &[]), Err(PlanError::Stale { .. })));
        assert!(matches!(Plan::from_json(br#"{"version":2}"#), Err(PlanError::Version { found: 2 })));
        assert!(matches!(Plan::from_json(b"{}"), Err(PlanError::Format(_))));
        assert!(matches!(Plan::from_json(b"\xff"), Err(PlanError::Format(_))));
    }
}
