//! The primary's side: its newest checkpoint with the runs that it names, as they were when they were asked for.
//!
//! Nothing is pinned for others: a read transaction keeps the pages of the checkpoint, and open files keep the runs,
//! also once they have no name any more. Both go with the [`Offer`].

use super::{Offered, PART_HOLDS, PART_PAGES, PART_RUNS};
use crate::checkpoint::{Export, ExportTable};
use crate::database::Database;
use crate::disk::{Access, DiskFile};
use crate::error::{Error, ErrorKind};
use crate::limits::SNAPSHOT_PIECE_BYTES_MAX;
use crate::shipping::Replication;
use crate::snapshot::Snapshot;
use std::fmt;
use std::io;
use std::sync::Arc;

/// How often runs are looked for that a newer checkpoint has just replaced.
const ATTEMPTS_MAX: usize = 16;

/// A checkpoint that standbys are seeded from, readable by any thread.
pub struct Offer {
    moment: Snapshot,
    offered: Offered,
    export: Export,
    runs: Vec<Arc<dyn DiskFile>>,
}

impl Database {
    /// The newest checkpoint, to be copied while the database goes on; `None` if there is none yet, and of a standby. While it is held,
    /// the checkpoint file does not use the room again that later checkpoints leave free.
    ///
    /// # Errors
    /// The checkpoint file's; see [`ErrorKind`].
    pub fn offer(&self) -> Result<Option<Offer>, Error> {
        // None of a standby: nobody sends digests there, and who was given it could never show that it is the same.
        if matches!(self.replication(), Replication::Standby(..)) {
            return Ok(None);
        }
        // Not its status, which waits until everything may be told: perhaps for the standby that asks here.
        let incarnation = self.life();
        let reads = self.reads()?;
        let disk = reads.log().disk();
        for _ in 0..ATTEMPTS_MAX {
            let Some(export) = self.shared.exports.latest()? else { return Ok(None) };
            let runs = export.metadata().runs.iter();
            let opened = runs.map(|run| disk.open(&run.path(), Access::Read));
            let runs: Vec<Arc<dyn DiskFile>> = match opened.collect() {
                // A newer checkpoint was made meanwhile, and they were merged.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(|error: io::Error| failed(&error))?,
            };
            let bytes: io::Result<Vec<u64>> = runs.iter().map(|run| run.bytes()).collect();
            let bytes = bytes.map_err(|error| failed(&error))?;
            let offered = Offered::new(export.head().clone(), bytes);
            // A checkpoint is of what is durable here, whether it may be told or not.
            let synced = self.release().synced().get();
            let end = reads.log().position_at(synced, synced)?;
            let moment = Snapshot::new(disk, reads.log(), incarnation, end)?;
            return Ok(Some(Offer { moment, offered, export, runs }));
        }
        Err(Error::new(ErrorKind::Busy, "checkpoints follow one another too fast: ask again"))
    }
}

impl Offer {
    /// A moment of the log that has everything that the checkpoint speaks of.
    #[must_use]
    pub fn moment(&self) -> &Snapshot {
        &self.moment
    }

    /// What it says of itself.
    #[must_use]
    pub fn offered(&self) -> &Offered {
        &self.offered
    }

    /// A piece of a part: of account pages and of holds entries from a key on, none once there are no more; of a run
    /// bytes from an offset on, none behind its end. At most [`SNAPSHOT_PIECE_BYTES_MAX`] bytes, but for one entry.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a part that it does not have; [`ErrorKind::Io`], also once the database is closed.
    pub fn piece(&self, part: u32, from: u64) -> Result<Vec<u8>, Error> {
        let table = match part {
            PART_PAGES => ExportTable::Pages,
            PART_HOLDS => ExportTable::Holds,
            _ => return self.run_piece(part, from),
        };
        Ok(self.export.entries(table, from, SNAPSHOT_PIECE_BYTES_MAX)?)
    }

    fn run_piece(&self, part: u32, from: u64) -> Result<Vec<u8>, Error> {
        let index = usize::try_from(part - PART_RUNS).unwrap_or(usize::MAX);
        let (Some(run), Some(bytes)) = (self.runs.get(index), self.offered.runs_bytes.get(index))
        else {
            let message = format!("the checkpoint has no part {part}");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let left = usize::try_from(bytes.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(SNAPSHOT_PIECE_BYTES_MAX)];
        run.read_exact_at(&mut piece, from).map_err(|error| failed(&error))?;
        Ok(piece)
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("id", &self.offered.id).finish_non_exhaustive()
    }
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("reading the runs of a checkpoint: {error}"))
}
