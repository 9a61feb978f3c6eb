//! `dcode edit` on a terminal: the edit live, then a question for each change.

use std::io::Stdout;

use crate::cli::edit::EditArgs;
use crate::cli::edit::INSTRUCTION_CUT;
use crate::cli::edit::apply;
use crate::cli::edit::record;
use crate::cli::edit::say_ranges;
use crate::cli::edit::summary;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::files::FileJob;
use crate::cli::frames::Frames;
use crate::cli::hidden::HiddenArgs;
use crate::cli::live::LiveView;
use crate::cli::live::Screen;
use crate::cli::live::editor;
use crate::cli::live::prompt;
use crate::cli::live::prompt::Answer;
use crate::cli::live::prompt::LineKeys;
use crate::cli::live::prompt::TerminalKeys;
use crate::cli::say;
use crate::cli::session::Session;
use crate::cli::session::Told;
use crate::cli::show::Output;
use crate::cli::verify;
use crate::cli::verify::Starting;
use crate::cli::work::Choice;
use crate::cli::work::no_text;
use crate::edit::candidate::Candidate;
use crate::edit::event::Event;
use crate::edit::proposal::Part;
use crate::edit::proposal::Proposal;
use crate::edit::rounds::VerifyEvent;
use crate::patch::hunk::Hunk;
use crate::patch::hunk::of_spans;
use crate::screen::colour::ColorChoice;
use crate::screen::colour::Depth;
use crate::screen::frame::Frame;
use crate::screen::modes::ModeGuard;
use crate::screen::modes::Modes;
use crate::screen::modes::Output as TerminalOutput;
use crate::text::sanitise_line;

/// Shows the edit live, asks, and writes what was accepted.
///
/// # Errors
/// See [`Exit`].
pub fn run(
    session: &Session<'_>,
    jobs: &[FileJob],
    verifier: Option<Starting>,
    args: &EditArgs,
    color: ColorChoice,
) -> Result<Exit, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let screen = Screen::detect(Depth::detect(color, true, variable), variable);
    say_ranges(jobs);
    let mut view = LiveView::new(std::io::stdout(), screen);
    let frames = |job| Watched::new(job, args.sampling.steps);
    let mut watched: Vec<Watched<'_>> = jobs.iter().map(frames).collect();
    let proposals = watch(session, jobs, verifier, &mut view, &mut watched, args, screen.live)?;
    let parts: Vec<Part> = jobs.iter().map(FileJob::part).collect();
    let best = first_visible(&parts, &proposals, args.hidden)?;
    for (watched, candidate) in watched.iter().zip(&best.proposal.parts) {
        view.finish(&watched.frames.texts(&candidate.texts, candidate.confidence, watched.last.as_ref()))?;
    }
    Review { jobs, screen, args }.ask(&best)
}

/// The best proposal that hides no character. A person decides about the rest.
fn first_visible<'c>(parts: &[Part], proposals: &'c [Proposal], hidden: HiddenArgs) -> Result<Choice<'c>, Failure> {
    let mut refusal = None;
    for proposal in proposals {
        let choice = Choice::of(parts, proposal)?;
        match choice.check_hidden(parts, hidden) {
            Ok(()) => return Ok(choice),
            Err(failure) => refusal.get_or_insert(failure),
        };
    }
    Err(refusal.unwrap_or_else(no_text))
}

/// A file while it is worked on.
struct Watched<'a> {
    frames: Frames<'a>,
    last: Option<Frame>,
}

impl<'a> Watched<'a> {
    fn new(job: &'a FileJob, steps: u32) -> Self {
        Self { frames: Frames::new(&job.document, &job.resolved, steps), last: None }
    }

    /// The latest frame with another note.
    fn noted(&mut self, note: &str) -> Frame {
        self.frames.set_note(note.to_owned());
        match &self.last {
            Some(last) => Frame { note: note.to_owned(), ..last.clone() },
            None => self.frames.waiting(),
        }
    }
}

