//! Terminal modes that are always given back: when the guard is dropped, on a panic, and on TERM, HUP, INT and TSTP.

use std::io;
use std::io::Write;
#[cfg(unix)]
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Once;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use crossterm::cursor;
use crossterm::event;
use crossterm::execute;
use crossterm::terminal;

/// Where the modes are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

/// What is asked of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Keys come one by one, unechoed, and Ctrl-C and Ctrl-Z are keys.
    pub raw: bool,
    /// The cursor is hidden.
    pub hide_cursor: bool,
    /// A screen of its own, which leaves the scrollback alone.
    pub alternate_screen: bool,
    /// A paste arrives as one event.
    pub bracketed_paste: bool,
    /// Mouse events arrive.
    pub mouse: bool,
    /// Where the sequences go.
    pub output: Output,
}

/// Name of threads whose panics are caught and told elsewhere, beside that of the engine.
pub const ASIDE: &str = "aside";

/// Whether a panic on a thread of this name is caught: it neither ends the program nor concerns the terminal.
pub fn is_caught(thread: Option<&str>) -> bool {
    matches!(thread, Some("engine" | ASIDE))
}

/// The modes that are set now, for whoever has to give them back.
static ACTIVE: Mutex<Option<Modes>> = Mutex::new(None);
static HOOKS: Once = Once::new();
static REDRAW: AtomicBool = AtomicBool::new(false);
/// What else is to be done before a signal ends the process.
static LAST_WORK: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Holds terminal modes; dropping it gives them back.
#[derive(Debug)]
pub struct ModeGuard {
    modes: Modes,
}

impl ModeGuard {
    /// Sets modes. The first call installs the panic hook (the terminal is restored before the message is printed) and the
    /// signal handler. A panic on a thread that catches its own ([`is_caught`]) leaves the terminal alone.
    ///
    /// # Errors
    /// The terminal refused; what was set is given back.
    pub fn enter(modes: Modes) -> io::Result<Self> {
        HOOKS.call_once(install_hooks);
        set(modes).inspect_err(|_| restore())?;
        Ok(Self { modes })
    }

    /// Gives the modes back for a while, for another program in the foreground; they return when `work` is done.
    ///
    /// # Errors
    /// The terminal refused to take the modes again.
    pub fn lend<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        let result = work();
        set(self.modes)?;
        Ok(result)
    }

    /// Listens to the mouse, or leaves it to the terminal.
    ///
    /// # Errors
    /// The terminal refused.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.modes.mouse = on;
        let mut active = lock();
        if let Some(active) = active.as_mut() {
            active.mouse = on;
        }
        match (self.modes.output, on) {
            (Output::Stdout, true) => execute!(io::stdout(), event::EnableMouseCapture),
            (Output::Stdout, false) => execute!(io::stdout(), event::DisableMouseCapture),
            (Output::Stderr, true) => execute!(io::stderr(), event::EnableMouseCapture),
            (Output::Stderr, false) => execute!(io::stderr(), event::DisableMouseCapture),
        }
    }

    /// Stops the process as Ctrl-Z does outside of raw mode. Returns when it is continued, with the modes set again.
    ///
    /// # Errors
    /// The terminal refused to take the modes again.
    pub fn suspend(&self) -> io::Result<()> {
        self.lend(stop)?;
        REDRAW.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for ModeGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the process was stopped and continued since the last call: everything must be drawn again.
pub fn take_redraw() -> bool {
    REDRAW.swap(false, Ordering::SeqCst)
}

/// Has `work` done before TERM, HUP or INT ends the process.
pub fn before_the_end(work: fn()) {
    HOOKS.call_once(install_hooks);
    let mut all = LAST_WORK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !all.iter().any(|known| std::ptr::fn_addr_eq(*known, work)) {
        all.push(work);
    }
}

fn set(modes: Modes) -> io::Result<()> {
    // Noted first: if a signal arrives half-way, giving back a mode that was not yet set does no harm.
    *lock() = Some(modes);
    if modes.raw {
        terminal::enable_raw_mode()?;
    }
    match modes.output {
        Output::Stdout => write_set(&mut io::stdout(), modes),
        Output::Stderr => write_set(&mut io::stderr(), modes),
    }
}

fn write_set(out: &mut impl Write, modes: Modes) -> io::Result<()> {
    if modes.alternate_screen {
        execute!(out, terminal::EnterAlternateScreen)?;
    }
    if modes.bracketed_paste {
        execute!(out, event::EnableBracketedPaste)?;
    }
    if modes.mouse {
        execute!(out, event::EnableMouseCapture)?;
    }
    if modes.hide_cursor {
        execute!(out, cursor::Hide)?;
    }
    Ok(())
}

/// Gives back whatever modes are set. Can be called at any time, from any thread.
pub fn restore() {
    let Some(modes) = lock().take() else { return };
    // Nothing can be done about a terminal that is gone.
    let _ = match modes.output {
        Output::Stdout => write_restore(&mut io::stdout(), modes),
        Output::Stderr => write_restore(&mut io::stderr(), modes),
    };
    if modes.raw {
        let _ = terminal::disable_raw_mode();
    }
}

fn write_restore(out: &mut impl Write, modes: Modes) -> io::Result<()> {
    if modes.mouse {
        execute!(out, event::DisableMouseCapture)?;
    }
    if modes.bracketed_paste {
        execute!(out, event::DisableBracketedPaste)?;
    }
    // An update that was cut off would leave the terminal waiting; attributes too are left as they were found.
    execute!(
        out,
        terminal::EndSynchronizedUpdate,
        crossterm::style::ResetColor,
        crossterm::style::SetAttribute(crossterm::style::Attribute::Reset)
    )?;
    if modes.alternate_screen {
        execute!(out, terminal::LeaveAlternateScreen)?;
    }
    if modes.hide_cursor || modes.alternate_screen {
        execute!(out, cursor::Show)?;
    }
    Ok(())
}

fn lock() -> std::sync::MutexGuard<'static, Option<Modes>> {
    ACTIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn install_hooks() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_caught(std::thread::current().name()) {
            restore();
            previous(info);
        }
    }));
    install_signals();
}

