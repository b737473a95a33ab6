//! Latencies, all of them kept: percentiles are exact, the largest one included.

use crate::figure::Figure;
use serde::Serialize;
use std::time::Duration;

/// Tenths of a run.
pub(crate) const SLICES_COUNT: usize = 10;

/// One request that was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    /// Since the beginning of the run.
    pub(crate) finished: Duration,
    pub(crate) latency: Duration,
    /// Events that it carried.
    pub(crate) events_count: u64,
}

/// A distribution in four figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: Figure,
    pub(crate) p99: Figure,
    pub(crate) p999: Figure,
    /// The worst.
    pub(crate) p100: Figure,
}

impl Percentiles {
    /// In microseconds; `None` if nothing was measured.
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Option<Percentiles> {
        latencies.sort_unstable();
        let at = |thousandths| Some(Figure::microseconds(rank(&latencies, thousandths)?));
        Some(Percentiles { p50: at(500)?, p99: at(990)?, p999: at(999)?, p100: at(1_000)? })
    }
}

/// The smallest latency that at least so many thousandths of all don't exceed.
pub(crate) fn rank(sorted: &[Duration], thousandths: usize) -> Option<Duration> {
    let place = (sorted.len() * thousandths).div_ceil(1_000);
    sorted.get(place.saturating_sub(1)).copied()
}

/// Events per second in each tenth of the time that the run took.
pub(crate) fn slices(samples: &[Sample], elapsed: Duration) -> Vec<Figure> {
    let mut events = [0_u64; SLICES_COUNT];
    for sample in samples {
        let tenth = sample.finished.as_nanos() * 10 / elapsed.as_nanos().max(1);
        let slice = usize::try_from(tenth).unwrap_or(usize::MAX).min(SLICES_COUNT - 1);
        events[slice] += sample.events_count;
    }
    let rate = |count: u64| Figure::per_second(count * 10, elapsed);
    events.into_iter().filter_map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn microseconds(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_micros).collect()
    }

    #[test]
    fn percentiles_are_exact() {
        let found = Percentiles::of(microseconds((1..=1_000).rev())).expect("measured");
        let figures = [found.p50, found.p99, found.p999, found.p100];
        assert_eq!(figures.map(|figure| figure.to_string()), ["500", "990", "999", "1000"]);
        let one = Percentiles::of(microseconds([7])).expect("measured");
        assert_eq!(one.p50, one.p100);
        assert_eq!(Percentiles::of(vec![]), None);
    }

    /// An average would hide a stall; the slice it happened in shows it.
    #[test]
    fn a_stall_shows_in_its_slice() {
        let busy = |tenth: u64| Sample {
            finished: Duration::from_millis(tenth * 100 + 50),
            latency: Duration::from_millis(1),
            events_count: 1_000,
        };
        let samples: Vec<Sample> = (0..10).filter(|tenth| *tenth != 4).map(busy).collect();
        let rates = slices(&samples, Duration::from_secs(1));
        let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
        let expect = ["10000"; 10].map(String::from);
        for (slice, (rate, expect)) in rates.iter().zip(expect).enumerate() {
            assert_eq!(*rate, if slice == 4 { String::from("0") } else { expect });
        }
        assert_eq!(rates.len(), SLICES_COUNT);
    }

    #[test]
    fn the_last_answer_is_in_the_last_slice() {
        let last = Sample {
            finished: Duration::from_secs(1),
            latency: Duration::from_secs(1),
            events_count: 5,
        };
        let rates = slices(&[last], Duration::from_secs(1));
        assert_eq!(rates.last().expect("ten").to_string(), "50");
    }
}
