//! Building a corpus: trees in, shards and a manifest out.
//!
//! What comes out depends on the content of the files and on their names in their trees, not on the order in which the system lists
//! them, nor on the number of threads: records stand in the order of the hashes of their texts, which is as good as random.

use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;

use rayon::prelude::*;

use super::error::CorpusError;
use super::filter::LeftOut;
use super::filter::Reason;
use super::filter::normalised;
use super::history::Edit;
use super::history::Period;
use super::history::Wanted;
use super::history::history;
use super::judge::Judge;
use super::judge::Kept;
use super::judge::text_of;
use super::licence::Licences;
use super::manifest::Edits;
use super::manifest::MANIFEST;
use super::manifest::MANIFEST_FORMAT;
use super::manifest::Manifest;
use super::near::Index;
use super::near::SIMILAR;
use super::near::jaccard;
use super::near::shingles;
use super::shard::ShardKind;
use super::spans::KindSpan;
use super::spans::SpanKind;
use super::spans::spans;
use super::split::Set;
use super::split::set_of;
use super::walk::Tree;
use super::walk::walk;
use super::writer::Fingerprint;
use super::writer::NewRecord;
use super::writer::Writer;
use crate::document::ContentHash;
use crate::model::tokenizer::Tokenizer;
use crate::patch::git::WorkTree;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;

/// Files that are worked on between two reports of progress.
const CHUNK: usize = 256;

/// Languages whose files are taken when none is named: those that people write programs in.
pub const DEFAULT_LANGUAGES: [Language; 8] = [
    Language::Rust,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Tsx,
    Language::Go,
    Language::C,
    Language::Java,
];

/// What to take.
#[derive(Clone, Debug)]
pub struct Options {
    /// Languages.
    pub languages: Vec<Language>,
    /// Also files of unknown licence, and of licences that are not permissive.
    pub any_licence: bool,
    /// Share of the files that are held out, 0 to 1.
    pub held_out: f64,
    /// The time of edits; `None` takes none.
    pub edits: Option<Period>,
    /// Tokens from which a shard is full.
    pub shard_tokens: usize,
    /// The command, for the manifest.
    pub command: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            languages: DEFAULT_LANGUAGES.to_vec(),
            any_licence: false,
            held_out: 0.01,
            edits: None,
            shard_tokens: 16 << 20,
            command: Vec::new(),
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Files that were found.
    Found(usize),
    /// Files that were judged, of all.
    Judged(usize, usize),
    /// Files that were compared with each other, of all.
    Compared(usize, usize),
    /// Commits that were looked at.
    Commits(usize),
    /// Records that were tokenised, of all.
    Tokenised(usize, usize),
}

/// Builds a corpus of the sources in `folders` in the folder `out`.
///
/// # Errors
/// A folder is none, the system refused, or nothing is left.
pub fn build(
    folders: &[&Path],
    out: &Path,
    tokenizer: (&str, &Tokenizer),
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, CorpusError> {
    gather(folders, out, options, progress)?.write(tokenizer, progress)
}

/// The files that a corpus is made of, before they are tokens: a new model's vocabulary is made of them.
#[derive(Debug)]
pub struct Gathered<'o> {
    judge: Judge<'o>,
    trees: Vec<Tree>,
    out: PathBuf,
    kept: Vec<Kept>,
    found: usize,
    left_out: LeftOut,
}

/// Finds the files of a corpus of `folders`, and makes room for it in the folder `out`.
///
/// # Errors
/// A folder is none, or the system refused.
pub fn gather<'o>(
    folders: &[&Path],
    out: &Path,
    options: &'o Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Gathered<'o>, CorpusError> {
    let trees = folders.iter().map(|folder| Tree::new(folder)).collect::<Result<Vec<_>, _>>()?;
    make_room(out)?;
    let out = out.canonicalize().map_err(CorpusError::io("find it", out))?;
    let walked = walk(&trees, &out, &mut |found| progress(Progress::Found(found)));
    let found = walked.files.len();
    let mut left_out = LeftOut::default();
    (0..walked.unreadable).for_each(|_| left_out.count(Reason::Unreadable));
    let judge = Judge { options, licences: Licences::new(), tops: trees.iter().map(top_of).collect() };
    let mut kept = Vec::new();
    for (number, files) in walked.files.chunks(CHUNK).enumerate() {
        for judged in files.par_iter().map(|file| judge.file(file)).collect::<Vec<_>>() {
            match judged {
                Ok(file) => kept.push(file),
                Err(reason) => left_out.count(reason),
            }
        }
        progress(Progress::Judged((number * CHUNK + files.len()).min(found), found));
    }
    let kept = without_duplicates(kept, &mut left_out, progress);
    Ok(Gathered { judge, trees, out, kept, found, left_out })
}

