//! Theme files: a palette of named colours, and a style for each role and syntax capture.

use std::collections::BTreeMap;

use ratatui::style::Modifier;
use ratatui::style::Style;
use serde::Deserialize;

use crate::tui::theme::ThemeError;
use crate::tui::theme::colour::parse_colour;

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

/// Styles by the name of their role or capture.
pub(super) type Styles = BTreeMap<String, Style>;

/// Reads the roles and syntax captures of a theme.
///
/// # Errors
/// The file is no theme, or holds something that is no colour.
pub(super) fn read(name: &str, source: &str) -> Result<(Styles, Styles), ThemeError> {
    let file: File = toml::from_str(source).map_err(|error| {
        let line = error.span().map(|span| source[..span.start.min(source.len())].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        ThemeError::Toml { name: name.to_owned(), message: format!("{place}{}", error.message().replace('\n', " ")) }
    })?;
    let read = |specs: &BTreeMap<String, Spec>| -> Result<Styles, ThemeError> {
        specs.iter().map(|(role, spec)| Ok((role.clone(), style(name, spec, &file.palette)?))).collect()
    };
    Ok((read(&file.roles)?, read(&file.syntax)?))
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
