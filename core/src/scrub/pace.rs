//! How fast the scrubber may read: so many bytes a second, and no burst after a pause.

use std::time::Duration;

/// A bound for bytes a second.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// When everything that was spent so far is paid for.
    paid: Duration,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64) -> Pace {
        Pace { bytes_per_second: bytes_per_second.max(1), paid: Duration::ZERO }
    }

    /// How long to wait at `now` after reading so many bytes.
    pub(super) fn wait_after(&mut self, bytes: u64, now: Duration) -> Duration {
        const SECOND_NS: u128 = 1_000_000_000;
        let cost_ns = u128::from(bytes) * SECOND_NS / u128::from(self.bytes_per_second);
        let cost = Duration::from_nanos(u64::try_from(cost_ns).unwrap_or(u64::MAX));
        self.paid = self.paid.max(now).saturating_add(cost);
        self.paid.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a scrubber that takes the disk from the bank. Whoever waits as told never reads
    /// more than the rate, and a pause gives no right to catch up.
    #[test]
    fn bytes_a_second_are_kept_whatever_the_pieces() {
        let mut pace = Pace::new(1_000_000);
        let (mut now, mut read) = (Duration::ZERO, 0_u64);
        for piece in [10, 500_000, 0, 2_000_000, 1, 77_777] {
            now += pace.wait_after(piece, now);
            read += piece;
            assert_eq!(now.as_micros(), u128::from(read), "after {read} bytes");
        }
        now += Duration::from_secs(3_600);
        assert_eq!(pace.wait_after(1_000_000, now), Duration::from_secs(1));
    }
}
