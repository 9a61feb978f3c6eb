//! Syntax trees with a time limit, and reparsing after an edit.

use std::ops::ControlFlow;
use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use tree_sitter::InputEdit;
use tree_sitter::Node;
use tree_sitter::ParseOptions;
use tree_sitter::Parser;
use tree_sitter::Point;
use tree_sitter::Tree;

use crate::syntax::language::Language;

/// Time limit for one parse where the caller has no other. Ordinary files take milliseconds; only text that makes the parser
/// recover over and over reaches it.
pub const PARSE_LIMIT: Duration = Duration::from_millis(1500);

/// Why there is no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The parser did not finish in time.
    #[error("parsing took longer than {} ms: syntax features are off for this file", .0.as_millis())]
    TimeLimit(Duration),
    /// Positions in a tree are 32-bit numbers.
    #[error("the file is too large to parse ({0} bytes): syntax features are off for it")]
    TooLarge(usize),
    /// A built-in grammar does not fit the parser: a fault of the build.
    #[error("the {0} grammar does not fit this build of dcode: syntax features are off; please report this")]
    Grammar(Language),
}

/// One replaced piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that were replaced, in the old text.
    pub old: Range<usize>,
    /// The bytes that replaced them, in the new text.
    pub new: Range<usize>,
}

/// A text's syntax tree. It does not hold the text: methods that need it take the text that was parsed.
#[derive(Clone, Debug)]
pub struct Syntax {
    language: Language,
    tree: Tree,
    len: usize,
}

impl Syntax {
    /// Parses `text`, for at most `limit`.
    ///
    /// # Errors
    /// The time was not enough, or the text is too large for the parser.
    pub fn parse(text: &str, language: Language, limit: Duration) -> Result<Self, ParseError> {
        Ok(Self { language, tree: run(text, language, None, limit)?, len: text.len() })
    }

    /// Parses `new_text`, which came from `old_text` by `edits` (ascending, not overlapping), reusing what did not change.
    ///
    /// # Errors
    /// As [`Syntax::parse`].
    pub fn reparse(&self, old_text: &str, new_text: &str, edits: &[Edit], limit: Duration) -> Result<Self, ParseError> {
        let fits = |edit: &Edit| {
            old_text.get(edit.old.clone()).is_some()
                && new_text.get(edit.new.clone()).is_some()
                && u32::try_from(new_text.len()).is_ok()
        };
        if old_text.len() != self.len || !edits.iter().all(fits) {
            return Self::parse(new_text, self.language, limit);
        }
        let mut tree = self.tree.clone();
        // From the last to the first, so that the positions of the ones before stay those of the old text.
        for edit in edits.iter().rev() {
            let start_position = point_at(old_text, edit.old.start);
            let replacement = &new_text[edit.new.clone()];
            tree.edit(&InputEdit {
                start_byte: edit.old.start,
                old_end_byte: edit.old.end,
                new_end_byte: edit.old.start + replacement.len(),
                start_position,
                old_end_position: point_at(old_text, edit.old.end),
                new_end_position: advance(start_position, replacement),
            });
        }
        Ok(Self { language: self.language, tree: run(new_text, self.language, Some(&tree), limit)?, len: new_text.len() })
    }

    /// The language that was parsed.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The root of the tree.
    pub fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    /// Number of bytes of the text that was parsed.
    pub fn text_len(&self) -> usize {
        self.len
    }

    /// Whether the text parsed without any error.
    pub fn is_clean(&self) -> bool {
        !self.root().has_error()
    }

    /// The nodes that contain `range`, from the root to the smallest. At a boundary between two nodes the one that starts there
    /// is preferred. Found from the root downwards: asking nodes for their parents would walk from the root again each time.
    pub fn path(&self, range: &Range<usize>) -> Vec<Node<'_>> {
        let mut cursor = self.tree.walk();
        let mut path = vec![cursor.node()];
        loop {
            // The child at the start; or, for an empty range behind everything, the last one that touches it.
            if cursor.goto_first_child_for_byte(range.start).is_none() && !cursor.goto_last_child() {
                break;
            }
            let mut node = cursor.node();
            while node.end_byte() == range.start && range.end > range.start && cursor.goto_next_sibling() {
                node = cursor.node();
            }
            if node.start_byte() <= range.start && range.end <= node.end_byte() {
                path.push(node);
            } else {
                break;
            }
        }
        path
    }
}

