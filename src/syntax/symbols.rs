//! The named definitions of a file, and finding one by a name such as `Type::method`.

use std::ops::Range;

use tree_sitter::Node;

use crate::syntax::definitions::definition;
use crate::syntax::definitions::in_type;
use crate::syntax::definitions::receiver;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;

/// What a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function that belongs to no type.
    Function,
    /// A function of a type.
    Method,
    /// A struct, class, enum, interface, or type alias.
    Type,
    /// An impl block.
    Impl,
    /// A module or namespace.
    Module,
    /// A constant, static, or global variable.
    Constant,
    /// A macro.
    Macro,
    /// A key or table of a data file.
    Key,
}

impl SymbolKind {
    /// The word shown in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Method => "method",
            Self::Type => "type",
            Self::Impl => "impl",
            Self::Module => "module",
            Self::Constant => "constant",
            Self::Macro => "macro",
            Self::Key => "key",
        }
    }
}

/// A named definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its own name.
    pub name: String,
    /// Names of what it stands in, outermost first.
    pub within: Vec<Scope>,
    /// What it is.
    pub kind: SymbolKind,
    /// Bytes of the definition with its attributes, decorators and documentation.
    pub range: Range<usize>,
    /// Bytes of the definition alone.
    pub item: Range<usize>,
    /// First and last line of `range`, 1-based and inclusive.
    pub lines: (usize, usize),
}

/// Something that holds symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its name: for an impl block the type's.
    pub name: String,
    /// For a trait's impl block, the trait: `Display::fmt` finds one of many `fmt`.
    pub of_trait: Option<String>,
}

impl Symbol {
    /// The full name, `A::b`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for scope in &self.within {
            match &scope.of_trait {
                Some(of_trait) => path.push_str(&format!("<{} as {of_trait}>::", scope.name)),
                None => path.push_str(&format!("{}::", scope.name)),
            }
        }
        path + &self.name
    }

    fn answers_to(&self, query: &[&str]) -> bool {
        let Some((last, scopes)) = query.split_last() else { return false };
        let is_scope = |(scope, part): (&Scope, &&str)| scope.name == **part || scope.of_trait.as_deref() == Some(*part);
        self.name == **last
            && scopes.len() <= self.within.len()
            && self.within[self.within.len() - scopes.len()..].iter().zip(scopes).all(is_scope)
    }
}

/// Why a name gives no symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Several symbols have the name.
    #[error("`{name}` is ambiguous: it names {}; give a longer name or --range", listed(.matches))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// All symbols it may mean.
        matches: Vec<Symbol>,
    },
    /// No symbol has the name.
    #[error("no symbol `{name}` in the file{}", hint(.closest))]
    NotFound {
        /// What was asked for.
        name: String,
        /// Names that are nearly the same, best first.
        closest: Vec<String>,
    },
}

fn listed(matches: &[Symbol]) -> String {
    let all: Vec<String> =
        matches.iter().map(|symbol| format!("{} (lines {}-{})", symbol.path(), symbol.lines.0, symbol.lines.1)).collect();
    all.join(", ")
}

fn hint(closest: &[String]) -> String {
    match closest.first() {
        Some(name) => format!(": did you mean `{name}`?"),
        None => ": give a range of lines with --range".to_owned(),
    }
}

/// Finds the one symbol with a name: its own, or with the names around it, parts separated by `::`, `.` or `#`.
///
/// # Errors
/// None or several have the name.
pub fn symbol(syntax: &Syntax, text: &str, name: &str) -> Result<Symbol, SymbolError> {
    let all = symbols(syntax, text);
    let query: Vec<&str> = name.split("::").flat_map(|part| part.split(['.', '#'])).filter(|part| !part.is_empty()).collect();
    let mut matches: Vec<Symbol> = all.iter().filter(|symbol| symbol.answers_to(&query)).cloned().collect();
    // The name as it is written at the top level means that one, whatever nests deeper.
    let exact: Vec<usize> = (0..matches.len()).filter(|&index| matches[index].within.len() + 1 == query.len()).collect();
    if let [only] = exact[..] {
        return Ok(matches.swap_remove(only));
    }
    match matches.len() {
        1 => Ok(matches.swap_remove(0)),
        0 => Err(SymbolError::NotFound { name: name.to_owned(), closest: closest(&all, query.last().copied().unwrap_or("")) }),
        _ => Err(SymbolError::Ambiguous { name: name.to_owned(), matches }),
    }
}

