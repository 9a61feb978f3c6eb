//! `dcode eval`.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Deserialize;

use crate::cli::common::ModelArgs;
use crate::cli::common::SamplingArgs;
use crate::cli::common::request;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::recipes::Kits;
use crate::cli::recipes::RecipeArgs;
use crate::document::Document;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::run::Steering;
use crate::edit::run::run as edit;
use crate::hook::fix::rewrite_span;
use crate::model::device;
use crate::model::load::load;
use crate::model::locate::locate;
use crate::syntax::language::Language;

/// Answer a file of edit cases, one model load for all
///
/// Cases are JSON Lines with id, path, prefix, span, suffix and instruction (null for an infill). Each result is a line with id,
/// output, ms, forwards and tokens. The model never sees a reference or a judge.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// File of cases
    #[arg(long, value_name = "FILE")]
    pub cases: PathBuf,
    /// File for the results
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Answer the first N cases only
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Cases answered at once; one process has one model, so only 1 is possible
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=1))]
    pub jobs: u8,
    /// Answer by determined recipes, without a model; cases in which none applies get no result
    #[arg(long)]
    pub recipes: bool,
    /// How candidates are made
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// What the model may see of a case.
#[derive(Deserialize)]
struct Case {
    id: String,
    path: PathBuf,
    prefix: String,
    span: String,
    suffix: String,
    instruction: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &EvalArgs) -> Result<Exit, Failure> {
    let cases = read_cases(args)?;
    if args.recipes {
        return by_recipes(args, &cases);
    }
    let files = locate(args.model.model.as_deref())?;
    let device = device::open(args.model.device)?;
    let mut model = load(&files, &device, &mut |_| {})?;
    let mut out =
        BufWriter::new(File::create(&args.out).map_err(|error| Failure::usage(format!("{}: {error}", args.out.display())))?);
    let (mut forwards, mut tokens, started) = (0, 0, Instant::now());
    for case in &cases {
        let start = Instant::now();
        let text = [&*case.prefix, &*case.span, &*case.suffix].concat();
        let document = Arc::new(Document::from_bytes(case.path.clone(), text.into_bytes())?);
        let spans = Spans::new(&document, vec![Span::new(case.prefix.len(), case.prefix.len() + case.span.len())])?;
        let request = request(document, spans, case.instruction.as_deref(), &args.sampling);
        let candidates = edit(&mut model, &request, &Steering::default(), &mut |_| {})?;
        let best = candidates.first();
        let output = best.map_or("", |best| best.texts.first().map_or("", String::as_str));
        let (nfe, count) = best.map_or((0, 0), |best| (best.nfe, best.tokens + 1));
        let line = serde_json::json!({
            "id": case.id,
            "output": output,
            "ms": start.elapsed().as_millis(),
            "forwards": nfe,
            "tokens": count,
            "confidence": best.map(|best| best.confidence),
            "syntax": best.map(|best| best.syntax_word()),
            "ending": best.map(|best| format!("{:?}", best.ending)),
        });
        writeln!(out, "{line}")?;
        out.flush()?;
        forwards += nfe;
        tokens += count;
    }
    let seconds = started.elapsed().as_secs_f64();
    let per_pass = tokens as f64 / f64::from(u32::try_from(forwards).unwrap_or(u32::MAX).max(1));
    crate::cli::say(&format!(
        "{} cases, {seconds:.0} s, {forwards} passes, {tokens} tokens, {per_pass:.2} tokens per pass",
        cases.len()
    ));
    Ok(Exit::Ok)
}

/// Answers with what the recipes determine inside the span of each case.
fn by_recipes(args: &EvalArgs, cases: &[Case]) -> Result<Exit, Failure> {
    let mut kits = Kits::new(&RecipeArgs::default(), true)?;
    let mut out =
        BufWriter::new(File::create(&args.out).map_err(|error| Failure::usage(format!("{}: {error}", args.out.display())))?);
    let mut answered = 0;
    for case in cases {
        let start = Instant::now();
        let text = [&*case.prefix, &*case.span, &*case.suffix].concat();
        let document = Document::from_bytes(case.path.clone(), text.into_bytes())?;
        let Some(language) = Language::from_path(&case.path) else { continue };
        let Some(kit) = kits.of(language)? else { continue };
        let span = case.prefix.len()..case.prefix.len() + case.span.len();
        if let Some((output, recipes)) = rewrite_span(kit, &document, &span) {
            answered += 1;
            let ms = start.elapsed().as_millis();
            writeln!(out, "{}", serde_json::json!({ "id": case.id, "output": output, "ms": ms, "recipes": recipes }))?;
        }
    }
    out.flush()?;
    crate::cli::say(&format!("{} cases, {answered} answered by recipes", cases.len()));
    Ok(Exit::Ok)
}

fn read_cases(args: &EvalArgs) -> Result<Vec<Case>, Failure> {
    let named = |reason: String| Failure::usage(format!("{}: {reason}", args.cases.display()));
    let file = BufReader::new(File::open(&args.cases).map_err(|error| named(error.to_string()))?);
    let mut cases = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let line = line.map_err(|error| named(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        if args.limit.is_some_and(|limit| cases.len() >= limit) {
            break;
        }
        cases.push(serde_json::from_str(&line).map_err(|error| named(format!("line {}: {error}", number + 1)))?);
    }
    Ok(cases)
}
