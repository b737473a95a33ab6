//! Prevents: a standby that was killed while it was seeded, goes on with what its last life had written and not synced,
//! says that it has it, and loses it with the power.

use crate::pair::{Pair, follow, options, post, verified};
use crate::seeded::{Near, busy, compare};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk, DiskFile};
use florin_core::seeding::seed_on;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk of a process that is killed: from some call on nothing is done any more.
#[derive(Clone)]
struct Killed<T> {
    below: T,
    calls_left: Arc<AtomicU64>,
}

impl<T> Killed<T> {
    fn living(&self) -> io::Result<&T> {
        let less = |left: u64| left.checked_sub(1);
        match self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(&self.below),
            Err(_) => Err(io::Error::other("killed")),
        }
    }

    fn file(&self, below: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Killed { below, calls_left: self.calls_left.clone() })
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
        Ok(self.file(self.living()?.create(name, access)?))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.living()?.open(name, access)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
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
        self.living()?.sync()
    }

    fn bytes(&self) -> io::Result<u64> {
        self.living()?.bytes()
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.living()?.set_bytes(bytes)
    }
}

#[test]
fn what_a_killed_standby_had_written_is_durable_before_it_counts() {
    let mut pair = Pair::new();
    busy(&mut pair, 20);
    for _ in 0..3 {
        pair.reopen_primary();
        post(&pair.primary, 1, 2);
    }
    let mut kept = 0;
    for calls in 0_u64.. {
        let disk = SimulatedDisk::new();
        let killed = Killed { below: disk.clone(), calls_left: Arc::new(AtomicU64::new(calls)) };
        let near = Near::new(&pair.primary);
        let options = options(&disk);
        let ended = seed_on(Arc::new(killed), "primary:3000", &near, &options, &mut |_| {});
        if ended.is_err() {
            let again = Near::new(&pair.primary).seed(&disk);
            let again = again.unwrap_or_else(|error| panic!("killed at call {calls}: {error}"));
            kept += again.map_or(0, |again| again.kept_bytes);
        }
        // The power goes; only what was synced is there.
        let disk = disk.crash_image(disk.operations_count(), calls);
        // The mark may be back, if it was not yet gone for good.
        Near::new(&pair.primary).seed(&disk).unwrap();
        let (standby, mut follower) = follow(&disk, &pair.clock, &pair.primary)
            .unwrap_or_else(|error| panic!("killed at call {calls}: {error}"));
        compare(&pair.primary, &standby, &mut follower);
        standby.close().unwrap();
        drop((standby, follower));
        verified(&disk);
        if ended.is_ok() {
            assert!(0 < kept, "something of an attempt before was kept");
            return;
        }
    }
}
