//! The files of a work tree, with what git says about each.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use git2::Repository;
use git2::Status;
use git2::StatusOptions;
use ignore::WalkBuilder;

use crate::tui::state::picker::Item;
use crate::tui::state::picker::Value;

/// Files listed at most; who has more narrows the list by opening dcode in a folder below.
const MOST: usize = 50_000;

/// The files below `root` that no ignore rule names; those that differ from the last commit first.
pub fn list(root: &Path) -> Vec<Item> {
    let badges = badges(root);
    let walk = WalkBuilder::new(root)
        // Files such as .github/workflows are edited too; git's own are not.
        .hidden(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut items: Vec<Item> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            let relative = entry.path().strip_prefix(root).ok()?;
            // A name that is not UTF-8 cannot be typed or shown as it is: `dcode FILE` opens it.
            let name = relative.to_str()?.to_owned();
            let badge = badges.get(relative).copied().unwrap_or(' ');
            Some(Item { label: name.clone(), detail: word(badge).to_owned(), badge, value: Value::File(name) })
        })
        .take(MOST)
        .collect();
    items.sort_by(|a, b| (a.badge == ' ').cmp(&(b.badge == ' ')).then_with(|| a.label.cmp(&b.label)));
    items
}

/// What a badge means.
fn word(badge: char) -> &'static str {
    match badge {
        'M' => "modified",
        'A' => "added",
        '?' => "untracked",
        'U' => "in a merge",
        _ => "",
    }
}

/// The paths below `root` that differ from the last commit. Without a repository, or when it cannot be read, there are none.
fn badges(root: &Path) -> HashMap<PathBuf, char> {
    let read = || -> Option<HashMap<PathBuf, char>> {
        let repository = Repository::discover(root).ok()?;
        let tree = repository.workdir()?.canonicalize().ok()?;
        let root = root.canonicalize().ok()?;
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).exclude_submodules(true);
        let statuses = repository.statuses(Some(&mut options)).ok()?;
        let of = |entry: git2::StatusEntry<'_>| {
            let path = tree.join(std::str::from_utf8(entry.path_bytes()).ok()?);
            Some((path.strip_prefix(&root).ok()?.to_path_buf(), badge(entry.status())?))
        };
        Some(statuses.iter().filter_map(of).collect())
    };
    read().unwrap_or_default()
}

fn badge(status: Status) -> Option<char> {
    let any = |set: Status| status.intersects(set);
    if any(Status::CONFLICTED) {
        Some('U')
    } else if any(Status::WT_NEW) {
        Some('?')
    } else if any(Status::INDEX_NEW) {
        Some('A')
    } else if any(Status::INDEX_MODIFIED
        | Status::WT_MODIFIED
        | Status::INDEX_RENAMED
        | Status::WT_RENAMED
        | Status::WT_TYPECHANGE)
    {
        Some('M')
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn ignored_files_are_left_out_and_changed_ones_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let git = |arguments: &[&str]| {
            let done = Command::new("git")
                .current_dir(folder.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(arguments)
                .output();
            assert!(done.unwrap().status.success(), "{arguments:?}");
        };
        git(&["init", "-q"]);
        write(".gitignore", "target\n*.log\n");
        write("src/a.rs", "a");
        write("src/z.rs", "z");
        write(".github/ci.yml", "x");
        git(&["add", "."]);
        git(&["commit", "-qm", "x"]);
        write("target/debug/x.rs", "x");
        write("x.log", "x");
        write("src/z.rs", "changed");
        write("new/n.rs", "n");
        write("added.rs", "n");
        git(&["add", "added.rs"]);
        let found: Vec<(String, char)> = list(folder.path()).into_iter().map(|item| (item.label, item.badge)).collect();
        let expected = [
            ("added.rs", 'A'),
            ("new/n.rs", '?'),
            ("src/z.rs", 'M'),
            (".github/ci.yml", ' '),
            (".gitignore", ' '),
            ("src/a.rs", ' '),
        ];
        assert_eq!(found, expected.map(|(name, badge)| (name.to_owned(), badge)));
        let below: Vec<String> = list(&folder.path().join("src")).into_iter().map(|item| item.label).collect();
        assert_eq!(below, ["z.rs", "a.rs"], "names are those below the folder");
    }
}