/// Row and column (in bytes) of a byte offset.
fn point_at(text: &str, offset: usize) -> Point {
    advance(Point::new(0, 0), &text[..offset])
}

/// The position behind `text` when it starts at `from`.
fn advance(from: Point, text: &str) -> Point {
    match text.rfind('\n') {
        Some(last) => Point::new(from.row + text.bytes().filter(|&byte| byte == b'\n').count(), text.len() - last - 1),
        None => Point::new(from.row, from.column + text.len()),
    }
}

fn run(text: &str, language: Language, old: Option<&Tree>, limit: Duration) -> Result<Tree, ParseError> {
    if u32::try_from(text.len()).is_err() {
        return Err(ParseError::TooLarge(text.len()));
    }
    let mut parser = Parser::new();
    parser.set_language(&language.grammar()).map_err(|_| ParseError::Grammar(language))?;
    let deadline = Instant::now() + limit;
    let mut progress = |_: &tree_sitter::ParseState| {
        if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let bytes = text.as_bytes();
    let options = ParseOptions::new().progress_callback(&mut progress);
    parser
        .parse_with_options(&mut |offset, _| bytes.get(offset..).unwrap_or_default(), old, Some(options))
        .ok_or(ParseError::TimeLimit(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, language: Language) -> Syntax {
        Syntax::parse(text, language, Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn empty_and_blank_files_are_clean_where_the_language_allows() {
        for language in Language::ALL {
            for text in ["", "\n", "\r\n\r\n"] {
                let syntax = parse(text, language);
                assert!(syntax.is_clean() || language == Language::Json, "{language} {text:?}");
                assert!(!syntax.path(&(0..0)).is_empty());
            }
        }
    }

    #[test]
    fn reparsing_gives_the_tree_of_a_fresh_parse() {
        let old = "fn a() {\r\n\tlet s = \"日本\";\r\n}\r\n\r\nfn b(x: u32) -> u32 { x + 1 }\r\n";
        let first = old.find("\"日本\"").unwrap();
        let second = old.find("x + 1").unwrap();
        let edits = |one: &str, two: &str| {
            let mut new = old.to_owned();
            new.replace_range(second..second + 5, two);
            new.replace_range(first..first + 8, one);
            let moved = second + one.len() - 8;
            let edits = vec![
                Edit { old: first..first + 8, new: first..first + one.len() },
                Edit { old: second..second + 5, new: moved..moved + two.len() },
            ];
            (new, edits)
        };
        for (one, two) in [("1", "x"), ("{\r\n\t\t7\r\n\t}", "match x {\r\n 0 => 1,\r\n n => n }"), ("", ""), ("\"🦀\"", "x +")]
        {
            let (new, edits) = edits(one, two);
            let again = parse(old, Language::Rust).reparse(old, &new, &edits, Duration::from_secs(20)).unwrap();
            let fresh = parse(&new, Language::Rust);
            assert_eq!(again.is_clean(), fresh.is_clean(), "{one:?} {two:?}");
            if fresh.is_clean() {
                assert_eq!(again.root().to_sexp(), fresh.root().to_sexp());
            }
            assert_eq!(again.root().end_position(), fresh.root().end_position());
        }
    }

    #[test]
    fn edits_that_do_not_fit_fall_back_to_a_full_parse() {
        let syntax = parse("fn a() {}", Language::Rust);
        let wild = [Edit { old: 5..500, new: 0..1 }];
        let again = syntax.reparse("fn a() {}", "fn b() {}", &wild, Duration::from_secs(20)).unwrap();
        assert!(again.is_clean());
    }

    #[test]
    fn the_time_limit_ends_a_parse() {
        let text = "f(".repeat(200_000);
        let start = Instant::now();
        let result = Syntax::parse(&text, Language::Rust, Duration::from_millis(1));
        assert_eq!(result.err(), Some(ParseError::TimeLimit(Duration::from_millis(1))));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn path_goes_from_the_root_to_the_smallest_node() {
        let text = "fn a() { b(1); }";
        let syntax = parse(text, Language::Rust);
        let kinds: Vec<_> = syntax.path(&(11..12)).iter().map(Node::kind).collect();
        assert_eq!(
            kinds,
            ["source_file", "function_item", "block", "expression_statement", "call_expression", "arguments", "integer_literal"]
        );
        assert_eq!(syntax.path(&(100..100)).len(), 1, "outside of the text");
    }
}
