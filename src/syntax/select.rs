//! Spans by syntax: the statement, block, function or type around a place, and growing and shrinking by node.

use std::ops::Range;

use tree_sitter::Node;

use crate::document::Expand;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::ParseError;
use crate::syntax::parse::Syntax;

/// Whether a node is what `kind` selects.
pub fn matches(kind: Expand, language: Language, node: &Node<'_>, parent: Option<&Node<'_>>) -> bool {
    match kind {
        Expand::Expr => is_expression(node, parent),
        Expand::Stmt => node.is_named() && !node.is_extra() && parent.is_some_and(|parent| holds_statements(parent)),
        Expand::Block => is_block(node.kind()),
        Expand::Fn => is_function(node.kind()),
        Expand::Impl => is_type_body(language, node.kind()),
    }
}

/// Why nothing was selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The place is not in something of the asked kind.
    #[error("no {kind} around line {line}: choose another line, or give a range of lines with --range")]
    Nothing {
        /// What was asked for.
        kind: Expand,
        /// 1-based line.
        line: usize,
    },
    /// The offset is behind the end of the text.
    #[error("the position is past the end of the file ({len} bytes)")]
    PastEnd {
        /// Bytes of the file.
        len: usize,
    },
    /// There is no tree.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// The smallest node of the asked kind around `offset`. Parses the text; [`expand_in`] uses a tree that is there.
///
/// # Errors
/// Nothing of that kind is there, the offset is past the end, or the text cannot be parsed.
pub fn expand(text: &str, language: Language, offset: usize, kind: Expand) -> Result<Range<usize>, SelectError> {
    expand_in(&Syntax::parse(text, language, PARSE_LIMIT)?, text, offset, kind)
}

/// The smallest node of the asked kind around `offset`; in the blanks of a line, around its first or else last character.
///
/// # Errors
/// Nothing of that kind is there, or the offset is past the end.
pub fn expand_in(syntax: &Syntax, text: &str, offset: usize, kind: Expand) -> Result<Range<usize>, SelectError> {
    if offset > text.len() {
        return Err(SelectError::PastEnd { len: text.len() });
    }
    let at = settle(text, offset);
    let path = syntax.path(&(at..at + usize::from(at < text.len())));
    (0..path.len())
        .rev()
        .find(|&index| matches(kind, syntax.language(), &path[index], index.checked_sub(1).map(|above| &path[above])))
        .map(|index| trimmed(text, path[index].byte_range()))
        .ok_or_else(|| SelectError::Nothing {
            kind,
            line: 1 + text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count(),
        })
}

/// The next larger selection: the smallest named node that holds `range` and more. `None` when the whole text is selected.
pub fn grow(syntax: &Syntax, text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let inner = trimmed(text, clamp(text, range));
    let found = syntax
        .path(&inner)
        .iter()
        .rev()
        .filter(|node| node.is_named())
        .map(|node| trimmed(text, node.byte_range()))
        .find(|node| node.start <= inner.start && inner.end <= node.end && *node != inner);
    match found {
        Some(node) if node.start <= range.start && range.end <= node.end => Some(node),
        // The selection has blanks around a node: the node alone would not hold it.
        Some(node) => Some(node.start.min(range.start)..node.end.max(range.end)),
        None => (*range != (0..text.len())).then_some(0..text.len()),
    }
}

/// The next smaller selection: the largest named node strictly inside `range` that holds `offset`, or else the first one.
pub fn shrink(syntax: &Syntax, text: &str, range: &Range<usize>, offset: usize) -> Option<Range<usize>> {
    let range = clamp(text, range);
    let at = settle(text, offset.clamp(range.start, range.end));
    let inside = |node: &Node<'_>| {
        let node_range = trimmed(text, node.byte_range());
        let smaller =
            range.start <= node_range.start && node_range.end <= range.end && node_range != trimmed(text, range.clone());
        (node.is_named() && smaller && !node_range.is_empty()).then_some(node_range)
    };
    let path = syntax.path(&(at..at + usize::from(at < text.len())));
    path.iter().find_map(inside).or_else(|| {
        let holder = *path.iter().rfind(|node| node.start_byte() <= range.start && range.end <= node.end_byte())?;
        holder.named_children(&mut holder.walk()).find_map(|child| inside(&child))
    })
}

/// `range` grown to whole lines, with the last line's end of line.
pub fn whole_lines(text: &str, range: &Range<usize>) -> Range<usize> {
    let range = clamp(text, range);
    let start = text.as_bytes()[..range.start].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    // A range that ends with its end of line already has all of its last line.
    if range.end > range.start && text.as_bytes()[range.end - 1] == b'\n' {
        return start..range.end;
    }
    let end =
        text.as_bytes()[range.end..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |newline| range.end + newline + 1);
    start..end
}

fn clamp(text: &str, range: &Range<usize>) -> Range<usize> {
    let floor = |mut offset: usize| {
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = floor(range.start.min(text.len()));
    start..floor(range.end.clamp(start, text.len()))
}

/// Without blanks at both ends: some grammars count the end of a line to the node before it.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(piece) = text.get(range.clone()) else { return range };
    let start = range.start + (piece.len() - piece.trim_start().len());
    start..(range.start + piece.trim_end().len()).max(start)
}

