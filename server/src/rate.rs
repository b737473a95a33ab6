//! How fast a key may ask. A second's worth may come at once; after that, what comes too soon is
//! refused until time has caught up.
//!
//! Kept as the instant up to which everything taken is paid for. A request that is larger than a
//! second's worth gets in when nothing is owed, and is paid for afterwards: refusing it for ever
//! would be a limit of another kind.

use std::time::Duration;
use tokio::time::Instant;

/// What may come at once, as the time that it takes to be allowed again.
const BURST: Duration = Duration::from_secs(1);

/// What was taken of one allowance.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Meter {
    paid_until: Option<Instant>,
}

impl Meter {
    /// How long to wait until something may be taken.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let ahead = self.paid_until?.saturating_duration_since(now);
        ahead.checked_sub(BURST).map(|wait| wait.max(Duration::from_millis(1)))
    }

    /// Takes a number of things of which so many are allowed a second.
    pub(crate) fn take(&mut self, count: u64, per_second: u64, now: Instant) {
        assert!(0 < per_second, "an allowance of nothing is never caught up");
        let cost = u128::from(count) * 1_000_000_000 / u128::from(per_second);
        // What can't be paid for within centuries is as good as what can't within one.
        let cost = Duration::from_nanos(u64::try_from(cost).unwrap_or(u64::MAX / 8));
        self.paid_until = Some(self.paid_until.map_or(now, |paid| paid.max(now)) + cost);
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_second_at_once_then_one_at_a_time() {
        let start = Instant::now();
        let mut meter = Meter::default();
        for _ in 0..10 {
            assert_eq!(meter.wait(start), None);
            meter.take(1, 10, start);
        }
        assert!(meter.wait(start).is_some());
        let later = start + Duration::from_millis(100);
        assert_eq!(meter.wait(later), None);
        meter.take(1, 10, later);
        let wait = meter.wait(later).unwrap();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert_eq!(meter.wait(later + wait + Duration::from_millis(1)), None);
    }

    /// A batch larger than a second's worth would otherwise never be allowed.
    #[test]
    fn more_than_a_second_is_paid_afterwards() {
        let start = Instant::now();
        let mut meter = Meter::default();
        meter.take(50, 10, start);
        assert_eq!(meter.wait(start), Some(Duration::from_secs(4)));
        meter.take(u64::MAX, 1, start);
        assert!(meter.wait(start).is_some());
    }
}
