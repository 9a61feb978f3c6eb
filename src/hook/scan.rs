//! From a file to findings: queries, conditions, rewriting, proof.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tree_sitter::Query;
use tree_sitter::QueryCursor;
use tree_sitter::StreamingIterator;

use super::condition::Condition;
use super::condition::Source;
use super::condition::mentions;
use super::finding::Finding;
use super::finding::Maker;
use super::finding::Open;
use super::place::Allowed;
use super::prove;
use super::prove::Proof;
use super::recipe::Action;
use super::recipe::Level;
use super::recipe::Recipe;
use super::recipe::RecipeError;
use super::template::Captures;
use super::template::Rendered;
use crate::document::Document;
use crate::document::Span;
use crate::patch::hunk;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;
use crate::syntax::select::whole_lines;

/// The recipes of one language, ready to search.
#[derive(Debug)]
pub struct Kit {
    language: Language,
    recipes: Vec<Arc<Recipe>>,
    query: Query,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    recipe: usize,
    conditions: Vec<Condition>,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub struct Scan {
    /// Spans with a proven rewriting, in order.
    pub findings: Vec<Finding>,
    /// Spans for the model, in order.
    pub open: Vec<Open>,
}

/// Why a file was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// It does not parse.
    #[error("does not parse without errors")]
    Unsound,
    /// Parsing took too long, or the file is too large.
    #[error("{0}")]
    Parse(String),
    /// It says that it is generated.
    #[error("is generated")]
    Generated,
    /// The time is up.
    #[error("budget")]
    Budget,
}