/// Moves a place in blanks to the next character of its line, or else to the one before.
fn settle(text: &str, offset: usize) -> usize {
    let bytes = text.as_bytes();
    let line = bytes[offset..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |newline| offset + newline);
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    if let Some(ahead) = bytes[offset..line].iter().position(|byte| !blank(byte)) {
        return offset + ahead;
    }
    let start = bytes[..offset].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    bytes[start..offset].iter().rposition(|byte| !blank(byte)).map_or(offset, |behind| start + behind)
}

fn is_expression(node: &Node<'_>, parent: Option<&Node<'_>>) -> bool {
    let kind = node.kind();
    let by_kind = kind.ends_with("_expression") || kind.ends_with("_literal") || kind.ends_with("_operator");
    match kind {
        "let_declaration" | "literal_element" => false,
        // Also the names of what is declared: there only the role in the parent tells.
        "identifier" | "self" | "this" | "super" => parent.is_some_and(|parent| {
            !["name", "pattern", "declarator", "field", "property", "label", "alias", "type", "parameters"]
                .iter()
                .any(|field| parent.child_by_field_name(field).is_some_and(|child| child.id() == node.id()))
                && !["parameter", "pattern", "path", "import", "declarator", "use", "label"]
                    .iter()
                    .any(|part| parent.kind().contains(part))
        }),
        "array"
        | "object"
        | "tuple"
        | "list"
        | "set"
        | "dictionary"
        | "string"
        | "number"
        | "integer"
        | "float"
        | "boolean"
        | "true"
        | "false"
        | "none"
        | "null"
        | "nil"
        | "undefined"
        | "regex"
        | "template_string"
        | "call"
        | "attribute"
        | "subscript"
        | "await"
        | "lambda"
        | "arrow_function"
        | "macro_invocation"
        | "block_expression"
        | "unsafe_block"
        | "async_block"
        | "scoped_identifier"
        | "method_invocation"
        | "field_access"
        | "array_access"
        | "func_literal"
        | "composite_literal"
        | "list_comprehension"
        | "dictionary_comprehension"
        | "set_comprehension"
        | "named_expression"
        | "jsx_element"
        | "jsx_self_closing_element"
        | "generator_function"
        | "inline_table"
        | "concatenated_string"
        | "generic_function"
        | "offset_date_time"
        | "local_date_time"
        | "local_date"
        | "local_time" => true,
        _ => by_kind && node.is_named(),
    }
}

/// Whether the named children of a node are statements, declarations, or entries.
fn holds_statements(parent: &Node<'_>) -> bool {
    matches!(
        parent.kind(),
        // Files.
        "source_file" | "module" | "program" | "translation_unit" | "document"
        // Bodies of functions and types.
            | "block" | "statement_block" | "compound_statement" | "statement_list" | "declaration_list" | "class_body"
            | "interface_body" | "enum_body" | "enum_body_declarations" | "constructor_body" | "field_declaration_list"
            | "enum_variant_list" | "match_block" | "switch_body" | "switch_block" | "switch_block_statement_group" | "case_statement"
            | "switch_case" | "switch_default" | "expression_case" | "default_case" | "communication_case" | "type_case"
            | "preproc_if" | "preproc_ifdef" | "preproc_else" | "preproc_elif" | "annotation_type_body"
        // Entries of data.
            | "object" | "table" | "table_array_element" | "ERROR"
    )
}

fn is_block(kind: &str) -> bool {
    matches!(
        kind,
        "block"
            | "statement_block"
            | "compound_statement"
            | "declaration_list"
            | "class_body"
            | "interface_body"
            | "enum_body"
            | "field_declaration_list"
            | "enum_variant_list"
            | "enumerator_list"
            | "match_block"
            | "switch_body"
            | "switch_block"
            | "constructor_body"
            | "object"
            | "array"
            | "inline_table"
            | "table"
            | "table_array_element"
    )
}

fn is_function(kind: &str) -> bool {
    matches!(
        kind,
        "function_item"
            | "function_signature_item"
            | "function_definition"
            | "function_declaration"
            | "generator_function_declaration"
            | "function_expression"
            | "generator_function"
            | "arrow_function"
            | "method_definition"
            | "method_declaration"
            | "constructor_declaration"
            | "compact_constructor_declaration"
            | "macro_definition"
    )
}

fn is_type_body(language: Language, kind: &str) -> bool {
    let kinds: &[&str] = match language {
        Language::Rust => &["impl_item", "trait_item", "struct_item", "enum_item", "union_item", "mod_item"],
        Language::Python => &["class_definition"],
        Language::JavaScript | Language::TypeScript | Language::Tsx => &[
            "class_declaration",
            "class",
            "abstract_class_declaration",
            "interface_declaration",
            "enum_declaration",
            "internal_module",
            "module",
        ],
        Language::Go => &["type_declaration"],
        Language::C => &["struct_specifier", "union_specifier", "enum_specifier", "type_definition"],
        Language::Java => &[
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
            "annotation_type_declaration",
        ],
        Language::Json => &["object"],
        Language::Toml => &["table", "table_array_element"],
    };
    kinds.contains(&kind)
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
