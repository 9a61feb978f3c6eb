//! The shadow follows the user's files, and nothing done in it reaches them.

use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use super::*;

struct Place {
    _temp: tempfile::TempDir,
    root: PathBuf,
    cache: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("work")).unwrap();
        Self { root: base.join("work"), cache: base.join("cache"), _temp: temp }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // Old enough to be trusted.
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
    }

    fn shadow(&self, names: &[&str]) -> Shadow {
        let mut shadow = Shadow::open(&self.cache, &self.root).unwrap();
        shadow.sync(&paths(names)).unwrap();
        shadow
    }
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn read(shadow: &Shadow, name: &str) -> String {
    std::fs::read_to_string(shadow.tree().join(name)).unwrap_or_else(|error| error.kind().to_string())
}

#[test]
fn it_follows_the_files_and_copies_only_what_changed() {
    let place = Place::new();
    place.write("a", "1");
    place.write("d/b", "2");
    let shadow = place.shadow(&["a", "d/b", "gone"]);
    assert_eq!((read(&shadow, "a"), read(&shadow, "d/b")), ("1".into(), "2".into()));
    let inode = |shadow: &Shadow, name: &str| std::fs::metadata(shadow.tree().join(name)).unwrap().ino();
    let a = inode(&shadow, "a");
    std::fs::write(shadow.tree().join("built"), "by a command").unwrap();
    drop(shadow);
    place.write("d/b", "two");
    let shadow = place.shadow(&["a", "d/b"]);
    assert_eq!(read(&shadow, "d/b"), "two");
    assert_eq!(inode(&shadow, "a"), a, "what did not change is not copied again");
    assert_eq!(read(&shadow, "built"), "by a command");
    drop(shadow);
    let shadow = place.shadow(&["a"]);
    assert!(!shadow.tree().join("d/b").exists() && shadow.tree().join("built").exists());
    drop(shadow);
    // A file that became a folder, and back.
    std::fs::remove_file(place.root.join("a")).unwrap();
    place.write("a/b/c", "deep");
    let shadow = place.shadow(&["a/b/c"]);
    assert_eq!(read(&shadow, "a/b/c"), "deep");
    drop(shadow);
    std::fs::remove_dir_all(place.root.join("a")).unwrap();
    place.write("a", "again");
    assert_eq!(read(&place.shadow(&["a"]), "a"), "again");
}

/// A save within the tick of the clock in which the file was copied.
#[test]
fn a_save_that_no_time_tells_is_seen() {
    let place = Place::new();
    std::fs::write(place.root.join("a"), "1").unwrap();
    let time = std::fs::metadata(place.root.join("a")).unwrap().modified().unwrap();
    drop(place.shadow(&["a"]));
    std::fs::write(place.root.join("a"), "2").unwrap();
    File::options().append(true).open(place.root.join("a")).unwrap().set_modified(time).unwrap();
    assert_eq!(read(&place.shadow(&["a"]), "a"), "2");
}

#[test]
fn a_reset_takes_back_what_a_command_did() {
    let place = Place::new();
    for name in ["a", "b", "c", "d/e"] {
        place.write(name, "old");
    }
    std::fs::set_permissions(place.root.join("a"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut shadow = place.shadow(&["a", "b", "c", "d/e"]);
    shadow.put(Path::new("a"), b"candidate").unwrap();
    assert_eq!(read(&shadow, "a"), "candidate");
    assert_eq!(std::fs::metadata(shadow.tree().join("a")).unwrap().mode() & 0o777, 0o755);
    std::fs::write(shadow.tree().join("b"), "formatted").unwrap();
    std::fs::remove_file(shadow.tree().join("c")).unwrap();
    std::fs::remove_dir_all(shadow.tree().join("d")).unwrap();
    std::fs::write(shadow.tree().join("d"), "a file now").unwrap();
    shadow.reset().unwrap();
    for name in ["a", "b", "c", "d/e"] {
        assert_eq!(read(&shadow, name), "old", "{name}");
        assert_eq!(std::fs::read_to_string(place.root.join(name)).unwrap(), "old");
    }
}

/// Whatever a command does to the shadow, by links of all kinds too, the user's files stay.
#[test]
fn nothing_leads_back_to_the_users_files() {
    let place = Place::new();
    let outside = place.root.with_file_name("outside");
    std::fs::write(&outside, "outside").unwrap();
    for name in ["a", "d/b", "d/c"] {
        place.write(name, "user");
    }
    symlink("d/b", place.root.join("inner")).unwrap();
    symlink("d", place.root.join("folder")).unwrap();
    symlink(&outside, place.root.join("escape")).unwrap();
    symlink("../..", place.root.join("up")).unwrap();
    symlink(place.root.join("a"), place.root.join("absolute")).unwrap();
    let names = ["a", "d/b", "d/c", "inner", "folder", "escape", "up", "absolute"];
    let mut shadow = place.shadow(&names);
    let tree = shadow.tree();
    assert_eq!(read(&shadow, "escape"), "outside");
    assert!(!tree.join("up").exists(), "no way up");
    for name in ["a", "inner", "escape", "absolute", "folder/c"] {
        std::fs::write(tree.join(name), "vandal").unwrap();
    }
    assert_eq!(read(&shadow, "d/b"), "vandal", "a link into the tree leads into the shadow");
    // Links in place of what was there: to a folder, a file, and a second name for a user's file.
    std::fs::remove_dir_all(tree.join("d")).unwrap();
    symlink(place.root.join("d"), tree.join("d")).unwrap();
    std::fs::remove_file(tree.join("a")).unwrap();
    std::fs::hard_link(place.root.join("a"), tree.join("a")).unwrap();
    std::fs::remove_file(tree.join("escape")).unwrap();
    symlink(&outside, tree.join("escape")).unwrap();
    shadow.put(Path::new("d/b"), b"candidate").unwrap();
    shadow.put(Path::new("a"), b"candidate").unwrap();
    shadow.reset().unwrap();
    symlink(place.root.join("d"), tree.join("e")).unwrap();
    drop(shadow);
    let shadow = place.shadow(&["a"]);
    assert_eq!(read(&shadow, "a"), "user");
    for name in ["a", "d/b", "d/c"] {
        assert_eq!(std::fs::read_to_string(place.root.join(name)).unwrap(), "user", "{name}");
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside");
}

#[test]
fn two_at_once_have_one_each() {
    let place = Place::new();
    place.write("a", "1");
    let (first, second) = (place.shadow(&["a"]), place.shadow(&["a"]));
    assert_ne!(first.tree(), second.tree());
    let again = first.tree();
    drop(first);
    assert_eq!(place.shadow(&["a"]).tree(), again);
    assert_eq!(std::fs::metadata(place.cache.join("")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn paths_that_lead_out_are_refused() {
    let place = Place::new();
    let mut shadow = place.shadow(&[]);
    for path in ["../a", "/etc/passwd", "", "a/../../b"] {
        assert!(matches!(shadow.sync(&paths(&[path])), Err(ShadowError::Path { .. })), "{path}");
        assert!(matches!(shadow.put(Path::new(path), b""), Err(ShadowError::Path { .. })), "{path}");
    }
}
