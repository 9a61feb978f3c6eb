//! The candidates of an ended run, and what the user decided about their hunks.

use std::ops::Range;

use crate::document::Span;
use crate::patch::hunk::Hunk;
use crate::patch::hunk::hunks;
use crate::tui::engine::Candidate;
use crate::tui::engine::Start;
use crate::tui::state::Composition;
use crate::tui::state::File;
use crate::tui::verify::Progress;
use crate::tui::verify::Verdict;
use crate::tui::words::Words;
use crate::tui::words::words;

/// A hunk and what the user decided.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewHunk {
    /// The change.
    pub hunk: Hunk,
    /// Its lines with the changed words.
    pub words: Words,
    /// Accepted, rejected, or not decided yet.
    pub accepted: Option<bool>,
}

impl ReviewHunk {
    fn new(hunk: Hunk) -> Self {
        let words = words(&hunk.old, &hunk.new);
        Self { hunk, words, accepted: None }
    }
}

/// The hunks of one candidate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    /// The hunks.
    pub hunks: Vec<ReviewHunk>,
    /// The one looked at.
    pub at: usize,
    /// What the commands said.
    pub judged: Option<Judged>,
}

/// What the commands said, and about what.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The text of each span as it was then.
    pub texts: Vec<String>,
    /// What they said.
    pub verdict: Verdict,
}

/// Commands at work on a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Verifying {
    /// The request.
    pub id: u64,
    /// The review it is for.
    pub review: u64,
    /// The candidate.
    pub candidate: usize,
    /// The text of each span.
    pub texts: Vec<String>,
    /// How far they are; `None` before they began.
    pub progress: Option<Progress>,
}

/// What the commands blame is re-masked, round after round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mending {
    /// Rounds still to go.
    pub rounds: usize,
    /// Candidates of this round that are not judged yet, the next one last.
    pub waiting: Vec<usize>,
    /// Whether a round has begun.
    pub begun: bool,
    /// Candidates that were re-masked already.
    pub tried: Vec<usize>,
}

/// How hunks are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Side by side where there is room.
    #[default]
    Auto,
    /// Old above new.
    Unified,
    /// Old beside new.
    SideBySide,
}

impl Layout {
    /// Columns from which old and new stand side by side by themselves.
    const WIDE: u16 = 140;

    /// Whether a screen is wide enough.
    pub fn is_wide(width: u16) -> bool {
        width >= Self::WIDE
    }
}

/// The candidates of an ended run.
#[derive(Clone, Debug)]
pub struct Review {
    /// Told apart from other reviews.
    pub number: u64,
    /// The bytes of the file that they replace.
    pub spans: Vec<Range<usize>>,
    /// Candidates, best first; later ones come behind.
    pub candidates: Vec<Candidate>,
    /// The one looked at.
    pub candidate: usize,
    /// The hunks of each candidate.
    pub decisions: Vec<Decisions>,
    /// How hunks are laid out.
    pub layout: Layout,
    /// Whether the candidates stand side by side.
    pub compare: bool,
    /// Rows by which the view was moved away from the hunk.
    pub scroll: isize,
    /// The complaint looked at, among those of the candidate; `None` when a hunk is.
    pub focus: Option<usize>,
    /// Rounds of re-masking that are under way.
    pub mending: Option<Mending>,
}

impl Review {
    /// A review that begins with the first candidate.
    pub fn new(text: &str, spans: Vec<Range<usize>>, candidates: Vec<Candidate>) -> Self {
        let mut review = Self {
            number: 0,
            spans,
            candidates: Vec::new(),
            candidate: 0,
            decisions: Vec::new(),
            layout: Layout::Auto,
            compare: false,
            scroll: 0,
            focus: None,
            mending: None,
        };
        candidates.into_iter().for_each(|candidate| review.add(text, candidate));
        review
    }

    /// Takes one more candidate.
    pub fn add(&mut self, text: &str, candidate: Candidate) {
        let of_span = |(span, new): (&Range<usize>, &String)| hunks(span.start, text.get(span.clone()).unwrap_or(""), new);
        let all = self.spans.iter().zip(&candidate.texts).flat_map(of_span);
        self.decisions.push(Decisions { hunks: all.map(ReviewHunk::new).collect(), ..Decisions::default() });
        self.candidates.push(candidate);
    }

    /// The hunks of the candidate looked at.
    pub fn hunks(&self) -> &[ReviewHunk] {
        self.decisions.get(self.candidate).map(|decisions| decisions.hunks.as_slice()).unwrap_or_default()
    }

    /// The hunk looked at.
    pub fn at(&self) -> usize {
        self.decisions.get(self.candidate).map_or(0, |decisions| decisions.at)
    }

    /// The hunks of the candidate looked at, and which of them is.
    pub fn present(&mut self) -> Option<&mut Decisions> {
        self.decisions.get_mut(self.candidate)
    }

