//! From the engine's steps to frames of the live view: the file's lines around the spans, the slots in their place.

use crate::diffusion::canvas::Origin;
use crate::document::Document;
use crate::document::ResolvedRange;
use crate::edit::event::Step;
use crate::screen::frame::Cell;
use crate::screen::frame::CellState;
use crate::screen::frame::Frame;
use crate::screen::frame::Part;
use crate::screen::frame::Progress;
use crate::screen::frame::Section;

/// Lines of the file shown before and after the spans.
const AROUND: usize = 3;
/// Spans with at most this many lines between them are shown as one section.
const TOGETHER: usize = 12;
/// Columns of a mask: the mean length of a token of code.
const MASK_COLUMNS: usize = 4;

/// Makes frames for one request.
#[derive(Debug)]
pub struct Frames<'a> {
    document: &'a Document,
    ranges: &'a [ResolvedRange],
    note: String,
    max_steps: u32,
    started: Option<std::time::Instant>,
}

impl<'a> Frames<'a> {
    /// Frames for spans of a document; `max_steps` is the budget of steps.
    pub fn new(document: &'a Document, ranges: &'a [ResolvedRange], max_steps: u32) -> Self {
        Self { document, ranges, note: String::new(), max_steps, started: None }
    }

    /// What the title says beside the file.
    pub fn set_note(&mut self, note: String) {
        self.note = note;
    }

    /// When the run began, for frames that are made one by one.
    pub fn set_start(&mut self, started: std::time::Instant) {
        self.started = Some(started);
    }

    /// The frame before the first step: the spans as they are.
    pub fn waiting(&self) -> Frame {
        let cells = |range: &ResolvedRange| {
            let text = self.document.span_text_lf(range.span).unwrap_or_default();
            vec![Cell { text: text.into_owned(), state: CellState::Original }]
        };
        self.frame(
            &self.ranges.iter().map(cells).collect::<Vec<_>>(),
            Progress { max_steps: self.max_steps, ..Progress::default() },
        )
    }

    /// The frame after a step.
    pub fn step(&mut self, step: &Step) -> Frame {
        let started = *self.started.get_or_insert_with(std::time::Instant::now);
        let mut spans = vec![Vec::new(); self.ranges.len()];
        for (slot, piece) in step.canvas.slots().iter().zip(&step.pieces) {
            let Some(cells) = slot.span.and_then(|span| spans.get_mut(usize::from(span))) else { continue };
            cells.push(match (slot.token, slot.origin) {
                (None, _) => Cell::masked(MASK_COLUMNS),
                (Some(_), _) if slot.pinned => Cell::pinned(piece.clone()),
                (Some(_), Origin::Committed(at)) => Cell::committed(piece.clone(), slot.confidence, at),
                (Some(_), _) => Cell { text: piece.clone(), state: CellState::Original },
            });
        }
        let own = || step.canvas.slots().iter().filter(|slot| slot.span.is_some());
        let committed = own().filter(|slot| matches!(slot.origin, Origin::Committed(_)) && !slot.is_masked()).count();
        let masked = own().count() - committed;
        let nfe = u32::try_from(step.nfe).unwrap_or(u32::MAX);
        let seconds = started.elapsed().as_secs_f32();
        let progress = Progress {
            step: nfe,
            max_steps: self.max_steps,
            nfe,
            tpf: (nfe > 0).then(|| committed as f32 / nfe as f32),
            tokens_per_second: (seconds > 0.5).then(|| committed as f32 / seconds),
            committed,
            masked,
            elapsed: started.elapsed(),
        };
        self.frame(&spans, progress)
    }

    /// The frame of finished texts.
    pub fn texts(&self, texts: &[String], confidence: f32, last: Option<&Frame>) -> Frame {
        let cells = |text: &String| vec![Cell::committed(text.replace("\r\n", "\n"), confidence, 0)];
        let progress = last.map(|frame| Progress { masked: 0, ..frame.progress }).unwrap_or_default();
        self.frame(&texts.iter().map(cells).collect::<Vec<_>>(), progress)
    }

    fn frame(&self, spans: &[Vec<Cell>], progress: Progress) -> Frame {
        let mut sections = Vec::new();
        let groups = self.ranges.chunk_by(|a, b| b.first.line.saturating_sub(a.last.line) <= TOGETHER);
        let mut index = 0;
        for group in groups {
            sections.push(self.section(group, &spans[index..index + group.len()]));
            index += group.len();
        }
        Frame { file: self.document.path().display().to_string(), note: self.note.clone(), sections, progress }
    }

    fn section(&self, ranges: &[ResolvedRange], spans: &[Vec<Cell>]) -> Section {
        let lines = self.document.lines();
        let (first, last) = (&ranges[0], &ranges[ranges.len() - 1]);
        let first_line = first.first.line.saturating_sub(AROUND).max(1);
        let last_line = (last.last.line + AROUND).min(lines.count());
        let start = lines.line(first_line).map_or(0, |line| line.start);
        let end = lines.line(last_line).map_or(self.document.text().len(), |line| line.range().end);
        let text = |start: usize, end: usize| self.document.text().get(start..end).unwrap_or_default().replace("\r\n", "\n");
        let mut parts = Vec::new();
        let mut place = start;
        for (range, cells) in ranges.iter().zip(spans) {
            let before = text(place, range.span.start);
            // Blanks before a span inside a line stand in its slots.
            let inside = !before.is_empty() && !before.ends_with('\n');
            parts.push(Part::Text(if inside { before.trim_end_matches([' ', '\t']).to_owned() } else { before }));
            parts.push(if range.whole_lines { Part::Lines(cells.clone()) } else { Part::Span(cells.clone()) });
            place = range.span.end;
        }
        parts.push(Part::Text(text(place, end.max(place))));
        Section { first_line, parts }
    }
}
