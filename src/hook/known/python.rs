//! What is known about Python code from its syntax alone.

use tree_sitter::Node;

use crate::hook::condition::Source;
use crate::hook::condition::ancestors;
use crate::hook::condition::has;
use crate::hook::condition::occurrences;
use crate::hook::condition::scope;

/// Built-in functions that return a `bool`.
const BOOL_FUNCTIONS: &[&str] = &["isinstance", "issubclass", "callable", "hasattr", "bool", "any", "all"];

/// Whether `name` means the built-in of that name everywhere in the file: every place where it stands is a use.
pub fn is_builtin(source: Source<'_>, name: &str) -> bool {
    let text = source.document.text();
    let uses_only = occurrences(text, name).all(|at| {
        let path = source.syntax.path(&(at..at + name.len()));
        let Some(node) = path.last().copied() else { return false };
        if node.kind() != "identifier" {
            // In a string or a comment, or a keyword.
            return true;
        }
        let Some(parent) = path.iter().rev().nth(1).copied() else { return false };
        let is_field = |field: &str| parent.child_by_field_name(field) == Some(node);
        match parent.kind() {
            "attribute" | "keyword_argument" | "as_pattern" => true,
            "call"
            | "argument_list"
            | "return_statement"
            | "comparison_operator"
            | "boolean_operator"
            | "not_operator"
            | "conditional_expression"
            | "subscript"
            | "binary_operator"
            | "type"
            | "pair"
            | "dictionary"
            | "await"
            | "parenthesized_expression"
            | "interpolation"
            | "if_statement"
            | "while_statement"
            | "raise_statement"
            | "union_type"
            | "generic_type"
            | "decorator"
            | "if_clause"
            | "except_clause"
            | "assert_statement"
            | "yield"
            | "set" => true,
            "assignment" | "augmented_assignment" => is_field("right"),
            "default_parameter" => is_field("value"),
            "typed_default_parameter" => is_field("value"),
            "lambda" => is_field("body"),
            "for_statement" | "for_in_clause" => is_field("right"),
            "list" | "tuple" | "expression_list" => !is_target(parent),
            _ => false,
        }
    });
    uses_only && !has(source.syntax.root(), &|kind| kind == "wildcard_import")
}

/// Whether a list or tuple stands where something is assigned.
fn is_target(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        ["left", "alias"].iter().any(|field| parent.child_by_field_name(field) == Some(node))
            || parent.kind().ends_with("pattern")
    })
}

/// Whether the expression is a `bool` whatever its operands are.
pub fn is_bool(source: Source<'_>, node: Node<'_>) -> bool {
    let operators = || {
        let mut cursor = node.walk();
        let found: Vec<&str> = node.children(&mut cursor).filter(|child| !child.is_named()).map(|child| child.kind()).collect();
        found
    };
    match node.kind() {
        "true" | "false" => true,
        "not_operator" => true,
        "comparison_operator" => operators().iter().all(|operator| matches!(*operator, "is" | "is not" | "in" | "not in")),
        "boolean_operator" | "parenthesized_expression" => {
            node.named_children(&mut node.walk()).all(|child| is_bool(source, child))
        }
        "call" => node.child_by_field_name("function").is_some_and(|function| {
            let name = source.text(function);
            BOOL_FUNCTIONS.contains(&name) && is_builtin(source, name)
        }),
        _ => false,
    }
}

/// Whether only the truth of the expression is used: in a condition, or a part of one.
pub fn is_tested(node: Node<'_>) -> bool {
    let mut inner = node;
    for above in ancestors(node) {
        let is_condition = above.child_by_field_name("condition") == Some(inner);
        match above.kind() {
            "if_statement" | "elif_clause" | "while_statement" => return is_condition,
            "if_clause" | "not_operator" => return true,
            "assert_statement" | "conditional_expression" => {
                let place = if above.kind() == "assert_statement" { 0 } else { 1 };
                return above.named_child(place) == Some(inner);
            }
            "boolean_operator" | "parenthesized_expression" => inner = above,
            _ => return false,
        }
    }
    false
}

