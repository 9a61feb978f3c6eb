//! The indentation unit of a text.

use serde::Deserialize;
use serde::Serialize;

/// What one level of indentation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndentUnit {
    /// One tab.
    Tab,
    /// So many spaces.
    Spaces(u8),
}

impl IndentUnit {
    /// The unit that most indented lines of `text` use; `None` when no line is indented.
    pub fn detect(text: &str) -> Option<IndentUnit> {
        let mut tabs = 0;
        let mut spaces = 0;
        let mut deeper = [0usize; 9];
        let mut last = 0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if line.starts_with('\t') {
                tabs += 1;
                continue;
            }
            let width = line.len() - line.trim_start_matches(' ').len();
            spaces += usize::from(width > 0);
            // A step of one space is a comment's star or an alignment far more often than a unit.
            let step = width.saturating_sub(last);
            if (2..=8).contains(&step) {
                deeper[step] += 1;
            }
            last = width;
        }
        if tabs > spaces {
            return Some(IndentUnit::Tab);
        }
        // Of equally frequent steps the smaller one: a continuation line is two units deeper, never half a unit.
        let width = (2..=8).rev().max_by_key(|&step| deeper[step])?;
        (deeper[width] > 0).then_some(IndentUnit::Spaces(width as u8))
    }

    /// The text of one level.
    pub fn text(self) -> String {
        match self {
            IndentUnit::Tab => "\t".to_owned(),
            IndentUnit::Spaces(width) => " ".repeat(width.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_the_unit() {
        let cases = [
            ("", None),
            ("a\nb\n", None),
            ("if x:\n    y\n    if z:\n        w\n", Some(IndentUnit::Spaces(4))),
            ("a {\n  b {\n    c\n  }\n}\n", Some(IndentUnit::Spaces(2))),
            ("a {\n\tb {\n\t\tc\n\t}\n}\n", Some(IndentUnit::Tab)),
            ("/*\n * note\n * more\n */\nfn a() {\n    b\n}\n", Some(IndentUnit::Spaces(4))),
            ("f(\n    a)\n  g(\n      b)\n", Some(IndentUnit::Spaces(4))),
        ];
        for (text, unit) in cases {
            assert_eq!(IndentUnit::detect(text), unit, "{text:?}");
        }
    }
}
