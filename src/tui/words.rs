//! The lines of a hunk with their changed words marked.

use std::time::Duration;
use std::time::Instant;

use similar::ChangeTag;
use similar::TextDiff;

/// Time for the comparison; over it, what is left counts as changed as a whole.
const TIME: Duration = Duration::from_millis(50);

/// A line in pieces; the flag says whether a piece is a changed word. Without its end.
pub type Line = Vec<(bool, String)>;

/// Old and new lines of a hunk, each old line beside the new one that takes its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The old lines.
    pub old: Vec<Line>,
    /// The new lines.
    pub new: Vec<Line>,
}

/// Compares the two texts of a hunk.
pub fn words(old: &str, new: &str) -> Words {
    let deadline = Instant::now() + TIME;
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let diff = TextDiff::configure().deadline(deadline).diff_slices(&old_lines, &new_lines);
    let mut words = Words::default();
    for op in diff.ops() {
        for change in diff.iter_inline_changes_deadline(op, Some(deadline)) {
            let mut line: Line = change.values().iter().map(|(changed, text)| (*changed, (*text).to_owned())).collect();
            strip_end(&mut line);
            if change.tag() != ChangeTag::Insert {
                words.old.push(line.clone());
            }
            if change.tag() != ChangeTag::Delete {
                words.new.push(line);
            }
        }
    }
    words
}

/// Takes the line end off, whose halves may lie in two pieces.
fn strip_end(line: &mut Line) {
    for end in ['\n', '\r'] {
        while line.last().is_some_and(|(_, text)| text.is_empty()) {
            line.pop();
        }
        if let Some((_, last)) = line.last_mut()
            && last.ends_with(end)
        {
            last.pop();
        }
    }
    while line.last().is_some_and(|(_, text)| text.is_empty()) {
        line.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &Line) -> String {
        line.iter().map(|(changed, text)| if *changed { format!("[{text}]") } else { text.clone() }).collect()
    }

    #[test]
    fn changed_words_are_marked() {
        let found = words("let total = sum(values);\r\n", "let count = sum(values);\r\nlet x = 1;\r\n");
        assert_eq!(text(&found.old[0]), "let [total] = sum(values);");
        assert_eq!(text(&found.new[0]), "let [count] = sum(values);");
        assert_eq!(found.new[1].iter().map(|(_, text)| text.as_str()).collect::<String>(), "let x = 1;");
        assert_eq!((found.old.len(), found.new.len()), (1, 2));
    }

    #[test]
    fn nothing_is_lost() {
        for (old, new) in [("", "a\n"), ("a\nb\n", ""), ("\n\n", "x"), ("日本 x\n", "日本 y\n"), ("a", "a\n")] {
            let found = words(old, new);
            let join = |lines: &[Line]| {
                lines.iter().map(|line| line.iter().map(|(_, text)| text.as_str()).collect::<String>()).collect::<Vec<_>>()
            };
            assert_eq!(join(&found.old), old.lines().collect::<Vec<_>>(), "{old:?}");
            assert_eq!(join(&found.new), new.lines().collect::<Vec<_>>(), "{new:?}");
        }
    }
}
