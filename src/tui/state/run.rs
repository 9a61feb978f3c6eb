//! A run: what the engine showed of it, where in it the user looks, and what its result will be part of.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::screen::frame::Cell;
use crate::screen::frame::Frame;
use crate::screen::frame::Part;
use crate::tui::engine::Candidate;
use crate::tui::engine::Choices;
use crate::tui::engine::SlotId;
use crate::tui::state::File;

/// Frames kept of one run; the oldest go first.
pub const MAX_FRAMES: usize = 2048;

/// Where the spans of a run lie in a candidate that is partly kept: the run fills the holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// The text of each span of the file, as far as it is kept.
    pub pieces: Vec<String>,
    /// For each span of the run the piece it lies in, and its bytes there; ascending.
    pub holes: Vec<(usize, Range<usize>)>,
}

impl Composition {
    /// The pieces with the holes filled.
    pub fn fill(&self, texts: &[String]) -> Vec<String> {
        let mut pieces = self.pieces.clone();
        for ((piece, range), text) in self.holes.iter().zip(texts).rev() {
            if let Some(piece) = pieces.get_mut(*piece)
                && piece.get(range.clone()).is_some()
            {
                piece.replace_range(range.clone(), text);
            }
        }
        pieces
    }
}

/// A run under way or ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The request; of no meaning for a recorded run.
    pub id: u64,
    /// The text it works on: the file, or the file with what was kept of a candidate.
    pub file: File,
    /// The bytes under change.
    pub spans: Vec<Range<usize>>,
    /// Whether its candidates come beside those that are reviewed already.
    pub adds: bool,
    /// Where its texts go; `None` when they are those of the file's spans.
    pub composition: Option<Composition>,
    /// The frames so far.
    pub frames: VecDeque<Arc<Frame>>,
    /// Slots that changed in each frame.
    pub changes: VecDeque<usize>,
    /// What is known of what else the slots of the newest frame might hold.
    pub choices: Choices,
    /// The slot that the engine was asked about and has not answered for.
    pub asked: Option<SlotId>,
    /// The frame looked at; `None` for the newest.
    pub shown: Option<usize>,
    /// Whether the engine holds.
    pub paused: bool,
    /// Whether the engine has ended it.
    pub ended: bool,
    /// The slot the cursor is on.
    pub cursor: Option<SlotId>,
    /// Where the selection of slots began.
    pub anchor: Option<SlotId>,
    /// Probability from which slots are committed out of turn.
    pub threshold: f32,
    /// Place of the rule by which slots are filled in [`crate::tui::engine::RULES`].
    pub rule: usize,
    /// Whether the spans keep the slots that they have.
    pub fixed: bool,
    /// Rows by which the view was moved away from the span.
    pub scroll: isize,
    /// The model of a recorded run; `None` for one of this session.
    pub recorded: Option<String>,
    /// Whether its steps follow each other by themselves.
    pub playing: bool,
    /// What is needed to replay it, once it has ended.
    pub trajectory: Option<Arc<str>>,
}

impl Run {
    /// A run that begins.
    pub fn new(id: u64, file: File, spans: Vec<Range<usize>>, threshold: f32) -> Self {
        Self {
            id,
            file,
            spans,
            adds: false,
            composition: None,
            frames: VecDeque::new(),
            changes: VecDeque::new(),
            choices: Choices::new(),
            asked: None,
            shown: None,
            paused: false,
            ended: false,
            cursor: None,
            anchor: None,
            threshold,
            rule: 0,
            fixed: false,
            scroll: 0,
            recorded: None,
            playing: false,
            trajectory: None,
        }
    }

    /// A recorded run, at its start.
    pub fn recorded(file: File, spans: Vec<Range<usize>>, frames: Vec<Arc<Frame>>, model: String) -> Self {
        let mut run = Self::new(0, file, spans, crate::diffusion::threshold::DEFAULT_THRESHOLD);
        frames.into_iter().for_each(|frame| run.push(frame));
        run.ended = true;
        run.recorded = Some(model);
        run.look_at(0);
        run
    }

    /// The next step of a run that plays by itself; it ends with the last one.
    pub fn play_on(&mut self) {
        if self.playing {
            self.look_at(self.place() + 1);
            self.playing = self.shown.is_some();
        }
    }

    /// The frame to draw.
    pub fn frame(&self) -> Option<&Arc<Frame>> {
        match self.shown {
            Some(index) => self.frames.get(index),
            None => self.frames.back(),
        }
    }

