//! From a frame to the rows of the live view, cut to the terminal.

use crate::cli::live::Screen;
use crate::screen::colour::level;
use crate::screen::frame::CellState;
use crate::screen::frame::Frame;
use crate::screen::frame::Line;
use crate::screen::frame::Progress;
use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::screen::text::glyphs;

/// What a piece of a row is; its style follows from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Text of a span that was not touched.
    Plain,
    /// Text around the spans.
    Context,
    /// The file's name.
    Title,
    /// Secondary text.
    Note,
    /// Line numbers.
    Number,
    /// The mark at lines of a span.
    Bar,
    /// A masked slot.
    Mask,
    /// The text of a slot that was put back to masked in this step.
    Remasked,
    /// A pinned slot.
    Pinned,
    /// A committed slot.
    Fresh {
        /// Level of its confidence, 1 to 5.
        level: u8,
        /// Whether this step committed it.
        new: bool,
    },
}

/// One row: pieces of text with their roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pieces: Vec<(Role, String)>,
}

impl Row {
    /// Adds text, joined to the last piece when it has the same role.
    pub fn push(&mut self, role: Role, text: &str) {
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == role => piece.push_str(text),
            _ if text.is_empty() => {}
            _ => self.pieces.push((role, text.to_owned())),
        }
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[(Role, String)] {
        &self.pieces
    }

    /// Columns it takes.
    pub fn columns(&self) -> usize {
        self.pieces.iter().map(|(_, text)| columns(text)).sum()
    }

    /// Its text without styles.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// A row of the body, and what decides whether it is shown when there is no room for all.
struct BodyRow {
    row: Row,
    in_span: bool,
    has_mask: bool,
}

/// The rows of a frame: a title, the sections, a status line. Never more than the screen is high less one, never wider than it
/// is less one: a full last column would leave the cursor in doubt.
pub fn compose(frame: &Frame, screen: &Screen) -> Vec<Row> {
    let width = screen.width.saturating_sub(1).max(1);
    let room = screen.height.saturating_sub(1).max(1);
    let mut rows = Vec::new();
    if room >= 3 {
        rows.push(title(frame, screen, width));
    }
    let body = body(frame, screen, width);
    rows.extend(window(body, room.saturating_sub(rows.len() + 1), screen, width));
    let mut status = Row::default();
    status.push(Role::Note, &cut(&status_line(&frame.progress, width), width, screen.unicode));
    rows.push(status);
    rows
}

/// The status as one line of plain text, for terminals without a live view.
pub fn status_text(frame: &Frame, screen: &Screen) -> String {
    cut(&format!("{}: {}", frame.file, status_line(&frame.progress, usize::MAX)), screen.width.max(20), screen.unicode)
}

fn title(frame: &Frame, screen: &Screen, width: usize) -> Row {
    let mut row = Row::default();
    let file = cut(&frame.file, width, screen.unicode);
    let note = cut(&frame.note, width, screen.unicode);
    row.push(Role::Title, &file);
    let (file, note_width) = (columns(&file), columns(&note));
    if file + note_width + 2 <= width {
        row.push(Role::Plain, &" ".repeat(width - file - note_width));
        row.push(Role::Note, &note);
    }
    row
}

/// Fixed fields, so that the line does not jump; as many as fit, the most useful first.
fn status_line(progress: &Progress, width: usize) -> String {
    let steps = progress.max_steps.to_string().len();
    let number = |value: Option<f32>| match value {
        Some(value) if value.is_finite() => format!("{value:.1}"),
        _ => "-".to_owned(),
    };
    let slots = (progress.committed + progress.masked).to_string().len().max(2);
    let fields = [
        format!("step {:>steps$}/{}", progress.step, progress.max_steps),
        format!("left {:>slots$}", progress.masked),
        format!("done {:>slots$}", progress.committed),
        format!("{:>5} tok/s", number(progress.tokens_per_second)),
        format!("TPF {:>4}", number(progress.tpf)),
        format!("NFE {:>3}", progress.nfe),
    ];
    let mut line = String::new();
    for field in fields {
        let gap = if line.is_empty() { 0 } else { 2 };
        if line.len() + gap + field.len() > width && !line.is_empty() {
            break;
        }
        line.push_str(&" ".repeat(gap));
        line.push_str(&field);
    }
    line
}

fn body(frame: &Frame, screen: &Screen, width: usize) -> Vec<BodyRow> {
    let last = frame.sections.iter().map(|section| section.first_line + section.lines().len()).max().unwrap_or(1);
    // On a narrow terminal the numbers go first, then the mark.
    let digits = if width >= 30 { last.to_string().len().max(3) } else { 0 };
    let mut rows = Vec::new();
    for (index, section) in frame.sections.iter().enumerate() {
        if index > 0 {
            let mut row = Row::default();
            row.push(Role::Number, &cut(if screen.unicode { "⋯" } else { "..." }, width, screen.unicode));
            rows.push(BodyRow { row, in_span: false, has_mask: false });
        }
        for line in section.lines() {
            push_line(&mut rows, &line, frame.progress.step, digits, screen, width);
        }
    }
    rows
}

/// Adds a line: text around the spans is cut at the border, lines of a span go on in further rows, since a span whose length
/// is not yet known may stand on one long line of masks.
fn push_line(rows: &mut Vec<BodyRow>, line: &Line<'_>, step: u32, digits: usize, screen: &Screen, width: usize) {
    let in_span = line.in_span();
    let gutter = |number: Option<usize>| {
        let mut row = Row::default();
        let bar = if screen.unicode { "┃" } else { "|" };
        row.push(Role::Bar, if in_span { bar } else { " " });
        if digits > 0 {
            let number = number.map(|number| number.to_string()).unwrap_or_default();
            row.push(Role::Number, &format!("{number:>digits$}  "));
        }
        row
    };
    let start = rows.len();
    let mut row = gutter(Some(line.number));
    let border = row.columns();
    if width <= border {
        return;
    }
    let mut used = 0;
    let room = width - border;
    let mask = if screen.unicode { "░" } else { "_" };
    'line: for piece in &line.pieces {
        let role = role(piece.state, piece.text, step);
        let masks = match piece.state {
            Some(CellState::Masked { columns }) if piece.text.is_empty() => columns.clamp(1, 200),
            _ => 0,
        };
        let masked = (0..masks).map(|_| (std::borrow::Cow::Borrowed(mask), 1));
        let text = glyphs(piece.text, used, screen.tab).map(|glyph| (glyph.text, glyph.width));
        for (text, glyph_width) in masked.chain(text) {
            if used + glyph_width > room {
                if !in_span || glyph_width > room {
                    break 'line;
                }
                rows.push(BodyRow { row: std::mem::replace(&mut row, gutter(None)), in_span, has_mask: line.has_mask() });
                used = 0;
            }
            row.push(role, &text);
            used += glyph_width;
        }
    }
    rows.push(BodyRow { row, in_span, has_mask: line.has_mask() });
    // Rows of one line say together whether it has masks; only those with masks should.
    if rows.len() - start > 1 {
        for each in &mut rows[start..] {
            each.has_mask = each.row.pieces.iter().any(|(role, _)| matches!(role, Role::Mask | Role::Remasked));
        }
    }
}

