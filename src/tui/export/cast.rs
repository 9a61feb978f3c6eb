//! Asciicast, version 2: a header and one event a line, in JSON.

use std::fmt::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;

use crate::screen::text::columns;

/// The frames as a recording.
pub(super) fn recording(frames: &[(Duration, Buffer)]) -> String {
    let Some((_, first)) = frames.first() else { return String::new() };
    let header = serde_json::json!({ "version": 2, "width": first.area.width, "height": first.area.height });
    let mut out = format!("{header}\n");
    let mut time = Duration::ZERO;
    let mut rows: Vec<String> = vec![String::new(); usize::from(first.area.height)];
    for (index, (lasts, buffer)) in frames.iter().enumerate() {
        let mut change = if index == 0 { "\u{1b}[?25l\u{1b}[2J".to_owned() } else { String::new() };
        // Only the rows that changed, as a terminal program writes them.
        for (y, row) in rows.iter_mut().enumerate() {
            let now = line(buffer, y as u16);
            if *row != now {
                let _ = write!(change, "\u{1b}[{};1H{now}\u{1b}[0m", y + 1);
                *row = now;
            }
        }
        let _ = writeln!(out, "{}", serde_json::json!([time.as_secs_f64(), "o", change]));
        time += *lasts;
    }
    // The last frame stays for its time.
    let _ = writeln!(out, "{}", serde_json::json!([time.as_secs_f64(), "o", "\u{1b}[0m"]));
    out
}

/// A row with its colours.
fn line(buffer: &Buffer, y: u16) -> String {
    let mut out = String::new();
    let mut last = None;
    let mut x = 0;
    while x < buffer.area.width {
        let cell = &buffer[(x, y)];
        let style = cell.style();
        if last != Some(style) {
            out.push_str(&sgr(style));
            last = Some(style);
        }
        out.push_str(cell.symbol());
        x += (columns(cell.symbol()) as u16).max(1);
    }
    out
}

/// The sequence for a style, from nothing.
fn sgr(style: Style) -> String {
    let mut codes = vec!["0".to_owned()];
    let modifiers = [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
        (Modifier::CROSSED_OUT, "9"),
    ];
    codes.extend(modifiers.iter().filter(|(each, _)| style.add_modifier.contains(*each)).map(|(_, code)| (*code).to_owned()));
    codes.extend(style.fg.and_then(|colour| code(colour, 30)));
    codes.extend(style.bg.and_then(|colour| code(colour, 40)));
    format!("\u{1b}[{}m", codes.join(";"))
}

fn code(colour: Color, base: u8) -> Option<String> {
    let basic = |index: u8| (base + index).to_string();
    let bright = |index: u8| (base + 60 + index).to_string();
    Some(match colour {
        Color::Reset => return None,
        Color::Black => basic(0),
        Color::Red => basic(1),
        Color::Green => basic(2),
        Color::Yellow => basic(3),
        Color::Blue => basic(4),
        Color::Magenta => basic(5),
        Color::Cyan => basic(6),
        Color::Gray => basic(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(index) => format!("{};5;{index}", base + 8),
    })
}
