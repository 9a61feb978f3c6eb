//! Themes: roles and syntax captures to styles, from TOML files.

use std::collections::BTreeMap;

use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use serde::Deserialize;

use crate::screen::colour::Depth;

/// Which background a theme is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// A dark one.
    Dark,
    /// A light one.
    Light,
    /// Any.
    Any,
}

/// The built-in themes: name, what it is, background, and TOML source.
const BUILT_IN: [(&str, &str, Ground, &str); 8] = [
    ("dark", "cool and quiet", Ground::Dark, include_str!("../../themes/dark.toml")),
    ("light", "ink on paper", Ground::Light, include_str!("../../themes/light.toml")),
    ("ember", "warm, for the night", Ground::Dark, include_str!("../../themes/ember.toml")),
    ("dawn", "warm, for the day", Ground::Light, include_str!("../../themes/dawn.toml")),
    ("high-contrast", "black, white, pure colours", Ground::Dark, include_str!("../../themes/high-contrast.toml")),
    ("high-contrast-light", "black on white", Ground::Light, include_str!("../../themes/high-contrast-light.toml")),
    ("ansi", "the terminal's own 16 colours", Ground::Any, include_str!("../../themes/ansi.toml")),
    ("mono", "no colour at all", Ground::Any, include_str!("../../themes/mono.toml")),
];

/// Roles that the views use. A theme must give each of them.
pub const ROLES: [&str; 32] = [
    "text",
    "dim",
    "title",
    "note",
    "number",
    "number.current",
    "bar",
    "selection",
    "cursor",
    "mask",
    "remasked",
    "pinned",
    "fresh.1",
    "fresh.2",
    "fresh.3",
    "fresh.4",
    "fresh.5",
    "fresh.new",
    "hunk.add",
    "hunk.remove",
    "hunk.current",
    "word.add",
    "word.remove",
    "diagnostic",
    "good",
    "status",
    "key",
    "timeline",
    "timeline.current",
    "popup",
    "popup.current",
    "match",
];

/// Why a theme was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// Not a theme file.
    #[error("theme `{name}`: {message}")]
    Toml {
        /// The theme.
        name: String,
        /// What the parser says, on one line.
        message: String,
    },
    /// A colour that cannot be read.
    #[error(
        "theme `{name}`: `{colour}` is not a colour: use a name such as `red` or `bright-red`, a number 0 to 255, or `#rrggbb`"
    )]
    Colour {
        /// The theme.
        name: String,
        /// The text.
        colour: String,
    },
    /// A role has no style.
    #[error("theme `{name}`: the role `{role}` is missing")]
    Missing {
        /// The theme.
        name: String,
        /// The role.
        role: &'static str,
    },
    /// No such theme.
    #[error("unknown theme `{name}`: choose one of {}", Theme::names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    palette: BTreeMap<String, String>,
    roles: BTreeMap<String, Spec>,
    #[serde(default)]
    syntax: BTreeMap<String, Spec>,
}

/// A style in a file: `"red"` for a text colour alone, or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Spec {
    Colour(String),
    Table(Table),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
    strike: bool,
}

/// A theme.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Theme {
    /// Its name.
    pub name: String,
    roles: BTreeMap<String, Style>,
    syntax: BTreeMap<String, Style>,
}

