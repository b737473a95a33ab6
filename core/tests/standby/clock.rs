//! A clock that a test moves by hand.

use florin_core::clock::Clock;
use florin_ledger::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Stands still until it is moved. Elapsed time follows it, unless it jumps.
#[derive(Debug)]
pub(crate) struct HandClock {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl HandClock {
    pub(crate) fn at(now: u64) -> HandClock {
        HandClock { now: AtomicU64::new(now), elapsed: AtomicU64::new(0) }
    }

    pub(crate) fn nanoseconds(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// Time passes until `now`.
    pub(crate) fn pass_until(&self, now: u64) {
        let before = self.now.swap(now, Ordering::SeqCst);
        self.elapsed.fetch_add(now.saturating_sub(before), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.nanoseconds())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed.load(Ordering::SeqCst))
    }
}
