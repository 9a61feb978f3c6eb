//! What is staged: the files, their content as it will be committed, and the lines that the commit changes.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use git2::Delta;
use git2::Diff;
use git2::DiffFindOptions;
use git2::DiffOptions;
use git2::FileMode;
use git2::Index;
use git2::Oid;
use git2::Patch;
use git2::Repository;
use git2::Tree;

use crate::document::Document;
use crate::patch::GitError;
use crate::patch::WorkTree;

/// Larger files are left alone: nobody wrote them by hand.
pub const SIZE_CAP: usize = 2 << 20;

/// A staged file.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// Its path inside the work tree.
    pub path: PathBuf,
    /// The content that is looked at: the file's where it equals what is staged but for line endings, else what is staged.
    pub document: Document,
    /// The lines that the commit changes, from 0.
    pub lines: Vec<Range<usize>>,
    /// The staged blob.
    pub blob: Oid,
    /// Its mode.
    pub mode: u32,
    /// The file has changes that are not staged: what is written to it would mix with them.
    pub is_partial: bool,
}

/// What is staged, and what of it is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Staged {
    /// The files, by path.
    pub files: Vec<StagedFile>,
    /// Files that are not looked at, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Whether the index is one that git made for this commit alone (`git commit -a`, `git commit FILE`). What is staged in it by others
/// is lost or taken back.
pub fn is_temporary_index(tree: &WorkTree) -> Result<bool, GitError> {
    let index = tree.repository().index()?;
    Ok(index.path().is_none_or(|path| path.file_name() != Some("index".as_ref())))
}

/// The staged files among `only` (paths inside the work tree, or folders; without any, all), compared with the last commit, or with
/// the common ancestor of it and the revision `since`.
///
/// # Errors
/// git says no.
pub fn staged(tree: &WorkTree, only: &[PathBuf], since: Option<&str>) -> Result<Staged, GitError> {
    let repository = tree.repository();
    let mut index = repository.index()?;
    index.read(true)?;
    let base = base(repository, since)?;
    let mut options = DiffOptions::new();
    options.context_lines(0).ignore_submodules(true);
    let mut diff = repository.diff_tree_to_index(base.as_ref(), Some(&index), Some(&mut options))?;
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
    let wanted = |path: &Path| only.is_empty() || only.iter().any(|chosen| path.starts_with(chosen));
    let mut found = Staged::default();
    for path in conflicts(&index)? {
        if wanted(&path) {
            found.skipped.push((path, "has unresolved merge conflicts".to_owned()));
        }
    }
    let merged = merged_lines(repository, &index)?;
    for number in 0..diff.deltas().len() {
        let Some(delta) = diff.get_delta(number) else { continue };
        let (file, status) = (delta.new_file(), delta.status());
        let Some(path) = file.path().map(Path::to_path_buf) else { continue };
        let is_text = matches!(file.mode(), FileMode::Blob | FileMode::BlobExecutable);
        if !is_text || matches!(status, Delta::Deleted | Delta::Conflicted) || !wanted(&path) {
            continue;
        }
        match staged_file(tree, &diff, number, path.clone(), file.id(), u32::from(file.mode())) {
            Ok(Some(mut file)) => {
                for side in &merged {
                    file.lines = side.get(&path).map(|lines| common(&file.lines, lines)).unwrap_or_default();
                }
                if !file.lines.is_empty() {
                    found.files.push(file);
                }
            }
            Ok(None) => {}
            Err(Trouble::Git(error)) => return Err(error),
            Err(Trouble::Skip(reason)) => found.skipped.push((path, reason)),
        }
    }
    Ok(found)
}

enum Trouble {
    Git(GitError),
    Skip(String),
}

impl From<git2::Error> for Trouble {
    fn from(error: git2::Error) -> Self {
        Trouble::Git(error.into())
    }
}

fn staged_file(
    tree: &WorkTree,
    diff: &Diff<'_>,
    number: usize,
    path: PathBuf,
    blob: Oid,
    mode: u32,
) -> Result<Option<StagedFile>, Trouble> {
    let content = tree.repository().find_blob(blob)?;
    if content.size() > SIZE_CAP {
        return Err(Trouble::Skip(format!("is larger than {} MiB", SIZE_CAP >> 20)));
    }
    let lines = new_lines(diff, number)?;
    if lines.is_empty() {
        return Ok(None);
    }
    let bytes = content.content().to_vec();
    let stored = Document::from_bytes(path.clone(), bytes).map_err(|error| Trouble::Skip(reason(&error.to_string())))?;
    // Where git converts line endings, the lines are the same; what is written has to have the file's.
    let on_disk = Document::read(&tree.root().join(&path)).ok();
    let same = on_disk.filter(|disk| disk.bytes() == stored.bytes() || disk.text().replace("\r\n", "\n") == stored.text());
    let is_partial = same.is_none();
    let document = match same {
        Some(disk) => Document::from_bytes(path.clone(), disk.bytes().to_vec()).unwrap_or(stored),
        None => stored,
    };
    Ok(Some(StagedFile { path, document, lines, blob, mode, is_partial }))
}

