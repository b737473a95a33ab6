//! A circuit breaker: who does not answer is not asked for a while.
//!
//! ```text
//!         five failures in a row                 its time is over
//! CLOSED ------------------------> OPEN --------------------------------> TRYING
//!   ^                                ^            (one is let through)      | |
//!   |                                +--- failed: open twice as long -------+ |
//!   +---------------------------------------- it went well -------------------+
//! ```
//! It is decided in pure code; time is an argument.

use crate::clock::{MINUTE, SECOND, after};
use florin_ledger::Timestamp;

/// Failures in a row after which nothing is asked.
pub(super) const FAILURES_MAX: u32 = 5;
/// For how long, at first.
pub(super) const OPEN_FIRST: u64 = 30 * SECOND;
/// And at most.
const OPEN_MAX: u64 = 8 * MINUTE;
/// Whoever was let through and has not said how it went within this is forgotten.
const TRYING_MAX: u64 = MINUTE;

/// How it went with whoever was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// They answered.
    Answer,
    /// They did not, or have trouble themselves.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed { failures_count: u32 },
    Open { until: Timestamp, length: u64 },
    Trying { until: Timestamp, length: u64 },
}

/// Says whether somebody is asked.
#[derive(Debug)]
pub(super) struct Breaker(State);

impl Breaker {
    pub(super) fn new() -> Breaker {
        Breaker(State::Closed { failures_count: 0 })
    }

    /// Whether [`Breaker::admit`] would let one through.
    pub(super) fn would_admit(&self, now: Timestamp) -> bool {
        match self.0 {
            State::Closed { .. } => true,
            State::Open { until, .. } | State::Trying { until, .. } => until <= now,
        }
    }

    /// Lets one through, or not. How it went must be told.
    pub(super) fn admit(&mut self, now: Timestamp) -> bool {
        let is_admitted = self.would_admit(now);
        if let (true, State::Open { length, .. } | State::Trying { length, .. }) =
            (is_admitted, self.0)
        {
            self.0 = State::Trying { until: after(now, TRYING_MAX), length };
        }
        is_admitted
    }

    /// Takes note of how it went. Returns for how long nobody is asked, if that begins now.
    pub(super) fn hear(&mut self, now: Timestamp, heard: Heard) -> Option<u64> {
        let length = match (heard, self.0) {
            // Who was let through before it opened says nothing about now.
            (Heard::Nothing, State::Open { .. }) => return None,
            (Heard::Answer, _) => {
                self.0 = State::Closed { failures_count: 0 };
                return None;
            }
            (Heard::Nothing, State::Closed { failures_count }) => {
                let failures_count = failures_count + 1;
                if failures_count < FAILURES_MAX {
                    self.0 = State::Closed { failures_count };
                    return None;
                }
                OPEN_FIRST
            }
            (Heard::Nothing, State::Trying { length, .. }) => (length * 2).min(OPEN_MAX),
        };
        self.0 = State::Open { until: after(now, length), length };
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    /// IN2: prevents a gateway that is down and asked all the time, or that is up again and never asked.
    #[test]
    fn five_failures_open_it_one_is_let_through_and_an_answer_closes_it() {
        let mut breaker = Breaker::new();
        for failed in 1..=FAILURES_MAX {
            assert!(breaker.admit(at(0)), "{failed}");
            let opened = breaker.hear(at(0), Heard::Nothing);
            assert_eq!(opened.is_some(), failed == FAILURES_MAX);
        }
        let (mut now, mut length) = (0, 30);
        for _ in 0..6 {
            assert!(!breaker.admit(at(now + length - 1)), "open for {length} seconds");
            now += length;
            assert!(breaker.would_admit(at(now)));
            assert!(breaker.admit(at(now)), "one is let through");
            assert!(!breaker.admit(at(now)) && !breaker.would_admit(at(now)), "and no second");
            length = (length * 2).min(480);
            assert_eq!(breaker.hear(at(now), Heard::Nothing), Some(length * SECOND));
        }
        now += length;
        assert!(breaker.admit(at(now)));
        assert_eq!(breaker.hear(at(now), Heard::Answer), None);
        for _ in 1..FAILURES_MAX {
            assert_eq!(breaker.hear(at(now), Heard::Nothing), None);
            assert!(breaker.admit(at(now)) && breaker.admit(at(now)));
        }
    }

    /// Prevents: failures that are years apart and open it; and a try of which nothing is ever heard, and no other.
    #[test]
    fn an_answer_in_between_begins_anew_and_a_lost_try_is_forgotten() {
        let mut breaker = Breaker::new();
        for _ in 0..3 {
            for _ in 1..FAILURES_MAX {
                breaker.hear(at(0), Heard::Nothing);
            }
            breaker.hear(at(0), Heard::Answer);
        }
        assert!(breaker.admit(at(0)));
        for _ in 0..FAILURES_MAX {
            breaker.hear(at(0), Heard::Nothing);
        }
        assert_eq!(breaker.hear(at(1), Heard::Nothing), None, "one that was under way");
        assert!(breaker.admit(at(30)), "at its own time all the same");
        assert!(!breaker.admit(at(89)));
        assert!(breaker.admit(at(90)), "the first was lost");
    }
}
