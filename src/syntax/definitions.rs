//! Which nodes define something, in each language: the table behind the listing of symbols.

use tree_sitter::Node;

use crate::syntax::language::Language;
use crate::syntax::symbols::Scope;
use crate::syntax::symbols::SymbolKind;

/// Whether a node defines something: its kind, its name, and the scope it opens.
pub(super) fn definition(
    language: Language,
    node: &Node<'_>,
    parent: Option<&Node<'_>>,
    text: &str,
) -> Option<(SymbolKind, String, Option<Scope>)> {
    let field = |name: &str| node.child_by_field_name(name).and_then(|child| text.get(child.byte_range())).map(str::to_owned);
    let scope = |name: &str| Some(Scope { name: name.to_owned(), of_trait: None });
    let top = parent.is_none_or(|parent| {
        matches!(
            parent.kind(),
            "source_file" | "module" | "program" | "translation_unit" | "export_statement" | "document" | "expression_statement"
        )
    });
    let (kind, name) = match node.kind() {
        "function_item"
        | "function_signature_item"
        | "function_declaration"
        | "generator_function_declaration"
        | "function_signature" => (SymbolKind::Function, field("name")?),
        "method_definition"
        | "method_declaration"
        | "constructor_declaration"
        | "compact_constructor_declaration"
        | "method_signature" => (SymbolKind::Method, field("name")?),
        "function_definition" if language == Language::C => (SymbolKind::Function, declarator_name(node, text)?),
        "function_definition" => (SymbolKind::Function, field("name")?),
        "struct_item"
        | "enum_item"
        | "union_item"
        | "trait_item"
        | "type_item"
        | "class_definition"
        | "class_declaration"
        | "abstract_class_declaration"
        | "interface_declaration"
        | "enum_declaration"
        | "record_declaration"
        | "type_alias_declaration"
        | "annotation_type_declaration"
        | "type_spec"
        | "type_alias" => (SymbolKind::Type, field("name")?),
        "struct_specifier" | "union_specifier" | "enum_specifier" if node.child_by_field_name("body").is_some() => {
            (SymbolKind::Type, field("name")?)
        }
        "type_definition" => (SymbolKind::Type, declarator_name(node, text)?),
        "impl_item" => {
            let name = bare_type(&field("type")?);
            let of_trait = field("trait").map(|name| bare_type(&name));
            let scope = Scope { name: name.clone(), of_trait: of_trait.clone() };
            let shown = of_trait.map_or_else(|| name.clone(), |of_trait| format!("{of_trait} for {name}"));
            return Some((SymbolKind::Impl, shown, Some(scope)));
        }
        "mod_item" | "internal_module" | "module" if node.child_by_field_name("body").is_some() => {
            (SymbolKind::Module, field("name")?)
        }
        "const_item" | "static_item" => (SymbolKind::Constant, field("name")?),
        "const_spec" | "var_spec" => (SymbolKind::Constant, field("name")?),
        "macro_definition" => (SymbolKind::Macro, field("name")?),
        "preproc_function_def" | "preproc_def" => (SymbolKind::Macro, field("name")?),
        "variable_declarator" if language != Language::Java => {
            let value = node.child_by_field_name("value").map_or("", |value| value.kind());
            let is_function = matches!(value, "arrow_function" | "function_expression" | "generator_function");
            let name = node.child_by_field_name("name").filter(|name| name.kind() == "identifier")?;
            let name = text.get(name.byte_range())?.to_owned();
            return is_function.then_some((SymbolKind::Function, name.clone(), scope(&name)));
        }
        "assignment" if language == Language::Python && top => {
            let left = node.child_by_field_name("left").filter(|left| left.kind() == "identifier")?;
            return Some((SymbolKind::Constant, text.get(left.byte_range())?.to_owned(), None));
        }
        "pair" if language == Language::Json => (SymbolKind::Key, field("key")?.trim_matches('"').to_owned()),
        "pair" | "table" | "table_array_element" if language == Language::Toml => {
            (SymbolKind::Key, text.get(node.named_child(0)?.byte_range())?.trim_matches(['"', '\'']).to_owned())
        }
        _ => return None,
    };
    if name.is_empty() {
        return None;
    }
    let opens = !matches!(kind, SymbolKind::Constant | SymbolKind::Macro);
    let scope = if opens { scope(&name) } else { None };
    Some((kind, name, scope))
}

/// The identifier at the bottom of a C declarator.
fn declarator_name(node: &Node<'_>, text: &str) -> Option<String> {
    let mut inner = node.child_by_field_name("declarator")?;
    while let Some(next) = inner.child_by_field_name("declarator") {
        inner = next;
    }
    if inner.kind() == "parenthesized_declarator" {
        inner = inner.named_child(0)?;
        while let Some(next) = inner.child_by_field_name("declarator") {
            inner = next;
        }
    }
    text.get(inner.byte_range()).map(str::to_owned)
}

/// `Vec` for `std::vec::Vec<T>`.
fn bare_type(name: &str) -> String {
    let head = name.split('<').next().unwrap_or(name).trim();
    let last = head.rsplit("::").next().unwrap_or(head).trim();
    if last.is_empty() { name.trim().to_owned() } else { last.trim_start_matches(['&', '*']).trim().to_owned() }
}

/// The type of a Go method's receiver.
pub(super) fn receiver(node: &Node<'_>, text: &str) -> Option<String> {
    let receiver = node.child_by_field_name("receiver")?;
    let parameter = receiver.named_child(0)?;
    let name = text.get(parameter.child_by_field_name("type")?.byte_range())?;
    let bare = name.trim_start_matches('*').split('[').next().unwrap_or(name).trim();
    Some(bare.to_owned())
}

/// Whether the nearest definition around a function is a type.
pub(super) fn in_type(language: Language, ancestors: &[Node<'_>], node: &Node<'_>) -> bool {
    if language == Language::Go {
        return node.child_by_field_name("receiver").is_some();
    }
    let nearest = ancestors.iter().rev().find(|each| {
        let kind = each.kind();
        kind.starts_with("function")
            || kind == "impl_item"
            || kind == "trait_item"
            || kind.starts_with("class_de")
            || kind == "mod_item"
    });
    nearest.is_some_and(|each| !each.kind().starts_with("function") && each.kind() != "mod_item")
}
