//! What a command complains about: places in files, read from JSON lines of cargo and rustc and from text with `file:line:col`.

use std::collections::HashMap;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It must be mended.
    Error,
    /// It should be.
    Warning,
    /// It explains another one.
    Note,
}

impl Level {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }

    /// By the word that a tool uses, such as `error[E0308]` or `fatal error`.
    fn of(word: &str) -> Option<Level> {
        let word = word.trim().to_ascii_lowercase();
        let word = word.split(['[', ' ', '(']).next().unwrap_or_default();
        Some(match word {
            "error" | "fatal" | "failure" | "failed" | "failure-note" => Level::Error,
            "warning" | "warn" => Level::Warning,
            "note" | "help" | "info" | "hint" => Level::Note,
            _ => return None,
        })
    }
}

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// The file, inside the work tree.
    pub file: PathBuf,
    /// The first line, from 1.
    pub line: usize,
    /// The last line.
    pub last_line: usize,
    /// The column, if one is given.
    pub column: Option<usize>,
    /// How bad it is.
    pub level: Level,
    /// What it says, in one line.
    pub message: String,
}

/// Longest message that is kept.
const MESSAGE: usize = 300;
/// Most complaints that are read of one output.
const MOST: usize = 1000;

/// Reads the complaints in `output`, each once, in order. `tree` is where the command ran, `folder` its current folder in there,
/// relative: only files of the tree count.
pub fn parse(output: &str, tree: &Path, folder: &Path) -> Vec<Diagnostic> {
    let mut reader = Reader { tree, folder, found: Vec::new(), header: None, frames: Vec::new(), files: HashMap::new() };
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        if reader.found.len() >= MOST {
            break;
        }
        if line.starts_with('{') && reader.json(line) {
            continue;
        }
        let line = without_colours(line);
        reader.text(&line, lines.peek().copied().unwrap_or_default());
    }
    let mut seen = std::collections::HashSet::new();
    reader.found.retain(|diagnostic| seen.insert(diagnostic.clone()));
    reader.found
}

/// Complaints of `now` that `before` does not have. Lines move with an edit, so only file, level and message are compared; where
/// there are more of the same than before, those that `close` names come first.
pub fn new_ones(before: &[Diagnostic], now: &[Diagnostic], close: &dyn Fn(&Diagnostic) -> bool) -> Vec<Diagnostic> {
    fn key(diagnostic: &Diagnostic) -> (&Path, Level, &str) {
        (&diagnostic.file, diagnostic.level, &diagnostic.message)
    }
    let mut old: HashMap<_, usize> = HashMap::new();
    before.iter().for_each(|diagnostic| *old.entry(key(diagnostic)).or_default() += 1);
    // What is far from the edit is taken for the old one first.
    let (near, far): (Vec<usize>, Vec<usize>) = (0..now.len()).partition(|&index| close(&now[index]));
    let mut is_new = vec![true; now.len()];
    for index in far.into_iter().chain(near) {
        if let Some(left @ 1..) = old.get_mut(&key(&now[index])) {
            *left -= 1;
            is_new[index] = false;
        }
    }
    now.iter().zip(is_new).filter(|(_, is_new)| *is_new).map(|(diagnostic, _)| diagnostic.clone()).collect()
}

struct Reader<'a> {
    tree: &'a Path,
    folder: &'a Path,
    found: Vec<Diagnostic>,
    /// `error[E0308]: mismatched types`, whose place follows on a line with an arrow.
    header: Option<(Level, String)>,
    /// Frames of a Python traceback, whose message follows.
    frames: Vec<usize>,
    /// What names of files lead to; asking the system for each word of a long output would take long.
    files: HashMap<String, Option<PathBuf>>,
}

/// A span in rustc's JSON.
#[derive(Deserialize)]
struct JsonSpan {
    file_name: String,
    line_start: usize,
    line_end: usize,
    column_start: usize,
    is_primary: bool,
}

/// A diagnostic in rustc's JSON.
#[derive(Deserialize)]
struct JsonDiagnostic {
    message: String,
    level: String,
    spans: Vec<JsonSpan>,
    #[serde(default)]
    children: Vec<JsonChild>,
}

/// What is said below a diagnostic.
#[derive(Deserialize)]
struct JsonChild {
    message: String,
    #[serde(default)]
    level: String,
}

/// A line of cargo.
#[derive(Deserialize)]
struct JsonLine {
    message: JsonDiagnostic,
}

