//! Conditions on a match, beyond what a query can say: predicates such as `(#lacks? @body "return_expression")`.
//!
//! Each of them must hold for all nodes of the capture. What cannot be told counts as not holding.

use tree_sitter::Node;
use tree_sitter::Query;
use tree_sitter::QueryPredicateArg;

use super::known;
use super::template::Captures;
use crate::document::Document;
use crate::syntax::language::Language;
use crate::syntax::parse::Syntax;

/// A file that recipes look at.
#[derive(Clone, Copy, Debug)]
pub struct Source<'t> {
    /// The file.
    pub document: &'t Document,
    /// Its tree.
    pub syntax: &'t Syntax,
}

impl<'t> Source<'t> {
    /// The text of a node.
    pub fn text(&self, node: Node<'_>) -> &'t str {
        self.document.text().get(node.byte_range()).unwrap_or_default()
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.syntax.language()
    }
}

/// One condition of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    operator: Operator,
    capture: String,
    words: Vec<String>,
    others: Vec<String>,
}

macro_rules! operators {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// What a condition asks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operator {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Operator {
            /// All of them with their names.
            pub const ALL: &'static [(Operator, &'static str)] = &[$((Operator::$variant, $name),)*];
        }
    };
}

operators! {
    /// The node is of one of these kinds.
    Kind = "kind?",
    /// The node is of none of these kinds.
    NotKind = "not-kind?",
    /// Its parent is of one of these kinds.
    Parent = "parent?",
    /// Its parent is of none of these kinds.
    NotParent = "not-parent?",
    /// Some node around it is of one of these kinds.
    Inside = "inside?",
    /// No node around it is of one of these kinds.
    NotInside = "not-inside?",
    /// Itself or a node in it is of one of these kinds.
    Has = "has?",
    /// Neither itself nor a node in it is of one of these kinds.
    Lacks = "lacks?",
    /// None of the other captures' texts occurs in it as a word.
    Unmentioned = "unmentioned?",
    /// Its text occurs, in the function around it, only inside the other captures.
    OnlyIn = "only-in?",
    /// It covers at most so many lines.
    Lines = "lines?",
    /// It is the only child of its parent, comments counted.
    Alone = "alone?",
    /// It has exactly so many named children.
    Count = "count?",
    /// A built-in function or class that nothing in the file rebinds.
    Builtin = "builtin?",
    /// An expression whose value is a `bool` whatever the types are.
    Bool = "bool?",
    /// An expression of which only the truth is used.
    Tested = "tested?",
    /// Evaluating it runs no code that could have an effect or fail.
    Pure = "pure?",
    /// Its value borrows from no temporary and drops nothing late.
    Plain = "plain?",
    /// None of these words is defined or imported as something else in the file.
    Standard = "standard?",
    /// The function around it returns this type, and `?` may stand there.
    Returns = "returns?",
    /// The function around it is a method of an undecorated class of that name, and the other capture is its first parameter.
    OwnClass = "own-class?",
    /// A dictionary for sure.
    Dictionary = "dictionary?",
    /// A `Vec`, `String`, slice or map for sure.
    Collection = "collection?",
    /// No `return` with a value, and no `yield`, is in the function around it.
    Procedure = "procedure?",
    /// A local name of the function around it: not `global`, not `nonlocal`.
    Local = "local?",
    /// What is searched by `in`, or what a loop goes through.
    Membership = "membership?",
    /// The file is not meant for Python 2 too.
    NotPython2 = "not-python2?",
    /// The handler around it gives the name no new value.
    Unassigned = "unassigned?",
    /// No documentation stands before the item, and it is not documentation itself.
    Undocumented = "undocumented?",
    /// The other two captures are arguments of the function of that name, and are called like its two parameters, swapped.
    Swapped = "swapped?",
}

impl Condition {
    /// The conditions of pattern `index`; the error names the first that is not known.
    pub fn of_pattern(query: &Query, index: usize) -> Result<Vec<Condition>, String> {
        let mut conditions = Vec::new();
        for predicate in query.general_predicates(index) {
            let name = &*predicate.operator;
            let found = Operator::ALL.iter().find(|(_, known)| *known == name);
            let operator = found.map(|(operator, _)| *operator).ok_or_else(|| format!("unknown condition `#{name}`"))?;
            let (mut captures, mut words) = (Vec::new(), Vec::new());
            for argument in &predicate.args {
                match argument {
                    QueryPredicateArg::Capture(id) => {
                        captures.extend(query.capture_names().get(*id as usize).map(|name| (*name).to_owned()));
                    }
                    QueryPredicateArg::String(word) => words.push(word.to_string()),
                }
            }
            if captures.is_empty() {
                return Err(format!("`#{name}` needs a capture"));
            }
            let capture = captures.remove(0);
            conditions.push(Condition { operator, capture, words, others: captures });
        }
        Ok(conditions)
    }

    /// Whether it holds for a match.
    pub fn holds(&self, source: Source<'_>, captures: &Captures<'_>) -> bool {
        let Some(nodes) = captures.get(&self.capture) else {
            // An optional part of the pattern that is not there breaks no condition on it.
            return true;
        };
        let others: Vec<Node<'_>> = self.others.iter().filter_map(|name| captures.get(name)).flatten().copied().collect();
        nodes.iter().all(|node| self.holds_for(source, *node, &others))
    }

