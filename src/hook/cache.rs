//! Answers of the model that were found before, so that a second look at the same staged content loads no model.
//!
//! An answer is proven again each time it is read: the cache is a shortcut, not a witness.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::recipe::Recipe;
use crate::document::ContentHash;

/// The format of answers; others are not read.
const VERSION: u32 = 1;
/// Answers kept; the oldest beyond it go.
const MOST: usize = 4096;

/// What the model said about a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The new text, or nothing where it had none that holds.
    pub new: Option<String>,
    /// The least probability of a token.
    pub confidence: f32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    answer: Answer,
}

/// A folder of answers.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which need not exist.
    pub fn at(folder: &Path) -> Cache {
        Cache { folder: folder.to_path_buf() }
    }

    /// What an answer depends on: the content, the span, the recipe, and the model.
    pub fn key(content: ContentHash, at: &Range<usize>, recipe: &Recipe, model: &str) -> ContentHash {
        let parts = [content.to_string(), format!("{at:?}"), recipe.to_string(), recipe.hash.to_string(), model.to_owned()];
        ContentHash::of(parts.join("\n").as_bytes())
    }

    /// The answer with this key. One that cannot be read is none.
    pub fn get(&self, key: ContentHash) -> Option<Answer> {
        let stored: Stored = serde_json::from_slice(&std::fs::read(self.file(key)).ok()?).ok()?;
        (stored.version == VERSION).then_some(stored.answer)
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// The system refuses.
    pub fn put(&self, key: ContentHash, answer: &Answer) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let text = serde_json::to_vec(&Stored { version: VERSION, answer: answer.clone() })?;
        // A name of its own first: two hooks may run at once, and each must read whole answers.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        io::Write::write_all(&mut file, &text)?;
        file.persist(self.file(key)).map_err(|error| error.error)?;
        self.prune()
    }

    fn file(&self, key: ContentHash) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// Removes the oldest answers when there are too many.
    fn prune(&self) -> io::Result<()> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        if files.len() <= MOST {
            return Ok(());
        }
        let age = |path: &PathBuf| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        files.sort_by_key(age);
        files.iter().take(files.len() - MOST / 2).try_for_each(|file| match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::library::Library;

    #[test]
    fn answers_come_back_and_damage_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("deep/cache"));
        let library = Library::embedded().unwrap();
        let [first, second] = [&library.recipes()[0], &library.recipes()[1]];
        let content = ContentHash::of(b"x");
        let key = Cache::key(content, &(1..5), first, "m");
        for other in [
            Cache::key(content, &(1..6), first, "m"),
            Cache::key(content, &(1..5), second, "m"),
            Cache::key(content, &(1..5), first, "n"),
            Cache::key(ContentHash::of(b"y"), &(1..5), first, "m"),
        ] {
            assert_ne!(key, other);
        }
        let answer = Answer { new: Some("a\n".into()), confidence: 0.5 };
        assert_eq!(cache.get(key), None);
        cache.put(key, &answer).unwrap();
        assert_eq!(cache.get(key), Some(answer));
        std::fs::write(cache.file(key), "{").unwrap();
        assert_eq!(cache.get(key), None);
        std::fs::write(cache.file(key), "{\"version\":9,\"answer\":{\"new\":null,\"confidence\":1.0}}").unwrap();
        assert_eq!(cache.get(key), None);
    }

    #[test]
    fn the_oldest_answers_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        for number in 0..=MOST {
            std::fs::write(folder.path().join(format!("{number}.json")), "{}").unwrap();
        }
        cache.put(ContentHash::of(b"new"), &Answer { new: None, confidence: 1.0 }).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, MOST / 2);
        assert!(cache.get(ContentHash::of(b"new")).is_some(), "the newest stays");
    }
}