    /// Gives a hunk another new text, and accepts it. Whether the candidate still parses is not known any more.
    pub fn replace(&mut self, index: usize, new: String) {
        if let Some(candidate) = self.candidates.get_mut(self.candidate) {
            candidate.parses = None;
        }
        if let Some(each) = self.present().and_then(|decisions| decisions.hunks.get_mut(index)) {
            let hunk = Hunk { new, ..each.hunk.clone() };
            *each = ReviewHunk { accepted: Some(true), ..ReviewHunk::new(hunk) };
        }
    }

    /// The hunks that were accepted.
    pub fn accepted(&self) -> Vec<Hunk> {
        self.hunks().iter().filter(|each| each.accepted == Some(true)).map(|each| each.hunk.clone()).collect()
    }

    /// Whether a candidate has these texts already.
    pub fn has(&self, candidate: &Candidate) -> bool {
        self.candidates.iter().any(|each| each.texts == candidate.texts)
    }

    /// Accepts the hunks that another candidate of the review has accepted too.
    pub fn carry_over(&mut self, from: usize) {
        let Some(from) = self.decisions.get(from) else { return };
        let kept: Vec<Hunk> =
            from.hunks.iter().filter(|each| each.accepted == Some(true)).map(|each| each.hunk.clone()).collect();
        let Some(present) = self.present() else { return };
        for each in &mut present.hunks {
            if kept.contains(&each.hunk) {
                each.accepted = Some(true);
            }
        }
        present.at = present.hunks.iter().position(|each| each.accepted.is_none()).unwrap_or(0);
    }

    /// The text of each span with every hunk of the candidate looked at that is not rejected.
    pub fn kept_texts(&self, text: &str) -> Vec<String> {
        self.pieces(text, None).0
    }

    /// What the commands said about the candidate looked at, as long as it is what they saw.
    pub fn judged(&self, text: &str) -> Option<&Judged> {
        let judged = self.decisions.get(self.candidate)?.judged.as_ref()?;
        (judged.texts == self.kept_texts(text)).then_some(judged)
    }

    /// The failed candidate with the fewest complaints that was not `tried`, as long as it is what the commands saw; the first of
    /// equal ones.
    pub fn least_blamed(&self, text: &str, tried: &[usize]) -> Option<usize> {
        let blamed = |candidate: usize| {
            let review = Self { candidate, ..self.clone() };
            let verdict = &review.judged(text)?.verdict;
            (!verdict.passed).then_some((verdict.diagnostics.len(), candidate))
        };
        (0..self.candidates.len())
            .filter(|candidate| !tried.contains(candidate))
            .filter_map(blamed)
            .min()
            .map(|(_, candidate)| candidate)
    }

    /// For each hunk of the candidate looked at its first line, from 1, in the file with what is not rejected.
    pub fn kept_lines(&self, file: &File) -> Vec<usize> {
        let mut ahead = 0isize;
        let line = |each: &ReviewHunk| {
            let line = (file.line_at(each.hunk.at.start) + 1).saturating_add_signed(ahead);
            if each.accepted != Some(false) {
                ahead += each.words.new.len() as isize - each.words.old.len() as isize;
            }
            line
        };
        self.hunks().iter().map(line).collect()
    }

    /// The hunk that holds a line, from 1, of the file with what is not rejected.
    pub fn hunk_at(&self, file: &File, line: usize) -> Option<usize> {
        let lines = self.kept_lines(file);
        self.hunks().iter().zip(lines).position(|(each, first)| {
            let height = if each.accepted == Some(false) { each.words.old.len() } else { each.words.new.len() };
            (first..first + height.max(1)).contains(&line)
        })
    }

    /// The line, 0-based, of the file as it is that stands where `line`, from 1, of the file with what is not rejected is.
    pub fn old_line(&self, file: &File, line: usize) -> usize {
        let mut old = line.saturating_sub(1);
        for (each, first) in self.hunks().iter().zip(self.kept_lines(file)) {
            if first > line {
                break;
            }
            let start = file.line_at(each.hunk.at.start);
            let (new, gone) = (each.words.new.len(), each.words.old.len());
            let height = if each.accepted == Some(false) { gone } else { new };
            old = if line < first + height { start } else { start + gone + (line - first - height) };
        }
        old.min(file.line_count().saturating_sub(1))
    }

    /// The file's spans with every hunk that is not rejected, each a hole as a whole: for what is to be done to all of it.
    pub fn composition(&self, text: &str) -> Composition {
        let (pieces, _) = self.pieces(text, None);
        let holes = pieces.iter().enumerate().map(|(index, piece)| (index, 0..piece.len())).collect();
        Composition { pieces, holes }
    }

    /// The file's spans with every hunk that is not rejected and the one that is `wanted`, which is masked.
    pub fn start(&self, text: &str, wanted: usize) -> Start {
        let (texts, masked) = self.pieces(text, Some(wanted));
        Start { texts, masked }
    }

