//! The files of source trees, without those that ignore rules leave out.

use std::path::Path;
use std::path::PathBuf;

use ignore::WalkBuilder;

use super::error::CorpusError;
use crate::config::places::IGNORE_FILE;

/// A file of a source tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Name in the corpus: that of its tree's folder, and its path inside with `/`. It says nothing of the rest of the machine.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Number of its tree among those that were named.
    pub tree: usize,
}

/// A source tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its folder, without symbolic links.
    pub root: PathBuf,
    /// The folder's name.
    pub name: String,
}

impl Tree {
    /// The tree at `folder`.
    ///
    /// # Errors
    /// It is no folder.
    pub fn new(folder: &Path) -> Result<Tree, CorpusError> {
        let not_there = || CorpusError::NotAFolder { path: folder.to_path_buf() };
        let root = folder.canonicalize().ok().filter(|root| root.is_dir()).ok_or_else(not_there)?;
        let name = root.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(Tree { root, name })
    }

    /// Name in the corpus of the file at `relative`, a path inside this tree.
    pub fn name_of(&self, relative: &Path) -> String {
        let parts = relative.iter().map(|part| part.to_string_lossy());
        std::iter::once(self.name.as_str().into()).chain(parts).collect::<Vec<_>>().join("/")
    }
}

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// The files in the order of their names.
    pub files: Vec<SourceFile>,
    /// Files and folders that could not be read.
    pub unreadable: usize,
}

/// The files of the trees, in the order of their names, whatever order the system lists them in.
///
/// Git's rules hold with or without a repository, also those of folders above a tree; so do `.ignore` and `.dcodeignore`. Hidden files
/// are left out, symbolic links are not followed, and `but_not` (where the shards go) is not entered. `found` is called now and then
/// with the number of files so far.
pub fn walk(trees: &[Tree], but_not: &Path, found: &mut dyn FnMut(usize)) -> Walked {
    let mut walked = Walked::default();
    for (number, tree) in trees.iter().enumerate() {
        let skipped = but_not.to_path_buf();
        let mut builder = WalkBuilder::new(&tree.root);
        builder.require_git(false).follow_links(false).add_custom_ignore_filename(IGNORE_FILE);
        builder.filter_entry(move |entry| entry.path() != skipped);
        for entry in builder.build() {
            let Ok(entry) = entry else {
                walked.unreadable += 1;
                continue;
            };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let name = tree.name_of(entry.path().strip_prefix(&tree.root).unwrap_or(entry.path()));
            walked.files.push(SourceFile { name, path: entry.into_path(), tree: number });
            if walked.files.len().is_multiple_of(1000) {
                found(walked.files.len());
            }
        }
    }
    walked.files.sort();
    // A tree inside another one is named twice.
    let mut seen = std::collections::HashSet::new();
    walked.files.retain(|file| seen.insert(file.path.clone()));
    walked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let tree = Tree { name: "t".to_owned(), ..Tree::new(folder).unwrap() };
        walk(&[tree], Path::new("/nowhere"), &mut |_| {}).files.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn ignored_hidden_and_linked_files_stay_out() {
        let temp = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = temp.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for name in
            ["a.rs", "b/c.rs", "b/built.rs", "private/x.rs", ".hidden/y.rs", "target/z.rs", "b/deep/no.rs", "b/deep/yes.rs"]
        {
            write(name, "fn f() {}\n");
        }
        write(".gitignore", "/target\nbuilt.rs\n");
        write(".dcodeignore", "private/\n");
        write("b/.ignore", "deep/*\n!deep/yes.rs\n");
        #[cfg(unix)]
        std::os::unix::fs::symlink("a.rs", temp.path().join("link.rs")).unwrap();
        assert_eq!(names(temp.path()), ["t/a.rs", "t/b/c.rs", "t/b/deep/yes.rs"]);
        // Rules of the folders above a tree hold in it too.
        write("b/.dcodeignore", "c.rs\n");
        assert_eq!(names(&temp.path().join("b")), ["t/deep/yes.rs"]);
    }

    #[test]
    fn a_tree_in_a_tree_counts_once_and_a_file_is_no_tree() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("in")).unwrap();
        std::fs::write(temp.path().join("in/a.rs"), "").unwrap();
        let trees = [Tree::new(&temp.path().join("in")).unwrap(), Tree::new(temp.path()).unwrap()];
        assert_eq!(walk(&trees, Path::new("/nowhere"), &mut |_| {}).files.len(), 1);
        assert!(matches!(Tree::new(&temp.path().join("in/a.rs")), Err(CorpusError::NotAFolder { .. })));
        assert!(matches!(Tree::new(&temp.path().join("none")), Err(CorpusError::NotAFolder { .. })));
    }
}
