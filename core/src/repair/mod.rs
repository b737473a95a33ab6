//! Repairing: segments of the log that are damaged are replaced by what another copy of the same log has of
//! them, a server's or a backup's.
//!
//! 1. The log is read from its first frame; where it can't be read on although more was durable, the
//!    segment is fetched, checked and laid beside it (`gaps`, `piece`, `staging`), until all that
//!    anybody knows to be durable can be read. Up to here the log is as it was, and any refusal leaves it so.
//! 2. Each damaged file is copied to the directory `damaged`, and its segment put in place.
//! 3. All of it is verified as `florin verify` does. If it is only what is derived that does not hold, that
//!    is derived again.
//!
//! Interrupted anywhere, it can be run again. Nothing is ever cut that was durable, and no file is deleted
//! that could be the only copy of anything. What is not in the log (the keyring, the database key) is not
//! repaired: it is told.

mod backed_up;
mod gaps;
mod piece;
mod staging;

pub use backed_up::BackedUp;
pub use gaps::Damaged;

use crate::backup::Source;
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::disk::overlay::Overlay;
use crate::error::{Error, ErrorKind};
use crate::following::mark::{MarkState, StandbyMark};
use crate::rebuild::{delete_projections, rebuild_on};
use crate::sealing;
use crate::verify::{Progress, VerifyReport, verify_keyring, verify_on};
use florin_keys::KeyEncryptionKey;
use florin_ledger::Lsn;
use gaps::Gaps;
use staging::Staging;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What was repaired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repaired {
    /// The segments that were replaced, in order. Empty: nothing of the log was damaged.
    pub segments: Vec<Replaced>,
    /// The end of the log.
    pub end: Lsn,
    /// What became of checkpoint, runs and tree.
    pub derived: DerivedFiles,
    /// What was verified at last. Its findings are what could not be repaired.
    pub report: VerifyReport,
}

/// A segment that was replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaced {
    /// What was wrong with it.
    pub damaged: Damaged,
    /// Where the file is kept that was there; `None` if there was none.
    pub kept: Option<String>,
}

/// What became of what follows from the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DerivedFiles {
    /// It was as the log has it.
    Whole,
    /// It was derived again.
    Rebuilt,
    /// It was deleted: the standby derives it when it is served.
    Deleted,
}

/// Repairs the database in a directory that no process has open. Returns when all is durable and was
/// verified. O(log); memory as for verifying, and two segments. `key`: that of an encrypted database; without it,
/// its log is repaired, and what takes a key to look at is left as it is.
///
/// # Errors
/// [`ErrorKind::Unusable`] if it is open elsewhere, or the source is another bank or another life of this
/// one; [`ErrorKind::Fork`] if the source's log is another history; [`ErrorKind::Corrupt`] if the source is
/// damaged, or does not have what is lost: the log is as it was. [`ErrorKind::Io`], [`ErrorKind::DiskFull`]:
/// run it again.
pub fn repair(
    directory: &Path,
    key: Option<&dyn KeyEncryptionKey>,
    source: &dyn Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<Repaired, Error> {
    if !directory.is_dir() {
        return Err(Error::new(
            ErrorKind::Unusable,
            format!("there is no directory {}: name a data directory", directory.display()),
        ));
    }
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(directory)?);
    let disk = if key.is_some() { sealing::unlock(disk, key)? } else { disk };
    repair_on(&disk, key, source, progress)
}

