//! Several runs into one, in steps that the background thread paces.

use super::key::is_dead_expiry;
use super::merged::{Merged, Source};
use super::writer::{DocumentRunWriter, LogSpan};
use super::{DocumentRun, KeyOrder, KeyRange};
use crate::disk::Disk;
use crate::runs::{RunError, RunName};
use florin_ledger::{Lsn, Timestamp};
use std::sync::Arc;

/// A merge under way. Protocol: [`DocumentMerge::step`] until it says that all is in, then
/// [`DocumentMerge::finish`].
pub struct DocumentMerge {
    writer: DocumentRunWriter,
    entries: Merged<'static>,
    /// Expiries due before this are dropped.
    expiries_before: Timestamp,
    /// Whether nothing older is left that a dropped deletion would uncover.
    has_oldest: bool,
    is_done: bool,
}

impl DocumentMerge {
    /// Begins to merge runs that are neighbours in age, newest first, into a new one. Entries of
    /// the table of expiries that were due before `expiries_before` are left out: nobody may ask
    /// for them again.
    ///
    /// # Errors
    /// [`RunError`] if the new file can't be made.
    ///
    /// # Panics
    /// If the runs are not neighbours.
    pub fn new(
        disk: &Arc<dyn Disk>,
        runs: &[Arc<DocumentRun>],
        name: RunName,
        expiries_before: Timestamp,
    ) -> Result<DocumentMerge, RunError> {
        assert!(1 < runs.len());
        assert!(runs.windows(2).all(|pair| pair[0].from() == pair[1].position()));
        let span = LogSpan { from: runs[runs.len() - 1].from(), position: runs[0].position() };
        let entries_count = runs.iter().map(|run| run.entries_count()).sum();
        let writer = DocumentRunWriter::create(disk, name, span, entries_count)?;
        let all = KeyRange::all();
        let cursor = |run: &Arc<DocumentRun>| run.cursor(&all, KeyOrder::Rising);
        let sources = runs.iter().map(|run| Source::Run(Box::new(cursor(run)))).collect();
        let entries = Merged::new(KeyOrder::Rising, sources);
        let has_oldest = span.from == Lsn::NONE;
        Ok(DocumentMerge { writer, entries, expiries_before, has_oldest, is_done: false })
    }

    /// Moves up to `keys_max` keys; `true` when all are in.
    ///
    /// # Errors
    /// [`RunError`] if a run can't be read or the new one not written: drop the merge, keep the
    /// runs.
    pub fn step(&mut self, keys_max: u64) -> Result<bool, RunError> {
        for _ in 0..keys_max {
            let Some((key, entry)) = self.entries.next()? else {
                self.is_done = true;
                break;
            };
            let is_gone = entry.is_deleted && self.has_oldest;
            if !is_gone && !is_dead_expiry(key, self.expiries_before) {
                self.writer.push(key, entry)?;
            }
        }
        Ok(self.is_done)
    }

    /// Completes the new run, durably. The old ones stay until no checkpoint names them.
    ///
    /// # Errors
    /// [`RunError`]: there is no new run.
    ///
    /// # Panics
    /// If not all entries are in.
    pub fn finish(self, durable: Lsn) -> Result<Arc<DocumentRun>, RunError> {
        assert!(self.is_done);
        self.writer.finish(durable)
    }
}
