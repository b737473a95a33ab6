//! The disk of a repair: segments that are to be replaced lie beside the log, and are read in its place.
//!
//! Invariants:
//! - the log itself is as it was until [`Staging::put_in_place`];
//! - a segment's file is replaced by one rename, after the file that it had was copied, durably;
//! - segments are replaced from the last to the first: as long as one is damaged, those behind it say that
//!   it was durable, and nothing opens the log as if it ended there.

use crate::disk::{Access, Disk, DiskFile};
use crate::log::segment::{self, DIRECTORY};
use crate::sealing::DatabaseKey;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The directory of what a repair has set aside.
pub(super) const ASIDE: &str = "damaged";
/// What the name of a segment that is to be put in place ends with.
const REPAIRING: &str = ".repairing";
/// A copy that is being made.
const KEEPING: &str = "keeping";

/// The disk.
pub(super) struct Staging {
    below: Arc<dyn Disk>,
    staged: Mutex<BTreeSet<u64>>,
}

impl Staging {
    pub(super) fn new(below: Arc<dyn Disk>) -> Staging {
        Staging { below, staged: Mutex::default() }
    }

    fn staged(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.staged().contains(&number)
    }

    /// Lays a segment beside the log, durably. From now on it is read in its place.
    pub(super) fn stage(&self, number: u64, content: &[u8]) -> io::Result<()> {
        self.below.create_directory(ASIDE)?;
        self.below.sync_directory("")?;
        self.write(&staged_name(number), content)?;
        // Its name here is not to come back once it has the one in the log.
        self.below.sync_directory(ASIDE)?;
        self.staged().insert(number);
        Ok(())
    }

    /// Replaces the segments, each by what was laid beside it. Returns what became of the files that were
    /// there, from the first to the last: their names, or `None` where there was none. May be interrupted
    /// anywhere: the log is then as damaged as it was, or less.
    pub(super) fn put_in_place(&self) -> io::Result<Vec<(u64, Option<String>)>> {
        let numbers: Vec<u64> = self.staged().iter().copied().collect();
        self.below.create_directory(DIRECTORY)?;
        self.below.sync_directory("")?;
        let mut kept = Vec::new();
        for number in numbers.into_iter().rev() {
            kept.push((number, self.keep(number)?));
            self.below.rename(&staged_name(number), &segment::file_name(number))?;
            self.below.sync_directory(DIRECTORY)?;
            self.staged().remove(&number);
        }
        self.below.sync_directory(ASIDE)?;
        kept.reverse();
        Ok(kept)
    }

    /// Copies the file of a segment to where nothing is overwritten.
    fn keep(&self, number: u64) -> io::Result<Option<String>> {
        let path = segment::file_name(number);
        let Some(content) = read_all(self.below.as_ref(), &path)? else { return Ok(None) };
        let name = path.rsplit('/').next().unwrap_or_default();
        for attempt in 0_u32.. {
            let kept = match attempt {
                0 => format!("{ASIDE}/{name}"),
                _ => format!("{ASIDE}/{name}.{attempt}"),
            };
            match read_all(self.below.as_ref(), &kept)? {
                // A repair that was interrupted has kept it.
                Some(there) if there == content => {}
                Some(_) => continue,
                None => {
                    let keeping = format!("{ASIDE}/{KEEPING}");
                    self.write(&keeping, &content)?;
                    self.below.rename(&keeping, &kept)?;
                }
            }
            self.below.sync_directory(ASIDE)?;
            return Ok(Some(kept));
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Takes away what was laid beside the log and not put in place, by this repair or by one that was
    /// interrupted.
    pub(super) fn discard(&self) -> io::Result<()> {
        let names = match self.below.list(ASIDE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for name in names.iter().filter(|name| name.ends_with(REPAIRING) || *name == KEEPING) {
            self.below.remove(&format!("{ASIDE}/{name}"))?;
        }
        self.staged().clear();
        self.below.sync_directory(ASIDE)
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        match self.below.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.below.create(name, Access::Buffered)?;
        file.write_all_at(content, 0)?;
        file.sync()
    }
}

fn staged_name(number: u64) -> String {
    let path = segment::file_name(number);
    format!("{ASIDE}/{}{REPAIRING}", path.rsplit('/').next().unwrap_or_default())
}

/// The contents of a file; `None` if there is none.
pub(super) fn read_all(disk: &dyn Disk, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(name, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let bytes = usize::try_from(file.bytes()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut content = vec![0; bytes];
    file.read_exact_at(&mut content, 0)?;
    Ok(Some(content))
}

impl Disk for Staging {
    fn create_directory(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let staged = self.staged();
        let mut names = match self.below.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !staged.is_empty() => {
                Vec::new()
            }
            names => names?,
        };
        if directory == DIRECTORY {
            let name = |number: &u64| segment::file_name(*number).split_off(DIRECTORY.len() + 1);
            names.extend(staged.iter().map(name));
            names.sort_unstable();
            names.dedup();
        }
        Ok(names)
    }

    fn create(&self, _name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access != Access::Read {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        match segment::number_of_path(name).filter(|number| self.has(*number)) {
            Some(number) => self.below.open(&staged_name(number), access),
            None => self.below.open(name, access),
        }
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_directory(&self, _directory: &str) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.below.free_bytes()
    }

    fn database_key(&self) -> Option<&DatabaseKey> {
        self.below.database_key()
    }
}
