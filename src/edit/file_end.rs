//! Where a span ends that nothing stands behind.
//!
//! A denoiser knows where a span ends from the text that must follow. At the end of a file there is none, so there the end is told by
//! the text itself: it is over where it leaves the definition that it began in, or where nothing more of it could ever run. Both are
//! read from indentation, which unfinished text has too.

use std::ops::Range;

/// Words that begin a function.
const FUNCTIONS: [&str; 6] = ["def", "fn", "func", "function", "fun", "sub"];
/// Words that begin what holds functions.
const CONTAINERS: [&str; 10] = ["class", "impl", "trait", "mod", "struct", "enum", "interface", "namespace", "module", "object"];
/// Words that may stand before both.
const BEFORE: [&str; 14] = [
    "pub",
    "async",
    "const",
    "unsafe",
    "extern",
    "export",
    "default",
    "static",
    "public",
    "private",
    "protected",
    "final",
    "abstract",
    "override",
];
/// Statements behind which the rest of their block never runs.
const LEAVING: [&str; 3] = ["return", "raise", "throw"];

/// What stands before the last span of a file.
#[derive(Clone, Debug)]
pub(super) struct FileEnd {
    /// Everything before the span, with `\n` at the end of each line.
    before: String,
}

impl FileEnd {
    /// The rule for a span with `before` in front of it and `behind` after it; `None` where something stands behind.
    pub(super) fn new(before: &str, behind: &str) -> Option<Self> {
        behind.trim().is_empty().then(|| Self { before: before.to_owned() })
    }

    /// Bytes of `text`, the beginning of the span's new text, that belong to the definition it begins in; `None` while it has not
    /// left that. Blanks at the end are not among them.
    pub(super) fn end(&self, text: &str) -> Option<usize> {
        let begun = self.before.rfind('\n').map_or(0, |newline| newline + 1);
        let joined = [&self.before[begun..], text].concat();
        let lead = joined.len() - text.len();
        let lines: Vec<Range<usize>> = lines(&joined).filter(|line| !joined[line.clone()].trim().is_empty()).collect();
        let (first, later) = lines.split_first()?;
        let outside = self.definition(&joined[first.clone()])?;
        let mut last = first.clone();
        let mut over = false;
        for line in later {
            let here = &joined[line.clone()];
            let (depth, closing) = (indentation(here), here.trim_start().starts_with(['}', ')', ']']));
            let left = depth <= outside && !closing;
            if over || left || (!closing && is_dead(&joined[last.clone()], here)) {
                return last.end.checked_sub(lead);
            }
            // The bracket that closes the definition is its last line, the one that closes its parameters is not.
            over = depth <= outside && !here.trim_end().ends_with(['{', ':', '(', '[', ',']);
            last = line.clone();
        }
        None
    }

    /// The indentation of the definition around the line `first` in which the span begins; `None` at the top level.
    fn definition(&self, first: &str) -> Option<usize> {
        let begun = self.before.rfind('\n').map_or(0, |newline| newline + 1);
        let mut inside = indentation(first);
        let (mut function, mut outermost) = (None, None);
        for line in self.before[..begun].lines().rev().filter(|line| !line.trim().is_empty()) {
            let depth = indentation(line);
            if depth >= inside {
                continue;
            }
            inside = depth;
            outermost = Some(depth);
            match kind(line) {
                Some(Kind::Function) => function = Some(depth),
                Some(Kind::Container) => return function.or(Some(depth)),
                None => {}
            }
        }
        function.or(outermost)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Function,
    Container,
}

/// What the first words of a line begin.
fn kind(line: &str) -> Option<Kind> {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let word = words.find(|word| !BEFORE.contains(word) && *word != "crate" && *word != "super")?;
    if FUNCTIONS.contains(&word) { Some(Kind::Function) } else { CONTAINERS.contains(&word).then_some(Kind::Container) }
}

/// Whether `next` never runs, because the line `last` of the same block leaves it and is complete.
fn is_dead(last: &str, next: &str) -> bool {
    let word: String = last.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let goes_on =
        last.trim_end().ends_with(['\\', '(', '[', '{', ',', '.', '+', '-', '*', '/', '|', '&', '=', '?', ':', '<', '>']);
    let word_next: String = next.trim_start().chars().take_while(|c| c.is_alphanumeric()).collect();
    let label = ["case", "default", "else", "elif", "except", "finally", "catch"].contains(&word_next.as_str());
    LEAVING.contains(&word.as_str())
        && !goes_on
        && balance(last) == 0
        && !label
        && indentation(next) == indentation(last)
        && next.trim_start().starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '#' || c == '@')
}

/// Opening brackets less closing ones. Brackets in strings count too: then no end is seen, which costs some steps.
fn balance(line: &str) -> i32 {
    line.chars().fold(0, |open, c| match c {
        '(' | '[' | '{' => open + 1,
        ')' | ']' | '}' => open - 1,
        _ => open,
    })
}

