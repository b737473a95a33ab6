//! All pairs of one kind: recent, frozen and on disk, as the engine sees them.

use super::{
    Entry, Frozen, Mark, Merge, Recent, Run, RunError, RunKind, RunName, RunSet, RunWriter,
};
use crate::disk::Disk;
use crate::limits::RECENT_KEYS_MAX;
use florin_ledger::Lsn;
use std::collections::VecDeque;
use std::sync::Arc;

/// One index. The engine thread owns it; [`Index::runs`] may be cloned to other threads.
///
/// Protocol: when [`Index::is_full`] or before a checkpoint, [`Index::freeze`] and give the
/// [`RunPlan`] to the background thread, which writes it; then [`Index::install`] that run, in the
/// order of freezing. When there is a [`MergePlan`], let the background thread carry it out; then
/// [`Index::replace`]; one at a time.
#[derive(Debug)]
pub struct Index {
    recent: Recent,
    /// Oldest first, each with the position that its run will have.
    frozen: VecDeque<(Frozen, Lsn)>,
    runs: RunSet,
    number_next: u64,
}

/// Frozen pairs to be written to a run. Clones share them.
#[derive(Clone, Debug)]
pub struct RunPlan {
    frozen: Frozen,
    name: RunName,
    position: Lsn,
}

/// Runs to be merged.
#[derive(Clone, Debug)]
pub struct MergePlan {
    /// What the merge replaces.
    pub runs: Vec<Arc<Run>>,
    /// What it will be called.
    pub name: RunName,
}

/// What memory knows of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// Nobody ever inserted it.
    Absent,
    /// Its value.
    Found(u64),
    /// Only the runs can tell: [`RunSet::get`], on a thread that may wait for the disk.
    Unknown,
}

impl Index {
    /// The index of what is on disk.
    #[must_use]
    pub fn new(runs: RunSet) -> Index {
        let number_next = runs.names().map(|name| name.number + 1).max().unwrap_or(1);
        let recent = Recent::new(runs.frontier());
        Index { recent, frozen: VecDeque::new(), runs, number_next }
    }

    /// An index without runs, of a few pairs, that is put together for one question.
    #[must_use]
    pub fn of_few(kind: RunKind) -> Index {
        let (frozen, runs) = (VecDeque::new(), RunSet::empty(kind));
        Index { recent: Recent::of_few(), frozen, runs, number_next: 1 }
    }

