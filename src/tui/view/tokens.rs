//! What else the slot of the cursor might hold.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::screen::text::columns;
use crate::screen::text::cut;
use crate::tui::layout::RunView;
use crate::tui::layout::gutter;
use crate::tui::state::Run;
use crate::tui::theme::Theme;

/// Alternatives shown at most: as many as there are digits for them.
const MOST: usize = 8;
/// Columns of the bar that shows a probability of one.
const BAR: usize = 8;

/// Draws the list of alternatives below the slot, or above it where there is no room below.
pub fn draw(run: &Run, view: &RunView, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let Some(slot) = run.cursor.filter(|_| run.shown.is_none() && !run.ended) else { return };
    let of_slot = |row: &crate::tui::layout::RunRow| row.pieces.iter().find(|piece| piece.slot == Some(slot)).cloned();
    let Some((row, piece)) = view.rows.iter().enumerate().find_map(|(index, row)| Some((index, of_slot(row)?))) else { return };
    let Some(alternatives) = run.choices.get(&slot).filter(|all| !all.is_empty()) else { return };
    let lines: Vec<(String, f32)> = alternatives.iter().take(MOST).map(|each| (shown(&each.text), each.probability)).collect();
    let text = lines.iter().map(|(text, _)| columns(text)).max().unwrap_or(0).clamp(4, 32);
    let width = (1 + 2 + text + 1 + BAR + 1 + 5).min(usize::from(area.width)) as u16;
    let height = lines.len() as u16;
    let at = area.y + row as u16;
    let below = area.bottom().saturating_sub(at + 1);
    let y = if below >= height { at + 1 } else { at.saturating_sub(height).max(area.y) };
    let x = (area.x + (gutter(view.last, area.width) + piece.column) as u16).saturating_sub(1);
    let x = x.min(area.right().saturating_sub(width));
    for (index, ((label, probability), y)) in lines.iter().zip(y..area.bottom()).enumerate() {
        if y == at {
            break;
        }
        let line = Rect { x, y, width, height: 1 };
        for column in line.left()..line.right() {
            buffer[(column, y)].reset();
        }
        buffer.set_style(line, theme.role("text"));
        buffer.set_style(line, theme.role("popup"));
        let mut place = x + 1;
        let mut put = |text: &str, role: &str, width: usize| {
            let room = usize::from(line.right().saturating_sub(place));
            if room > 0 {
                buffer.set_stringn(place, y, text, room, theme.role("popup").patch(theme.role(role)));
            }
            place = place.saturating_add(width as u16);
        };
        put(&(index + 1).to_string(), "key", 2);
        put(&cut(label, text, true), "popup", text + 1);
        put(&bar(*probability), "timeline", BAR + 1);
        put(&percent(*probability), "popup", 5);
    }
}

/// A probability in whole percent; what is less than one is not nothing.
fn percent(probability: f32) -> String {
    if probability > 0.0 && probability < 0.01 { " <1 %".to_owned() } else { format!("{:>3.0} %", probability * 100.0) }
}

/// A probability as a bar.
fn bar(probability: f32) -> String {
    let eighths = (probability.clamp(0.0, 1.0) * (BAR * 8) as f32).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{part}", "█".repeat(eighths / 8))
}

/// A token for people: blanks and line ends are seen.
fn shown(text: &str) -> String {
    match text {
        "" => "(end)".to_owned(),
        text => text.replace(' ', "·").replace('\n', "↵").replace('\t', "→"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_blanks() {
        assert_eq!((bar(1.0).as_str(), bar(0.0).as_str(), bar(0.5).as_str()), ("████████", "", "████"));
        assert_eq!(columns(&bar(0.99)), BAR);
        assert_eq!((bar(f32::NAN).as_str(), columns(&bar(f32::INFINITY))), ("", BAR));
        assert_eq!((percent(0.004).as_str(), percent(0.0).as_str(), percent(1.0).as_str()), (" <1 %", "  0 %", "100 %"));
        assert_eq!((shown(" to\n").as_str(), shown("").as_str()), ("·to↵", "(end)"));
    }
}
