//! The clock that deadlines are told by.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since this machine started, asleep or not (`CLOCK_BOOTTIME`). The ordinary monotonic clock stands
/// still while a machine sleeps; etcd's goes on meanwhile, and whoever wakes would still believe in its lease.
#[must_use]
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).expect("this clock starts at zero");
    let nanoseconds = u32::try_from(now.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::since_boot;

    #[test]
    fn time_goes_forward() {
        let before = since_boot();
        assert!(before <= since_boot());
    }
}