/// Draws the run until it is finished.
fn watch(
    session: &Session<'_>,
    jobs: &[FileJob],
    verifier: Option<Starting>,
    view: &mut LiveView<Stdout>,
    watched: &mut [Watched<'_>],
    args: &EditArgs,
    live: bool,
) -> Result<Vec<Proposal>, Failure> {
    let _guard = live
        .then(|| ModeGuard::enter(Modes { hide_cursor: true, output: TerminalOutput::Stdout, ..Modes::default() }))
        .transpose()?;
    let (mut cut, mut shown) = (false, 0);
    // What the commands said stands below the run when it is over.
    let mut said: Vec<String> = Vec::new();
    let mut title = String::new();
    let result = session.run(jobs, verifier, &mut |told| {
        if let Told::Engine { event, again: false, .. } = &told {
            record(args, event)?;
        }
        match told {
            Told::Engine { event: Event::Started { instruction_cut, .. }, again: false, .. } => cut |= *instruction_cut,
            // The text that is remasked is no longer that of the file; its lines are named in the title.
            Told::Engine { again: true, .. } => {}
            Told::Engine { file, event, again: false } => {
                shown = file;
                let Some(watched) = watched.get_mut(file) else { return Ok(()) };
                if let Some(note) = title_of(event) {
                    title = note;
                }
                match event {
                    Event::Loading(_) | Event::Ready(_) => view.offer(watched.noted(&title))?,
                    Event::Step(step) => {
                        watched.frames.set_note(title.clone());
                        let frame = watched.frames.step(step);
                        watched.last = Some(frame.clone());
                        view.offer(frame)?;
                    }
                    _ => {}
                }
            }
            Told::Verify(event) => {
                let line = verify::line(&event);
                if let Some(watched) = watched.get_mut(shown) {
                    view.draw(&watched.noted(&sanitise_line(&line)))?;
                }
                if !matches!(event, VerifyEvent::Running { .. }) {
                    said.push(line);
                }
            }
        }
        Ok(())
    });
    watched.iter_mut().for_each(|watched| watched.frames.set_note(title.clone()));
    if result.is_err() || jobs.len() > 1 {
        view.clear()?;
    }
    let proposals = result?;
    if cut {
        view.clear()?;
        say(INSTRUCTION_CUT);
    }
    if !said.is_empty() {
        view.clear()?;
        said.iter().for_each(|line| say(line));
    }
    Ok(proposals)
}

/// What the title says from this event on.
fn title_of(event: &Event) -> Option<String> {
    match event {
        Event::Loading(share) => Some(format!("loading the model {:.0} %", share * 100.0)),
        Event::Ready(model) => {
            let decoding = if model.has_adapter { "" } else { " · left to right, no adapter" };
            Some(format!("{} · {}{decoding}", model.name, model.device))
        }
        _ => None,
    }
}

/// The question after the run.
struct Review<'a> {
    jobs: &'a [FileJob],
    screen: Screen,
    args: &'a EditArgs,
}

