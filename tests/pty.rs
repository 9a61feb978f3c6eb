//! A program in a terminal of its own: a pseudo-terminal whose screen is kept by `vt100`.

use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use portable_pty::Child;
use portable_pty::CommandBuilder;
use portable_pty::MasterPty;
use portable_pty::PtySize;
use portable_pty::SlavePty;
use portable_pty::native_pty_system;

/// How long something on the screen is waited for; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the program wrote.
struct Shown {
    screen: vt100::Parser,
    /// All bytes, for sequences that leave nothing on the screen.
    bytes: Vec<u8>,
    /// When the last bytes came.
    last: Instant,
}

/// A program and its terminal.
pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    // Kept open, so that the terminal can be asked for its state after the program has ended.
    _slave: Box<dyn SlavePty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Shown>>,
}

impl Pty {
    /// Starts a program in a terminal of this size.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        (columns, rows): (u16, u16),
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(folder);
        for name in ["NO_COLOR", "COLORFGBG", "VISUAL", "EDITOR", "TMUX", "GIT_DIR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("RUST_BACKTRACE", "0");
        environment.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shown =
            Arc::new(Mutex::new(Shown { screen: vt100::Parser::new(rows, columns, 0), bytes: Vec::new(), last: Instant::now() }));
        let drawn = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut shown = drawn.lock().unwrap();
                shown.screen.process(&buffer[..count]);
                shown.bytes.extend_from_slice(&buffer[..count]);
                shown.last = Instant::now();
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { master: pair.master, _slave: pair.slave, writer, child, shown }
    }

    /// Sends keys.
    pub fn send(&mut self, keys: impl AsRef<[u8]>) {
        self.writer.write_all(keys.as_ref()).unwrap();
        self.writer.flush().unwrap();
    }

    /// The text on the screen.
    pub fn text(&self) -> String {
        self.shown.lock().unwrap().screen.screen().contents()
    }

    /// All bytes that were written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.shown.lock().unwrap().bytes.clone()
    }

    /// Asks about the screen.
    pub fn screen<T>(&self, ask: impl FnOnce(&vt100::Screen) -> T) -> T {
        ask(self.shown.lock().unwrap().screen.screen())
    }

    /// Waits until something is so on the screen.
    pub fn wait_until(&self, what: &str, so: impl Fn(&vt100::Screen) -> bool) {
        let start = Instant::now();
        while !self.screen(&so) {
            assert!(start.elapsed() < PATIENCE, "waited for {what}; on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for text on the screen.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    /// Sends keys, and waits for text on the screen.
    pub fn type_for(&mut self, keys: &str, text: &str) {
        self.send(keys);
        self.wait_for(text);
    }

    /// Presses escape, and waits until it cannot be taken for the beginning of another key.
    pub fn escape(&mut self) {
        self.send("\x1b");
        std::thread::sleep(Duration::from_millis(120));
    }

    /// Waits until the program has written nothing for a while.
    pub fn wait_quiet(&self, for_how_long: Duration) {
        let start = Instant::now();
        while self.shown.lock().unwrap().last.elapsed() < for_how_long && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends keys, and measures the time until the program has drawn a whole frame.
    pub fn time_of_frame(&mut self, keys: &str) -> Duration {
        const END: &[u8] = b"\x1b[?2026l";
        let frames = |bytes: &[u8]| bytes.windows(END.len()).filter(|window| *window == END).count();
        let from = self.shown.lock().unwrap().bytes.len();
        let start = Instant::now();
        self.send(keys);
        loop {
            let shown = self.shown.lock().unwrap();
            if frames(&shown.bytes[from.saturating_sub(END.len() - 1).min(shown.bytes.len())..]) > 0 && shown.bytes.len() > from {
                return shown.last.duration_since(start);
            }
            drop(shown);
            assert!(start.elapsed() < PATIENCE, "no frame");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shown.lock().unwrap().screen.screen_mut().set_size(rows, columns);
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Sends a signal to the program.
    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// The letter of the program's state: `T` when it is stopped.
    pub fn process_state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.process_id().unwrap())).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    }

    /// Waits for the end of the program: the signal that ended it, or its exit code.
    pub fn end(&mut self) -> Result<u32, String> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it wrote last may still be on its way.
                std::thread::sleep(Duration::from_millis(50));
                self.wait_quiet(Duration::from_millis(50));
                return match status.signal() {
                    Some(signal) => Err(signal.to_owned()),
                    None => Ok(status.exit_code()),
                };
            }
            assert!(start.elapsed() < PATIENCE, "it does not end; on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asserts that the terminal is as a shell expects it.
    pub fn assert_restored(&self) {
        self.screen(|screen| {
            assert!(!screen.alternate_screen(), "left the alternate screen");
            assert!(!screen.hide_cursor(), "the cursor is shown");
            assert!(!screen.bracketed_paste());
            assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
            assert_eq!((screen.fgcolor(), screen.bgcolor()), (vt100::Color::Default, vt100::Color::Default));
            assert!(!screen.inverse() && !screen.bold());
        });
        let name = self.master.tty_name().unwrap();
        let settings = Command::new("stty").args(["-a", "-F"]).arg(name).output().unwrap();
        let settings = String::from_utf8(settings.stdout).unwrap();
        for setting in ["icanon", "echo", "isig", "opost"] {
            assert!(settings.split_whitespace().any(|word| word == setting), "{setting}: {settings}");
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A test that failed leaves no program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
