//! All keys of documents: recent, frozen and on disk, as the engine sees them.

use super::key::assert_is_key;
use super::merged::{Merged, Source};
use super::recent::{Frozen, Recent};
use super::writer::{DocumentRunWriter, LogSpan};
use super::{
    DocumentEntry, DocumentMerge, DocumentRun, DocumentRuns, DocumentScan, KeyList, KeyOrder,
    KeyProbe, KeyRange, Mark,
};
use crate::disk::Disk;
use crate::limits::{
    DOCUMENT_RECENT_BYTES_MAX, DOCUMENT_SCAN_COPIES_MAX, DOCUMENT_SCAN_KEYS_MAX, FROZEN_PARTS_MAX,
};
use crate::runs::{RunError, RunKind, RunName};
use florin_ledger::{Lsn, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

/// The index. The engine thread owns it; [`DocumentIndex::runs`] may be cloned to other threads.
///
/// Protocol: as for [`crate::runs::Index`]. When [`DocumentIndex::is_full`] or before a checkpoint,
/// [`DocumentIndex::freeze`] and give the [`DocumentRunPlan`] to the background thread, which writes
/// it; then [`DocumentIndex::install`] that run, in the order of freezing. When there is a
/// [`DocumentMergePlan`], let the background thread carry it out; then [`DocumentIndex::replace`];
/// one at a time.
#[derive(Debug)]
pub struct DocumentIndex {
    recent: Recent,
    /// Oldest first, each with what its run will reflect.
    frozen: VecDeque<(Frozen, LogSpan)>,
    runs: DocumentRuns,
    number_next: u64,
}

/// Frozen keys to be written to a run. Clones share them.
#[derive(Clone, Debug)]
pub struct DocumentRunPlan {
    frozen: Frozen,
    name: RunName,
    span: LogSpan,
}

/// Runs to be merged.
#[derive(Clone, Debug)]
pub struct DocumentMergePlan {
    /// What the merge replaces, newest first.
    pub runs: Vec<Arc<DocumentRun>>,
    /// What it will be called.
    pub name: RunName,
}

/// What memory knows of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DocumentLookup {
    /// There is no such key.
    Absent,
    /// Its newest entry.
    Found(DocumentEntry),
    /// Only the runs can tell: [`DocumentRuns::get`], on a thread that may wait for the disk.
    Unknown,
}

impl DocumentIndex {
    /// The index of what is on disk.
    #[must_use]
    pub fn new(runs: DocumentRuns) -> DocumentIndex {
        let number_next = runs.names().map(|name| name.number + 1).max().unwrap_or(1);
        DocumentIndex { recent: Recent::default(), frozen: VecDeque::new(), runs, number_next }
    }

    /// Looks a key up, reading a block of each run that it may be in, newest first, until one has
    /// it. An entry that says deleted and none at all mean the same.
    ///
    /// # Errors
    /// [`RunError`] if a block can't be read or does not verify.
    pub fn get(&self, key: &[u8]) -> Result<Option<DocumentEntry>, RunError> {
        match self.get_in_memory(key) {
            Some(entry) => Ok(Some(entry)),
            None => self.runs.get(key),
        }
    }

    /// The newest entry of a key, if that is not in a run yet.
    #[must_use]
    pub fn get_in_memory(&self, key: &[u8]) -> Option<DocumentEntry> {
        let frozen = || self.frozen.iter().rev().find_map(|(frozen, _)| frozen.get(key));
        self.recent.get(key).or_else(frozen)
    }

    /// Looks a key up, touching only memory.
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> DocumentLookup {
        match self.get_in_memory(key) {
            Some(entry) => DocumentLookup::Found(entry),
            None if self.runs.candidates(KeyProbe::of(key)).next().is_some() => {
                DocumentLookup::Unknown
            }
            None => DocumentLookup::Absent,
        }
    }

    /// Sets the newest entry of a key.
    ///
    /// # Panics
    /// If the key has not 2 to 268 bytes, the position is beyond [`super::block::LSN_MAX`], or the
    /// index [is full](DocumentIndex::is_full).
    pub fn insert(&mut self, key: &[u8], entry: DocumentEntry) {
        assert_is_key(key);
        assert!(entry.lsn <= super::block::LSN_MAX);
        assert!(!self.is_full(1, key.len()));
        self.recent.insert(key, entry);
    }

