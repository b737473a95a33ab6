//! A disk with the database key of the database on it. Everything stored goes through a [`Disk`],
//! so whoever may read a file has at hand what opens it, and nothing in between carries keys
//! around.

use crate::disk::{Access, Disk, DiskFile};
use crate::sealing::DatabaseKey;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A disk and a database key; files are passed through as they are.
pub struct KeyedDisk {
    below: Arc<dyn Disk>,
    key: DatabaseKey,
}

impl KeyedDisk {
    /// A disk whose files are of the database that this is the database key of.
    #[must_use]
    pub fn new(below: Arc<dyn Disk>, key: DatabaseKey) -> KeyedDisk {
        KeyedDisk { below, key }
    }
}

impl fmt::Debug for KeyedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedDisk")
    }
}

impl Disk for KeyedDisk {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        self.below.create_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.below.list(directory)
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.below.create(name, access)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.below.open(name, access)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.below.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.below.sync_directory(directory)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.below.free_bytes()
    }

    fn database_key(&self) -> Option<&DatabaseKey> {
        Some(&self.key)
    }
}
