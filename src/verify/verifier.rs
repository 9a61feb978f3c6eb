//! The verifier: the commands run once on the files as they are, then on each candidate, and only what is new counts.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::diagnostic;
use super::diagnostic::Diagnostic;
use super::diagnostic::Level;
use super::process;
use super::process::Cancel;
use super::process::Finished;
use super::process::Job;
use super::process::Status;
use super::shadow::Shadow;
use super::shadow::ShadowError;
use super::words;

/// Where git would look for a repository: not in the user's, of whose index and files it would be.
const UNSET: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CLICOLOR_FORCE",
];
/// Bytes of output that are shown of a command that failed.
const TAIL: usize = 2000;

/// A command that a candidate must pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The current folder, inside the work tree.
    pub folder: PathBuf,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&words::join(&self.argv))
    }
}

/// New content of a file, for one candidate.
#[derive(Clone, Debug)]
pub struct Splice<'a> {
    /// The file, inside the work tree.
    pub path: &'a Path,
    /// Its content.
    pub bytes: &'a [u8],
    /// Lines of it, from 1, that are the candidate's own.
    pub lines: Vec<std::ops::RangeInclusive<usize>>,
}

/// How one command went on a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    /// Its number, from 0.
    pub check: usize,
    /// How it ended.
    pub status: Status,
    /// Whether the candidate passes.
    pub passed: bool,
    /// Whether it fails on the files as they are, too.
    pub failed_before: bool,
    /// How long it took.
    pub time: Duration,
    /// What it complains about and did not before.
    pub new: Vec<Diagnostic>,
    /// The end of its output, when the candidate fails.
    pub tail: String,
}

/// What the commands say about a candidate. They stop at the first one that fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The commands that ran.
    pub results: Vec<CheckResult>,
}

impl Verdict {
    /// Whether the candidate passes.
    pub fn passed(&self) -> bool {
        self.results.iter().all(|result| result.passed)
    }

    /// New complaints, notes left out.
    pub fn complaints(&self) -> impl Iterator<Item = &Diagnostic> {
        self.results.iter().flat_map(|result| &result.new).filter(|diagnostic| diagnostic.level != Level::Note)
    }

    /// The command that failed.
    pub fn failure(&self) -> Option<&CheckResult> {
        self.results.iter().find(|result| !result.passed)
    }
}

/// Why nothing can be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The shadow work tree.
    #[error("cannot verify: {0}")]
    Shadow(#[from] ShadowError),
    /// The command does not run at all.
    #[error("--verify {check}: cannot be started: {source}")]
    Start {
        /// The command.
        check: String,
        /// What the system said.
        source: io::Error,
    },
    /// It takes too long without any change.
    #[error("--verify {check}: not finished after {} s on the files as they are; raise --verify-time-limit", limit.as_secs_f64())]
    Slow {
        /// The command.
        check: String,
        /// The limit.
        limit: Duration,
    },
    /// Nobody waits for it any more.
    #[error("the commands were stopped")]
    Cancelled,
}

/// What a command did on the files as they are.
#[derive(Clone, Debug)]
struct Baseline {
    status: Status,
    diagnostics: Vec<Diagnostic>,
    output: Vec<String>,
}

/// Commands with a shadow to run them in, and what they said about the files as they are.
#[derive(Debug)]
pub struct Verifier {
    shadow: Shadow,
    checks: Vec<Check>,
    time_limit: Duration,
    cancel: Cancel,
    baseline: Vec<Baseline>,
}

