//! The loop that joins terminal, engine, host and state, and carries out effects.

use std::io;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use crossterm::event;
use crossterm::event::KeyEventKind;
use crossterm::event::MouseButton;
use crossterm::event::MouseEventKind;
use crossterm::execute;
use crossterm::terminal::BeginSynchronizedUpdate;
use crossterm::terminal::EndSynchronizedUpdate;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

use crate::screen::colour::Depth;
use crate::screen::modes::ModeGuard;
use crate::screen::modes::Modes;
use crate::screen::modes::take_redraw;
use crate::tui::background;
use crate::tui::background::Heard;
use crate::tui::background::Listener;
use crate::tui::clipboard;
use crate::tui::engine::Engine;
use crate::tui::host::Host;
use crate::tui::keymap::Key;
use crate::tui::keymap::Keymap;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::Mouse;
use crate::tui::update::MouseKind;
use crate::tui::update::Msg;
use crate::tui::update::start;
use crate::tui::update::update;
use crate::tui::verify::Verifier;
use crate::tui::view::view;
use crate::tui::workers::Workers;

/// Longest wait for a key before engine and workers are asked again: one frame while something is going on.
const BUSY_WAIT: Duration = Duration::from_millis(16);
/// The same while nothing is.
const IDLE_WAIT: Duration = Duration::from_millis(50);

/// Time between two steps of a run that plays by itself.
const PLAY_STEP: Duration = Duration::from_millis(120);

/// Events of the engine taken before the next frame is drawn.
const BURST: usize = 512;

/// Lets the user edit a text in a program of their own: the text, and how its file's name is to end.
pub type Editor = dyn Fn(&str, &str) -> Result<String, String>;

/// The settings of a session.
pub struct Settings {
    /// Keys.
    pub keymap: Keymap,
    /// Whether to ask the terminal for its background, and take the theme that suits it.
    pub ask_background: bool,
    /// The user's editor; called with the terminal in its usual mode.
    pub editor: Box<Editor>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("ask_background", &self.ask_background).finish_non_exhaustive()
    }
}

/// Runs the TUI until the user leaves.
///
/// # Errors
/// The terminal cannot be used; it is restored.
pub fn run(
    mut state: State,
    settings: &Settings,
    engine: &mut impl Engine,
    verifier: &mut impl Verifier,
    host: impl Host,
) -> io::Result<()> {
    let guard = ModeGuard::enter(Modes {
        raw: true,
        alternate_screen: true,
        bracketed_paste: true,
        hide_cursor: true,
        mouse: state.mouse,
        ..Modes::default()
    })?;
    let mut session =
        Session { guard, terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?, workers: Workers::start(host)? };
    let ask = settings.ask_background && matches!(state.look.depth, Depth::Ansi256 | Depth::True);
    let size = session.terminal.size()?;
    state.size = (size.width, size.height);
    let mut effects = start(&mut state);
    session.draw(&mut state, settings)?;
    if ask {
        execute!(io::stdout(), crossterm::style::Print(background::QUESTION))?;
    }
    let mut listener = Listener::new(ask, Instant::now());
    let mut dirty = false;
    let mut stepped = Instant::now();
    loop {
        while !effects.is_empty() {
            dirty = true;
            let mut answers = Vec::new();
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Quit => return Ok(()),
                    Effect::Verify(request) => verifier.submit(request),
                    Effect::CancelVerify => verifier.cancel(),
                    other => answers.extend(session.carry_out(other, settings, engine)?),
                }
            }
            for answer in answers {
                effects.extend(update(&mut state, &settings.keymap, answer));
            }
        }
        if take_redraw() {
            session.redraw()?;
            dirty = true;
        }
        if dirty {
            session.draw(&mut state, settings)?;
            dirty = false;
        }
        let mut messages = session.read(&state, &mut listener)?;
        messages.extend(session.workers.poll());
        messages.extend(std::iter::from_fn(|| engine.poll()).take(BURST).map(Msg::Engine));
        messages.extend(std::iter::from_fn(|| verifier.poll()).take(BURST).map(Msg::Verify));
        if state.is_playing() && stepped.elapsed() >= PLAY_STEP {
            stepped = Instant::now();
            messages.push(Msg::Tick);
        }
        for message in messages {
            dirty = true;
            effects.extend(update(&mut state, &settings.keymap, message));
        }
    }
}

