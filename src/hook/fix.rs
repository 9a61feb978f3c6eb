//! Putting findings together into the new text of a file.

use std::ops::Range;

use super::finding::Finding;
use super::place::Allowed;
use super::scan::Kit;
use super::scan::Skipped;
use super::scan::applicable;
use super::scan::overlap;
use crate::document::Document;
use crate::document::Span;
use crate::patch::Hunk;
use crate::patch::hunk;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;

/// Rounds of [`fixpoint`]: one rewriting may make room for the next, but not for ever.
const ROUNDS: usize = 10;

/// What is written of the findings of a file.
#[derive(Clone, Debug, Default)]
pub struct Fix {
    /// The changes.
    pub hunks: Vec<Hunk>,
    /// The findings that they hold, by their place among all.
    pub taken: Vec<usize>,
}

/// The changes that write all findings that may be written: each is proven alone, and together they must parse.
pub fn fix(document: &Document, findings: &[Finding]) -> Fix {
    let mut chosen: Vec<&Finding> = applicable(findings);
    let language = chosen.first().map(|finding| finding.recipe.language);
    if !chosen.is_empty() && !parses(document, &chosen, language) {
        // What does not go together with those before it is left for the next time.
        let mut together: Vec<&Finding> = Vec::new();
        for finding in chosen {
            together.push(finding);
            if !parses(document, &together, language) {
                together.pop();
            }
        }
        chosen = together;
    }
    let changes: Vec<(Span, &str)> =
        chosen.iter().map(|finding| (Span::from(finding.at.clone()), finding.new.as_str())).collect();
    let Ok(hunks) = hunk::of_spans(document, &changes) else { return Fix::default() };
    let is_taken = |finding: &Finding| chosen.iter().any(|taken| std::ptr::eq(*taken, finding));
    let taken = findings.iter().enumerate().filter(|(_, finding)| is_taken(finding)).map(|(index, _)| index).collect();
    Fix { hunks, taken }
}

fn parses(document: &Document, findings: &[&Finding], language: Option<Language>) -> bool {
    let changes: Vec<(Span, &str)> =
        findings.iter().map(|finding| (Span::from(finding.at.clone()), finding.new.as_str())).collect();
    let text = document.splice(&changes).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match (text, language) {
        (Some(text), Some(language)) => Syntax::parse(&text, language, PARSE_LIMIT).is_ok_and(|syntax| syntax.is_clean()),
        _ => false,
    }
}

/// A whole file after all that can be written, again and again until nothing is found; and how many findings were written.
///
/// # Errors
/// The file is not looked at.
pub fn fixpoint(kit: &Kit, document: &Document, rust_version: Option<(u32, u32)>) -> Result<(String, Vec<Finding>), Skipped> {
    let mut current = document.clone();
    let mut written = Vec::new();
    for _ in 0..ROUNDS {
        let mut findings = kit.scan(&current, &Allowed::All, rust_version, None)?.findings;
        // No command runs here.
        findings.iter_mut().for_each(|finding| finding.is_held_back = finding.recipe.verify);
        let fix = fix(&current, &findings);
        if fix.hunks.is_empty() {
            break;
        }
        let Ok(bytes) = hunk::apply(&current, &fix.hunks) else { break };
        let Ok(next) = Document::from_bytes(document.path().to_path_buf(), bytes) else { break };
        written.extend(fix.taken.iter().filter_map(|&index| findings.get(index).cloned()));
        current = next;
    }
    Ok((current.text().to_owned(), written))
}

/// The text of `span` after every determined rewriting that stays inside it, suggestions among them; `None` when there is none. An
/// emptied span of whole lines may take the end of its last line with it, as a linter's own fix does.
pub fn rewrite_span(kit: &Kit, document: &Document, span: &Range<usize>) -> Option<(String, Vec<String>)> {
    let findings = kit.scan(document, &Allowed::All, None, None).ok()?.findings;
    let reach = span.end + document.text().get(span.end..)?.find('\n').filter(|&gap| gap <= 1).map_or(0, |gap| gap + 1);
    let mut chosen: Vec<&Finding> = Vec::new();
    for finding in &findings {
        let end = if finding.new.is_empty() { reach } else { span.end };
        let inside = span.start <= finding.at.start && finding.at.end <= end;
        if inside && !chosen.iter().any(|other| overlap(&other.at, &finding.at)) {
            chosen.push(finding);
        }
    }
    if chosen.is_empty() {
        return None;
    }
    let text = document.text();
    let (mut out, mut kept) = (String::new(), span.start);
    for finding in &chosen {
        out.push_str(text.get(kept..finding.at.start)?);
        out.push_str(&finding.new);
        kept = finding.at.end;
    }
    out.push_str(text.get(kept..span.end.max(kept))?);
    if kept > span.end && out.ends_with('\n') {
        // The end of the last line belongs to the text behind the span, and went with the line.
        out.pop();
    }
    Some((out, chosen.iter().map(|finding| finding.recipe.name.clone()).collect()))
}
