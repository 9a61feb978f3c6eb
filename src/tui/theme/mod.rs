//! Themes: roles and syntax captures to styles, from TOML files.

mod colour;
mod file;

use std::collections::BTreeMap;

use ratatui::style::Style;

use crate::screen::colour::Depth;
use crate::tui::theme::colour::reduce;
pub(super) use crate::tui::theme::colour::xterm;

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
    ("dark", "cool and quiet", Ground::Dark, include_str!("../../../themes/dark.toml")),
    ("light", "ink on paper", Ground::Light, include_str!("../../../themes/light.toml")),
    ("ember", "warm, for the night", Ground::Dark, include_str!("../../../themes/ember.toml")),
    ("dawn", "warm, for the day", Ground::Light, include_str!("../../../themes/dawn.toml")),
    ("high-contrast", "black, white, pure colours", Ground::Dark, include_str!("../../../themes/high-contrast.toml")),
    ("high-contrast-light", "black on white", Ground::Light, include_str!("../../../themes/high-contrast-light.toml")),
    ("ansi", "the terminal's own 16 colours", Ground::Any, include_str!("../../../themes/ansi.toml")),
    ("mono", "no colour at all", Ground::Any, include_str!("../../../themes/mono.toml")),
];

/// Roles that the views use. A theme must give each of them.
pub const ROLES: [&str; 33] = [
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
    "warning",
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
        let (roles, syntax) = file::read(name, source)?;
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

#[cfg(test)]
mod tests;
