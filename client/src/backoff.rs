//! How long to wait before trying again.

use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pause after the failure of an attempt, counted from 0: random, so that clients that failed
/// together do not come back together, and twice as long with each attempt.
pub(crate) fn pause(attempt: u32) -> Duration {
    pause_of(attempt, RandomState::new().hash_one(attempt))
}

/// Between half of the longest pause and all of it.
fn pause_of(attempt: u32, random: u64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
    let longest = doubled.min(BACKOFF_MAX);
    let half_ns = longest.as_nanos() / 2;
    let jitter_ns = u64::try_from(u128::from(random) % (half_ns + 1));
    longest / 2 + Duration::from_nanos(jitter_ns.expect("half a second fits 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::{pause, pause_of};
    use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX};
    use std::collections::BTreeSet;

    /// Fault 77, retries without jitter: all clients of a server that was away come back at the
    /// same instant, and it goes away again.
    #[test]
    fn pauses_differ_between_clients() {
        let pauses: BTreeSet<_> = (0..100).map(|_| pause(6)).collect();
        assert!(90 < pauses.len(), "{pauses:?}");
    }

    /// A pause that grows without bound never retries; one that does not grow never lets up.
    #[test]
    fn pauses_grow_up_to_their_limit() {
        assert_eq!(pause_of(0, 0), BACKOFF_FIRST / 2);
        assert!(pause_of(0, u64::MAX) <= BACKOFF_FIRST);
        assert!(pause_of(0, u64::MAX) < pause_of(2, 0));
        for attempt in [20, 31, 32, u32::MAX] {
            assert_eq!(pause_of(attempt, 0), BACKOFF_MAX / 2);
            assert!(pause_of(attempt, u64::MAX) <= BACKOFF_MAX);
        }
    }
}
