//! A disk in memory that can fail like a real one: it loses, tears and reorders what was not
//! synced, refuses calls, fills up, flips bits and holds syncs back. It tests what ships: the engine
//! cannot tell it from [`crate::disk::os::OsDisk`].
//!
//! It keeps a journal of every operation in one total order, with marks that a test puts between
//! them ("acknowledged 7"). [`SimulatedDisk::crash_image`] says how the disk could look after a
//! power cut at any point of it ([`crate::disk::crash`]).

use crate::disk::crash::{self, Operation, Stored};
use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The disk; clones are handles to the same one.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What was asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Calls of any kind, failed ones included: what [`SimulatedDisk::fail_call`] counts.
    pub calls_count: u64,
    /// Writes that succeeded.
    pub writes_count: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Syncs of files that succeeded.
    pub syncs_count: u64,
    /// Reads that succeeded.
    pub reads_count: u64,
}

/// The contents of files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
struct State {
    directories: BTreeSet<String>,
    /// The inode of each name.
    names: BTreeMap<String, usize>,
    inodes: Vec<Vec<u8>>,
    /// What was there before the first operation: the image of a crash, or nothing.
    base: (BTreeSet<String>, Files),
    journal: Vec<Operation>,
    counters: Counters,
    /// The call that fails, and whether the disk is full from then on.
    fail_at_call: Option<u64>,
    fill_at_call: Option<u64>,
    capacity_bytes: Option<u64>,
    /// Syncs of files whose names begin so wait.
    held: Option<String>,
    waiting_count: usize,
}

impl std::fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("SimulatedDisk").field("names", &state.names.keys()).finish_non_exhaustive()
    }
}

impl SimulatedDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    /// A disk that holds these files, durably.
    pub(super) fn of(directories: BTreeSet<String>, files: Files) -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        let mut state = disk.state();
        for (name, bytes) in &files {
            let inode = state.inodes.len();
            state.inodes.push(bytes.clone());
            state.names.insert(name.clone(), inode);
        }
        state.directories.clone_from(&directories);
        state.base = (directories, files);
        drop(state);
        disk
    }

    /// The disk as it could look after a power cut once the first `operations_count` operations of
    /// the journal were done. Seed 0 loses all that was not synced, seed 1 keeps it all, every
    /// other one chooses. The same seed gives the same image.
    #[must_use]
    pub fn crash_image(&self, operations_count: usize, seed: u64) -> SimulatedDisk {
        let state = self.state();
        let (directories, files) =
            crash::image(&state.base, &state.journal[..operations_count], seed);
        SimulatedDisk::of(directories, files)
    }

    /// The disk as it is now, as a copy with an empty journal.
    #[must_use]
    pub fn copy(&self) -> SimulatedDisk {
        self.crash_image(self.operations_count(), 1)
    }

    /// Operations done so far, marks included.
    #[must_use]
    pub fn operations_count(&self) -> usize {
        self.state().journal.len()
    }

    /// Puts a mark into the journal.
    pub fn mark(&self, mark: u64) {
        self.state().journal.push(Operation::Mark(mark));
    }

    /// The marks among the first `operations_count` operations.
    #[must_use]
    pub fn marks_before(&self, operations_count: usize) -> Vec<u64> {
        let mark = |operation: &Operation| match operation {
            Operation::Mark(mark) => Some(*mark),
            _ => None,
        };
        self.state().journal[..operations_count].iter().filter_map(mark).collect()
    }

    /// Lets the call after the next `calls_count` ones fail with an I/O error, once. A sync that
    /// fails leaves its writes in doubt for ever: no later sync makes them durable.
    pub fn fail_call(&self, calls_count: u64) {
        let mut state = self.state();
        state.fail_at_call = Some(state.counters.calls_count + calls_count);
    }

    /// Lets every call that takes room fail from the one after the next `calls_count` ones on.
    pub fn fill_after(&self, calls_count: u64) {
        let mut state = self.state();
        state.fill_at_call = Some(state.counters.calls_count + calls_count);
    }

    /// Ends what [`SimulatedDisk::fail_call`] and [`SimulatedDisk::fill_after`] began.
    pub fn lift_faults(&self) {
        let mut state = self.state();
        state.fail_at_call = None;
        state.fill_at_call = None;
    }

    /// Limits the sum of the files' lengths; `None` lifts it.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.state().capacity_bytes = capacity_bytes;
    }

    /// Flips one bit of what is stored of a file.
    ///
    /// # Panics
    /// If the file has no such byte.
    pub fn corrupt(&self, name: &str, offset: usize, bit: u8) {
        let mut state = self.state();
        let inode = state.names[name];
        state.inodes[inode][offset] ^= 1 << bit;
        state.journal.push(Operation::Flip { inode, offset, bit });
    }

    /// What a file holds, synced or not.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|inode| state.inodes[*inode].clone())
    }

    /// Holds back every sync of a file whose name begins with `prefix` until
    /// [`SimulatedDisk::release_syncs`].
    pub fn hold_syncs(&self, prefix: &str) {
        self.state().held = Some(prefix.to_owned());
    }

    /// Returns once `count` syncs are being held.
    pub fn wait_for_held_syncs(&self, count: usize) {
        let mut state = self.state();
        while state.waiting_count < count {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets held syncs go on.
    pub fn release_syncs(&self) {
        self.state().held = None;
        self.shared.changed.notify_all();
    }

    /// What was asked of the disk so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state().counters
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and lets it fail if it is to.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.counters.calls_count += 1;
        let calls_count = state.counters.calls_count;
        if state.fail_at_call.take_if(|at| *at < calls_count).is_some() {
            return Err(io::Error::other("simulated I/O error"));
        }
        Ok(state)
    }

    fn file(&self, name: &str, inode: usize, access: Access) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), name: name.to_owned(), inode, access })
    }
}