    /// Remembers this moment for [`DocumentIndex::undo`], and forgets the mark before.
    pub fn mark(&mut self) -> Mark {
        self.recent.mark()
    }

    /// Takes back every insertion since the mark: each key has what memory had of it then.
    ///
    /// # Panics
    /// If the mark is not the latest, or from before a freeze.
    pub fn undo(&mut self, mark: Mark) {
        self.recent.undo(mark);
    }

    /// Whether it must be frozen before so many insertions of keys with so many bytes in all.
    #[must_use]
    pub fn is_full(&self, keys_count: usize, keys_bytes: usize) -> bool {
        let cost = Recent::cost_bytes(keys_count, keys_bytes);
        DOCUMENT_RECENT_BYTES_MAX < self.recent.bytes().saturating_add(cost)
    }

    /// Freezes the recent keys. `position`: every entry recorded before it has been inserted, and
    /// none from it on. `None` if there is nothing to write.
    ///
    /// # Panics
    /// If something before it was frozen already.
    pub fn freeze(&mut self, position: Lsn) -> Option<DocumentRunPlan> {
        if self.recent.len() == 0 {
            return None;
        }
        let from = self.frozen.back().map_or(self.runs.position(), |(_, span)| span.position);
        assert!(from < position);
        let span = LogSpan { from, position };
        let frozen = self.recent.freeze();
        self.frozen.push_back((frozen.clone(), span));
        Some(DocumentRunPlan { frozen, name: self.name_next(), span })
    }

    /// What to merge next, if there are too many runs of one size.
    pub fn merge_due(&mut self) -> Option<DocumentMergePlan> {
        let runs = self.runs.merge_due()?;
        Some(DocumentMergePlan { runs, name: self.name_next() })
    }

    fn name_next(&mut self) -> RunName {
        self.number_next += 1;
        RunName { kind: RunKind::Documents, number: self.number_next - 1 }
    }

    /// How many frozen parts await their runs. The engine freezes no more when there are
    /// [`FROZEN_PARTS_MAX`], and refuses work when the index is full.
    #[must_use]
    pub fn frozen_count(&self) -> usize {
        self.frozen.len()
    }

    /// The run of the oldest frozen part is durable: from now on it answers.
    ///
    /// # Panics
    /// If it is not the run of the oldest frozen part.
    pub fn install(&mut self, run: Arc<DocumentRun>) {
        let (frozen, span) = self.frozen.pop_front().expect("a run comes from a frozen part");
        assert_eq!((run.from(), run.position()), (span.from, span.position));
        assert_eq!(u64::try_from(frozen.len()), Ok(run.entries_count()));
        self.runs = self.runs.with_run(run);
        self.recent.reuse(frozen);
    }

    /// A merge is durable: from now on it answers for the runs that it replaces.
    ///
    /// # Panics
    /// See [`DocumentRuns::replacing`].
    pub fn replace(&mut self, old: &[Arc<DocumentRun>], merged: Arc<DocumentRun>) {
        self.runs = self.runs.replacing(old, merged);
    }

    /// What is on disk.
    #[must_use]
    pub fn runs(&self) -> &DocumentRuns {
        &self.runs
    }

    /// Begins a scan: copies what memory has of a range, at most `limit` keys and at most
    /// [`DOCUMENT_SCAN_COPIES_MAX`], touching nothing else. `limit` is taken as at least one and at
    /// most [`DOCUMENT_SCAN_KEYS_MAX`]. To go on where a page ended, give [`KeyRange::after`] what
    /// it says is next.
    #[must_use]
    pub fn scan(&self, range: KeyRange, order: KeyOrder, limit: usize) -> DocumentScan {
        let limit = limit.clamp(1, DOCUMENT_SCAN_KEYS_MAX);
        let mut merged = Merged::new(order, self.memory(&range, order));
        let mut memory = KeyList::default();
        let mut complete_to = None;
        while let Some((key, entry)) = merged.next().expect("memory can be read") {
            if !range.contains(key) {
                break;
            }
            if memory.len() == limit.min(DOCUMENT_SCAN_COPIES_MAX) {
                complete_to = memory.last().map(|(key, _)| Box::from(key));
                break;
            }
            memory.push(key, entry);
        }
        DocumentScan { range, order, limit, memory, complete_to, runs: self.runs.clone() }
    }

