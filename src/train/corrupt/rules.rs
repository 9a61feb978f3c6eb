//! Rules that make worse code of good code, each undone by one of the hook's recipes.
//!
//! A rule is a tree-sitter query for a `@span` of good code and a template for the worse one, in the form that recipes have. It may be
//! careless: what it makes counts only when the recipe's own rewriting, with all its conditions, gives the good code back byte for byte.

use crate::syntax::language::Language;

/// How the worse code is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// By a template, as recipes have them.
    Template(&'static str),
    /// Rust: `format!("{x}")` becomes `format!("{}", x)`.
    FormatArgs,
    /// Python: `f"{x}"` becomes `"{}".format(x)`.
    FormatCall,
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Language of the code.
    pub language: Language,
    /// The recipe that undoes it.
    pub recipe: &'static str,
    /// What it looks for.
    pub query: &'static str,
    /// What it makes of it.
    pub worse: Worse,
}

const fn rust(recipe: &'static str, query: &'static str, template: &'static str) -> Rule {
    Rule { language: Language::Rust, recipe, query, worse: Worse::Template(template) }
}

const fn python(recipe: &'static str, query: &'static str, template: &'static str) -> Rule {
    Rule { language: Language::Python, recipe, query, worse: Worse::Template(template) }
}

/// All rules.
pub const RULES: &[Rule] = &[
    rust(
        "needless-return",
        r#"((function_item return_type: (_) body: (block (_) @span .)) (#not-kind? @span "expression_statement" "let_declaration" "line_comment" "block_comment"))"#,
        "return $span;",
    ),
    rust(
        "is-none",
        r#"((if_expression condition: (call_expression function: (field_expression value: (_) @value field: (field_identifier) @method)) @span) (#eq? @method "is_none"))"#,
        "let None = $value",
    ),
    rust(
        "is-some",
        r#"((if_expression condition: (call_expression function: (field_expression value: (_) @value field: (field_identifier) @method)) @span) (#eq? @method "is_some"))"#,
        "let Some(_) = $value",
    ),
    rust(
        "is-ok",
        r#"((if_expression condition: (call_expression function: (field_expression value: (_) @value field: (field_identifier) @method)) @span) (#eq? @method "is_ok"))"#,
        "let Ok(_) = $value",
    ),
    rust(
        "is-err",
        r#"((if_expression condition: (call_expression function: (field_expression value: (_) @value field: (field_identifier) @method)) @span) (#eq? @method "is_err"))"#,
        "let Err(_) = $value",
    ),
    rust("bool-comparison-true", "(if_expression condition: (call_expression) @span)", "$span == true"),
    rust("redundant-field-names", "(shorthand_field_initializer (identifier) @name) @span", "$name: $name.text"),
    rust(
        "assign-op",
        r#"(compound_assignment_expr left: (_) @place operator: "+=" right: (_) @amount) @span"#,
        "$place = $place.text + $amount",
    ),
    rust(
        "assign-op",
        r#"(compound_assignment_expr left: (_) @place operator: "-=" right: (_) @amount) @span"#,
        "$place = $place.text - $amount",
    ),
    rust(
        "assign-op",
        r#"(compound_assignment_expr left: (_) @place operator: "*=" right: (_) @amount) @span"#,
        "$place = $place.text * $amount",
    ),
    rust(
        "collapsible-if",
        r#"(if_expression condition: (binary_expression left: (_) @a operator: "&&" right: (_) @b) consequence: (block) @body !alternative) @span"#,
        "if $a {\n\tif $b $body\n}",
    ),
    rust("needless-bool", "(let_declaration value: (binary_expression) @span)", "if $span { true } else { false }"),
    rust("redundant-static-lifetime", "(const_item type: (reference_type type: (_) @type) @span)", "&'static $type"),
    rust("redundant-static-lifetime", "(static_item type: (reference_type type: (_) @type) @span)", "&'static $type"),
    rust(
        "println-empty",
        r#"((macro_invocation macro: (identifier) @macro (token_tree) @tree) @span (#match? @tree "^\\(\\)$"))"#,
        "$macro!(\"\")",
    ),
    rust(
        "len-zero",
        r#"((call_expression function: (field_expression value: (identifier) @value field: (field_identifier) @method)) @span (#eq? @method "is_empty"))"#,
        "$value.len() == 0",
    ),
    rust(
        "question-mark",
        "(let_declaration value: (try_expression (_) @value) @span)",
        "match $value {\n\tOk(value) => value,\n\tErr(error) => return Err(error),\n}",
    ),
    rust("unused-unit", "(function_item parameters: (parameters) @span !return_type)", "$span -> ()"),
    rust(
        "redundant-closure",
        r#"((arguments . [(identifier) (scoped_identifier)] @span .) (#any-of? @span "Some" "Ok" "Err" "String::from"))"#,
        "|value| $span(value)",
    ),
    rust("needless-else", "((if_expression consequence: (block) @span !alternative) @whole)", "$span else {\n}"),
    rust("not-equal", r#"(binary_expression left: (_) @a operator: "!=" right: (_) @b) @span"#, "!($a == $b)"),
    Rule {
        language: Language::Rust,
        recipe: "inline-format-args",
        query: r#"((macro_invocation macro: (identifier) @macro (token_tree) @tree) @span (#any-of? @macro "format" "print" "println" "eprint" "eprintln" "write" "writeln"))"#,
        worse: Worse::FormatArgs,
    },
    python("none-comparison", r#"(comparison_operator . (_) @value operators: "is" . (none) .) @span"#, "$value == None"),
    python("none-comparison-not", r#"(comparison_operator . (_) @value operators: "is not" . (none) .) @span"#, "$value != None"),
    python("not-in", r#"(comparison_operator . (_) @left operators: "not in" . (_) @right .) @span"#, "not $left in $right"),
    python("not-is", r#"(comparison_operator . (_) @left operators: "is not" . (_) @right .) @span"#, "not $left is $right"),
    python("negated-equal", r#"(comparison_operator . (_) @left operators: "!=" . (_) @right .) @span"#, "not $left == $right"),
    python(
        "collapsible-if",
        r#"(if_statement condition: (boolean_operator left: (_) @a operator: "and" right: (_) @b) consequence: (block) @body !alternative) @span"#,
        "if $a:\n\tif $b:\n\t\t$body",
    ),
    python("return-bool", "(return_statement . (_) @condition .) @span", "if $condition:\n\treturn True\nelse:\n\treturn False"),
    python("ternary-bool", "(assignment right: (_) @span)", "True if $span else False"),
    python("empty-list", r#"((list) @span (#match? @span "^\\[\\]$"))"#, "list()"),
    python("empty-dict", r#"((dictionary) @span (#match? @span "^\\{\\}$"))"#, "dict()"),
    python("empty-tuple", r#"((tuple) @span (#match? @span "^\\(\\)$"))"#, "tuple()"),
    python("superfluous-parens", "(if_statement condition: (_) @span)", "($span)"),
    python("superfluous-parens", "(while_statement condition: (_) @span)", "($span)"),
    python(
        "print-empty",
        r#"((call function: (identifier) @print arguments: (argument_list) @nothing) @span (#eq? @print "print") (#count? @nothing "0"))"#,
        "$print(\"\")",
    ),
    python(
        "range-zero",
        r#"((call function: (identifier) @range arguments: (argument_list . (_) @end .)) @span (#eq? @range "range"))"#,
        "$range(0, $end)",
    ),
    python("useless-object", "(class_definition name: (identifier) @span !superclasses)", "$span(object)"),
    python(
        "isinstance-or",
        r#"((call function: (identifier) @function arguments: (argument_list . (identifier) @value . (tuple . (_) @a . (_) @b .) .)) @span (#eq? @function "isinstance"))"#,
        "$function($value, $a) or $function.text($value.text, $b)",
    ),
    python(
        "startswith-or",
        r#"((call function: (attribute attribute: (identifier) @method) @function arguments: (argument_list . (tuple . (string) @a . (string) @b .) .)) @span (#eq? @method "startswith"))"#,
        "$function($a) or $function.text($b)",
    ),
    python(
        "endswith-or",
        r#"((call function: (attribute attribute: (identifier) @method) @function arguments: (argument_list . (tuple . (string) @a . (string) @b .) .)) @span (#eq? @method "endswith"))"#,
        "$function($a) or $function.text($b)",
    ),
    python(
        "raise-not-implemented",
        r#"((raise_statement (identifier) @span) (#eq? @span "NotImplementedError"))"#,
        "NotImplemented",
    ),
    python(
        "raise-not-implemented",
        r#"((raise_statement (call function: (identifier) @span)) (#eq? @span "NotImplementedError"))"#,
        "NotImplemented",
    ),
    python(
        "os-error-alias",
        r#"((except_clause value: [(identifier) @span (as_pattern . (identifier) @span)]) (#eq? @span "OSError"))"#,
        "IOError",
    ),
    python(
        "open-mode",
        r#"((call function: (identifier) @open arguments: (argument_list . (_) @file .)) @span (#eq? @open "open"))"#,
        "$open($file, \"r\")",
    ),
    python(
        "get-none",
        r#"((call function: (attribute attribute: (identifier) @get) @function arguments: (argument_list . (_) @key .)) @span (#eq? @get "get"))"#,
        "$function($key, None)",
    ),
    python("dict-keys", r#"(comparison_operator . (_) operators: ["in" "not in"] . (_) @span .)"#, "$span.keys()"),
    python("unicode-prefix", r#"((string (string_start) @span) (#match? @span "^\"$"))"#, "u\""),
    Rule { language: Language::Python, recipe: "format-call", query: "(string (interpolation)) @span", worse: Worse::FormatCall },
];
