//! Several runs into one, in steps that the background thread paces.

use super::{Damage, Entries, Entry, Run, RunError, RunName, RunWriter};
use crate::disk::Disk;
use florin_ledger::Lsn;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A merge under way. Protocol: [`Merge::step`] until it says that all is in, then
/// [`Merge::finish`].
pub struct Merge {
    writer: RunWriter,
    sources: Vec<Entries>,
    /// The next entry of each source, with the source's place.
    next: BinaryHeap<Reverse<(Entry, usize)>>,
    last: Option<u128>,
}

impl Merge {
    /// Begins to merge runs of one kind into a new one. Holds 16 pages of each in memory.
    ///
    /// # Errors
    /// [`RunError`] if the new file can't be made or a run can't be read.
    pub fn new(disk: &Arc<dyn Disk>, runs: &[Arc<Run>], name: RunName) -> Result<Merge, RunError> {
        assert!(1 < runs.len());
        assert!(runs.iter().all(|run| run.name().kind == name.kind));
        let position = runs.iter().map(|run| run.position()).max().unwrap_or(Lsn::NONE);
        let entries_count = runs.iter().map(|run| run.entries_count()).sum();
        let mut merge = Merge {
            writer: RunWriter::create(disk, name, position, entries_count)?,
            sources: runs.iter().map(Run::entries).collect(),
            next: BinaryHeap::with_capacity(runs.len()),
            last: None,
        };
        for source in 0..merge.sources.len() {
            merge.advance(source)?;
        }
        Ok(merge)
    }

    /// Moves up to `entries_max` entries; `true` when all are in.
    ///
    /// # Errors
    /// [`RunError`] if a run can't be read or the new one not written: drop the merge, keep the
    /// runs.
    pub fn step(&mut self, entries_max: u64) -> Result<bool, RunError> {
        for _ in 0..entries_max {
            let Some(Reverse((entry, source))) = self.next.pop() else { return Ok(true) };
            if self.last == Some(entry.key) {
                let damage = Damage::Twice { key: entry.key };
                return Err(RunError::Damaged { name: self.sources[source].name(), damage });
            }
            self.last = Some(entry.key);
            self.writer.push(entry)?;
            self.advance(source)?;
        }
        Ok(self.next.is_empty())
    }

    /// Completes the new run, durably. The old ones stay until no checkpoint names them.
    ///
    /// # Errors
    /// See [`RunWriter::finish`].
    ///
    /// # Panics
    /// If not all entries are in.
    pub fn finish(self, durable: Lsn) -> Result<Arc<Run>, RunError> {
        assert!(self.next.is_empty());
        self.writer.finish(durable)
    }

    fn advance(&mut self, source: usize) -> Result<(), RunError> {
        if let Some(entry) = self.sources[source].next() {
            self.next.push(Reverse((entry?, source)));
        }
        Ok(())
    }
}