impl Reader<'_> {
    /// A line of cargo or rustc. Returns whether it was JSON, of whatever kind.
    fn json(&mut self, line: &str) -> bool {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return false };
        let cargo = value.get("reason").and_then(serde_json::Value::as_str) == Some("compiler-message");
        let diagnostic = match cargo {
            true => serde_json::from_value::<JsonLine>(value).map(|line| line.message),
            false => serde_json::from_value::<JsonDiagnostic>(value),
        };
        let Ok(diagnostic) = diagnostic else { return true };
        let Some(level) = Level::of(&diagnostic.level) else { return true };
        // The label says what is wrong here, a note what was expected; both help whoever mends it.
        let note = diagnostic.children.iter().find(|child| child.level == "note" && child.message.contains("expected"));
        let message = match note {
            Some(note) => format!("{}; {}", diagnostic.message, note.message.split_whitespace().collect::<Vec<_>>().join(" ")),
            None => diagnostic.message,
        };
        let message = one_line(&message);
        for span in diagnostic.spans.iter().filter(|span| span.is_primary) {
            if let Some(file) = self.file(&span.file_name) {
                let (line, last_line, column) = (span.line_start, span.line_end.max(span.line_start), Some(span.column_start));
                self.found.push(Diagnostic { file, line, last_line, column, level, message: message.clone() });
            }
        }
        true
    }

    /// A line of text, and the one behind it.
    fn text(&mut self, line: &str, next: &str) {
        let trimmed = line.trim();
        if let Some(place) = trimmed.strip_prefix("--> ") {
            if let Some((file, line, column, _)) = self.place(place)
                && let Some((level, message)) = self.header.take()
            {
                self.found.push(Diagnostic { file, line, last_line: line, column, level, message });
            }
            return;
        }
        if let Some(rest) = trimmed.strip_prefix("File \"") {
            self.frame(rest);
            return;
        }
        if !self.frames.is_empty()
            && let Some((name, message)) = trimmed.split_once(':').or(Some((trimmed, "")))
            && !line.starts_with(' ')
            && (name.ends_with("Error") || name.ends_with("Exception") || name.ends_with("Warning"))
            && !name.contains(' ')
        {
            let level = if name.ends_with("Warning") { Level::Warning } else { Level::Error };
            let text = one_line(&format!("{name}: {}", message.trim()));
            for frame in std::mem::take(&mut self.frames) {
                (self.found[frame].level, self.found[frame].message) = (level, text.clone());
            }
            return;
        }
        if let Some((file, line, column, rest)) = self.place(trimmed) {
            let said = rest.trim_start_matches([':', ' ', '-']);
            let said = if said.is_empty() { next.trim() } else { said };
            let (word, message) = said.split_once(':').unwrap_or(("", said));
            let (level, message) = match Level::of(word) {
                Some(level) => (level, message),
                None => (Level::of(said).unwrap_or(Level::Error), said),
            };
            self.found.push(Diagnostic { file, line, last_line: line, column, level, message: one_line(message) });
            return;
        }
        if let Some((word, message)) = trimmed.split_once(':')
            && !line.starts_with(' ')
            && let Some(level) = Level::of(word)
        {
            self.header = Some((level, one_line(message)));
        }
    }

    /// A frame of a Python traceback: `x.py", line 3, in f`.
    fn frame(&mut self, rest: &str) {
        let Some((name, rest)) = rest.split_once("\", line ") else { return };
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if let (Some(file), Ok(line)) = (self.file(name), digits.parse()) {
            self.frames.push(self.found.len());
            let message = "in this call".to_owned();
            self.found.push(Diagnostic { file, line, last_line: line, column: None, level: Level::Note, message });
        }
    }

    /// The first `file:line`, `file:line:column` or `file(line,column)` in a line, and what follows it.
    fn place<'t>(&mut self, line: &'t str) -> Option<(PathBuf, usize, Option<usize>, &'t str)> {
        for (at, mark) in line.match_indices([':', '(']) {
            let (name, rest) = (&line[..at], &line[at + 1..]);
            let Some((first, rest)) = number(rest) else { continue };
            let separator = if mark == "(" { ',' } else { ':' };
            let (column, rest) = match rest.strip_prefix(separator).and_then(number) {
                Some((column, rest)) => (Some(column), rest),
                None => (None, rest),
            };
            let rest = match mark {
                "(" => rest.strip_prefix(')'),
                // `12:30:59 done` is a time, and `a:1x` no place.
                _ => (rest.is_empty() || rest.starts_with([':', ' ', ',', ')', '-'])).then_some(rest),
            };
            let Some(rest) = rest else { continue };
            // The name may stand behind words, as in `panicked at src/lib.rs:3:5`, and may have blanks itself.
            let starts = std::iter::once(0).chain(name.match_indices([' ', '(', '"', '\'']).map(|(blank, _)| blank + 1));
            for start in starts.collect::<Vec<_>>() {
                if let Some(file) = self.file(&name[start..]) {
                    return Some((file, first, column, rest));
                }
            }
        }
        None
    }

    /// The file of the tree that `name` means, if there is one.
    fn file(&mut self, name: &str) -> Option<PathBuf> {
        if name.is_empty() || name.len() > 4096 {
            return None;
        }
        if let Some(known) = self.files.get(name) {
            return known.clone();
        }
        let path = Path::new(name);
        let inside = if path.is_absolute() {
            path.strip_prefix(self.tree).ok().map(Path::to_path_buf)
        } else {
            Some(self.folder.join(path))
        };
        // Cargo names files from the root of its workspace, wherever it runs.
        let from_root = path.is_relative().then(|| path.to_path_buf());
        let found = [inside, from_root]
            .into_iter()
            .flatten()
            .filter_map(|path| normal(&path))
            .find(|path| self.tree.join(path).is_file());
        self.files.insert(name.to_owned(), found.clone());
        found
    }
}

/// The path without `.` and `..`; `None` when it leads out of the tree.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir if parts.pop() => {}
            _ => return None,
        }
    }
    Some(parts)
}

/// A number at the start of a text, and what follows it.
fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value = text[..end].parse().ok().filter(|value| *value > 0)?;
    Some((value, &text[end..]))
}

fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(MESSAGE).collect()
}

/// A line without the sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("\u{1b}[") {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        rest = tail.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &tail[end + 1..]);
    }
    out + rest
}

#[cfg(test)]
#[path = "diagnostic_tests.rs"]
mod tests;
