//! The user's commands for the TUI, on a thread of their own.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::time::Duration;
use std::time::Instant;

use crate::cli::defaults;
use crate::cli::exit::Failure;
use crate::cli::files::FileJob;
use crate::cli::verify::Plan;
use crate::cli::verify::VerifyArgs;
use crate::cli::write::Place;
use crate::config::Layers;
use crate::config::Value;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::proposal::Part;
use crate::edit::proposal::Spliced;
use crate::edit::rounds::Blame;
use crate::screen::modes::ASIDE;
use crate::tui::verify as tui;
use crate::verify::Cancel;
use crate::verify::Diagnostic;
use crate::verify::Level;
use crate::verify::Verdict;
use crate::verify::Verifier;

/// Seconds for one command when nothing is configured.
const TIME_LIMIT: f64 = 120.0;

/// The open file: the name it is shown under, and its path. Shared with who opens files.
pub(super) type OpenFile = Arc<Mutex<Option<(String, PathBuf)>>>;

/// The open file as it is now.
pub(super) fn open_file(shared: &OpenFile) -> Option<(String, PathBuf)> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A request on its way to the thread.
struct Work {
    request: tui::Request,
    path: Option<PathBuf>,
    cancel: Cancel,
}

/// What the thread tells.
enum Told {
    /// A command begins: its text, whether it runs on the file as it is, its number from 1, and how many there are.
    Begun(String, bool, usize, usize),
    Finished(tui::Verdict),
    Failed(String),
}

/// The request that is waited for.
struct Running {
    id: u64,
    cancel: Cancel,
    started: Instant,
    progress: tui::Progress,
    /// Whether the progress was told.
    told: bool,
}

/// See the module.
pub(super) struct CommandVerifier {
    open: OpenFile,
    work: Sender<Work>,
    told: Receiver<(u64, Told)>,
    running: Option<Running>,
}

impl CommandVerifier {
    /// A verifier of the file that is open when it is asked.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(open: OpenFile) -> std::io::Result<Self> {
        let (work, inbox) = channel();
        let (outbox, told) = channel();
        std::thread::Builder::new().name(ASIDE.to_owned()).spawn(move || serve(&inbox, &outbox))?;
        Ok(Self { open, work, told, running: None })
    }
}

impl tui::Verifier for CommandVerifier {
    fn submit(&mut self, request: tui::Request) {
        self.cancel();
        let cancel = Cancel::default();
        let progress = tui::Progress { command: String::new(), baseline: true, at: 0, count: 0, seconds: 0 };
        self.running = Some(Running { id: request.id, cancel: cancel.clone(), started: Instant::now(), progress, told: false });
        let path = open_file(&self.open).map(|(_, path)| path);
        // The thread lives as long as this: it only waits for work.
        let _ = self.work.send(Work { request, path, cancel });
    }

    fn cancel(&mut self) {
        if let Some(running) = self.running.take() {
            running.cancel.cancel();
        }
    }

    fn poll(&mut self) -> Option<tui::Event> {
        while let Ok((id, told)) = self.told.try_recv() {
            let Some(running) = self.running.as_mut().filter(|running| running.id == id) else { continue };
            match told {
                Told::Begun(command, baseline, at, count) => {
                    running.progress = tui::Progress { command, baseline, at, count, ..running.progress.clone() };
                    running.told = false;
                }
                Told::Finished(verdict) => {
                    self.running = None;
                    return Some(tui::Event::Finished { id, verdict });
                }
                Told::Failed(message) => {
                    self.running = None;
                    return Some(tui::Event::Failed { id, message });
                }
            }
        }
        let running = self.running.as_mut()?;
        let seconds = running.started.elapsed().as_secs();
        if running.told && running.progress.seconds == seconds {
            return None;
        }
        running.progress.seconds = seconds;
        running.told = true;
        Some(tui::Event::Running { id: running.id, progress: running.progress.clone() })
    }
}

impl Drop for CommandVerifier {
    fn drop(&mut self) {
        tui::Verifier::cancel(self);
    }
}

/// A verifier that knows what the commands say about the file as it is, for one review.
struct Kept {
    review: u64,
    part: Part,
    verifier: Verifier,
}

fn serve(inbox: &Receiver<Work>, outbox: &Sender<(u64, Told)>) {
    let mut kept = None;
    for work in inbox {
        let id = work.request.id;
        let tell = |told| drop(outbox.send((id, told)));
        // Whoever cancelled a request that waited has no use for its start either.
        if work.cancel.is_cancelled() {
            continue;
        }
        let done = catch_unwind(AssertUnwindSafe(|| verify(&mut kept, &work, &tell)));
        tell(match done {
            Ok(Ok(verdict)) => Told::Finished(verdict),
            Ok(Err(failure)) => Told::Failed(failure.message),
            Err(_) => {
                kept = None;
                Told::Failed("internal fault while the commands were at work; please report this".to_owned())
            }
        });
    }
}