/// Whether evaluating the expression calls nothing: names, literals, and `is`, `and`, `or`, `not` of them.
pub fn is_pure(node: Node<'_>) -> bool {
    match node.kind() {
        "identifier" | "integer" | "float" | "true" | "false" | "none" => true,
        "string" => !has(node, &|kind| kind == "interpolation"),
        "boolean_operator" | "not_operator" | "parenthesized_expression" => node.named_children(&mut node.walk()).all(is_pure),
        "comparison_operator" => {
            let simple = node.children(&mut node.walk()).all(|child| child.is_named() || matches!(child.kind(), "is" | "is not"));
            simple && node.named_children(&mut node.walk()).all(is_pure)
        }
        _ => false,
    }
}

/// Whether the node stands directly in a method of the undecorated class called like `class`, whose first parameter is `first`.
pub fn is_own_class(source: Source<'_>, class: Node<'_>, first: &str) -> bool {
    let mut above = ancestors(class).skip_while(|node| {
        // A comprehension or a nested function has no `__class__` of its own to find.
        !matches!(
            node.kind(),
            "function_definition"
                | "lambda"
                | "class_definition"
                | "generator_expression"
                | "list_comprehension"
                | "set_comprehension"
                | "dictionary_comprehension"
        )
    });
    let Some(method) = above.next().filter(|node| node.kind() == "function_definition") else { return false };
    let mut around = ancestors(method).skip_while(|node| matches!(node.kind(), "decorated_definition" | "block"));
    let Some(definition) = around.next().filter(|node| node.kind() == "class_definition") else { return false };
    let is_decorated = |node: Node<'_>| node.parent().is_some_and(|parent| parent.kind() == "decorated_definition");
    let parameter = method
        .child_by_field_name("parameters")
        .and_then(|parameters| parameters.named_child(0))
        .is_some_and(|parameter| parameter.kind() == "identifier" && source.text(parameter) == first);
    let named = definition.child_by_field_name("name").is_some_and(|name| source.text(name) == source.text(class));
    // Slots made by a decorator build a second class, and any decorator may return another one.
    parameter && named && !is_decorated(definition) && !is_decorated(method) && !assigns(source, method, first)
}

/// Whether the function gives `name` a new value.
fn assigns(source: Source<'_>, function: Node<'_>, name: &str) -> bool {
    let body = function.child_by_field_name("body");
    body.is_some_and(|body| {
        occurrences(source.text(body), name).any(|at| {
            let at = body.start_byte() + at;
            let path = source.syntax.path(&(at..at + name.len()));
            let parent = path.iter().rev().nth(1).map_or("", |parent| parent.kind());
            let is_left =
                path.iter().rev().nth(1).is_some_and(|parent| parent.child_by_field_name("left") == path.last().copied());
            is_left
                || matches!(parent, "pattern_list" | "tuple_pattern" | "list_pattern" | "delete_statement" | "named_expression")
        })
    })
}

/// Attributes of modules that are dictionaries.
const DICTIONARIES: &[&str] = &["os.environ", "sys.modules", "self.__dict__"];

