//! `dcode edit`.

use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::cli::common::ExpectArgs;
use crate::cli::common::ModelArgs;
use crate::cli::common::RangeArgs;
use crate::cli::common::SamplingArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::files::ChangeArgs;
use crate::cli::files::FileJob;
use crate::cli::files::collect;
use crate::cli::files::common_tree;
use crate::cli::guarded::SecretArgs;
use crate::cli::hidden::HiddenArgs;
use crate::cli::json;
use crate::cli::plan::may_save;
use crate::cli::plan::of_edit;
use crate::cli::plan::save;
use crate::cli::say;
use crate::cli::session::Session;
use crate::cli::session::Told;
use crate::cli::show::Output;
use crate::cli::show::diff_bytes;
use crate::cli::show::new_bytes;
use crate::cli::verify;
use crate::cli::verify::Starting;
use crate::cli::verify::VerifyArgs;
use crate::cli::work::Choice;
use crate::cli::work::acceptable;
use crate::cli::work::confidence;
use crate::cli::work::syntax_word;
use crate::cli::write::no_tree_to_stage;
use crate::cli::write::write;
use crate::config::Layers;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::edit::proposal::Part;
use crate::edit::proposal::Proposal;
use crate::edit::rounds::VerifyEvent;
use crate::patch::apply::FileChange;
use crate::screen::colour::ColorChoice;

/// Rewrite spans of one or several files
///
/// On a terminal the edit is shown live and nothing is written before you accept it. Otherwise the diff is printed and nothing
/// is written, unless --in-place says so. Several files are written together or not at all.
#[derive(Args, Debug)]
pub struct EditArgs {
    /// Files to edit; a.rs::Type::name and a.rs#10:40 name the span too, which several files need
    #[arg(value_name = "FILE", required_unless_present = "staged")]
    pub files: Vec<PathBuf>,
    /// What may change
    #[command(flatten)]
    pub ranges: RangeArgs,
    /// What may change, as git sees it
    #[command(flatten)]
    pub changes: ChangeArgs,
    /// What the file must hold
    #[command(flatten)]
    pub expect: ExpectArgs,
    /// What to do with the span; without it the span is filled from what stands around it
    #[arg(short, long, value_name = "TEXT")]
    pub instruction: Option<String>,
    /// Show the diff and write nothing, also on a terminal
    #[arg(long, group = "destination")]
    pub dry_run: bool,
    /// Write the best candidate without asking, if it parses and passes the commands
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
    /// What candidates must pass
    #[command(flatten)]
    pub verify: VerifyArgs,
    /// Which characters may come into the file
    #[command(flatten)]
    pub hidden: HiddenArgs,
    /// Which files may be edited
    #[command(flatten)]
    pub secrets: SecretArgs,
    /// Which model runs where
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &EditArgs, color: ColorChoice, layers: &Layers) -> Result<Exit, Failure> {
    let result = edit(args, color, layers);
    if let (Err(failure), true) = (&result, args.json) {
        print_json(&json!({ "type": "error", "exit": failure.exit as u8, "message": failure.message }))?;
    }
    result
}

fn edit(args: &EditArgs, color: ColorChoice, layers: &Layers) -> Result<Exit, Failure> {
    let jobs = collect(&args.files, &args.ranges, &args.changes, &args.expect, args.secrets)?;
    let on_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let asks = on_terminal && !args.json && !args.dry_run && !args.in_place && !args.stdout && args.plan.is_none();
    check_destination(args, &jobs, asks)?;
    let files = args.model.files()?;
    let verifier = args.verify.start(layers, &jobs)?;
    let engine = Engine::start(files, args.model.device)?;
    let session = Session {
        engine: &engine,
        instruction: args.instruction.as_deref(),
        sampling: &args.sampling,
        rounds: usize::from(args.verify.verify_rounds),
        paused: args.steer,
        record: args.trajectory.is_some(),
    };
    session.submit(&jobs);
    if asks {
        return crate::cli::interactive::run(&session, &jobs, verifier, args, color);
    }
    let work = Work { args, jobs: &jobs, parts: jobs.iter().map(FileJob::part).collect(), session: &session, color };
    if args.json { work.as_json(verifier) } else { work.plain(verifier) }
}

