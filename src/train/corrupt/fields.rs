//! Names taken out of format strings, to stand behind them: what the recipes `inline-format-args` and `format-call` put in again.

/// Content of a format string without its names, and the names in order. `None` where there is none, or where a field holds more than a
/// name (Rust) or a dotted one (Python), and its format.
///
/// `content` is what stands between the quotes. A field of Rust that is numbered or empty, or a width that is an argument, refuses.
fn without_names(content: &str, is_name: fn(&str) -> bool) -> Option<(String, Vec<&str>)> {
    let bytes = content.as_bytes();
    let (mut out, mut names) = (String::with_capacity(content.len()), Vec::new());
    let mut at = 0;
    let mut kept = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'}' if bytes.get(at + 1) == Some(&bytes[at]) => at += 2,
            b'}' => return None,
            b'{' => {
                let inner = content[at + 1..].split('}').next()?;
                let end = inner.find([':', '!']).unwrap_or(inner.len());
                let (name, format) = inner.split_at(end);
                let closes = bytes.get(at + 1 + inner.len()) == Some(&b'}');
                if !closes || !is_name(name) || format.contains(['{', '$', '*', '=', '\\', '"', '\'']) {
                    return None;
                }
                out.push_str(&content[kept..=at]);
                names.push(name);
                kept = at + 1 + name.len();
                at += 1 + inner.len() + 1;
            }
            _ => at += 1,
        }
    }
    out.push_str(&content[kept..]);
    (!names.is_empty()).then_some((out, names))
}

/// `format!("{x}")` as `format!("{}", x)`: the text of a macro call on one line whose last argument is the string.
pub fn format_args(call: &str) -> Option<String> {
    let close = call.rfind([')', ']', '}'])?;
    let inside = &call[..close];
    let quoted = inside.strip_suffix('"')?;
    let open = quoted.rfind('"')?;
    let content = &quoted[open + 1..];
    // A quote that is escaped is none.
    if quoted[..open].ends_with(['\\', '#', 'r', 'b']) || content.contains('\\') {
        return None;
    }
    let is_name = |name: &str| {
        let mut characters = name.chars();
        let begins = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        begins && name != "_" && characters.all(|c| c.is_alphanumeric() || c == '_')
    };
    let (content, names) = without_names(content, is_name)?;
    Some(format!("{}\"{content}\", {}{}", &quoted[..open], names.join(", "), &call[close..]))
}

/// `f"{x}"` as `"{}".format(x)`.
pub fn format_call(string: &str) -> Option<String> {
    let string = string.strip_prefix(['f', 'F'])?;
    let quote = string.get(..1).filter(|quote| ["\"", "'"].contains(quote))?;
    let content = string.strip_prefix(quote)?.strip_suffix(quote)?;
    if content.contains(['\\', '\n']) || content.contains(quote) {
        return None;
    }
    let is_dotted = |name: &str| {
        name.split('.').all(|part| {
            part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        })
    };
    let (content, names) = without_names(content, is_dotted)?;
    Some(format!("{quote}{content}{quote}.format({})", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust() {
        for (call, expected) in [
            (r#"format!("{x} {y:?}")"#, Some(r#"format!("{} {:?}", x, y)"#)),
            (r#"writeln!(out, "{{}} {name:>5}")"#, Some(r#"writeln!(out, "{{}} {:>5}", name)"#)),
            (r#"println!["é{a}é"]"#, Some(r#"println!["é{}é", a]"#)),
            (r#"format!("none")"#, None),
            (r#"format!("{}", x)"#, None),
            (r#"format!("{0}")"#, None),
            (r#"format!("{x:width$}")"#, None),
            (r#"format!("\"{x}")"#, None),
            (r##"format!(r"{x}")"##, None),
            (r#"format!("{x")"#, None),
            ("format!(x)", None),
            ("", None),
        ] {
            assert_eq!(format_args(call).as_deref(), expected, "{call}");
        }
    }

    #[test]
    fn python() {
        for (string, expected) in [
            (r#"f"{x}: {y.z:>5}""#, Some(r#""{}: {:>5}".format(x, y.z)"#)),
            ("f'{x!r}'", Some("'{!r}'.format(x)")),
            (r#"f"{x[0]}""#, None),
            (r#"f"{g(x)}""#, None),
            (r#"f"{x=}""#, None),
            (r#"f"{x:{w}}""#, None),
            (r#""{x}""#, None),
            (r#"f"""{x}""""#, None),
            (r#"rf"{x}""#, None),
            (r#"f"plain""#, None),
        ] {
            assert_eq!(format_call(string).as_deref(), expected, "{string}");
        }
    }
}
