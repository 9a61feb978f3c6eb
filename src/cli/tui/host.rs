//! Files, git and the journal for the TUI.

use std::cell::OnceCell;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::cli::exit::Failure;
use crate::cli::guarded::SecretArgs;
use crate::cli::hidden::hidden;
use crate::cli::log::age;
use crate::cli::tui::changes::changed;
use crate::cli::tui::files::list;
use crate::cli::tui::findings::findings;
use crate::cli::tui::history;
use crate::cli::tui::replay::recordings;
use crate::cli::tui::replay::replay;
use crate::cli::tui::verifier::OpenFile;
use crate::cli::tui::verifier::open_file;
use crate::cli::write::Place;
use crate::cli::write::here;
use crate::cli::write::journal;
use crate::document::Document;
use crate::patch::apply::Applied;
use crate::patch::entry::Entry;
use crate::patch::entry::Phase;
use crate::patch::git::WorkTree;
use crate::patch::hunk::Hunk;
use crate::patch::undo::describe;
use crate::tui::export::Recording;
use crate::tui::host::Answer;
use crate::tui::host::Host;
use crate::tui::host::Job;
use crate::tui::host::Opened;
use crate::tui::host::Refusal;
use crate::tui::state::GitState;
use crate::tui::state::picker::Item;
use crate::tui::state::picker::Kind;
use crate::tui::state::picker::Value;

/// The files around the current folder.
#[derive(Debug)]
pub(super) struct FileHost {
    /// The work tree, or the current folder; found when it is first needed.
    root: OnceCell<PathBuf>,
    /// The open file.
    open: OpenFile,
}

impl FileHost {
    /// The work tree around the current folder, or that folder; `file` is open under the name it was given.
    pub(super) fn new(file: Option<&Path>) -> Self {
        let open = file.map(|file| (file.to_string_lossy().into_owned(), file.to_path_buf()));
        Self { root: OnceCell::new(), open: OpenFile::new(Mutex::new(open)) }
    }

    /// The open file, for others who need to know.
    pub(super) fn open(&self) -> OpenFile {
        Arc::clone(&self.open)
    }

    fn root(&self) -> &Path {
        self.root.get_or_init(|| here().map_or_else(|_| PathBuf::from("."), |(root, _)| root))
    }

    /// What git says about a file; nothing where there is no repository.
    fn git(&self, path: &Path) -> Option<GitState> {
        let tree = WorkTree::discover(path).ok()??;
        let real = path.canonicalize().ok()?;
        let status = tree.status(real.strip_prefix(tree.root()).ok()?).ok()?;
        let repository = git2::Repository::discover(tree.root()).ok()?;
        let head = repository.head().ok();
        let name =
            |head: &git2::Reference<'_>| head.is_branch().then(|| String::from_utf8_lossy(head.shorthand_bytes()).into_owned());
        let commit = |head: &git2::Reference<'_>| head.target().map(|id| id.to_string().chars().take(8).collect());
        let branch = head.as_ref().and_then(|head| name(head).or_else(|| commit(head))).unwrap_or_else(|| "no commit".to_owned());
        Some(GitState { branch, modified: status.staged || status.modified || !status.tracked })
    }

    fn path(&self, name: &str) -> PathBuf {
        match open_file(&self.open) {
            Some((open, path)) if open == name => path,
            _ => self.root().join(name),
        }
    }

