//! What is known about Rust code from its syntax alone.

use tree_sitter::Node;

use crate::hook::condition::Source;
use crate::hook::condition::ancestors;
use crate::hook::condition::has;
use crate::hook::condition::mentions;
use crate::hook::condition::occurrences;
use crate::hook::condition::scope;

/// Methods of the standard library whose result is a `bool` wherever they are defined.
const BOOL_METHODS: &[&str] = &["contains", "contains_key", "starts_with", "ends_with", "eq_ignore_ascii_case"];

/// Whether the expression is a `bool` whatever its operands are.
pub fn is_bool(source: Source<'_>, node: Node<'_>) -> bool {
    match node.kind() {
        "boolean_literal" => true,
        "binary_expression" => node
            .child_by_field_name("operator")
            .is_some_and(|operator| matches!(operator.kind(), "==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||")),
        "parenthesized_expression" => node.named_child(0).is_some_and(|inner| is_bool(source, inner)),
        "macro_invocation" => node.child_by_field_name("macro").is_some_and(|name| source.text(name) == "matches"),
        "call_expression" => node.child_by_field_name("function").is_some_and(|function| {
            let method = function.child_by_field_name("field").map(|field| source.text(field)).unwrap_or_default();
            function.kind() == "field_expression" && (method.starts_with("is_") || BOOL_METHODS.contains(&method))
        }),
        _ => false,
    }
}

/// Whether the value borrows from no temporary and no temporary of it is dropped late, so that it may become the last expression
/// of a block: names, literals, fields of names, and one call with such arguments.
pub fn is_plain(node: Node<'_>) -> bool {
    match node.kind() {
        "call_expression" => {
            let function = node.child_by_field_name("function");
            let arguments = node.child_by_field_name("arguments");
            let callee = function.is_some_and(|function| is_place(function) || is_path(function));
            callee && arguments.is_some_and(|arguments| all_children(arguments, is_flat))
        }
        _ => is_flat(node),
    }
}

/// [`is_plain`] without a call of which the result could be a temporary.
fn is_flat(node: Node<'_>) -> bool {
    match node.kind() {
        "call_expression" => {
            // A tuple struct or variant such as `Some(x)` is a value, no temporary that borrows.
            let function = node.child_by_field_name("function");
            function.is_some_and(is_path)
                && node.child_by_field_name("arguments").is_some_and(|arguments| all_children(arguments, is_flat))
        }
        "tuple_expression"
        | "array_expression"
        | "parenthesized_expression"
        | "binary_expression"
        | "field_initializer_list"
        | "struct_expression"
        | "field_initializer"
        | "shorthand_field_initializer" => all_children(node, is_flat),
        "unary_expression" => node.child(0).is_some_and(|operator| operator.kind() != "*") && all_children(node, is_flat),
        "type_cast_expression" => node.child_by_field_name("value").is_some_and(is_flat),
        "integer_literal"
        | "float_literal"
        | "string_literal"
        | "raw_string_literal"
        | "char_literal"
        | "boolean_literal"
        | "unit_expression"
        | "type_identifier"
        | "field_identifier"
        | "scoped_type_identifier"
        | "generic_type" => true,
        _ => is_place(node) || is_path(node),
    }
}

/// A name, or fields of one.
fn is_place(node: Node<'_>) -> bool {
    match node.kind() {
        "identifier" | "self" => true,
        "field_expression" => node.child_by_field_name("value").is_some_and(is_place),
        _ => false,
    }
}

fn is_path(node: Node<'_>) -> bool {
    matches!(node.kind(), "identifier" | "scoped_identifier")
}

fn all_children(node: Node<'_>, holds: fn(Node<'_>) -> bool) -> bool {
    node.named_children(&mut node.walk()).all(holds)
}

