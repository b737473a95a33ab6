//! Several runs into one, in steps that the background thread paces.

use super::{Run, RunError, RunName, RunWriter, Sorted};
use crate::disk::Disk;
use florin_ledger::Lsn;
use std::sync::Arc;

/// A merge under way. Protocol: [`Merge::step`] until it says that all is in, then
/// [`Merge::finish`].
pub struct Merge {
    writer: RunWriter,
    entries: Sorted,
    is_done: bool,
}

impl Merge {
    /// Begins to merge runs of one kind into a new one.
    ///
    /// # Errors
    /// [`RunError`] if the new file can't be made.
    pub fn new(disk: &Arc<dyn Disk>, runs: &[Arc<Run>], name: RunName) -> Result<Merge, RunError> {
        assert!(1 < runs.len());
        assert!(runs.iter().all(|run| run.name().kind == name.kind));
        let position = runs.iter().map(|run| run.position()).max().unwrap_or(Lsn::NONE);
        let entries_count = runs.iter().map(|run| run.entries_count()).sum();
        let writer = RunWriter::create(disk, name, position, entries_count)?;
        Ok(Merge { writer, entries: Sorted::new(runs), is_done: false })
    }

    /// Moves up to `entries_max` entries; `true` when all are in.
    ///
    /// # Errors
    /// [`RunError`] if a run can't be read or the new one not written: drop the merge, keep the
    /// runs.
    pub fn step(&mut self, entries_max: u64) -> Result<bool, RunError> {
        for _ in 0..entries_max {
            match self.entries.next() {
                Some(entry) => self.writer.push(entry?)?,
                None => {
                    self.is_done = true;
                    break;
                }
            }
        }
        Ok(self.is_done)
    }

    /// Completes the new run, durably. The old ones stay until no checkpoint names them.
    ///
    /// # Errors
    /// See [`RunWriter::finish`].
    ///
    /// # Panics
    /// If not all entries are in.
    pub fn finish(self, durable: Lsn) -> Result<Arc<Run>, RunError> {
        assert!(self.is_done);
        self.writer.finish(durable)
    }
}
