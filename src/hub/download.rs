//! One file from the hub to its blob: resumed where it stopped, compared with its hash, and renamed only then.

use std::fs::File;
use std::fs::TryLockError;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use ureq::Body;
use ureq::http::Response;

use crate::hub::client::Client;
use crate::hub::client::Passing;
use crate::hub::client::Trouble;
use crate::hub::client::describe_io;
use crate::hub::digest::Digest;
use crate::hub::error::HubError;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// What is to be fetched.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// Where from.
    pub(super) url: String,
    /// Name of the file, for messages.
    pub(super) name: &'a str,
    /// Its bytes.
    pub(super) size: u64,
    /// Their hash.
    pub(super) digest: &'a Digest,
    /// Where it will be.
    pub(super) blob: PathBuf,
    /// The lock that other programs respect too.
    pub(super) lock: PathBuf,
}

/// Where the bytes of a blob lie until they are all there.
pub(super) fn partial(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(".incomplete");
    PathBuf::from(name)
}

/// Fetches the file, unless it is there. `report` is told how many of its bytes are on disk.
///
/// # Errors
/// See [`HubError`]. What came so far stays for the next time, unless it cannot be right.
pub(super) fn fetch(client: &Client, job: &Job<'_>, report: &mut dyn FnMut(u64)) -> Result<(), HubError> {
    let _lock = lock(job)?;
    if job.blob.exists() {
        report(job.size);
        return Ok(());
    }
    let folder = job.blob.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(HubError::io(folder))?;
    let path = partial(&job.blob);
    let mut file = Partial::open(&path, job.size)?;
    // Bytes of an earlier run may be of another program, or damaged: then everything is fetched again, once.
    let mut is_old = file.len > 0;
    loop {
        receive(client, job, &mut file, report)?;
        match job.digest.check(&path)? {
            Ok(()) => break,
            Err(_) if std::mem::take(&mut is_old) => file.restart()?,
            Err(found) => {
                file.discard();
                return Err(HubError::Digest { file: job.name.to_owned(), expected: job.digest.as_str().to_owned(), found });
            }
        }
    }
    file.file.sync_all().map_err(HubError::io(&path))?;
    std::fs::rename(&path, &job.blob).map_err(HubError::io(&job.blob))
}

/// Takes the lock of the blob, or says that another program has it.
fn lock(job: &Job<'_>) -> Result<File, HubError> {
    let folder = job.lock.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(HubError::io(folder))?;
    let file = File::options().create(true).append(true).open(&job.lock).map_err(HubError::io(&job.lock))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HubError::Locked { file: job.name.to_owned(), path: job.lock.clone() }),
        Err(TryLockError::Error(source)) => Err(HubError::Io { path: job.lock.clone(), source }),
    }
}

/// The file with what has come so far.
struct Partial {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Partial {
    fn open(path: &Path, size: u64) -> Result<Self, HubError> {
        let file = File::options().create(true).read(true).write(true).truncate(false).open(path).map_err(HubError::io(path))?;
        let len = file.metadata().map_err(HubError::io(path))?.len();
        let mut partial = Self { path: path.to_owned(), file, len };
        if len > size {
            partial.restart()?;
        }
        Ok(partial)
    }

    /// Forgets what has come.
    fn restart(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(HubError::io(&self.path))?;
        self.len = 0;
        Ok(())
    }

    /// Removes what cannot be right.
    fn discard(&mut self) {
        // If it stays, the next run finds that its hash is wrong.
        let _ = std::fs::remove_file(&self.path);
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file.seek(SeekFrom::Start(self.len)).map_err(HubError::io(&self.path))?;
        self.file.write_all(bytes).map_err(HubError::io(&self.path))?;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

/// Requests until all bytes are there. Tries count while nothing new comes: a server that breaks off again and again, but later
/// each time, is waited for.
fn receive(client: &Client, job: &Job<'_>, file: &mut Partial, report: &mut dyn FnMut(u64)) -> Result<(), HubError> {
    let (mut failed, mut most) = (0, file.len);
    report(file.len);
    while file.len < job.size {
        client.go_on()?;
        match attempt(client, job, file, report) {
            Ok(()) => {}
            Err(Trouble::Final(error)) => {
                if matches!(error, HubError::Length { .. } | HubError::Range { .. }) {
                    file.discard();
                }
                return Err(error);
            }
            Err(Trouble::Passing(passing)) => {
                failed = if file.len > most { 1 } else { failed + 1 };
                most = most.max(file.len);
                client.wait_after(&job.url, failed, passing)?;
            }
        }
    }
    Ok(())
}

/// One request, and what comes of it.
fn attempt(client: &Client, job: &Job<'_>, file: &mut Partial, report: &mut dyn FnMut(u64)) -> Result<(), Trouble> {
    let response = client.get(&job.url, file.len)?;
    begin(job, file, &response)?;
    let mut reader = response.into_body().into_reader();
    let mut buffer = vec![0; CHUNK];
    loop {
        client.go_on().map_err(Trouble::Final)?;
        let count = match reader.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Trouble::Passing(Passing::Connection(describe_io(&error)))),
        };
        if count == 0 {
            break;
        }
        if file.len + count as u64 > job.size {
            return Err(wrong_length(job, format!("more than {}", job.size)));
        }
        file.append(&buffer[..count]).map_err(Trouble::Final)?;
        report(file.len);
    }
    if file.len < job.size {
        return Err(Trouble::Passing(Passing::Connection("the connection ended early".to_owned())));
    }
    Ok(())
}

/// Compares what the server says it will send with what was asked for.
fn begin(job: &Job<'_>, file: &mut Partial, response: &Response<Body>) -> Result<(), Trouble> {
    match response.status().as_u16() {
        206 => {
            let range = response.headers().get("content-range").and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !continues(range, file.len, job.size) {
                return Err(Trouble::Final(HubError::Range { file: job.name.to_owned(), range: range.to_owned() }));
            }
        }
        // The server knows no ranges, and sends everything.
        200 => file.restart().map_err(Trouble::Final)?,
        // The server has no such part: what is on disk is of another file.
        status => {
            if file.len == 0 {
                return Err(Trouble::Final(HubError::Status { url: job.url.clone(), status }));
            }
            file.restart().map_err(Trouble::Final)?;
            return Err(Trouble::Passing(Passing::Status(status, None)));
        }
    }
    match response.body().content_length() {
        Some(length) if length != job.size - file.len => Err(wrong_length(job, (file.len + length).to_string())),
        _ => Ok(()),
    }
}

fn wrong_length(job: &Job<'_>, found: String) -> Trouble {
    Trouble::Final(HubError::Length { file: job.name.to_owned(), expected: job.size, found })
}

/// Whether a Content-Range such as `bytes 5-9/10` begins at `start` in a file of `size` bytes.
fn continues(range: &str, start: u64, size: u64) -> bool {
    let parts = range.trim().strip_prefix("bytes ").and_then(|rest| rest.split_once('/'));
    let Some((place, total)) = parts else { return false };
    let first = place.split_once('-').and_then(|(first, _)| first.trim().parse::<u64>().ok());
    first == Some(start) && (total.trim() == "*" || total.trim().parse() == Ok(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_that_was_asked_for_continues_a_file() {
        assert!(continues("bytes 5-9/10", 5, 10) && continues("bytes 5-9/*", 5, 10));
        for wrong in ["", "bytes 4-9/10", "bytes 5-9/11", "bytes */10", "items 5-9/10", "bytes 5-9", "bytes x-9/10"] {
            assert!(!continues(wrong, 5, 10), "{wrong}");
        }
    }
}
