//! The files of an edit with the spans of each: from names such as `src/a.rs`, `src/a.rs::Type::function` and `src/a.rs#L10-L40`,
//! from ranges, and from what git says has changed.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::common::ExpectArgs;
use crate::cli::common::RangeArgs;
use crate::cli::common::resolve;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::guarded::SecretArgs;
use crate::cli::write::Place;
use crate::cli::write::here;
use crate::document::Document;
use crate::document::RangeSpec;
use crate::document::ResolvedRange;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::proposal::Part;
use crate::patch::apply::FileChange;
use crate::patch::changed;
use crate::patch::changed::ChangedError;
use crate::patch::changed::Since;
use crate::patch::git::WorkTree;
use crate::patch::hunk::Hunk;

/// Spans by what git says has changed.
#[derive(Args, Clone, Debug, Default)]
pub struct ChangeArgs {
    /// Rewrite the lines that are staged: one span for each hunk of `git diff --cached`
    #[arg(long)]
    pub staged: bool,
    /// Rewrite the lines of this hunk of `git diff HEAD`, or with --staged of `git diff --cached`, counted from 1
    #[arg(long = "hunk", value_name = "N", value_delimiter = ',')]
    pub hunks: Vec<usize>,
}

impl ChangeArgs {
    fn is_given(&self) -> bool {
        self.staged || !self.hunks.is_empty()
    }

    /// The spans of the hunks that are asked for.
    fn spans(&self, place: &Place, document: &Document) -> Result<Vec<Span>, Failure> {
        if !self.is_given() {
            return Ok(Vec::new());
        }
        let path = document.path().display();
        let tree =
            place.tree().ok_or_else(|| Failure::usage("--staged and --hunk need a git work tree; give lines with --range"))?;
        let (since, shown) = if self.staged { (Since::Staged, "git diff --cached") } else { (Since::Head, "git diff HEAD") };
        let hunks = tree.changed(place.target()?.relative(), document, since)?;
        if self.hunks.is_empty() {
            return Ok(hunks.iter().filter_map(|hunk| changed::span(document, hunk)).collect());
        }
        let span = |&number: &usize| {
            let hunk = number.checked_sub(1).and_then(|index| hunks.get(index));
            let hunk = hunk.ok_or_else(|| {
                let count = hunks.len();
                Failure::usage(format!("{path}: has no hunk {number}; `{shown}` shows {count} of it"))
            })?;
            changed::span(document, hunk)
                .ok_or_else(|| Failure::usage(format!("{path}: hunk {number} only takes lines away; give lines with --range")))
        };
        self.hunks.iter().map(span).collect()
    }
}

/// One file of an edit.
#[derive(Debug)]
pub struct FileJob {
    /// The file as it is.
    pub document: Arc<Document>,
    /// Where it lies.
    pub place: Place,
    /// What may change.
    pub spans: Spans,
    /// The same, for people.
    pub resolved: Vec<ResolvedRange>,
}

impl FileJob {
    /// The change of the file by some hunks.
    ///
    /// # Errors
    /// It may not be written.
    pub fn change(&self, hunks: &[Hunk]) -> Result<FileChange, Failure> {
        Ok(FileChange { target: self.place.target()?, document: (*self.document).clone(), hunks: hunks.to_vec() })
    }

    /// The file for the engine and the verifier.
    pub fn part(&self) -> Part {
        Part { document: Arc::clone(&self.document), spans: self.spans.clone(), relative: self.place.diff_path() }
    }
}

/// A file as it was named, with the ranges in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    path: PathBuf,
    ranges: Vec<RangeSpec>,
}

impl Named {
    /// A name that is a file is that file, whatever it looks like.
    fn parse(name: &Path) -> Result<Self, Failure> {
        let whole = || Ok(Self { path: name.to_path_buf(), ranges: Vec::new() });
        let Some(text) = name.to_str().filter(|_| name.symlink_metadata().is_err()) else { return whole() };
        if let Some((path, symbol)) = text.split_once("::")
            && Path::new(path).is_file()
        {
            return Ok(Self { path: path.into(), ranges: vec![symbol.parse()?] });
        }
        let mut parts = text.split('#');
        match parts.next().map(Path::new) {
            Some(path) if path.is_file() => {
                Ok(Self { path: path.into(), ranges: parts.map(str::parse).collect::<Result<_, _>>()? })
            }
            _ => whole(),
        }
    }
}

