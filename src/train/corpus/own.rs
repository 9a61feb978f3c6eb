//! The corpus of one's own repository, to tune a model on: its files and its history, of whatever licence, and a part of them held out.

use std::path::Path;

use super::build::Options;
use super::build::Progress;
use super::build::build;
use super::error::CorpusError;
use super::history::Period;
use super::manifest::Manifest;
use super::rules::Rules;
use crate::model::tokenizer::Tokenizer;
use crate::patch::git::WorkTree;

/// Share of the files that are held out. A repository is small, and what is measured on a few files says little.
const HELD_OUT: f64 = 0.1;

/// Builds a corpus of the files and edits below `folder`, which must lie in a git work tree.
///
/// What git, `.ignore` or `.dcodeignore` leave out is not in it, also where git tracks it or an old commit has it; nor is what looks like a
/// secret. The same goes for `folder` itself. A file is held out together with its edits.
///
/// # Errors
/// There is no repository, the folder is ignored, or nothing is left.
pub fn build_own(
    folder: &Path,
    out: &Path,
    tokenizer: (&str, &Tokenizer),
    command: Vec<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, CorpusError> {
    let not_there = |_| CorpusError::NotAFolder { path: folder.to_path_buf() };
    let root = folder.canonicalize().map_err(not_there)?;
    let work = WorkTree::discover(&root)?.ok_or_else(|| CorpusError::NoHistory { path: root.clone() })?;
    let relative = root.strip_prefix(work.root()).unwrap_or(Path::new(""));
    let mut rules = Rules::new(&work);
    if relative.ancestors().any(|folder| folder != Path::new("") && rules.leave_out(folder, true)) {
        return Err(CorpusError::Ignored { path: folder.to_path_buf() });
    }
    let options =
        Options { any_licence: true, held_out: HELD_OUT, edits: Some(Period::default()), command, ..Options::default() };
    build(&[&root], out, tokenizer, &options, progress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::corpus::open::Records;
    use crate::train::corpus::shard::ShardKind;
    use crate::train::corpus::split::Set;
    use crate::train::corrupt::testing::commit_all;
    use crate::train::corrupt::testing::rust_code;
    use crate::train::corrupt::testing::tokenizer;

    /// Marks that must not come out anywhere.
    const FORBIDDEN: [&str; 6] =
        ["mark_ignored", "mark_dcode", "mark_secret_file", "mark_secret_text", "mark_tracked", "mark_hidden"];

    fn marked(number: usize, mark: &str) -> String {
        format!("{}pub fn {mark}() -> u32 {{\n    1\n}}\n", rust_code(number))
    }

    #[test]
    fn nothing_that_is_ignored_or_secret_comes_out() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("own");
        let repository = git2::Repository::init(&root).unwrap();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for round in 0..2 {
            let change = |text: String| {
                if round == 0 { text } else { text.replace("Some(", "Option::Some(").replacen("Option::Some(", "Some(", 3) }
            };
            (0..20).for_each(|number| write(&format!("src/f{number}.rs"), &change(marked(number, "mark_fine"))));
            write("ignored/a.rs", &change(marked(30, "mark_ignored")));
            write("private/a.rs", &change(marked(31, "mark_dcode")));
            write("src/secrets.json", "{\"mark_secret_file\": 1}\n");
            write("src/key.rs", &change(format!("{}// \n-----BEGIN RSA PRIVATE KEY-----\n", marked(32, "mark_secret_text"))));
            write("src/old.rs", &change(marked(33, "mark_tracked")));
            write(".hidden/a.rs", &change(marked(34, "mark_hidden")));
            // In the history all of them are, because the rules came later.
            commit_all(&repository, if round == 0 { "add everything there is" } else { "name the type where it is made" });
        }
        write(".gitignore", "/ignored\n/src/old.rs\n");
        write(".dcodeignore", "private/\n");
        let out = temp.path().join("out");
        let tokenizer = tokenizer();
        let manifest = build_own(&root, &out, ("bytes", &tokenizer), Vec::new(), &mut |_| {}).unwrap();
        assert_eq!(manifest.kept, 20, "{manifest:?}");
        // The second commit changes too many files to be taken: one at a time they are edits.
        assert_eq!(manifest.edits.as_ref().unwrap().kept, 0);
        for (number, name) in
            ["src/f1.rs", "ignored/a.rs", "private/a.rs", "src/key.rs", "src/old.rs", ".hidden/a.rs"].iter().enumerate()
        {
            let text = std::fs::read_to_string(root.join(name)).unwrap();
            write(name, &text.replacen("None;", "Option::None;", 1));
            commit_all(&repository, &format!("name the type of part {number}"));
        }
        let manifest = build_own(&root, &out, ("bytes", &tokenizer), Vec::new(), &mut |_| {}).unwrap();
        assert_eq!(manifest.edits.as_ref().unwrap().kept, 1, "{manifest:?}");
        let mut names = Vec::new();
        for kind in [ShardKind::Files, ShardKind::Edits] {
            for set in Set::ALL {
                let records = Records::open(&out, kind, set, &tokenizer).unwrap();
                for record in records.iter() {
                    let text = tokenizer.decode(&record.tokens(0..usize::MAX));
                    assert!(!FORBIDDEN.iter().any(|mark| text.contains(mark)), "{}", record.name());
                    names.push((kind == ShardKind::Files, set, record.name().to_owned()));
                }
            }
        }
        assert_eq!(names.len(), 21);
        let sets = |wanted: Set| names.iter().filter(|(is_file, set, _)| *is_file && *set == wanted).count();
        assert!(sets(Set::HeldOut) >= 1 && sets(Set::Train) > sets(Set::HeldOut), "{names:?}");
        // A part of it, and a part that is ignored.
        let manifest = build_own(&root.join("src"), &out, ("bytes", &tokenizer), Vec::new(), &mut |_| {}).unwrap();
        assert_eq!(manifest.kept, 20);
        for folder in ["ignored", "private", ".hidden"] {
            let error = build_own(&root.join(folder), &out, ("bytes", &tokenizer), Vec::new(), &mut |_| {}).unwrap_err();
            assert!(matches!(error, CorpusError::Ignored { .. }), "{folder}: {error}");
        }
        let outside = build_own(temp.path(), &out, ("bytes", &tokenizer), Vec::new(), &mut |_| {});
        assert!(matches!(outside, Err(CorpusError::NoHistory { .. })));
    }
}
