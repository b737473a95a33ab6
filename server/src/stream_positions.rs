//! How far the streams of a server have come, for whoever watches whether one falls behind.

use florin_ledger::Lsn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The positions of all streams that are served; as many as there may be streams.
#[derive(Debug, Default)]
pub(crate) struct StreamPositions(Mutex<Vec<Weak<AtomicU64>>>);

/// The position of one stream; dropping it says that the stream has ended.
#[derive(Debug)]
pub(crate) struct StreamPosition(Arc<AtomicU64>);

/// Of a stream that has read nothing yet, and may begin anywhere.
const NOWHERE: u64 = u64::MAX;

impl StreamPositions {
    /// A stream that begins.
    pub(crate) fn begin(&self) -> StreamPosition {
        let position = Arc::new(AtomicU64::new(NOWHERE));
        let mut all = self.lock();
        all.retain(|other| other.strong_count() != 0);
        all.push(Arc::downgrade(&position));
        StreamPosition(position)
    }

    /// How many streams there are, and where the one is that is furthest behind.
    pub(crate) fn last(&self) -> (u64, Option<Lsn>) {
        let all: Vec<u64> = self
            .lock()
            .iter()
            .filter_map(|position| Some(position.upgrade()?.load(Ordering::Relaxed)))
            .collect();
        let last = all.iter().copied().filter(|position| *position != NOWHERE).min();
        (u64::try_from(all.len()).expect("there are few"), last.map(Lsn))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<AtomicU64>>> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamPosition {
    /// The last record that was read for it.
    pub(crate) fn set(&self, position: Lsn) {
        self.0.store(position.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a stream that ended is reported as behind for ever, or hides one that is.
    #[test]
    fn the_last_of_those_that_are_served_counts() {
        let positions = StreamPositions::default();
        assert_eq!(positions.last(), (0, None));
        let (first, second) = (positions.begin(), positions.begin());
        assert_eq!(positions.last(), (2, None), "neither has read anything");
        second.set(Lsn(70));
        assert_eq!(positions.last(), (2, Some(Lsn(70))));
        first.set(Lsn(30));
        assert_eq!(positions.last(), (2, Some(Lsn(30))));
        drop(first);
        assert_eq!(positions.last(), (1, Some(Lsn(70))));
        drop(second);
        assert_eq!(positions.last(), (0, None));
    }
}