    /// Visits every key that is not deleted once, keys rising, with its newest entry.
    ///
    /// # Errors
    /// A run that can't be read or does not verify.
    pub fn visit(&self, mut visit: impl FnMut(&[u8], DocumentEntry)) -> Result<(), RunError> {
        let (all, order) = (KeyRange::all(), KeyOrder::Rising);
        let mut sources = self.memory(&all, order);
        let cursors = self.runs.runs().iter().map(|run| run.cursor(&all, order));
        sources.extend(cursors.map(|cursor| Source::Run(Box::new(cursor))));
        let mut merged = Merged::new(order, sources);
        while let Some((key, entry)) = merged.next()? {
            if !entry.is_deleted {
                visit(key, entry);
            }
        }
        Ok(())
    }

    /// What is not in a run yet, newest first.
    fn memory(&self, range: &KeyRange, order: KeyOrder) -> Vec<Source<'_>> {
        let frozen = self.frozen.iter().rev().map(|(frozen, _)| frozen.cursor(range, order));
        [self.recent.cursor(range, order)].into_iter().chain(frozen).map(Source::Keys).collect()
    }

    /// How many entries: a key that was written again is counted wherever it still is, so there are
    /// at most as many keys.
    #[must_use]
    pub fn entries_count(&self) -> u64 {
        let frozen: usize = self.frozen.iter().map(|(frozen, _)| frozen.len()).sum();
        let in_memory = u64::try_from(self.recent.len() + frozen).expect("fits memory");
        self.runs.entries_count() + in_memory
    }

    /// Bytes of memory that it takes at most.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let frozen: usize = self.frozen.iter().map(|(frozen, _)| frozen.held_bytes()).sum();
        self.recent.held_bytes() + frozen + self.runs.memory_bytes()
    }

    /// How full the memory for keys without a run is, in thousandths: at 1,000 requests are refused
    /// until a run is written.
    #[must_use]
    pub fn fill_per_mille(&self) -> usize {
        self.keys_bytes() * 1_000 / ((1 + FROZEN_PARTS_MAX) * DOCUMENT_RECENT_BYTES_MAX)
    }

    /// Bytes of memory that the keys themselves take at most.
    pub(super) fn keys_bytes(&self) -> usize {
        let frozen: usize = self.frozen.iter().map(|(frozen, _)| frozen.bytes()).sum();
        self.recent.bytes() + frozen
    }
}

impl DocumentRunPlan {
    /// The run reflects the log before this position; it can be written once that is durable.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.span.position
    }

    /// Writes the run; returns when it is durable. `durable`: the log is durable before it.
    ///
    /// # Errors
    /// [`RunError`]: there is no such run; it may be tried again.
    ///
    /// # Panics
    /// If the run would be ahead of the durable log.
    pub fn write(&self, disk: &Arc<dyn Disk>, durable: Lsn) -> Result<Arc<DocumentRun>, RunError> {
        let entries_count = u64::try_from(self.frozen.len()).expect("fits memory");
        let mut writer = DocumentRunWriter::create(disk, self.name, self.span, entries_count)?;
        let mut cursor = self.frozen.cursor(&KeyRange::all(), KeyOrder::Rising);
        while let Some((key, entry)) = cursor.current() {
            writer.push(key, entry)?;
            cursor.advance();
        }
        writer.finish(durable)
    }
}

impl DocumentMergePlan {
    /// Begins the merge.
    ///
    /// # Errors
    /// See [`DocumentMerge::new`].
    pub fn begin(
        &self,
        disk: &Arc<dyn Disk>,
        expiries_before: Timestamp,
    ) -> Result<DocumentMerge, RunError> {
        DocumentMerge::new(disk, &self.runs, self.name, expiries_before)
    }
}