impl Review<'_> {
    fn ask(&mut self, best: &Choice<'_>) -> Result<Exit, Failure> {
        say(&summary(best));
        if best.count() == 0 {
            return Ok(Exit::Ok);
        }
        if !best.proposal.parts.iter().all(Candidate::is_acceptable) {
            say("note: this candidate does not parse or did not come to its own end; look before you accept");
        }
        if best.proposal.verdict.as_ref().is_some_and(|verdict| !verdict.passed()) {
            say("note: this candidate does not pass the commands; look before you accept");
        }
        if best.count() == 1 {
            return self.ask_whole(best.hunks.clone(), best);
        }
        self.ask_each(best)
    }

    /// One question for all changes.
    fn ask_whole(&self, mut hunks: Vec<Vec<Hunk>>, best: &Choice<'_>) -> Result<Exit, Failure> {
        loop {
            match self.question("Apply?", &prompt::ONE)? {
                Answer::Accept | Answer::AcceptAll => return self.apply(&hunks),
                Answer::Reject | Answer::RejectAll => return Ok(rejected()),
                Answer::Interrupted => return Ok(Exit::Interrupted),
                Answer::Diff => self.show_all(&hunks)?,
                Answer::Edit => {
                    if let Some(edited) = self.edited(best)? {
                        hunks = edited;
                        self.show_all(&hunks)?;
                    }
                }
            }
        }
    }

    /// A question for each hunk; what was accepted is written together.
    fn ask_each(&self, best: &Choice<'_>) -> Result<Exit, Failure> {
        let all: Vec<(usize, &Hunk)> =
            best.hunks.iter().enumerate().flat_map(|(file, hunks)| hunks.iter().map(move |hunk| (file, hunk))).collect();
        let mut accepted = vec![Vec::new(); self.jobs.len()];
        let mut index = 0;
        while let Some(&(file, hunk)) = all.get(index) {
            self.show(file, std::slice::from_ref(hunk))?;
            match self.question(&format!("Apply hunk {} of {}?", index + 1, all.len()), &prompt::HUNK)? {
                Answer::Accept => accepted[file].push(hunk.clone()),
                Answer::Reject => {}
                Answer::AcceptAll => {
                    all[index..].iter().for_each(|&(file, hunk)| accepted[file].push(hunk.clone()));
                    break;
                }
                Answer::RejectAll => break,
                Answer::Interrupted => return Ok(Exit::Interrupted),
                Answer::Diff => {
                    self.show_all(&best.hunks)?;
                    continue;
                }
                Answer::Edit => {
                    if let Some(edited) = self.edited(best)? {
                        self.show_all(&edited)?;
                        return self.ask_whole(edited, best);
                    }
                    continue;
                }
            }
            index += 1;
        }
        if accepted.iter().all(Vec::is_empty) {
            return Ok(rejected());
        }
        self.apply(&accepted)
    }

    fn apply(&self, hunks: &[Vec<Hunk>]) -> Result<Exit, Failure> {
        apply(self.jobs, hunks, self.args)?;
        for (job, hunks) in self.jobs.iter().zip(hunks).filter(|(_, hunks)| !hunks.is_empty()) {
            let count = if hunks.len() == 1 { "1 hunk".to_owned() } else { format!("{} hunks", hunks.len()) };
            say(&format!("{count} written to {}", job.document.path().display()));
        }
        Ok(Exit::Ok)
    }

    fn question(&self, question: &str, choices: &[prompt::Choice]) -> Result<Answer, Failure> {
        let mut out = std::io::stdout();
        if self.screen.live {
            let mut keys = TerminalKeys::enter(TerminalOutput::Stdout)?;
            Ok(prompt::ask(&mut out, &mut keys, question, choices)?)
        } else {
            let mut keys = LineKeys::new(std::io::stdin().lock());
            Ok(prompt::ask(&mut out, &mut keys, question, choices)?)
        }
    }

    fn show_all(&self, hunks: &[Vec<Hunk>]) -> Result<(), Failure> {
        let mut changed = hunks.iter().enumerate().filter(|(_, hunks)| !hunks.is_empty());
        changed.try_for_each(|(file, hunks)| self.show(file, hunks))
    }

    /// The diff of some hunks of a file, for a person.
    fn show(&self, file: usize, hunks: &[Hunk]) -> Result<(), Failure> {
        let Some(job) = self.jobs.get(file) else { return Ok(()) };
        // A terminal whose cursor cannot be moved gets no colours either.
        let depth = if self.screen.live { self.screen.depth } else { Depth::None };
        Output::of_screen(Screen { depth, ..self.screen }).diff(&job.document, hunks, &job.place.diff_path())
    }

    /// The hunks after the user changed the new texts in an editor; `None` when that was not possible.
    fn edited(&self, best: &Choice<'_>) -> Result<Option<Vec<Vec<Hunk>>>, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut all = Vec::with_capacity(self.jobs.len());
        for (job, candidate) in self.jobs.iter().zip(&best.proposal.parts) {
            let document = &job.document;
            let suffix =
                document.path().extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
            let mut changed = Vec::new();
            for text in &candidate.texts {
                let result = editor::editor_command(variable).and_then(|command| editor::edit(&command, text, &suffix));
                match result {
                    Ok(text) => changed.push(text),
                    Err(error) => {
                        say(&format!("note: {error}"));
                        return Ok(None);
                    }
                }
            }
            let changes: Vec<_> = job.spans.iter().zip(changed.iter().map(String::as_str)).collect();
            let hunks = of_spans(document, &changes).map_err(|error| Failure::usage(error.to_string()))?;
            if let Err(failure) = self.args.hidden.check(document, &hunks) {
                say(&format!("note: {failure}"));
                return Ok(None);
            }
            all.push(hunks);
        }
        Ok(all.iter().any(|hunks| !hunks.is_empty()).then_some(all))
    }
}

/// Nothing was accepted.
fn rejected() -> Exit {
    say("nothing was written");
    Exit::Rejected
}
