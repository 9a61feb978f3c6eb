//! One edit from its files to ranked proposals: the engine makes candidates for each file, and the commands judge them.

use std::sync::Arc;
use std::time::Instant;

use crate::cli::common::SamplingArgs;
use crate::cli::common::request;
use crate::cli::exit::Failure;
use crate::cli::files::FileJob;
use crate::cli::verify::Starting;
use crate::cli::work::finish;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::engine::Engine;
use crate::edit::event::Event;
use crate::edit::proposal::Part;
use crate::edit::proposal::Proposal;
use crate::edit::proposal::combine;
use crate::edit::request::EditRequest;
use crate::edit::rounds::Remask;
use crate::edit::rounds::VerifyEvent;
use crate::edit::rounds::verified;
use crate::edit::rounds::with_complaint;

/// What is told while the edit goes on.
#[derive(Debug)]
pub enum Told<'a> {
    /// The engine works on a file.
    Engine {
        /// Number of the file.
        file: usize,
        /// What the engine says.
        event: &'a Event,
        /// Whether it is a remask of an earlier candidate.
        again: bool,
    },
    /// The commands.
    Verify(VerifyEvent<'a>),
}

/// What an edit needs besides its files.
#[derive(Debug)]
pub struct Session<'a> {
    /// The engine; the requests of the files are submitted already.
    pub engine: &'a Engine,
    /// What to do.
    pub instruction: Option<&'a str>,
    /// How.
    pub sampling: &'a SamplingArgs,
    /// Rounds of remasking what the commands complain about.
    pub rounds: usize,
    /// Whether the edit is held before its first step.
    pub paused: bool,
    /// Whether it is kept how the candidates came about.
    pub record: bool,
}

impl Session<'_> {
    /// Hands the requests of all files to the engine.
    pub fn submit(&self, jobs: &[FileJob]) {
        for job in jobs {
            let mut request = request(Arc::clone(&job.document), job.spans.clone(), self.instruction, self.sampling);
            request.options.paused = self.paused;
            request.options.record = self.record;
            self.engine.submit(request);
        }
    }

    /// Waits for the candidates, has the commands judge them, and remasks what fails. The best proposal comes first.
    ///
    /// # Errors
    /// A request failed, the commands cannot be used, or `show` failed.
    pub fn run(
        &self,
        jobs: &[FileJob],
        verifier: Option<Starting>,
        show: &mut dyn FnMut(Told<'_>) -> Result<(), Failure>,
    ) -> Result<Vec<Proposal>, Failure> {
        let started = Instant::now();
        let mut files = Vec::with_capacity(jobs.len());
        for file in 0..jobs.len() {
            files.push(finish(self.engine, &mut |event| show(Told::Engine { file, event, again: false }))?);
        }
        let proposals = combine(files);
        let Some(verifier) = verifier else { return Ok(proposals) };
        let (mut verifier, ran) = verifier.wait()?;
        for (check, ran) in ran.iter().enumerate() {
            let (command, status, time) = (ran.command.as_str(), ran.status, ran.time);
            show(Told::Verify(VerifyEvent::Baseline { check, command, status, time }))?;
        }
        let parts: Vec<Part> = jobs.iter().map(FileJob::part).collect();
        let late = || self.sampling.time_limit.is_some_and(|limit| started.elapsed() >= limit);
        let show = std::cell::RefCell::new(show);
        let mut denoise = |remask: &Remask| -> Result<Vec<Candidate>, Failure> {
            if late() {
                return Ok(Vec::new());
            }
            self.engine.submit(self.again(remask, started));
            let mut show = show.borrow_mut();
            finish(self.engine, &mut |event| show(Told::Engine { file: remask.part, event, again: true }))
        };
        let mut told = |event: VerifyEvent<'_>| (show.borrow_mut())(Told::Verify(event));
        verified(&mut verifier, &parts, proposals, self.rounds, &mut denoise, &mut told)
    }

    /// The request for what failed: the complaint joins the instruction, and a drawn candidate stands beside the greedy one, which
    /// may say the same again.
    fn again(&self, remask: &Remask, started: Instant) -> EditRequest {
        let instruction = with_complaint(self.instruction, &remask.complaint);
        let spans: Spans = remask.spans.clone();
        let mut request = request(Arc::new(remask.document.clone()), spans, instruction.as_deref(), self.sampling);
        let options = &mut request.options;
        options.candidates = 2;
        options.seed = options.seed.wrapping_add(remask.round as u64);
        options.time_limit = options.time_limit.map(|limit| limit.saturating_sub(started.elapsed()));
        request
    }
}
