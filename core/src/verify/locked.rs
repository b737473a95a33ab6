//! Verification of an encrypted database without its key: all that is stored carries checks that
//! take none, and the log's chain says that nothing is missing or in another order. What the
//! records say is for who has the key.

use super::{Progress, VerifyReport};
use crate::checkpoint::{CheckpointStore, FILE_NAME};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::log::recovery::judge_end;
use crate::log::{End, FramePosition, Identity, LogReader};
use crate::runs::RunName;
use crate::runs::pages::PageReader;
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;

/// Pages that every run has: header, a block or an index, footer.
const PAGES_MIN: u64 = 3;

/// Verifies what takes no key.
pub(super) fn verify(
    disk: &Arc<dyn Disk>,
    identity: Identity,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, Error> {
    let mut report = VerifyReport {
        incarnation: identity.incarnation,
        is_locked: true,
        ..VerifyReport::default()
    };
    let mut witnesses = Vec::new();
    if has_checkpoint(disk.as_ref())? {
        match CheckpointStore::scrub(disk).map_err(Error::from) {
            Ok(None) => {}
            Ok(Some(metadata)) => {
                report.checkpoint = Some(metadata.position);
                witnesses.push(metadata.rows_position);
                for name in &metadata.runs {
                    scrub_run(disk.as_ref(), *name, &mut report)?;
                }
            }
            Err(error) => note(error, &mut report)?,
        }
    }
    scrub_log(&LogReader::new(Arc::clone(disk), identity), &witnesses, &mut report, progress)?;
    Ok(report)
}

fn has_checkpoint(disk: &dyn Disk) -> Result<bool, Error> {
    let listed = disk.list("").map_err(|error: io::Error| {
        Error::new(ErrorKind::of_io(&error), format!("the data directory: {error}"))
    });
    Ok(listed?.iter().any(|name| name == FILE_NAME))
}

fn scrub_run(disk: &dyn Disk, name: RunName, report: &mut VerifyReport) -> Result<(), Error> {
    let scrubbed = PageReader::open(disk, name, PAGES_MIN).and_then(|pages| pages.scrub());
    scrubbed.map_err(Error::from).or_else(|error| note(error, report))
}

/// Damage is a finding; all else is in the way of looking.
fn note(error: Error, report: &mut VerifyReport) -> Result<(), Error> {
    if error.kind() != ErrorKind::Corrupt {
        return Err(error);
    }
    report.findings.push(error.to_string());
    Ok(())
}

fn scrub_log(
    reader: &LogReader,
    witnesses: &[Lsn],
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let mut frames = reader.frames(FramePosition::GENESIS, Lsn(u64::MAX));
    while let Some(frame) = frames.next()? {
        report.frames_count += 1;
        report.records_count += frame.records_count();
        report.epoch = frame.epoch();
        report.end = frame.after().lsn;
        progress(Progress { position: report.end });
    }
    match judge_end(reader, &frames, witnesses)? {
        End::Clean { .. } => {}
        End::Torn { .. } => report.is_torn = true,
        End::Corrupt(lost) => report.findings.push(lost.to_string()),
    }
    Ok(())
}
