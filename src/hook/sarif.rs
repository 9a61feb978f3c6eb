//! The report as SARIF 2.1.0, which code hosts show beside the lines.

use std::path::Path;

use serde_json::Value;
use serde_json::json;

use super::finding::Finding;
use super::recipe::Level;
use super::recipe::Recipe;
use super::report::FileReport;
use super::report::Report;
use super::report::position;
use crate::document::Document;
use crate::patch::quote::path_bytes;

/// The report as a SARIF log with one run.
pub fn log(report: &Report) -> Value {
    let mut rules: Vec<&Recipe> = Vec::new();
    let mut results = Vec::new();
    for (file, finding) in report.findings() {
        let recipe: &Recipe = &finding.recipe;
        let known = rules.iter().position(|rule| rule.hash == recipe.hash && rule.name == recipe.name);
        let index = known.unwrap_or_else(|| {
            rules.push(recipe);
            rules.len() - 1
        });
        results.push(result(file, finding, index));
    }
    let notices: Vec<Value> = report
        .notices
        .iter()
        .map(|notice| {
            let text =
                notice.path.as_ref().map_or_else(|| notice.text.clone(), |path| format!("{}: {}", path.display(), notice.text));
            json!({ "level": "note", "message": { "text": text } })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dcode",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|recipe| rule(recipe)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notices }],
            "results": results,
        }],
    })
}

fn rule_id(recipe: &Recipe) -> String {
    format!("{}/{}", recipe.language, recipe.name)
}

fn rule(recipe: &Recipe) -> Value {
    json!({
        "id": rule_id(recipe),
        "shortDescription": { "text": recipe.message },
        "help": { "text": recipe.instruction },
        "defaultConfiguration": { "level": level(recipe) },
        "properties": { "tags": recipe.lints },
    })
}

fn level(recipe: &Recipe) -> &'static str {
    match recipe.level {
        Level::Fix => "warning",
        Level::Suggest => "note",
    }
}

fn result(file: &FileReport, finding: &Finding, rule_index: usize) -> Value {
    let artifact = json!({ "uri": uri(&file.path), "uriBaseId": "%SRCROOT%" });
    let region = region(&file.document, finding);
    json!({
        "ruleId": rule_id(&finding.recipe),
        "ruleIndex": rule_index,
        "level": level(&finding.recipe),
        "message": { "text": finding.recipe.message },
        "locations": [{ "physicalLocation": { "artifactLocation": artifact, "region": region } }],
        "fixes": [{
            "description": { "text": finding.recipe.instruction },
            "artifactChanges": [{
                "artifactLocation": artifact,
                "replacements": [{ "deletedRegion": region, "insertedContent": { "text": finding.new } }],
            }],
        }],
        "properties": { "maker": finding.maker.name(), "confidence": finding.confidence },
    })
}

fn region(document: &Document, finding: &Finding) -> Value {
    let (start_line, start_column) = position(document, finding.at.start);
    let (end_line, end_column) = position(document, finding.at.end);
    json!({ "startLine": start_line, "startColumn": start_column, "endLine": end_line, "endColumn": end_column })
}

/// The path as a relative URI: everything but unreserved characters and `/` is escaped.
fn uri(path: &Path) -> String {
    let mut out = String::new();
    for byte in path_bytes(path).iter().copied() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri(Path::new("a b/é%.rs")), "a%20b/%C3%A9%25.rs");
    }

    #[test]
    fn a_log_without_findings_is_a_log() {
        let mut report = Report::default();
        report.notice(Some(Path::new("x.rs")), "is generated");
        let log = log(&report);
        assert_eq!(log["version"], "2.1.0");
        assert_eq!(log["runs"][0]["results"], json!([]));
        assert_eq!(log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"], "x.rs: is generated");
    }
}