/// What would make the result useless is found before the model is loaded.
fn check_destination(args: &EditArgs, jobs: &[FileJob], asks: bool) -> Result<(), Failure> {
    let tree = common_tree(jobs)?;
    if args.in_place || args.plan.is_some() {
        jobs.iter().try_for_each(|job| job.place.target().map(drop))?;
    }
    if jobs.len() > 1 && (args.steer || args.trajectory.is_some()) {
        return Err(Failure::usage("--steer and --trajectory follow one file; name one"));
    }
    if args.stdout && jobs.len() > 1 {
        return Err(Failure::usage("--stdout prints one file; leave it out for a diff of several"));
    }
    if let Some(plan) = &args.plan {
        if args.json && plan.as_os_str() == "-" {
            return Err(Failure::usage("--json and --plan - would both print; name a file for the plan"));
        }
        may_save(plan)?;
    }
    match tree {
        _ if !args.index => Ok(()),
        _ if !asks && !args.in_place => Err(Failure::usage("--index stages what is written; add --in-place")),
        None => Err(no_tree_to_stage()),
        Some(tree) => jobs.iter().try_for_each(|job| Ok(tree.refuse_to_stage(job.place.target()?.relative())?)),
    }
}

/// One edit without a person.
struct Work<'a> {
    args: &'a EditArgs,
    jobs: &'a [FileJob],
    parts: Vec<Part>,
    session: &'a Session<'a>,
    color: ColorChoice,
}

