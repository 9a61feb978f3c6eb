//! The syntax guard: does a candidate parse where the original did?
//!
//! tree-sitter reports an error where it noticed it, which is often far from its cause: an unclosed brace inside a span shows up
//! at the end of the file, or turns the whole file into one ERROR node. So the guard compares the errors of the two whole files.
//! Text that opens a comment or string and swallows what follows may give no error at all; that is looked for as well.

use std::ops::Range;
use std::time::Duration;

use tree_sitter::Node;

use crate::syntax::language::Language;
use crate::syntax::parse::Edit;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::ParseError;
use crate::syntax::parse::Syntax;

/// What is wrong at a place of the new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The parser could not use this text.
    Unexpected,
    /// A token of this kind is missing here.
    Missing(String),
    /// A comment or string that begins in the span swallows text behind it.
    Swallows,
}

/// One new error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the new text; empty for something missing.
    pub range: Range<usize>,
    /// What is wrong.
    pub fault: Fault,
    /// Whether it touches one of the new spans. An error outside was still caused by the spans: nothing else changed.
    pub touches_span: bool,
}

/// Why a candidate cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// There is no grammar for the file.
    UnsupportedLanguage,
    /// The original did not parse around the spans either.
    AlreadyBroken,
    /// A parse hit its limit of time or size.
    Limit,
}

/// The guard's judgement of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No new error.
    Parses,
    /// New errors.
    Broken {
        /// Where and what, in order of position.
        problems: Vec<Problem>,
        /// Bytes inside the new spans that are to blame, as far as can be told: errors cut to the spans, and brackets of the
        /// spans without a partner. These are what to remask; empty when only the spans as a whole can be blamed.
        blame: Vec<Range<usize>>,
    },
    /// Cannot tell.
    Unknown(Unjudged),
}

/// Judgement with the state of the file before the edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The judgement.
    pub verdict: Verdict,
    /// Whether the whole original parsed; `None` where it could not be parsed at all.
    pub parsed_before: Option<bool>,
}

/// An error of a tree, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    range: Range<usize>,
    fault: Fault,
}

/// The guard of one request: the original is parsed once, candidates are compared with it.
#[derive(Debug)]
pub struct Guard<'a> {
    original: &'a str,
    spans: Vec<Range<usize>>,
    before: Result<Before, Unjudged>,
    limit: Duration,
}

#[derive(Debug)]
struct Before {
    syntax: Syntax,
    errors: Vec<Mark>,
    /// Some error touches a span or surrounds it.
    broken_here: bool,
}

impl<'a> Guard<'a> {
    /// A guard for candidates that replace `spans` (ascending, not overlapping) of `original`.
    pub fn new(original: &'a str, language: Option<Language>, spans: &[Range<usize>]) -> Self {
        Self::with_limit(original, language, spans, PARSE_LIMIT)
    }

    /// [`Guard::new`] with a time limit for each parse.
    pub fn with_limit(original: &'a str, language: Option<Language>, spans: &[Range<usize>], limit: Duration) -> Self {
        let before = match language.map(|language| Syntax::parse(original, language, limit)) {
            None => Err(Unjudged::UnsupportedLanguage),
            Some(Err(ParseError::TimeLimit(_) | ParseError::TooLarge(_) | ParseError::Grammar(_))) => Err(Unjudged::Limit),
            Some(Ok(syntax)) => {
                let errors = errors(&syntax);
                let broken_here = errors.iter().any(|error| spans.iter().any(|span| touches(&error.range, span)));
                Ok(Before { syntax, errors, broken_here })
            }
        };
        Self { original, spans: spans.to_vec(), before, limit }
    }

    /// Judges `new_text`, where `new_spans[k]` replaced the span `k` of the original.
    pub fn check(&self, new_text: &str, new_spans: &[Range<usize>]) -> Report {
        let before = match &self.before {
            Ok(before) => before,
            Err(why) => return Report { verdict: Verdict::Unknown(*why), parsed_before: None },
        };
        let parsed_before = Some(before.errors.is_empty());
        let verdict = self.judge(before, new_text, new_spans).unwrap_or_else(Verdict::Unknown);
        Report { verdict, parsed_before }
    }

    fn judge(&self, before: &Before, new_text: &str, new_spans: &[Range<usize>]) -> Result<Verdict, Unjudged> {
        let edits: Vec<Edit> =
            self.spans.iter().cloned().zip(new_spans.iter().cloned()).map(|(old, new)| Edit { old, new }).collect();
        let after = before.syntax.reparse(self.original, new_text, &edits, self.limit).map_err(|_| Unjudged::Limit)?;
        let old_errors: Vec<Mark> = before
            .errors
            .iter()
            .map(|error| Mark {
                range: moved(error.range.start, &edits)..moved(error.range.end, &edits).max(moved(error.range.start, &edits)),
                fault: error.fault.clone(),
            })
            .collect();
        let mut problems: Vec<Problem> = errors(&after)
            .into_iter()
            .map(|Mark { range, fault }| {
                let touches_span = new_spans.iter().any(|span| touches(&range, span));
                Problem { range, fault, touches_span }
            })
            .filter(|problem| !is_inherited(problem, &old_errors))
            .collect();
        problems.extend(self.swallowed(before, &after, &edits));
        if problems.is_empty() {
            return Ok(Verdict::Parses);
        }
        if before.broken_here {
            return Err(Unjudged::AlreadyBroken);
        }
        problems.sort_by_key(|problem| (problem.range.start, problem.range.end));
        let blame = self.blame(before, &after, new_text, new_spans, &problems);
        Ok(Verdict::Broken { problems, blame })
    }