impl Theme {
    /// Names of the built-in themes.
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, ..)| *name).collect()
    }

    /// A built-in theme in a few words.
    pub fn about(name: &str) -> &'static str {
        BUILT_IN.iter().find(|(each, ..)| *each == name).map_or("", |(_, about, ..)| about)
    }

    /// The background that the theme is made for.
    pub fn ground(&self) -> Ground {
        BUILT_IN.iter().find(|(each, ..)| *each == self.name).map_or(Ground::Any, |(_, _, ground, _)| *ground)
    }

    /// The theme for a terminal: without colours the one that needs none, with sixteen the one made of those, otherwise by the
    /// background.
    pub fn automatic(depth: Depth, light: bool) -> &'static str {
        match depth {
            Depth::None => "mono",
            Depth::Ansi16 => "ansi",
            Depth::Ansi256 | Depth::True if light => "light",
            Depth::Ansi256 | Depth::True => "dark",
        }
    }

    /// The theme in the colours that a terminal has.
    pub fn reduced(self, depth: Depth) -> Self {
        if depth == Depth::None {
            return Self { name: self.name, ..Self::named("mono").unwrap_or_default() };
        }
        let reduce = |style: Style| Style {
            fg: style.fg.map(|colour| reduce(colour, depth)),
            bg: style.bg.map(|colour| reduce(colour, depth)),
            ..style
        };
        let all = |styles: BTreeMap<String, Style>| styles.into_iter().map(|(role, style)| (role, reduce(style))).collect();
        Self { name: self.name, roles: all(self.roles), syntax: all(self.syntax) }
    }

    /// A built-in theme.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(name: &str) -> Result<Self, ThemeError> {
        let found = BUILT_IN.iter().find(|(each, ..)| *each == name);
        let (name, _, _, source) = found.ok_or_else(|| ThemeError::Unknown { name: name.to_owned() })?;
        Self::parse(name, source)
    }

    /// Reads a theme.
    ///
    /// # Errors
    /// The file is no theme, or lacks a role.
    pub fn parse(name: &str, source: &str) -> Result<Self, ThemeError> {
        let file: File = toml::from_str(source).map_err(|error| {
            let line = error.span().map(|span| source[..span.start.min(source.len())].matches('\n').count() + 1);
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            ThemeError::Toml { name: name.to_owned(), message: format!("{place}{}", error.message().replace('\n', " ")) }
        })?;
        let read = |specs: &BTreeMap<String, Spec>| -> Result<BTreeMap<String, Style>, ThemeError> {
            specs.iter().map(|(role, spec)| Ok((role.clone(), style(name, spec, &file.palette)?))).collect()
        };
        let (roles, syntax) = (read(&file.roles)?, read(&file.syntax)?);
        if let Some(role) = ROLES.into_iter().find(|role| !roles.contains_key(*role)) {
            return Err(ThemeError::Missing { name: name.to_owned(), role });
        }
        Ok(Self { name: name.to_owned(), roles, syntax })
    }

    /// The style of a role, [`ROLES`].
    pub fn role(&self, role: &str) -> Style {
        self.roles.get(role).copied().unwrap_or_default()
    }

    /// The style of confidence level 1 to 5.
    pub fn fresh(&self, level: u8) -> Style {
        self.role(match level {
            0 | 1 => "fresh.1",
            2 => "fresh.2",
            3 => "fresh.3",
            4 => "fresh.4",
            _ => "fresh.5",
        })
    }

    /// The style of a syntax capture: `function.method` falls back to `function`, and that to the style of text.
    pub fn capture(&self, capture: &str) -> Style {
        let mut name = capture;
        loop {
            if let Some(style) = self.syntax.get(name) {
                return *style;
            }
            match name.rfind('.') {
                Some(dot) => name = &name[..dot],
                None => return self.role("text"),
            }
        }
    }

    /// All styles, for tests.
    #[cfg(test)]
    fn styles(&self) -> impl Iterator<Item = (&String, &Style)> {
        self.roles.iter().chain(&self.syntax)
    }
}

fn style(theme: &str, spec: &Spec, palette: &BTreeMap<String, String>) -> Result<Style, ThemeError> {
    let colour = |text: &String| {
        let named = palette.get(text).unwrap_or(text);
        parse_colour(named).ok_or_else(|| ThemeError::Colour { name: theme.to_owned(), colour: text.clone() })
    };
    let table = match spec {
        Spec::Colour(text) => return Ok(Style::new().fg(colour(text)?)),
        Spec::Table(table) => table,
    };
    let mut style = Style::new();
    if let Some(fg) = &table.fg {
        style = style.fg(colour(fg)?);
    }
    if let Some(bg) = &table.bg {
        style = style.bg(colour(bg)?);
    }
    let modifiers = [
        (table.bold, Modifier::BOLD),
        (table.dim, Modifier::DIM),
        (table.italic, Modifier::ITALIC),
        (table.underline, Modifier::UNDERLINED),
        (table.reverse, Modifier::REVERSED),
        (table.strike, Modifier::CROSSED_OUT),
    ];
    Ok(modifiers.into_iter().filter(|(on, _)| *on).fold(style, |style, (_, modifier)| style.add_modifier(modifier)))
}

