//! What the hook found, for people and as JSON.

use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use super::finding::Finding;
use super::finding::Maker;
use super::recipe::Level;
use crate::document::Document;
use crate::patch::Hunk;
use crate::text::sanitise_line;

/// The findings of one file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its path inside the work tree.
    pub path: PathBuf,
    /// The content that was looked at.
    pub document: Document,
    /// The findings, in order.
    pub findings: Vec<Finding>,
    /// What was written or would be.
    pub hunks: Vec<Hunk>,
    /// Findings that the hunks hold, by their place.
    pub taken: Vec<usize>,
}

/// A place that was not looked at, or not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The file, if it is about one.
    pub path: Option<PathBuf>,
    /// What and why.
    pub text: String,
}

/// Everything that a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Files with findings.
    pub files: Vec<FileReport>,
    /// What was left out.
    pub notices: Vec<Notice>,
    /// Files that were looked at.
    pub looked_at: usize,
    /// Answers that came from the cache.
    pub cached: usize,
    /// Whether the model was loaded.
    pub model_loaded: bool,
}

/// Line and column, both from 1; columns count characters.
pub fn position(document: &Document, offset: usize) -> (usize, usize) {
    let lines = document.lines();
    // The end of a text without a line end belongs to its last line.
    let behind = offset == document.text().len() && !document.has_final_newline() && lines.count() > 0;
    let number = if behind { lines.count() } else { lines.number_at(offset) };
    let start = lines.line(number).map_or(offset, |line| line.start);
    (number, document.text().get(start..offset).map_or(0, |text| text.chars().count()) + 1)
}

impl Report {
    /// All findings with their files.
    pub fn findings(&self) -> impl Iterator<Item = (&FileReport, &Finding)> {
        self.files.iter().flat_map(|file| file.findings.iter().map(move |finding| (file, finding)))
    }

    /// How many findings may be written, whether inside the allowed lines or not.
    pub fn fixable(&self) -> usize {
        self.findings().filter(|(_, finding)| finding.recipe.level == Level::Fix).count()
    }

    /// How many findings are by `maker`.
    pub fn made_by(&self, maker: Maker) -> usize {
        self.findings().filter(|(_, finding)| finding.maker == maker).count()
    }

    /// Adds a notice.
    pub fn notice(&mut self, path: Option<&Path>, text: impl Into<String>) {
        self.notices.push(Notice { path: path.map(Path::to_path_buf), text: text.into() });
    }

    /// The report as one JSON value; `assets/schema/hook-report.v1.json` describes it.
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings().map(|(file, finding)| finding_json(file, finding)).collect();
        let notices: Vec<Value> = self
            .notices
            .iter()
            .map(|notice| json!({ "path": notice.path.as_ref().map(|path| path.to_string_lossy()), "text": notice.text }))
            .collect();
        json!({
            "schema": 1,
            "findings": findings,
            "notices": notices,
            "files": self.looked_at,
            "by_template": self.made_by(Maker::Template),
            "by_model": self.made_by(Maker::Model),
            "cached": self.cached,
            "model_loaded": self.model_loaded,
        })
    }
}

fn finding_json(file: &FileReport, finding: &Finding) -> Value {
    let (line, column) = position(&file.document, finding.at.start);
    let (end_line, end_column) = position(&file.document, finding.at.end);
    json!({
        "path": file.path.to_string_lossy(),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start_byte": finding.at.start,
        "end_byte": finding.at.end,
        "recipe": finding.recipe.name,
        "message": finding.recipe.message,
        "level": if finding.recipe.level == Level::Fix { "fix" } else { "suggest" },
        "maker": finding.maker.name(),
        "confidence": finding.confidence,
        "inside": finding.is_inside,
        "held_back": finding.is_held_back,
        "old": file.document.text().get(finding.at.clone()),
        "new": finding.new,
        "lints": finding.recipe.lints,
    })
}

/// One line about a finding: place, recipe, message, and how sure it is.
pub fn line(file: &FileReport, finding: &Finding) -> String {
    let (line, column) = position(&file.document, finding.at.start);
    let sure = match finding.maker {
        Maker::Template => "template".to_owned(),
        Maker::Model => format!("model {:.2}", finding.confidence),
    };
    let reach = match (finding.recipe.level, finding.is_inside) {
        (Level::Suggest, _) => ", a suggestion",
        (Level::Fix, false) => ", reaches beyond the staged lines",
        (Level::Fix, true) if finding.is_held_back => ", held back",
        (Level::Fix, true) => "",
    };
    let path = file.path.display().to_string();
    sanitise_line(&format!("{path}:{line}:{column} {} {} ({sure}{reach})", finding.recipe.name, finding.recipe.message))
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let document = Document::from_bytes("f".into(), "\u{feff}éa\r\nb".into()).unwrap();
        assert_eq!(position(&document, 3), (1, 1));
        assert_eq!(position(&document, 5), (1, 2));
        assert_eq!(position(&document, 8), (2, 1));
        assert_eq!(position(&document, 9), (2, 2));
    }
}