/// Reads the files and finds their spans. Without any name, those of which something is staged.
///
/// # Errors
/// A file cannot be edited, or a range does not fit it.
pub fn collect(
    names: &[PathBuf],
    ranges: &RangeArgs,
    changes: &ChangeArgs,
    expect: &ExpectArgs,
    secrets: SecretArgs,
) -> Result<Vec<FileJob>, Failure> {
    let named = if names.is_empty() { staged()? } else { merged(names)? };
    let specs = ranges.specs();
    let general = specs.is_empty() && changes.hunks.is_empty() && expect.is_empty();
    if named.len() > 1 && !general {
        let message =
            "--range, --at, --hunk and --expect are for one file; name the spans of several as in a.rs#10:40 b.rs::Type::name";
        return Err(Failure::usage(message));
    }
    let mut jobs: Vec<FileJob> = Vec::with_capacity(named.len());
    for Named { path, ranges: own } in named {
        let document = Arc::new(Document::read(&path)?);
        let place = Place::of(&path)?;
        secrets.check(&place, &document)?;
        let all: Vec<RangeSpec> = specs.iter().cloned().chain(own).collect();
        let spans = changes.spans(&place, &document)?;
        if all.is_empty() && spans.is_empty() {
            let path = path.display();
            if changes.is_given() && names.is_empty() {
                continue;
            }
            return Err(Failure::usage(match changes.is_given() {
                true => format!("{path}: nothing of it is staged that could be rewritten; give lines with --range"),
                false => format!("no range given; name what may change, such as `dcode edit {path} --range 10:40`"),
            }));
        }
        let (spans, resolved) = resolve(&document, &all, spans)?;
        expect.check(&document, &resolved)?;
        jobs.push(FileJob { document, place, spans, resolved });
    }
    match jobs.is_empty() {
        true => Err(Failure::usage("nothing is staged that could be rewritten; name a file and a range")),
        false => Ok(jobs),
    }
}

/// The names, each file once with all its ranges.
fn merged(names: &[PathBuf]) -> Result<Vec<Named>, Failure> {
    let mut merged: Vec<Named> = Vec::new();
    for name in names {
        let named = Named::parse(name)?;
        let same = |known: &&mut Named| {
            known.path == named.path
                || (known.path.canonicalize().ok().is_some_and(|path| named.path.canonicalize().is_ok_and(|other| other == path)))
        };
        match merged.iter_mut().find(same) {
            Some(known) => known.ranges.extend(named.ranges),
            None => merged.push(named),
        }
    }
    Ok(merged)
}

/// The staged files of the work tree around the current folder.
fn staged() -> Result<Vec<Named>, Failure> {
    let (_, tree) = here()?;
    let tree = tree.ok_or_else(|| Failure::usage("--staged needs a git work tree; name a file and a range"))?;
    let files = tree.staged_files()?.into_iter().map(|file| tree.root().join(file));
    // What cannot be read as text is no target here: nobody named it.
    let readable = files.filter(|file| !file.is_symlink() && Document::read(file).is_ok());
    Ok(readable.map(|path| Named { path, ranges: Vec::new() }).collect())
}

/// The work tree that all files lie in; `None` when they lie outside of any.
///
/// # Errors
/// They lie in different ones.
pub fn common_tree(jobs: &[FileJob]) -> Result<Option<&WorkTree>, Failure> {
    let tree = jobs.first().and_then(|job| job.place.tree());
    let root = tree.map(WorkTree::root);
    match jobs.iter().find(|job| job.place.tree().map(WorkTree::root) != root) {
        Some(other) => {
            let message =
                format!("{}: lies in another work tree than the first file; edit it by itself", other.document.path().display());
            Err(Failure::usage(message))
        }
        None => Ok(tree),
    }
}

impl From<ChangedError> for Failure {
    fn from(error: ChangedError) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spans() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for name in ["a.rs", "odd#1:2", "b::c"] {
            std::fs::write(at(name), "x\n").unwrap();
        }
        let parse = |name: &str| {
            let named = Named::parse(&at(name)).unwrap();
            let ranges: Vec<String> = named.ranges.iter().map(ToString::to_string).collect();
            (named.path.file_name().unwrap().to_string_lossy().into_owned(), ranges)
        };
        assert_eq!(parse("a.rs"), ("a.rs".into(), vec![]));
        assert_eq!(parse("a.rs::T::f"), ("a.rs".into(), vec!["T::f".into()]));
        assert_eq!(parse("a.rs#L10-L40#50"), ("a.rs".into(), vec!["10:40".into(), "50:50".into()]));
        assert_eq!(parse("odd#1:2"), ("odd#1:2".into(), vec![]), "a file is a file");
        assert_eq!(parse("b::c"), ("b::c".into(), vec![]));
        assert_eq!(parse("none.rs#1:2"), ("none.rs#1:2".into(), vec![]), "told as missing by its whole name");
        assert!(Named::parse(&at("a.rs#")).is_err() && Named::parse(&at("a.rs::1x")).is_err());
        let both = merged(&[at("a.rs#1:1"), temp.path().join("./a.rs#2:2")]).unwrap();
        assert_eq!((both.len(), both[0].ranges.len()), (1, 2));
    }
}
