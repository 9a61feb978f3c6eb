//! `dcode lint`.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use clap::Args;

use crate::cli::answers::Question;
use crate::cli::answers::answer;
use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::findings::FormatArgs;
use crate::cli::findings::show;
use crate::cli::print;
use crate::cli::recipes::Kits;
use crate::cli::recipes::RecipeArgs;
use crate::cli::say;
use crate::cli::write::work_tree;
use crate::cli::write::write;
use crate::document::Document;
use crate::hook::fix::fix;
use crate::hook::fix::fixpoint;
use crate::hook::package::rust_version;
use crate::hook::place::Allowed;
use crate::hook::recipe::Level;
use crate::hook::report::FileReport;
use crate::hook::report::Report;
use crate::hook::scan::Skipped;
use crate::hook::staged::SIZE_CAP;
use crate::patch::FileChange;
use crate::patch::Target;
use crate::patch::WorkTree;
use crate::patch::hunk;
use crate::screen::colour::ColorChoice;
use crate::syntax::language::Language;

/// Look for refactorings in whole files, as `dcode hook` does in staged lines
///
/// Exits with 1 when something is found that --fix would write. Ignored files are left out.
#[derive(Args, Debug)]
pub struct LintArgs {
    /// Files or folders; without any, the current folder
    pub paths: Vec<PathBuf>,
    /// Write what keeps the meaning, until nothing more is found
    #[arg(long)]
    pub fix: bool,
    /// Use recipes that need the model too
    #[arg(long, conflicts_with = "fix")]
    pub with_model: bool,
    /// Seconds for the model
    #[arg(long, value_name = "SECONDS", requires = "with_model", default_value_t = 60)]
    pub budget: u32,
    /// List the recipes and end
    #[arg(long)]
    pub list: bool,
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

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &LintArgs, color: ColorChoice) -> Result<Exit, Failure> {
    let mut kits = Kits::new(&args.recipes, !args.with_model)?;
    if args.list {
        return list(&kits);
    }
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here[..] } else { &args.paths };
    let tree = paths.first().map(|path| work_tree(path)).transpose()?.flatten();
    let mut report = Report::default();
    let mut questions = Vec::new();
    let mut changes = Vec::new();
    for path in files(paths)? {
        let Some(language) = Language::from_path(&path) else { continue };
        let Some(kit) = kits.of(language)? else { continue };
        let document = match Document::read_capped(&path, SIZE_CAP as u64) {
            Ok(document) => document,
            Err(error) => {
                report.notice(None, error.to_string());
                continue;
            }
        };
        report.looked_at += 1;
        let root = tree.as_ref().map(WorkTree::root);
        let absolute = path.canonicalize()?;
        let version = rust_version(&absolute, root.unwrap_or(Path::new("/")));
        let found = if args.fix {
            fixpoint(kit, &document, version).map(|(text, written)| {
                let start = document.bom_len();
                let hunks = hunk::hunks(start, &document.text()[start..], text.get(start..).unwrap_or_default());
                let taken = (0..written.len()).collect();
                let target = (!hunks.is_empty()).then(|| Target::resolve(&absolute, root));
                match target {
                    Some(Ok(target)) => {
                        changes.push(FileChange { target, document: document.clone(), hunks: hunks.clone() });
                    }
                    Some(Err(error)) => say(&error.to_string()),
                    None => {}
                }
                (written, hunks, taken)
            })
        } else {
            kit.scan(&document, &Allowed::All, version, None).map(|scan| {
                let shared = Arc::new(document.clone());
                for open in scan.open {
                    let file = report.files.len();
                    let document = Arc::clone(&shared);
                    questions.push(Question { file, path: path.clone(), document, open, allowed: Allowed::All });
                }
                (scan.findings, Vec::new(), Vec::new())
            })
        };
        match found {
            Ok((findings, hunks, taken)) => {
                report.files.push(FileReport { path: path.clone(), document, findings, hunks, taken });
            }
            Err(Skipped::Generated) => {}
            Err(skipped) => report.notice(Some(&path), skipped.to_string()),
        }
    }
    if args.fix {
        let count = changes.len();
        if let Some(applied) = write(tree.as_ref(), changes, Some("dcode lint --fix"), false)? {
            report.notice(None, format!("{count} files written; `dcode undo {}` takes it back", applied.id));
        }
        show(&report, args.format, color, None)?;
        return Ok(Exit::Ok);
    }
    let deadline = Instant::now() + Duration::from_secs(args.budget.into());
    answer(questions, &args.model, Some(deadline), &mut report)?;
    for file in &mut report.files {
        let fix = fix(&file.document, &file.findings);
        (file.hunks, file.taken) = (fix.hunks, fix.taken);
    }
    show(&report, args.format, color, Some("apply them with `dcode lint --fix`"))?;
    Ok(if report.fixable() > 0 { Exit::Rejected } else { Exit::Ok })
}

/// The files to look at: those that are named, and those below named folders that git does not ignore.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_file() {
            found.push(path.clone());
            continue;
        }
        for entry in ignore::WalkBuilder::new(path).require_git(false).build() {
            let entry = entry.map_err(|error| Failure::usage(error.to_string()))?;
            if entry.file_type().is_some_and(|kind| kind.is_file()) {
                let path = entry.into_path();
                found.push(path.strip_prefix(".").map_or_else(|_| path.clone(), Path::to_path_buf));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn list(kits: &Kits) -> Result<Exit, Failure> {
    for recipe in kits.library().recipes() {
        let maker = if recipe.is_determined() { "template" } else { "model" };
        let level = if recipe.level == Level::Fix { "fix" } else { "suggest" };
        let off = if recipe.is_default { "" } else { ", off by default" };
        print(&crate::text::sanitise_line(&format!("{recipe}: {} ({maker}, {level}{off})", recipe.message)))?;
    }
    Ok(Exit::Ok)
}
