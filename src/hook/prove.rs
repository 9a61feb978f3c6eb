//! The proof of a rewriting: the file parses, what was taken over is still the same node, and what stands around is read as before.

use std::ops::Range;

use tree_sitter::Node;

use super::condition::Source;
use super::template::Placed;
use super::template::Rendered;
use crate::syntax::language::Language;
use crate::syntax::parse::Edit;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;
use crate::text::new_hazards;

/// What a rewriting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Everything holds.
    Holds,
    /// These captures would be torn apart without parentheses.
    Wrap(Vec<String>),
    /// The whole would be torn apart without parentheses.
    WrapWhole,
    /// Something does not hold.
    Fails,
}

/// A file with one span replaced, and its tree.
#[derive(Debug)]
pub struct Replaced {
    /// The new text.
    pub text: String,
    /// Its tree.
    pub syntax: Syntax,
    /// Where the new text of the span stands.
    pub at: Range<usize>,
}

/// Replaces `at` by `new`; `None` when the result does not parse.
pub fn replace(source: Source<'_>, at: &Range<usize>, new: &str) -> Option<Replaced> {
    let old = source.document.text();
    let text = [old.get(..at.start)?, new, old.get(at.end..)?].concat();
    let new_at = at.start..at.start + new.len();
    let edit = Edit { old: at.clone(), new: new_at.clone() };
    let syntax = source.syntax.reparse(old, &text, &[edit], PARSE_LIMIT).ok()?;
    syntax.is_clean().then_some(Replaced { text, syntax, at: new_at })
}

/// Whether replacing `at` by the rendered text keeps everything that was taken over, and everything around.
pub fn prove(source: Source<'_>, at: &Range<usize>, rendered: &Rendered<'_>) -> Proof {
    let old = &source.document.text()[at.clone()];
    if old == rendered.text || !new_hazards(old, &rendered.text).is_empty() || is_wider(source, at, &rendered.text) {
        return Proof::Fails;
    }
    let Some(after) = replace(source, at, &rendered.text) else { return Proof::Fails };
    let torn: Vec<String> = rendered
        .placed
        .iter()
        .filter(|placed| placed.is_same && !is_kept(source, placed, &after))
        .map(|placed| placed.name.clone())
        .collect();
    if !torn.is_empty() {
        return Proof::Wrap(torn);
    }
    if rendered.text.is_empty() {
        return Proof::Holds;
    }
    if surroundings(source, at, &after) { Proof::Holds } else { Proof::WrapWhole }
}

/// Whether the captured nodes are the same nodes in the new tree.
fn is_kept(source: Source<'_>, placed: &Placed<'_>, after: &Replaced) -> bool {
    let new = after.at.start + placed.new.start..after.at.start + placed.new.end;
    if let [node] = placed.nodes.as_slice()
        && node.byte_range() == placed.old
        && !is_list(node.kind())
    {
        let same =
            |found: &Node<'_>| found.byte_range() == new && found.kind() == node.kind() && found.to_sexp() == node.to_sexp();
        return after.syntax.path(&new).iter().any(same);
    }
    let mut pieces = Vec::new();
    pieces_in(after.syntax.root(), &new, &mut pieces);
    let mut old = Vec::new();
    pieces_in(source.syntax.root(), &placed.old, &mut old);
    pieces.iter().map(Node::to_sexp).eq(old.iter().map(Node::to_sexp))
}

/// Kinds that are lists of statements.
fn is_list(kind: &str) -> bool {
    matches!(kind, "block" | "module" | "source_file")
}

/// The largest named nodes inside `range`.
fn pieces_in<'t>(node: Node<'t>, range: &Range<usize>, found: &mut Vec<Node<'t>>) {
    for child in node.named_children(&mut node.walk()) {
        if child.end_byte() <= range.start || child.start_byte() >= range.end {
            continue;
        }
        if range.start <= child.start_byte() && child.end_byte() <= range.end && !is_list(child.kind()) {
            found.push(child);
        } else {
            pieces_in(child, range, found);
        }
    }
}

/// Whether the new text stands in the same kind of node as the old, and the text on both sides is read as before.
fn surroundings(source: Source<'_>, at: &Range<usize>, after: &Replaced) -> bool {
    let around = |syntax: &Syntax, at: &Range<usize>| {
        let path = syntax.path(at);
        path.iter().rev().find(|node| node.byte_range() != *at && node.start_byte() <= at.start).map(Node::kind_id)
    };
    let old = source.document.text();
    let before = old[..at.start].trim_end();
    let last = before.char_indices().next_back().map(|(offset, _)| offset);
    around(source.syntax, at) == around(&after.syntax, &after.at)
        && last.is_none_or(|byte| kinds_at(source.syntax, byte) == kinds_at(&after.syntax, byte))
        && reads_on(source, at, after)
}

/// Whether the text behind the span is read as before: what opens a block, string or comment in the new text would change that.
pub fn reads_on(source: Source<'_>, at: &Range<usize>, after: &Replaced) -> bool {
    let old = source.document.text();
    let behind = old[at.end..].find(|c: char| !c.is_whitespace());
    behind.is_none_or(|gap| kinds_at(source.syntax, at.end + gap) == kinds_at(&after.syntax, after.at.end + gap))
}

/// The kinds of the nodes that hold the byte at `offset`, from the root down.
fn kinds_at(syntax: &Syntax, offset: usize) -> Vec<u16> {
    syntax.path(&(offset..offset + 1)).iter().map(Node::kind_id).collect()
}

/// Whether a comment or an attribute of the span would be lost.
pub fn loses_comments(source: Source<'_>, at: &Range<usize>, placed: &[Placed<'_>]) -> bool {
    fn lost(node: Node<'_>, at: &Range<usize>, placed: &[Placed<'_>]) -> bool {
        if node.end_byte() <= at.start || node.start_byte() >= at.end {
            return false;
        }
        let kept = placed.iter().any(|placed| placed.old.start <= node.start_byte() && node.end_byte() <= placed.old.end);
        if kept {
            return false;
        }
        let kind = node.kind();
        let counts = kind.ends_with("comment") || matches!(kind, "attribute_item" | "inner_attribute_item" | "decorator");
        let inside = at.start <= node.start_byte() && node.end_byte() <= at.end;
        (counts && inside) || node.children(&mut node.walk()).any(|child| lost(child, at, placed))
    }
    lost(source.syntax.root(), at, placed)
}

/// Whether an attribute belongs to what begins at `at`: it may compile the span or not, or be about its form.
pub fn has_attribute(source: Source<'_>, at: &Range<usize>) -> bool {
    source
        .syntax
        .path(at)
        .iter()
        .any(|node| node.start_byte() == at.start && node.prev_sibling().is_some_and(|before| before.kind() == "attribute_item"))
}

/// Whether a new line is longer than the style of the language allows, and than every old one.
fn is_wider(source: Source<'_>, at: &Range<usize>, new: &str) -> bool {
    let old = source.document.text();
    let limit = match source.language() {
        Language::Python => 88,
        _ => 100,
    };
    let lead = old[..at.start].rsplit('\n').next().unwrap_or_default();
    let tail = old[at.end..].lines().next().unwrap_or_default();
    let widest = |middle: &str| {
        let joined = [lead, middle, tail].concat();
        joined.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    };
    widest(new) > limit.max(widest(&old[at.clone()]))
}