fn closest(all: &[Symbol], name: &str) -> Vec<String> {
    if name.is_empty() || name.chars().count() > 200 {
        return Vec::new();
    }
    let mut scored: Vec<(usize, String)> = all
        .iter()
        .map(|symbol| (distance(&symbol.name.to_lowercase(), &name.to_lowercase()), symbol.path()))
        .filter(|(distance, _)| *distance * 3 <= name.chars().count().max(3))
        .collect();
    scored.sort();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, path)| path).collect()
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// All symbols in order of position.
pub fn symbols(syntax: &Syntax, text: &str) -> Vec<Symbol> {
    let language = syntax.language();
    let lines = LineStarts::new(text);
    let mut found = Vec::new();
    let mut scopes: Vec<(usize, Scope)> = Vec::new();
    let mut ancestors: Vec<Node<'_>> = Vec::new();
    // For each level of the way down, the attributes and comments directly before the present node. Kept on the way: asking a
    // node for the sibling before it walks over all of its siblings, which a data file can have many thousands of.
    let mut leading: Vec<Vec<Node<'_>>> = vec![Vec::new()];
    let mut cursor = syntax.root().walk();
    loop {
        let node = cursor.node();
        while scopes.last().is_some_and(|(end, _)| *end <= node.start_byte()) {
            scopes.pop();
        }
        if node.is_named()
            && let Some((kind, name, scope)) = definition(language, &node, ancestors.last(), text)
        {
            let mut within: Vec<Scope> = scopes.iter().map(|(_, scope)| scope.clone()).collect();
            // A Go method stands at the top level and names its type.
            within.extend(receiver(&node, text).map(|name| Scope { name, of_trait: None }));
            let kind = if kind == SymbolKind::Function && !within.is_empty() && in_type(language, &ancestors, &node) {
                SymbolKind::Method
            } else {
                kind
            };
            let item = cut(text, node.byte_range());
            let range = with_documentation(&node, &ancestors, &leading, text, item.clone());
            let last = range.end.saturating_sub(1).max(range.start);
            found.push(Symbol { name, within, kind, lines: (lines.line(range.start), lines.line(last)), item, range });
            if let Some(scope) = scope {
                scopes.push((node.end_byte(), scope));
            }
        }
        ancestors.push(node);
        if cursor.goto_first_child() {
            leading.push(Vec::new());
            continue;
        }
        loop {
            let left = ancestors.pop();
            if let (Some(run), Some(left)) = (leading.last_mut(), left) {
                if belongs(language, &left, text) {
                    run.push(left);
                } else {
                    run.clear();
                }
            }
            if cursor.goto_next_sibling() {
                break;
            }
            leading.pop();
            if !cursor.goto_parent() {
                return found;
            }
        }
    }
}

/// Grows a definition over what belongs to it: the statement that exports or decorates it, then attributes and documentation
/// directly before it.
fn with_documentation(
    node: &Node<'_>,
    ancestors: &[Node<'_>],
    leading: &[Vec<Node<'_>>],
    text: &str,
    item: Range<usize>,
) -> Range<usize> {
    let mut outer = *node;
    let mut level = ancestors.len();
    for ancestor in ancestors.iter().rev() {
        let wraps = match ancestor.kind() {
            "export_statement" | "decorated_definition" | "ambient_declaration" => true,
            // `const f = () => …` or `type A struct`: the declaration, when it holds nothing else.
            "lexical_declaration"
            | "variable_declaration"
            | "type_declaration"
            | "const_declaration"
            | "var_declaration"
            | "expression_statement" => ancestor.named_child_count() == 1,
            _ => false,
        };
        if !wraps {
            break;
        }
        outer = *ancestor;
        level -= 1;
    }
    let mut start = cut(text, outer.byte_range()).start.min(item.start);
    let end = cut(text, outer.byte_range()).end.max(item.end);
    for sibling in leading.get(level).into_iter().flatten().rev() {
        let piece = cut(text, sibling.byte_range());
        let gap = text.get(piece.end..start).unwrap_or("x");
        let own_line = text[..piece.start].rsplit('\n').next().is_none_or(|head| head.trim().is_empty());
        if !own_line || !gap.trim().is_empty() || gap.matches('\n').count() > 1 {
            break;
        }
        start = piece.start;
    }
    start..end
}

fn belongs(language: Language, sibling: &Node<'_>, text: &str) -> bool {
    match sibling.kind() {
        "attribute_item" | "decorator" | "attribute_specifier" | "attribute_declaration" => true,
        // Rust has comments that are documentation, and inner ones that belong to what is around.
        "line_comment" | "block_comment" if language == Language::Rust => {
            let comment = text.get(sibling.byte_range()).unwrap_or("");
            comment.starts_with("///") || (comment.starts_with("/**") && !comment.starts_with("/**/"))
        }
        kind => kind.ends_with("comment") && !matches!(language, Language::Json),
    }
}

/// Without blanks at the end: some grammars count the end of a line to the node before it.
fn cut(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = text.get(range.clone()).unwrap_or("");
    range.start..range.start + piece.trim_end().len()
}

/// Byte offsets at which lines begin.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn new(text: &str) -> Self {
        Self(
            std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1)).collect(),
        )
    }

    /// 1-based line of an offset.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset)
    }
}

#[cfg(test)]
#[path = "symbols_tests.rs"]
mod tests;
