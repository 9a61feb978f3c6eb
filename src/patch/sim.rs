//! A file system for tests that keeps nothing that was not synced, and can lose power or fail at any operation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rand::Rng;
use rand::rngs::StdRng;

use super::disk::Disk;
use super::disk::Like;
use super::target::Target;
use super::target::TargetError;

/// One content, with what of it is durable.
#[derive(Clone, Debug)]
struct Inode {
    now: Vec<u8>,
    durable: Option<Vec<u8>>,
}

/// Names that change together, in the directory they are in.
type Change = Vec<(PathBuf, Option<usize>)>;

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced: Vec<Change>,
    operations: usize,
    fail_at: Option<usize>,
    dead: bool,
    once: bool,
    /// What the system says of an operation that fails.
    errno: i32,
    can_exchange: bool,
    interfere: Option<(usize, PathBuf, Vec<u8>)>,
}

/// The file system.
#[derive(Debug, Default)]
pub(super) struct SimDisk(RefCell<State>);

impl SimDisk {
    pub(super) fn new(can_exchange: bool) -> SimDisk {
        SimDisk(RefCell::new(State { can_exchange, ..State::default() }))
    }

    /// Puts a durable file there.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) {
        let state = &mut *self.0.borrow_mut();
        state.inodes.push(Inode { now: bytes.to_vec(), durable: Some(bytes.to_vec()) });
        state.names.insert(path.into(), state.inodes.len() - 1);
        state.durable_names.insert(path.into(), state.inodes.len() - 1);
    }

    /// What another program does: it writes a new file and gives it the name, all durable.
    fn save_over(state: &mut State, path: &Path, bytes: &[u8]) {
        state.inodes.push(Inode { now: bytes.to_vec(), durable: Some(bytes.to_vec()) });
        let change = vec![(path.to_path_buf(), Some(state.inodes.len() - 1))];
        apply(&mut state.names, &change);
        state.unsynced.push(change);
    }

    /// Power fails at the operation of this number; with `once`, only that one operation fails and the power stays.
    pub(super) fn fail_at(&self, operation: usize, once: bool) {
        let state = &mut *self.0.borrow_mut();
        (state.operations, state.fail_at, state.once, state.dead) = (0, Some(operation), once, false);
    }

    /// Operations that fail do so with this error from now on; 0 stands for no error that a system knows.
    pub(super) fn fail_with(&self, errno: i32) {
        self.0.borrow_mut().errno = errno;
    }

    /// Another program saves `path` just before the operation of this number.
    pub(super) fn interfere_at(&self, operation: usize, path: &str, bytes: &[u8]) {
        let state = &mut *self.0.borrow_mut();
        state.operations = 0;
        state.interfere = Some((operation, path.into(), bytes.to_vec()));
    }

    /// Operations since the last call of `fail_at` or `interfere_at`.
    pub(super) fn operations(&self) -> usize {
        self.0.borrow().operations
    }

    /// Every file and its content.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.borrow();
        state.names.iter().map(|(path, inode)| (path.clone(), state.inodes[*inode].now.clone())).collect()
    }

    /// What is on the disk after the power came back: synced content and names; of the rest, anything.
    pub(super) fn after_power_loss(&self, random: &mut StdRng) -> SimDisk {
        let mut state = self.0.borrow().clone();
        for change in std::mem::take(&mut state.unsynced) {
            if random.random_bool(0.5) {
                apply(&mut state.durable_names, &change);
            }
        }
        for inode in &mut state.inodes {
            let durable = inode.durable.clone().unwrap_or_else(|| match random.random_range(0..3) {
                0 => Vec::new(),
                1 => vec![0; inode.now.len()],
                _ => inode.now[..random.random_range(0..=inode.now.len())].to_vec(),
            });
            *inode = Inode { now: durable.clone(), durable: Some(durable) };
        }
        state.names = state.durable_names.clone();
        (state.fail_at, state.dead, state.interfere) = (None, false, None);
        SimDisk(RefCell::new(state))
    }

    fn operation<T>(&self, run: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let state = &mut *self.0.borrow_mut();
        if let Some((at, path, bytes)) = state.interfere.take_if(|(at, ..)| *at == state.operations) {
            let _ = at;
            SimDisk::save_over(state, &path, &bytes);
        }
        let fails = state.dead || state.fail_at == Some(state.operations);
        state.operations += 1;
        if fails {
            state.dead = !state.once;
            return Err(io::Error::from_raw_os_error(state.errno));
        }
        run(state)
    }
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, change: &Change) {
    for (path, inode) in change {
        match inode {
            Some(inode) => names.insert(path.clone(), *inode),
            None => names.remove(path),
        };
    }
}

impl State {
    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.unsynced.push(change);
    }
}

impl Disk for SimDisk {
    fn resolve(&self, path: &Path, _: Option<&Path>) -> Result<Target, TargetError> {
        Ok(Target::unchecked(path.into()))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.operation(|state| Ok(state.inodes[state.inode(path)?].now.clone()))
    }

    fn create(&self, path: &Path, bytes: &[u8], _: Like<'_>) -> io::Result<()> {
        self.operation(|state| {
            if state.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.inodes.push(Inode { now: bytes.to_vec(), durable: None });
            state.change(vec![(path.into(), Some(state.inodes.len() - 1))]);
            Ok(())
        })
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.operation(|state| {
            let inode = state.inode(path)?;
            state.inodes[inode].durable = Some(state.inodes[inode].now.clone());
            Ok(())
        })
    }

    fn exchange(&self, a: &Path, b: &Path) -> io::Result<bool> {
        self.operation(|state| {
            if !state.can_exchange {
                return Ok(false);
            }
            let (inode_a, inode_b) = (state.inode(a)?, state.inode(b)?);
            state.change(vec![(a.into(), Some(inode_b)), (b.into(), Some(inode_a))]);
            Ok(true)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operation(|state| {
            let inode = state.inode(from)?;
            state.change(vec![(from.into(), None), (to.into(), Some(inode))]);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operation(|state| {
            if state.names.contains_key(path) {
                state.change(vec![(path.into(), None)]);
            }
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operation(|state| {
            let here = |change: &Change| change.iter().any(|(path, _)| path.parent() == Some(dir));
            let (synced, rest) = std::mem::take(&mut state.unsynced).into_iter().partition(here);
            state.unsynced = rest;
            let synced: Vec<Change> = synced;
            synced.iter().for_each(|change| apply(&mut state.durable_names, change));
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.operation(|state| {
            let names = state.names.keys().filter(|path| path.parent() == Some(dir));
            Ok(names.filter_map(|path| path.file_name().map(Into::into)).collect())
        })
    }
}