/// The lines, from 0, that the delta brings.
fn new_lines(diff: &Diff<'_>, number: usize) -> Result<Vec<Range<usize>>, git2::Error> {
    let mut lines = Vec::new();
    let Some(patch) = Patch::from_diff(diff, number)? else { return Ok(lines) };
    for hunk in 0..patch.num_hunks() {
        let (hunk, _) = patch.hunk(hunk)?;
        let start = (hunk.new_start() as usize).saturating_sub(1);
        if hunk.new_lines() > 0 {
            lines.push(start..start + hunk.new_lines() as usize);
        }
    }
    Ok(lines)
}

/// Lines, from 0, of files.
type LinesOfFiles = HashMap<PathBuf, Vec<Range<usize>>>;

/// In a merge, the lines that differ from each of the other sides: what came from there is nobody's work of now.
fn merged_lines(repository: &Repository, index: &Index) -> Result<Vec<LinesOfFiles>, GitError> {
    let heads = std::fs::read_to_string(repository.path().join("MERGE_HEAD")).unwrap_or_default();
    let mut sides = Vec::new();
    for head in heads.lines() {
        let tree = repository.find_commit(Oid::from_str(head)?)?.tree()?;
        let mut options = DiffOptions::new();
        options.context_lines(0).ignore_submodules(true);
        let diff = repository.diff_tree_to_index(Some(&tree), Some(index), Some(&mut options))?;
        let mut lines = HashMap::new();
        for number in 0..diff.deltas().len() {
            if let Some(path) = diff.get_delta(number).and_then(|delta| delta.new_file().path().map(Path::to_path_buf)) {
                lines.insert(path, new_lines(&diff, number)?);
            }
        }
        sides.push(lines);
    }
    Ok(sides)
}

/// The lines that are in both.
fn common(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let both = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start)..a.end.min(b.end);
    a.iter().flat_map(|a| b.iter().map(move |b| both(a, b))).filter(|range| !range.is_empty()).collect()
}

/// The message without the file's name, which stands before it anyway.
fn reason(message: &str) -> String {
    message.split_once(": ").map_or(message, |(_, reason)| reason).to_owned()
}

/// The tree to compare with; `None` before the first commit.
fn base<'r>(repository: &'r Repository, since: Option<&str>) -> Result<Option<Tree<'r>>, GitError> {
    let head = match repository.head() {
        Ok(head) => Some(head.peel_to_commit()?),
        Err(error) if matches!(error.code(), git2::ErrorCode::UnbornBranch | git2::ErrorCode::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(since) = since else { return Ok(head.map(|head| head.tree()).transpose()?) };
    let other = repository.revparse_single(since)?.peel_to_commit()?;
    let common = match &head {
        Some(head) => repository.merge_base(other.id(), head.id()).unwrap_or(other.id()),
        None => other.id(),
    };
    Ok(Some(repository.find_commit(common)?.tree()?))
}

fn conflicts(index: &Index) -> Result<Vec<PathBuf>, GitError> {
    let mut paths = Vec::new();
    if index.has_conflicts() {
        for conflict in index.conflicts()? {
            let conflict = conflict?;
            if let Some(entry) = conflict.our.or(conflict.their).or(conflict.ancestor) {
                paths.push(PathBuf::from(String::from_utf8_lossy(&entry.path).into_owned()));
            }
        }
        paths.sort();
        paths.dedup();
    }
    Ok(paths)
}

/// `path` as a path inside the work tree at `root`, when it is given relative to `current`; `None` when it lies outside.
pub fn inside(root: &Path, current: &Path, path: &Path) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    // Without asking the file system: a path may name a link, which git tracks as such.
    for part in current.join(path).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole.strip_prefix(root).ok().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_both() {
        assert_eq!(common(&[0..3, 5..9], &[2..6, 8..20]), [2..3, 5..6, 8..9]);
        assert!(common(&[0..3], &[3..4]).is_empty());
    }

    #[test]
    fn paths_inside_the_tree() {
        let root = Path::new("/r");
        let inside = |current: &str, path: &str| inside(root, Path::new(current), Path::new(path));
        assert_eq!(inside("/r/a", "b.rs"), Some("a/b.rs".into()));
        assert_eq!(inside("/r/a", "../c/./b.rs"), Some("c/b.rs".into()));
        assert_eq!(inside("/r/a", "/r/x"), Some("x".into()));
        assert_eq!(inside("/r/a", "../../x"), None);
        assert_eq!(inside("/r", "."), Some("".into()));
    }
}
