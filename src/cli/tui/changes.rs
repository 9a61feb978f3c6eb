//! The lines of a file that differ from the last commit.

use std::ops::Range;
use std::path::Path;

use git2::ErrorCode;
use git2::Repository;
use similar::DiffOp;

use crate::patch::hunk::line_ops;

/// The changed lines of `text`, the present text of `path`, as bytes; a place where lines were deleted is empty.
///
/// # Errors
/// One line for the user: there is no repository or no commit, or the file is not in it.
pub fn changed(path: &Path, text: &str) -> Result<Vec<Range<usize>>, String> {
    let committed = committed(path)?;
    let old: Vec<&str> = committed.split_inclusive('\n').map(plain).collect();
    let new: Vec<&str> = text.split_inclusive('\n').collect();
    let starts: Vec<usize> =
        new.iter().scan(0, |at, line| Some(std::mem::replace(at, *at + line.len()))).chain(std::iter::once(text.len())).collect();
    let new: Vec<&str> = new.into_iter().map(plain).collect();
    let range = |op: &DiffOp| starts[op.new_range().start]..starts[op.new_range().end];
    Ok(line_ops(&old, &new).iter().filter(|op| !matches!(op, DiffOp::Equal { .. })).map(range).collect())
}

/// A line without its end: git may store another one.
fn plain(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The file as the last commit has it.
fn committed(path: &Path) -> Result<String, String> {
    let told = |error: git2::Error| match error.code() {
        ErrorCode::NotFound => "there is no git repository here".to_owned(),
        _ => format!("git: {}", error.message().lines().next().unwrap_or_default()),
    };
    let real = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
    let repository = Repository::discover(&real).map_err(told)?;
    let root = repository.workdir().and_then(|root| root.canonicalize().ok()).ok_or("the repository has no work tree")?;
    let relative = real.strip_prefix(&root).map_err(|_| "the file lies outside of the work tree".to_owned())?;
    let tree = repository.head().and_then(|head| head.peel_to_tree()).map_err(|_| "there is no commit yet".to_owned())?;
    let entry = tree.get_path(relative).map_err(|_| "the last commit does not have this file: every line is new".to_owned())?;
    let blob = repository.find_blob(entry.id()).map_err(told)?;
    String::from_utf8(blob.content().to_vec()).map_err(|_| "the last commit has this file in another encoding".to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_lines_that_git_diff_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rs");
        let git = |arguments: &[&str]| {
            let done = Command::new("git")
                .current_dir(folder.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(arguments)
                .output()
                .unwrap();
            assert!(done.status.success(), "{arguments:?}");
            String::from_utf8(done.stdout).unwrap()
        };
        let old: String = (0..40).map(|line| format!("line {line}\n")).collect();
        std::fs::write(&path, &old).unwrap();
        assert_eq!(changed(&path, &old).unwrap_err(), "there is no git repository here");
        git(&["init", "-q"]);
        assert_eq!(changed(&path, &old).unwrap_err(), "there is no commit yet");
        git(&["add", "."]);
        git(&["commit", "-qm", "x"]);
        assert!(changed(&path, &old).unwrap().is_empty());
        let new = old.replace("line 3\n", "line three\nand more\n").replace("line 20\n", "").replace("line 39\n", "the end");
        std::fs::write(&path, &new).unwrap();
        // `@@ -4 +4,2 @@` names first line and count of the new text.
        let places = git(&["diff", "-U0", "--no-color", "a.rs"]);
        let expected: Vec<String> = places
            .lines()
            .filter_map(|line| line.strip_prefix("@@ ")?.split(' ').nth(1)?.strip_prefix('+').map(str::to_owned))
            .map(|place| {
                let (first, count) = place.split_once(',').unwrap_or((&place, "1"));
                let (first, count): (usize, usize) = (first.parse().unwrap(), count.parse().unwrap());
                new.split_inclusive('\n').skip(first - usize::from(count > 0)).take(count).collect()
            })
            .collect();
        let found: Vec<&str> = changed(&path, &new).unwrap().into_iter().map(|range| &new[range]).collect();
        assert_eq!(found, expected);
        assert_eq!(found, ["line three\nand more\n", "", "the end"]);
        assert!(changed(&path, &old.replace('\n', "\r\n")).unwrap().is_empty(), "line ends do not count");
    }
}
