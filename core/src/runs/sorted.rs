//! The entries of several runs in order of their keys, each key once.

use super::{Damage, Entries, Entry, Run, RunError};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Reads runs side by side, 16 pages of each in memory. A key that comes twice is damage; after an
/// error nothing more comes.
pub struct Sorted {
    sources: Vec<Entries>,
    /// The next entry of each source, with the source's place.
    next: BinaryHeap<Reverse<(Entry, usize)>>,
    last: Option<u128>,
    /// What could not be read, to be handed out next.
    failed: Option<RunError>,
}

impl Sorted {
    /// Begins to read runs of one kind.
    #[must_use]
    pub fn new(runs: &[Arc<Run>]) -> Sorted {
        let mut sorted = Sorted {
            sources: runs.iter().map(Run::entries).collect(),
            next: BinaryHeap::with_capacity(runs.len()),
            last: None,
            failed: None,
        };
        for source in 0..sorted.sources.len() {
            sorted.advance(source);
        }
        sorted
    }

    fn advance(&mut self, source: usize) {
        if self.failed.is_some() {
            return;
        }
        match self.sources[source].next() {
            Some(Ok(entry)) => self.next.push(Reverse((entry, source))),
            Some(Err(error)) => self.fail(error),
            None => {}
        }
    }

    fn fail(&mut self, error: RunError) {
        self.next.clear();
        self.failed.get_or_insert(error);
    }
}

impl Iterator for Sorted {
    type Item = Result<Entry, RunError>;

    fn next(&mut self) -> Option<Result<Entry, RunError>> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let Reverse((entry, source)) = self.next.pop()?;
        if self.last == Some(entry.key) {
            self.next.clear();
            let damage = Damage::Twice { key: entry.key };
            return Some(Err(RunError::Damaged { name: self.sources[source].name(), damage }));
        }
        self.last = Some(entry.key);
        self.advance(source);
        Some(Ok(entry))
    }
}
