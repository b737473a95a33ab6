//! Rebuilding: everything but the log is deleted and derived again.

use crate::clock::SystemClock;
use crate::database::Database;
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::error::{Error, ErrorKind};
use crate::log::recovery::judge;
use crate::log::{End, FramePosition, LogReader, identify};
use crate::opening::check_key;
use crate::options::Options;
use crate::tree::{self, Proving};
use crate::{checkpoint, request::Status, runs, sealing};
use florin_keys::KeyEncryptionKey;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Deletes the checkpoint and all runs of the database in a directory that no process has open,
/// derives them from the log, and closes it again. O(log); may be interrupted and run again. `key`:
/// that of an encrypted database.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if the log has lost something durable: nothing was deleted.
/// [`ErrorKind::Unusable`] if it is open elsewhere or no database; [`ErrorKind::Io`].
pub fn rebuild(directory: &Path, key: Option<&dyn KeyEncryptionKey>) -> Result<Status, Error> {
    if !directory.is_dir() {
        return Err(no_database());
    }
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(directory)?);
    rebuild_on(&sealing::unlock(disk, key)?)
}

/// Rebuilds the database on any disk; an encrypted one must have been unlocked.
///
/// # Errors
/// As [`rebuild`].
pub fn rebuild_on(disk: &Arc<dyn Disk>) -> Result<Status, Error> {
    let identity = identify(disk.as_ref())?.ok_or_else(no_database)?;
    check_key(disk.as_ref(), identity)?;
    let reader = LogReader::new(disk.clone(), identity);
    if let End::Corrupt(lost) = judge(&reader, FramePosition::GENESIS, &[])? {
        return Err(Error::corrupt(lost.to_string()));
    }
    let had_tree = delete_projections(disk.as_ref())
        .map_err(|error| Error::new(ErrorKind::Io, format!("deleting what is derived: {error}")))?;
    let clock = Arc::new(SystemClock::new());
    let proving = had_tree.then(Proving::default);
    let database =
        Database::open_on(disk.clone(), clock, Options { proving, ..Options::default() })?;
    let status = database.status()?;
    if had_tree {
        database.await_tree()?;
    }
    database.close()?;
    Ok(status)
}

/// The checkpoint first: a run that it names must not be missing. Whether there was a tree of proofs.
pub(crate) fn delete_projections(disk: &dyn Disk) -> io::Result<bool> {
    if disk.list("")?.iter().any(|name| name == checkpoint::FILE_NAME) {
        disk.remove(checkpoint::FILE_NAME)?;
        disk.sync_directory("")?;
    }
    runs::remove(disk, &runs::orphans(disk, &[])?)?;
    tree::remove_all(disk)
}

fn no_database() -> Error {
    Error::new(
        ErrorKind::Unusable,
        "the directory holds no database of florin: name its data directory",
    )
}