    /// What the keys are.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        self.runs.kind()
    }

    /// Whether a key is certainly new: almost always `true` for keys that rise. `false` says
    /// nothing.
    #[inline]
    #[must_use]
    pub fn is_new(&self, key: u128) -> bool {
        self.recent.is_new(key)
    }

    /// Looks a key up, reading a block of each run that it may be in.
    ///
    /// # Errors
    /// [`RunError`] if a block can't be read or does not verify.
    pub fn get(&self, key: u128) -> Result<Option<u64>, RunError> {
        match self.lookup(key) {
            Lookup::Absent => Ok(None),
            Lookup::Found(value) => Ok(Some(value)),
            Lookup::Unknown => self.runs.get(key),
        }
    }

    /// The value of a key that is not in a run yet.
    #[inline]
    #[must_use]
    pub fn get_in_memory(&self, key: u128) -> Option<u64> {
        let frozen = || self.frozen.iter().rev().find_map(|(frozen, _)| frozen.get(key));
        self.recent.get(key).or_else(frozen)
    }

    /// Looks a key up, touching only memory.
    #[inline]
    #[must_use]
    pub fn lookup(&self, key: u128) -> Lookup {
        if self.recent.is_new(key) { Lookup::Absent } else { self.lookup_known(key) }
    }

    fn lookup_known(&self, key: u128) -> Lookup {
        match self.get_in_memory(key) {
            Some(value) => Lookup::Found(value),
            None if self.runs.candidates(key).next().is_some() => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }

    /// Adds a pair whose key is absent.
    ///
    /// # Panics
    /// If the index [is full](Index::is_full), or the key is recent.
    #[inline]
    pub fn insert(&mut self, key: u128, value: u64) {
        self.recent.insert(key, value);
    }

    /// Remembers this moment for [`Index::undo`], and forgets the mark before.
    pub fn mark(&mut self) -> Mark {
        self.recent.mark()
    }

    /// Takes back every insertion since the mark.
    ///
    /// # Panics
    /// If the mark is not the latest, or from before a freeze.
    pub fn undo(&mut self, mark: Mark) {
        self.recent.undo(mark);
    }

    /// Pairs that can be inserted before the index must be frozen.
    #[must_use]
    pub fn room(&self) -> usize {
        RECENT_KEYS_MAX - self.recent.len()
    }

    /// Whether it must be frozen before a batch of `keys_count` insertions.
    #[must_use]
    pub fn is_full(&self, keys_count: usize) -> bool {
        self.room() < keys_count
    }

    /// Freezes the recent pairs. `position`: every pair recorded before it has been inserted, and
    /// none from it on. `None` if there is nothing to write.
    pub fn freeze(&mut self, position: Lsn) -> Option<RunPlan> {
        assert!(self.runs.position() <= position);
        if self.recent.is_empty() {
            return None;
        }
        let frozen = self.recent.freeze();
        self.frozen.push_back((frozen.clone(), position));
        Some(RunPlan { frozen, name: self.name_next(), position })
    }

    /// What to merge next, if there are too many runs of one size.
    pub fn merge_due(&mut self) -> Option<MergePlan> {
        let runs = self.runs.merge_due()?;
        Some(MergePlan { runs, name: self.name_next() })
    }

    fn name_next(&mut self) -> RunName {
        self.number_next += 1;
        RunName { kind: self.kind(), number: self.number_next - 1 }
    }

    /// How many frozen parts await their runs. The engine refuses work when there are too many.
    #[must_use]
    pub fn frozen_count(&self) -> usize {
        self.frozen.len()
    }

    /// The run of the oldest frozen part is durable: from now on it answers.
    ///
    /// # Panics
    /// If it is not the run of the oldest frozen part.
    pub fn install(&mut self, run: Arc<Run>) {
        let (frozen, position) = self.frozen.pop_front().expect("a run comes from a frozen part");
        assert_eq!(run.position(), position);
        assert_eq!(u64::try_from(frozen.len()), Ok(run.entries_count()));
        self.runs = self.runs.with_run(run);
        self.recent.reuse(frozen);
    }

    /// A merge is durable: from now on it answers for the runs that it replaces.
    pub fn replace(&mut self, old: &[Arc<Run>], merged: Arc<Run>) {
        self.runs = self.runs.replacing(old, merged);
    }

    /// What is on disk.
    #[must_use]
    pub fn runs(&self) -> &RunSet {
        &self.runs
    }

    /// Visits every pair once, in no particular order.
    ///
    /// # Errors
    /// A run that can't be read or does not verify.
    pub fn visit(&self, mut visit: impl FnMut(Entry)) -> Result<(), RunError> {
        self.recent.entries().for_each(&mut visit);
        self.frozen.iter().for_each(|(frozen, _)| frozen.entries().for_each(&mut visit));
        for run in self.runs.runs() {
            for entry in run.entries() {
                visit(entry?);
            }
        }
        Ok(())
    }

    /// How many pairs.
    #[must_use]
    pub fn entries_count(&self) -> u64 {
        let frozen: usize = self.frozen.iter().map(|(frozen, _)| frozen.len()).sum();
        let in_memory = u64::try_from(self.recent.len() + frozen).expect("fits memory");
        self.runs.entries_count() + in_memory
    }

    /// Bytes of memory that it takes at most.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let frozen: usize = self.frozen.iter().map(|(frozen, _)| frozen.bytes()).sum();
        self.recent.bytes() + frozen + self.runs.memory_bytes()
    }
}

impl RunPlan {
    /// The run reflects the log before this position; it can be written once that is durable.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.position
    }

    /// Writes the run; returns when it is durable. `durable`: the log is durable before it.
    ///
    /// # Errors
    /// [`RunError`]: there is no such run; it may be tried again.
    ///
    /// # Panics
    /// If the run would be ahead of the durable log.
    pub fn write(&self, disk: &Arc<dyn Disk>, durable: Lsn) -> Result<Arc<Run>, RunError> {
        let entries_count = u64::try_from(self.frozen.len()).expect("fits memory");
        let mut writer = RunWriter::create(disk, self.name, self.position, entries_count)?;
        for entry in self.frozen.entries() {
            writer.push(entry)?;
        }
        writer.finish(durable)
    }
}

impl MergePlan {
    /// Begins the merge.
    ///
    /// # Errors
    /// See [`Merge::new`].
    pub fn begin(&self, disk: &Arc<dyn Disk>) -> Result<Merge, RunError> {
        Merge::new(disk, &self.runs, self.name)
    }
}
