//! The operating system's disk: the only file that names std's files and asks for syncs.

use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use crate::error::{Error, ErrorKind, IN_USE};
use rustix::fs::{Advice, OFlags, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK_NAME: &str = "lock";
const LOG_NAME: &str = "log";
/// Linux fetches no more for one wish than it reads ahead by itself, and that is 128 KiB if nobody has
/// set it.
const READ_AHEAD_STEP_BYTES: NonZeroU64 = NonZeroU64::new(128 << 10).expect("it is not zero");
/// A bank's books are for their owner's eyes.
const OWNER_FILE: u32 = 0o600;
const OWNER_DIRECTORY: u32 = 0o700;

/// A data directory, locked against every other opening while this value lives.
#[derive(Debug)]
pub struct OsDisk {
    directory: PathBuf,
    /// Its lock falls with it, however the process ends.
    _lock: File,
}

impl OsDisk {
    /// Opens a data directory, making it if there is none, and locks it.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if another process (or this one) has it open, or if it has files and
    /// no log (nothing is changed then); [`ErrorKind::Io`] if the operating system refuses.
    pub fn open(directory: &Path) -> Result<OsDisk, Error> {
        let refused = |error: io::Error| {
            Error::new(ErrorKind::Io, format!("data directory {}: {error}", directory.display()))
        };
        make_durably(directory).map_err(refused)?;
        check_is_ours(directory)?;
        let lock = OpenOptions::new()
            .mode(OWNER_FILE)
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(LOCK_NAME))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => Ok(OsDisk { directory: directory.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Unusable,
                format!(
                    "data directory {} {IN_USE}: stop the other process first",
                    directory.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(refused(error)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.directory.clone() } else { self.directory.join(name) }
    }
}

/// Leaves somebody else's directory as it is. Ours has a lock file, or at least a log.
fn check_is_ours(directory: &Path) -> Result<(), Error> {
    let has = |name| directory.join(name).exists();
    let foreign = match fs::read_dir(directory).map(|mut entries| entries.next()) {
        Ok(Some(Ok(entry))) if !has(LOCK_NAME) && !has(LOG_NAME) => entry,
        _ => return Ok(()),
    };
    Err(Error::new(
        ErrorKind::Unusable,
        format!(
            "directory {} has a file {:?} and no log: it is not a data directory of florin, or its \
             log is gone; name an empty directory, or restore a backup",
            directory.display(),
            foreign.file_name()
        ),
    ))
}

/// Makes a directory and those above it, each made durable in the one that holds it: a directory
/// that vanishes in a power cut takes a synced log with it.
fn make_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = match directory.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_durably(above)?;
    match DirBuilder::new().mode(OWNER_DIRECTORY).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}

/// Opens a file for reading and, unless that is all, for writing.
fn open_cached(path: &Path, access: Access, options: &mut OpenOptions) -> io::Result<File> {
    options.read(true).write(access != Access::Read).open(path)
}

/// Opens a file past the page cache; `None` where the file system knows no such thing.
fn open_direct(path: &Path) -> io::Result<Option<File>> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).expect("flags of open are an int");
    match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_invalid(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_invalid(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::INVAL.raw_os_error())
}

impl Disk for OsDisk {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        match DirBuilder::new().mode(OWNER_DIRECTORY).create(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(directory))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_lock = directory.is_empty() && name == LOCK_NAME;
            if !is_lock && !entry.file_type()?.is_dir() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        let cached = open_cached(&path, access, options.mode(OWNER_FILE).create_new(true))?;
        let file = OsFile::over(cached, &path, access);
        if file.is_err() {
            // Left there, it would refuse every later try.
            let _ = fs::remove_file(&path);
        }
        Ok(Arc::new(file?))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        let cached = open_cached(&path, access, &mut OpenOptions::new())?;
        Ok(Arc::new(OsFile::over(cached, &path, access)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        File::open(self.path(directory))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let answer = rustix::fs::statvfs(&self.directory)?;
        Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
    }
}

#[derive(Debug)]
struct OsFile {
    cached: File,
    /// The same file for writes past the page cache, if asked for and known.
    direct: Option<File>,
}

impl OsFile {
    fn over(cached: File, path: &Path, access: Access) -> io::Result<OsFile> {
        let direct = if access == Access::Direct { open_direct(path)? } else { None };
        Ok(OsFile { cached, direct })
    }
}

impl DiskFile for OsFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.cached.read_exact_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        let bytes = buffer.len();
        let buffers = &mut [IoSliceMut::new(buffer)];
        match preadv2(&self.cached, buffers, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) if read == bytes => return Ok(true),
            // Less than all, or a file system that does not know how: the reading says more.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        self.read_ahead(offset, u64::try_from(bytes).expect("a buffer is small"));
        Ok(false)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Some(direct) = &self.direct else {
            return self.cached.write_all_at(bytes, offset);
        };
        debug_assert!(bytes.len().is_multiple_of(PAGE_BYTES), "direct writes are whole pages");
        debug_assert!(bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES), "of aligned memory");
        match direct.write_all_at(bytes, offset) {
            // Some file systems accept the flag and refuse the write.
            Err(error) if is_invalid(&error) => self.cached.write_all_at(bytes, offset),
            other => other,
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.cached.sync_data()
    }

    fn read_ahead(&self, offset: u64, bytes: u64) {
        let (mut next, end) = (offset, offset.saturating_add(bytes));
        while let Some(left) = NonZeroU64::new(end - next) {
            let bytes = left.min(READ_AHEAD_STEP_BYTES);
            let _ = fadvise(&self.cached, next, Some(bytes), Advice::WillNeed);
            next += bytes.get();
        }
    }

    fn forget_cached(&self) {
        let all = None;
        let _ = fadvise(&self.cached, 0, all, Advice::DontNeed);
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.cached.metadata()?.len())
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.cached.set_len(bytes)
    }
}
