//! Hidden characters that a new text would bring into a file are refused unless the user asks for them.

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::document::Document;
use crate::patch::hunk;
use crate::patch::hunk::Hunk;
use crate::text::new_hazards;

/// Whether hidden characters may come into a file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct HiddenArgs {
    /// Take new text with directional, zero-width and other hidden characters that the old text did not have
    #[arg(long)]
    pub allow_bidi: bool,
}

impl HiddenArgs {
    /// Checks the hunks of a document.
    ///
    /// # Errors
    /// One brings a hidden character that its old text does not have; the message names it and its line in the new text.
    pub fn check(&self, document: &Document, hunks: &[Hunk]) -> Result<(), Failure> {
        if self.allow_bidi {
            return Ok(());
        }
        match hidden(document, hunks)? {
            Some(what) => Err(Failure::new(Exit::Refused, format!("{what}; nothing was written. --allow-bidi takes it"))),
            None => Ok(()),
        }
    }
}

/// What says that a hunk brings a hidden character that its old text does not have: which, and in which line of the new text.
///
/// # Errors
/// The hunks do not fit the document, which is a fault of dcode.
pub fn hidden(document: &Document, hunks: &[Hunk]) -> Result<Option<String>, Failure> {
    let mut growth = 0;
    let mut sorted: Vec<&Hunk> = hunks.iter().collect();
    sorted.sort_by_key(|hunk| hunk.at);
    for hunk in sorted {
        if let Some(hazard) = new_hazards(&hunk.old, &hunk.new).first() {
            let new = hunk::apply(document, hunks).map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
            let at = hunk.at.start.saturating_add_signed(growth) + hazard.offset;
            let line = new.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1;
            let (path, code) = (document.path().display(), u32::from(hazard.character));
            return Ok(Some(format!(
                "{path}: line {line} of the new text has the {} character U+{code:04X}, which the old text has not",
                hazard.kind
            )));
        }
        growth += hunk.growth();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str) -> Result<(), String> {
        let document = Document::from_bytes("f.rs".into(), old.as_bytes().to_vec()).unwrap();
        let hunks = hunk::of_spans(&document, &[(document.whole(), new)]).unwrap();
        assert!(HiddenArgs { allow_bidi: true }.check(&document, &hunks).is_ok());
        HiddenArgs::default().check(&document, &hunks).map_err(|failure| {
            assert_eq!(failure.exit, Exit::Refused);
            failure.message
        })
    }

    #[test]
    fn the_message_names_the_character_and_its_line() {
        let message = check("a\nb\nc\nd\n", "a\nB\nB2\nc\nd \u{202e}\n").unwrap_err();
        assert!(message.contains("f.rs: line 5 ") && message.contains("directional character U+202E"), "{message}");
        assert!(check("a\n", "a\u{200b}\n").unwrap_err().contains("line 1 of the new text has the zero-width character U+200B"));
        assert!(check("a\n", "b\n\u{1b}[2J\n").unwrap_err().contains("line 2 of the new text has the control character U+001B"));
    }

    #[test]
    fn what_was_there_may_stay() {
        assert_eq!(check("x \u{202e} y\n", "z \u{202e} y\r\n\té 🦀"), Ok(()));
        // Not from one hunk to another: there it changes other lines.
        assert!(check("a\u{200b}\nb\nc\n", "a\nb\nc\u{200b}\n").is_err());
    }
}