    /// Takes a new frame; the oldest one goes when there are too many. What was known of the slots was so before it.
    pub fn push(&mut self, frame: Arc<Frame>) {
        if self.frames.len() >= MAX_FRAMES {
            self.frames.pop_front();
            self.changes.pop_front();
            self.shown = self.shown.map(|shown| shown.saturating_sub(1));
        }
        let before = self.frames.back().map(|last| cells(last)).unwrap_or_default();
        self.changes.push_back(changed(&before, &cells(&frame)));
        self.frames.push_back(frame);
        self.choices.clear();
        self.cursor = self.cursor.and_then(|slot| self.nearest(slot));
        self.anchor = self.anchor.and_then(|slot| self.nearest(slot));
    }

    /// Looks at a frame; behind the last one is the newest, which goes on.
    pub fn look_at(&mut self, index: usize) {
        self.shown = (index + 1 < self.frames.len()).then_some(index);
        self.cursor = self.cursor.and_then(|slot| self.nearest(slot));
        self.anchor = None;
    }

    /// Place of the frame looked at.
    pub fn place(&self) -> usize {
        self.shown.unwrap_or(self.frames.len().saturating_sub(1))
    }

    /// The cells of each span in the frame looked at.
    pub fn cells(&self) -> Vec<&[Cell]> {
        self.frame().map(|frame| cells(frame)).unwrap_or_default()
    }

    /// One cell of the frame looked at.
    pub fn cell(&self, slot: SlotId) -> Option<&Cell> {
        self.cells().get(slot.span).copied().and_then(|cells| cells.get(slot.index))
    }

    /// All slots of the frame looked at, in order.
    pub fn slots(&self) -> Vec<SlotId> {
        let all = self.cells();
        let of = |(span, cells): (usize, &&[Cell])| (0..cells.len()).map(move |index| SlotId { span, index }).collect::<Vec<_>>();
        all.iter().enumerate().flat_map(of).collect()
    }

    /// The slot itself, or the last one before it.
    fn nearest(&self, slot: SlotId) -> Option<SlotId> {
        let slots = self.slots();
        slots.iter().rev().find(|each| **each <= slot).or(slots.first()).copied()
    }

    /// The slots that a command is for: the selected ones, or the one of the cursor.
    pub fn chosen(&self) -> Vec<SlotId> {
        let Some(cursor) = self.cursor else { return Vec::new() };
        let anchor = self.anchor.unwrap_or(cursor);
        let (first, last) = (anchor.min(cursor), anchor.max(cursor));
        self.slots().into_iter().filter(|slot| (first..=last).contains(slot)).collect()
    }

    /// The span that is lengthened or shortened: that of the cursor, else the first with a masked slot, else the first.
    pub fn span_to_resize(&self) -> usize {
        let masked = || self.cells().iter().position(|cells| cells.iter().any(|cell| cell.state.is_masked()));
        self.cursor.map(|slot| slot.span).or_else(masked).unwrap_or(0)
    }

    /// The slots that have a part in the line of a slot.
    pub fn line_of(&self, slot: SlotId) -> Vec<SlotId> {
        let (mut line, mut found, mut wanted) = (0, Vec::new(), None);
        for each in self.slots() {
            let Some(cell) = self.cell(each) else { continue };
            if each.span != slot.span {
                continue;
            }
            let ends = if cell.state.is_masked() { 0 } else { cell.text.matches('\n').count() };
            // A slot whose text begins with a line end belongs to the line that its text is on.
            let own = if cell.text.starts_with('\n') && !cell.state.is_masked() { line + 1 } else { line };
            if each == slot {
                wanted = Some(own);
            }
            found.push((each, line, line + ends));
            line += ends;
        }
        let Some(wanted) = wanted else { return Vec::new() };
        let has_text_on = |slot: SlotId, first: usize, last: usize| {
            let text = self.cell(slot).map_or("", |cell| cell.text.as_str());
            (first..=last).contains(&wanted)
                && (first == last || text.split('\n').nth(wanted - first).is_some_and(|part| !part.is_empty()) || wanted == first)
        };
        found.into_iter().filter(|(slot, first, last)| has_text_on(*slot, *first, *last)).map(|(slot, _, _)| slot).collect()
    }

