//! What can be told about code without its types. Each answer is "for sure" or no.

pub mod python;
pub mod rust;

use tree_sitter::Node;

use super::condition::Source;

/// Whether no documentation stands before the item, and it is no documentation itself.
pub fn is_undocumented(node: Node<'_>) -> bool {
    let before = node.prev_sibling().map_or("", |before| before.kind());
    let is_text =
        node.kind() == "expression_statement" && node.named_child(0).is_some_and(|child| child.kind().contains("string"));
    !is_text && !before.ends_with("comment") && !matches!(before, "attribute_item" | "inner_attribute_item")
}

/// Whether `arguments` are called like the two parameters of the one function called like `function`, the other way round.
pub fn is_swapped(source: Source<'_>, function: Node<'_>, arguments: &[Node<'_>]) -> bool {
    fn collect<'t>(source: Source<'_>, node: Node<'t>, name: &str, found: &mut Vec<Node<'t>>) {
        let is_function = matches!(node.kind(), "function_item" | "function_definition");
        if is_function && node.child_by_field_name("name").is_some_and(|own| source.text(own) == name) {
            found.push(node);
        }
        node.named_children(&mut node.walk()).for_each(|child| collect(source, child, name, found));
    }
    let [first, second] = arguments else { return false };
    let mut found = Vec::new();
    collect(source, source.syntax.root(), source.text(function), &mut found);
    let [definition] = found.as_slice() else { return false };
    let Some(parameters) = definition.child_by_field_name("parameters") else { return false };
    let names: Vec<&str> = parameters
        .named_children(&mut parameters.walk())
        .map(|parameter| source.text(parameter.child_by_field_name("pattern").unwrap_or(parameter)))
        .collect();
    names.len() == 2 && names[0] != names[1] && names[0] == source.text(*second) && names[1] == source.text(*first)
}
