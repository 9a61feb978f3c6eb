//! Running one command: its own process group, a time limit that ends the whole group, and output that cannot grow without bound.

use std::collections::BTreeSet;
use std::io;
use std::io::Read;
use std::path::Path;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use process_wrap::std::ChildWrapper;
use process_wrap::std::CommandWrap;
#[cfg(unix)]
use process_wrap::std::ProcessGroup;

/// Bytes that are kept of each of standard output and standard error; what follows is read and dropped.
pub const OUTPUT_CAP: usize = 4 << 20;
/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long output is waited for once the command has ended: a daemon that left its group may hold the pipe for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// The groups that run now, for [`close`].
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
/// Whether dcode is about to end.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed at the time limit.
    TimedOut,
    /// It was killed because nobody waits for it any more.
    Cancelled,
}

impl Status {
    /// Whether it says that all is well.
    pub fn is_success(self) -> bool {
        self == Status::Exited(0)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Status::Exited(code) => write!(f, "exit code {code}"),
            Status::Signal(signal) => write!(f, "signal {signal}"),
            Status::TimedOut => f.write_str("killed at the time limit"),
            Status::Cancelled => f.write_str("stopped"),
        }
    }
}

/// The wish that a command ends before its time; shared between who runs it and who may stop it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends what runs with it, and whatever is started with it later.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was called for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: Status,
    /// What it wrote to standard output, up to [`OUTPUT_CAP`].
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, up to [`OUTPUT_CAP`].
    pub stderr: Vec<u8>,
    /// How long it took.
    pub time: Duration,
}

/// A command to run.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The program and its arguments; a program with a slash in its name lies below `folder`, others are looked up in `PATH`.
    pub argv: &'a [String],
    /// The current folder.
    pub folder: &'a Path,
    /// Variables that are set.
    pub set: &'a [(&'a str, &'a std::ffi::OsStr)],
    /// Variables that are taken away.
    pub unset: &'a [&'a str],
    /// The time limit.
    pub time: Duration,
    /// Ends it before that.
    pub cancel: &'a Cancel,
}

