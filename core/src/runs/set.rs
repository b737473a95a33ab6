//! The runs of one kind at one moment. Cheap to clone: readers keep the set that they began with.

use super::frontier::is_far_above;
use super::{DIRECTORY, Frontier, Run, RunError, RunKind, RunName, Sorted};
use crate::disk::Disk;
use crate::limits::{RUN_ENTRIES_MAX, RUNS_PER_SIZE_MAX};
use florin_ledger::Lsn;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Immutable list of runs, newest first. No key is in two of them.
#[derive(Clone, Debug)]
pub struct RunSet {
    kind: RunKind,
    runs: Arc<[Arc<Run>]>,
}

impl RunSet {
    /// No runs.
    #[must_use]
    pub fn empty(kind: RunKind) -> RunSet {
        RunSet { kind, runs: Arc::from([]) }
    }

    /// Opens the runs of this kind among those that a checkpoint names.
    ///
    /// # Errors
    /// The first run that can't be opened: rebuild this kind from the log.
    pub fn open(disk: &dyn Disk, kind: RunKind, names: &[RunName]) -> Result<RunSet, RunError> {
        let names = names.iter().filter(|name| name.kind == kind);
        let runs = names.map(|name| Run::open(disk, *name).map(Arc::new));
        Ok(RunSet::of(kind, runs.collect::<Result<Vec<_>, _>>()?))
    }

    fn of(kind: RunKind, mut runs: Vec<Arc<Run>>) -> RunSet {
        runs.sort_by_key(|run| (run.position(), run.name()));
        runs.reverse();
        assert!(runs.iter().all(|run| run.name().kind == kind));
        assert!(runs.iter().map(|run| run.name()).is_sorted_by(|a, b| a != b));
        RunSet { kind, runs: runs.into() }
    }

    /// What the keys are.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        self.kind
    }

    /// The runs, newest first.
    #[must_use]
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// Their names, for a checkpoint's manifest.
    pub fn names(&self) -> impl Iterator<Item = RunName> + '_ {
        self.runs.iter().map(|run| run.name())
    }

    /// Every pair recorded before this position is here; [`Lsn::NONE`] if there is no run.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.runs.first().map_or(Lsn::NONE, |run| run.position())
    }

    /// How many pairs.
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
    pub fn is_same(&self, other: &RunSet) -> bool {
        Arc::ptr_eq(&self.runs, &other.runs)
    }

    /// The runs that a key may be in. Touches only memory.
    pub fn candidates(&self, key: u128) -> impl Iterator<Item = &Arc<Run>> {
        self.runs.iter().filter(move |run| run.may_contain(key))
    }

    /// The value of a key. Reads a block of each candidate until one has it.
    ///
    /// # Errors
    /// [`RunError`] if a block can't be read or does not verify.
    pub fn get(&self, key: u128) -> Result<Option<u64>, RunError> {
        for run in self.candidates(key) {
            if let Some(value) = run.get(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// All pairs, keys rising.
    #[must_use]
    pub fn entries(&self) -> Sorted {
        Sorted::new(&self.runs)
    }

    /// This set and one more run.
    #[must_use]
    pub fn with_run(&self, run: Arc<Run>) -> RunSet {
        let runs = self.runs.iter().cloned().chain([run]).collect();
        RunSet::of(self.kind, runs)
    }

    /// This set with some runs replaced by what they were merged into.
    ///
    /// # Panics
    /// If one of them is not here.
    #[must_use]
    pub fn replacing(&self, old: &[Arc<Run>], merged: Arc<Run>) -> RunSet {
        let is_old = |run: &Arc<Run>| old.iter().any(|old| Arc::ptr_eq(old, run));
        let mut runs: Vec<_> = self.runs.iter().filter(|run| !is_old(run)).cloned().collect();
        assert_eq!(runs.len() + old.len(), self.runs.len());
        let entries_count: u64 = old.iter().map(|run| run.entries_count()).sum();
        assert_eq!(entries_count, merged.entries_count());
        runs.push(merged);
        RunSet::of(self.kind, runs)
    }

    /// The runs to merge next, if there are too many: the smallest size class (powers of eight) of
    /// which there are [`RUNS_PER_SIZE_MAX`]. So a pair is rewritten once per factor of eight.
    #[must_use]
    pub fn merge_due(&self) -> Option<Vec<Arc<Run>>> {
        let mut classes: BTreeMap<u32, Vec<Arc<Run>>> = BTreeMap::new();
        for run in self.runs.iter().rev() {
            if run.entries_count() < RUN_ENTRIES_MAX {
                let class = run.entries_count().ilog2() / 3;
                classes.entry(class).or_default().push(Arc::clone(run));
            }
        }
        classes.into_values().find(|runs| RUNS_PER_SIZE_MAX <= runs.len())
    }

    /// The frontier of all that is here, to begin a [`super::Recent`] with after opening.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        let mut max = 0;
        for run in self.runs.iter() {
            let end = run.key_max_usual();
            if max == 0 || (max < end && !is_far_above(max, end)) {
                max = end;
            }
        }
        let above = self.runs.iter().map(|run| run.next_above(max)).min();
        Frontier::new(max, above.unwrap_or(u128::MAX))
    }
}

/// Run files, whole or partial, that are none of these: what a crash or a replaced checkpoint left.
/// Other files are none of our business.
///
/// # Errors
/// The operating system's.
pub fn orphans(disk: &dyn Disk, named: &[RunName]) -> io::Result<Vec<String>> {
    let files = match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let is_orphan = |file: &str| match file.strip_suffix(".partial") {
        Some(name) => name.parse::<RunName>().is_ok(),
        None => file.parse().is_ok_and(|name| !named.contains(&name)),
    };
    let orphans = files.into_iter().filter(|file| is_orphan(file));
    Ok(orphans.map(|file| format!("{DIRECTORY}/{file}")).collect())
}

/// Removes orphans. Call it only when every checkpoint that could still be loaded is durable and
/// names none of them.
///
/// # Errors
/// The operating system's; what is left goes next time.
pub fn remove(disk: &dyn Disk, orphans: &[String]) -> io::Result<()> {
    for orphan in orphans {
        disk.remove(orphan)?;
    }
    if orphans.is_empty() { Ok(()) } else { disk.sync_directory(DIRECTORY) }
}