fn role(state: Option<CellState>, text: &str, step: u32) -> Role {
    match state {
        None => Role::Context,
        Some(CellState::Masked { .. }) if text.is_empty() => Role::Mask,
        Some(CellState::Masked { .. }) => Role::Remasked,
        Some(CellState::Original) => Role::Plain,
        Some(CellState::Pinned) => Role::Pinned,
        Some(CellState::Committed { confidence, step: at }) => {
            Role::Fresh { level: level(confidence), new: at == step && step > 0 }
        }
    }
}

/// The part of the body that fits: the span from a little before its first mask, with the text around it as far as there is room.
fn window(body: Vec<BodyRow>, room: usize, screen: &Screen, width: usize) -> Vec<Row> {
    let total = body.len();
    if total <= room {
        return body.into_iter().map(|each| each.row).collect();
    }
    if room == 0 {
        return Vec::new();
    }
    let span = body.iter().position(|each| each.in_span).unwrap_or(0);
    let span_end = body.iter().rposition(|each| each.in_span).map_or(total, |last| last + 1);
    let start = if span_end - span <= room {
        // The spans fit: share what is left between the text before and after.
        let spare = room - (span_end - span);
        span.saturating_sub(spare.div_ceil(2))
    } else {
        let focus = body.iter().position(|each| each.has_mask).unwrap_or(span_end.saturating_sub(1));
        focus.saturating_sub(room / 3).max(span)
    };
    let start = start.min(total - room);
    let end = start + room;
    let mut rows: Vec<Row> = body.into_iter().skip(start).take(room).map(|each| each.row).collect();
    let note = |count: usize, side: &str| {
        let mut row = Row::default();
        let dots = if screen.unicode { "⋯" } else { "..." };
        row.push(Role::Number, &cut(&format!("{dots} {count} more {side}"), width, screen.unicode));
        row
    };
    // Only what belongs to a span is missed; text around it is not.
    let (above, below) = (start.saturating_sub(span), span_end.saturating_sub(end));
    if above > 0 && start > span && rows.len() > 2 {
        rows[0] = note(above + 1, "above");
    }
    if below > 0 && rows.len() > 2 {
        let last = rows.len() - 1;
        rows[last] = note(below + 1, "below");
    }
    rows
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
