//! `--verify`: which commands, where they run, and what is said about them.

use std::path::Path;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use ignore::WalkBuilder;
use serde_json::Value;
use serde_json::json;

use crate::cli::common::seconds;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::files::FileJob;
use crate::cli::files::common_tree;
use crate::config::Layers;
use crate::config::places::cache_dir;
use crate::edit::proposal::Part;
use crate::edit::proposal::lines_of;
use crate::edit::rounds::VerifyEvent;
use crate::patch::git::WorkTree;
use crate::screen::modes;
use crate::verify::Cancel;
use crate::verify::Check;
use crate::verify::Diagnostic;
use crate::verify::Level;
use crate::verify::Shadow;
use crate::verify::Splice;
use crate::verify::Status;
use crate::verify::Verifier;
use crate::verify::VerifyError;
use crate::verify::process;
use crate::verify::words;

/// What a candidate must pass.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Run this command on each candidate, in a copy of the work tree; no shell. Repeat for several
    #[arg(long, value_name = "CMD", conflicts_with = "no_verify")]
    pub verify: Vec<String>,
    /// Run no command, not even configured ones
    #[arg(long)]
    pub no_verify: bool,
    /// Rounds of remasking what the commands complain about
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=16))]
    pub verify_rounds: u8,
    /// Seconds for one run of one command, which is killed then with all that it started
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub verify_time_limit: Duration,
}

/// A command that has run on the files as they are.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command.
    pub command: String,
    /// How it ended.
    pub status: Status,
    /// How long it took.
    pub time: Duration,
}

/// A verifier in the making: the copy and the first run of the commands go on while the model loads.
#[derive(Debug)]
pub struct Starting(JoinHandle<Result<(Verifier, Vec<Ran>), VerifyError>>);

impl Starting {
    /// Waits for it.
    ///
    /// # Errors
    /// The commands cannot be used.
    pub fn wait(self) -> Result<(Verifier, Vec<Ran>), Failure> {
        match self.0.join() {
            Ok(started) => Ok(started?),
            Err(_) => {
                Err(Failure::new(Exit::Internal, "internal: the verifier stopped; nothing was written, please report this"))
            }
        }
    }
}

impl VerifyArgs {
    /// The commands: those of the command line, or else the configured ones.
    fn checks(&self, layers: &Layers, root: &Path) -> Result<Vec<Check>, Failure> {
        if self.verify.is_empty() {
            let configured = layers.verify_commands().iter();
            return Ok(configured.map(|argv| Check { argv: argv.clone(), folder: PathBuf::new() }).collect());
        }
        // What is typed means the folder in which it is typed; what is configured, the root.
        let here = std::env::current_dir().and_then(|folder| folder.canonicalize()).unwrap_or_default();
        let folder = here.strip_prefix(root).unwrap_or(Path::new("")).to_path_buf();
        let check = |line: &String| match words::split(line) {
            Ok(argv) => Ok(Check { argv, folder: folder.clone() }),
            Err(error) => Err(Failure::usage(format!("--verify: {error}"))),
        };
        self.verify.iter().map(check).collect()
    }

    /// Starts the verifier, when there is a command.
    ///
    /// # Errors
    /// As [`VerifyArgs::plan`].
    pub fn start(&self, layers: &Layers, jobs: &[FileJob]) -> Result<Option<Starting>, Failure> {
        let Some(plan) = self.plan(layers, jobs)? else { return Ok(None) };
        let work = move || {
            let mut ran = Vec::new();
            let told = &mut |_: usize, check: &Check, status, time| ran.push(Ran { command: check.to_string(), status, time });
            let verifier = plan.open(Cancel::default(), told)?;
            Ok((verifier, ran))
        };
        let thread = std::thread::Builder::new().name("verifier".to_owned()).spawn(work)?;
        Ok(Some(Starting(thread)))
    }

    /// What the verifier will run on a copy of which files, when there is a command.
    ///
    /// # Errors
    /// The commands cannot be read, or there is no place for a copy of the files.
    pub fn plan(&self, layers: &Layers, jobs: &[FileJob]) -> Result<Option<Plan>, Failure> {
        if self.no_verify || (self.verify.is_empty() && layers.verify_commands().is_empty()) {
            return Ok(None);
        }
        let tree = common_tree(jobs)?;
        let root = match (tree, jobs.first()) {
            (Some(tree), _) => tree.root().to_path_buf(),
            (None, Some(job)) => job.place.target()?.path().parent().unwrap_or(Path::new("/")).to_path_buf(),
            (None, None) => return Ok(None),
        };
        let checks = self.checks(layers, &root)?;
        let apart = |job: &FileJob| Ok(job.place.target()?.path().parent() != Some(root.as_path()));
        if tree.is_none() && jobs.iter().map(apart).collect::<Result<Vec<bool>, Failure>>()?.contains(&true) {
            return Err(Failure::usage("--verify of files in several folders needs a git work tree around them"));
        }
        // A copy holds what may be written alone.
        jobs.iter().try_for_each(|job| job.place.target().map(drop))?;
        let cache = cache_dir().ok_or_else(|| Failure::usage("no folder for the copy that --verify needs; set DCODE_HOME"))?;
        let tracked = tree.map(WorkTree::files).transpose()?;
        let parts = jobs.iter().map(FileJob::part).collect();
        Ok(Some(Plan { root, tracked, cache, parts, checks, limit: self.verify_time_limit }))
    }
}

