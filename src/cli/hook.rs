//! `dcode hook`.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use clap::Subcommand;

use crate::cli::answers::Question;
use crate::cli::answers::answer;
use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::findings::FormatArgs;
use crate::cli::findings::show;
use crate::cli::hook_checks;
use crate::cli::recipes::Kits;
use crate::cli::recipes::RecipeArgs;
use crate::cli::say;
use crate::cli::write::work_tree;
use crate::cli::write::write;
use crate::config::Layers;
use crate::hook::fix::fix;
use crate::hook::install::InstallError;
use crate::hook::install::Installed;
use crate::hook::install::install;
use crate::hook::install::parse_git_version;
use crate::hook::install::uninstall;
use crate::hook::package::rust_version;
use crate::hook::place::Allowed;
use crate::hook::report::FileReport;
use crate::hook::report::Report;
use crate::hook::scan::Skipped;
use crate::hook::staged::StagedFile;
use crate::hook::staged::inside;
use crate::hook::staged::is_temporary_index;
use crate::hook::staged::staged;
use crate::patch::FileChange;
use crate::patch::Target;
use crate::patch::UnifiedOptions;
use crate::patch::WorkTree;
use crate::patch::hunk;
use crate::patch::unified;
use crate::screen::colour::ColorChoice;
use crate::syntax::language::Language;

/// Refactor what is staged, before it is committed
///
/// Only spans that touch staged lines are looked at. Without --check or --fix, findings are shown and the commit goes on. Rewritings
/// that the code determines come from templates; only for the rest the model is loaded. DCODE_SKIP=1 skips it all.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HookArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Exit with 1 when something is found that --fix would write
    #[arg(long, group = "mode")]
    pub check: bool,
    /// Write what keeps the meaning, inside staged lines only
    ///
    /// Under pre-commit the files are written and nothing is staged. As git's own hook, files and index are written alike; a file
    /// with changes that are not staged is left alone, and a patch for it is written instead.
    #[arg(long, group = "mode")]
    pub fix: bool,
    /// Look at these files or folders only
    pub files: Vec<PathBuf>,
    /// Fail when the budget was not enough (6), there is no model (5), or --fix could not write everything (1)
    #[arg(long)]
    pub strict: bool,
    /// Seconds for everything; spans that the model has not answered by then are left out
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = budget)]
    pub budget: f64,
    /// Leave out recipes that need the model
    #[arg(long)]
    pub no_model: bool,
    /// Which recipes
    #[command(flatten)]
    pub recipes: RecipeArgs,
    /// How findings are printed
    #[command(flatten)]
    pub format: FormatArgs,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run `dcode hook` at each commit of this repository
    ///
    /// git from 2.54 on reads it from the repository's configuration; older ones from a script, which runs the one that was there
    /// before it.
    Install {
        /// Exit with 1 when something is found, so that the commit stops
        #[arg(long, group = "mode")]
        check: bool,
        /// Write what keeps the meaning
        #[arg(long, group = "mode")]
        fix: bool,
    },
    /// Take it out again
    Uninstall,
}

