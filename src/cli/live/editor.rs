//! Editing a text by hand in the user's editor.

use std::io;
use std::io::Write;
use std::process::Command;

/// Why the text did not come back.
#[derive(Debug, thiserror::Error)]
pub enum EditorError {
    /// Neither variable is set.
    #[error("no editor: set VISUAL or EDITOR to the command of yours")]
    NotSet,
    /// The variable cannot be read as a command.
    #[error("`{0}` is not a command: check the quotes in VISUAL or EDITOR")]
    Quotes(String),
    /// The editor did not start.
    #[error("cannot start the editor `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The editor says that the edit is to be dropped.
    #[error("the editor ended with {0}: the text is unchanged")]
    Failed(std::process::ExitStatus),
    /// The file for the editor.
    #[error("cannot use a temporary file for the editor: {0}")]
    File(#[from] io::Error),
    /// What came back is not text.
    #[error("the editor saved text that is not UTF-8: the text is unchanged")]
    Encoding,
}

/// The editor's command from `VISUAL`, or else `EDITOR`.
///
/// # Errors
/// Neither is set, or quotes are not closed.
pub fn editor_command(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, EditorError> {
    let line = ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.trim().is_empty())
        .ok_or(EditorError::NotSet)?;
    words(&line).filter(|words| !words.is_empty()).ok_or(EditorError::Quotes(line))
}

/// Words of a command line: blanks separate, single and double quotes and backslashes keep. No shell reads it.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next()?),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Lets the user edit `text` in a temporary file whose name ends with `suffix`, such as `.rs`. The terminal must be in its usual
/// mode ([`crate::screen::modes::ModeGuard::lend`]).
///
/// # Errors
/// The editor could not be started or reported a failure, or its text cannot be read.
pub fn edit(command: &[String], text: &str, suffix: &str) -> Result<String, EditorError> {
    let [program, arguments @ ..] = command else { return Err(EditorError::NotSet) };
    let mut file = tempfile::Builder::new().prefix("dcode-").suffix(suffix).tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    // Closed, so that an editor can replace the file; removed when `path` is dropped.
    let path = file.into_temp_path();
    let status = Command::new(program)
        .args(arguments)
        .arg(&path)
        .status()
        .map_err(|source| EditorError::Start { program: program.clone(), source })?;
    if !status.success() {
        return Err(EditorError::Failed(status));
    }
    String::from_utf8(std::fs::read(&path)?).map_err(|_| EditorError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_words() {
        let command = |value: &str| editor_command(|name| (name == "EDITOR").then(|| value.to_owned()));
        assert_eq!(command("code --wait").unwrap(), ["code", "--wait"]);
        assert_eq!(command("'/my editor/e' \"a \\\" b\" c\\ d ''").unwrap(), ["/my editor/e", "a \" b", "c d", ""]);
        assert!(matches!(command("'vi"), Err(EditorError::Quotes(_))));
        assert!(matches!(command("vi \\"), Err(EditorError::Quotes(_))));
        assert!(matches!(command("  "), Err(EditorError::NotSet)));
        let both = |name: &str| Some(if name == "VISUAL" { "v".to_owned() } else { "e".to_owned() });
        assert_eq!(editor_command(both).unwrap(), ["v"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_text_goes_through_the_editor() {
        let shell = |script: &str| ["sh", "-c", script, "editor"].map(str::to_owned);
        let upper = shell("case $1 in *.rs) tr a-z A-Z <\"$1\" >\"$1.new\" && mv \"$1.new\" \"$1\";; esac");
        assert_eq!(edit(&upper, "fn a\n", ".rs").unwrap(), "FN A\n");
        assert!(matches!(edit(&shell("exit 3"), "x", ".rs"), Err(EditorError::Failed(_))));
        assert!(matches!(edit(&shell("printf '\\377' >\"$1\""), "x", ".rs"), Err(EditorError::Encoding)));
        assert!(matches!(edit(&["/no/such/editor".to_owned()], "x", ""), Err(EditorError::Start { .. })));
        assert!(matches!(edit(&[], "x", ""), Err(EditorError::NotSet)));
    }
}