    /// The text of each span as far as it is kept, and where in it the wanted hunk is.
    fn pieces(&self, text: &str, wanted: Option<usize>) -> (Vec<String>, Vec<(usize, Range<usize>)>) {
        let (mut pieces, mut places) = (Vec::new(), Vec::new());
        for span in &self.spans {
            let mut piece = String::new();
            let mut place = span.start;
            let own = self.hunks().iter().enumerate().filter(|(_, each)| lies_in(each.hunk.at, span));
            for (index, each) in own {
                piece.push_str(text.get(place..each.hunk.at.start).unwrap_or(""));
                place = each.hunk.at.end;
                let start = piece.len();
                let is_wanted = wanted == Some(index);
                let keeps_old = each.accepted == Some(false) && !is_wanted;
                piece.push_str(if keeps_old { &each.hunk.old } else { &each.hunk.new });
                if is_wanted {
                    places.push((pieces.len(), start..piece.len()));
                }
            }
            piece.push_str(text.get(place..span.end).unwrap_or(""));
            pieces.push(piece);
        }
        (pieces, places)
    }
}

fn lies_in(at: Span, span: &Range<usize>) -> bool {
    span.start <= at.start && at.end <= span.end
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "head\na\nb\nc\nd\ntail\n";

    fn review() -> Review {
        let candidate = Candidate { texts: vec!["A\nb\nC\nC2\nd\n".into()], parses: None, confidence: 0.5 };
        Review::new(TEXT, vec![5..13], vec![candidate])
    }

    #[test]
    fn the_wanted_hunk_is_masked_and_the_rest_is_kept() {
        let mut review = review();
        assert_eq!(review.hunks().len(), 2);
        let start = review.start(TEXT, 1);
        assert_eq!(start, Start { texts: vec!["A\nb\nC\nC2\nd\n".into()], masked: vec![(0, 4..9)] });
        review.present().unwrap().hunks[0].accepted = Some(false);
        review.present().unwrap().hunks[1].accepted = Some(false);
        assert_eq!(review.start(TEXT, 1).texts, ["a\nb\nC\nC2\nd\n"], "the other one is rejected");
        let composition = review.composition(TEXT);
        assert_eq!(composition, Composition { pieces: vec!["a\nb\nc\nd\n".into()], holes: vec![(0, 0..8)] });
    }

    #[test]
    fn decisions_stay_with_their_candidate_and_carry_over() {
        let mut review = review();
        review.present().unwrap().hunks[0].accepted = Some(true);
        review.add(TEXT, Candidate { texts: vec!["A\nb\nZ\nd\n".into()], parses: None, confidence: 0.5 });
        review.candidate = 1;
        assert!(review.accepted().is_empty());
        review.carry_over(0);
        assert_eq!(review.accepted().len(), 1);
        assert_eq!(review.at(), 1, "the first hunk that is not decided");
        review.candidate = 0;
        assert_eq!(review.hunks()[0].accepted, Some(true));
    }

    #[test]
    fn what_the_commands_said_holds_for_what_they_saw() {
        let mut review = review();
        let texts = review.kept_texts(TEXT);
        assert_eq!(texts, ["A\nb\nC\nC2\nd\n"]);
        review.present().unwrap().judged = Some(Judged { texts, verdict: Verdict::default() });
        assert!(review.judged(TEXT).is_some() && review.least_blamed(TEXT, &[]) == Some(0));
        assert_eq!(review.least_blamed(TEXT, &[0]), None);
        review.present().unwrap().hunks[0].accepted = Some(false);
        assert!(review.judged(TEXT).is_none() && review.least_blamed(TEXT, &[]).is_none());
        review.present().unwrap().hunks[0].accepted = Some(true);
        assert!(review.judged(TEXT).is_some(), "an accepted hunk is as one that is not decided");
    }

    #[test]
    fn lines_of_what_is_kept_and_of_the_file() {
        let file = File::new("f", TEXT, None);
        let mut review = review();
        // head A b C C2 d tail, and head a b c d tail.
        assert_eq!(review.kept_lines(&file), [2, 4]);
        let places =
            |review: &Review| (1..=7).map(|line| (review.hunk_at(&file, line), review.old_line(&file, line))).collect::<Vec<_>>();
        assert_eq!(places(&review), [(None, 0), (Some(0), 1), (None, 2), (Some(1), 3), (Some(1), 3), (None, 4), (None, 5)]);
        review.present().unwrap().hunks[1].accepted = Some(false);
        assert_eq!(places(&review)[3..], [(Some(1), 3), (None, 4), (None, 5), (None, 5)]);
        // Two lines before the first hunk are gone.
        let candidate = Candidate { texts: vec!["d\nX\n".into()], parses: None, confidence: 0.5 };
        let review = Review::new(TEXT, vec![5..13], vec![candidate]);
        assert_eq!((review.kept_lines(&file), review.hunk_at(&file, 2)), (vec![2, 3], Some(0)));
    }
}