    /// Seconds that the masked slots will take at the present pace.
    pub fn seconds_left(&self) -> Option<f32> {
        let progress = &self.frame()?.progress;
        let pace = progress.tokens_per_second.filter(|pace| pace.is_finite() && *pace > 0.0)?;
        (progress.masked > 0).then(|| progress.masked as f32 / pace)
    }

    /// The candidates of the run as candidates for the file.
    pub fn composed(&self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let Some(composition) = &self.composition else { return candidates };
        let fill = |candidate: Candidate| Candidate { texts: composition.fill(&candidate.texts), ..candidate };
        candidates.into_iter().map(fill).collect()
    }
}

/// The cells of each span of a frame.
pub fn cells(frame: &Frame) -> Vec<&[Cell]> {
    let parts = frame.sections.iter().flat_map(|section| &section.parts);
    parts
        .filter_map(|part| match part {
            Part::Span(cells) | Part::Lines(cells) => Some(cells.as_slice()),
            Part::Text(_) => None,
        })
        .collect()
}

/// Slots that differ between two frames, by what is in them.
fn changed(old: &[&[Cell]], new: &[&[Cell]]) -> usize {
    fn content(cell: &Cell) -> Option<&str> {
        if cell.state.is_masked() { None } else { Some(&cell.text) }
    }
    let of_span = |(span, cells): (usize, &&[Cell])| {
        let before = old.get(span).copied().unwrap_or_default();
        let differs = |(index, cell): (usize, &Cell)| before.get(index).and_then(content) != content(cell);
        cells.iter().enumerate().filter(|(index, cell)| differs((*index, cell))).count()
    };
    new.iter().enumerate().map(of_span).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::frame::Section;

    fn frame(texts: &[&str]) -> Arc<Frame> {
        let cell = |text: &&str| if text.is_empty() { Cell::masked(3) } else { Cell::committed(*text, 0.9, 1) };
        let parts = vec![Part::Lines(texts.iter().map(cell).collect())];
        Arc::new(Frame { sections: vec![Section { first_line: 1, parts }], ..Frame::default() })
    }

    fn run(frames: &[&[&str]]) -> Run {
        let mut run = Run::new(1, File::new("a", "x\n", None), vec![0..2], 0.9);
        frames.iter().for_each(|texts| run.push(frame(texts)));
        run
    }

    fn slot(index: usize) -> SlotId {
        SlotId { span: 0, index }
    }

    #[test]
    fn changes_are_counted_slot_by_slot() {
        let run = run(&[&["a", "", ""], &["a", "b", ""], &["", "b", "c\n"], &["x", "b", "c\n"]]);
        assert_eq!(run.changes, [1, 1, 2, 1]);
    }

    #[test]
    fn the_slots_of_a_line() {
        let run = run(&[&["let", " x", ";\n", "y", "", ";\n  z", "\n", "end"]]);
        let line = |index| run.line_of(slot(index)).into_iter().map(|slot| slot.index).collect::<Vec<_>>();
        assert_eq!(line(1), [0, 1, 2]);
        assert_eq!(line(4), [3, 4, 5], "a slot with text on two lines belongs to both");
        assert_eq!(line(7), [7]);
        assert_eq!(run.line_of(slot(99)), []);
    }

    #[test]
    fn old_frames_go_and_the_place_stays() {
        let mut run = run(&[&["a"]]);
        run.look_at(0);
        (0..MAX_FRAMES).for_each(|_| run.push(frame(&["a"])));
        assert_eq!((run.frames.len(), run.changes.len()), (MAX_FRAMES, MAX_FRAMES));
        run.look_at(5);
        run.push(frame(&["a"]));
        assert_eq!(run.shown, Some(4));
        run.look_at(MAX_FRAMES - 1);
        assert_eq!(run.shown, None, "the last one is the newest");
    }

    #[test]
    fn holes_are_filled_from_the_back() {
        let composition = Composition { pieces: vec!["abcdef".into(), "x".into()], holes: vec![(0, 1..2), (0, 4..5), (1, 0..1)] };
        assert_eq!(composition.fill(&["BBB".into(), String::new(), "y".into()]), ["aBBBcdf", "y"]);
    }

    #[test]
    fn the_cursor_stays_on_a_slot() {
        let mut run = run(&[&["a", "b", "c"]]);
        run.cursor = Some(slot(2));
        run.anchor = Some(slot(0));
        assert_eq!(run.chosen().len(), 3);
        run.push(frame(&["a"]));
        assert_eq!((run.cursor, run.chosen()), (Some(slot(0)), vec![slot(0)]));
    }
}
