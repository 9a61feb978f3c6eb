//! `dcode log`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::json;
use crate::cli::print;
use crate::cli::say;
use crate::cli::write::journal;
use crate::patch::entry::Entry;
use crate::patch::entry::Phase;
use crate::patch::undo::describe;
use crate::text::sanitise_line;

/// List the edits that were written, the latest first
///
/// An edit that was interrupted is finished or taken back first.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// Print JSON Lines: id, time (seconds since 1970), state, note, added, removed, files
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// The journal cannot be read.
pub fn run(args: &LogArgs) -> Result<Exit, Failure> {
    let journal = journal()?;
    match journal.recover() {
        Ok(recovered) => recovered.iter().for_each(|recovery| say(&format!("note: {}", describe(recovery)))),
        // The list can be shown all the same.
        Err(error) => say(&format!("note: {error}")),
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    for entry in journal.entries()?.into_iter().rev() {
        match entry {
            Ok(entry) if args.json => print(&json::line(&serde_json::to_value(Line::of(&entry)).map_err(std::io::Error::from)?))?,
            Ok(entry) => print(&row(&Line::of(&entry), now))?,
            Err(error) => say(&format!("note: {error}")),
        }
    }
    Ok(Exit::Ok)
}

/// An edit as it is listed.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: u64,
    time: u64,
    state: &'static str,
    note: &'a str,
    added: usize,
    removed: usize,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct File {
    #[serde(with = "crate::patch::path_json")]
    path: PathBuf,
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Self {
        let state = match (&entry.pending, entry.phase) {
            (Some(_), _) | (None, Phase::New) => "interrupted",
            (None, Phase::Applied) => "applied",
            (None, Phase::Undone) => "undone",
        };
        let (added, removed) = entry.size();
        let waiting = entry.pending.iter().flat_map(|pending| pending.steps.iter().map(|step| &step.path));
        let mut files: Vec<File> = Vec::new();
        for path in entry.files.iter().map(|file| &file.path).chain(waiting) {
            if files.iter().all(|file| file.path != *path) {
                files.push(File { path: path.clone() });
            }
        }
        Self { id: entry.id, time: entry.time, state, note: &entry.note, added, removed, files }
    }
}

/// One line for people. Names and notes are made safe to print.
fn row(line: &Line<'_>, now: u64) -> String {
    let files: Vec<String> = line.files.iter().map(|file| file.path.display().to_string()).collect();
    let size = format!("+{} -{}", line.added, line.removed);
    let age = age(now.saturating_sub(line.time));
    let row = format!("{:>4}  {age:>7}  {:<11}  {size:>9}  {}  {}", line.id, line.state, files.join(", "), line.note);
    sanitise_line(row.trim_end()).into_owned()
}

/// How long ago something was.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_that_does_nothing_to_the_terminal() {
        let files = vec![File { path: "/t/a\u{1b}[2J\n.rs".into() }];
        let line = Line { id: 3, time: 100, state: "applied", note: "say\r\n\u{202e}it", added: 2, removed: 1, files };
        let row = row(&line, 100 + 7200);
        assert_eq!(row, "   3      2 h  applied          +2 -1  /t/a␛[2J␊.rs  say␍␊\\u{202e}it");
    }

    #[test]
    fn ages() {
        assert_eq!([0, 61, 7300, 200_000].map(age), ["now", "1 min", "2 h", "2 d"]);
    }
}
