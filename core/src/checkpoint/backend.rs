//! redb over our own disk, so that tests can lose, tear and refuse its writes like any other.

use crate::disk::DiskFile;
use redb::StorageBackend;
use std::fmt;
use std::io;
use std::sync::Arc;

/// One file of a [`crate::disk::Disk`] as redb's storage. redb latches after the first error.
pub(super) struct DiskBackend(pub(super) Arc<dyn DiskFile>);

impl fmt::Debug for DiskBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskBackend")
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_bytes(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}