impl Kit {
    /// A kit of the given recipes, all of which are for `language`.
    ///
    /// # Errors
    /// A query or condition is wrong.
    pub fn new(language: Language, recipes: Vec<Arc<Recipe>>) -> Result<Kit, RecipeError> {
        // One query for all: the tree is walked once.
        let sources: Vec<&str> = recipes.iter().map(|recipe| recipe.query.as_str()).collect();
        let compiled = Query::new(&language.grammar(), &sources.join("\n"));
        let Ok(query) = compiled else {
            let culprit = recipes.iter().find_map(|recipe| check_query(recipe).err());
            let unknown =
                || RecipeError { file: language.name().to_owned(), reason: "the queries do not fit together".to_owned() };
            return Err(culprit.unwrap_or_else(unknown));
        };
        let mut ends = Vec::with_capacity(recipes.len());
        let mut end = 0;
        for source in &sources {
            end += source.len() + 1;
            ends.push(end);
        }
        let mut patterns = Vec::with_capacity(query.pattern_count());
        for index in 0..query.pattern_count() {
            let start = query.start_byte_for_pattern(index);
            let recipe = ends.partition_point(|&end| end <= start).min(recipes.len().saturating_sub(1));
            let conditions = Condition::of_pattern(&query, index)
                .map_err(|reason| RecipeError { file: recipes[recipe].to_string(), reason })?;
            patterns.push(Pattern { recipe, conditions });
        }
        Ok(Kit { language, recipes, query, patterns })
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Looks for spans that touch the allowed lines of a file. `rust_version` is the oldest compiler that the package supports.
    ///
    /// # Errors
    /// The file is not looked at.
    pub fn scan(
        &self,
        document: &Document,
        allowed: &Allowed,
        rust_version: Option<(u32, u32)>,
        deadline: Option<Instant>,
    ) -> Result<Scan, Skipped> {
        let text = document.text();
        if is_generated(text) {
            return Err(Skipped::Generated);
        }
        let syntax = Syntax::parse(text, self.language, PARSE_LIMIT).map_err(|error| Skipped::Parse(error.to_string()))?;
        if !syntax.is_clean() {
            return Err(Skipped::Unsound);
        }
        let source = Source { document, syntax: &syntax };
        let quiet = self.silenced(text);
        let mut scan = Scan::default();
        let mut seen = HashSet::new();
        for range in allowed.bytes(document) {
            let mut cursor = QueryCursor::new();
            cursor.set_byte_range(range);
            let mut matches = cursor.matches(&self.query, syntax.root(), text.as_bytes());
            while let Some(found) = matches.next() {
                let Some(pattern) = self.patterns.get(found.pattern_index) else { continue };
                let recipe = &self.recipes[pattern.recipe];
                let too_new = matches!((recipe.rust_version, rust_version), (Some(needed), Some(has)) if has < needed);
                if too_new || quiet.contains(&pattern.recipe) {
                    continue;
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(Skipped::Budget);
                }
                let mut captures = Captures::new();
                for capture in found.captures() {
                    let name = self.query.capture_names().get(capture.index as usize).copied().unwrap_or_default();
                    captures.entry(name.to_owned()).or_default().push(capture.node);
                }
                let Some(at) = span_of(&captures) else { continue };
                let holds = pattern.conditions.iter().all(|condition| condition.holds(source, &captures));
                if !holds || is_waived(text, &at) || !seen.insert((pattern.recipe, at.clone())) {
                    continue;
                }
                take(source, recipe, &captures, at, allowed, &mut scan);
            }
        }
        scan.findings.sort_by_key(|finding| (finding.at.start, finding.at.end));
        scan.open.retain(|open| !scan.findings.iter().any(|finding| overlap(&finding.at, &open.at)));
        scan.open.sort_by_key(|open| (open.at.start, open.at.end));
        Ok(scan)
    }

    /// Recipes whose lints the file allows somewhere: whoever wrote that does not want to hear of it.
    fn silenced(&self, text: &str) -> HashSet<usize> {
        let everything = text.contains("ruff: noqa") || text.contains("flake8: noqa");
        let groups = ["clippy::all", "clippy::style", "clippy::complexity"];
        let all = everything || groups.iter().any(|group| allows(text, group));
        let own = |recipe: &Recipe| recipe.lints.iter().any(|lint| lint.contains("::") && allows(text, lint));
        (0..self.recipes.len()).filter(|&index| all || own(&self.recipes[index])).collect()
    }
}

/// Whether an `allow` or `expect` in the text names the lint; a `warn` or `deny` of it is a wish to hear of it.
fn allows(text: &str, lint: &str) -> bool {
    if !text.contains(lint) {
        return false;
    }
    let lists = ["allow(", "expect("].iter().flat_map(|word| text.match_indices(word));
    lists.filter_map(|(at, _)| text[at..].split(')').next()).any(|list| mentions(list, lint))
}

/// Puts what a match comes to into the scan.
fn take(source: Source<'_>, recipe: &Arc<Recipe>, captures: &Captures<'_>, at: Range<usize>, allowed: &Allowed, scan: &mut Scan) {
    let rewritten = match &recipe.action {
        Action::Model => {
            let lines = whole_lines(source.document.text(), &at);
            let at = lines.start.max(source.document.bom_len())..lines.end;
            if allowed.touches(source.document, &at) {
                scan.open.push(Open { recipe: Arc::clone(recipe), at });
            }
            return;
        }
        Action::Template(_) | Action::Rewrite(_) => rewrite(source, recipe, captures, &at),
    };
    let Some((at, new)) = rewritten else { return };
    let finding = finding(source.document, recipe, at, new, Maker::Template, 1.0, allowed);
    if allowed.touches(source.document, &finding.at) {
        scan.findings.push(finding);
    }
}

/// A finding with the lines that it changes.
pub fn finding(
    document: &Document,
    recipe: &Arc<Recipe>,
    at: Range<usize>,
    new: String,
    maker: Maker,
    confidence: f32,
    allowed: &Allowed,
) -> Finding {
    let text = document.text();
    let lines = whole_lines(text, &at);
    let start = lines.start.max(document.bom_len());
    let replaced = [&text[start..at.start], &new, &text[at.end..lines.end]].concat();
    let hunks = hunk::hunks(start, &text[start..lines.end], &replaced);
    let is_inside = hunks.iter().all(|hunk| allowed.covers(document, hunk));
    Finding { recipe: Arc::clone(recipe), at, new, hunks, maker, confidence, is_inside, is_held_back: false }
}

/// The bytes and new text of a determined rewriting that is proven.
fn rewrite(source: Source<'_>, recipe: &Recipe, captures: &Captures<'_>, at: &Range<usize>) -> Option<(Range<usize>, String)> {
    if prove::has_attribute(source, at) {
        return None;
    }
    let mut wrap: Vec<String> = Vec::new();
    let mut whole = false;
    // Bare, with parentheses around captures, with parentheses around all: no more than that.
    for _ in 0..3 {
        let mut rendered = match &recipe.action {
            Action::Template(template) => template.render(source.document, at.start, captures, &wrap)?,
            Action::Rewrite(rewrite) => Rendered { text: rewrite.apply(source, captures)?, placed: Vec::new() },
            Action::Model => return None,
        };
        if prove::loses_comments(source, at, &rendered.placed) {
            return None;
        }
        if whole {
            rendered.text = format!("({})", rendered.text);
            rendered.placed.iter_mut().for_each(|placed| placed.new = placed.new.start + 1..placed.new.end + 1);
        }
        let at = if rendered.text.is_empty() { emptied_lines(source.document.text(), at)? } else { at.clone() };
        match prove::prove(source, &at, &rendered) {
            Proof::Holds => return Some((at, rendered.text)),
            Proof::Wrap(torn) if wrap.is_empty() => wrap = torn,
            Proof::WrapWhole if !whole => whole = true,
            _ => return None,
        }
    }
    None
}

/// The lines of `at`, if nothing else stands on them.
fn emptied_lines(text: &str, at: &Range<usize>) -> Option<Range<usize>> {
    let lines = whole_lines(text, at);
    let alone = text[lines.start..at.start].trim().is_empty() && text[at.end..lines.end].trim().is_empty();
    alone.then_some(lines)
}

/// The range of the capture `@span`.
fn span_of(captures: &Captures<'_>) -> Option<Range<usize>> {
    let nodes = captures.get("span")?;
    let start = nodes.iter().map(|node| node.start_byte()).min()?;
    let end = nodes.iter().map(|node| node.end_byte()).max()?;
    Some(start..end)
}

/// Whether somebody said at the line that it shall stay so.
fn is_waived(text: &str, at: &Range<usize>) -> bool {
    let lines = whole_lines(text, at);
    let before = text[..lines.start].lines().next_back().unwrap_or_default();
    let marks = ["noqa", "dcode: ignore", "dcode:ignore"];
    marks.iter().any(|mark| text[lines.clone()].contains(mark)) || before.contains("dcode: ignore")
}

/// Whether the head of the file says that a program wrote it.
fn is_generated(text: &str) -> bool {
    text.lines().take(10).any(|line| line.contains("@generated") || line.contains("DO NOT EDIT") || line.contains("do not edit"))
}

/// Whether two ranges share a byte, or are one place.
pub fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    Span::from(a.clone()).overlaps(&Span::from(b.clone()))
}