impl Gathered<'_> {
    /// The texts to learn from, without those that are held out.
    pub fn texts(&self) -> impl Iterator<Item = String> + Send {
        let learned = self.kept.iter().filter(|file| set_of(&file.file.name, self.judge.options.held_out) == Set::Train);
        learned.filter_map(|file| std::fs::read(&file.file.path).ok().and_then(|bytes| text_of(&bytes)))
    }

    /// Tokenises the files and writes the corpus.
    ///
    /// # Errors
    /// The system refused, or nothing is left.
    pub fn write(self, tokenizer: (&str, &Tokenizer), progress: &mut dyn FnMut(Progress)) -> Result<Manifest, CorpusError> {
        let Self { judge, trees, out, kept, found, left_out } = self;
        let options = judge.options;
        let fingerprint = Fingerprint::of(tokenizer.1);
        let writer = |kind, set| Writer::new(&out, kind, set, fingerprint, options.shard_tokens);
        let mut manifest = Manifest {
            format: MANIFEST_FORMAT,
            command: options.command.clone(),
            tokenizer: tokenizer.0.to_owned(),
            tokenizer_hash: fingerprint.hex(),
            vocabulary: fingerprint.vocabulary,
            held_out: options.held_out,
            any_licence: options.any_licence,
            found,
            kept: 0,
            left_out,
            languages: Default::default(),
            licences: Default::default(),
            edits: None,
            shards: Vec::new(),
        };
        let mut writers = Set::ALL.map(|set| writer(ShardKind::Files, set));
        for (number, files) in kept.chunks(CHUNK).enumerate() {
            let records: Vec<_> = files.par_iter().map(|file| record(file, tokenizer.1)).collect();
            for (file, record) in files.iter().zip(records) {
                match record {
                    Ok(record) => {
                        let count = manifest.languages.entry(file.language.name().to_owned()).or_default();
                        count.records += 1;
                        count.tokens += record.tokens.len();
                        *manifest.licences.entry(file.licence.clone()).or_default() += 1;
                        manifest.kept += 1;
                        writers[set_of(&file.file.name, options.held_out) as usize].push(record)?;
                    }
                    Err(reason) => manifest.left_out.count(reason),
                }
            }
            progress(Progress::Tokenised(number * CHUNK + files.len(), kept.len()));
        }
        for writer in writers {
            manifest.shards.extend(writer.finish()?);
        }
        if let Some(period) = options.edits {
            let mut writers = Set::ALL.map(|set| writer(ShardKind::Edits, set));
            manifest.edits = Some(edits(&trees, &judge, period, tokenizer.1, &mut writers, progress)?);
            for writer in writers {
                manifest.shards.extend(writer.finish()?);
            }
        }
        if manifest.shards.is_empty() {
            return Err(CorpusError::Empty { found, reasons: manifest.left_out.to_string() });
        }
        manifest.write(&out)?;
        Ok(manifest)
    }
}

