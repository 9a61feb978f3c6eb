//! Edits from the history of a repository: changes of one place of one file, with what the commit says of them.

use std::path::Path;

use git2::Delta;
use git2::Diff;
use git2::DiffOptions;
use git2::Oid;
use git2::Patch;
use git2::Repository;
use git2::Sort;

use super::error::CorpusError;
use super::filter::LeftOut;
use super::filter::MOST_BYTES;
use super::filter::Reason;
use super::filter::judge_text;
use super::licence::Licences;
use super::rules::Rules;
use super::walk::Tree;
use crate::document::ContentHash;
use crate::patch::git::GitError;
use crate::patch::git::WorkTree;
use crate::syntax::language::Language;
use crate::text::secret::holds_secret;
use crate::text::secret::is_secret_name;

/// Files that a commit may change: of more, its subject does not say what happens in each.
const MOST_FILES: usize = 5;
/// Lines between two changes that still make one hunk, as git's own diffs have it.
const BETWEEN: u32 = 6;
/// Longest edit in lines, and longest line in bytes.
const MOST_LINES: usize = 40;
const LONGEST_LINE: usize = 300;
/// Shortest and longest instruction, in characters.
const INSTRUCTION: std::ops::RangeInclusive<usize> = 8..=160;
/// Lines of text that are kept before and behind the edit: more than a model's window holds.
const BEFORE: usize = 60;
const AFTER: usize = 30;

/// The time that is looked at, in seconds since 1970 in UTC: from `since` on, until before `before`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// First second.
    pub since: Option<i64>,
    /// First second that no longer counts.
    pub before: Option<i64>,
}

impl Period {
    fn holds(self, date: i64) -> bool {
        self.since.is_none_or(|since| date >= since) && self.before.is_none_or(|before| date < before)
    }
}

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Name of the file in the corpus.
    pub file: String,
    /// The commit.
    pub commit: String,
    /// When it was committed, in seconds since 1970.
    pub date: i64,
    /// Language of the file.
    pub language: Language,
    /// What the commit says.
    pub instruction: String,
    /// Text before the lines, with `\n`; some of it.
    pub before: String,
    /// The lines as they were; empty where lines are put in.
    pub old: String,
    /// The lines as they became.
    pub new: String,
    /// Text behind the lines; some of it.
    pub after: String,
}

impl Edit {
    /// By what edits are told apart: the lines, and the line on each side.
    pub fn hash(&self) -> ContentHash {
        let last = self.before.lines().next_back().unwrap_or_default();
        let first = self.after.lines().next().unwrap_or_default();
        ContentHash::of([last, &self.old, &self.new, first].join("\0").as_bytes())
    }
}

/// What a history gave.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The edits, the newest first.
    pub edits: Vec<Edit>,
    /// Commits in the time that was asked for.
    pub commits: usize,
    /// Commits left out.
    pub commits_left_out: LeftOut,
    /// Changed files of the other commits that are left out.
    pub left_out: LeftOut,
}

/// What is taken.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Languages.
    pub languages: &'w [Language],
    /// When.
    pub period: Period,
    /// Whether files of any licence are taken.
    pub any_licence: bool,
    /// What is known of licences.
    pub licences: &'w Licences,
}

/// The edits of the files in `tree`, in the history of the commit that is checked out. `seen` is called for each commit.
///
/// # Errors
/// There is no repository around the tree, or it cannot be read.
pub fn history(tree: &Tree, wanted: &Wanted<'_>, seen: &mut dyn FnMut(usize)) -> Result<History, CorpusError> {
    let work = WorkTree::discover(&tree.root)?.ok_or_else(|| CorpusError::NoHistory { path: tree.root.clone() })?;
    let mut reader = Reader { tree, work: &work, wanted, rules: Rules::new(&work), found: History::default() };
    let repository = work.repository();
    let mut walk = repository.revwalk().map_err(GitError::from)?;
    walk.set_sorting(Sort::TIME | Sort::TOPOLOGICAL).map_err(GitError::from)?;
    if repository.is_empty().map_err(GitError::from)? {
        return Ok(reader.found);
    }
    walk.push_head().map_err(GitError::from)?;
    for (number, id) in walk.enumerate() {
        reader.commit(repository, id.map_err(GitError::from)?).map_err(GitError::from)?;
        seen(number + 1);
    }
    Ok(reader.found)
}

struct Reader<'r> {
    tree: &'r Tree,
    work: &'r WorkTree,
    wanted: &'r Wanted<'r>,
    rules: Rules<'r>,
    found: History,
}

