//! A command line as words, without a shell: quotes and backslashes as people know them, and nothing is run, expanded or joined.

/// Why a command line is not split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// No word at all.
    #[error("the command is empty; give a program and its arguments")]
    Empty,
    /// A quote without its end.
    #[error("{0}: a quote is not closed")]
    Quote(String),
    /// What only a shell understands.
    #[error("{line}: {mark:?} is for a shell, and none is used; give one command each time, or run a script")]
    Shell {
        /// The command line.
        line: String,
        /// The operator.
        mark: &'static str,
    },
}

/// What a shell would act on when it stands outside of quotes.
const MARKS: [&str; 9] = ["&&", "||", "$(", "|", ";", "<", ">", "&", "`"];

/// Splits `line` at blanks. `'…'` is taken as it is, in `"…"` and outside of quotes a backslash takes the next character as it is.
///
/// # Errors
/// There is no word, a quote stays open, or an operator of a shell stands outside of quotes.
pub fn split(line: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    let open = || WordsError::Quote(line.to_owned());
    loop {
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.as_str().starts_with(mark)) {
            return Err(WordsError::Shell { line: line.to_owned(), mark });
        }
        let Some(character) = rest.next() else { break };
        match character {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let text = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or_else(open)? {
                        '\'' => break,
                        other => text.push(other),
                    }
                }
            }
            '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or_else(open)? {
                        '"' => break,
                        '\\' => match rest.next().ok_or_else(open)? {
                            escaped @ ('"' | '\\' | '$' | '`') => text.push(escaped),
                            other => text.extend(['\\', other]),
                        },
                        other => text.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) { Err(WordsError::Empty) } else { Ok(words) }
}

/// The words as one line that [`split`] reads back.
pub fn join(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%^~#?*[]{}!".contains(c);
    let quoted = |word: &String| match word.chars().all(plain) && !word.is_empty() {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_as_a_shell_would_make_them() {
        for (line, words) in [
            ("cargo check --quiet", &["cargo", "check", "--quiet"][..]),
            ("  a\t'b c'  \"d \\\" e\" f\\ g ", &["a", "b c", "d \" e", "f g"]),
            ("a '' \"\" b''c", &["a", "", "", "bc"]),
            (r#"sh -c 'a && b | c > "$d"; e'"#, &["sh", "-c", r#"a && b | c > "$d"; e"#]),
            (r#"a "\n\$x" $HOME * # no comment"#, &["a", r"\n$x", "$HOME", "*", "#", "no", "comment"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for line in ["a && b", "a || b", "a | b", "a; b", "a > f", "a < f", "a & ", "a $(b)", "a `b`"] {
            assert!(matches!(split(line), Err(WordsError::Shell { .. })), "{line}");
        }
        for line in ["a 'b", "a \"b", "a \"b\\"] {
            assert_eq!(split(line), Err(WordsError::Quote(line.to_owned())));
        }
        for line in ["", "  ", "'' a"] {
            assert_eq!(split(line), Err(WordsError::Empty));
        }
    }

    proptest! {
        #[test]
        fn joined_words_split_again(words in prop::collection::vec(".{0,8}", 1..5)) {
            prop_assume!(!words[0].is_empty());
            prop_assert_eq!(split(&join(&words)).unwrap(), words);
        }
    }

    /// The words are those that a POSIX shell makes of the same line, where it needs no expansion.
    #[cfg(unix)]
    #[test]
    fn a_shell_agrees() {
        for line in [r#"a 'b c' "d\"e" f\ g"#, r#"x "a\\b" '\n' "" y\'z"#, "one  two\tthree"] {
            let output = std::process::Command::new("sh").args(["-c", &format!("printf '%s\\0' {line}")]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let expected: Vec<&str> = text.strip_suffix('\0').unwrap().split('\0').collect();
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
    }
}