/// Whether the expression is a dictionary: a well-known one, or a local name that the function binds exactly once, to a dictionary
/// display, a comprehension of one, or `dict(…)`.
pub fn is_dictionary(source: Source<'_>, node: Node<'_>) -> bool {
    if node.kind() != "identifier" {
        return DICTIONARIES.contains(&source.text(node));
    }
    let name = source.text(node);
    let function = scope(node);
    if function.kind() != "function_definition" {
        return false;
    }
    let mut bound = 0;
    let mut certain = false;
    for at in occurrences(source.text(function), name) {
        let at = function.start_byte() + at;
        let path = source.syntax.path(&(at..at + name.len()));
        let (Some(found), Some(parent)) = (path.last().copied(), path.iter().rev().nth(1).copied()) else { return false };
        if found.kind() != "identifier" {
            continue;
        }
        if parent.kind() == "assignment" && parent.child_by_field_name("left") == Some(found) {
            bound += 1;
            certain = parent.child_by_field_name("right").is_some_and(|right| {
                let called = right.child_by_field_name("function").map(|called| source.text(called));
                matches!(right.kind(), "dictionary" | "dictionary_comprehension")
                    || (called == Some("dict") && is_builtin(source, "dict"))
            });
        } else if !matches!(
            parent.kind(),
            "attribute"
                | "subscript"
                | "call"
                | "argument_list"
                | "comparison_operator"
                | "return_statement"
                | "for_statement"
                | "for_in_clause"
                | "if_statement"
                | "not_operator"
                | "boolean_operator"
        ) || ["left", "name"].iter().any(|field| parent.child_by_field_name(field) == Some(found))
        {
            return false;
        }
    }
    bound == 1 && certain
}

/// Whether the function around the node returns no value and is no generator.
pub fn is_procedure(node: Node<'_>) -> bool {
    fn gives(node: Node<'_>) -> bool {
        match node.kind() {
            "function_definition" | "class_definition" | "lambda" => false,
            "yield" => true,
            "return_statement" => node.named_child(0).is_some_and(|value| value.kind() != "none"),
            _ => node.named_children(&mut node.walk()).any(gives),
        }
    }
    let function = scope(node);
    function.kind() == "function_definition" && function.child_by_field_name("body").is_some_and(|body| !gives(body))
}

/// Whether `name` belongs to the function around it alone.
pub fn is_local(source: Source<'_>, name: Node<'_>) -> bool {
    fn shared(source: Source<'_>, node: Node<'_>, name: &str) -> bool {
        let here = matches!(node.kind(), "global_statement" | "nonlocal_statement")
            && node.named_children(&mut node.walk()).any(|child| source.text(child) == name);
        here || node.named_children(&mut node.walk()).any(|child| shared(source, child, name))
    }
    let function = scope(name);
    function.kind() == "function_definition" && !shared(source, function, source.text(name))
}

/// Whether the expression is what `in` searches, or what a loop goes through.
pub fn is_searched(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| match parent.kind() {
        "for_statement" | "for_in_clause" => parent.child_by_field_name("right") == Some(node),
        "comparison_operator" => {
            let operator = node.prev_sibling().map(|before| before.kind());
            matches!(operator, Some("in" | "not in")) && parent.named_child_count() == 2
        }
        _ => false,
    })
}

/// What a file says that is meant for Python 2 too.
const PYTHON_2: &[&str] =
    &["unicode_literals", "print_function", "absolute_import", "import division", "import six", "from six", "python2"];

/// Whether nothing in the text says that it is meant for Python 2 too.
pub fn is_python3(text: &str) -> bool {
    !PYTHON_2.iter().any(|mark| text.contains(mark))
}

/// Whether the exception handler around `name` gives it no new value.
pub fn is_unassigned(source: Source<'_>, name: Node<'_>) -> bool {
    let handler = ancestors(name).find(|node| node.kind() == "except_clause");
    handler.is_some_and(|handler| {
        let text = source.text(name);
        // The first occurrence is the handler's own.
        occurrences(source.text(handler), text).skip(1).all(|at| {
            let at = handler.start_byte() + at;
            let path = source.syntax.path(&(at..at + text.len()));
            let parent = path.iter().rev().nth(1).map_or("", |parent| parent.kind());
            matches!(
                parent,
                "call" | "argument_list" | "attribute" | "raise_statement" | "interpolation" | "subscript" | "return_statement"
            ) || path.last().is_some_and(|node| node.kind() != "identifier")
        })
    })
}