#[cfg(unix)]
fn install_signals() {
    use signal_hook::consts::SIGHUP;
    use signal_hook::consts::SIGINT;
    use signal_hook::consts::SIGTERM;
    use signal_hook::consts::SIGTSTP;
    use signal_hook::iterator::Signals;

    let Ok(mut signals) = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP]) else { return };
    let watch = move || {
        for signal in signals.forever() {
            let modes = *lock();
            restore();
            if signal != SIGTSTP {
                let work = LAST_WORK.lock().map(|work| work.clone()).unwrap_or_default();
                work.into_iter().for_each(|work| work());
            }
            // The default action: the process ends or stops by the signal, so that its parent sees why.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            if let Some(modes) = modes {
                let _ = set(modes);
                REDRAW.store(true, Ordering::SeqCst);
            }
        }
    };
    // Without the thread the guard still restores at the end and on a panic.
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(watch);
}

#[cfg(not(unix))]
fn install_signals() {}

/// Stops the process group, as the terminal itself does for Ctrl-Z; returns when it is continued.
#[cfg(unix)]
fn stop() {
    let continued = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(signal_hook::consts::SIGCONT, Arc::clone(&continued));
    // The signal thread has nothing to restore by then and passes the signal on; SIGSTOP cannot be held up by anything.
    let sent = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
    if let Ok(id) = registered {
        // Another thread may take the signal; this one would run on for a moment, and set the modes in a stopped terminal.
        while sent.is_ok() && !continued.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        signal_hook::low_level::unregister(id);
    }
}

#[cfg(not(unix))]
fn stop() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_given_back_in_reverse() {
        let all = Modes {
            raw: false,
            hide_cursor: true,
            alternate_screen: true,
            bracketed_paste: true,
            mouse: true,
            output: Output::Stdout,
        };
        let (mut on, mut off) = (Vec::new(), Vec::new());
        write_set(&mut on, all).unwrap();
        write_restore(&mut off, all).unwrap();
        let (on, off) = (String::from_utf8(on).unwrap(), String::from_utf8(off).unwrap());
        for mode in ["?1049", "?2004", "?1006"] {
            assert!(on.contains(&format!("\u{1b}[{mode}h")), "{mode} {on:?}");
            assert!(off.contains(&format!("\u{1b}[{mode}l")), "{mode} {off:?}");
        }
        assert!(on.ends_with("\u{1b}[?25l") && off.ends_with("\u{1b}[?25h"));
    }

    #[test]
    fn restoring_nothing_writes_nothing() {
        let mut off = Vec::new();
        write_restore(&mut off, Modes::default()).unwrap();
        assert!(!String::from_utf8(off).unwrap().contains("1049"));
        restore();
        restore();
    }
}
