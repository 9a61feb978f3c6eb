//! The spans of a file that an edit could select: functions, lists of statements, statements, expressions.

use std::collections::HashMap;
use std::ops::Range;

use crate::document::Expand;
use crate::syntax::parse::Syntax;
use crate::syntax::select::matches;

/// What a part of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum SpanKind {
    /// A whole function, with what belongs to it.
    Function = 1,
    /// All statements of a block, without its brackets.
    Statements = 2,
    /// One statement, declaration, arm or entry.
    Statement = 3,
    /// An expression of more than one token.
    Expression = 4,
    /// Of an edit: what the commit says.
    Instruction = 16,
    /// Of an edit: the text before the lines.
    Before = 17,
    /// Of an edit: the lines as they were.
    Old = 18,
    /// Of an edit: the lines as they became.
    New = 19,
    /// Of an edit: the text behind the lines.
    After = 20,
}

impl SpanKind {
    /// Every kind.
    pub const ALL: [SpanKind; 9] = [
        SpanKind::Function,
        SpanKind::Statements,
        SpanKind::Statement,
        SpanKind::Expression,
        SpanKind::Instruction,
        SpanKind::Before,
        SpanKind::Old,
        SpanKind::New,
        SpanKind::After,
    ];
    /// The parts of an edit in the order in which they stand in its record.
    pub const EDIT: [SpanKind; 5] = [SpanKind::Instruction, SpanKind::Before, SpanKind::Old, SpanKind::New, SpanKind::After];

    /// The kind with this number.
    pub fn of(number: u16) -> Option<SpanKind> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

/// A span with its kind. The numbers are bytes of a file's text, or tokens of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSpan {
    /// Where it is.
    pub range: Range<usize>,
    /// What it is.
    pub kind: SpanKind,
}

/// Longest and shortest span that is recorded, in bytes.
const LONGEST: usize = 8192;
const SHORTEST: usize = 3;

/// The spans of a text that parsed: sorted, each range once with its largest kind.
pub fn spans(syntax: &Syntax, text: &str) -> Vec<KindSpan> {
    let language = syntax.language();
    let mut found: HashMap<(usize, usize), SpanKind> = HashMap::new();
    let mut put = |start: usize, end: usize, kind: SpanKind| {
        let piece = text.get(start..end).unwrap_or_default();
        // Some grammars count the end of a line to the node before it.
        let range = (start + (piece.len() - piece.trim_start().len()), start + piece.trim_end().len());
        if (SHORTEST..=LONGEST).contains(&range.1.saturating_sub(range.0)) {
            let known = found.entry(range).or_insert(kind);
            *known = (*known).min(kind);
        }
    };
    // A walk by hand: generated code can be nested deeper than the stack is.
    let mut cursor = syntax.root().walk();
    let mut parents = Vec::new();
    loop {
        let node = cursor.node();
        let parent = parents.last();
        let is = |kind: Expand| matches(kind, language, &node, parent);
        if node.is_named() {
            if is(Expand::Fn) {
                put(node.start_byte(), node.end_byte(), SpanKind::Function);
            }
            if is(Expand::Block) {
                let mut children = node.walk();
                let statements: Vec<_> = node.named_children(&mut children).collect();
                if let (Some(first), Some(last)) = (statements.first(), statements.last()) {
                    put(first.start_byte(), last.end_byte(), SpanKind::Statements);
                }
            }
            if is(Expand::Stmt) {
                put(node.start_byte(), node.end_byte(), SpanKind::Statement);
            }
            if node.child_count() > 0 && is(Expand::Expr) {
                put(node.start_byte(), node.end_byte(), SpanKind::Expression);
            }
        }
        if cursor.goto_first_child() {
            parents.push(node);
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                let mut spans: Vec<KindSpan> =
                    found.into_iter().map(|((start, end), kind)| KindSpan { range: start..end, kind }).collect();
                spans.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
                return spans;
            }
            parents.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::language::Language;
    use crate::syntax::parse::PARSE_LIMIT;

    fn of(text: &str, language: Language, kind: SpanKind) -> Vec<&str> {
        let syntax = Syntax::parse(text, language, PARSE_LIMIT).unwrap();
        assert!(syntax.is_clean());
        spans(&syntax, text).into_iter().filter(|span| span.kind == kind).map(|span| &text[span.range]).collect()
    }

    #[test]
    fn rust() {
        let text = "/// Doc.\nfn f(a: u8) -> u8 {\n    let b = g(a, 1);\n    if b > 2 { return b; }\n    a + b\n}\n";
        assert_eq!(of(text, Language::Rust, SpanKind::Function), [&text[9..text.len() - 1]]);
        assert_eq!(
            of(text, Language::Rust, SpanKind::Statements),
            ["let b = g(a, 1);\n    if b > 2 { return b; }\n    a + b", "return b;"]
        );
        assert_eq!(of(text, Language::Rust, SpanKind::Statement), ["let b = g(a, 1);", "if b > 2 { return b; }", "a + b"]);
        assert_eq!(of(text, Language::Rust, SpanKind::Expression), ["g(a, 1)", "b > 2", "return b"]);
    }

    #[test]
    fn python() {
        let text = "def f(a):\n    b = g(a)\n    return a + b\n\n\nx = f(1)\n";
        assert_eq!(of(text, Language::Python, SpanKind::Function), ["def f(a):\n    b = g(a)\n    return a + b"]);
        assert_eq!(of(text, Language::Python, SpanKind::Statements), ["b = g(a)\n    return a + b"]);
        assert_eq!(of(text, Language::Python, SpanKind::Statement), ["b = g(a)", "return a + b", "x = f(1)"]);
        assert_eq!(of(text, Language::Python, SpanKind::Expression), ["g(a)", "a + b", "f(1)"]);
    }

    #[test]
    fn deep_nesting_is_walked_without_the_stack() {
        let text = format!("x = {}1{}\n", "(".repeat(3000), ")".repeat(3000));
        let syntax = Syntax::parse(&text, Language::Python, PARSE_LIMIT).unwrap();
        assert!(spans(&syntax, &text).len() > 2000);
    }

    #[test]
    fn numbers_of_kinds_are_those_of_the_format() {
        for kind in SpanKind::ALL {
            assert_eq!(SpanKind::of(kind as u16), Some(kind));
        }
        assert_eq!(SpanKind::of(0), None);
        assert_eq!(SpanKind::of(5), None);
    }
}
