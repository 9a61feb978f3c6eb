//! What a model's answer must leave as it is: words, calls, literals, code, shape.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::Node;

use super::condition::Source;
use super::prove::reads_on;
use super::prove::replace;
use super::recipe::Keep;
use super::recipe::Recipe;
use crate::syntax::language::Language;
use crate::text::new_hazards;

/// Whether the model's text for `at` parses and keeps what the recipe says.
pub fn keeps(source: Source<'_>, recipe: &Recipe, at: &Range<usize>, new: &str) -> bool {
    let old = &source.document.text()[at.clone()];
    if old.trim() == new.trim() || new.trim().is_empty() || !new_hazards(old, new).is_empty() {
        return false;
    }
    let Some(after) = replace(source, at, new) else { return false };
    let (was, is) = (
        Leaves::of(source.document.text(), source.syntax.root(), at, source.language()),
        Leaves::of(&after.text, after.syntax.root(), &after.at, source.language()),
    );
    let comments_stay = was.comments.keys().all(|comment| is.comments.contains_key(comment));
    comments_stay && reads_on(source, at, &after) && recipe.keep.iter().all(|keep| holds(*keep, recipe, &was, &is))
}

fn holds(keep: Keep, recipe: &Recipe, was: &Leaves<'_>, is: &Leaves<'_>) -> bool {
    let free = |word: &str| recipe.adds.iter().chain(&recipe.drops).any(|known| known == word);
    let same = |a: &BTreeMap<&str, usize>, b: &BTreeMap<&str, usize>| {
        a.keys().chain(b.keys()).all(|word| a.get(word) == b.get(word) || free(word))
    };
    match keep {
        Keep::Identifiers => {
            let known = |a: &BTreeMap<&str, usize>, b: &BTreeMap<&str, usize>, allowed: &[String]| {
                a.keys().all(|word| b.contains_key(word) || allowed.iter().any(|other| other == word))
            };
            known(&is.identifiers, &was.identifiers, &recipe.adds) && known(&was.identifiers, &is.identifiers, &recipe.drops)
        }
        Keep::Calls => same(&was.calls, &is.calls),
        Keep::Literals => same(&was.literals, &is.literals),
        Keep::Code => was.code == is.code,
        Keep::Shape => was.shape == is.shape,
    }
}

/// The leaves of a piece of code, counted.
#[derive(Default)]
struct Leaves<'s> {
    identifiers: BTreeMap<&'s str, usize>,
    calls: BTreeMap<&'s str, usize>,
    literals: BTreeMap<&'s str, usize>,
    comments: BTreeMap<&'s str, usize>,
    code: Vec<&'s str>,
    shape: Vec<u16>,
}

impl<'s> Leaves<'s> {
    fn of(text: &'s str, root: Node<'_>, range: &Range<usize>, language: Language) -> Self {
        let mut leaves = Leaves::default();
        leaves.collect(text, root, range, language);
        leaves
    }

    fn collect(&mut self, text: &'s str, node: Node<'_>, range: &Range<usize>, language: Language) {
        if node.end_byte() <= range.start || node.start_byte() >= range.end {
            return;
        }
        let kind = node.kind();
        let own = text.get(node.byte_range()).unwrap_or_default();
        let count = |map: &mut BTreeMap<&'s str, usize>, word: &'s str| *map.entry(word).or_default() += 1;
        if kind.ends_with("comment") {
            return count(&mut self.comments, own.trim_end());
        }
        if is_documentation(node, language) {
            return;
        }
        self.shape.push(node.kind_id());
        match kind {
            "call" | "call_expression" => {
                let called = node.child_by_field_name("function").map(|function| {
                    let name = ["field", "attribute", "name"].iter().find_map(|field| function.child_by_field_name(field));
                    name.unwrap_or(function)
                });
                count(&mut self.calls, called.and_then(|called| text.get(called.byte_range())).unwrap_or_default());
            }
            "macro_invocation" => {
                let name = node.child_by_field_name("macro").and_then(|name| text.get(name.byte_range()));
                count(&mut self.calls, name.unwrap_or_default());
            }
            _ => {}
        }
        // What stands in the fields of a format string is code.
        let has_fields = node.named_children(&mut node.walk()).any(|child| child.kind() == "interpolation");
        let is_literal = (matches!(kind, "string" | "integer" | "float") || kind.ends_with("_literal")) && !has_fields;
        if is_literal {
            count(&mut self.literals, own);
        }
        if kind.ends_with("identifier") {
            count(&mut self.identifiers, own);
        }
        if node.child_count() == 0 || is_literal {
            self.code.push(own);
            return;
        }
        node.children(&mut node.walk()).for_each(|child| self.collect(text, child, range, language));
    }
}

/// A string that documents: the first statement of a Python block.
fn is_documentation(node: Node<'_>, language: Language) -> bool {
    language == Language::Python
        && node.kind() == "expression_statement"
        && node.named_child_count() == 1
        && node.named_child(0).is_some_and(|child| child.kind() == "string")
        && node.prev_named_sibling().is_none_or(|before| before.kind() == "comment")
}
