//! The mark of a restore that has not come to its end, and the disk of whoever made it.
//!
//! The mark is a file in the directory of segments. Nothing else may be there, so no command of any version
//! opens a directory that has it. Whoever restores works on a disk that does not show it.

use crate::disk::{Access, Disk, DiskFile};
use crate::log::segment::DIRECTORY;
use crate::sealing::DatabaseKey;
use std::io;
use std::sync::Arc;

/// The mark's name in the directory of segments.
pub(crate) const MARK: &str = "restoring";

/// A directory that is being restored.
pub(super) struct RestoringDisk {
    below: Arc<dyn Disk>,
}

fn path() -> String {
    format!("{DIRECTORY}/{MARK}")
}

impl RestoringDisk {
    /// Puts the mark into a directory, durably, before anything else is.
    pub(super) fn begin(below: Arc<dyn Disk>) -> io::Result<RestoringDisk> {
        below.create_directory(DIRECTORY)?;
        below.create(&path(), Access::Buffered)?.sync()?;
        below.sync_directory(DIRECTORY)?;
        below.sync_directory("")?;
        Ok(RestoringDisk { below })
    }

    /// Takes it away: what is there is whole.
    pub(super) fn end(&self) -> io::Result<()> {
        self.below.remove(&path())?;
        self.below.sync_directory(DIRECTORY)
    }
}

impl Disk for RestoringDisk {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        self.below.create_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = self.below.list(directory)?;
        names.retain(|name| directory != DIRECTORY || name != MARK);
        Ok(names)
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
        self.below.database_key()
    }
}