    fn read(&mut self, name: &str) -> Result<Opened, String> {
        let path = self.path(name);
        let document = Document::read(&path).map_err(|error| error.to_string())?;
        let place = Place::of(&path).map_err(|failure| failure.message)?;
        SecretArgs::default().judge(&place, &document).map_err(|failure| failure.message)?;
        let git = self.git(&path);
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.to_owned(), path));
        Ok(Opened { name: name.to_owned(), text: document.text().to_owned(), git })
    }

    /// The open file as it is now; an empty one when none is open.
    fn reread(&mut self) -> Result<Opened, String> {
        match open_file(&self.open) {
            Some((name, _)) => self.read(&name),
            None => Ok(Opened { name: String::new(), text: String::new(), git: None }),
        }
    }

    fn apply(
        &mut self,
        text: &str,
        hunks: &[Hunk],
        note: &str,
        stage: bool,
        allow_hidden: bool,
    ) -> Result<(Opened, String), Refusal> {
        let other = |why: String| Refusal::Other(why);
        let failed = |failure: Failure| Refusal::Other(failure.message);
        let Some((_, path)) = open_file(&self.open) else { return Err(other("no file is open".to_owned())) };
        let document = Document::read(&path).map_err(|error| other(error.to_string()))?;
        if document.text() != text {
            let why = format!("{}: changed since it was opened; f5 reads it again, then run the edit again", path.display());
            return Err(other(why));
        }
        let place = Place::of(&path).map_err(failed)?;
        if let Some(what) = hidden(&document, hunks).map_err(failed)?.filter(|_| !allow_hidden) {
            return Err(Refusal::Hidden(what));
        }
        let note = Some(note).filter(|note| !note.is_empty());
        let mut notes = Vec::new();
        let applied = place.write_with(&document, hunks, note, stage, &mut |note| notes.push(note.to_owned())).map_err(failed)?;
        let opened = self.reread().map_err(other)?;
        let count = if hunks.len() == 1 { "1 hunk".to_owned() } else { format!("{} hunks", hunks.len()) };
        let staged = if stage { " and staged" } else { "" };
        let edit = applied.map_or_else(String::new, |applied| format!("edit {}: ", applied.id));
        notes.insert(0, format!("{edit}{count} written{staged}"));
        Ok((opened, notes.join("; ")))
    }

    /// Takes back an edit, or brings it back.
    fn turn(&mut self, id: Option<u64>, redo: bool) -> Result<(Opened, String), Refusal> {
        let failed = |failure: Failure| Refusal::Other(failure.message);
        let journal = journal().map_err(failed)?;
        let root = id.is_none().then(|| self.root());
        let turned = if redo { journal.redo(id, root) } else { journal.undo(id, root) };
        let applied: Applied = turned.map_err(|error| Refusal::Other(error.to_string()))?;
        let files: Vec<String> = applied.paths.iter().map(|path| self.shown(path)).collect();
        let done = if redo { "brought back" } else { "taken back" };
        let mut told = vec![format!("edit {} {done}: {}", applied.id, files.join(", "))];
        told.extend(applied.recovered.iter().map(describe));
        Ok((self.reread().map_err(Refusal::Other)?, told.join("; ")))
    }

    /// A path as it is listed.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.root()).unwrap_or(path).display().to_string()
    }

    /// The edits of this work tree, the latest first.
    fn log(&self) -> Result<Vec<Item>, String> {
        let entries = journal().map_err(|failure| failure.message)?.entries().map_err(|error| error.to_string())?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let here = |entry: &Entry| entry.pending.is_none() && entry.phase != Phase::New && entry.is_below(self.root());
        let item = |entry: Entry| {
            let applied = entry.phase == Phase::Applied;
            let files: Vec<String> = entry.files.iter().map(|file| self.shown(&file.path)).collect();
            let (added, removed) = entry.size();
            Item {
                label: format!("{}  {}", files.join(", "), entry.note),
                detail: format!("+{added} -{removed}  {}", age(now.saturating_sub(entry.time))),
                badge: if applied { '●' } else { '○' },
                value: Value::Edit { id: entry.id, applied },
            }
        };
        Ok(entries.into_iter().rev().filter_map(Result::ok).filter(here).map(item).collect())
    }
}

impl Host for FileHost {
    fn answer(&mut self, job: Job) -> Answer {
        match job {
            Job::Files => Answer::Items(Kind::Files, Ok(list(self.root()))),
            Job::Open(name) => Answer::Opened(self.read(&name)),
            Job::Apply { text, hunks, note, stage, allow_hidden } => {
                Answer::Written(self.apply(&text, &hunks, &note, stage, allow_hidden))
            }
            Job::Undo(id) => Answer::Written(self.turn(id, false)),
            Job::Redo(id) => Answer::Written(self.turn(id, true)),
            Job::History => Answer::History(history::folder().map(|folder| history::read(&folder)).unwrap_or_default()),
            Job::Remember(instruction) => {
                Answer::Remembered(history::folder().map_or(Ok(()), |folder| history::remember(&folder, &instruction)))
            }
            Job::Git => {
                let open = open_file(&self.open);
                let (name, git) = open.map(|(name, path)| (name, self.git(&path))).unwrap_or_default();
                Answer::Git(name, git)
            }
            Job::Log => Answer::Items(Kind::Log, self.log()),
            Job::Changes(text) => {
                let found = match open_file(&self.open) {
                    Some((_, path)) => changed(&path, &text),
                    None => Err("no file is open".to_owned()),
                };
                Answer::Changes(text, found)
            }
            Job::Findings(text) => {
                let found = match open_file(&self.open) {
                    Some((_, path)) => findings(&path, &text),
                    None => Err("no file is open".to_owned()),
                };
                Answer::Findings(text, found)
            }
            Job::Recordings => Answer::Items(Kind::Recordings, Ok(recordings(self.root()))),
            Job::Replay { path, candidate } => Answer::Replayed(replay(&self.root().join(path), Some(candidate))),
            Job::Export(recording) => Answer::Exported(export(&recording)),
        }
    }
}

/// Writes a run into the current folder, as a picture, as an asciicast, and as a trajectory when it has ended, under names that
/// are free.
fn export(recording: &Recording) -> Result<String, String> {
    let stem = Path::new(recording.file()).file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy());
    for number in 1..1000 {
        let name = |extension: &str| format!("{stem}-run-{number}.{extension}");
        let create = |name: &str| OpenOptions::new().write(true).create_new(true).open(name);
        let mut picture = match create(&name("svg")) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(format!("{}: {error}", name("svg"))),
        };
        let told = |error: std::io::Error| format!("{}: {error}", name("cast"));
        picture.write_all(recording.svg().as_bytes()).map_err(|error| format!("{}: {error}", name("svg")))?;
        create(&name("cast")).and_then(|mut file| file.write_all(recording.cast().as_bytes())).map_err(told)?;
        let Some(trajectory) = recording.trajectory() else {
            return Ok(format!("written: {}, {}", name("svg"), name("cast")));
        };
        let told = |error: std::io::Error| format!("{}: {error}", name("json"));
        create(&name("json")).and_then(|mut file| file.write_all(trajectory.as_bytes())).map_err(told)?;
        return Ok(format!("written: {}, {}, {}", name("svg"), name("cast"), name("json")));
    }
    Err(format!("{stem}-run-1.svg to {stem}-run-999.svg are there already: move some away"))
}