    fn holds_for(&self, source: Source<'_>, node: Node<'_>, others: &[Node<'_>]) -> bool {
        let listed = |kind: &str| self.words.iter().any(|word| word == kind);
        let number = || self.words.first().and_then(|word| word.parse::<usize>().ok());
        match self.operator {
            Operator::Kind => listed(node.kind()),
            Operator::NotKind => !listed(node.kind()),
            Operator::Parent => node.parent().is_some_and(|parent| listed(parent.kind())),
            Operator::NotParent => node.parent().is_none_or(|parent| !listed(parent.kind())),
            Operator::Inside => ancestors(node).any(|above| listed(above.kind())),
            Operator::NotInside => !ancestors(node).any(|above| listed(above.kind())),
            Operator::Has => has(node, &listed),
            Operator::Lacks => !has(node, &listed),
            Operator::Unmentioned => {
                let text = source.text(node);
                let words = others.iter().map(|other| source.text(*other));
                !words.chain(self.words.iter().map(String::as_str)).any(|word| mentions(text, word))
            }
            Operator::OnlyIn => only_in(source, node, others),
            Operator::Lines => number().is_some_and(|most| node.end_position().row - node.start_position().row < most),
            Operator::Alone => node.parent().is_some_and(|parent| parent.named_child_count() == 1),
            Operator::Count => number().is_some_and(|count| node.named_child_count() == count),
            Operator::Builtin => match self.words.as_slice() {
                [] => known::python::is_builtin(source, source.text(node)),
                words => words.iter().all(|word| known::python::is_builtin(source, word)),
            },
            Operator::Bool => match source.language() {
                Language::Python => known::python::is_bool(source, node),
                _ => known::rust::is_bool(source, node),
            },
            Operator::Tested => known::python::is_tested(node),
            Operator::Pure => known::python::is_pure(node),
            Operator::Plain => known::rust::is_plain(node),
            Operator::Standard => known::rust::is_standard(source, &self.words),
            Operator::Returns => known::rust::returns(source, node, &self.words),
            Operator::OwnClass => {
                others.first().is_some_and(|first| known::python::is_own_class(source, node, source.text(*first)))
            }
            Operator::Dictionary => known::python::is_dictionary(source, node),
            Operator::Collection => known::rust::is_collection(source, node),
            Operator::Procedure => known::python::is_procedure(node),
            Operator::Local => known::python::is_local(source, node),
            Operator::Membership => known::python::is_searched(node),
            Operator::NotPython2 => known::python::is_python3(source.document.text()),
            Operator::Unassigned => known::python::is_unassigned(source, node),
            Operator::Undocumented => known::is_undocumented(node),
            Operator::Swapped => known::is_swapped(source, node, others),
        }
    }
}

/// The nodes around `node`, the nearest first.
pub fn ancestors(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    std::iter::successors(node.parent(), |above| above.parent())
}

/// Whether `node` or a node in it is of a kind that `listed` names.
pub fn has(node: Node<'_>, listed: &dyn Fn(&str) -> bool) -> bool {
    listed(node.kind()) || node.children(&mut node.walk()).any(|child| has(child, listed))
}

/// Whether `word` occurs in `text` as a whole word; in strings and comments too, because names may be meant there.
pub fn mentions(text: &str, word: &str) -> bool {
    !word.is_empty() && occurrences(text, word).next().is_some()
}

/// Offsets at which `word` occurs in `text` as a whole word.
pub fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !text[..at].chars().next_back().is_some_and(is_word) && !text[at + word.len()..].chars().next().is_some_and(is_word)
    })
}

/// The function around a node, or the whole file.
pub fn scope(node: Node<'_>) -> Node<'_> {
    let mut last = node;
    for above in ancestors(node) {
        if matches!(above.kind(), "function_item" | "function_definition") {
            return above;
        }
        last = above;
    }
    last
}

fn only_in(source: Source<'_>, name: Node<'_>, allowed: &[Node<'_>]) -> bool {
    let around = scope(name);
    occurrences(source.text(around), source.text(name)).all(|at| {
        let at = around.start_byte() + at;
        allowed.iter().any(|node| node.start_byte() <= at && at < node.end_byte())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_words() {
        assert!(mentions("a + b", "a") && mentions("x.a", "a") && mentions("f\"{a}\"", "a"));
        assert!(!mentions("ab + ba + a_ + _a + éa", "a"));
        assert!(!mentions("anything", ""));
    }

    #[test]
    fn unknown_conditions_are_named() {
        let grammar = Language::Rust.grammar();
        let query = Query::new(&grammar, "((identifier) @a (#magic? @a))").unwrap();
        assert_eq!(Condition::of_pattern(&query, 0), Err("unknown condition `#magic?`".to_owned()));
        let query = Query::new(&grammar, "((identifier) @a (#kind? \"x\"))").unwrap();
        assert!(Condition::of_pattern(&query, 0).unwrap_err().contains("needs a capture"));
    }
}
