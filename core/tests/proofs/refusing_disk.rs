//! A disk that has no room for files of the tree, while it has for everything else.

use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk, DiskFile};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct RefusingDisk {
    disk: SimulatedDisk,
    refuses: AtomicBool,
}

impl RefusingDisk {
    pub(crate) fn on(disk: SimulatedDisk) -> RefusingDisk {
        RefusingDisk { disk, refuses: AtomicBool::new(false) }
    }

    /// From now on, or no more.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Release);
    }
}

impl Disk for RefusingDisk {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        self.disk.create_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if name.starts_with("tree/") && self.refuses.load(Ordering::Acquire) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.create(name, access)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name, access)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_directory(directory)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}
