//! The settings' commands, for rewritings of recipes that say `verify = true`: what a command fails with is shown and never written.

use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::config::Layers;
use crate::config::places::cache_dir;
use crate::hook::fix::fix;
use crate::hook::recipe::Level;
use crate::hook::report::FileReport;
use crate::hook::report::Report;
use crate::patch::WorkTree;
use crate::patch::hunk;
use crate::screen::modes;
use crate::verify::process;
use crate::verify::process::Cancel;
use crate::verify::shadow::Shadow;
use crate::verify::verifier::Check;
use crate::verify::verifier::Splice;
use crate::verify::verifier::Verifier;
use crate::verify::verifier::VerifyError;

/// A finding, by its file and its place there.
type Place = (usize, usize);

/// Holds back the findings of recipes that ask for the commands unless these pass with them, on a copy of the work tree in which the
/// report's files have the content that was looked at. First all of them together; if that fails, one after the other on top of those
/// that passed. Returns how the hook would end if it were strict.
///
/// # Errors
/// The files of the repository cannot be listed, or there is no place for a copy.
pub fn check(tree: &WorkTree, layers: &Layers, deadline: Instant, report: &mut Report) -> Result<Exit, Failure> {
    let asking: Vec<Place> = places(report);
    if asking.is_empty() {
        return Ok(Exit::Ok);
    }
    // Nothing is written that was not looked at.
    hold(report, &asking, true);
    let checks: Vec<Check> =
        layers.verify_commands().iter().map(|argv| Check { argv: argv.clone(), folder: PathBuf::new() }).collect();
    if checks.is_empty() {
        let count = asking.len();
        report.notice(None, format!("{count} not written: their recipes ask for verify.commands, and the settings have none"));
        return Ok(Exit::Ok);
    }
    match passing(tree, checks, deadline, report, &asking) {
        Ok(()) => {}
        Err(Stopped::Late) => {
            asking.iter().for_each(|&(file, finding)| {
                if report.files[file].findings[finding].is_held_back {
                    let path = report.files[file].path.clone();
                    let name = report.files[file].findings[finding].recipe.name.clone();
                    report.notice(Some(&path), format!("{name}: not written: skipped: budget"));
                }
            });
            return Ok(Exit::Budget);
        }
        Err(Stopped::Failed(failure)) => return Err(failure),
    }
    Ok(Exit::Ok)
}

/// Why not all findings were judged.
enum Stopped {
    /// The budget was used up.
    Late,
    Failed(Failure),
}

impl From<VerifyError> for Stopped {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Slow { .. } => Self::Late,
            error => Self::Failed(error.into()),
        }
    }
}

/// Lets go of what the commands pass with.
fn passing(tree: &WorkTree, checks: Vec<Check>, deadline: Instant, report: &mut Report, asking: &[Place]) -> Result<(), Stopped> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let failed = |message: &str| Stopped::Failed(Failure::new(Exit::Refused, message));
    let cache = cache_dir().ok_or_else(|| failed("no folder for the copy that verify needs; set DCODE_HOME"))?;
    let files = tree.files().map_err(|error| failed(&error.to_string()))?;
    if left().is_zero() {
        return Err(Stopped::Late);
    }
    // A signal ends dcode; what it started must not live on.
    modes::before_the_end(process::close);
    let shadow = Shadow::open(&cache.join("verify"), tree.root()).map_err(VerifyError::from)?;
    let originals: Vec<(PathBuf, Vec<u8>)> =
        report.files.iter().map(|file| (file.path.clone(), file.document.bytes().to_vec())).collect();
    let limit = left().max(Duration::from_millis(1));
    let mut verifier =
        Verifier::start(shadow, &files, &splices(&originals), checks, limit, Cancel::default(), &mut |_, _, _, _| {})?;
    let mut pass = |report: &Report| -> Result<bool, Stopped> {
        if left().is_zero() {
            return Err(Stopped::Late);
        }
        let contents: Vec<(PathBuf, Vec<u8>)> = report.files.iter().map(|file| (file.path.clone(), fixed(file))).collect();
        Ok(verifier.verify(&splices(&contents), &mut |_| {})?.passed())
    };
    hold(report, asking, false);
    let together = pass(report);
    if matches!(together, Ok(true)) {
        return Ok(());
    }
    hold(report, asking, true);
    together?;
    for place in asking {
        hold(report, &[*place], false);
        let alone = if asking.len() == 1 { Ok(false) } else { pass(report) };
        if !matches!(alone, Ok(true)) {
            hold(report, &[*place], true);
        }
        if !alone? {
            let file = &report.files[place.0];
            let (path, name) = (file.path.clone(), file.findings[place.1].recipe.name.clone());
            report.notice(Some(&path), format!("{name}: not written: a command of verify.commands fails with it"));
        }
    }
    Ok(())
}

/// Findings that would be written and whose recipes ask for the commands.
fn places(report: &Report) -> Vec<Place> {
    let asks = |file: &FileReport, finding: usize| {
        let found = &file.findings[finding];
        found.recipe.verify && found.recipe.level == Level::Fix && found.is_inside
    };
    let of = |(index, file): (usize, &FileReport)| {
        (0..file.findings.len()).filter(|&finding| asks(file, finding)).map(|finding| (index, finding)).collect::<Vec<_>>()
    };
    report.files.iter().enumerate().flat_map(of).collect()
}

fn hold(report: &mut Report, places: &[Place], back: bool) {
    places.iter().for_each(|&(file, finding)| report.files[file].findings[finding].is_held_back = back);
}

/// A file's content with everything in it that is not held back.
fn fixed(file: &FileReport) -> Vec<u8> {
    let hunks = fix(&file.document, &file.findings).hunks;
    hunk::apply(&file.document, &hunks).unwrap_or_else(|_| file.document.bytes().to_vec())
}

/// Every complaint in these files counts.
fn splices(files: &[(PathBuf, Vec<u8>)]) -> Vec<Splice<'_>> {
    files.iter().map(|(path, bytes)| Splice { path, bytes, lines: vec![1..=usize::MAX] }).collect()
}