/// Columns before the first character; a tab goes to the next multiple of 4.
fn indentation(line: &str) -> usize {
    let blanks = line.chars().take_while(|c| *c == ' ' || *c == '\t');
    blanks.fold(0, |column, c| if c == '\t' { column / 4 * 4 + 4 } else { column + 1 })
}

/// Where the lines are, without their ends.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range.start..range.start + text[range].trim_end().len()
    })
}

/// Ends of the lines of `text` that are not blank, from the last one that is finished to the first: where it can be cut back to.
pub(super) fn line_ends(text: &str) -> Vec<usize> {
    let finished = text.rfind('\n').map_or(0, |newline| newline + 1);
    let ends = lines(&text[..finished]).filter(|line| !text[line.clone()].trim().is_empty()).map(|line| line.end);
    let mut ends: Vec<usize> = ends.collect();
    ends.reverse();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of `text` behind `before`; `None` when it is not over.
    fn kept<'t>(before: &str, text: &'t str) -> Option<&'t str> {
        FileEnd::new(before, " \n").unwrap().end(text).map(|end| &text[..end])
    }

    #[test]
    fn text_ends_where_it_leaves_its_function() {
        let python = "import os\n\ndef f(x):\n    if x:\n        x = 1\n";
        assert_eq!(kept(python, "    return x\n\n\ndef g"), Some("    return x"));
        assert_eq!(kept(python, "    return x\n\n\n# Test"), Some("    return x"));
        assert_eq!(kept(python, "    return x\n\n\n"), None, "nothing is seen of the next line");
        assert_eq!(kept(python, "        x += 1\n    return x\n"), None);
        assert_eq!(kept(python, "        x += 1\n    return x\nprint("), Some("        x += 1\n    return x"));
        assert_eq!(kept("def f(x):\n    return ", "x + 1\n\nprint(f(1))"), Some("x + 1"), "from the middle of a line");
        assert_eq!(kept("def f(\n    a,\n", "    b,\n):\n    return a\nf("), Some("    b,\n):\n    return a"));
        let rust = "/// Doc.\npub fn f(x: u8) -> u8 {\n    let y = x;\n";
        assert_eq!(kept(rust, "    y + 1\n}\n\n#[test]"), Some("    y + 1\n}"));
        assert_eq!(kept(rust, "    y + 1\n}\n"), None);
        assert_eq!(
            kept(rust, "    if x {\n        1\n    } else {\n        2\n    }\n}\nfn"),
            Some("    if x {\n        1\n    } else {\n        2\n    }\n}")
        );
    }

    #[test]
    fn methods_end_with_themselves_and_inner_functions_with_the_outer_one() {
        let method = "class A:\n    def f(self):\n        x = 1\n";
        assert_eq!(kept(method, "        return x\n\n    def g"), Some("        return x"));
        let inner = "def f():\n    def g():\n        x = 1\n";
        assert_eq!(kept(inner, "        return x\n    return g\n"), None);
        assert_eq!(kept(inner, "        return x\n    return g\nf()"), Some("        return x\n    return g"));
        let imp = "impl A {\n    pub(crate) async fn f(&self) {\n        a();\n";
        assert_eq!(kept(imp, "        b();\n    }\n\n    fn g"), Some("        b();\n    }"));
        assert_eq!(kept("class A:\n    x = 1\n", "    y = 2\n\nclass B"), Some("    y = 2"), "of a class without a function");
    }

    #[test]
    fn what_never_runs_is_not_text_of_the_span() {
        let before = "def f(x):\n    y = x\n";
        assert_eq!(kept(before, "    return y\n    y = 1"), Some("    return y"));
        assert_eq!(kept(before, "    if y:\n        return 1\n    return y"), None);
        assert_eq!(kept(before, "    return (y +\n    1)\n    2"), None, "a line that goes on is not understood, and not cut");
        assert_eq!(kept(before, "    return [\n        y\n    ]\n"), None);
        assert_eq!(kept(before, "    returned = 1\n    y = 2\n"), None);
        assert_eq!(kept("void f(int x) {\n    switch (x) {\n", "    case 1:\n    return 1;\n    case 2:\n"), None);
    }

    #[test]
    fn elsewhere_there_is_no_rule() {
        assert!(FileEnd::new("x\n", "  y").is_none());
        assert_eq!(kept("import a\n", "import b\n\nx = 1\n"), None, "at the top level");
        assert_eq!(kept("", "def f():\n    return 1\n\ndef g"), None);
        assert_eq!(kept("def f():\n    pass\n", ""), None);
    }

    #[test]
    fn a_text_is_cut_back_to_whole_lines() {
        assert_eq!(line_ends("a\n\n  b  \nc"), [6, 1], "c may be unfinished");
        assert_eq!(line_ends("a\nb\n"), [3, 1]);
        assert!(line_ends("abc").is_empty());
    }
}
