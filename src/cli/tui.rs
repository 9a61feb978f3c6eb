//! `dcode` and `dcode FILE`: the TUI on the engine thread and the files of the work tree.

mod adapter;
mod changes;
mod files;
mod findings;
mod history;
mod host;
pub(super) mod replay;
mod verifier;

use std::io::IsTerminal;
use std::path::Path;

use crate::cli::common::ModelArgs;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::guarded::SecretArgs;
use crate::cli::live::editor;
pub use crate::cli::tui::adapter::Adapter;
use crate::cli::tui::host::FileHost;
use crate::cli::tui::verifier::CommandVerifier;
use crate::cli::write::Place;
use crate::config::KeyBinding;
use crate::config::Layers;
use crate::config::Value;
use crate::document::Document;
use crate::edit::engine::Engine;
use crate::screen::colour::ColorChoice;
use crate::screen::colour::Depth;
use crate::syntax::language::Language;
use crate::tui::background;
use crate::tui::engine as tui;
use crate::tui::host::Answer;
use crate::tui::keymap::Keymap;
use crate::tui::keymap::Rebinding;
use crate::tui::state::File;
use crate::tui::state::Look;
use crate::tui::state::State;
use crate::tui::terminal;
use crate::tui::terminal::Settings;
use crate::tui::theme::Theme;
use crate::tui::update::Msg;
use crate::tui::update::update;

/// Opens the TUI on a file, or on a list of the files that are here.
///
/// # Errors
/// The file or the model cannot be used, or there is no terminal.
pub fn run(file: Option<&Path>, model: &ModelArgs, theme: &str, color: ColorChoice, layers: &Layers) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the TUI needs a terminal; use `dcode edit FILE --range 10:40` elsewhere"));
    }
    let document = file.map(Document::read).transpose()?;
    if let (Some(file), Some(document)) = (file, &document) {
        SecretArgs::default().check(&Place::of(file)?, document)?;
    }
    let mut taste = Taste::of(Some(theme), &layers.keys)?;
    if let Some(Value::Integer(rounds)) = layers.get("verify.rounds").and_then(|setting| setting.value.as_ref()) {
        taste.rounds = usize::try_from(*rounds).unwrap_or(taste.rounds);
    }
    let engine = Engine::start(model.files()?, model.device)?;
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
    /// Rounds of re-masking what the commands complain about, at most.
    pub rounds: usize,
}

impl Default for Taste {
    fn default() -> Self {
        Self { theme: None, keymap: Keymap::default(), mouse: true, rounds: 2 }
    }
}

impl Taste {
    /// By the name of a theme (`auto` or nothing for the one that suits the terminal), and the keys that the user binds.
    ///
    /// # Errors
    /// There is no such theme, key or action, or keys are in each other's way.
    pub fn of(theme: Option<&str>, keys: &[KeyBinding]) -> Result<Self, Failure> {
        let named = theme.filter(|name| !matches!(*name, "" | "auto")).map(Theme::named);
        let theme = named.transpose().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Self { theme, keymap: keymap(keys)?, ..Self::default() })
    }
}

/// The keys with what the user binds.
///
/// # Errors
/// Something cannot be bound so; one line says what, and where it stands.
pub fn keymap(keys: &[KeyBinding]) -> Result<Keymap, Failure> {
    let rebinding =
        |each: &KeyBinding| Rebinding { context: each.context.clone(), key: each.key.clone(), action: each.action.clone() };
    Keymap::with(&keys.iter().map(rebinding).collect::<Vec<_>>()).map_err(|(index, error)| {
        let place = keys.get(index).map_or_else(String::new, |each| {
            format!("{}:{}: keys.{}.{}: ", each.path.display(), each.line, each.context, each.key)
        });
        Failure::usage(format!("{place}{error}"))
    })
}

/// Opens the TUI on a recorded run, without a model.
///
/// # Errors
/// There is no such run, or no terminal.
pub fn replay(file: &Path, candidate: Option<usize>, color: ColorChoice, layers: &Layers) -> Result<Exit, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("--tui needs a terminal; leave it out, or print a step with --step"));
    }
    let replay = replay::replay(file, candidate).map_err(Failure::usage)?;
    let theme = match layers.get("theme").and_then(|setting| setting.value.as_ref()) {
        Some(Value::Text(theme)) => Some(theme.as_str()),
        _ => None,
    };
    let taste = Taste::of(theme, &layers.keys)?;
    let mut state = state(None, None, color);
    update(&mut state, &taste.keymap, Msg::Answer(Answer::Replayed(Ok(replay))));
    show(state, None, &mut replay::NoModel::new("no model in a replay"), taste)?;
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
    taste: Taste,
) -> std::io::Result<()> {
    show(state(file, document, color), file, engine, taste)
}

fn show(mut state: State, file: Option<&Path>, engine: &mut impl tui::Engine, taste: Taste) -> std::io::Result<()> {
    if let Some(theme) = taste.theme {
        state.look = Look::of(theme, state.look.depth);
    }
    state.mouse = taste.mouse;
    state.rounds = taste.rounds;
    let host = FileHost::new(file);
    let mut verifier = CommandVerifier::start(host.open())?;
    let settings = Settings { keymap: taste.keymap, ask_background: state.look.automatic, editor: Box::new(edit) };
    terminal::run(state, &settings, engine, &mut verifier, host)
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
    use crate::config::file::ConfigFile;

    #[test]
    fn what_is_chosen_must_exist() {
        assert!(Taste::of(None, &[]).unwrap().theme.is_none());
        assert!(Taste::of(Some("auto"), &[]).unwrap().theme.is_none());
        assert_eq!(Taste::of(Some("ember"), &[]).unwrap().theme.unwrap().name, "ember");
        assert!(Taste::of(Some("nope"), &[]).unwrap_err().message.contains("choose one of dark"));
        let text = "[keys.review]\nw = \"accept\"\na = \"reject\"\n";
        let file = ConfigFile::parse(Path::new("c.toml"), text).unwrap();
        let told = Taste::of(None, &file.keys).unwrap_err().message;
        assert_eq!(told, "c.toml:3: keys.review.a: it is the only key of `apply`: bind that to another key too");
    }
}
