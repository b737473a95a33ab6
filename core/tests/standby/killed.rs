//! Prevents: a standby that was killed while it was seeded, goes on with what its last life had written and not synced,
//! says that it has it, and loses it with the power.

use crate::pair::{Pair, follow, options, post, verified};
use crate::seeded::{Near, busy, compare};
use florin_core::Error;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk, DiskFile};
use florin_core::seeding::{Seeded, seed_on};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk of a process that is killed: from some call on nothing is done any more. Or one on which a sync of a file
/// fails.
#[derive(Clone)]
struct Killed<T> {
    below: T,
    disk: SimulatedDisk,
    calls_left: Arc<AtomicU64>,
    /// Before one fails.
    syncs_left: Arc<AtomicU64>,
    /// What a sync that fails means.
    failure: Failure,
}

#[derive(Clone, Copy)]
enum Failure {
    /// It fails, and of what it would have made durable nobody can know again.
    Once,
    /// The process is killed before it, while others of its threads come as far as their own.
    Killed,
}

impl Killed<SimulatedDisk> {
    fn after(disk: &SimulatedDisk, calls: u64) -> Arc<dyn Disk> {
        Killed::on(disk, calls, u64::MAX, Failure::Once)
    }

    fn at_sync(disk: &SimulatedDisk, syncs: u64, failure: Failure) -> Arc<dyn Disk> {
        Killed::on(disk, u64::MAX, syncs, failure)
    }

    fn on(disk: &SimulatedDisk, calls: u64, syncs: u64, failure: Failure) -> Arc<dyn Disk> {
        Arc::new(Killed {
            below: disk.clone(),
            disk: disk.clone(),
            calls_left: Arc::new(AtomicU64::new(calls)),
            syncs_left: Arc::new(AtomicU64::new(syncs)),
            failure,
        })
    }
}

impl<T> Killed<T> {
    fn living(&self) -> io::Result<&T> {
        let less = |left: u64| left.checked_sub(1);
        match self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(&self.below),
            Err(_) => Err(io::Error::other("killed")),
        }
    }

    fn file(&self, below: Arc<dyn DiskFile>, syncs_left: &Arc<AtomicU64>) -> Arc<dyn DiskFile> {
        let (disk, calls_left) = (self.disk.clone(), self.calls_left.clone());
        let (syncs_left, failure) = (syncs_left.clone(), self.failure);
        Arc::new(Killed { below, disk, calls_left, syncs_left, failure })
    }
}

impl Disk for Killed<SimulatedDisk> {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        self.living()?.create_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.living()?.list(directory)
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.living()?.create(name, access)?;
        Ok(match self.failure {
            Failure::Killed => self.file(file, &self.syncs_left),
            Failure::Once => self.file(file, &Arc::new(AtomicU64::new(u64::MAX))),
        })
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.living()?.open(name, access)?;
        Ok(match self.failure {
            // A segment that was written before fails, not what is written now.
            Failure::Once if !name.starts_with("log/") => {
                self.file(file, &Arc::new(AtomicU64::new(u64::MAX)))
            }
            _ => self.file(file, &self.syncs_left),
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if matches!(self.failure, Failure::Killed) && self.syncs_left.load(Ordering::Relaxed) == 0 {
            return Err(io::Error::other("killed"));
        }
        self.living()?.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.living()?.rename(from, to)
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.living()?.sync_directory(directory)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.living()?.free_bytes()
    }
}

impl DiskFile for Killed<Arc<dyn DiskFile>> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.living()?.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.living()?.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let less = |left: u64| left.checked_sub(1);
        let left = self.syncs_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        match (self.failure, left) {
            (Failure::Killed, Err(_)) => return Err(io::Error::other("killed")),
            (Failure::Once, Ok(1)) => self.disk.fail_call(0),
            _ => {}
        }
        self.living()?.sync()
    }

    fn bytes(&self) -> io::Result<u64> {
        self.living()?.bytes()
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.living()?.set_bytes(bytes)
    }
}

/// A bank whose log has several segments.
fn pair() -> Pair {
    let mut pair = Pair::new();
    busy(&mut pair, 20);
    for _ in 0..3 {
        pair.reopen_primary();
        post(&pair.primary, 1, 2);
    }
    pair
}

fn seed(pair: &Pair, disk: &SimulatedDisk, on: Arc<dyn Disk>) -> Result<Option<Seeded>, Error> {
    let near = Near::new(&pair.primary);
    seed_on(on, "primary:3000", &near, &options(disk), &mut |_| {})
}

/// The power goes: only what was synced is there, and that must be a standby or become one.
fn check(pair: &Pair, disk: &SimulatedDisk, at: u64) {
    let disk = disk.crash_image(disk.operations_count(), at);
    // The mark may be back, if it was not yet gone for good.
    Near::new(&pair.primary).seed(&disk).unwrap();
    let (standby, mut follower) = follow(&disk, &pair.clock, &pair.primary)
        .unwrap_or_else(|error| panic!("killed at {at}: {error}"));
    compare(&pair.primary, &standby, &mut follower);
    standby.close().unwrap();
    drop((standby, follower));
    verified(&disk);
}

#[test]
fn what_a_killed_standby_had_written_is_durable_before_it_counts() {
    let pair = pair();
    let mut kept = 0;
    for calls in 0_u64.. {
        let disk = SimulatedDisk::new();
        let ended = seed(&pair, &disk, Killed::after(&disk, calls));
        if ended.is_err() {
            let again = Near::new(&pair.primary).seed(&disk);
            let again = again.unwrap_or_else(|error| panic!("killed at call {calls}: {error}"));
            kept += again.map_or(0, |again| again.kept_bytes);
        }
        check(&pair, &disk, calls);
        if ended.is_ok() {
            assert!(0 < kept, "something of an attempt before was kept");
            return;
        }
    }
}

#[test]
fn what_could_not_be_made_durable_is_not_kept_although_it_looks_whole() {
    let pair = pair();
    for syncs in 0_u64.. {
        for fails in 1..5 {
            let disk = SimulatedDisk::new();
            let killed = Killed::at_sync(&disk, syncs, Failure::Killed);
            if seed(&pair, &disk, killed).is_ok() {
                assert!(4 < syncs, "there are several segments");
                return;
            }
            drop(seed(&pair, &disk, Killed::at_sync(&disk, fails, Failure::Once)));
            let again = Near::new(&pair.primary).seed(&disk);
            again.unwrap_or_else(|error| panic!("killed at sync {syncs}: {error}"));
            check(&pair, &disk, syncs);
        }
    }
}