impl Work<'_> {
    fn plain(&self, verifier: Option<Starting>) -> Result<Exit, Failure> {
        say_ranges(self.jobs);
        let mut progress = crate::cli::progress::Progress::new();
        let proposals = self.session.run(self.jobs, verifier, &mut |told| {
            match told {
                Told::Engine { event, again, .. } => {
                    if let (Event::Started { instruction_cut: true, .. }, false) = (event, again) {
                        progress.clear();
                        say(INSTRUCTION_CUT);
                    }
                    progress.show(event);
                    if !again {
                        record(self.args, event)?;
                    }
                }
                Told::Verify(event @ VerifyEvent::Running { .. }) => progress.line(&verify::line(&event)),
                Told::Verify(event) => {
                    progress.clear();
                    say(&verify::line(&event));
                }
            }
            Ok(())
        });
        progress.clear();
        let proposals = proposals?;
        let choices = match self.choices(&proposals) {
            Ok(choices) => choices,
            Err(failure) => {
                self.show_unacceptable(&proposals)?;
                return Err(failure);
            }
        };
        let Some(best) = choices.first() else { return Ok(Exit::Ok) };
        if let Some(plan) = &self.args.plan {
            self.save_plan(plan, &choices)?;
        } else if self.args.in_place {
            self.write(best)?;
        } else {
            self.print(best)?;
        }
        say(&summary(best));
        Ok(Exit::Ok)
    }

    fn choices<'c>(&self, proposals: &'c [Proposal]) -> Result<Vec<Choice<'c>>, Failure> {
        acceptable(&self.parts, proposals, self.args.hidden)
    }

    /// A person may still want to see it; it is marked by the message and the exit code. What hides characters is not shown.
    fn show_unacceptable(&self, proposals: &[Proposal]) -> Result<(), Failure> {
        if self.args.plan.is_some() {
            return Ok(());
        }
        let Some(first) = proposals.first() else { return Ok(()) };
        let choice = Choice::of(&self.parts, first)?;
        if choice.check_hidden(&self.parts, self.args.hidden).is_ok() { self.print(&choice) } else { Ok(()) }
    }

    /// The diff, or the whole new text.
    fn print(&self, choice: &Choice<'_>) -> Result<(), Failure> {
        let output = Output::detect(self.color);
        for (job, hunks) in self.jobs.iter().zip(&choice.hunks) {
            match self.args.stdout {
                true => output.text(&job.document, hunks)?,
                false => output.diff(&job.document, hunks, &job.place.diff_path())?,
            }
        }
        Ok(())
    }

    fn write(&self, choice: &Choice<'_>) -> Result<(), Failure> {
        apply(self.jobs, &choice.hunks, self.args)
    }

    fn save_plan(&self, plan: &Path, choices: &[Choice<'_>]) -> Result<(), Failure> {
        save(&of_edit(self.jobs, self.args.instruction.as_deref(), choices)?, plan)
    }

    fn as_json(&self, verifier: Option<Starting>) -> Result<Exit, Failure> {
        if let Some(first) = self.jobs.first() {
            print_json(&json::start(&first.document))?;
        }
        self.jobs.iter().try_for_each(|job| print_json(&json::resolved(&job.document, &job.resolved)))?;
        let several = self.jobs.len() > 1;
        let proposals = self.session.run(self.jobs, verifier, &mut |told| {
            if let Told::Engine { event, again: false, .. } = told {
                if let (Event::Started { .. }, true) = (event, self.args.steer) {
                    // Only now: commands that come before a request begins are forgotten.
                    crate::cli::steer::follow(std::io::stdin(), self.session.engine.steering(), |line| drop(print_json(&line)))?;
                }
                record(self.args, event)?;
            }
            let value = match told {
                Told::Engine { file, event, .. } => json::event(event).map(|value| match (several, self.jobs.get(file)) {
                    (true, Some(job)) => json::with(value, "file", json!(job.document.path().to_string_lossy())),
                    _ => value,
                }),
                Told::Verify(event) => verify::json(&event),
            };
            value.map_or(Ok(()), |value| print_json(&value))
        })?;
        let choices = self.choices(&proposals)?;
        let Some(best) = choices.first() else { return Ok(Exit::Ok) };
        if let Some(plan) = &self.args.plan {
            self.save_plan(plan, &choices)?;
        } else if self.args.in_place {
            self.write(best)?;
        }
        let mut diff = Vec::new();
        let mut files = Vec::new();
        for (job, hunks) in self.jobs.iter().zip(&best.hunks) {
            let new = new_bytes(&job.document, hunks)?;
            diff.extend(diff_bytes(&job.document, &new, &job.place.diff_path()));
            files.push(json!({ "file": job.document.path().to_string_lossy(), "hunks": hunks }));
        }
        let ranked = |each: &Proposal| {
            let score = each.parts.iter().map(|part| part.score).sum::<Option<f64>>();
            json!({ "number": each.number, "score": score, "verify": each.verify_word() })
        };
        print_json(&json!({
            "type": "result",
            "candidate": best.proposal.number,
            "ranked": proposals.iter().map(ranked).collect::<Vec<Value>>(),
            "written": self.args.in_place && best.count() > 0,
            "hunks": best.hunks.concat(),
            "files": files,
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

/// What is said when the instruction does not fit.
pub const INSTRUCTION_CUT: &str = "note: the instruction is longer than the model's window; its end was left out";

/// Prints what may change.
pub fn say_ranges(jobs: &[FileJob]) {
    for job in jobs {
        for range in &job.resolved {
            say(&format!("{} {range}", job.document.path().display()));
        }
    }
}

/// Writes the hunks of each file, all files or none.
///
/// # Errors
/// A file changed since it was read, may not be written or staged, or the system refused.
pub fn apply(jobs: &[FileJob], hunks: &[Vec<crate::patch::hunk::Hunk>], args: &EditArgs) -> Result<(), Failure> {
    if hunks.iter().all(Vec::is_empty) {
        return Ok(());
    }
    let changes = jobs.iter().zip(hunks).map(|(job, hunks)| job.change(hunks)).collect::<Result<Vec<FileChange>, _>>()?;
    write(common_tree(jobs)?, changes, args.instruction.as_deref(), args.index).map(drop)
}

/// One line about what was made.
pub fn summary(choice: &Choice<'_>) -> String {
    let what = match choice.count() {
        0 => "no change".to_owned(),
        1 => "1 hunk".to_owned(),
        n => format!("{n} hunks"),
    };
    let (proposal, parts) = (choice.proposal, &choice.proposal.parts);
    let (tokens, nfe) = (parts.iter().map(|part| part.tokens).sum::<usize>(), parts.iter().map(|part| part.nfe).sum::<usize>());
    let per_pass = tokens as f64 / nfe.max(1) as f64;
    let syntax = match syntax_word(proposal) {
        "unknown" => "syntax not judged",
        word => word,
    };
    let verify = proposal.verify_word().map(|word| format!(", {word} the commands")).unwrap_or_default();
    let confidence = confidence(proposal);
    format!(
        "{what}, {syntax}{verify}, confidence {confidence:.2}, {tokens} tokens in {nfe} forward passes ({per_pass:.1} per pass)"
    )
}

fn print_json(value: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json::line(value))?;
    Ok(out.flush()?)
}
