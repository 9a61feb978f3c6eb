//! `dcode edit`.

use std::io::IsTerminal;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::common::ModelArgs;
use crate::cli::common::RangeArgs;
use crate::cli::common::SamplingArgs;
use crate::cli::common::request;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::json;
use crate::cli::say;
use crate::cli::work::acceptable;
use crate::cli::work::finish;
use crate::cli::write::Place;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::model::locate::locate;
use crate::patch::hunk::Hunk;
use crate::patch::hunk::of_spans;
use crate::patch::unified::UnifiedOptions;
use crate::patch::unified::unified;

/// Rewrite spans of a file
///
/// On a terminal the edit is shown live and nothing is written before you accept it. Otherwise the diff is printed and nothing
/// is written, unless --in-place says so.
#[derive(Args, Debug)]
pub struct EditArgs {
    /// File to edit
    pub file: PathBuf,
    /// What may change
    #[command(flatten)]
    pub ranges: RangeArgs,
    /// What to do with the span; without it the span is filled from what stands around it
    #[arg(short, long, value_name = "TEXT")]
    pub instruction: Option<String>,
    /// Show the diff and write nothing, also on a terminal
    #[arg(long, group = "destination")]
    pub dry_run: bool,
    /// Write the best candidate to the file without asking, if it parses
    #[arg(long, group = "destination")]
    pub in_place: bool,
    /// Print the whole new text instead of a diff, and write nothing
    #[arg(long, group = "destination", conflicts_with = "json")]
    pub stdout: bool,
    /// Print events as JSON Lines (see assets/schema)
    #[arg(long)]
    pub json: bool,
    /// How candidates are made
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &EditArgs) -> Result<Exit, Failure> {
    let result = edit(args);
    if let (Err(failure), true) = (&result, args.json) {
        print_json(&json!({ "type": "error", "exit": failure.exit as u8, "message": failure.message }))?;
    }
    result
}

fn edit(args: &EditArgs) -> Result<Exit, Failure> {
    let document = Arc::new(Document::read(&args.file)?);
    let place = Place::of(&args.file)?;
    if args.ranges.ranges.is_empty() {
        let hint = format!("name what may change, such as `dcode edit {} --range 10:40`", args.file.display());
        return Err(Failure::usage(format!("no range given; {hint}")));
    }
    let (spans, resolved) = args.ranges.resolve(&document)?;
    let files = locate(args.model.model.as_deref())?;
    let engine = Engine::start(files, args.model.device)?;
    engine.submit(request(Arc::clone(&document), spans.clone(), args.instruction.as_deref(), &args.sampling));
    let work = Work { args, document: &document, place: &place, spans: &spans, resolved: &resolved };
    let on_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if args.json {
        work.as_json(&engine)
    } else if on_terminal && !args.dry_run && !args.in_place && !args.stdout {
        crate::cli::interactive::run(&engine, &document, &place, &spans, &resolved, args)
    } else {
        work.plain(&engine)
    }
}

/// One edit without a person.
struct Work<'a> {
    args: &'a EditArgs,
    document: &'a Document,
    place: &'a Place,
    spans: &'a Spans,
    resolved: &'a [ResolvedRange],
}

impl Work<'_> {
    fn plain(&self, engine: &Engine) -> Result<Exit, Failure> {
        for range in self.resolved {
            say(&format!("{} {range}", self.document.path().display()));
        }
        let mut progress = crate::cli::progress::Progress::new();
        let candidates = finish(engine, &mut |event| {
            if let Event::Started { instruction_cut: true, .. } = event {
                progress.clear();
                say("note: the instruction is longer than the model's window; its end was left out");
            }
            progress.show(event);
            Ok(())
        });
        progress.clear();
        let candidates = candidates?;
        let best = acceptable(&candidates);
        if let (Err(failure), Some(first)) = (&best, candidates.first()) {
            // A person may still want to see it; it is marked by the message and the exit code.
            self.print(&hunks(self.document, self.spans, first)?)?;
            return Err(Failure::new(failure.exit, failure.message.clone()));
        }
        let best = best?;
        let hunks = hunks(self.document, self.spans, best)?;
        if self.args.in_place {
            if !hunks.is_empty() {
                self.place.write(self.document, &hunks, self.args.instruction.as_deref(), false)?;
            }
            say(&summary(&hunks, best));
            return Ok(Exit::Ok);
        }
        self.print(&hunks)?;
        say(&summary(&hunks, best));
        Ok(Exit::Ok)
    }

    /// The diff, or the whole new text.
    fn print(&self, hunks: &[Hunk]) -> Result<(), Failure> {
        let new =
            crate::patch::hunk::apply(self.document, hunks).map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        let mut out = std::io::stdout().lock();
        if self.args.stdout {
            out.write_all(&new)?;
        } else {
            out.write_all(&unified(self.document.bytes(), &new, &self.place.diff_path(), UnifiedOptions::default()))?;
        }
        Ok(out.flush()?)
    }

    fn as_json(&self, engine: &Engine) -> Result<Exit, Failure> {
        print_json(&json::start(self.document))?;
        print_json(&json::resolved(self.document, self.resolved))?;
        let candidates = finish(engine, &mut |event| json::event(event).map_or(Ok(()), |value| print_json(&value)))?;
        let best = acceptable(&candidates)?;
        let hunks = hunks(self.document, self.spans, best)?;
        if self.args.in_place && !hunks.is_empty() {
            self.place.write(self.document, &hunks, self.args.instruction.as_deref(), false)?;
        }
        let new =
            crate::patch::hunk::apply(self.document, &hunks).map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        let diff = unified(self.document.bytes(), &new, &self.place.diff_path(), UnifiedOptions::default());
        print_json(&json!({
            "type": "result",
            "candidate": best.number,
            "ranked": candidates.iter().map(|each| json!({ "number": each.number, "score": each.score })).collect::<Vec<_>>(),
            "written": self.args.in_place && !hunks.is_empty(),
            "hunks": hunks,
            "diff": String::from_utf8_lossy(&diff),
        }))?;
        Ok(Exit::Ok)
    }
}

/// The changes of a candidate.
///
/// # Errors
/// The candidate does not fit the document, which is a fault of dcode.
pub fn hunks(document: &Document, spans: &Spans, candidate: &Candidate) -> Result<Vec<Hunk>, Failure> {
    let changes: Vec<_> = spans.iter().zip(candidate.texts.iter().map(String::as_str)).collect();
    of_spans(document, &changes).map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

/// One line about what was made.
pub fn summary(hunks: &[Hunk], candidate: &Candidate) -> String {
    let what = match hunks.len() {
        0 => "no change".to_owned(),
        1 => "1 hunk".to_owned(),
        n => format!("{n} hunks"),
    };
    let per_pass = candidate.tokens as f64 / candidate.nfe.max(1) as f64;
    format!(
        "{what}, {}, confidence {:.2}, {} tokens in {} forward passes ({per_pass:.1} per pass)",
        match candidate.syntax_word() {
            "unknown" => "syntax not judged",
            word => word,
        },
        candidate.confidence,
        candidate.tokens,
        candidate.nfe
    )
}

fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json::line(value))?;
    Ok(out.flush()?)
}
