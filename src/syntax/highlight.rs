//! Syntax colours of the part of a text that is shown.
//!
//! The text is parsed once; only the viewport is queried, so the cost does not grow with the file.

use std::ops::Range;

use tree_sitter::QueryCursor;
use tree_sitter::StreamingIterator;

use crate::syntax::parse::Syntax;

/// Bytes that are coloured in one call at most; a view shows far fewer, even on one endless line.
const MAX_BYTES: usize = 1 << 20;

/// Matches kept in progress at a time. Queries of the grammars need few; a limit keeps hostile nesting cheap.
const MATCH_LIMIT: u32 = 512;

/// A piece of text and the name its grammar's query gives it, such as `keyword` or `function.method`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Capture name, without the `@`.
    pub capture: &'static str,
}

/// Highlights of the bytes `range` of `text`, ascending and not overlapping: where captures nest, the innermost counts, and
/// where patterns compete for a node, the later one.
pub fn highlights(syntax: &Syntax, text: &str, range: Range<usize>) -> Vec<Highlight> {
    let start = range.start.min(text.len());
    let end = range.end.clamp(start, text.len()).min(start + MAX_BYTES);
    let (Some(query), false) = (syntax.language().highlight_query(), start == end || syntax.text_len() != text.len()) else {
        return Vec::new();
    };
    let names = query.capture_names();

    let mut found = Vec::new();
    let mut cursor = QueryCursor::new();
    cursor.set_match_limit(MATCH_LIMIT);
    cursor.set_byte_range(start..end);
    let mut matches = cursor.matches(query, syntax.root(), text.as_bytes());
    while let Some(each) = matches.next() {
        for capture in each.captures() {
            let node = capture.node.byte_range();
            let name = names.get(capture.index as usize).copied().unwrap_or("");
            if node.start < end && start < node.end && !name.is_empty() && !name.starts_with('_') {
                found.push((node, each.pattern_index, name));
            }
        }
    }
    // Outer nodes first, then by pattern: what is painted last stays.
    found.sort_by_key(|(node, pattern, _)| (std::cmp::Reverse(node.end - node.start), *pattern));
    let mut paint: Vec<Option<&'static str>> = vec![None; end - start];
    for (node, _, name) in found {
        paint[node.start.max(start) - start..node.end.min(end) - start].fill(Some(name));
    }
    runs(&paint, start)
}

/// Joins equal neighbours.
fn runs(paint: &[Option<&'static str>], offset: usize) -> Vec<Highlight> {
    let mut result: Vec<Highlight> = Vec::new();
    for (index, capture) in paint.iter().enumerate() {
        let Some(capture) = *capture else { continue };
        let at = offset + index;
        match result.last_mut() {
            Some(last) if last.range.end == at && last.capture == capture => last.range.end = at + 1,
            _ => result.push(Highlight { range: at..at + 1, capture }),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::syntax::language::Language;

    fn all(text: &str, language: Language) -> Vec<(&str, &'static str)> {
        let syntax = Syntax::parse(text, language, Duration::from_secs(20)).unwrap();
        let found = highlights(&syntax, text, 0..text.len());
        assert!(found.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "{found:?}");
        found.into_iter().map(|each| (&text[each.range], each.capture)).collect()
    }

    fn capture(text: &str, language: Language, word: &str) -> Option<&'static str> {
        all(text, language).into_iter().find(|(piece, _)| *piece == word).map(|(_, capture)| capture)
    }

    #[test]
    fn each_language_has_its_colours() {
        let cases = [
            (Language::Rust, "fn main() { let x = \"s\"; }", "fn", "keyword"),
            (Language::Rust, "fn main() { Some(1) }", "main", "function"),
            (Language::Python, "def f():\n    return 'x'\n", "return", "keyword"),
            (Language::JavaScript, "const a = () => <b c=\"d\"/>;", "b", "tag"),
            (Language::TypeScript, "function f(a: number) {}", "number", "type.builtin"),
            (Language::TypeScript, "function f(a: number) {}", "a", "variable.parameter"),
            (Language::TypeScript, "function f(a: number) {}", "function", "keyword"),
            (Language::Tsx, "const a = <b/>;", "b", "tag"),
            (Language::Go, "package m\nfunc f() {}\n", "func", "keyword"),
            (Language::C, "int f(void) { return 1; }", "return", "keyword"),
            (Language::Java, "class A { void f() {} }", "class", "keyword"),
            (Language::Json, "{\"a\": true}", "true", "constant.builtin"),
            (Language::Toml, "a = 1\n", "1", "number"),
        ];
        for (language, text, word, expected) in cases {
            assert_eq!(capture(text, language, word), Some(expected), "{language} {text:?}: {:?}", all(text, language));
        }
    }

    #[test]
    fn inner_captures_count() {
        let text = "let s = \"a\\nb\";";
        let found = all(text, Language::Rust);
        assert!(found.contains(&("\\n", "escape")), "{found:?}");
        assert!(found.contains(&("\"a", "string")) && found.contains(&("b\"", "string")), "{found:?}");
    }

    #[test]
    fn only_the_asked_bytes_are_covered() {
        let text = "/* a very\n long\n comment */ fn f() {}\n".repeat(50);
        let syntax = Syntax::parse(&text, Language::Rust, Duration::from_secs(20)).unwrap();
        let found = highlights(&syntax, &text, 105..190);
        assert!(!found.is_empty());
        assert!(found.iter().all(|each| each.range.start >= 105 && each.range.end <= 190), "{found:?}");
        let everything = highlights(&syntax, &text, 0..text.len());
        for each in &found {
            let whole =
                everything.iter().find(|whole| whole.range.start <= each.range.start && each.range.end <= whole.range.end);
            assert_eq!(whole.map(|whole| whole.capture), Some(each.capture), "the same as in a query of the whole file");
        }
        assert_eq!(highlights(&syntax, &text, text.len()..text.len() + 5), []);
        assert_eq!(highlights(&syntax, "other", 0..5), [], "not the text that was parsed");
    }

    #[test]
    fn broken_text_wide_characters_and_endless_lines() {
        assert!(all("fn f( { \"日本語 🦀", Language::Rust).iter().any(|(piece, _)| *piece == "fn"));
        assert_eq!(all("", Language::Python), []);
        let line = format!("[{}0]", "\"ключ\", 1, true, ".repeat(40_000));
        assert!(line.len() > 800_000 && !line.contains('\n'));
        let syntax = Syntax::parse(&line, Language::Json, Duration::from_secs(60)).unwrap();
        let found = highlights(&syntax, &line, 500_000..500_200);
        assert!(found.iter().any(|each| each.capture == "string"), "{found:?}");
        assert!(found.iter().all(|each| each.range.start >= 500_000 && each.range.end <= 500_200));
    }

    #[test]
    fn a_viewport_of_a_long_file_costs_little() {
        let text = include_str!("select.rs").repeat(10_000 / include_str!("select.rs").lines().count() + 1);
        let syntax = Syntax::parse(&text, Language::Rust, Duration::from_secs(20)).unwrap();
        let middle = text.len() / 2;
        let middle = middle + text[middle..].find('\n').unwrap();
        assert!(Language::Rust.highlight_query().is_some(), "compiled once, before the clock starts");
        let start = std::time::Instant::now();
        let found = highlights(&syntax, &text, middle..middle + 4000);
        let viewport = start.elapsed();
        assert!(found.len() > 100);
        // A query of the whole file takes more than a frame, 16 ms.
        assert!(viewport < Duration::from_millis(16), "{viewport:?}");
    }
}
