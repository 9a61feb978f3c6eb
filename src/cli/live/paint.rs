//! Styles of the live view, as escape sequences for each depth of colour.

use crate::cli::live::compose::Role;
use crate::cli::live::compose::Row;
use crate::screen::colour::Depth;

const RESET: &str = "\u{1b}[0m";

/// A row as text for the terminal, its attributes reset at the end.
pub fn paint(row: &Row, depth: Depth) -> String {
    let mut text = String::new();
    for (role, piece) in row.pieces() {
        let style = sgr(*role, depth);
        if style.is_empty() {
            text.push_str(piece);
        } else {
            text.push_str(&format!("\u{1b}[{style}m{piece}{RESET}"));
        }
    }
    text
}

/// Attributes of a role. Levels of confidence set both colours, so that they can be read on any background; without colours
/// they differ by underline, weight and reverse.
fn sgr(role: Role, depth: Depth) -> String {
    let coloured = depth != Depth::None;
    let fixed = match role {
        Role::Plain => "",
        Role::Context => "2",
        Role::Title => "1",
        Role::Note | Role::Number => "2",
        Role::Bar if coloured => "36",
        Role::Bar => "1",
        Role::Mask if coloured => "36",
        Role::Mask => "2",
        Role::Remasked if coloured => "31;9",
        Role::Remasked => "2;9",
        Role::Pinned if coloured => "35;1",
        Role::Pinned => "1;3",
        Role::Fresh { level, new } => return fresh(level, new, depth),
    };
    fixed.to_owned()
}

fn fresh(level: u8, new: bool, depth: Depth) -> String {
    let index = usize::from(level.clamp(1, 5)) - 1;
    let style = match depth {
        Depth::True => {
            let (red, green, blue) =
                [(0x6e, 0x1f, 0x28), (0x6b, 0x42, 0x12), (0x4f, 0x4d, 0x14), (0x1f, 0x4d, 0x2b), (0x14, 0x3d, 0x46)][index];
            format!("38;2;236;236;236;48;2;{red};{green};{blue}")
        }
        Depth::Ansi256 => format!("38;5;255;48;5;{}", [52, 94, 58, 22, 23][index]),
        // Text colours only: the background of the user's palette is unknown.
        Depth::Ansi16 => ["31;4", "31", "33", "32", "36"][index].to_owned(),
        Depth::None => ["7;4", "1;4", "4", "3", ""][index].to_owned(),
    };
    match (new, style.is_empty()) {
        // What came in this step flashes once, by weight.
        (true, true) => "1".to_owned(),
        (true, false) => format!("1;{style}"),
        (false, _) => style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_levels_differ_at_every_depth() {
        for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
            let mut seen: Vec<String> = (1..=5).map(|level| sgr(Role::Fresh { level, new: false }, depth)).collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 5, "{depth:?}");
        }
        assert_eq!(fresh(0, false, Depth::True), fresh(1, false, Depth::True));
        assert_eq!(fresh(200, true, Depth::None), "1");
    }

    #[test]
    fn no_colour_means_no_colour() {
        for role in [Role::Context, Role::Title, Role::Note, Role::Number, Role::Bar, Role::Mask, Role::Remasked, Role::Pinned] {
            for part in sgr(role, Depth::None).split(';').filter(|part| !part.is_empty()) {
                assert!(part.parse::<u8>().unwrap() < 30, "{role:?}");
            }
        }
    }
}
