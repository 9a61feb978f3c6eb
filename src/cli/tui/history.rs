//! Instructions of earlier sessions: a file with one a line, in the data folder, for this user alone.

use std::fs::DirBuilder;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret;
use crate::model::locate::data_dir;
use crate::patch::lock::Lock;
use crate::tui::state::MAX_HISTORY;

/// Name of the file.
const NAME: &str = "history";
/// Largest file that is read; what this module writes stays below it.
const CAP: u64 = 1 << 20;
/// How long another dcode may keep the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// The folder of the history.
pub fn folder() -> Option<PathBuf> {
    data_dir()
}

/// The instructions, the newest last; none when there is no file, or one that cannot be read.
pub fn read(folder: &Path) -> Vec<String> {
    let mut text = String::new();
    let whole = std::fs::File::open(folder.join(NAME)).and_then(|file| file.take(CAP).read_to_string(&mut text));
    if whole.is_err() {
        return Vec::new();
    }
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    lines[lines.len().saturating_sub(MAX_HISTORY)..].to_vec()
}

/// Keeps an instruction, as the newest, unless it has a secret in it. What other sessions kept meanwhile stays.
///
/// # Errors
/// One line for the user: the file cannot be written.
pub fn remember(folder: &Path, instruction: &str) -> Result<(), String> {
    let line = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() || secret::is_in_line(&line) {
        return Ok(());
    }
    let path = folder.join(NAME);
    let told = |error: io::Error| format!("{}: the instruction is not kept for later: {error}", path.display());
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(told)?;
    let _lock = Lock::take(&folder.join("history.lock"), PATIENCE).map_err(|error| error.to_string())?;
    let mut lines = read(folder);
    // Said again, it is the newest, and stands once.
    lines.retain(|known| *known != line);
    lines.push(line);
    let surplus = lines.len().saturating_sub(MAX_HISTORY);
    // A new file, which only this user can read, takes the place of the old one as a whole.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(told)?;
    let text: String = lines[surplus..].iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    file.write_all(text.as_bytes()).map_err(told)?;
    file.persist(&path).map_err(|error| told(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_kept_in_order_and_each_once() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("data");
        assert!(read(&folder).is_empty());
        for line in ["one", "two\n words", "one", "  ", concat!("use gh", "p_0123456789abcdefghijABCDEFGHIJ012345"), "three"] {
            remember(&folder, line).unwrap();
        }
        assert_eq!(read(&folder), ["two words", "one", "three"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder.join(NAME)), mode(&folder)), (0o600, 0o700));
            // A file that others could read is replaced, not written to.
            std::fs::set_permissions(folder.join(NAME), std::fs::Permissions::from_mode(0o644)).unwrap();
            remember(&folder, "four").unwrap();
            assert_eq!(mode(&folder.join(NAME)), 0o600);
        }
        assert!(!std::fs::read_to_string(folder.join(NAME)).unwrap().contains("ghp_"));
    }

    #[test]
    fn it_does_not_grow_and_survives_a_damaged_file() {
        let temp = tempfile::tempdir().unwrap();
        (0..MAX_HISTORY + 30).for_each(|number| remember(temp.path(), &format!("edit {number}")).unwrap());
        let lines = read(temp.path());
        assert_eq!((lines.len(), lines[0].as_str(), lines[MAX_HISTORY - 1].as_str()), (MAX_HISTORY, "edit 30", "edit 229"));
        std::fs::write(temp.path().join(NAME), b"\xff\xfe").unwrap();
        assert!(read(temp.path()).is_empty());
        remember(temp.path(), "again").unwrap();
        assert_eq!(read(temp.path()), ["again"]);
        std::fs::remove_file(temp.path().join(NAME)).unwrap();
        std::fs::create_dir(temp.path().join(NAME)).unwrap();
        assert!(remember(temp.path(), "x").unwrap_err().contains("not kept for later"));
    }

    #[test]
    fn sessions_beside_each_other_lose_nothing() {
        let temp = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for session in 0..4 {
                let folder = temp.path();
                scope.spawn(move || (0..10).for_each(|edit| remember(folder, &format!("{session} {edit}")).unwrap()));
            }
        });
        assert_eq!(read(temp.path()).len(), 40);
    }
}
