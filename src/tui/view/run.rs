//! A span under diffusion, in its place in the file.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::screen::colour::level;
use crate::screen::frame::CellState;
use crate::tui::engine::SlotId;
use crate::tui::layout::RunPiece;
use crate::tui::layout::run_view;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::rows;
use crate::tui::view::rows::Mark;
use crate::tui::view::rows::Row;
use crate::tui::view::tokens;

/// Draws the frame looked at, and what else the slot of the cursor might hold.
pub fn draw(state: &State, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(run) = &state.run else { return };
    let view = run_view(run, area);
    let step = run.frame().map_or(0, |frame| frame.progress.step);
    let chosen = run.chosen();
    let rows: Vec<Row<'_>> = view
        .rows
        .iter()
        .map(|row| Row {
            number: row.number,
            mark: if row.in_span { Mark::Span } else { Mark::None },
            pieces: row
                .pieces
                .iter()
                .map(|piece| (Cow::Borrowed(piece.text.as_str()), on_cursor(piece, run.cursor, &chosen, step, theme)))
                .collect(),
            ..Row::default()
        })
        .collect();
    rows::draw(&rows, view.last, theme, buffer, area);
    tokens::draw(run, &view, theme, buffer, area);
}

fn on_cursor(piece: &RunPiece, cursor: Option<SlotId>, chosen: &[SlotId], step: u32, theme: &Theme) -> Style {
    let style = style(piece, step, theme);
    match piece.slot {
        Some(_) if piece.slot == cursor => style.patch(theme.role("cursor")),
        Some(slot) if chosen.contains(&slot) => style.patch(theme.role("selection")),
        _ => style,
    }
}

fn style(piece: &RunPiece, step: u32, theme: &Theme) -> Style {
    match piece.state {
        None => theme.role("dim"),
        Some(CellState::Masked { .. }) if piece.text.starts_with('░') => theme.role("mask"),
        Some(CellState::Masked { .. }) => theme.role("remasked"),
        Some(CellState::Original) => theme.role("text"),
        Some(CellState::Pinned) => theme.role("pinned"),
        Some(CellState::Committed { confidence, step: at }) => {
            let style = theme.fresh(level(confidence));
            if at == step && step > 0 { style.patch(theme.role("fresh.new")) } else { style }
        }
    }
}
