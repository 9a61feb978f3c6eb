//! Colours: how theme files name them, and what a terminal with fewer of them shows.

use ratatui::style::Color;

use crate::screen::colour::Depth;

/// The nearest colour that a terminal has.
pub(super) fn reduce(colour: Color, depth: Depth) -> Color {
    let (r, g, b) = match (colour, depth) {
        (Color::Rgb(r, g, b), Depth::Ansi256 | Depth::Ansi16) => (r, g, b),
        (Color::Indexed(index), Depth::Ansi16) if index >= 16 => xterm(index),
        _ => return colour,
    };
    let away = |(x, y, z): (u8, u8, u8)| {
        let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        part(r, x) + part(g, y) + part(b, z)
    };
    if depth == Depth::Ansi256 {
        let nearest = (16..=255u8).min_by_key(|index| away(xterm(*index)));
        return Color::Indexed(nearest.unwrap_or(7));
    }
    ANSI.into_iter().min_by_key(|(_, rgb)| away(*rgb)).map_or(Color::Reset, |(colour, _)| colour)
}

/// The sixteen colours as terminals often show them.
const ANSI: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 0, 0)),
    (Color::Green, (0, 205, 0)),
    (Color::Yellow, (205, 205, 0)),
    (Color::Blue, (0, 0, 238)),
    (Color::Magenta, (205, 0, 205)),
    (Color::Cyan, (0, 205, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (127, 127, 127)),
    (Color::LightRed, (255, 0, 0)),
    (Color::LightGreen, (0, 255, 0)),
    (Color::LightYellow, (255, 255, 0)),
    (Color::LightBlue, (92, 92, 255)),
    (Color::LightMagenta, (255, 0, 255)),
    (Color::LightCyan, (0, 255, 255)),
    (Color::White, (255, 255, 255)),
];

/// Red, green and blue of a colour of the 256-colour palette, from 16 on: the cube, then the greys.
pub(in crate::tui) fn xterm(index: u8) -> (u8, u8, u8) {
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return (level, level, level);
    }
    let cube = index.saturating_sub(16);
    let level = |value: u8| if value == 0 { 0 } else { 55 + 40 * value };
    (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

/// A colour as a theme file names it.
pub(super) fn parse_colour(text: &str) -> Option<Color> {
    if let Some(hex) = text.strip_prefix('#') {
        if hex.len() != 6 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
        return Some(Color::Rgb(part(0)?, part(2)?, part(4)?));
    }
    if let Ok(index) = text.parse::<u8>() {
        return Some(Color::Indexed(index));
    }
    Some(match text {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_colour() {
        assert_eq!(reduce(Color::Rgb(255, 0, 0), Depth::Ansi256), Color::Indexed(196));
        assert_eq!(reduce(Color::Rgb(250, 250, 250), Depth::Ansi16), Color::White);
    }

    #[test]
    fn colours() {
        assert_eq!(parse_colour("#0a0B0c"), Some(Color::Rgb(10, 11, 12)));
        assert_eq!(parse_colour("255"), Some(Color::Indexed(255)));
        assert_eq!(parse_colour("256"), None);
        assert_eq!(parse_colour("#日本"), None);
    }
}
