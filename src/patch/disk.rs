//! What the writer needs from a file system, and the real one.
//!
//! The writer and the journal go through [`Disk`] alone, so that tests can put a file system under them that loses everything
//! that was not synced.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::target::Target;
use super::target::TargetError;

/// Whose mode and owner a new file gets.
#[derive(Clone, Copy, Debug)]
pub enum Like<'a> {
    /// Readable and writable for this user alone.
    Private,
    /// Those of an existing file.
    File(&'a Path),
}

/// A file system. All paths are absolute and without symbolic links; implementations refuse to follow one.
pub trait Disk {
    /// Checks that the file at `path` may be written.
    fn resolve(&self, path: &Path, root: Option<&Path>) -> Result<Target, TargetError>;
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a file that does not exist yet.
    fn create(&self, path: &Path, bytes: &[u8], like: Like<'_>) -> io::Result<()>;
    /// Makes the content of a file durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Swaps the names of two files at once; `false` if this file system cannot.
    fn exchange(&self, a: &Path, b: &Path) -> io::Result<bool>;
    /// Gives a file another name, in place of whatever had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; no error if there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io::Read;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;

    use rustix::fs::AtFlags;
    use rustix::fs::Mode;
    use rustix::fs::OFlags;

    use super::*;
    use crate::patch::crash;

    /// Opens the directory of `path` without following a symbolic link anywhere, so that a directory which was swapped for a
    /// link after the checks leads to an error and not out of the work tree.
    fn parent(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
        let bad = || io::Error::from(io::ErrorKind::InvalidInput);
        let (dir, name) = (path.parent().ok_or_else(bad)?, path.file_name().ok_or_else(bad)?);
        Ok((open_dir(dir)?, name))
    }

    fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(rustix::fs::CWD, dir, flags, Mode::empty(), resolve) {
                // Before Linux 5.6, or in a sandbox that does not know the call.
                Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
                other => return Ok(other?),
            }
        }
        Ok(rustix::fs::open(dir, flags, Mode::empty())?)
    }

    fn open(path: &Path, flags: OFlags) -> io::Result<File> {
        let (dir, name) = parent(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
    }

    impl Disk for SystemDisk {
        fn resolve(&self, path: &Path, root: Option<&Path>) -> Result<Target, TargetError> {
            Target::resolve(path, root)
        }

        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            open(path, OFlags::RDONLY)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        }

        fn create(&self, path: &Path, bytes: &[u8], like: Like<'_>) -> io::Result<()> {
            let (dir, name) = parent(path)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // For this user alone until it has the owner and mode of the original: a file of mode 0600 is never readable by others.
            let mut file: File = rustix::fs::openat(&dir, name, flags, Mode::RUSR | Mode::WUSR)?.into();
            let filled = (|| {
                let (head, tail) = bytes.split_at(bytes.len() / 2);
                file.write_all(head)?;
                crash::point("temp-half-written");
                file.write_all(tail)?;
                match like {
                    Like::Private => Ok(()),
                    Like::File(original) => take_after(&file, &open(original, OFlags::RDONLY)?),
                }
            })();
            if filled.is_err() {
                let _ = rustix::fs::unlinkat(&dir, name, AtFlags::empty());
            }
            filled
        }

        fn sync_file(&self, path: &Path) -> io::Result<()> {
            ignore_unsupported(open(path, OFlags::RDONLY)?.sync_all())
        }

        fn exchange(&self, a: &Path, b: &Path) -> io::Result<bool> {
            #[cfg(any(target_os = "linux", target_vendor = "apple"))]
            {
                use rustix::io::Errno;
                let ((dir_a, a), (dir_b, b)) = (parent(a)?, parent(b)?);
                match rustix::fs::renameat_with(dir_a, a, dir_b, b, rustix::fs::RenameFlags::EXCHANGE) {
                    Ok(()) => Ok(true),
                    Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
            {
                let _ = (a, b);
                Ok(false)
            }
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            let ((dir_from, from), (dir_to, to)) = (parent(from)?, parent(to)?);
            Ok(rustix::fs::renameat(dir_from, from, dir_to, to)?)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            let (dir, name) = parent(path)?;
            match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                Err(rustix::io::Errno::NOENT) => Ok(()),
                other => Ok(other?),
            }
        }

        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            ignore_unsupported(rustix::fs::fsync(open_dir(dir)?).map_err(io::Error::from))
        }

        fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
            std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
        }
    }

    /// Some network file systems cannot sync; the write is then as durable as they make it.
    fn ignore_unsupported(result: io::Result<()>) -> io::Result<()> {
        use rustix::io::Errno;
        match result {
            Err(error) if [Errno::INVAL, Errno::NOTSUP].map(|e| e.raw_os_error()).map(Some).contains(&error.raw_os_error()) => {
                Ok(())
            }
            other => other,
        }
    }

    /// Gives `file` owner, mode and extended attributes (access lists among them) of `original`.
    fn take_after(file: &File, original: &File) -> io::Result<()> {
        let (ours, theirs) = (file.metadata()?, original.metadata()?);
        if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
            std::os::unix::fs::fchown(file, Some(theirs.uid()), Some(theirs.gid()))?;
        }
        copy_attributes(file, original);
        // Last: changing the owner clears the set-user bits.
        rustix::fs::fchmod(file, Mode::from_raw_mode(theirs.mode() & 0o7777))?;
        Ok(())
    }

    /// As far as the system lets us: some attributes are not for programs to set.
    #[cfg(target_os = "linux")]
    fn copy_attributes(file: &File, original: &File) {
        let mut names = vec![0u8; 64 << 10];
        let Ok(length) = rustix::fs::flistxattr(original, &mut names) else { return };
        for name in names[..length].split(|&b| b == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0u8; 64 << 10];
            if let Ok(length) = rustix::fs::fgetxattr(original, name, &mut value) {
                let _ = rustix::fs::fsetxattr(file, name, &value[..length], rustix::fs::XattrFlags::empty());
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn copy_attributes(_: &File, _: &File) {}
}

#[cfg(not(unix))]
impl Disk for SystemDisk {
    fn resolve(&self, path: &Path, root: Option<&Path>) -> Result<Target, TargetError> {
        Target::resolve(path, root)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn create(&self, path: &Path, bytes: &[u8], _: Like<'_>) -> io::Result<()> {
        io::Write::write_all(&mut std::fs::File::create_new(path)?, bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        std::fs::OpenOptions::new().write(true).open(path)?.sync_all()
    }

    fn exchange(&self, _: &Path, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
    }
}
