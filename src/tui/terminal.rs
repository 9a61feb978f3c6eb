//! The loop that joins terminal, engine and state, and carries out effects.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crossterm::event;
use crossterm::event::KeyEventKind;
use crossterm::execute;
use crossterm::terminal::BeginSynchronizedUpdate;
use crossterm::terminal::EndSynchronizedUpdate;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::patch::hunk::Hunk;
use crate::screen::modes::ModeGuard;
use crate::screen::modes::Modes;
use crate::screen::modes::take_redraw;
use crate::syntax::language::Language;
use crate::syntax::parse::PARSE_LIMIT;
use crate::syntax::parse::Syntax;
use crate::tui::engine::Engine;
use crate::tui::keymap::Key;
use crate::tui::keymap::Keymap;
use crate::tui::state::File;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::update::Effect;
use crate::tui::update::Msg;
use crate::tui::update::start;
use crate::tui::update::update;
use crate::tui::view::view;

/// Longest wait for a key before the engine is asked again: one frame.
const WAIT: Duration = Duration::from_millis(16);

/// Events of the engine taken before the next frame is drawn.
const BURST: usize = 512;

/// What the TUI asks of the program around it.
pub trait Host {
    /// Applies hunks to the file, and gives the text that it has now.
    ///
    /// # Errors
    /// One line for the user; the file is as it was.
    fn apply(&mut self, hunks: &[Hunk]) -> Result<String, String>;
}

/// The settings of a session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Colours.
    pub theme: Theme,
    /// Keys.
    pub keymap: Keymap,
}

/// Runs the TUI on a file until the user leaves.
///
/// # Errors
/// The terminal cannot be used; it is restored.
pub fn run(path: &Path, text: &str, settings: &Settings, engine: &mut impl Engine, host: &mut impl Host) -> io::Result<()> {
    let guard = ModeGuard::enter(Modes {
        raw: true,
        alternate_screen: true,
        bracketed_paste: true,
        hide_cursor: true,
        ..Modes::default()
    })?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    let size = terminal.size()?;
    let language = Language::detect(path, text.lines().next().unwrap_or(""));
    let name = path.to_string_lossy();
    let mut state = State::new(File::new(name, text, language), (size.width, size.height));
    let (parsed, parses) = mpsc::channel();
    let mut effects = start(&state);
    let mut dirty = true;
    loop {
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Quit => return Ok(()),
                Effect::Redraw => terminal.clear()?,
                Effect::Suspend => guard.suspend()?,
                Effect::Submit(request) => engine.submit(request),
                Effect::Stop => engine.stop(),
                Effect::Pause(paused) => engine.pause(paused),
                Effect::Parse(text, language) => parse_aside(text, language, parsed.clone()),
                Effect::Apply(hunks) => {
                    let result = host.apply(&hunks);
                    effects.extend(update(&mut state, &settings.keymap, Msg::Applied(result)));
                }
            }
            dirty = true;
        }
        if !effects.is_empty() {
            continue;
        }
        if take_redraw() {
            terminal.clear()?;
            dirty = true;
        }
        if dirty {
            execute!(io::stdout(), BeginSynchronizedUpdate)?;
            terminal.draw(|frame| view(&state, &settings.theme, &settings.keymap, frame))?;
            execute!(io::stdout(), EndSynchronizedUpdate)?;
            dirty = false;
        }
        let mut messages: Vec<Msg> = Vec::new();
        if event::poll(WAIT)? {
            messages.extend(read_message()?);
            while event::poll(Duration::ZERO)? {
                messages.extend(read_message()?);
            }
        }
        messages.extend(parses.try_iter());
        messages.extend(std::iter::from_fn(|| engine.poll()).take(BURST).map(Msg::Engine));
        for message in messages {
            dirty = true;
            effects.extend(update(&mut state, &settings.keymap, message));
        }
    }
}

fn read_message() -> io::Result<Option<Msg>> {
    Ok(match event::read()? {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(Key::from(key))),
        event::Event::Paste(text) => Some(Msg::Paste(text)),
        event::Event::Resize(width, height) => Some(Msg::Resize(width, height)),
        _ => None,
    })
}

/// Parses on a thread of its own: a large file must not hold up the first frame.
fn parse_aside(text: Arc<str>, language: Language, to: mpsc::Sender<Msg>) {
    let work = move || {
        let syntax = Syntax::parse(&text, language, PARSE_LIMIT).ok().map(Arc::new);
        // Nobody listens when the program has ended meanwhile.
        let _ = to.send(Msg::Parsed(text, syntax));
    };
    // Without the thread there are no colours; nothing else needs the tree.
    let _ = std::thread::Builder::new().name("parse".to_owned()).spawn(work);
}
