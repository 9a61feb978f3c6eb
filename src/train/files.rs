//! The source files that a recipe names, some of them held out.

use std::path::Path;
use std::path::PathBuf;

use ignore::WalkBuilder;
use sha2::Digest;
use sha2::Sha256;

use crate::train::error::TrainError;

/// Larger files are data, not source.
const LARGEST: u64 = 1 << 20;

/// A source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Files to learn from, and files to measure on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFiles {
    /// To learn from.
    pub learned: Vec<SourceFile>,
    /// To measure on.
    pub held_out: Vec<SourceFile>,
}

/// Reads the text files with one of these extensions in folders, in the order of their paths. Ignored files, those that
/// `.dcodeignore` names, links, and files that are large or no UTF-8 are left out.
///
/// # Errors
/// A folder is not there, or holds nothing to learn from.
pub fn read(folders: &[PathBuf], extensions: &[String], held_out: f64) -> Result<SourceFiles, TrainError> {
    let mut files = SourceFiles::default();
    for folder in folders {
        if !folder.is_dir() {
            return Err(TrainError::Data(format!("{} is no folder", folder.display())));
        }
        let mut walk = WalkBuilder::new(folder);
        walk.require_git(false).add_custom_ignore_filename(".dcodeignore").sort_by_file_path(Path::cmp);
        for entry in walk.build().filter_map(Result::ok) {
            let wanted = entry.path().extension().is_some_and(|found| extensions.iter().any(|known| found == known.as_str()));
            let small = entry.metadata().is_ok_and(|metadata| metadata.is_file() && (1..=LARGEST).contains(&metadata.len()));
            if !wanted || !small || entry.path_is_symlink() {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            if text.contains('\0') {
                continue;
            }
            // By its place in its folder, so that the choice is the same wherever the folder lies.
            let place = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let part = if is_held_out(place, held_out) { &mut files.held_out } else { &mut files.learned };
            part.push(SourceFile { path: entry.path().to_owned(), text });
        }
    }
    if files.learned.is_empty() {
        return Err(TrainError::Data(format!("no .{} file in the recipe's folders", extensions.join(" or ."))));
    }
    Ok(files)
}

/// Whether a file is held out: the same share of all files, whichever else there are.
fn is_held_out(place: &Path, share: f64) -> bool {
    let digest = Sha256::digest(place.to_string_lossy().as_bytes());
    let number = digest.iter().take(4).fold(0u32, |number, &byte| number << 8 | u32::from(byte));
    f64::from(number) / f64::from(u32::MAX) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_source_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        for name in ["a.rs", "b/c.rs", "b/d.py", "secret.rs", "target/x.rs"] {
            write(name, b"fn main() {}\n");
        }
        write("latin.rs", b"\xff\xfe");
        write("nul.rs", b"a\0b");
        write("empty.rs", b"");
        write("large.rs", &vec![b'x'; LARGEST as usize + 1]);
        write(".gitignore", b"target\n");
        write(".dcodeignore", b"secret.rs\n");
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("a.rs"), folder.path().join("link.rs")).unwrap();
        let read = |extensions: &[&str]| {
            let extensions: Vec<String> = extensions.iter().map(|&e| e.to_owned()).collect();
            read(&[folder.path().to_owned()], &extensions, 0.0)
        };
        let names = |files: &[SourceFile]| -> Vec<String> {
            files.iter().map(|f| f.path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(&read(&["rs"]).unwrap().learned), ["a.rs", "b/c.rs"]);
        assert_eq!(names(&read(&["rs", "py"]).unwrap().learned), ["a.rs", "b/c.rs", "b/d.py"]);
        assert!(read(&["go"]).unwrap_err().to_string().contains("no .go file"));
        assert!(super::read(&[folder.path().join("nowhere")], &["rs".to_owned()], 0.0).is_err());
    }

    #[test]
    fn the_held_out_share_is_about_what_was_asked_for() {
        let held = |share| (0..1000).filter(|i| is_held_out(Path::new(&format!("src/f{i}.rs")), share)).count();
        assert_eq!(held(0.0), 0);
        assert!((60..140).contains(&held(0.1)));
    }
}
