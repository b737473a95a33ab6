//! The runs of documents at one moment. Cheap to clone: readers keep the set that they began with.
//!
//! **Which runs are merged.** A run's size class is the power of eight of its entries, small runs
//! all counting as [`CLASS_MIN_ENTRIES`]. Going from the newest run to the oldest, a run counts as
//! of the largest class met so far; so runs of one class are always neighbours in age. The smallest
//! class of which there are [`RUNS_PER_SIZE_MAX`] is merged into one run.
//!
//! - *Runs*: with no merge due, at most seven of each class: 28 for 134 million keys (classes 8^5
//!   to 8^8), 35 for a billion.
//! - *Writing*: among runs of like size a key is written again once per factor of eight. At worst,
//!   where the runs of a class keep adding up to less than the next class because they overwrite
//!   each other or small ones came before a large one, seven new runs are merged with what seven
//!   times seven left, and a key is written at most eight times per class.

use super::{DocumentEntry, DocumentRun, KeyProbe};
use crate::disk::Disk;
use crate::limits::{RUN_ENTRIES_MAX, RUNS_PER_SIZE_MAX};
use crate::runs::{Damage, RunError, RunKind, RunName};
use florin_ledger::Lsn;
use std::cmp::Reverse;
use std::hint::black_box;
use std::sync::Arc;

/// Runs of fewer entries are of one class: they cost more to look into than to write again.
const CLASS_MIN_ENTRIES: u64 = 1 << 15;

/// Immutable list of runs, newest first, that tile the log from its beginning.
#[derive(Clone, Debug)]
pub struct DocumentRuns {
    runs: Arc<[Arc<DocumentRun>]>,
}

impl DocumentRuns {
    /// No runs.
    #[must_use]
    pub fn empty() -> DocumentRuns {
        DocumentRuns { runs: Arc::from([]) }
    }

    /// Opens the runs of documents among those that a checkpoint names.
    ///
    /// # Errors
    /// The first run that can't be opened, or behind which one is missing: derive them again from
    /// the log.
    pub fn open(disk: &dyn Disk, names: &[RunName]) -> Result<DocumentRuns, RunError> {
        let names = names.iter().filter(|name| name.kind == RunKind::Documents);
        let runs = names.map(|name| DocumentRun::open(disk, *name).map(Arc::new));
        let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
        runs.sort_by_key(|run| Reverse(run.position()));
        match gap(&runs) {
            None => Ok(DocumentRuns { runs: runs.into() }),
            Some(run) => Err(run.damaged(Damage::Gap { position: run.from() })),
        }
    }

    fn of(runs: Vec<Arc<DocumentRun>>) -> DocumentRuns {
        assert!(gap(&runs).is_none());
        DocumentRuns { runs: runs.into() }
    }

    /// The runs, newest first.
    #[must_use]
    pub fn runs(&self) -> &[Arc<DocumentRun>] {
        &self.runs
    }

    /// Their names, for a checkpoint's manifest.
    pub fn names(&self) -> impl Iterator<Item = RunName> + '_ {
        self.runs.iter().map(|run| run.name())
    }

    /// Every key recorded before this position is here; [`Lsn::NONE`] if there is no run.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.runs.first().map_or(Lsn::NONE, |run| run.position())
    }

    /// How many entries, a key in several runs counted in each.
    #[must_use]
    pub fn entries_count(&self) -> u64 {
        self.runs.iter().map(|run| run.entries_count()).sum()
    }

    /// Bytes of memory for indexes and filters.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.runs.iter().map(|run| run.memory_bytes()).sum()
    }

    /// Bytes of files.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.file_bytes()).sum()
    }

    /// Whether both are the same set: what was looked up in one holds for the other.
    #[must_use]
    pub fn is_same(&self, other: &DocumentRuns) -> bool {
        Arc::ptr_eq(&self.runs, &other.runs)
    }

    /// The runs that a key may be in, newest first. Touches only memory.
    pub fn candidates(&self, probe: KeyProbe) -> impl Iterator<Item = &Arc<DocumentRun>> {
        self.touch(probe);
        self.runs.iter().filter(move |run| run.may_contain(probe))
    }

    /// Has the processor fetch a line of each filter at once. Looked at one after the other, each would
    /// be waited for by itself, and there are some two dozen.
    fn touch(&self, probe: KeyProbe) {
        black_box(self.runs.iter().fold(0, |bits, run| bits ^ run.touch(probe)));
    }

    /// The newest entry of a key. Reads a block of each candidate until one has it.
    ///
    /// # Errors
    /// [`RunError`] if a block can't be read or does not verify.
    pub fn get(&self, key: &[u8]) -> Result<Option<DocumentEntry>, RunError> {
        for run in self.candidates(KeyProbe::of(key)) {
            if let Some(entry) = run.get(key)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// This set and a newer run.
    ///
    /// # Panics
    /// If it does not begin where the newest here ends.
    #[must_use]
    pub fn with_run(&self, run: Arc<DocumentRun>) -> DocumentRuns {
        DocumentRuns::of([run].into_iter().chain(self.runs.iter().cloned()).collect())
    }

    /// This set with some runs replaced by what they were merged into.
    ///
    /// # Panics
    /// If they are not here, one behind the other, or the merged one spans anything else.
    #[must_use]
    pub fn replacing(&self, old: &[Arc<DocumentRun>], merged: Arc<DocumentRun>) -> DocumentRuns {
        assert!(!old.is_empty());
        let first = self.runs.iter().position(|run| Arc::ptr_eq(run, &old[0]));
        let first = first.expect("runs that were merged are here");
        let end = first + old.len();
        assert!(self.runs[first..end].iter().zip(old).all(|(run, old)| Arc::ptr_eq(run, old)));
        let before = self.runs[..first].iter().cloned();
        let after = self.runs[end..].iter().cloned();
        DocumentRuns::of(before.chain([merged]).chain(after).collect())
    }

    /// The runs to merge next, newest first, if there are too many of one class.
    #[must_use]
    pub fn merge_due(&self) -> Option<Vec<Arc<DocumentRun>>> {
        let mut class = 0;
        let mut group: Vec<Arc<DocumentRun>> = Vec::new();
        let mergeable = self.runs.iter().take_while(|run| run.entries_count() < RUN_ENTRIES_MAX);
        for run in mergeable {
            let own = CLASS_MIN_ENTRIES.max(run.entries_count()).ilog2() / 3;
            if class < own {
                if RUNS_PER_SIZE_MAX <= group.len() {
                    break;
                }
                group.clear();
                class = own;
            }
            group.push(Arc::clone(run));
        }
        if RUNS_PER_SIZE_MAX <= group.len() { Some(group) } else { None }
    }
}

/// The first run, newest first, behind which something is missing, or that another one overlaps.
fn gap(runs: &[Arc<DocumentRun>]) -> Option<&Arc<DocumentRun>> {
    let older = runs.iter().skip(1).map(|run| run.position()).chain([Lsn::NONE]);
    runs.iter().zip(older).find(|(run, older)| run.from() != *older).map(|(run, _)| run)
}
