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
use crate::cli::live::editor;
pub use crate::cli::tui::adapter::Adapter;
use crate::cli::tui::host::FileHost;
use crate::document::Document;
use crate::edit::engine::Engine;
use crate::model::locate::locate;
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

/// Opens the TUI on a file, or on a list of the files that are here.
///
/// # Errors
/// The file or the model cannot be used, or there is no terminal.
pub fn run(file: Option<&Path>, model: &ModelArgs, color: ColorChoice) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the TUI needs a terminal; use `dcode edit FILE --range 10:40` elsewhere"));
    }
    let document = file.map(Document::read).transpose()?;
    let engine = Engine::start(locate(model.model.as_deref())?, model.device)?;
    session(file, document.as_ref(), &mut Adapter::new(engine), color)?;
    Ok(Exit::Ok)
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
) -> std::io::Result<()> {
    let mut state = state(file, document, color);
    let host = FileHost::new(file);
    state.git = file.and_then(|file| host.git(file));
    terminal::run(state, &settings(), engine, host)
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

fn settings() -> Settings {
    Settings { keymap: Keymap::default(), ask_background: true, editor: Box::new(edit) }
}

/// Lets the user edit a text in their own editor.
fn edit(text: &str, suffix: &str) -> Result<String, String> {
    let command = editor::editor_command(|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    editor::edit(&command, text, suffix).map_err(|error| error.to_string())
}
