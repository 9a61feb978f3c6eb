//! `dcode edit`.

use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::common::ExpectArgs;
use crate::cli::common::ModelArgs;
use crate::cli::common::RangeArgs;
use crate::cli::common::SamplingArgs;
use crate::cli::common::request;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::hidden::HiddenArgs;
use crate::cli::json;
use crate::cli::plan::may_save;
use crate::cli::plan::of_edit;
use crate::cli::plan::save;
use crate::cli::say;
use crate::cli::show::Output;
use crate::cli::show::diff_bytes;
use crate::cli::show::new_bytes;
use crate::cli::work::Choice;
use crate::cli::work::acceptable;
use crate::cli::work::finish;
use crate::cli::work::hunks;
use crate::cli::write::Place;
use crate::cli::write::no_tree_to_stage;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::model::locate::locate;
use crate::patch::hunk::Hunk;
use crate::screen::colour::ColorChoice;

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
    /// What the file must hold
    #[command(flatten)]
    pub expect: ExpectArgs,
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
    /// Write the candidates that may be applied to a plan, for `dcode apply`, and nothing else; - is standard output
    #[arg(long, group = "destination", value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Stage the written hunks in git's index too, and nothing else
    #[arg(long, conflicts_with_all = ["dry_run", "stdout", "plan"])]
    pub index: bool,
    /// Print events as JSON Lines (see assets/schema)
    #[arg(long)]
    pub json: bool,
    /// Hold the edit before its first step and take commands from standard input as JSON Lines (see assets/schema); its end lets
    /// the edit go on
    #[arg(long, requires = "json")]
    pub steer: bool,
    /// Keep how the candidates came about in FILE, for `dcode replay`; drafts leave no record
    #[arg(long, value_name = "FILE")]
    pub trajectory: Option<PathBuf>,
    /// How candidates are made
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Which characters may come into the file
    #[command(flatten)]
    pub hidden: HiddenArgs,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &EditArgs, color: ColorChoice) -> Result<Exit, Failure> {
    let result = edit(args, color);
    if let (Err(failure), true) = (&result, args.json) {
        print_json(&json!({ "type": "error", "exit": failure.exit as u8, "message": failure.message }))?;
    }
    result
}

fn edit(args: &EditArgs, color: ColorChoice) -> Result<Exit, Failure> {
    let document = Arc::new(Document::read(&args.file)?);
    let place = Place::of(&args.file)?;
    if args.ranges.specs().is_empty() {
        let hint = format!("name what may change, such as `dcode edit {} --range 10:40`", args.file.display());
        return Err(Failure::usage(format!("no range given; {hint}")));
    }
    let (spans, resolved) = args.ranges.resolve(&document)?;
    args.expect.check(&document, &resolved)?;
    let on_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let asks = on_terminal && !args.json && !args.dry_run && !args.in_place && !args.stdout && args.plan.is_none();
    check_destination(args, &place, asks)?;
    let files = locate(args.model.model.as_deref())?;
    let engine = Engine::start(files, args.model.device)?;
    let mut request = request(Arc::clone(&document), spans.clone(), args.instruction.as_deref(), &args.sampling);
    request.options.paused = args.steer;
    request.options.record = args.trajectory.is_some();
    engine.submit(request);
    if asks {
        return crate::cli::interactive::run(&engine, &document, &place, &spans, &resolved, args, color);
    }
    let work = Work { args, document: &document, place: &place, spans: &spans, resolved: &resolved, color };
    if args.json { work.as_json(&engine) } else { work.plain(&engine) }
}

/// What would make the result useless is found before the model is loaded.
fn check_destination(args: &EditArgs, place: &Place, asks: bool) -> Result<(), Failure> {
    if args.in_place || args.plan.is_some() {
        place.target()?;
    }
    if let Some(plan) = &args.plan {
        if args.json && plan.as_os_str() == "-" {
            return Err(Failure::usage("--json and --plan - would both print; name a file for the plan"));
        }
        may_save(plan)?;
    }
    match place.tree() {
        _ if !args.index => Ok(()),
        _ if !asks && !args.in_place => Err(Failure::usage("--index stages what is written; add --in-place")),
        None => Err(no_tree_to_stage()),
        Some(tree) => Ok(tree.refuse_to_stage(place.target()?.relative())?),
    }
}