impl Verifier {
    /// Brings the shadow up to date with `files` of the work tree, and runs the commands on them as they are, with `originals`
    /// in place of the files that will be edited. `told` hears of each command that has run, with its number; `cancel` ends it.
    ///
    /// # Errors
    /// There is no shadow, or a command cannot be used.
    pub fn start(
        mut shadow: Shadow,
        files: &[PathBuf],
        originals: &[Splice<'_>],
        checks: Vec<Check>,
        time_limit: Duration,
        cancel: Cancel,
        told: &mut dyn FnMut(usize, &Check, Status, Duration),
    ) -> Result<Self, VerifyError> {
        shadow.sync(files)?;
        let mut verifier = Self { shadow, checks, time_limit, cancel, baseline: Vec::new() };
        verifier.splice(originals)?;
        for (number, check) in verifier.checks.clone().into_iter().enumerate() {
            let (finished, diagnostics) = verifier.run(&check)?;
            if finished.status == Status::TimedOut {
                return Err(VerifyError::Slow { check: check.to_string(), limit: time_limit });
            }
            told(number, &check, finished.status, finished.time);
            verifier.baseline.push(Baseline { status: finished.status, diagnostics, output: lines(&finished) });
        }
        Ok(verifier)
    }

    /// The commands.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What ends the next commands before their time.
    pub fn set_cancel(&mut self, cancel: Cancel) {
        self.cancel = cancel;
    }

    /// Runs the commands on a candidate, up to the first that fails. `told` hears of each.
    ///
    /// # Errors
    /// The shadow cannot be written, or a command can no longer be started.
    pub fn verify(&mut self, candidate: &[Splice<'_>], told: &mut dyn FnMut(&CheckResult)) -> Result<Verdict, VerifyError> {
        self.splice(candidate)?;
        let own = |diagnostic: &Diagnostic| {
            let touches = |lines: &std::ops::RangeInclusive<usize>| {
                *lines.start() <= diagnostic.last_line && diagnostic.line <= *lines.end()
            };
            candidate.iter().any(|splice| splice.path == diagnostic.file && splice.lines.iter().any(touches))
        };
        let mut results: Vec<CheckResult> = Vec::new();
        for (number, check) in self.checks.clone().into_iter().enumerate() {
            let (finished, diagnostics) = self.run(&check)?;
            let before = &self.baseline[number];
            let new = diagnostic::new_ones(&before.diagnostics, &diagnostics, &own);
            let failed_before = !before.status.is_success();
            let passed = finished.status.is_success() || (failed_before && is_no_worse(before, &finished, &new));
            let tail = if passed { String::new() } else { tail(&finished) };
            let (status, time) = (finished.status, finished.time);
            let result = CheckResult { check: number, status, passed, failed_before, time, new, tail };
            told(&result);
            results.push(result);
            if !passed {
                break;
            }
        }
        Ok(Verdict { results })
    }

    fn splice(&mut self, candidate: &[Splice<'_>]) -> Result<(), VerifyError> {
        self.shadow.reset()?;
        candidate.iter().try_for_each(|splice| self.shadow.put(splice.path, splice.bytes))?;
        Ok(())
    }

    fn run(&self, check: &Check) -> Result<(Finished, Vec<Diagnostic>), VerifyError> {
        let (tree, build) = (self.shadow.tree(), self.shadow.build());
        let start = |source| VerifyError::Start { check: check.to_string(), source };
        let folder = tree.join(&check.folder);
        // A folder without a file that git knows.
        std::fs::create_dir_all(&folder).map_err(start)?;
        let job = Job {
            argv: &check.argv,
            folder: &folder,
            // A build in the user's own target folder would replace what is built there.
            set: &[
                ("CARGO_TARGET_DIR", build.as_os_str()),
                ("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(&tree).as_os_str()),
                ("NO_COLOR", OsStr::new("1")),
                ("CARGO_TERM_COLOR", OsStr::new("never")),
            ],
            unset: &UNSET,
            time: self.time_limit,
            cancel: &self.cancel,
        };
        if self.cancel.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        let finished = process::run(&job).map_err(start)?;
        if finished.status == Status::Cancelled {
            return Err(VerifyError::Cancelled);
        }
        let mut diagnostics = Vec::new();
        for output in [&finished.stdout, &finished.stderr] {
            diagnostics.extend(diagnostic::parse(&String::from_utf8_lossy(output), &tree, &check.folder));
        }
        Ok((finished, diagnostics))
    }
}

/// Whether a command that failed before fails in no other way now: with places, by what is new among them; without any, it must
/// have said the same.
fn is_no_worse(before: &Baseline, now: &Finished, new: &[Diagnostic]) -> bool {
    if now.status != before.status || new.iter().any(|diagnostic| diagnostic.level == Level::Error) {
        return false;
    }
    let known = |line: &String| before.output.binary_search(line).is_ok();
    !before.diagnostics.is_empty() || lines(now).iter().all(known)
}

/// The lines of the output, sorted, with their numbers taken out: times and addresses differ from run to run.
fn lines(finished: &Finished) -> Vec<String> {
    let text = [&finished.stdout[..], &finished.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let plain = |line: &str| line.chars().filter(|c| !c.is_ascii_digit()).collect::<String>().trim().to_owned();
    let mut lines: Vec<String> = text.lines().map(plain).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The end of what a command said, standard error if there is any.
fn tail(finished: &Finished) -> String {
    let output = if finished.stderr.trim_ascii().is_empty() { &finished.stdout } else { &finished.stderr };
    let text = String::from_utf8_lossy(&output[output.len().saturating_sub(TAIL)..]);
    text.trim().to_owned()
}

#[cfg(unix)]
#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
