//! Where time comes from. The only file that names the wall clock: rules never read one, the
//! engine is handed an instant per turn.

use florin_ledger::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of instants.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970 now. May jump; the engine keeps recorded time rising.
    fn now(&self) -> Timestamp;

    /// Time since the clock was made; never jumps.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock that counts its elapsed time from now.
    #[must_use]
    pub fn new() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = u64::try_from(since_1970.as_nanos()).unwrap_or(Timestamp::MAX.0);
        Timestamp(nanoseconds).min(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still: every event takes the next nanosecond after the last.
#[derive(Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// How far the wall clock may run ahead of elapsed time before writes are refused.
const JUMP_MAX: Duration = Duration::from_secs(3600);

/// A clock that says more than this is wrong: recorded time ends in the year 2262, and may never
/// come near its end, because it can't go back.
pub const LATEST: Timestamp = Timestamp(1 << 62);

/// Watches the wall clock for jumps. A clock that jumps far ahead would expire holds that are not
/// due and pull recorded time into the future for ever, so writes stop until an operator has looked.
#[derive(Debug)]
pub struct ClockWatch {
    wall_start: Timestamp,
    elapsed_start: Duration,
}

impl ClockWatch {
    /// Watches from now on.
    pub fn new(clock: &dyn Clock) -> ClockWatch {
        ClockWatch { wall_start: clock.now(), elapsed_start: clock.elapsed() }
    }

    /// The present instant, or how far the wall clock has jumped ahead.
    ///
    /// # Errors
    /// The size of a jump of more than an hour.
    pub fn now(&self, clock: &dyn Clock) -> Result<Timestamp, Duration> {
        let wall = clock.now();
        let wall_passed = Duration::from_nanos(wall.0.saturating_sub(self.wall_start.0));
        let passed = clock.elapsed().saturating_sub(self.elapsed_start);
        if passed + JUMP_MAX < wall_passed || LATEST < wall {
            return Err(wall_passed.saturating_sub(passed));
        }
        Ok(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct HandClock(Mutex<(u64, u64)>);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.lock().unwrap().0)
        }
        fn elapsed(&self) -> Duration {
            Duration::from_nanos(self.0.lock().unwrap().1)
        }
    }

    const HOUR_NS: u64 = 3_600_000_000_000;

    /// Prevents: a clock set a year ahead expires every hold (FAULTS 27).
    #[test]
    fn a_jump_of_more_than_an_hour_is_refused_and_an_hour_is_not() {
        let clock = HandClock(Mutex::new((1_000, 0)));
        let watch = ClockWatch::new(&clock);
        *clock.0.lock().unwrap() = (1_000 + HOUR_NS, 0);
        assert_eq!(watch.now(&clock), Ok(Timestamp(1_000 + HOUR_NS)));
        *clock.0.lock().unwrap() = (1_001 + HOUR_NS, 0);
        assert_eq!(watch.now(&clock), Err(Duration::from_nanos(HOUR_NS + 1)));
        *clock.0.lock().unwrap() = (1_001 + HOUR_NS, 1);
        assert_eq!(watch.now(&clock), Ok(Timestamp(1_001 + HOUR_NS)));
    }

    /// Prevents: a clock set back stops the bank. Recorded time is kept rising by the engine.
    #[test]
    fn a_clock_set_back_is_not_a_jump() {
        let clock = HandClock(Mutex::new((HOUR_NS, 0)));
        let watch = ClockWatch::new(&clock);
        *clock.0.lock().unwrap() = (5, 10);
        assert_eq!(watch.now(&clock), Ok(Timestamp(5)));
    }
}