/// A verifier that is not started yet.
#[derive(Debug)]
pub struct Plan {
    root: PathBuf,
    /// The files that git knows; `None` where there is no work tree.
    tracked: Option<Vec<PathBuf>>,
    cache: PathBuf,
    parts: Vec<Part>,
    checks: Vec<Check>,
    limit: Duration,
}

impl Plan {
    /// The commands.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Copies the files and runs the commands on them as they are; `told` hears of each that has run, with its number.
    ///
    /// # Errors
    /// The commands cannot be used, or were stopped.
    pub fn open(self, cancel: Cancel, told: &mut dyn FnMut(usize, &Check, Status, Duration)) -> Result<Verifier, VerifyError> {
        // A signal ends dcode; what it started must not live on.
        modes::before_the_end(process::close);
        let files = self.tracked.unwrap_or_else(|| walk(&self.root));
        let shadow = Shadow::open(&self.cache.join("verify"), &self.root)?;
        let originals: Vec<Splice<'_>> = self.parts.iter().map(original).collect();
        Verifier::start(shadow, &files, &originals, self.checks, self.limit, cancel, told)
    }
}

fn original(part: &Part) -> Splice<'_> {
    let lines = part.spans.iter().map(|span| lines_of(&part.document, span)).collect();
    Splice { path: &part.relative, bytes: part.document.bytes(), lines }
}

/// The files below a folder that is in no work tree, without what `.gitignore` and `.ignore` name.
fn walk(root: &Path) -> Vec<PathBuf> {
    /// One more than are copied, so that too many are noticed.
    const MOST: usize = 200_001;
    let walk = WalkBuilder::new(root).hidden(false).require_git(false).follow_links(false).build();
    let files = walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()));
    files.filter_map(|entry| entry.path().strip_prefix(root).ok().map(Path::to_path_buf)).take(MOST).collect()
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let exit = if matches!(error, VerifyError::Shadow(_)) { Exit::Refused } else { Exit::Usage };
        Self::new(exit, error.to_string())
    }
}

/// One line about an event, for people.
pub fn line(event: &VerifyEvent<'_>) -> String {
    match event {
        VerifyEvent::Baseline { command, status, time, .. } if !status.is_success() => {
            let seconds = time.as_secs_f64();
            format!("note: `{command}` fails on the files as they are ({status}, {seconds:.1} s); only what is new counts")
        }
        VerifyEvent::Baseline { command, time, .. } => {
            format!("`{command}` passes on the files as they are ({:.1} s)", time.as_secs_f64())
        }
        VerifyEvent::Running { proposal } => format!("verifying candidate {proposal}"),
        VerifyEvent::Checked { proposal, command, result } => {
            let seconds = result.time.as_secs_f64();
            if result.passed {
                return format!("candidate {proposal}: `{command}` passed ({seconds:.1} s)");
            }
            let first = result.new.iter().find(|new| new.level == Level::Error).map(complaint);
            let said = first.or_else(|| result.tail.lines().next_back().map(str::to_owned)).unwrap_or_default();
            format!("candidate {proposal}: `{command}` failed ({}, {seconds:.1} s): {said}", result.status)
        }
        VerifyEvent::Remask { round, proposal, file, lines } => {
            let lines: Vec<String> = lines.iter().map(|lines| format!("{}:{}", lines.start(), lines.end())).collect();
            format!("round {round}: remasking lines {} of candidate {proposal} in {}", lines.join(", "), file.display())
        }
    }
}

/// A complaint in one line.
fn complaint(diagnostic: &Diagnostic) -> String {
    format!("{}:{}: {}", diagnostic.file.display(), diagnostic.line, diagnostic.message)
}

/// The same for programs; `None` for what only a person waits for.
pub fn json(event: &VerifyEvent<'_>) -> Option<Value> {
    Some(match event {
        VerifyEvent::Running { .. } => return None,
        VerifyEvent::Baseline { command, status, time, .. } => json!({
            "type": "verify", "stage": "baseline", "command": command,
            "passed": status.is_success(), "status": status.to_string(), "seconds": time.as_secs_f64(),
        }),
        VerifyEvent::Checked { proposal, command, result } => json!({
            "type": "verify", "stage": "candidate", "candidate": proposal, "command": command,
            "passed": result.passed, "failed_before": result.failed_before, "status": result.status.to_string(),
            "seconds": result.time.as_secs_f64(), "diagnostics": result.new.iter().map(diagnostic).collect::<Vec<_>>(),
            "output": result.tail,
        }),
        VerifyEvent::Remask { round, proposal, file, lines } => json!({
            "type": "verify", "stage": "remask", "round": round, "candidate": proposal, "file": file.to_string_lossy(),
            "lines": lines.iter().map(|lines| json!([lines.start(), lines.end()])).collect::<Vec<_>>(),
        }),
    })
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    json!({
        "file": diagnostic.file.to_string_lossy(), "line": diagnostic.line, "last_line": diagnostic.last_line,
        "column": diagnostic.column, "level": diagnostic.level.name(), "message": diagnostic.message,
    })
}