/// The nearest colour that a terminal has.
fn reduce(colour: Color, depth: Depth) -> Color {
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
pub(super) fn xterm(index: u8) -> (u8, u8, u8) {
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return (level, level, level);
    }
    let cube = index.saturating_sub(16);
    let level = |value: u8| if value == 0 { 0 } else { 55 + 40 * value };
    (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

fn parse_colour(text: &str) -> Option<Color> {
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
    fn every_theme_is_whole_and_tells_the_levels_apart() {
        for name in Theme::names() {
            let theme = Theme::named(name).unwrap();
            let mut levels: Vec<String> = (1..=5).map(|level| format!("{:?}", theme.fresh(level))).collect();
            levels.sort();
            levels.dedup();
            assert_eq!(levels.len(), 5, "{name}");
            for role in theme.roles.keys() {
                assert!(ROLES.contains(&role.as_str()), "{name}: {role} is not used");
            }
            assert_ne!(theme.role("hunk.add"), theme.role("hunk.remove"), "{name}");
        }
    }

    #[test]
    fn themes_keep_to_their_colours() {
        let none = |colour: Option<Color>| colour.is_none_or(|colour| colour == Color::Reset);
        for (role, style) in Theme::named("mono").unwrap().styles() {
            assert!(none(style.fg) && none(style.bg), "mono {role}");
        }
        for (role, style) in Theme::named("ansi").unwrap().styles() {
            let palette = |colour: Option<Color>| !matches!(colour, Some(Color::Rgb(..) | Color::Indexed(_)));
            assert!(palette(style.fg) && palette(style.bg), "ansi {role}");
        }
    }

    #[test]
    fn colours_are_reduced_to_what_the_terminal_has() {
        for name in Theme::names() {
            let theme = Theme::named(name).unwrap();
            for (_, style) in theme.clone().reduced(Depth::Ansi256).styles() {
                assert!(![style.fg, style.bg].iter().any(|colour| matches!(colour, Some(Color::Rgb(..)))), "{name}");
            }
            for (_, style) in theme.clone().reduced(Depth::Ansi16).styles() {
                let rich = |colour: &Option<Color>| matches!(colour, Some(Color::Rgb(..) | Color::Indexed(_)));
                assert!(![style.fg, style.bg].iter().any(rich), "{name}");
            }
            assert_eq!(theme.clone().reduced(Depth::True), theme);
            let none = theme.reduced(Depth::None);
            assert_eq!((none.name.as_str(), &none.roles), (name, &Theme::named("mono").unwrap().roles));
        }
        assert_eq!(reduce(Color::Rgb(255, 0, 0), Depth::Ansi256), Color::Indexed(196));
        assert_eq!(reduce(Color::Rgb(250, 250, 250), Depth::Ansi16), Color::White);
    }

    #[test]
    fn the_terminal_decides_on_the_theme() {
        for depth in [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True] {
            for light in [false, true] {
                let theme = Theme::named(Theme::automatic(depth, light)).unwrap();
                assert!(!matches!((theme.ground(), light), (Ground::Dark, true) | (Ground::Light, false)), "{depth:?} {light}");
            }
        }
    }

    #[test]
    fn text_is_legible_on_the_background_that_a_theme_is_made_for() {
        let luminance = |(r, g, b): (u8, u8, u8)| {
            let part = |value: u8| {
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
        };
        let rgb = |colour: Option<Color>, default| match colour {
            Some(Color::Rgb(r, g, b)) => (r, g, b),
            _ => default,
        };
        for name in Theme::names() {
            let theme = Theme::named(name).unwrap();
            let (ground, ink) = match theme.ground() {
                Ground::Dark => ((24, 26, 31), (220, 220, 220)),
                Ground::Light => ((250, 250, 250), (30, 30, 30)),
                Ground::Any => continue,
            };
            let text = theme.role("text");
            for (role, style) in theme.styles() {
                let style = text.patch(*style);
                let (fg, bg) = (luminance(rgb(style.fg, ink)), luminance(rgb(style.bg, ground)));
                let contrast = (fg.max(bg) + 0.05) / (fg.min(bg) + 0.05);
                let least = if name.starts_with("high") { 5.0 } else { 3.0 };
                assert!(contrast >= least, "{name}: {role} has a contrast of {contrast:.2}");
            }
        }
    }

    #[test]
    fn captures_fall_back() {
        let theme = Theme::named("dark").unwrap();
        assert_eq!(theme.capture("keyword.odd.name"), theme.capture("keyword"));
        assert_ne!(theme.capture("keyword"), theme.capture("string"));
        assert_eq!(theme.capture("nothing.known"), theme.role("text"));
    }

    #[test]
    fn faults_are_told_in_one_line() {
        let error = |source: &str| Theme::parse("x", source).unwrap_err().to_string();
        assert!(error("[roles]\ntext = 3\n").contains("line 2"), "{}", error("[roles]\ntext = 3\n"));
        assert!(error("[roles]\ntext = \"#12345g\"\n").contains("not a colour"));
        assert!(error("[roles]\ntext = \"red\"\n").contains("`dim` is missing"));
        assert!(Theme::named("nope").unwrap_err().to_string().contains("high-contrast"));
        for source in ["", "[roles", "roles = 1", "[roles]\ntext = {fg = \"red\", blink = true}"] {
            assert!(!error(source).contains('\n'), "{source:?}");
        }
    }

    #[test]
    fn colours() {
        assert_eq!(parse_colour("#0a0B0c"), Some(Color::Rgb(10, 11, 12)));
        assert_eq!(parse_colour("255"), Some(Color::Indexed(255)));
        assert_eq!(parse_colour("256"), None);
        assert_eq!(parse_colour("#日本"), None);
    }
}