/// One edit without a person.
struct Work<'a> {
    args: &'a EditArgs,
    document: &'a Document,
    place: &'a Place,
    spans: &'a Spans,
    resolved: &'a [ResolvedRange],
    color: ColorChoice,
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
            record(self.args, event)
        });
        progress.clear();
        let candidates = candidates?;
        let choices = match self.choices(&candidates) {
            Ok(choices) => choices,
            Err(failure) => {
                self.show_unacceptable(&candidates)?;
                return Err(failure);
            }
        };
        let Some(best) = choices.first() else { return Ok(Exit::Ok) };
        if let Some(plan) = &self.args.plan {
            self.save_plan(plan, &choices)?;
        } else if self.args.in_place {
            self.write(&best.hunks)?;
        } else {
            self.print(&best.hunks)?;
        }
        say(&summary(&best.hunks, best.candidate));
        Ok(Exit::Ok)
    }

    fn choices<'c>(&self, candidates: &'c [Candidate]) -> Result<Vec<Choice<'c>>, Failure> {
        acceptable(self.document, self.spans, candidates, self.args.hidden)
    }

    /// A person may still want to see it; it is marked by the message and the exit code. What hides characters is not shown.
    fn show_unacceptable(&self, candidates: &[Candidate]) -> Result<(), Failure> {
        if self.args.plan.is_some() {
            return Ok(());
        }
        let Some(first) = candidates.first() else { return Ok(()) };
        let hunks = hunks(self.document, self.spans, first)?;
        if self.args.hidden.check(self.document, &hunks).is_ok() { self.print(&hunks) } else { Ok(()) }
    }

    /// The diff, or the whole new text.
    fn print(&self, hunks: &[Hunk]) -> Result<(), Failure> {
        let output = Output::detect(self.color);
        if self.args.stdout {
            return output.text(self.document, hunks);
        }
        output.diff(self.document, hunks, &self.place.diff_path())
    }

    fn write(&self, hunks: &[Hunk]) -> Result<(), Failure> {
        if hunks.is_empty() {
            return Ok(());
        }
        self.place.write(self.document, hunks, self.args.instruction.as_deref(), self.args.index)
    }

    fn save_plan(&self, plan: &Path, choices: &[Choice<'_>]) -> Result<(), Failure> {
        let target = self.place.target()?;
        let path = if target.root().is_some() { target.relative() } else { target.path() };
        let instruction = self.args.instruction.as_deref();
        save(&of_edit(self.document, path.to_path_buf(), self.spans, instruction, choices), plan)
    }

    fn as_json(&self, engine: &Engine) -> Result<Exit, Failure> {
        print_json(&json::start(self.document))?;
        print_json(&json::resolved(self.document, self.resolved))?;
        let candidates = finish(engine, &mut |event| {
            if let (Event::Started { .. }, true) = (event, self.args.steer) {
                // Only now: commands that come before a request begins are forgotten.
                crate::cli::steer::follow(std::io::stdin(), engine.steering(), |line| drop(print_json(&line)))?;
            }
            record(self.args, event)?;
            json::event(event).map_or(Ok(()), |value| print_json(&value))
        })?;
        let choices = self.choices(&candidates)?;
        let Some(best) = choices.first() else { return Ok(Exit::Ok) };
        if let Some(plan) = &self.args.plan {
            self.save_plan(plan, &choices)?;
        } else if self.args.in_place {
            self.write(&best.hunks)?;
        }
        let new = new_bytes(self.document, &best.hunks)?;
        let diff = diff_bytes(self.document, &new, &self.place.diff_path());
        print_json(&json!({
            "type": "result",
            "candidate": best.candidate.number,
            "ranked": candidates.iter().map(|each| json!({ "number": each.number, "score": each.score })).collect::<Vec<_>>(),
            "written": self.args.in_place && !best.hunks.is_empty(),
            "hunks": best.hunks,
            "diff": String::from_utf8_lossy(&diff),
        }))?;
        Ok(Exit::Ok)
    }
}

/// Writes what an event says of how the candidates came about to the file that is meant for it.
///
/// # Errors
/// The file cannot be written.
pub fn record(args: &EditArgs, event: &Event) -> Result<(), Failure> {
    let (Event::Recorded(run), Some(path)) = (event, &args.trajectory) else { return Ok(()) };
    let text = run.write().map_err(std::io::Error::from)?;
    std::fs::write(path, text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
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