/// Runs a command to its end, or to the time limit. Nothing of its process group is left behind.
///
/// # Errors
/// It cannot be started.
pub fn run(job: &Job<'_>) -> io::Result<Finished> {
    let (program, arguments) = job.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let path = Path::new(program);
    let program = if path.components().count() > 1 { job.folder.join(path) } else { path.to_path_buf() };
    let mut command = CommandWrap::with_new(program, |command| {
        command.args(arguments).current_dir(job.folder).env("PWD", job.folder);
        for name in job.unset {
            command.env_remove(name);
        }
        command.envs(job.set.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    });
    #[cfg(unix)]
    command.wrap(ProcessGroup::leader());
    let start = Instant::now();
    let mut child = command.spawn()?;
    let group = Group::of(&*child);
    if CLOSED.load(Ordering::SeqCst) {
        end(&mut *child);
    }
    let stdout = drain(child.stdout().take());
    let stderr = drain(child.stderr().take());
    let status = loop {
        match child.try_wait()? {
            Some(status) => break of_exit(status),
            None if start.elapsed() >= job.time => {
                end(&mut *child);
                child.wait()?;
                break Status::TimedOut;
            }
            None if job.cancel.is_cancelled() => {
                end(&mut *child);
                child.wait()?;
                break Status::Cancelled;
            }
            None => thread::sleep(LOOK),
        }
    };
    let time = start.elapsed();
    // What it left in the background would go on working in a tree that is about to change.
    end(&mut *child);
    drop(group);
    let last = Instant::now() + LAST_OUTPUT;
    Ok(Finished { status, stdout: stdout.take(last), stderr: stderr.take(last), time })
}

/// Ends every command that runs, with its whole group, and every one that is started after: for the moment before dcode itself
/// ends, by a signal or because something else failed.
pub fn close() {
    CLOSED.store(true, Ordering::SeqCst);
    #[cfg(unix)]
    for group in running().iter() {
        let group = i32::try_from(*group).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A group that is known to run until this is dropped.
struct Group(u32);

impl Group {
    fn of(child: &dyn ChildWrapper) -> Self {
        running().insert(child.id());
        Self(child.id())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

/// Kills the group; that there is none left is what is wanted.
fn end(child: &mut dyn ChildWrapper) {
    let _ = child.start_kill();
}

fn of_exit(status: ExitStatus) -> Status {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Status::Signal(signal);
    }
    Status::Exited(status.code().unwrap_or(-1))
}

/// Output that is read on a thread of its own.
struct Drained {
    bytes: Arc<Mutex<Vec<u8>>>,
    done: Receiver<()>,
}

impl Drained {
    /// What came until the end of the output, or until `last`.
    fn take(self, last: Instant) -> Vec<u8> {
        let _ = self.done.recv_timeout(last.saturating_duration_since(Instant::now()));
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Drained {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let (finished, done) = channel();
    let kept = Arc::clone(&bytes);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let Some(mut pipe) = pipe else { return };
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let room = OUTPUT_CAP.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..count.min(room)]);
        }
        // Whoever waits sees that the sender is gone.
        drop(finished);
    });
    Drained { bytes, done }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, time: Duration) -> Finished {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let folder = std::env::temp_dir();
        run(&Job { argv: &argv, folder: &folder, set: &[], unset: &["HOME"], time, cancel: &Cancel::default() }).unwrap()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn status_output_and_environment() {
        let done = sh("echo out; echo err >&2; echo ${HOME-none}; read line; exit 3", LONG);
        assert_eq!(
            (done.status, done.stdout.as_slice(), done.stderr.as_slice()),
            (Status::Exited(3), &b"out\nnone\n"[..], &b"err\n"[..])
        );
        assert_eq!(sh("kill -9 $$", LONG).status, Status::Signal(9));
        let argv = ["no-such-program-here".to_owned()];
        let cancel = Cancel::default();
        let job = Job { argv: &argv, folder: Path::new("/"), set: &[], unset: &[], time: LONG, cancel: &cancel };
        assert!(run(&job).is_err());
    }

    #[test]
    fn the_whole_group_dies_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        // The grandchild would write long after the limit.
        let script = format!("(sleep 1; echo late > {}) & sleep 30", mark.display());
        let start = Instant::now();
        assert_eq!(sh(&script, Duration::from_millis(200)).status, Status::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        thread::sleep(Duration::from_millis(1300));
        assert!(!mark.exists(), "a grandchild lived on");
    }

    #[test]
    fn the_whole_group_dies_when_it_is_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let (begun, mark) = (dir.path().join("begun"), dir.path().join("mark"));
        let script = format!("(sleep 1; echo late > {}) & echo > {}; sleep 30", mark.display(), begun.display());
        let argv = ["sh", "-c", &script].map(str::to_owned);
        let cancel = Cancel::default();
        let start = Instant::now();
        let status = thread::scope(|scope| {
            let job = Job { argv: &argv, folder: dir.path(), set: &[], unset: &[], time: LONG, cancel: &cancel };
            let running = scope.spawn(move || run(&job).unwrap().status);
            while !begun.exists() {
                thread::sleep(LOOK);
            }
            cancel.cancel();
            running.join().unwrap()
        });
        assert_eq!(status, Status::Cancelled);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        thread::sleep(Duration::from_millis(1300));
        assert!(!mark.exists(), "a grandchild lived on");
    }

    #[test]
    fn what_is_left_in_the_background_dies_with_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let start = Instant::now();
        assert_eq!(sh(&format!("(sleep 1; echo late > {}) & exit 0", mark.display()), LONG).status, Status::Exited(0));
        assert!(start.elapsed() < Duration::from_millis(900), "it was not waited for");
        thread::sleep(Duration::from_millis(1300));
        assert!(!mark.exists());
    }

    #[test]
    fn output_is_bounded_and_never_blocks() {
        let done = sh("head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2; exit 7", LONG);
        assert_eq!((done.status, done.stdout.len(), done.stderr.len()), (Status::Exited(7), OUTPUT_CAP, OUTPUT_CAP));
    }
}
