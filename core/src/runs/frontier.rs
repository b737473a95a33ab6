//! The frontier of an index: above which keys nothing was ever inserted.
//!
//! Transfer ids mostly rise (counters, UUIDv7, ULID). A key above every key before it can't be a
//! repeat, so it needs no lookup: that is the path that almost every transfer takes. Two kinds of
//! keys would spoil it: one far above the others (a random id among counters), after which nothing
//! would be above the maximum again; and such a key as the very first. So the frontier is a gap
//! with a lower and an upper end rather than a maximum: keys *inside the gap* are new.
//!
//! ```text
//!      known keys            nothing known           outliers
//! |-x--x-xx--xxxx-x|..............................|--x------x--|
//!              max ^                  outlier_min ^
//! ```

/// Keys up to this far above the maximum are never outliers, whatever the maximum: counters may
/// skip a few billion numbers at a time.
const GAP_NEAR: u128 = 1 << 32;
/// A key is also near if it is above the maximum by at most a 64th of it. Ids that begin with a
/// time have the maximum at about 55 years since 1970, so a clock that was idle for ten months is
/// near, in 128 bits (UUIDv7, ULID) as in 64 (snowflakes).
const GAP_NEAR_SHIFT: u32 = 6;

/// A gap above most of the known keys, in which there is no known key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frontier {
    /// Zero if nothing is known. No known key lies strictly between this and `outlier_min`.
    max: u128,
    /// At most the smallest known key above `max`; 2^128-1 (no key) if there is none.
    outlier_min: u128,
}

impl Frontier {
    /// The frontier of nothing: every key is new.
    pub const EMPTY: Frontier = Frontier { max: 0, outlier_min: u128::MAX };

    /// A gap; the caller knows that no known key is strictly inside.
    #[must_use]
    pub fn new(max: u128, outlier_min: u128) -> Frontier {
        assert!(max < outlier_min);
        Frontier { max, outlier_min }
    }

    /// The lower end of the gap.
    #[must_use]
    pub fn max(self) -> u128 {
        self.max
    }

    /// The upper end of the gap.
    #[must_use]
    pub fn outlier_min(self) -> u128 {
        self.outlier_min
    }

    /// Whether a key is certainly new. `false` says nothing.
    #[inline]
    #[must_use]
    pub fn admits(self, key: u128) -> bool {
        self.max < key && key < self.outlier_min
    }

    /// Whether a key is so far above the maximum that it must not become the maximum.
    #[inline]
    #[must_use]
    pub fn is_far(self, key: u128) -> bool {
        self.max != 0 && is_far_above(self.max, key)
    }

    /// Narrows the gap from below, as far as a new key inside it that is not far.
    #[inline]
    pub(super) fn rise(&mut self, key: u128) {
        debug_assert!(self.admits(key));
        self.max = key;
    }

    /// Narrows the gap from above, down to an outlier.
    #[inline]
    pub(super) fn bound(&mut self, outlier: u128) {
        debug_assert!(self.max < outlier);
        self.outlier_min = self.outlier_min.min(outlier);
    }
}

/// Whether `high` is far above `low`; see [`GAP_NEAR`] and [`GAP_NEAR_SHIFT`].
#[inline]
pub(super) fn is_far_above(low: u128, high: u128) -> bool {
    let near = GAP_NEAR.max(low >> GAP_NEAR_SHIFT);
    high > low.saturating_add(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS_PER_DAY: u128 = 86_400_000;
    /// November 2026.
    const NOW_MS: u128 = 1_795_000_000_000;

    /// Prevents: the usual ids losing the fast path after a pause, or a stray one taking it away.
    #[test]
    fn far_is_far_and_near_is_near() {
        let uuid_v7 = NOW_MS << 80;
        let snowflake = NOW_MS << 22;
        let nanoseconds = NOW_MS * 1_000_000;
        for (low, high, far) in [
            (1, 2, false),
            (1, 4_000_000_000, false),
            (1_000_000, u128::MAX - 1, true),
            (1_000_000, uuid_v7, true),
            (1_000_000, u128::from(u64::MAX), true),
            (uuid_v7, uuid_v7 + ((MS_PER_DAY * 200) << 80), false),
            (uuid_v7, u128::MAX - 1, true),
            (uuid_v7, 0x4000 << 112, true),
            (snowflake, snowflake + ((MS_PER_DAY * 200) << 22), false),
            (nanoseconds, nanoseconds + MS_PER_DAY * 200 * 1_000_000, false),
            (snowflake, uuid_v7, true),
            (u128::MAX - 2, u128::MAX - 1, false),
        ] {
            assert_eq!(is_far_above(low, high), far, "{low} {high}");
        }
        assert!(!Frontier::EMPTY.is_far(u128::MAX - 1));
        assert!(Frontier::EMPTY.admits(1));
    }
}