/// Repairs the database on any disk; an encrypted one may have been unlocked with `key`.
///
/// # Errors
/// As [`repair`].
pub fn repair_on(
    disk: &Arc<dyn Disk>,
    key: Option<&dyn KeyEncryptionKey>,
    source: &dyn Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<Repaired, Error> {
    let staging = Arc::new(Staging::new(disk.clone()));
    let repaired = replace_segments(&staging, source, progress);
    // Whatever else went wrong, what is left beside the log is in nobody's way.
    let discarded = staging.discard();
    let (segments, end) = repaired?;
    discarded.map_err(|error| failed("what the repair has laid aside", &error))?;
    let (report, derived) = prove(disk, key, progress)?;
    Ok(Repaired { segments, end, derived, report })
}

fn replace_segments(
    staging: &Arc<Staging>,
    source: &dyn Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vec<Replaced>, Lsn), Error> {
    let mut gaps = Gaps::new(staging.clone(), source)?;
    let end = gaps.close(progress)?;
    let mut damaged = gaps.damaged;
    if damaged.is_empty() {
        return Ok((Vec::new(), end.lsn));
    }
    let kept = staging.put_in_place().map_err(|error| failed("replacing segments", &error))?;
    damaged.sort_by_key(|damaged| damaged.number);
    assert_eq!(kept.len(), damaged.len(), "every segment that was laid aside is in its place");
    let segments = damaged.into_iter().zip(kept);
    let segments = segments.map(|(damaged, (number, kept))| {
        assert_eq!(damaged.number, number, "both are in order");
        Replaced { damaged, kept }
    });
    Ok((segments.collect(), end.lsn))
}

/// Verifies everything, and derives again what is derived if that is what does not hold.
fn prove(
    disk: &Arc<dyn Disk>,
    key: Option<&dyn KeyEncryptionKey>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(VerifyReport, DerivedFiles), Error> {
    let mut report = verified(disk, progress)?;
    let mut derived = DerivedFiles::Whole;
    if !report.findings.is_empty() && !report.is_locked && holds_without_projections(disk)? {
        let mark = StandbyMark::read(disk.as_ref())?;
        if mark.is_some_and(|mark| mark.state != MarkState::Decides) {
            delete_projections(disk.as_ref())
                .map_err(|error| failed("deleting what is derived", &error))?;
            derived = DerivedFiles::Deleted;
        } else {
            rebuild_on(disk)?;
            derived = DerivedFiles::Rebuilt;
        }
        report = verified(disk, progress)?;
    }
    if report.is_locked {
        // Nobody can give a key that opens it.
        match sealing::wrapped(disk.as_ref()) {
            Ok(Some(_)) => {}
            Ok(None) => report.findings.push(format!(
                "the log is encrypted and there is no file `{}`: put back a copy of it, from a backup \
                 or a standby",
                sealing::FILE_NAME
            )),
            Err(error) if error.kind() == ErrorKind::Io => return Err(error),
            Err(error) => report.findings.push(error.to_string()),
        }
    }
    if let Some(key) = key {
        let before = report.findings.len();
        verify_keyring(disk, key, &mut report)?;
        for finding in report.findings.iter_mut().skip(before) {
            finding.push_str(
                "; the keyring is in no log: `florin keyring restore` puts back a copy of it",
            );
        }
    }
    Ok((report, derived))
}

fn verified(
    disk: &Arc<dyn Disk>,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, Error> {
    verify_on(disk, progress)?.ok_or_else(|| Error::corrupt("there is no log to verify"))
}

/// Whether the log alone holds. Reads all of it.
fn holds_without_projections(disk: &Arc<dyn Disk>) -> Result<bool, Error> {
    let bare: Arc<dyn Disk> = Arc::new(Overlay::new(disk.clone()));
    delete_projections(bare.as_ref()).map_err(|error| failed("what is derived", &error))?;
    Ok(verified(&bare, &mut |_| {})?.findings.is_empty())
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::database::Database;
    use crate::disk::simulated::SimulatedDisk;
    use crate::options::Options;
    use crate::snapshot::StillLog;

    /// Prevents: a standby's directory that is opened to decide by being repaired: that would be a fork.
    #[test]
    fn what_is_derived_in_a_standbys_directory_is_deleted_and_its_log_is_not_written_to() {
        let disk = SimulatedDisk::new();
        let preparer = crate::log::PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            free_bytes_min: 0,
        };
        let options = Options { segment_bytes: 8 << 20, preparer, ..Options::default() };
        let any: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock = Arc::new(SystemClock::new());
        Database::open_on(any.clone(), clock, options).unwrap().close().unwrap();
        let source: Arc<dyn Disk> = Arc::new(disk.copy());
        let source = StillLog::open(&source).unwrap();
        let primary = String::from("ledger-1:3000");
        let mark = StandbyMark::new(MarkState::Follows, 7, &primary);
        mark.write(&disk).unwrap();
        let checkpoint = crate::checkpoint::FILE_NAME;
        for offset in (0..disk.contents(checkpoint).unwrap().len()).step_by(512) {
            disk.corrupt(checkpoint, offset, 3);
        }
        let log = disk.contents("log/00000000000000000000");
        let repaired = repair_on(&any, None, &source, &mut |_| {}).unwrap();
        assert_eq!(repaired.derived, DerivedFiles::Deleted);
        assert_eq!((repaired.segments.len(), repaired.report.findings.len()), (0, 0));
        assert_eq!(disk.contents(checkpoint), None);
        assert!(disk.contents("log/00000000000000000000") == log);
        assert_eq!(disk.list("log").unwrap().len(), 1);
    }
}