    /// Comments and strings that begin in a new span and reach over text behind it which stood outside of one before.
    fn swallowed(&self, before: &Before, after: &Syntax, edits: &[Edit]) -> Vec<Problem> {
        let mut found = Vec::new();
        for edit in edits {
            let Some(gap) = self.original[edit.old.end..].find(|c: char| !c.is_whitespace()) else { continue };
            let (old_at, new_at) = (edit.old.end + gap, edit.new.end + gap);
            if edits.iter().any(|other| other.old.start <= old_at && old_at < other.old.end) {
                continue;
            }
            let verbatim = |syntax: &Syntax, at: usize| {
                syntax.path(&(at..at + 1)).iter().find(|node| is_verbatim(node.kind())).map(Node::byte_range)
            };
            if let Some(range) = verbatim(after, new_at)
                && edit.new.start <= range.start
                && range.start < edit.new.end
                && verbatim(&before.syntax, old_at).is_none()
            {
                found.push(Problem { range, fault: Fault::Swallows, touches_span: true });
            }
        }
        found
    }

    fn blame(
        &self,
        before: &Before,
        after: &Syntax,
        new_text: &str,
        spans: &[Range<usize>],
        problems: &[Problem],
    ) -> Vec<Range<usize>> {
        let mut blame = Vec::new();
        for (span, old) in spans.iter().zip(&self.spans) {
            for problem in problems.iter().filter(|problem| touches(&problem.range, span)) {
                let range = problem.range.start.max(span.start)..problem.range.end.min(span.end);
                // An error that covers the whole span says nothing about where in it the fault is.
                if range.start < range.end && range != *span {
                    blame.push(range);
                } else if range.is_empty() {
                    blame.extend(line_end_before(new_text, span, range.start));
                }
            }
            let was = unmatched(&before.syntax, old);
            let is = unmatched(after, span);
            if kinds(&was) != kinds(&is) {
                blame.extend(is.into_iter().map(|(_, range)| range));
            }
        }
        blame.sort_by_key(|range| (range.start, range.end));
        blame.dedup();
        blame
    }
}

/// Whether two ranges overlap or meet; an empty range (something missing) touches what it stands at.
fn touches(error: &Range<usize>, span: &Range<usize>) -> bool {
    error.start <= span.end && span.start <= error.end
}

/// Where a position of the old text stands in the new text; a position inside a span moves to its end.
fn moved(position: usize, edits: &[Edit]) -> usize {
    let mut result = position;
    for edit in edits {
        if position >= edit.old.end {
            result = edit.new.end + (position - edit.old.end);
        } else if position > edit.old.start {
            result = edit.new.end;
        }
    }
    result
}

/// Whether the original had this error too. Error recovery moves the borders of errors, so away from the spans an error that
/// overlaps an old one counts as the old one; at the spans only the very same does.
fn is_inherited(problem: &Problem, old: &[Mark]) -> bool {
    old.iter().any(|mark| {
        let same = mark.range == problem.range && mark.fault == problem.fault;
        same || (!problem.touches_span && touches(&mark.range, &problem.range))
    })
}

/// All ERROR and MISSING nodes; the inside of an ERROR node is not searched further.
fn errors(syntax: &Syntax) -> Vec<Mark> {
    let mut marks = Vec::new();
    if syntax.is_clean() {
        return marks;
    }
    let mut cursor = syntax.root().walk();
    loop {
        let node = cursor.node();
        let mut descend = false;
        if node.is_missing() {
            marks.push(Mark { range: node.byte_range(), fault: Fault::Missing(node.kind().to_owned()) });
        } else if node.is_error() {
            marks.push(Mark { range: node.byte_range(), fault: Fault::Unexpected });
        } else {
            descend = node.has_error();
        }
        if descend && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return marks;
            }
        }
    }
}

/// Node kinds whose content is not code.
fn is_verbatim(kind: &str) -> bool {
    kind.ends_with("comment") || kind.contains("string") || kind == "char_literal"
}

/// Brackets inside `range` that have no partner inside it: closing ones first, then opening ones.
fn unmatched(syntax: &Syntax, range: &Range<usize>) -> Vec<(char, Range<usize>)> {
    let mut open: Vec<(char, Range<usize>)> = Vec::new();
    let mut closed = Vec::new();
    let mut cursor = syntax.root().walk();
    loop {
        let node = cursor.node();
        if node.end_byte() > range.start && node.start_byte() < range.end && cursor.goto_first_child() {
            continue;
        }
        if node.start_byte() >= range.start && node.end_byte() <= range.end && !node.is_missing() && node.child_count() == 0 {
            match node.kind() {
                kind @ ("(" | "[" | "{" | "${" | "#{") => open.push((kind.chars().last().unwrap_or('{'), node.byte_range())),
                kind @ (")" | "]" | "}") => {
                    let (partner, closing) = match kind {
                        ")" => ('(', ')'),
                        "]" => ('[', ']'),
                        _ => ('{', '}'),
                    };
                    if open.last().is_some_and(|(bracket, _)| *bracket == partner) {
                        open.pop();
                    } else {
                        closed.push((closing, node.byte_range()));
                    }
                }
                _ => {}
            }
        }
        loop {
            if cursor.node().start_byte() < range.end && cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                closed.extend(open);
                return closed;
            }
        }
    }
}

fn kinds(brackets: &[(char, Range<usize>)]) -> Vec<char> {
    brackets.iter().map(|(bracket, _)| *bracket).collect()
}

/// The text of the line before `position`, inside the span: what stands before something missing.
fn line_end_before(text: &str, span: &Range<usize>, position: usize) -> Option<Range<usize>> {
    let before = text.get(span.start..position.min(span.end))?.trim_end();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = &before[start..];
    let indent = line.len() - line.trim_start().len();
    let range = span.start + start + indent..span.start + before.len();
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
