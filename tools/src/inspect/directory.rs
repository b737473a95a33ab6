//! A data directory that can only be read, and that needs no lock: what is durable never changes.

use florin_core::disk::{Access, Disk, DiskFile};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A data directory, read-only.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    directory: PathBuf,
}

#[derive(Debug)]
struct ReadOnlyFile(File);

impl ReadOnly {
    pub(crate) fn open(directory: &Path) -> io::Result<ReadOnly> {
        // Says now, and not as an empty log, that there is no such directory.
        fs::read_dir(directory)?;
        Ok(ReadOnly { directory: directory.to_path_buf() })
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ReadOnly {
    fn create_directory(&self, _name: &str) -> io::Result<()> {
        refused()
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory.join(directory))? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, _name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        refused()
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access != Access::Read {
            return refused();
        }
        Ok(Arc::new(ReadOnlyFile(File::open(self.directory.join(name))?)))
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        refused()
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        refused()
    }

    fn sync_directory(&self, _directory: &str) -> io::Result<()> {
        refused()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }
}

impl DiskFile for ReadOnlyFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_bytes(&self, _bytes: u64) -> io::Result<()> {
        refused()
    }
}
