//! `dcode` and `dcode FILE`: the TUI on the engine thread and the files of the work tree.

mod adapter;
mod changes;
mod files;
mod host;

use std::io::IsTerminal;
use std::path::Path;

use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::guarded::SecretArgs;
use crate::cli::live::editor;
pub use crate::cli::tui::adapter::Adapter;
use crate::cli::tui::host::FileHost;
use crate::cli::write::Place;
use crate::document::Document;
use crate::edit::engine::Engine;
use crate::screen::colour::ColorChoice;
use crate::screen::colour::Depth;
use crate::syntax::language::Language;
use crate::tui::background;
use crate::tui::engine as tui;
use crate::tui::keymap::Keymap;
use crate::tui::state::File;
use crate::tui::state::Look;
use crate::tui::state::State;
use crate::tui::terminal;
use crate::tui::terminal::Settings;
use crate::tui::theme::Theme;

/// Opens the TUI on a file, or on a list of the files that are here.
///
/// # Errors
/// The file or the model cannot be used, or there is no terminal.
pub fn run(file: Option<&Path>, model: &ModelArgs, theme: &str, color: ColorChoice) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the TUI needs a terminal; use `dcode edit FILE --range 10:40` elsewhere"));
    }
    let document = file.map(Document::read).transpose()?;
    if let (Some(file), Some(document)) = (file, &document) {
        SecretArgs::default().check(&Place::of(file)?, document)?;
    }
    let engine = Engine::start(model.files()?, model.device)?;
    let taste = Taste::of(Some(theme), None)?;
    session(file, document.as_ref(), &mut Adapter::new(engine), color, taste)?;
    Ok(Exit::Ok)
}

/// What the user may choose about the TUI.
#[derive(Clone, Debug)]
pub struct Taste {
    /// The theme; `None` lets the terminal's background decide.
    pub theme: Option<Theme>,
    /// The keys.
    pub keymap: Keymap,
    /// Whether the mouse is listened to.
    pub mouse: bool,
}

impl Default for Taste {
    fn default() -> Self {
        Self { theme: None, keymap: Keymap::default(), mouse: true }
    }
}

impl Taste {
    /// By the name of a theme (`auto` or nothing for the one that suits the terminal), and the table `[keys]` of a configuration.
    ///
    /// # Errors
    /// There is no such theme, key or action.
    pub fn of(theme: Option<&str>, keys: Option<&toml::Table>) -> Result<Self, Failure> {
        let usage = |message: String| Failure::usage(message);
        let named = theme.filter(|name| !matches!(*name, "" | "auto")).map(Theme::named);
        let theme = named.transpose().map_err(|error| usage(error.to_string()))?;
        let keymap = keys.map(Keymap::from_table).transpose().map_err(|error| usage(error.to_string()))?;
        Ok(Self { theme, keymap: keymap.unwrap_or_default(), mouse: true })
    }
}

/// The session itself, with an engine that may still be loading.
///
/// # Errors
/// The terminal cannot be used.
pub fn session(
    file: Option<&Path>,
    document: Option<&Document>,
    engine: &mut impl tui::Engine,
    color: ColorChoice,
    taste: Taste,
) -> std::io::Result<()> {
    let mut state = state(file, document, color);
    if let Some(theme) = taste.theme {
        state.look = Look::of(theme, state.look.depth);
    }
    state.mouse = taste.mouse;
    let host = FileHost::new(file);
    let settings = Settings { keymap: taste.keymap, ask_background: state.look.automatic, editor: Box::new(edit) };
    terminal::run(state, &settings, engine, host)
}

/// The state at the start.
fn state(path: Option<&Path>, document: Option<&Document>, color: ColorChoice) -> State {
    let variable = |name: &str| std::env::var(name).ok();
    let look = Look::automatic(Depth::detect(color, true, variable), background::from_environment(variable).unwrap_or(false));
    let file = match (path, document) {
        (Some(path), Some(document)) => {
            let text = document.text();
            File::new(path.to_string_lossy(), text, Language::detect(path, text.lines().next().unwrap_or("")))
        }
        _ => File::new("", "", None),
    };
    State::new(file, look, (80, 24))
}

/// Lets the user edit a text in their own editor.
fn edit(text: &str, suffix: &str) -> Result<String, String> {
    let command = editor::editor_command(|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    editor::edit(&command, text, suffix).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_must_exist() {
        assert!(Taste::of(None, None).unwrap().theme.is_none());
        assert!(Taste::of(Some("auto"), None).unwrap().theme.is_none());
        assert_eq!(Taste::of(Some("ember"), None).unwrap().theme.unwrap().name, "ember");
        assert!(Taste::of(Some("nope"), None).unwrap_err().message.contains("choose one of dark"));
        let keys: toml::Table = "[nowhere]\nq = \"quit\"".parse().unwrap();
        assert!(Taste::of(None, Some(&keys)).unwrap_err().message.contains("keys.nowhere"));
    }
}
