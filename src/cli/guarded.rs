//! Files that are not for a model: those that look like secrets, and those that `.dcodeignore` names.
//!
//! Their text would lie in the journal and in plans too, where nobody expects it.

use std::path::Path;

use clap::Args;
use ignore::gitignore::GitignoreBuilder;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::say;
use crate::cli::write::Place;
use crate::config::places::IGNORE_FILE;
use crate::document::Document;
use crate::text::secret::holds_private_key;
use crate::text::secret::is_secret_name;

/// Whether files that look like secrets may be edited.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SecretArgs {
    /// Edit files that look like secrets, such as .env and private keys, too
    #[arg(long)]
    pub allow_secrets: bool,
}

impl SecretArgs {
    /// Refuses a file that is not for a model, and says so when git ignores it.
    ///
    /// # Errors
    /// It looks like a secret, or `.dcodeignore` names it.
    pub fn check(self, place: &Place, document: &Document) -> Result<(), Failure> {
        self.judge(place, document)?.iter().for_each(|note| say(note));
        Ok(())
    }

    /// As [`SecretArgs::check`], with what is to be said about a file that is not refused.
    ///
    /// # Errors
    /// As [`SecretArgs::check`].
    pub fn judge(self, place: &Place, document: &Document) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        let path = document.path();
        let shown = path.display();
        let refused = |why: String| Err(Failure::new(Exit::Refused, why));
        if !self.allow_secrets {
            let file = place.target().map_or_else(|_| path.to_path_buf(), |target| target.path().to_path_buf());
            if [path, &file].into_iter().filter_map(Path::file_name).any(is_secret_name) {
                return refused(format!("{shown}: looks like a secret by its name; --allow-secrets edits it all the same"));
            }
            if holds_private_key(document.text()) {
                return refused(format!("{shown}: holds a private key; --allow-secrets edits it all the same"));
            }
        }
        // What may not be written can still be shown.
        let Ok(target) = place.target() else { return Ok(notes) };
        let root = target.root().or(target.path().parent()).unwrap_or(Path::new("/"));
        if root.join(IGNORE_FILE).is_file() {
            let mut builder = GitignoreBuilder::new(root);
            // A line that cannot be read is told, and the others count.
            if let Some(error) = builder.add(root.join(IGNORE_FILE)) {
                notes.push(format!("note: {error}"));
            }
            let rules = builder.build().map_err(|error| Failure::usage(format!("{IGNORE_FILE}: {error}")))?;
            let inside = target.path().strip_prefix(root).unwrap_or(target.path());
            if rules.matched_path_or_any_parents(inside, false).is_ignore() {
                return refused(format!("{shown}: {IGNORE_FILE} keeps it from dcode; take it out there first"));
            }
        }
        if let Some(tree) = place.tree()
            && tree.status(target.relative())?.ignored
        {
            notes.push(format!("note: {shown} is ignored by git; whatever makes it may overwrite the edit"));
        }
        Ok(notes)
    }
}
