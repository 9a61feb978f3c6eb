//! `dcode eval`.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
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
use crate::edit::engine::Engine;
use crate::edit::request::EditRequest;
use crate::edit::request::Method;
use crate::edit::run::run as edit;
use crate::edit::steer::Steering;
use crate::hook::fix::rewrite_span;
use crate::hook::model::rewrite_span as rewrite_by_model;
use crate::model::device;
use crate::model::load::LoadedModel;
use crate::model::load::load;
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
    /// Also decode each case autoregressively by the base alone, into FILE
    ///
    /// Both answers use one pass over the context; its time counts for both.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Keep the first N lines of the baseline's infills, and stop there
    ///
    /// The base alone has no end of its own in the middle of a file: where the length of the hole is known, this is what
    /// autoregressive infilling does.
    #[arg(long, value_name = "N", requires = "baseline")]
    pub baseline_lines: Option<usize>,
    /// Answer the first N cases only
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Cases answered at once; one process has one model, so only 1 is possible
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=1))]
    pub jobs: u8,
    /// Answer by determined recipes, without a model; cases in which none applies get no result
    #[arg(long)]
    pub recipes: bool,
    /// With --recipes: let the model rewrite what they find and do not determine, under their conditions
    #[arg(long, requires = "recipes")]
    pub with_model: bool,
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

impl Case {
    /// The file of the case.
    fn document(&self) -> Result<Document, Failure> {
        let text = [&*self.prefix, &*self.span, &*self.suffix].concat();
        Ok(Document::from_bytes(self.path.clone(), text.into_bytes())?)
    }

    /// What may change in it.
    fn span(&self) -> Span {
        Span::new(self.prefix.len(), self.prefix.len() + self.span.len())
    }
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
    let files = args.model.files()?;
    let device = device::open(args.model.device)?;
    let mut model = load(&files, &device, &mut |_| {})?;
    let mut answers = Answers::create(&args.out, args.sampling.method.into(), None)?;
    let baseline = args.baseline.as_deref().map(|path| Answers::create(path, Method::Causal, args.baseline_lines));
    let mut baseline = baseline.transpose()?;
    for case in &cases {
        let document = Arc::new(case.document()?);
        let spans = Spans::new(&document, vec![case.span()])?;
        let request = request(document, spans, case.instruction.as_deref(), &args.sampling);
        let context = answers.answer(&mut model, &case.id, request.clone(), Duration::ZERO)?;
        if let Some(baseline) = &mut baseline {
            baseline.answer(&mut model, &case.id, request, context)?;
        }
    }
    answers.report(cases.len());
    baseline.iter().for_each(|baseline| baseline.report(cases.len()));
    Ok(Exit::Ok)
}

/// A file of answers that are all made in one way.
struct Answers {
    out: BufWriter<File>,
    method: Method,
    /// Lines of an infill that are kept.
    lines: Option<usize>,
    forwards: usize,
    tokens: usize,
    spent: Duration,
}

impl Answers {
    fn create(path: &Path, method: Method, lines: Option<usize>) -> Result<Self, Failure> {
        Ok(Self { out: create(path)?, method, lines, forwards: 0, tokens: 0, spent: Duration::ZERO })
    }

    /// Answers a case and writes the line. `shared` is the time that an earlier answer to the same case spent on the context.
    /// Returns that time, with what was added to it.
    fn answer(
        &mut self,
        model: &mut LoadedModel,
        id: &str,
        mut request: EditRequest,
        shared: Duration,
    ) -> Result<Duration, Failure> {
        request.options.method = self.method;
        request.options.causal_lines = self.lines;
        let lines = self.lines.filter(|_| request.instruction.is_none()).unwrap_or(usize::MAX);
        let (start, before) = (Instant::now(), model.denoiser.context_time());
        let candidates = edit(model, &request, &Steering::default(), &mut |_| {})?;
        let (spent, context) = (start.elapsed() + shared, model.denoiser.context_time() - before + shared);
        let best = candidates.first();
        let output = best.and_then(|best| best.texts.first()).map_or("", String::as_str);
        let output: String = output.split_inclusive('\n').take(lines).collect();
        let (nfe, count) = best.map_or((0, 0), |best| (best.nfe, best.tokens + 1));
        let line = serde_json::json!({
            "id": id,
            "output": output,
            "ms": spent.as_millis(),
            "context_ms": context.as_millis(),
            "forwards": nfe,
            "tokens": count,
            "confidence": best.map(|best| best.confidence),
            "syntax": best.map(|best| best.syntax_word()),
            "ending": best.map(|best| format!("{:?}", best.ending)),
        });
        writeln!(self.out, "{line}")?;
        self.out.flush()?;
        self.forwards += nfe;
        self.tokens += count;
        self.spent += spent;
        Ok(context)
    }

    fn report(&self, cases: usize) {
        let per_pass = self.tokens as f64 / self.forwards.max(1) as f64;
        crate::cli::say(&format!(
            "{}: {cases} cases, {:.0} s, {} passes, {} tokens, {per_pass:.2} tokens per pass",
            format!("{:?}", self.method).to_lowercase(),
            self.spent.as_secs_f64(),
            self.forwards,
            self.tokens,
        ));
    }
}

/// Answers with what the recipes determine inside the span of each case.
fn by_recipes(args: &EvalArgs, cases: &[Case]) -> Result<Exit, Failure> {
    let mut kits = Kits::new(&RecipeArgs::default(), !args.with_model)?;
    let mut out = create(&args.out)?;
    let (mut answered, mut by_model) = (0, 0);
    let engine = if args.with_model { Some(Engine::start(args.model.files()?, args.model.device)?) } else { None };
    for case in cases {
        let start = Instant::now();
        let document = Arc::new(case.document()?);
        let Some(language) = Language::from_path(&case.path) else { continue };
        let Some(kit) = kits.of(language)? else { continue };
        let span = case.span().range();
        let mut rewritten = rewrite_span(kit, &document, &span);
        let determined = rewritten.is_some();
        if let (None, Some(engine)) = (&rewritten, &engine) {
            rewritten = rewrite_by_model(engine, kit, &document, &span)?;
        }
        if let Some((output, recipes)) = rewritten {
            answered += 1;
            by_model += usize::from(!determined);
            let ms = start.elapsed().as_millis();
            let by = if determined { "template" } else { "model" };
            writeln!(out, "{}", serde_json::json!({ "id": case.id, "output": output, "ms": ms, "recipes": recipes, "by": by }))?;
        }
    }
    out.flush()?;
    crate::cli::say(&format!("{} cases, {answered} answered by recipes, {by_model} of them by the model", cases.len()));
    Ok(Exit::Ok)
}

/// A new file for results.
fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(BufWriter::new(file))
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