fn budget(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &HookArgs, color: ColorChoice, layers: &Layers) -> Result<Exit, Failure> {
    match &args.action {
        Some(Action::Install { check, fix }) => return put_in(*check, *fix),
        Some(Action::Uninstall) => return take_out(),
        None => {}
    }
    if std::env::var_os("DCODE_SKIP").is_some_and(|value| !value.is_empty() && value != "0") {
        say("dcode: skipped, DCODE_SKIP is set");
        return Ok(Exit::Ok);
    }
    let deadline = Instant::now() + Duration::from_secs_f64(args.budget);
    let tree = repository()?;
    let found = staged(&tree, &chosen(&tree, &args.files)?, revision().as_deref())?;
    let mut kits = Kits::new(&args.recipes, args.no_model)?;
    let mut report = Report::default();
    for (path, reason) in &found.skipped {
        report.notice(Some(path), reason.as_str());
    }
    let (mut files, mut questions, mut strict) = (Vec::new(), Vec::new(), Exit::Ok);
    for file in found.files {
        let text = file.document.text();
        let language = Language::detect(&file.path, text.lines().next().unwrap_or(""));
        let Some(kit) = language.map(|language| kits.of(language)).transpose()?.flatten() else { continue };
        let allowed = Allowed::Lines(file.lines.clone());
        let version = rust_version(&tree.root().join(&file.path), tree.root());
        report.looked_at += 1;
        let scan = match kit.scan(&file.document, &allowed, version, Some(deadline)) {
            Ok(scan) => scan,
            Err(Skipped::Generated) => continue,
            Err(Skipped::Budget) => {
                report.notice(Some(&file.path), "skipped: budget");
                strict = Exit::Budget;
                continue;
            }
            Err(skipped) => {
                report.notice(Some(&file.path), skipped.to_string());
                continue;
            }
        };
        let document = Arc::new(file.document.clone());
        for open in scan.open {
            let (index, path) = (report.files.len(), file.path.clone());
            questions.push(Question { file: index, path, document: Arc::clone(&document), open, allowed: allowed.clone() });
        }
        report.files.push(FileReport {
            path: file.path.clone(),
            document: file.document.clone(),
            findings: scan.findings,
            hunks: Vec::new(),
            taken: Vec::new(),
        });
        files.push(file);
    }
    let answered = answer(questions, &args.model, Some(deadline), &mut report)?;
    strict = if strict == Exit::Ok { answered } else { strict };
    let checked = hook_checks::check(&tree, layers, deadline, &mut report)?;
    strict = if strict == Exit::Ok { checked } else { strict };
    for file in &mut report.files {
        let fix = fix(&file.document, &file.findings);
        (file.hunks, file.taken) = (fix.hunks, fix.taken);
    }
    let mut is_complete = true;
    if args.fix {
        let written = apply(&tree, &files, &report.files)?;
        is_complete = written.is_complete;
        written.notices.iter().for_each(|text| report.notice(None, text.as_str()));
    }
    show(&report, args.format, color, (!args.fix).then_some("apply them with `dcode hook --fix`, skip them with DCODE_SKIP=1"))?;
    Ok(match (args.strict, strict) {
        (true, exit) if exit != Exit::Ok => exit,
        (true, _) if !is_complete => Exit::Rejected,
        _ if args.check && report.fixable() > 0 => Exit::Rejected,
        _ => Exit::Ok,
    })
}

fn repository() -> Result<WorkTree, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::usage(format!("cannot use the current folder: {error}")))?;
    work_tree(&here)?.ok_or_else(|| Failure::usage("not in a git work tree; `dcode lint` looks at files anywhere"))
}

/// The files of the command line as paths inside the work tree.
fn chosen(tree: &WorkTree, files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let here = std::env::current_dir().and_then(|folder| folder.canonicalize())?;
    let inside = |file: &PathBuf| {
        inside(tree.root(), &here, file)
            .ok_or_else(|| Failure::usage(format!("{}: lies outside the work tree {}", file.display(), tree.root().display())))
    };
    files.iter().map(inside).collect()
}

/// Whether the pre-commit framework runs us.
fn in_framework() -> bool {
    std::env::var_os("PRE_COMMIT").is_some_and(|value| !value.is_empty())
}

/// The revision that the pre-commit framework compares with, when it was told one.
fn revision() -> Option<String> {
    std::env::var("PRE_COMMIT_FROM_REF").ok().filter(|revision| !revision.is_empty())
}

/// What `--fix` did.
#[derive(Default)]
struct Written {
    notices: Vec<String>,
    /// Whether everything was written that may be.
    is_complete: bool,
}

