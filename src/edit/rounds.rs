//! Verifying proposals, and remasking what the commands complain about: compiler-guided denoising.
//!
//! The lines of a failed proposal that a command points at become the spans of a new request on the file with the proposal in
//! it: what is kept is pinned text there, the lines that failed are masked again, and the complaint stands in the instruction.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::document::Document;
use crate::document::Span;
use crate::document::Spans;
use crate::edit::candidate::Candidate;
use crate::edit::proposal::Part;
use crate::edit::proposal::Proposal;
use crate::edit::proposal::Spliced;
use crate::edit::proposal::lines_of;
use crate::edit::proposal::rank;
use crate::verify::CheckResult;
use crate::verify::Diagnostic;
use crate::verify::Level;
use crate::verify::Status;
use crate::verify::Verdict;
use crate::verify::Verifier;
use crate::verify::VerifyError;

/// Complaints that a request quotes.
const QUOTED: usize = 3;

/// What is told while proposals are verified. Proposals are counted from 0 as they come, those of later rounds too.
#[derive(Clone, Debug)]
pub enum VerifyEvent<'a> {
    /// A command has run on the files as they are.
    Baseline {
        /// Its number, from 0.
        check: usize,
        /// The command.
        command: &'a str,
        /// How it ended.
        status: Status,
        /// How long it took.
        time: Duration,
    },
    /// A command is about to run on a proposal.
    Running {
        /// The proposal.
        proposal: usize,
    },
    /// A command has run on a proposal.
    Checked {
        /// The proposal.
        proposal: usize,
        /// The command.
        command: &'a str,
        /// How it went.
        result: &'a CheckResult,
    },
    /// What failed is remasked.
    Remask {
        /// The round, from 1.
        round: usize,
        /// The proposal that failed.
        proposal: usize,
        /// The file.
        file: &'a Path,
        /// The lines of the failed text that are masked again.
        lines: &'a [std::ops::RangeInclusive<usize>],
    },
}

/// What is to be denoised once more.
#[derive(Clone, Debug)]
pub struct Remask {
    /// The round, from 1.
    pub round: usize,
    /// Number of the file.
    pub part: usize,
    /// The file with the failed proposal in it.
    pub document: Document,
    /// The lines that failed.
    pub spans: Spans,
    /// What the command said, one complaint a line.
    pub complaint: String,
}

