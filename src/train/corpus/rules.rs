//! What `.dcodeignore` and `.ignore` files say of paths that may no longer be there, as those of a history.
//!
//! A walk over files that are there needs none of this: it reads the rules as it comes by.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use ignore::gitignore::Gitignore;
use ignore::gitignore::GitignoreBuilder;

use crate::config::places::IGNORE_FILE;
use crate::patch::git::WorkTree;

/// The rules of one work tree, read as they are asked for.
pub struct Rules<'t> {
    tree: &'t WorkTree,
    folders: HashMap<PathBuf, Option<Gitignore>>,
}

impl std::fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("root", &self.tree.root()).finish_non_exhaustive()
    }
}

impl<'t> Rules<'t> {
    /// The rules of a work tree as its files are now.
    pub fn new(tree: &'t WorkTree) -> Self {
        Self { tree, folders: HashMap::new() }
    }

    /// Whether git's rules, or a `.dcodeignore` or `.ignore` in a folder around it, leave out `relative`, the path of a file or folder
    /// inside the work tree.
    /// A hidden name leaves it out as well. What git tracks all the same counts as ignored: somebody wanted it out of the way.
    pub fn leave_out(&mut self, relative: &Path, is_folder: bool) -> bool {
        let is_hidden = relative.iter().any(|part| part.to_string_lossy().starts_with('.'));
        if is_hidden || self.tree.repository().is_path_ignored(relative).unwrap_or(true) {
            return true;
        }
        // The nearest folder that says something has the last word.
        for folder in relative.ancestors().skip(1) {
            let root = self.tree.root().join(folder);
            let rules = self.folders.entry(folder.to_path_buf()).or_insert_with(|| read(&root));
            let Some(rules) = rules else { continue };
            let inside = relative.strip_prefix(folder).unwrap_or(relative);
            let found = rules.matched_path_or_any_parents(inside, is_folder);
            if found.is_ignore() {
                return true;
            }
            if found.is_whitelist() {
                return false;
            }
        }
        false
    }
}

/// The rules of one folder; `None` when it has none. Of a file that cannot be read in part, the other lines count.
fn read(folder: &Path) -> Option<Gitignore> {
    let files: Vec<PathBuf> =
        [".ignore", IGNORE_FILE].iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
    if files.is_empty() {
        return None;
    }
    let mut builder = GitignoreBuilder::new(folder);
    files.iter().for_each(|file| drop(builder.add(file)));
    builder.build().ok()
}
