//! Showing changes on standard output: exact bytes for programs, colours and nothing that acts for people.

use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::live::Screen;
use crate::document::Document;
use crate::patch::hunk;
use crate::patch::hunk::Hunk;
use crate::patch::unified::UnifiedOptions;
use crate::patch::unified::unified;
use crate::screen::colour::ColorChoice;
use crate::screen::colour::Depth;
use crate::screen::diff::DiffView;
use crate::screen::diff::rows;
use crate::text::sanitise_bytes;

/// Who reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A program.
    Exact,
    /// A person.
    Person(DiffView),
}

impl Output {
    /// By the terminal, the environment and `--color`: colours that were asked for are for a person, wherever they go.
    pub fn detect(color: ColorChoice) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let terminal = std::io::stdout().is_terminal();
        let depth = Depth::detect(color, terminal, variable);
        if terminal || depth != Depth::None { Self::of_screen(Screen::detect(depth, variable)) } else { Self::Exact }
    }

    /// For the person at this screen.
    pub fn of_screen(screen: Screen) -> Self {
        let Screen { width, depth, unicode, tab, .. } = screen;
        Self::Person(DiffView { width, depth, unicode, tab })
    }

    /// Prints how the hunks change the document, which is called `path`.
    ///
    /// # Errors
    /// The hunks do not fit, which is a fault of dcode, or the output is closed.
    pub fn diff(self, document: &Document, hunks: &[Hunk], path: &Path) -> Result<(), Failure> {
        let new = new_bytes(document, hunks)?;
        let mut out = std::io::stdout().lock();
        match self {
            Self::Exact => out.write_all(&diff_bytes(document, &new, path))?,
            Self::Person(view) => {
                let title = path.display().to_string();
                for row in rows(&title, document.text(), &String::from_utf8_lossy(&new), &view) {
                    writeln!(out, "{row}")?;
                }
            }
        }
        Ok(out.flush()?)
    }

    /// Prints the whole new text.
    ///
    /// # Errors
    /// As [`Output::diff`].
    pub fn text(self, document: &Document, hunks: &[Hunk]) -> Result<(), Failure> {
        let new = new_bytes(document, hunks)?;
        let mut out = std::io::stdout().lock();
        // Colours that were asked for do not make a file something to look at; a terminal does.
        if std::io::stdout().is_terminal() {
            out.write_all(sanitise_bytes(&new).as_bytes())?;
        } else {
            out.write_all(&new)?;
        }
        Ok(out.flush()?)
    }
}

/// The document's bytes after the hunks.
///
/// # Errors
/// They do not fit, which is a fault of dcode.
pub fn new_bytes(document: &Document, hunks: &[Hunk]) -> Result<Vec<u8>, Failure> {
    hunk::apply(document, hunks).map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

/// The unified diff to `new`, for programs.
pub fn diff_bytes(document: &Document, new: &[u8], path: &Path) -> Vec<u8> {
    let mode = if is_executable(document.path()) { 0o100_755 } else { 0o100_644 };
    unified(document.bytes(), new, path, UnifiedOptions { mode, ..UnifiedOptions::default() })
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    false
}