/// Verifies all proposals that could be applied. When none passes, the best one is remasked where the commands point, up to
/// `rounds` times. Returns all of them with those of the rounds, the best first.
///
/// # Errors
/// The verifier, or one of the callbacks, failed.
pub fn verified<E: From<VerifyError>>(
    verifier: &mut Verifier,
    parts: &[Part],
    mut proposals: Vec<Proposal>,
    rounds: usize,
    denoise: &mut dyn FnMut(&Remask) -> Result<Vec<Candidate>, E>,
    told: &mut dyn FnMut(VerifyEvent<'_>) -> Result<(), E>,
) -> Result<Vec<Proposal>, E> {
    for proposal in &mut proposals {
        judge(verifier, parts, proposal, told)?;
    }
    rank(parts, &mut proposals);
    let mut next = proposals.iter().map(|proposal| proposal.number + 1).max().unwrap_or(0);
    let mut tried: Vec<usize> = Vec::new();
    for round in 1..=rounds {
        if proposals.first().is_none_or(Proposal::is_acceptable) {
            break;
        }
        let failed = proposals.iter().find(|proposal| proposal.verdict.is_some() && !tried.contains(&proposal.number));
        let Some(failed) = failed.cloned() else { break };
        tried.push(failed.number);
        let Some(remask) = remask(parts, &failed, round) else { continue };
        let lines: Vec<_> = remask.spans.iter().map(|span| lines_of(&remask.document, span)).collect();
        told(VerifyEvent::Remask { round, proposal: failed.number, file: &parts[remask.part].relative, lines: &lines })?;
        for candidate in denoise(&remask)? {
            let Some(mut proposal) = merged(parts, &failed, &remask, candidate, next) else { continue };
            // The same text would fail again.
            if proposals.iter().any(|known| known.texts() == proposal.texts()) {
                continue;
            }
            next += 1;
            judge(verifier, parts, &mut proposal, told)?;
            let done = proposal.is_acceptable();
            proposals.push(proposal);
            if done {
                break;
            }
        }
        rank(parts, &mut proposals);
    }
    Ok(proposals)
}

/// Runs the commands on a proposal; one that could not be applied anyway is not worth their time.
fn judge<E: From<VerifyError>>(
    verifier: &mut Verifier,
    parts: &[Part],
    proposal: &mut Proposal,
    told: &mut dyn FnMut(VerifyEvent<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if !proposal.is_acceptable() {
        return Ok(());
    }
    let Some(spliced) = spliced(parts, proposal) else { return Ok(()) };
    told(VerifyEvent::Running { proposal: proposal.number })?;
    let splices: Vec<_> = spliced.iter().zip(parts).map(|(spliced, part)| spliced.splice(part)).collect();
    let commands: Vec<String> = verifier.checks().iter().map(ToString::to_string).collect();
    let mut failed = None;
    let verdict = verifier.verify(&splices, &mut |result| {
        let command = commands.get(result.check).map_or("", String::as_str);
        if let Err(error) = told(VerifyEvent::Checked { proposal: proposal.number, command, result }) {
            failed.get_or_insert(error);
        }
    })?;
    proposal.verdict = Some(verdict);
    failed.map_or(Ok(()), Err)
}

fn spliced(parts: &[Part], proposal: &Proposal) -> Option<Vec<Spliced>> {
    parts.iter().zip(&proposal.parts).map(|(part, candidate)| Spliced::new(part, &candidate.texts)).collect()
}

/// What to mask again: the lines of the first file that the errors point at, inside its spans; when they point elsewhere, all of
/// its spans.
fn remask(parts: &[Part], failed: &Proposal, round: usize) -> Option<Remask> {
    let verdict = failed.verdict.as_ref()?;
    let spliced = spliced(parts, failed)?;
    let mut blamed = spliced.iter().zip(parts).map(|(spliced, part)| blame(spliced, part, verdict));
    let (part, spans) =
        blamed.by_ref().enumerate().find(|(_, spans)| !spans.is_empty()).unwrap_or((0, spliced.first()?.spans.clone()));
    let document = spliced[part].document.clone();
    let spans = Spans::new(&document, spans).ok()?;
    Some(Remask { round, part, document, spans, complaint: complaint(verdict, &parts[part].relative) })
}

/// What a verdict blames of a candidate of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// For each part that is to be masked again its span, and its bytes in the text of that; all of the texts when the errors point
    /// elsewhere.
    pub masked: Vec<(usize, Range<usize>)>,
    /// What the command said, one complaint a line.
    pub complaint: String,
}

impl Blame {
    /// What `verdict` blames of a candidate with these texts; `None` when they do not fit the file.
    pub fn of(part: &Part, texts: &[String], verdict: &Verdict) -> Option<Self> {
        let spliced = Spliced::new(part, texts)?;
        let mut spans = blame(&spliced, part, verdict);
        if spans.is_empty() {
            spans.clone_from(&spliced.spans);
        }
        let place = |at: Span| {
            let own = spliced.spans.iter().position(|span| span.start <= at.start && at.end <= span.end)?;
            let start = spliced.spans[own].start;
            Some((own, at.start - start..at.end - start))
        };
        let masked = spans.into_iter().filter_map(place).collect();
        Some(Self { masked, complaint: complaint(verdict, &part.relative) })
    }
}

/// Most characters of a complaint that an instruction quotes.
const LONGEST_QUOTE: usize = 400;

/// The instruction for what failed: the complaint joins it.
pub fn with_complaint(instruction: Option<&str>, complaint: &str) -> Option<String> {
    let complaint: String = complaint.chars().take(LONGEST_QUOTE).collect();
    match (instruction.map(str::trim).filter(|text| !text.is_empty()), complaint.is_empty()) {
        (Some(instruction), false) => Some(format!("{instruction}\nFix this error: {complaint}")),
        (None, false) => Some(format!("Fix this error: {complaint}")),
        (instruction, true) => instruction.map(str::to_owned),
    }
}

/// The lines in the spans that errors point at, as spans: neighbouring lines as one.
fn blame(spliced: &Spliced, part: &Part, verdict: &Verdict) -> Vec<Span> {
    let document = &spliced.document;
    let at = |diagnostic: &&Diagnostic| diagnostic.level == Level::Error && diagnostic.file == part.relative;
    let mut lines: Vec<(usize, usize)> = verdict.complaints().filter(at).map(|found| (found.line, found.last_line)).collect();
    lines.sort_unstable();
    let mut spans: Vec<Span> = Vec::new();
    for span in &spliced.spans {
        for &(first, last) in &lines {
            let last = last.min(document.lines().count());
            let Some(whole) = document.line_span(first, last.max(first)) else { continue };
            let (start, end) = (whole.start.max(span.start), whole.end.min(span.end));
            if start >= end {
                continue;
            }
            match spans.last_mut() {
                Some(before) if before.end >= start => before.end = before.end.max(end),
                _ => spans.push(Span::new(start, end)),
            }
        }
    }
    spans
}

/// What the command said, for the instruction: the errors, those in the edited file first; without any, the end of its output.
fn complaint(verdict: &Verdict, file: &Path) -> String {
    let mut errors: Vec<&Diagnostic> = verdict.complaints().filter(|diagnostic| diagnostic.level == Level::Error).collect();
    errors.sort_by_key(|diagnostic| diagnostic.file != file);
    let mut said: Vec<&str> = errors.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    said.dedup();
    said.truncate(QUOTED);
    if said.is_empty() {
        let tail = verdict.failure().map_or("", |failure| failure.tail.as_str());
        said = tail.lines().rev().map(str::trim).filter(|line| !line.is_empty()).take(QUOTED).collect();
        said.reverse();
    }
    said.join("\n")
}

/// The failed proposal with the remasked lines as `again` has them.
fn merged(parts: &[Part], failed: &Proposal, remask: &Remask, again: Candidate, number: usize) -> Option<Proposal> {
    let part = parts.get(remask.part)?;
    let base = failed.parts.get(remask.part)?;
    if again.texts.len() != remask.spans.as_slice().len() {
        return None;
    }
    let spliced = Spliced::new(part, &base.texts)?;
    let mut texts = Vec::with_capacity(base.texts.len());
    // Spans without a text touch each other; which is which only their order tells.
    let whole = remask.spans.as_slice() == spliced.spans;
    for (index, (span, text)) in spliced.spans.iter().zip(&base.texts).enumerate() {
        if whole {
            texts.push(again.texts[index].clone());
            continue;
        }
        let mut new = String::with_capacity(text.len());
        let mut place = 0;
        for (at, piece) in remask.spans.iter().zip(&again.texts) {
            if at.start < span.start || at.end > span.end {
                continue;
            }
            new.push_str(text.get(place..at.start - span.start)?);
            new.push_str(piece);
            place = at.end - span.start;
        }
        new.push_str(text.get(place..)?);
        texts.push(new);
    }
    let nfe = base.nfe + again.nfe;
    let mut proposal = failed.clone();
    // Two runs made it, so no trajectory and no score of one of them is its own.
    proposal.parts[remask.part] = Candidate { number, texts, nfe, trajectory: None, score: None, ..again };
    (proposal.number, proposal.verdict) = (number, None);
    Some(proposal)
}

#[cfg(unix)]
#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
