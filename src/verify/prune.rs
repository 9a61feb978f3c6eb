//! Shadows that nobody needs any more: their work tree is gone, or nothing was verified in it for weeks.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use crate::patch::lock::Lock;
use crate::patch::quote::path_bytes;

/// How long a shadow is kept after its last use.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// The file that says which work tree a folder of shadows belongs to.
const ROOT: &str = "root";

/// Notes in `folder` that its shadows belong to the work tree at `root`.
///
/// # Errors
/// The file cannot be written.
pub(super) fn mark(folder: &Path, root: &Path) -> io::Result<()> {
    let (path, bytes) = (folder.join(ROOT), path_bytes(root));
    // Another process may write it too, the same bytes: no reader may see half of them.
    if fs::read(&path).is_ok_and(|found| found == *bytes) {
        return Ok(());
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, &bytes)?;
    file.persist(&path).map(drop).map_err(|error| error.error)
}

/// Removes the folders of shadows in `cache` that are not needed at the time `now`, except for `mine`. One that is in use stays, and
/// so does whatever is not such a folder. Returns how many were removed; what cannot be removed is left for the next time.
pub(super) fn prune(cache: &Path, mine: &Path, now: SystemTime) -> usize {
    let Ok(entries) = fs::read_dir(cache) else { return 0 };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).filter(|folder| folder != mine && is_stale(folder, now) && remove(folder)).count()
}

fn is_stale(folder: &Path, now: SystemTime) -> bool {
    // A folder without this file is not one of ours.
    let Ok(root) = fs::read(folder.join(ROOT)) else { return false };
    #[cfg(unix)]
    let root = std::path::PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(root));
    #[cfg(not(unix))]
    let root = std::path::PathBuf::from(String::from_utf8_lossy(&root).into_owned());
    // Only what is surely gone: a disk that is not mounted, or a folder that may not be read, comes back.
    let gone = matches!(root.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
        && root.parent().is_some_and(Path::is_dir);
    let used = slots(folder).filter_map(|slot| fs::metadata(slot.join("manifest.json")).ok()?.modified().ok()).max();
    let used = used.or_else(|| fs::metadata(folder.join(ROOT)).ok()?.modified().ok());
    gone || used.is_some_and(|used| now.duration_since(used).is_ok_and(|unused| unused > KEPT))
}

/// Removes a folder of which no shadow is in use.
fn remove(folder: &Path) -> bool {
    let locks: Vec<_> = slots(folder).map(|slot| Lock::take(&slot.join("lock"), Duration::ZERO)).collect();
    locks.iter().all(Result::is_ok) && fs::remove_dir_all(folder).is_ok()
}

fn slots(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::shadow::Shadow;

    fn names(cache: &Path) -> usize {
        fs::read_dir(cache).unwrap().count()
    }

    #[test]
    fn what_is_gone_or_long_unused_goes_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let cache = temp.path().join("cache");
        let tree = |name: &str| {
            let root = temp.path().join(name);
            fs::create_dir(&root).unwrap();
            fs::write(root.join("a"), "1").unwrap();
            root
        };
        let (kept, gone, busy) = (tree("kept"), tree("gone"), tree("busy"));
        let open = |root: &Path| {
            let mut shadow = Shadow::open(&cache, root).unwrap();
            shadow.sync(&["a".into()]).unwrap();
            shadow
        };
        drop(open(&kept));
        drop(open(&gone));
        let held = open(&busy);
        fs::create_dir(cache.join("not-ours")).unwrap();
        assert_eq!(names(&cache), 4);
        let (now, later) = (SystemTime::now(), SystemTime::now() + KEPT + Duration::from_secs(60));
        assert_eq!(prune(&cache, Path::new(""), now), 0);
        fs::remove_dir_all(&gone).unwrap();
        fs::remove_dir_all(&busy).unwrap();
        // The next one that verifies removes what is gone, but for what is in use.
        drop(open(&kept));
        assert_eq!(names(&cache), 3);
        assert!(held.tree().join("a").is_file());
        drop(held);
        assert_eq!(prune(&cache, Path::new(""), now), 1);
        assert_eq!(prune(&cache, Path::new(""), later), 1);
        assert!(cache.join("not-ours").is_dir());
        assert_eq!(names(&cache), 1);
    }

    #[test]
    fn a_tree_on_a_disk_that_is_not_there_comes_back() {
        let temp = tempfile::tempdir().unwrap();
        let (cache, disk) = (temp.path().join("cache"), temp.path().join("disk"));
        fs::create_dir_all(disk.join("work")).unwrap();
        drop(Shadow::open(&cache, &disk.join("work")).unwrap());
        fs::remove_dir_all(&disk).unwrap();
        assert_eq!(prune(&cache, Path::new(""), SystemTime::now()), 0);
    }
}