impl Reader<'_> {
    fn commit(&mut self, repository: &Repository, id: Oid) -> Result<(), git2::Error> {
        let commit = repository.find_commit(id)?;
        let date = commit.time().seconds();
        if !self.wanted.period.holds(date) {
            return Ok(());
        }
        self.found.commits += 1;
        // In a shallow clone the parent is named and not there.
        let (1, Ok(parent)) = (commit.parent_count(), commit.parent(0)) else {
            self.found.commits_left_out.count(Reason::Merge);
            return Ok(());
        };
        let subject = commit.summary_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        let Some(instruction) = instruction(&subject) else {
            self.found.commits_left_out.count(Reason::Subject);
            return Ok(());
        };
        let mut options = DiffOptions::new();
        options.context_lines(0).interhunk_lines(BETWEEN).ignore_submodules(true).max_size(MOST_BYTES as i64);
        let diff = repository.diff_tree_to_tree(Some(&parent.tree()?), Some(&commit.tree()?), Some(&mut options))?;
        if diff.deltas().len() > MOST_FILES {
            self.found.commits_left_out.count(Reason::Wide);
            return Ok(());
        }
        for index in 0..diff.deltas().len() {
            match self.edit(repository, &diff, index)? {
                Ok(edit) => {
                    self.found.edits.push(Edit { commit: id.to_string(), date, instruction: instruction.clone(), ..edit })
                }
                Err(reason) => self.found.left_out.count(reason),
            }
        }
        Ok(())
    }

    /// The edit of one changed file, without what the commit says; or why there is none.
    fn edit(&mut self, repository: &Repository, diff: &Diff<'_>, index: usize) -> Result<Result<Edit, Reason>, git2::Error> {
        let Some(delta) = diff.get_delta(index) else { return Ok(Err(Reason::NotModified)) };
        let Some(path) = delta.new_file().path().map(Path::to_path_buf) else { return Ok(Err(Reason::Unreadable)) };
        if delta.status() != Delta::Modified || delta.new_file().mode() != delta.old_file().mode() {
            return Ok(Err(Reason::NotModified));
        }
        let language = Language::from_path(&path).filter(|language| self.wanted.languages.contains(language));
        let Some(language) = language else { return Ok(Err(Reason::Language)) };
        let full = self.work.root().join(&path);
        let Ok(inside) = full.strip_prefix(&self.tree.root) else { return Ok(Err(Reason::Language)) };
        if path.file_name().is_some_and(is_secret_name) {
            return Ok(Err(Reason::Secret));
        }
        if self.rules.leave_out(&path, false) {
            return Ok(Err(Reason::Ignored));
        }
        let (Some(old), Some(new)) = (text(repository, delta.old_file().id())?, text(repository, delta.new_file().id())?) else {
            return Ok(Err(Reason::NotText));
        };
        if let Some(reason) = judge_text(&old).or_else(|| judge_text(&new)) {
            return Ok(Err(reason));
        }
        if let Some(reason) = self.licence(&new, &full) {
            return Ok(Err(reason));
        }
        let Some(patch) = Patch::from_diff(diff, index)? else { return Ok(Err(Reason::NotText)) };
        if patch.num_hunks() != 1 {
            return Ok(Err(Reason::Hunks));
        }
        let (hunk, _) = patch.hunk(0)?;
        // A hunk of no lines names the line before it.
        let first = |start: u32, lines: u32| if lines == 0 { start as usize } else { (start as usize).saturating_sub(1) };
        let old_lines = Lines::of(&old);
        let new_lines = Lines::of(&new);
        let start = first(hunk.old_start(), hunk.old_lines());
        let end = start + hunk.old_lines() as usize;
        let new_start = first(hunk.new_start(), hunk.new_lines());
        let edit = Edit {
            file: self.tree.name_of(inside),
            commit: String::new(),
            date: 0,
            language,
            instruction: String::new(),
            before: old_lines.text(start.saturating_sub(BEFORE)..start),
            old: old_lines.text(start..end),
            new: new_lines.text(new_start..new_start + hunk.new_lines() as usize),
            after: old_lines.text(end..end + AFTER),
        };
        Ok(if has_shape(&edit) { Ok(edit) } else { Err(Reason::Shape) })
    }

    fn licence(&self, text: &str, full: &Path) -> Option<Reason> {
        if self.wanted.any_licence {
            return None;
        }
        // The folder of a file that is gone may be gone too: the nearest one that is there.
        let folder = full.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_path_buf).unwrap_or_default();
        match self.wanted.licences.of(text, &folder, self.work.root()) {
            None => Some(Reason::UnknownLicence),
            Some(licence) => (!licence.is_permissive).then_some(Reason::Licence),
        }
    }
}

/// The text of a blob with `\n`; `None` when it is none.
fn text(repository: &Repository, id: Oid) -> Result<Option<String>, git2::Error> {
    let blob = repository.find_blob(id)?;
    if blob.size() as u64 > MOST_BYTES || blob.content().contains(&0) {
        return Ok(None);
    }
    Ok(std::str::from_utf8(blob.content()).ok().map(str::to_owned))
}

/// A text by its lines, as git counts them.
struct Lines<'t>(Vec<&'t str>);

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        Self(text.split_inclusive('\n').collect())
    }

    /// Lines of `range`, as far as they are there, each with `\n`.
    fn text(&self, range: std::ops::Range<usize>) -> String {
        let lines = self.0.get(range.start.min(self.0.len())..range.end.min(self.0.len())).unwrap_or_default();
        let mut text = lines.concat().replace("\r\n", "\n");
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// Whether an edit writes something, not too much, and changes more than blanks.
fn has_shape(edit: &Edit) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let both = [&edit.old, &edit.new];
    both.iter().all(|text| text.lines().count() <= MOST_LINES && text.lines().all(|line| line.len() <= LONGEST_LINE))
        && !edit.new.trim().is_empty()
        && words(&edit.old) != words(&edit.new)
}

/// What the subject of a commit tells to do; `None` when it tells nothing.
fn instruction(subject: &str) -> Option<String> {
    let mut text = subject.trim();
    // The number that a forge puts behind it.
    if let Some((before, number)) = text.rsplit_once(" (#")
        && number.strip_suffix(')').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    {
        text = before.trim_end();
    }
    let lower = text.to_lowercase();
    let says_nothing =
        ["merge ", "revert ", "wip", "bump ", "release ", "version ", "update changelog", "fixup!", "squash!", "initial commit"];
    let is_told = INSTRUCTION.contains(&text.chars().count())
        && text.split_whitespace().count() >= 2
        && !text.contains('@')
        && !holds_secret(text)
        && !says_nothing.iter().any(|start| lower.starts_with(start))
        && text.chars().filter(|c| c.is_alphabetic()).count() * 2 > text.chars().count();
    is_told.then(|| text.to_owned())
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