fn verify(kept: &mut Option<Kept>, work: &Work, tell: &dyn Fn(Told)) -> Result<tui::Verdict, Failure> {
    let request = &work.request;
    if kept.as_ref().is_none_or(|kept| kept.review != request.review) {
        // The copy of an earlier review is given back before another one is taken.
        *kept = None;
        *kept = Some(open(work, tell)?);
    }
    let Some(Kept { part, verifier, .. }) = kept else { return Err(Failure::usage("there is nothing to verify")) };
    let misfit = || Failure::usage("the candidate does not fit the file; f5 reads the file again");
    let spliced = Spliced::new(part, &request.texts).ok_or_else(misfit)?;
    verifier.set_cancel(work.cancel.clone());
    let commands: Vec<String> = verifier.checks().iter().map(ToString::to_string).collect();
    let begin = |at: usize| {
        if let Some(command) = commands.get(at) {
            tell(Told::Begun(command.clone(), false, at + 1, commands.len()));
        }
    };
    begin(0);
    let verdict = verifier.verify(&[spliced.splice(part)], &mut |result| {
        if result.passed {
            begin(result.check + 1);
        }
    })?;
    Ok(told(part, &request.texts, &commands, &verdict))
}

/// Starts a verifier for a review: its commands run on the file as it is.
fn open(work: &Work, tell: &dyn Fn(Told)) -> Result<Kept, Failure> {
    let request = &work.request;
    let path = work.path.as_deref().ok_or_else(|| Failure::usage("no file is open"))?;
    let document = Document::read(path)?;
    if document.text() != &*request.text {
        return Err(Failure::usage(format!("{}: changed since it was opened; f5 reads it again", path.display())));
    }
    let document = Arc::new(document);
    let spans = Spans::new(&document, request.spans.iter().map(|range| Span::new(range.start, range.end)).collect())?;
    let resolved = spans.iter().map(|span| ResolvedRange::of(&document, span)).collect();
    let job = FileJob { document, place: Place::of(path)?, spans, resolved };
    let part = job.part();
    let plan = plan(path, &[job])?;
    let commands: Vec<String> = plan.checks().iter().map(ToString::to_string).collect();
    let begin = |at: usize| {
        if let Some(command) = commands.get(at) {
            tell(Told::Begun(command.clone(), true, at + 1, commands.len()));
        }
    };
    begin(0);
    let verifier = plan.open(work.cancel.clone(), &mut |number, _, _, _| begin(number + 1))?;
    Ok(Kept { review: request.review, part, verifier })
}

/// The configured commands; the settings are read again, since the user may have trusted them meanwhile.
fn plan(path: &Path, jobs: &[FileJob]) -> Result<Plan, Failure> {
    let layers = defaults::load(path)?;
    let seconds = match layers.get("verify.time-limit").and_then(|setting| setting.value.as_ref()) {
        Some(Value::Number(seconds)) => *seconds,
        _ => TIME_LIMIT,
    };
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs_f64(TIME_LIMIT));
    let args = VerifyArgs { verify: Vec::new(), no_verify: false, verify_rounds: 0, verify_time_limit: limit };
    args.plan(&layers, jobs)?.ok_or_else(|| Failure::usage(no_commands(&layers)))
}

/// Why there is no command to run.
fn no_commands(layers: &Layers) -> String {
    let ignored = layers.notes.iter().find(|note| note.contains("verify.commands"));
    ignored.cloned().unwrap_or_else(|| {
        "no commands to run: write for example `verify.commands = [[\"cargo\", \"check\"]]` in config.toml".to_owned()
    })
}

/// A verdict as the TUI shows it.
fn told(part: &Part, texts: &[String], commands: &[String], verdict: &Verdict) -> tui::Verdict {
    let diagnostic = |found: &Diagnostic| tui::Diagnostic {
        file: (found.file != part.relative).then(|| found.file.display().to_string()),
        line: found.line,
        level: if found.level == Level::Error { tui::Level::Error } else { tui::Level::Warning },
        message: found.message.clone(),
    };
    let mut diagnostics: Vec<tui::Diagnostic> = verdict.complaints().map(diagnostic).collect();
    diagnostics.sort_by(|a, b| {
        let key = |each: &tui::Diagnostic| (each.file.clone(), each.line, each.level);
        key(a).cmp(&key(b))
    });
    let failure = verdict.failure().map_or_else(String::new, |failure| {
        let command = commands.get(failure.check).map_or("", String::as_str);
        let last = failure.tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let said = match (diagnostics.is_empty(), last) {
            (true, Some(last)) => format!(": {last}"),
            _ => String::new(),
        };
        format!("`{command}` failed ({}){said}", failure.status)
    });
    let blame = if verdict.passed() { None } else { Blame::of(part, texts, verdict) };
    let Blame { masked, complaint } = blame.unwrap_or_default();
    tui::Verdict { passed: verdict.passed(), diagnostics, failure, masked, complaint }
}
