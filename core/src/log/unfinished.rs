//! The mark of a directory whose log is not whole yet, and the disk of whoever is making it so.
//!
//! The mark is a file in the directory of segments. Nothing else may be there, so no command of any version
//! opens a directory that has it. Whoever restores or seeds works on a disk that does not show it.

use crate::disk::{Access, Disk, DiskFile};
use crate::log::segment::DIRECTORY;
use crate::sealing::DatabaseKey;
use std::io;
use std::sync::Arc;

/// The mark of a restore that has not come to its end.
pub(crate) const RESTORING: &str = "restoring";
/// The mark of a standby that has not been given everything yet.
pub(crate) const SEEDING: &str = "seeding";

/// A directory whose log is not whole yet.
pub(crate) struct UnfinishedDisk {
    below: Arc<dyn Disk>,
    mark: &'static str,
}

fn path(mark: &str) -> String {
    format!("{DIRECTORY}/{mark}")
}

impl UnfinishedDisk {
    /// Puts the mark into a directory, durably, before anything else is.
    pub(crate) fn begin(below: Arc<dyn Disk>, mark: &'static str) -> io::Result<UnfinishedDisk> {
        below.create_directory(DIRECTORY)?;
        below.create(&path(mark), Access::Buffered)?.sync()?;
        below.sync_directory(DIRECTORY)?;
        below.sync_directory("")?;
        Ok(UnfinishedDisk { below, mark })
    }

    /// Goes on in a directory that has the mark.
    pub(crate) fn resume(below: Arc<dyn Disk>, mark: &'static str) -> UnfinishedDisk {
        UnfinishedDisk { below, mark }
    }

    /// Takes it away: what is there is whole.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.below.remove(&path(self.mark))?;
        self.below.sync_directory(DIRECTORY)
    }
}

/// Whether a directory has a mark.
pub(crate) fn has_mark(disk: &dyn Disk, mark: &str) -> io::Result<bool> {
    match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        names => Ok(names?.iter().any(|name| name == mark)),
    }
}

impl Disk for UnfinishedDisk {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        self.below.create_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = self.below.list(directory)?;
        names.retain(|name| directory != DIRECTORY || name != self.mark);
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
