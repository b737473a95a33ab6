//! What the engine asks of a disk. Everything the engine stores passes through these two traits,
//! so that tests can lose, tear, reorder and refuse writes where a real disk would.
//!
//! Names are relative to the data directory, with `/` between parts (`log/00000000000000000007`).
//! Every call reports errors as [`std::io::Error`]; nothing retries.

pub mod aligned;
mod crash;
pub mod keyed;
pub mod os;
pub(crate) mod overlay;
pub mod simulated;

#[cfg(test)]
mod tests;

use crate::sealing::DatabaseKey;
use std::io;
use std::sync::Arc;

/// A data directory.
pub trait Disk: Send + Sync {
    /// Makes a directory inside the data directory, durable once [`Disk::sync_directory`] of its
    /// parent returns. Existing ones are accepted.
    fn create_directory(&self, name: &str) -> io::Result<()>;

    /// The names of the files directly in a directory (`""` is the data directory), sorted.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes a new, empty file; `AlreadyExists` if there is one.
    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file; `NotFound` if there is none.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file; the removal is durable after [`Disk::sync_directory`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file over any existing one; durable after [`Disk::sync_directory`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes creations, removals and renames in a directory durable.
    fn sync_directory(&self, directory: &str) -> io::Result<()>;

    /// Bytes that may still be written before the disk is full.
    fn free_bytes(&self) -> io::Result<u64>;

    /// What seals and opens all that is stored here; `None` if the database is not encrypted, or if
    /// nobody has given its key ([`crate::sealing::unlock`]).
    fn database_key(&self) -> Option<&DatabaseKey> {
        None
    }
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading through the page cache; writing fails.
    Read,
    /// Reading and writing through the page cache.
    Buffered,
    /// Reading and writing past the page cache where the file system knows how. Offsets, lengths
    /// and buffers of writes must be multiples of [`PAGE_BYTES`] ([`AlignedBuffer`] is).
    Direct,
}

/// An open file. Reads and writes name their offset, so a file can be shared between threads.
pub trait DiskFile: Send + Sync {
    /// Fills `buffer` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// As [`DiskFile::read_exact_at`], but never waits for the disk: `false` if the system does not
    /// have all of it in memory. Then it begins to fetch it, and the buffer's contents mean nothing.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_exact_at(buffer, offset).map(|()| true)
    }

    /// Writes all of `bytes` at `offset`. Not durable before [`DiskFile::sync`] returns.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes contents and length durable (fdatasync). After an error nothing is known of any write
    /// since the last success; callers latch and never call again.
    fn sync(&self) -> io::Result<()>;

    /// Begins to fetch bytes into the system's cache, for reads that will come. A wish: where it can't
    /// be granted, those reads take their time.
    fn read_ahead(&self, offset: u64, bytes: u64) {
        let _ = (offset, bytes);
    }

    /// Lets go what the system has cached of the file's durable bytes, so that the next read comes
    /// from the disk. A wish: nothing is lost by it, and where it can't be granted nothing happens.
    fn forget_cached(&self) {}

    /// The file's length in bytes.
    fn bytes(&self) -> io::Result<u64>;

    /// Cuts or extends (with zeros) to `bytes`; durable after [`DiskFile::sync`].
    fn set_bytes(&self, bytes: u64) -> io::Result<()>;
}

/// Alignment of direct writes, in bytes.
pub const PAGE_BYTES: usize = 4096;