/// Whether the file gives none of these words another meaning: by an enum variant, a type, a function, a macro, or an import.
pub fn is_standard(source: Source<'_>, words: &[String]) -> bool {
    fn redefined(source: Source<'_>, node: Node<'_>, words: &[String]) -> bool {
        let named = |node: Node<'_>| words.iter().any(|word| source.text(node) == word);
        let here = match node.kind() {
            "enum_variant" | "function_item" | "struct_item" | "enum_item" | "macro_definition" | "trait_item" | "type_item"
            | "const_item" | "static_item" => node.child_by_field_name("name").is_some_and(named),
            "use_declaration" => {
                let text = source.text(node);
                // The standard library's own modules bring the standard meaning.
                let standard = ["use std::", "use core::", "use alloc::"].iter().any(|start| text.starts_with(start));
                !standard && words.iter().any(|word| mentions(text, word))
            }
            _ => false,
        };
        here || node.named_children(&mut node.walk()).any(|child| redefined(source, child, words))
    }
    // Most files do not mention the words where they could be defined; looking at the tree is for the others.
    !redefined(source, source.syntax.root(), words)
}

/// Whether `?` may stand at `node`: the nearest function-like node is a plain function whose return type names one of `types`.
pub fn returns(source: Source<'_>, node: Node<'_>, types: &[String]) -> bool {
    for above in ancestors(node) {
        match above.kind() {
            "closure_expression" | "async_block" | "try_block" | "const_block" | "gen_block" | "const_item" | "static_item" => {
                return false;
            }
            "function_item" => {
                let is_const = above
                    .named_children(&mut above.walk())
                    .any(|child| child.kind() == "function_modifiers" && mentions(source.text(child), "const"));
                let returned = above.child_by_field_name("return_type").map(|node| source.text(node)).unwrap_or_default();
                let head = returned.split('<').next().unwrap_or_default();
                return !is_const && types.iter().any(|name| head == name || head.ends_with(&format!("::{name}")));
            }
            _ => {}
        }
    }
    false
}

/// Types that have both `len` and `is_empty`, and whose `is_empty` says `len() == 0`.
const COLLECTIONS: &[&str] = &[
    "&str",
    "String",
    "&String",
    "Vec",
    "&Vec",
    "&mut Vec",
    "&mut String",
    "HashMap",
    "&HashMap",
    "BTreeMap",
    "&BTreeMap",
    "HashSet",
    "&HashSet",
    "BTreeSet",
    "&BTreeSet",
    "VecDeque",
    "&VecDeque",
    "&[",
    "&mut [",
    "[",
];

/// Whether `node` is a name that the function around it declares once, by a parameter or `let` whose type is a collection of the
/// standard library.
pub fn is_collection(source: Source<'_>, node: Node<'_>) -> bool {
    if node.kind() != "identifier" {
        return false;
    }
    let name = source.text(node);
    let function = scope(node);
    let mut types = Vec::new();
    declared(source, function, name, &mut types);
    // A second binding of the name, of whatever kind, would show as a word that is neither a declaration nor a use.
    let [only] = types.as_slice() else { return false };
    let rebound = occurrences(source.text(function), name).any(|at| {
        let at = function.start_byte() + at;
        let Some(found) = source.syntax.path(&(at..at + name.len())).last().copied() else { return true };
        let parent = found.parent().map_or("", |parent| parent.kind());
        parent.ends_with("_pattern")
            || parent == "closure_parameters"
            || parent == "match_pattern"
            || (parent == "for_expression" && found.parent().and_then(|it| it.child_by_field_name("pattern")) == Some(found))
    });
    !rebound && !has(function, &|kind| kind == "macro_definition") && {
        let text = only.split_whitespace().collect::<Vec<_>>().join(" ");
        let head = text.split('<').next().unwrap_or_default();
        let is_slice = text.starts_with("&[") || text.starts_with("&mut [");
        is_slice || COLLECTIONS.contains(&head)
    }
}

/// The types with which `name` is declared in `node`; an empty one where it has none.
fn declared(source: Source<'_>, node: Node<'_>, name: &str, types: &mut Vec<String>) {
    if matches!(node.kind(), "parameter" | "let_declaration")
        && let Some(pattern) = node.child_by_field_name("pattern")
        && mentions(source.text(pattern), name)
    {
        let simple = pattern.kind() == "identifier";
        let declared = node.child_by_field_name("type").filter(|_| simple).map(|node| source.text(node));
        types.push(declared.unwrap_or_default().to_owned());
    }
    node.named_children(&mut node.walk()).for_each(|child| declared(source, child, name, types));
}
