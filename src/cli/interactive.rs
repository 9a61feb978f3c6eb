//! `dcode edit` on a terminal: the edit live, then a question for each change.

use std::io::Stdout;

use crate::cli::edit::EditArgs;
use crate::cli::edit::record;
use crate::cli::edit::summary;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
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
use crate::cli::show::Output;
use crate::cli::work::finish;
use crate::cli::work::hunks;
use crate::cli::write::Place;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::patch::hunk::Hunk;
use crate::screen::colour::ColorChoice;
use crate::screen::colour::Depth;
use crate::screen::frame::Frame;
use crate::screen::modes::ModeGuard;
use crate::screen::modes::Modes;
use crate::screen::modes::Output as TerminalOutput;

/// Shows the edit live, asks, and writes what was accepted.
///
/// # Errors
/// See [`Exit`].
pub fn run(
    engine: &Engine,
    document: &Document,
    place: &Place,
    spans: &Spans,
    ranges: &[ResolvedRange],
    args: &EditArgs,
    color: ColorChoice,
) -> Result<Exit, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let screen = Screen::detect(Depth::detect(color, true, variable), variable);
    for range in ranges {
        say(&format!("{} {range}", document.path().display()));
    }
    let mut view = LiveView::new(std::io::stdout(), screen);
    let mut frames = Frames::new(document, ranges, args.sampling.steps);
    let (candidates, last) = watch(engine, &mut view, &mut frames, screen.live, args)?;
    let (best, hunks) = first_visible(document, spans, &candidates, args.hidden)?;
    view.finish(&frames.texts(&best.texts, best.confidence, last.as_ref()))?;
    let mut review = Review { document, place, spans, screen, args };
    review.ask(best, hunks)
}

/// The best candidate that hides no character. A person decides about the rest.
fn first_visible<'c>(
    document: &Document,
    spans: &Spans,
    candidates: &'c [Candidate],
    hidden: HiddenArgs,
) -> Result<(&'c Candidate, Vec<Hunk>), Failure> {
    let mut refusal = None;
    for candidate in candidates {
        let hunks = hunks(document, spans, candidate)?;
        match hidden.check(document, &hunks) {
            Ok(()) => return Ok((candidate, hunks)),
            Err(failure) => refusal.get_or_insert(failure),
        };
    }
    Err(refusal.unwrap_or_else(|| Failure::new(Exit::NoCandidate, "the model gave no usable text; nothing was written")))
}

/// Draws the run until it is finished.
fn watch(
    engine: &Engine,
    view: &mut LiveView<Stdout>,
    frames: &mut Frames<'_>,
    live: bool,
    args: &EditArgs,
) -> Result<(Vec<Candidate>, Option<Frame>), Failure> {
    let _guard = live
        .then(|| ModeGuard::enter(Modes { hide_cursor: true, output: TerminalOutput::Stdout, ..Modes::default() }))
        .transpose()?;
    let (mut last, mut cut) = (None, false);
    let result = finish(engine, &mut |event| {
        match event {
            Event::Loading(share) => {
                frames.set_note(format!("loading the model {:.0} %", share * 100.0));
                view.offer(frames.waiting())?;
            }
            Event::Ready(model) => {
                let decoding = if model.has_adapter { "" } else { " · left to right, no adapter" };
                frames.set_note(format!("{} · {}{decoding}", model.name, model.device));
                view.offer(frames.waiting())?;
            }
            Event::Started { instruction_cut, .. } => cut = *instruction_cut,
            Event::Step(step) => {
                let frame = frames.step(step);
                last = Some(frame.clone());
                view.offer(frame)?;
            }
            _ => {}
        }
        record(args, event)
    });
    if result.is_err() {
        view.clear()?;
    }
    let candidates = result?;
    if cut {
        say("note: the instruction is longer than the model's window; its end was left out");
    }
    Ok((candidates, last))
}

/// The question after the run.
struct Review<'a> {
    document: &'a Document,
    place: &'a Place,
    spans: &'a Spans,
    screen: Screen,
    args: &'a EditArgs,
}