/// Findings that can be written together: those of [`Level::Fix`] inside the allowed lines that are not held back, the first of
/// overlapping ones.
pub fn applicable(findings: &[Finding]) -> Vec<&Finding> {
    let mut chosen: Vec<&Finding> = Vec::new();
    let may = |finding: &&Finding| finding.recipe.level == Level::Fix && finding.is_inside && !finding.is_held_back;
    for finding in findings.iter().filter(may) {
        if !chosen.iter().any(|other| overlap(&other.at, &finding.at)) {
            chosen.push(finding);
        }
    }
    chosen
}

/// Whether the recipe's query and conditions are right.
///
/// # Errors
/// They are not; the error says where.
pub fn check_query(recipe: &Recipe) -> Result<(), RecipeError> {
    let bad = |reason: String| RecipeError { file: recipe.to_string(), reason };
    let query = Query::new(&recipe.language.grammar(), &recipe.query)
        .map_err(|error| bad(format!("query, line {}: {}", error.row + 1, error.message.lines().next().unwrap_or_default())))?;
    let names = query.capture_names();
    if !names.contains(&"span") {
        return Err(bad("the query has no capture `@span`".to_owned()));
    }
    if let Action::Template(template) = &recipe.action
        && let Some(missing) = template.names().find(|name| !names.contains(name))
    {
        return Err(bad(format!("the template uses `${missing}`, which the query does not capture")));
    }
    for index in 0..query.pattern_count() {
        Condition::of_pattern(&query, index).map_err(bad)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_allowed_lint_is_silent() {
        let lint = "clippy::len_zero";
        for text in [
            "#![allow(clippy::len_zero)]",
            "#[expect(dead_code,\n    clippy::len_zero)]",
            "#[cfg_attr(x, allow(clippy::len_zero))]",
        ] {
            assert!(allows(text, lint), "{text}");
        }
        for text in
            ["#![warn(clippy::len_zero)]", "#![allow(clippy::len_zero_more)]", "#![allow(dead_code)] // clippy::len_zero", ""]
        {
            assert!(!allows(text, lint), "{text}");
        }
    }
}