/// Makes the folder, or takes an older corpus out of it. Anything else in it is left alone, and refused.
fn make_room(out: &Path) -> Result<(), CorpusError> {
    std::fs::create_dir_all(out).map_err(CorpusError::io("make it", out))?;
    let read = || std::fs::read_dir(out).map_err(CorpusError::io("read it", out));
    if !out.join(MANIFEST).is_file() {
        let is_leftover = |name: &std::ffi::OsStr| Path::new(name).extension().is_some_and(|extension| extension == "shard");
        // Shards without a manifest are those of a run that was interrupted.
        let foreign = read()?.flatten().any(|entry| !is_leftover(&entry.file_name()));
        if foreign {
            return Err(CorpusError::Occupied { path: out.to_path_buf() });
        }
        for entry in read()?.flatten() {
            std::fs::remove_file(entry.path()).map_err(CorpusError::io("remove it", &entry.path()))?;
        }
        return Ok(());
    }
    let old = Manifest::read(out)?;
    // The manifest goes first: without it what is left is no corpus.
    for file in std::iter::once(Path::new(MANIFEST)).chain(old.shards.iter().map(|shard| shard.file.as_path())) {
        let path = out.join(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(CorpusError::io("remove it", &path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The folder up to which a tree's licences are looked for: the root of its repository, or of itself.
fn top_of(tree: &Tree) -> PathBuf {
    WorkTree::discover(&tree.root).ok().flatten().map_or_else(|| tree.root.clone(), |work| work.root().to_path_buf())
}

/// The files of which no other one before them, in the order of their hashes, is the same or nearly so.
fn without_duplicates(mut files: Vec<Kept>, left_out: &mut LeftOut, progress: &mut dyn FnMut(Progress)) -> Vec<Kept> {
    files.sort_by(|a, b| (a.hash, &a.file.name).cmp(&(b.hash, &b.file.name)));
    let before = files.len();
    files.dedup_by(|later, first| later.hash == first.hash);
    (files.len()..before).for_each(|_| left_out.count(Reason::Duplicate));
    let set_of_words = |file: &Kept| {
        // Read again: the sets of all files would not fit into memory. One that is gone by now is like nothing.
        let text = std::fs::read(&file.file.path).ok().and_then(|bytes| text_of(&bytes)).unwrap_or_default();
        shingles(&normalised(&text))
    };
    let mut index = Index::default();
    let mut unique: Vec<Kept> = Vec::with_capacity(files.len());
    let all = files.len();
    for (number, file) in files.into_iter().enumerate() {
        let candidates = index.candidates(&file.signature);
        let mut own = None;
        let is_near = candidates.iter().filter_map(|&candidate| unique.get(candidate as usize)).any(|other| {
            let own = own.get_or_insert_with(|| set_of_words(&file));
            jaccard(own, &set_of_words(other)) >= SIMILAR
        });
        if is_near {
            left_out.count(Reason::NearDuplicate);
        } else {
            index.insert(&file.signature, u32::try_from(unique.len()).unwrap_or(u32::MAX));
            unique.push(file);
        }
        if number.is_multiple_of(CHUNK) {
            progress(Progress::Compared(number, all));
        }
    }
    unique
}

/// A file as a record: its tokens, and the spans of the text that they stand for.
fn record(file: &Kept, tokenizer: &Tokenizer) -> Result<NewRecord, Reason> {
    let bytes = std::fs::read(&file.file.path).map_err(|_| Reason::Unreadable)?;
    let text = text_of(&bytes).ok_or(Reason::NotText)?;
    let tokens = tokenizer.encode(&text);
    // Tokenizers normalise; the spans are those of what the tokens say.
    let text = String::from_utf8(tokenizer.decode_bytes(&tokens)).map_err(|_| Reason::NotText)?;
    let syntax = Syntax::parse(&text, file.language, PARSE_LIMIT).map_err(|_| Reason::Syntax)?;
    if !syntax.is_clean() {
        return Err(Reason::Syntax);
    }
    let spans = spans(&syntax, &text);
    Ok(NewRecord { name: file.file.name.clone(), language: file.language, date: 0, tokens, spans })
}

/// Takes the edits out of the histories of the trees.
fn edits(
    trees: &[Tree],
    judge: &Judge<'_>,
    period: Period,
    tokenizer: &Tokenizer,
    writers: &mut [Writer; 2],
    progress: &mut dyn FnMut(Progress),
) -> Result<Edits, CorpusError> {
    let options = judge.options;
    let wanted = Wanted { languages: &options.languages, period, any_licence: options.any_licence, licences: &judge.licences };
    let mut told = Edits::default();
    let mut found: Vec<(ContentHash, Edit)> = Vec::new();
    for tree in trees {
        let history = history(tree, &wanted, &mut |commits| progress(Progress::Commits(commits)))?;
        told.commits += history.commits;
        for (sum, part) in [(&mut told.commits_left_out, history.commits_left_out), (&mut told.left_out, history.left_out)] {
            part.0.into_iter().for_each(|(reason, count)| *sum.0.entry(reason).or_default() += count);
        }
        found.extend(history.edits.into_iter().map(|edit| (edit.hash(), edit)));
    }
    // Of edits that are the same the first one counts: the others were picked from other branches.
    found.sort_by(|(a, one), (b, other)| (a, one.date, &one.commit, &one.file).cmp(&(b, other.date, &other.commit, &other.file)));
    let mut seen = HashSet::new();
    found.retain(|(hash, _)| {
        let is_new = seen.insert(*hash);
        if !is_new {
            told.left_out.count(Reason::Duplicate);
        }
        is_new
    });
    for (number, edits) in found.chunks(CHUNK).enumerate() {
        let records: Vec<NewRecord> = edits.par_iter().map(|(_, edit)| edit_record(edit, tokenizer)).collect();
        for ((_, edit), record) in edits.iter().zip(records) {
            let count = told.languages.entry(edit.language.name().to_owned()).or_default();
            count.records += 1;
            count.tokens += record.tokens.len();
            told.kept += 1;
            // By the file, as the files are: what is held out is not seen by way of its history.
            writers[set_of(&edit.file, options.held_out) as usize].push(record)?;
        }
        progress(Progress::Tokenised(number * CHUNK + edits.len(), found.len()));
    }
    Ok(told)
}

fn edit_record(edit: &Edit, tokenizer: &Tokenizer) -> NewRecord {
    let (mut tokens, mut spans) = (Vec::new(), Vec::new());
    for (kind, text) in SpanKind::EDIT.into_iter().zip([&edit.instruction, &edit.before, &edit.old, &edit.new, &edit.after]) {
        let start = tokens.len();
        tokens.extend(tokenizer.encode(text));
        spans.push(KindSpan { range: start..tokens.len(), kind });
    }
    let commit = edit.commit.get(..12).unwrap_or(&edit.commit);
    NewRecord { name: format!("{}@{commit}", edit.file), language: edit.language, date: edit.date, tokens, spans }
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
