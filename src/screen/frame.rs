//! Frames: what a denoising run looks like at one moment, as plain data.
//!
//! A frame shows one or more sections of a file. A section is text with the cells of spans in it; a cell is one slot with its
//! decoded text. Frames come from an engine, a recorded trajectory, or a test.

/// How a slot is at the moment of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CellState {
    /// Waits for a token. A cell with text was put back to masked in this step, and the text is what it held.
    Masked {
        /// Columns to draw: the number of characters to expect.
        columns: usize,
    },
    /// Text of the file that was kept or drafted.
    Original,
    /// Committed by the sampler.
    Committed {
        /// Probability of the token when it was committed.
        confidence: f32,
        /// The step that committed it.
        step: u32,
    },
    /// Pinned by the user.
    Pinned,
}

impl CellState {
    /// Whether it waits for a token.
    pub fn is_masked(self) -> bool {
        matches!(self, Self::Masked { .. })
    }
}

/// One slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its decoded text; may hold line ends, or be empty.
    pub text: String,
    /// Its state.
    pub state: CellState,
}

impl Cell {
    /// A masked slot, drawn `columns` wide.
    pub fn masked(columns: usize) -> Self {
        Self { text: String::new(), state: CellState::Masked { columns } }
    }

    /// A committed slot.
    pub fn committed(text: impl Into<String>, confidence: f32, step: u32) -> Self {
        Self { text: text.into(), state: CellState::Committed { confidence, step } }
    }

    /// A pinned slot.
    pub fn pinned(text: impl Into<String>) -> Self {
        Self { text: text.into(), state: CellState::Pinned }
    }
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text outside of the spans.
    Text(String),
    /// The slots of a span inside a line.
    Span(Vec<Cell>),
    /// The slots of a span of whole lines: what follows begins a line, also while the slot with the last line end is masked.
    Lines(Vec<Cell>),
}

/// Consecutive text of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// 1-based number of its first line.
    pub first_line: usize,
    /// Text and spans, in order.
    pub parts: Vec<Part>,
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u32,
    /// Steps allowed.
    pub max_steps: u32,
    /// Denoiser calls.
    pub nfe: u32,
    /// Tokens per forward, once there was a forward.
    pub tpf: Option<f32>,
    /// Tokens committed per second, once it can be told.
    pub tokens_per_second: Option<f32>,
    /// Slots with a token.
    pub committed: usize,
    /// Slots left.
    pub masked: usize,
    /// Time since the run began.
    pub elapsed: std::time::Duration,
}

/// A run at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Name of the file.
    pub file: String,
    /// What else the title says: model, device, seed.
    pub note: String,
    /// The shown parts of the file, in order.
    pub sections: Vec<Section>,
    /// The numbers.
    pub progress: Progress,
}

/// A piece of a line of a section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece<'a> {
    /// Text without line ends.
    pub text: &'a str,
    /// The state of the slot, or `None` for text outside of the spans.
    pub state: Option<CellState>,
    /// The slot: its span's number in the section, and its own in the span.
    pub slot: Option<(usize, usize)>,
}

/// A line of a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// 1-based number.
    pub number: usize,
    /// Its pieces, in order.
    pub pieces: Vec<Piece<'a>>,
}

impl Line<'_> {
    /// Whether a span reaches into it.
    pub fn in_span(&self) -> bool {
        self.pieces.iter().any(|piece| piece.slot.is_some())
    }

    /// Whether a slot of it waits for a token.
    pub fn has_mask(&self) -> bool {
        self.pieces.iter().any(|piece| piece.state.is_some_and(CellState::is_masked))
    }
}

impl Section {
    /// The section line by line. A final end of line does not begin another line.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = vec![Line { number: self.first_line, pieces: Vec::new() }];
        // A line end is honoured when something follows it, so that none is added behind the last line.
        let mut ended = false;
        let mut push = |text, state: Option<CellState>, slot, ends: bool| {
            let masked = state.is_some_and(CellState::is_masked);
            let pieces = if masked { vec![text] } else { text_lines(text) };
            let last = pieces.len() - 1;
            for (index, text) in pieces.into_iter().enumerate() {
                let has_end = index < last;
                if text.is_empty() && !masked && !has_end {
                    continue;
                }
                if std::mem::take(&mut ended) {
                    let number = self.first_line + lines.len();
                    lines.push(Line { number, pieces: Vec::new() });
                }
                if let Some(line) = lines.last_mut() {
                    line.pieces.push(Piece { text, state, slot });
                }
                ended = has_end;
            }
            ended |= ends;
        };
        let mut span = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => push(text.as_str(), None, None, false),
                Part::Span(cells) | Part::Lines(cells) => {
                    let last = cells.len().saturating_sub(1);
                    for (index, cell) in cells.iter().enumerate() {
                        let ends = index == last && matches!(part, Part::Lines(_));
                        push(cell.text.as_str(), Some(cell.state), Some((span, index)), ends);
                    }
                    span += 1;
                }
            }
        }
        lines
    }
}

/// Splits at line ends; the last piece is what stands behind the last line end.
fn text_lines(text: &str) -> Vec<&str> {
    let mut pieces: Vec<&str> = text.split('\n').collect();
    let last = pieces.len() - 1;
    for piece in &mut pieces[..last] {
        *piece = piece.strip_suffix('\r').unwrap_or(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: Vec<Part>) -> Vec<(usize, String)> {
        let section = Section { first_line: 7, parts };
        let line_text = |line: &Line<'_>| {
            let piece = |piece: &Piece<'_>| match piece.state {
                Some(CellState::Masked { columns }) => "░".repeat(columns),
                Some(_) => format!("<{}>", piece.text),
                None => piece.text.to_owned(),
            };
            line.pieces.iter().map(piece).collect()
        };
        section.lines().iter().map(|line| (line.number, line_text(line))).collect()
    }

    #[test]
    fn cells_with_line_ends_make_lines() {
        let parts = vec![
            Part::Text("a\r\nb".into()),
            Part::Span(vec![Cell::committed(" = 1;\r\n\tc", 0.5, 1), Cell::masked(3), Cell::pinned(";\n"), Cell::masked(2)]),
            Part::Text("\nd\n".into()),
        ];
        let expected = [(7, "a"), (8, "b< = 1;>"), (9, "<\tc>░░░<;>"), (10, "░░"), (11, "d")];
        assert_eq!(shown(parts), expected.map(|(number, text)| (number, text.to_owned())));
    }

    #[test]
    fn what_follows_a_span_of_lines_begins_a_line() {
        for last in [Cell::masked(1), Cell::committed("x\n", 1.0, 1), Cell::committed("x", 1.0, 1)] {
            let lines = shown(vec![Part::Lines(vec![Cell::masked(2), last]), Part::Text("}\n".into())]);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!(lines[1], (8, "}".to_owned()));
        }
        assert_eq!(shown(vec![Part::Text("a\n".into()), Part::Lines(vec![]), Part::Text("b".into())]).len(), 2);
    }

    #[test]
    fn empty_lines_are_lines_and_empty_sections_are_one() {
        assert_eq!(shown(vec![]), [(7, String::new())]);
        assert_eq!(shown(vec![Part::Text("\n\n".into())]), [(7, String::new()), (8, String::new())]);
        assert_eq!(shown(vec![Part::Span(vec![]), Part::Text("x".into())]), [(7, "x".to_owned())]);
    }
}