impl State {
    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Refuses to take `bytes` more if the disk is full.
    fn take_room(&self, bytes: u64) -> io::Result<()> {
        let full = self.fill_at_call.is_some_and(|at| at < self.counters.calls_count);
        if full || self.free_bytes() < bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn free_bytes(&self) -> u64 {
        let Some(capacity_bytes) = self.capacity_bytes else { return u64::MAX };
        let used = self.names.values().map(|inode| length(&self.inodes[*inode]));
        capacity_bytes.saturating_sub(used.sum())
    }

    /// The directory of a name must be there, as on any disk.
    fn check_directory(&self, name: &str) -> io::Result<()> {
        let directory = crash::directory_of(name);
        if directory.is_empty() || self.directories.contains(directory) {
            return Ok(());
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimulatedDisk {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        let mut state = self.call()?;
        state.take_room(1)?;
        if state.directories.insert(name.to_owned()) {
            state.journal.push(Operation::CreateDirectory { name: name.to_owned() });
        }
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.call()?;
        if !directory.is_empty() && !state.directories.contains(directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|name| crash::directory_of(name) == directory);
        let last = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(inside.map(last).collect())
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call()?;
        state.take_room(1)?;
        state.check_directory(name)?;
        if access == Access::Read {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Vec::new());
        state.names.insert(name.to_owned(), inode);
        state.journal.push(Operation::Create { name: name.to_owned(), inode });
        Ok(self.file(name, inode, access))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.call()?.inode(name)?;
        Ok(self.file(name, inode, access))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.call()?;
        state.inode(name)?;
        state.names.remove(name);
        state.journal.push(Operation::Remove { name: name.to_owned() });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let inode = state.inode(from)?;
        state.check_directory(to)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), inode);
        let (from, to) = (from.to_owned(), to.to_owned());
        state.journal.push(Operation::Rename { from, to, inode });
        Ok(())
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let mut state = self.call()?;
        state.journal.push(Operation::SyncDirectory { name: directory.to_owned() });
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.call()?.free_bytes())
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    name: String,
    inode: usize,
    access: Access,
}

impl SimulatedFile {
    /// What a real disk refuses: writing through a handle for reading, and direct writes that are
    /// not whole aligned pages.
    fn check_write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.access {
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
            Access::Buffered => Ok(()),
            Access::Direct => {
                let aligned = bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES)
                    && bytes.len().is_multiple_of(PAGE_BYTES)
                    && offset.is_multiple_of(4096);
                if aligned { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
            }
        }
    }
}

impl DiskFile for SimulatedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.call()?;
        if buffer.is_empty() {
            // Nothing is read, so nothing is past the end.
            return Ok(());
        }
        let contents = &state.inodes[self.inode];
        let part = usize::try_from(offset).ok().and_then(|start| contents.get(start..));
        let part = part.and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        state.counters.reads_count += 1;
        Ok(())
    }

    /// Of every other page the system has nothing in memory.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        let is_cached = (offset / length(&[0; PAGE_BYTES])).is_multiple_of(2);
        if is_cached { self.read_exact_at(buffer, offset).map(|()| true) } else { Ok(false) }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.call()?;
        self.check_write(bytes, offset)?;
        let end = offset + length(bytes);
        let grown = end.saturating_sub(length(&state.inodes[self.inode]));
        if 0 < grown {
            state.take_room(grown)?;
        }
        crash::write(&mut state.inodes[self.inode], offset, bytes);
        state.counters.writes_count += 1;
        state.counters.written_bytes += length(bytes);
        let bytes = Stored::of(bytes);
        state.journal.push(Operation::Write { inode: self.inode, offset, bytes });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        // A sync covers what was written before it began, not what is written while it is held.
        let covered_count = state.journal.len();
        state.waiting_count += 1;
        self.disk.shared.changed.notify_all();
        while state.held.as_ref().is_some_and(|prefix| self.name.starts_with(prefix)) {
            state = self.disk.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting_count -= 1;
        drop(state);
        match self.disk.call() {
            Ok(mut state) => {
                state.counters.syncs_count += 1;
                state.journal.push(Operation::Sync { inode: self.inode, covered_count });
                Ok(())
            }
            Err(error) => {
                let failed = Operation::FailedSync { inode: self.inode };
                self.disk.state().journal.push(failed);
                Err(error)
            }
        }
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(length(&self.disk.call()?.inodes[self.inode]))
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.call()?;
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let grown = bytes.saturating_sub(length(&state.inodes[self.inode]));
        if 0 < grown {
            state.take_room(grown)?;
        }
        crash::set_bytes(&mut state.inodes[self.inode], bytes);
        state.journal.push(Operation::SetBytes { inode: self.inode, bytes });
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("files are in memory")
}