/// The terminal and the threads beside it.
struct Session {
    guard: ModeGuard,
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
    workers: Workers,
}

impl Session {
    fn draw(&mut self, state: &mut State, settings: &Settings) -> io::Result<()> {
        // The size as it is now: its event may still wait behind others.
        let size = self.terminal.size()?;
        if state.size != (size.width, size.height) {
            update(state, &settings.keymap, Msg::Resize(size.width, size.height));
        }
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view(state, &state.look.theme, &settings.keymap, frame))?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    /// Has the next frame drawn from nothing. Not by `Terminal::clear`, which asks the terminal where its cursor is and fails
    /// when there is no answer.
    fn redraw(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect { x: 0, y: 0, width: size.width, height: size.height })
    }

    /// Carries out an effect; what comes of it at once.
    fn carry_out(&mut self, effect: Effect, settings: &Settings, engine: &mut impl Engine) -> io::Result<Option<Msg>> {
        match effect {
            Effect::Redraw => self.redraw()?,
            Effect::Suspend => self.guard.suspend()?,
            Effect::Submit(request) => engine.submit(request),
            Effect::Steer(command) => engine.steer(command),
            Effect::Mouse(on) => self.guard.set_mouse(on)?,
            Effect::Copy(text) => {
                let mut out = io::stdout();
                out.write_all(clipboard::sequence(&text).as_bytes())?;
                out.flush()?;
            }
            Effect::Edit { text, suffix } => {
                let edited = self.guard.lend(|| (settings.editor)(&text, &suffix))?;
                self.redraw()?;
                return Ok(Some(Msg::Edited(edited)));
            }
            // Of the loop.
            Effect::Quit | Effect::Verify(_) | Effect::CancelVerify => {}
            aside => return Ok(self.workers.take(aside)),
        }
        Ok(None)
    }

    /// What the user did, after at most a frame's time.
    fn read(&mut self, state: &State, listener: &mut Listener) -> io::Result<Vec<Msg>> {
        let runs = state.run.as_ref().is_some_and(|run| !run.ended && !run.paused);
        let busy = runs || state.is_playing() || self.workers.is_busy();
        let mut messages = Vec::new();
        let mut wait = if busy { BUSY_WAIT } else { IDLE_WAIT };
        while event::poll(wait)? {
            wait = Duration::ZERO;
            messages.extend(message(event::read()?, listener));
            // A flood of keys is drawn now and then too.
            if messages.len() >= BURST {
                break;
            }
        }
        Ok(messages)
    }
}

fn message(event: event::Event, listener: &mut Listener) -> Vec<Msg> {
    match event {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => match listener.hear(Key::from(key), Instant::now()) {
            Heard::Kept => Vec::new(),
            Heard::Typed(keys) => keys.into_iter().map(Msg::Key).collect(),
            Heard::Answer(light) => vec![Msg::Background { light }],
        },
        event::Event::Paste(text) => vec![Msg::Paste(text)],
        event::Event::Resize(width, height) => vec![Msg::Resize(width, height)],
        event::Event::Mouse(mouse) => {
            let kind = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => MouseKind::Press,
                MouseEventKind::Drag(MouseButton::Left) => MouseKind::Drag,
                MouseEventKind::ScrollUp => MouseKind::WheelUp,
                MouseEventKind::ScrollDown => MouseKind::WheelDown,
                _ => return Vec::new(),
            };
            vec![Msg::Mouse(Mouse { kind, column: mouse.column, row: mouse.row })]
        }
        _ => Vec::new(),
    }
}
