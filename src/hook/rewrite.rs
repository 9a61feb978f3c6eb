//! Rewritings that the match determines, but a template cannot express: names moved into format strings.

use serde::Deserialize;
use tree_sitter::Node;

use super::condition::Source;
use super::known::python::is_python3;
use super::template::Captures;

/// A rule that makes the new text of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewrite {
    /// Rust: `format!("{}", x)` becomes `format!("{x}")`. The span is the macro call, `@tree` its token tree.
    FormatArgs,
    /// Python: `"{}".format(x)` becomes `f"{x}"`. The span is the call, `@string` the string, `@arguments` the arguments.
    FormatCall,
}

impl Rewrite {
    /// The new text of the span; `None` where the rule does not say what it is.
    pub fn apply(self, source: Source<'_>, captures: &Captures<'_>) -> Option<String> {
        let one = |name: &str| match captures.get(name).map(Vec::as_slice) {
            Some([node]) => Some(*node),
            _ => None,
        };
        match self {
            Rewrite::FormatArgs => format_args(source, one("span")?, one("tree")?),
            Rewrite::FormatCall => format_call(source, one("string")?, one("arguments")?),
        }
    }
}

/// One replacement field of a format string.
struct Field<'s> {
    /// Offset just behind its opening brace.
    at: usize,
    /// What stands before the colon or exclamation mark.
    argument: &'s str,
    /// The rest, without the closing brace.
    rest: &'s str,
}

/// The fields of a format string's content; `None` if its braces do not pair up, or are nested.
fn fields(content: &str) -> Option<Vec<Field<'_>>> {
    let bytes = content.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'}' if bytes.get(at + 1) == Some(&bytes[at]) => at += 2,
            b'}' => return None,
            b'{' => {
                let inner = &content[at + 1..];
                let inner = &inner[..inner.find('}')?];
                if inner.contains('{') {
                    return None;
                }
                let split = inner.find([':', '!']).unwrap_or(inner.len());
                found.push(Field { at: at + 1, argument: &inner[..split], rest: &inner[split..] });
                at += 1 + inner.len() + 1;
            }
            _ => at += 1,
        }
    }
    Some(found)
}

/// `content` with `names[k]` as the argument of field `k`.
fn filled(content: &str, fields: &[Field<'_>], names: &[&str]) -> String {
    let mut out = String::with_capacity(content.len() + 16);
    let mut kept = 0;
    for (field, name) in fields.iter().zip(names) {
        out.push_str(&content[kept..field.at]);
        out.push_str(name);
        kept = field.at + field.argument.len();
    }
    out.push_str(&content[kept..]);
    out
}

fn format_args(source: Source<'_>, span: Node<'_>, tree: Node<'_>) -> Option<String> {
    let mut groups: Vec<Vec<Node<'_>>> = vec![Vec::new()];
    let children: Vec<Node<'_>> = tree.children(&mut tree.walk()).collect();
    let [_, inside @ .., _] = children.as_slice() else { return None };
    for child in inside {
        match (child.kind(), groups.last_mut()) {
            (",", _) => groups.push(Vec::new()),
            (_, Some(group)) => group.push(*child),
            (_, None) => return None,
        }
    }
    // A comma behind the last argument.
    if groups.last().is_some_and(Vec::is_empty) {
        groups.pop();
    }
    let place = groups.iter().position(|group| matches!(group.as_slice(), [node] if node.kind() == "string_literal"))?;
    let [literal] = groups[place].as_slice() else { return None };
    let names: Vec<&str> = groups[place + 1..]
        .iter()
        .map(|group| match group.as_slice() {
            [node] if node.kind() == "identifier" => Some(source.text(*node)),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let text = source.text(*literal);
    let content = text.strip_prefix('"')?.strip_suffix('"')?;
    let plain = !content.contains("\\u") && names.iter().all(|name| !name.starts_with("r#") && *name != "_");
    let fields = fields(content)?;
    let positional = fields.iter().all(|field| field.argument.is_empty() && !field.rest.contains(['$', '*', '!']));
    if names.is_empty() || fields.len() != names.len() || !plain || !positional {
        return None;
    }
    let whole = source.document.text();
    let (head, last) = (&whole[span.start_byte()..literal.start_byte()], inside.last()?);
    let tail = &whole[last.end_byte()..span.end_byte()];
    Some(format!("{head}\"{}\"{tail}", filled(content, &fields, &names)))
}

fn format_call(source: Source<'_>, string: Node<'_>, arguments: Node<'_>) -> Option<String> {
    if !is_python3(source.document.text()) {
        return None;
    }
    let text = source.text(string);
    let quote = if text.starts_with("\"\"\"") || text.starts_with("'''") { &text[..3] } else { text.get(..1)? };
    // An escape may stand for a brace, which `format` sees and an f-string does not.
    let escapes_braces =
        text.split('\\').skip(1).any(|rest| rest.starts_with(|c: char| "xuUN".contains(c) || c.is_ascii_digit()));
    if !quote.starts_with(['"', '\'']) || escapes_braces {
        return None;
    }
    let content = text.get(quote.len()..text.len().checked_sub(quote.len())?)?;
    let (mut positional, mut named) = (Vec::new(), Vec::new());
    for argument in arguments.named_children(&mut arguments.walk()) {
        if is_dotted(argument) {
            positional.push(source.text(argument));
        } else if argument.kind() == "keyword_argument" {
            let value = argument.child_by_field_name("value").filter(|value| is_dotted(*value))?;
            named.push((source.text(argument.child_by_field_name("name")?), source.text(value)));
        } else {
            return None;
        }
    }
    let fields = fields(content)?;
    let automatic = fields.iter().any(|field| field.argument.is_empty());
    let mut used = vec![0; positional.len() + named.len()];
    let mut values = Vec::new();
    for (number, field) in fields.iter().enumerate() {
        let index = match field.argument {
            "" => number,
            // Both ways of counting in one string are an error that has to stay one.
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) && !automatic => digits.parse().ok()?,
            name if !automatic || !name.as_bytes()[0].is_ascii_digit() => {
                positional.len() + named.iter().position(|(known, _)| *known == name)?
            }
            _ => return None,
        };
        *used.get_mut(index)? += 1;
        values.push(positional.get(index).copied().or_else(|| Some(named.get(index.checked_sub(positional.len())?)?.1))?);
    }
    // Named and automatic fields together: the numbers of the automatic ones are not their places.
    let mixed = automatic && fields.iter().any(|field| !field.argument.is_empty());
    if fields.is_empty() || mixed || used.iter().any(|count| *count != 1) {
        return None;
    }
    Some(format!("f{quote}{}{quote}", filled(content, &fields, &values)))
}

/// A name, or attributes of one: no quotes, no calls.
fn is_dotted(node: Node<'_>) -> bool {
    match node.kind() {
        "identifier" => true,
        "attribute" => node.child_by_field_name("object").is_some_and(is_dotted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_format_strings() {
        let parts = |text: &str| {
            fields(text).map(|all| all.iter().map(|field| (field.argument.to_owned(), field.rest.to_owned())).collect::<Vec<_>>())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(parts("a {} {{}} {x:>5} {0!r}"), Some(vec![pair("", ""), pair("x", ":>5"), pair("0", "!r")]));
        assert_eq!(parts("{"), None);
        assert_eq!(parts("}"), None);
        assert_eq!(parts("{:{}}"), None);
        assert_eq!(parts("é{}"), Some(vec![pair("", "")]));
        let text = "é {:?} {}";
        assert_eq!(filled(text, &fields(text).unwrap(), &["a", "b"]), "é {a:?} {b}");
    }
}
