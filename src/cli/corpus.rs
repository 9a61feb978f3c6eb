//! `dcode train corpus`.

use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use clap::ValueEnum;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::print;
use crate::cli::progress;
use crate::model::load::load_tokenizer;
use crate::model::locate::locate;
use crate::model::tokenizer::Tokenizer;
use crate::syntax::language::Language;
use crate::train::corpus::build::DEFAULT_LANGUAGES;
use crate::train::corpus::build::Options;
use crate::train::corpus::build::Progress;
use crate::train::corpus::build::build;
use crate::train::corpus::date;
use crate::train::corpus::error::CorpusError;
use crate::train::corpus::history::Period;
use crate::train::corpus::manifest::Manifest;
use crate::train::corpus::split::Set;

/// Make shards of tokens from source trees, and of the edits in their histories
///
/// Takes text files that are under a permissive licence, parse without errors, and are neither ignored, generated, minified, secret, too
/// large nor (nearly) the same as another one. A manifest beside the shards says what was kept and what was left out.
#[derive(Args, Debug)]
pub struct CorpusArgs {
    /// Folders with sources
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Folder for the shards: a new or empty one, or one with an older corpus, which is replaced
    #[arg(long, value_name = "SHARDS")]
    pub out: PathBuf,
    /// Model whose tokenizer is used: a name, a folder with config.json, or a .gguf file
    #[arg(long, value_name = "NAME|PATH", env = "DCODE_MODEL")]
    pub model: Option<String>,
    /// Use the tokenizer of this tokenizer.json instead of a model's
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub tokenizer: Option<PathBuf>,
    /// Take files of this language; repeat for several. Without it, all but JSON and TOML are taken
    #[arg(long = "language", value_enum, value_name = "NAME")]
    pub languages: Vec<LanguageArg>,
    /// Take files of unknown licence, and of licences that are not permissive, too
    #[arg(long)]
    pub any_licence: bool,
    /// Share of the files that are kept apart to measure on, by their names
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    pub held_out: f64,
    /// Take edits too: changes of one place of a file, with the subject of their commit, from the history of each folder's repository
    #[arg(long)]
    pub edits: bool,
    /// Take edits of commits from this day on (UTC)
    #[arg(long, value_name = "YYYY-MM-DD", requires = "edits", value_parser = date::parse)]
    pub since: Option<i64>,
    /// Take edits of commits before this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD", requires = "edits", value_parser = date::parse)]
    pub before: Option<i64>,
}

/// [`Language`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageArg(pub Language);

impl ValueEnum for LanguageArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [LanguageArg; Language::ALL.len()] = {
            let mut all = [LanguageArg(Language::Rust); Language::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = LanguageArg(Language::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("give a share from 0 to 1".to_owned()) }
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &CorpusArgs) -> Result<Exit, Failure> {
    let start = Instant::now();
    let (name, tokenizer) = tokenizer(args)?;
    let folders: Vec<&Path> = args.folders.iter().map(PathBuf::as_path).collect();
    let options = Options {
        languages: match args.languages.as_slice() {
            [] => DEFAULT_LANGUAGES.to_vec(),
            languages => languages.iter().map(|language| language.0).collect(),
        },
        any_licence: args.any_licence,
        held_out: args.held_out,
        edits: args.edits.then_some(Period { since: args.since, before: args.before }),
        command: std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect(),
        ..Options::default()
    };
    let mut line = progress::Progress::new();
    let built = build(&folders, &args.out, (&name, &tokenizer), &options, &mut |progress| line.line(&words(progress)));
    line.clear();
    report(&built?, &args.out, start.elapsed().as_secs_f64())?;
    Ok(Exit::Ok)
}

/// The tokenizer that was asked for, with its name.
fn tokenizer(args: &CorpusArgs) -> Result<(String, Tokenizer), Failure> {
    if let Some(path) = &args.tokenizer {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok((name, Tokenizer::from_file(path)?));
    }
    let files = locate(args.model.as_deref())?;
    let tokenizer = load_tokenizer(&files)?;
    Ok((files.name, tokenizer))
}

/// How far a corpus is, in words.
pub fn words(progress: Progress) -> String {
    match progress {
        Progress::Found(files) => format!("{files} files found"),
        Progress::Judged(files, all) => format!("{files} of {all} files read"),
        Progress::Compared(files, all) => format!("{files} of {all} files compared"),
        Progress::Commits(commits) => format!("{commits} commits read"),
        Progress::Tokenised(records, all) => format!("{records} of {all} tokenised"),
    }
}

/// What was kept, what was left out and why.
fn report(manifest: &Manifest, out: &Path, seconds: f64) -> Result<(), Failure> {
    print(&format!("{} of {} files kept", manifest.kept, manifest.found))?;
    for (language, count) in &manifest.languages {
        print(&format!("  {language}: {} files, {} tokens", count.records, count.tokens))?;
    }
    let mut licences: Vec<(&String, &usize)> = manifest.licences.iter().collect();
    licences.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let told = |(name, count): &(&String, &usize)| {
        let name = if name.is_empty() { "unknown" } else { name.as_str() };
        format!("{} {count}", crate::text::sanitise_line(name))
    };
    let shown: Vec<String> = licences.iter().take(8).map(told).collect();
    let others: usize = licences.iter().skip(8).map(|(_, count)| **count).sum();
    let others = if others > 0 { format!(", others {others}") } else { String::new() };
    print(&format!("  licences: {}{others}", shown.join(", ")))?;
    print(&format!("{} files left out: {}", manifest.left_out.total(), manifest.left_out))?;
    if let Some(edits) = &manifest.edits {
        print(&format!("{} edits kept, of {} commits", edits.kept, edits.commits))?;
        for (language, count) in &edits.languages {
            print(&format!("  {language}: {} edits, {} tokens", count.records, count.tokens))?;
        }
        print(&format!("{} commits left out: {}", edits.commits_left_out.total(), edits.commits_left_out))?;
        print(&format!("{} changed files left out: {}", edits.left_out.total(), edits.left_out))?;
    }
    for set in Set::ALL {
        let shards = manifest.shards.iter().filter(|shard| shard.set == set);
        let (records, tokens, spans, bytes) = shards.fold((0, 0, 0, 0), |sum, shard| {
            (sum.0 + shard.records, sum.1 + shard.tokens, sum.2 + shard.spans, sum.3 + shard.bytes)
        });
        print(&format!("{}: {records} records, {tokens} tokens, {spans} spans, {bytes} bytes", set.name()))?;
    }
    crate::cli::say(&format!("written to {} in {seconds:.1} s", out.display()));
    Ok(())
}

impl From<CorpusError> for Failure {
    fn from(error: CorpusError) -> Self {
        let exit = match error {
            CorpusError::NotAFolder { .. } | CorpusError::NoHistory { .. } => Exit::Usage,
            CorpusError::Model(error) => return error.into(),
            CorpusError::Damaged { .. } | CorpusError::OtherTokenizer { .. } | CorpusError::Manifest { .. } => Exit::Model,
            CorpusError::Io { .. } | CorpusError::Occupied { .. } | CorpusError::Ignored { .. } | CorpusError::Git(_) => {
                Exit::Refused
            }
            CorpusError::Empty { .. } => Exit::NoCandidate,
        };
        Self::new(exit, error.to_string())
    }
}