/// Writes the fixes, and a patch of those that may not be written.
fn apply(tree: &WorkTree, files: &[StagedFile], reports: &[FileReport]) -> Result<Written, Failure> {
    let mut written = Written::default();
    let (mut changes, mut partial) = (Vec::new(), Vec::new());
    let stages = !in_framework();
    let alone = stages && is_temporary_index(tree)?;
    for (file, found) in files.iter().zip(reports) {
        if found.hunks.is_empty() {
            continue;
        }
        let unstaged = stages && tree.filter(&file.path)?.is_some();
        if file.is_partial || alone || unstaged {
            partial.push((file, found));
            continue;
        }
        let Ok(target) = Target::resolve(&tree.root().join(&file.path), Some(tree.root())) else {
            partial.push((file, found));
            continue;
        };
        changes.push(FileChange { target, document: found.document.clone(), hunks: found.hunks.clone() });
    }
    let patch = patch(&partial)?;
    let count = changes.len();
    let applied = write(Some(tree), changes, Some("dcode hook --fix"), stages)?;
    if let Some(applied) = applied {
        let staged = if stages { " and staged" } else { "" };
        let word = if count == 1 { "file" } else { "files" };
        written.notices.push(format!("{count} {word} written{staged}; `dcode undo {}` takes it back", applied.id));
    }
    if patch.is_empty() {
        written.is_complete = true;
        return Ok(written);
    }
    let path = tree.repository().path().join("dcode-hook.patch");
    std::fs::write(&path, &patch).map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", path.display())))?;
    let names: Vec<String> = partial.iter().map(|(file, _)| file.path.display().to_string()).collect();
    let (names, shown) = (names.join(", "), path.display());
    written.notices.push(format!(
        "not written, because not all of it is staged: {names}; `git apply --cached {shown}` puts the fixes into the index, \
         `git apply {shown}` into the files"
    ));
    Ok(written)
}

/// The patch for files that may not be written, against what is staged.
fn patch(files: &[(&StagedFile, &FileReport)]) -> Result<Vec<u8>, Failure> {
    let mut patch = Vec::new();
    for (file, found) in files {
        let lf = |text: &str| text.replace("\r\n", "\n").into_bytes();
        let new = hunk::apply(&found.document, &found.hunks).map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        let old = found.document.bytes().to_vec();
        // The index has LF where git converts; a patch for it must have that too.
        let converted = git2::Oid::hash_object(git2::ObjectType::Blob, &old).is_ok_and(|oid| oid != file.blob);
        let (old, new) = if converted { (lf(found.document.text()), lf(&String::from_utf8_lossy(&new))) } else { (old, new) };
        patch.extend(unified(&old, &new, &file.path, UnifiedOptions { mode: file.mode, ..UnifiedOptions::default() }));
    }
    Ok(patch)
}

fn put_in(check: bool, fix: bool) -> Result<Exit, Failure> {
    let tree = repository()?;
    let mode = if check {
        " --check"
    } else if fix {
        " --fix"
    } else {
        ""
    };
    let command = format!("{} hook{mode}", program());
    let version = std::process::Command::new("git").arg("version").output().ok();
    let version = version.and_then(|output| parse_git_version(&String::from_utf8_lossy(&output.stdout)));
    match install(&tree, &command, version)? {
        Installed::Script(path, chains) => {
            let before = if chains { "; the script that was there runs before it" } else { "" };
            say(&format!("installed as {}{before}", path.display()));
        }
        _ => say("installed in the repository's git configuration as hook.dcode"),
    }
    Ok(Exit::Ok)
}

fn take_out() -> Result<Exit, Failure> {
    match uninstall(&repository()?)? {
        Installed::Removed => say("removed"),
        _ => say("there is no hook of dcode in this repository"),
    }
    Ok(Exit::Ok)
}

/// How the hook calls dcode: by its name where that leads to a program on the search path, else by its path.
fn program() -> String {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join("dcode").is_file());
    match std::env::current_exe() {
        Ok(path) if !found => shell_word(&path),
        _ => "dcode".to_owned(),
    }
}

fn shell_word(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}
