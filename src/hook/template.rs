//! Templates: the new text of a span, made of the pieces that a query captured.
//!
//! `$name` is the text of a capture, `$name.inner` what stands between its brackets, `$name.text` its text where it becomes something
//! else (part of a macro call, of an operator), `$$` a dollar sign. A tab at the start of a
//! template's line is one level of the file's own indentation. A piece of several lines is indented anew where it lands.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::Node;

use crate::document::Document;
use crate::document::IndentUnit;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Capture { name: String, part: Part },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The nodes: they must be the same nodes afterwards.
    Whole,
    /// What stands between the brackets.
    Inner,
    /// The text alone.
    Text,
}

/// What a query captured: name to nodes, in the order of the text.
pub type Captures<'t> = BTreeMap<String, Vec<Node<'t>>>;

/// A capture that stands in the new text.
#[derive(Clone, Debug)]
pub struct Placed<'t> {
    /// Name of the capture.
    pub name: String,
    /// Its nodes in the old tree; for `.inner`, the children of the block.
    pub nodes: Vec<Node<'t>>,
    /// The bytes of the old text that were taken over.
    pub old: Range<usize>,
    /// Where they stand in the new text of the span.
    pub new: Range<usize>,
    /// Whether they must be the same nodes there.
    pub is_same: bool,
}

/// New text of a span.
#[derive(Clone, Debug, Default)]
pub struct Rendered<'t> {
    /// The text.
    pub text: String,
    /// The captures in it.
    pub placed: Vec<Placed<'t>>,
}

impl Template {
    /// Parses a template; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.trim_end_matches('\n');
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err("`$` in a template is followed by the name of a capture; write `$$` for a dollar sign".to_owned());
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let name = rest[..end].to_owned();
            rest = &rest[end..];
            let (part, after) = match (rest.strip_prefix(".inner"), rest.strip_prefix(".text")) {
                (Some(after), _) => (Part::Inner, after),
                (_, Some(after)) => (Part::Text, after),
                (None, None) => (Part::Whole, rest),
            };
            rest = after;
            pieces.push(Piece::Capture { name, part });
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template { pieces })
    }

    /// The names of the captures it needs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Capture { name, .. } => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The new text for a span that begins at `start`. The captures called in `wrap` get parentheses.
    ///
    /// `None` where a piece cannot be moved without a change of its meaning: text of several lines in a string, or lines that are
    /// indented less than the first.
    pub fn render<'t>(
        &self,
        document: &Document,
        start: usize,
        captures: &Captures<'t>,
        wrap: &[String],
    ) -> Option<Rendered<'t>> {
        let source = document.text();
        let eol = document.eol_for(start).as_str();
        let unit = document.indent().unwrap_or(IndentUnit::Spaces(4)).text();
        let base = indent_at(source, start);
        let mut out = Rendered::default();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    for (number, line) in text.split('\n').enumerate() {
                        if number > 0 {
                            out.text.push_str(eol);
                            out.text.push_str(base);
                        }
                        let content = line.trim_start_matches('\t');
                        (0..line.len() - content.len()).for_each(|_| out.text.push_str(&unit));
                        out.text.push_str(content);
                    }
                }
                Piece::Capture { name, part } => {
                    let captured = captures.get(name)?;
                    let (nodes, old) = if *part == Part::Inner { inner_of(source, captured)? } else { whole_of(captured)? };
                    let indent = match out.text.rfind('\n') {
                        Some(newline) => leading(&out.text[newline + 1..]).to_owned(),
                        None => base.to_owned(),
                    };
                    let wrapped = wrap.contains(name);
                    out.text.push_str(if wrapped { "(" } else { "" });
                    let at = out.text.len();
                    out.text.push_str(&reindented(source, &old, &nodes, &indent)?);
                    let is_same = *part != Part::Text;
                    out.placed.push(Placed { name: name.clone(), nodes, old, new: at..out.text.len(), is_same });
                    out.text.push_str(if wrapped { ")" } else { "" });
                }
            }
        }
        Some(out)
    }
}

fn whole_of<'t>(nodes: &[Node<'t>]) -> Option<(Vec<Node<'t>>, Range<usize>)> {
    let old = nodes.first()?.start_byte()..nodes.last()?.end_byte();
    Some((nodes.to_vec(), old))
}

/// What stands between the brackets of a node: of braces, the statements with their comments; of others, everything.
fn inner_of<'t>(source: &str, captured: &[Node<'t>]) -> Option<(Vec<Node<'t>>, Range<usize>)> {
    let [node] = captured else { return None };
    let nodes = node.named_children(&mut node.walk()).collect();
    let text = source.get(node.byte_range())?;
    if text.starts_with(['(', '[']) && text.ends_with([')', ']']) {
        return Some((nodes, node.start_byte() + 1..node.end_byte() - 1));
    }
    let content = text.strip_prefix('{')?.strip_suffix('}')?;
    let first = node.start_byte() + 1;
    let start = first + (content.len() - content.trim_start().len());
    let end = (first + content.trim_end().len()).max(start);
    // Lines that follow are indented like the first one only where that one begins a line.
    if source[start..end].contains('\n') && !source[first..start].contains('\n') {
        return None;
    }
    Some((nodes, start..end))
}

/// The text of `old` with `indent` instead of its own indentation.
fn reindented(source: &str, old: &Range<usize>, nodes: &[Node<'_>], indent: &str) -> Option<String> {
    let text = source.get(old.clone())?;
    let own = indent_at(source, old.start);
    if !text.contains('\n') || own == indent {
        return Some(text.to_owned());
    }
    if nodes.iter().any(|node| holds_lines_of_text(*node)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number == 0 || line.trim().is_empty() {
            out.push_str(line);
        } else {
            out.push_str(indent);
            out.push_str(line.strip_prefix(own)?);
        }
    }
    Some(out)
}

/// Whether a string or comment of several lines is inside: its lines are content, not layout.
pub fn holds_lines_of_text(node: Node<'_>) -> bool {
    if node.start_position().row == node.end_position().row {
        return false;
    }
    let kind = node.kind();
    kind.contains("string") || kind.ends_with("comment") || node.children(&mut node.walk()).any(holds_lines_of_text)
}

/// The blanks at the start of the line that holds `offset`.
pub fn indent_at(source: &str, offset: usize) -> &str {
    let line = source[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    // A byte order mark belongs to no line.
    leading(source[line..].trim_start_matches('\u{feff}'))
}

fn leading(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_inner_and_dollars() {
        let template = Template::parse("if $a && $b {\n\t$body.inner\n} $$x\n").unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b", "body"]);
        assert!(matches!(&template.pieces[5], Piece::Capture { part: Part::Inner, .. }));
        assert_eq!(template.pieces.last(), Some(&Piece::Text("\n} $x".to_owned())));
        assert!(Template::parse("a $ b").is_err());
        assert_eq!(Template::parse("").unwrap().pieces, []);
    }

    #[test]
    fn indentation_is_that_of_the_line() {
        assert_eq!(indent_at("a\n\t  b c", 7), "\t  ");
        assert_eq!(indent_at("\u{feff}  a", 5), "  ");
        assert_eq!(indent_at("", 0), "");
    }
}
