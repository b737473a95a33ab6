//! What counts: numbers that only rise, numbers as they are now, and distributions.
//!
//! Every instrument is one or a few atomics without any order between them: a figure may be an
//! event behind another, and none guards memory. Whole numbers only; durations are nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes over a number that is counted elsewhere and only rises there.
    pub(crate) fn follow(&self, total: u64) {
        self.0.store(total, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number as it is now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Buckets of a histogram at most, the one above all bounds included.
const BUCKETS_MAX: usize = 16;

/// A distribution over fixed buckets.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The largest value of each bucket but the last, rising.
    bounds: &'static [u64],
    counts: [AtomicU64; BUCKETS_MAX],
    sum: AtomicU64,
}

/// A distribution as it was at one moment, or nearly: values that come in while it is taken may be
/// in the counts and not in the sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Distribution {
    /// The largest value of each bucket but the last, rising.
    pub bounds: &'static [u64],
    /// How many values fell into each bucket, and above all bounds; one more than bounds.
    pub counts: Vec<u64>,
    /// The sum of all values, in the unit of the bounds.
    pub sum: u64,
}

/// Nanoseconds, from 10 us to 10 s.
pub(crate) const DURATIONS_NS: &[u64] = &[
    10_000,
    30_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
];
/// How many are together, from one to a whole batch and beyond.
pub(crate) const COUNTS: &[u64] =
    &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_190, 65_536];

const _: () = assert!(DURATIONS_NS.len() < BUCKETS_MAX && COUNTS.len() < BUCKETS_MAX);

impl Histogram {
    pub(crate) fn new(bounds: &'static [u64]) -> Histogram {
        assert!(bounds.len() < BUCKETS_MAX, "the last bucket is above all bounds");
        assert!(bounds.is_sorted(), "bounds rise");
        Histogram { bounds, counts: Default::default(), sum: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Distribution {
        let counts = self.counts.iter().take(self.bounds.len() + 1);
        Distribution {
            bounds: self.bounds,
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Distribution {
    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound of the bucket in which the value lies that `share` hundredths of all values do not
    /// exceed; `None` without values, or if it lies above all bounds.
    #[must_use]
    pub fn percentile(&self, share: u64) -> Option<u64> {
        let rank = (self.count() * share).div_ceil(100).max(1);
        let mut seen = 0;
        self.bounds.iter().zip(&self.counts).find_map(|(bound, count)| {
            seen += count;
            (rank <= seen).then_some(*bound)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a value on a bound is counted in the next bucket, where a scraper's `le` says
    /// otherwise.
    #[test]
    fn a_value_on_a_bound_belongs_to_it_and_one_above_all_is_not_lost() {
        let histogram = Histogram::new(COUNTS);
        for value in [0, 1, 2, 3, 65_536, 65_537] {
            histogram.observe(value);
        }
        let seen = histogram.get();
        assert_eq!(seen.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((seen.count(), seen.sum), (6, 131_079));
    }

    #[test]
    fn a_percentile_is_the_bound_of_its_bucket() {
        let histogram = Histogram::new(COUNTS);
        assert_eq!(histogram.get().percentile(50), None);
        (1..=100).for_each(|value| histogram.observe(value));
        assert_eq!(histogram.get().percentile(50), Some(64));
        assert_eq!(histogram.get().percentile(99), Some(128));
        (0..300).for_each(|_| histogram.observe(1_000_000));
        assert_eq!(histogram.get().percentile(99), None);
    }
}