impl Review<'_> {
    fn ask(&mut self, best: &Candidate, mut hunks: Vec<Hunk>) -> Result<Exit, Failure> {
        say(&summary(&hunks, best));
        if hunks.is_empty() {
            return Ok(Exit::Ok);
        }
        if !best.is_acceptable() {
            say("note: this candidate does not parse or did not come to its own end; look before you accept");
        }
        if hunks.len() == 1 {
            return self.ask_whole(&mut hunks, &best.texts);
        }
        self.ask_each(&hunks, &best.texts)
    }

    /// One question for one hunk.
    fn ask_whole(&self, hunks: &mut Vec<Hunk>, texts: &[String]) -> Result<Exit, Failure> {
        loop {
            match self.question("Apply?", &prompt::ONE)? {
                Answer::Accept | Answer::AcceptAll => return self.apply(hunks),
                Answer::Reject | Answer::RejectAll => {
                    say("nothing was written");
                    return Ok(Exit::Rejected);
                }
                Answer::Interrupted => return Ok(Exit::Interrupted),
                Answer::Diff => self.show(hunks)?,
                Answer::Edit => {
                    if let Some(edited) = self.edited(texts)? {
                        *hunks = edited;
                        self.show(hunks)?;
                    }
                }
            }
        }
    }

    /// A question for each hunk; what was accepted is written together.
    fn ask_each(&self, hunks: &[Hunk], texts: &[String]) -> Result<Exit, Failure> {
        let mut accepted = Vec::new();
        let mut index = 0;
        while let Some(hunk) = hunks.get(index) {
            self.show(std::slice::from_ref(hunk))?;
            match self.question(&format!("Apply hunk {} of {}?", index + 1, hunks.len()), &prompt::HUNK)? {
                Answer::Accept => accepted.push(hunk.clone()),
                Answer::Reject => {}
                Answer::AcceptAll => {
                    accepted.extend_from_slice(&hunks[index..]);
                    break;
                }
                Answer::RejectAll => break,
                Answer::Interrupted => return Ok(Exit::Interrupted),
                Answer::Diff => {
                    self.show(hunks)?;
                    continue;
                }
                Answer::Edit => {
                    if let Some(mut edited) = self.edited(texts)? {
                        self.show(&edited)?;
                        return self.ask_whole(&mut edited, texts);
                    }
                    continue;
                }
            }
            index += 1;
        }
        if accepted.is_empty() {
            say("nothing was written");
            return Ok(Exit::Rejected);
        }
        self.apply(&accepted)
    }

    fn apply(&self, hunks: &[Hunk]) -> Result<Exit, Failure> {
        self.place.write(self.document, hunks, self.args.instruction.as_deref(), self.args.index)?;
        let count = if hunks.len() == 1 { "1 hunk".to_owned() } else { format!("{} hunks", hunks.len()) };
        say(&format!("{count} written to {}", self.document.path().display()));
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

    /// The diff of some hunks, for a person.
    fn show(&self, hunks: &[Hunk]) -> Result<(), Failure> {
        // A terminal whose cursor cannot be moved gets no colours either.
        let depth = if self.screen.live { self.screen.depth } else { Depth::None };
        Output::of_screen(Screen { depth, ..self.screen }).diff(self.document, hunks, &self.place.diff_path())
    }

    /// The hunks after the user changed the new texts in an editor; `None` when that was not possible.
    fn edited(&self, texts: &[String]) -> Result<Option<Vec<Hunk>>, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let suffix =
            self.document.path().extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
        let mut changed = Vec::new();
        for text in texts {
            let result = editor::editor_command(variable).and_then(|command| editor::edit(&command, text, &suffix));
            match result {
                Ok(text) => changed.push(text),
                Err(error) => {
                    say(&format!("note: {error}"));
                    return Ok(None);
                }
            }
        }
        let changes: Vec<_> = self.spans.iter().zip(changed.iter().map(String::as_str)).collect();
        let hunks = crate::patch::hunk::of_spans(self.document, &changes).map_err(|error| Failure::usage(error.to_string()))?;
        if let Err(failure) = self.args.hidden.check(self.document, &hunks) {
            say(&format!("note: {failure}"));
            return Ok(None);
        }
        Ok((!hunks.is_empty()).then_some(hunks))
    }
}
