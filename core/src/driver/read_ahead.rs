//! What of the log is still to be fetched into the system's cache.
//!
//! The log is written past that cache, and a page of documents lies scattered in it: what was written
//! last is fetched in order, before anybody asks. It goes slice by slice with a pause after each,
//! because a sync waits for all that the disk was asked before it: 256 MiB at one stroke hold up every
//! request for 0.2 s. Where the log grows faster than it is fetched, the older part is left out.

use crate::limits::READ_AHEAD_BYTES_MAX;
use florin_ledger::Lsn;
use std::time::{Duration, Instant};

/// What the disk is asked for at a time: a few tenths of a millisecond of a good one.
const SLICE_BYTES: u64 = 512 << 10;
/// How long the disk is left alone after a slice: 64 MiB a second are fetched.
const PAUSE: Duration = Duration::from_millis(8);

/// The range of the log that is to be fetched.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    from: Lsn,
    to: Lsn,
    /// The disk is left alone until then.
    due: Instant,
}

impl ReadAhead {
    /// Nothing; the first slice may be fetched at `now`.
    pub(crate) fn new(now: Instant) -> ReadAhead {
        ReadAhead { from: Lsn::NONE, to: Lsn::NONE, due: now }
    }

    /// Adds what a new run covers. Only the newest [`READ_AHEAD_BYTES_MAX`] are kept: a run that was
    /// filled slowly begins far behind.
    pub(crate) fn add(&mut self, from: Lsn, to: Lsn) {
        let from = if self.is_done() { from } else { from.min(self.from) };
        self.to = to.max(self.to);
        self.from = from.max(Lsn(self.to.0.saturating_sub(READ_AHEAD_BYTES_MAX)));
    }

    /// The next slice, oldest first, if the disk was left alone for long enough.
    pub(super) fn slice(&mut self, now: Instant) -> Option<(Lsn, Lsn)> {
        if self.is_done() || now < self.due {
            return None;
        }
        let from = self.from;
        self.from = self.to.min(Lsn(from.0.saturating_add(SLICE_BYTES)));
        self.due = now + PAUSE;
        Some((from, self.from))
    }

    /// How long until there is a slice; `None` if there is nothing to fetch.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        (!self.is_done()).then(|| self.due.saturating_duration_since(now))
    }

    fn is_done(&self) -> bool {
        self.to <= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(ahead: &mut ReadAhead, now: &mut Instant) -> Vec<(Lsn, Lsn)> {
        let mut slices = Vec::new();
        while let Some(wait) = ahead.wait(*now) {
            *now += wait;
            slices.extend(ahead.slice(*now));
        }
        slices
    }

    /// Prevents: a table that is written once a month has the whole month's log fetched, in place of
    /// what is read; and a log that grows faster than it is fetched has all of it waiting.
    #[test]
    fn only_the_end_of_what_runs_cover_is_fetched() {
        let max = READ_AHEAD_BYTES_MAX;
        let mut now = Instant::now();
        for (from, to, expected) in [
            (0, 5, 0),
            (5, max, 5),
            (5, max + 5, 5),
            (5, max + 6, 6),
            (5, 1 << 40, (1 << 40) - max),
        ] {
            let mut ahead = ReadAhead::new(now);
            ahead.add(Lsn(from), Lsn(to));
            let slices = slices(&mut ahead, &mut now);
            assert_eq!(slices.first().map(|slice| slice.0), Some(Lsn(expected)), "{from} to {to}");
            assert_eq!(slices.last().map(|slice| slice.1), Some(Lsn(to)), "{from} to {to}");
        }
        let mut ahead = ReadAhead::new(now);
        ahead.add(Lsn(0), Lsn(max));
        ahead.add(Lsn(max), Lsn(max + 7));
        assert_eq!(ahead.slice(now).map(|slice| slice.0), Some(Lsn(7)));
    }

    /// Prevents: slices that leave something out, ask twice, or come all at one stroke.
    #[test]
    fn slices_follow_each_other_to_the_end_with_a_pause_between() {
        let begun = Instant::now();
        let mut now = begun;
        let mut ahead = ReadAhead::new(now);
        assert_eq!((ahead.wait(now), ahead.slice(now)), (None, None));
        ahead.add(Lsn(100), Lsn(100 + 3 * SLICE_BYTES));
        assert_eq!(ahead.slice(now), Some((Lsn(100), Lsn(100 + SLICE_BYTES))));
        assert_eq!((ahead.wait(now), ahead.slice(now)), (Some(PAUSE), None));
        // Another run comes while the first is fetched.
        ahead.add(Lsn(100 + 3 * SLICE_BYTES), Lsn(101 + 3 * SLICE_BYTES));
        let rest = slices(&mut ahead, &mut now);
        assert_eq!(rest.len(), 3);
        assert_eq!(now - begun, 3 * PAUSE);
        assert_eq!(rest[0].0, Lsn(100 + SLICE_BYTES));
        assert!(rest.windows(2).all(|pair| pair[0].1 == pair[1].0), "{rest:?}");
        assert_eq!(rest[2].1, Lsn(101 + 3 * SLICE_BYTES));
        // What was fetched long ago is not fetched again with the next.
        ahead.add(Lsn(9 * SLICE_BYTES), Lsn(10 * SLICE_BYTES));
        let next = slices(&mut ahead, &mut now);
        assert_eq!(next, [(Lsn(9 * SLICE_BYTES), Lsn(10 * SLICE_BYTES))]);
    }
}
