//! The clock of a bank that is opened in this process: the machine's, and, in a directory that was made for it, as far
//! ahead as it was set by hand. Nothing else moves it, and it never goes back.

use florin_adapter::test_clock::Hand;
use florin_core::clock::{Clock, SystemClock};
use florin_ledger::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One clock for ledger and adapter.
#[derive(Debug, Default)]
pub(crate) struct BankClock {
    machine: SystemClock,
    /// Nanoseconds.
    ahead: AtomicU64,
}

impl BankClock {
    fn time(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::SeqCst);
        Timestamp(self.machine.now().0.saturating_add(ahead)).min(Timestamp::MAX)
    }
}

impl Clock for BankClock {
    fn now(&self) -> Timestamp {
        self.time()
    }

    /// What it was set forward has passed: it is no jump of the machine's.
    fn elapsed(&self) -> Duration {
        self.machine.elapsed() + Duration::from_nanos(self.ahead.load(Ordering::SeqCst))
    }
}

impl florin_adapter::clock::Clock for BankClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl Hand for BankClock {
    fn reach(&self, ahead: u64) {
        self.ahead.fetch_max(ahead, Ordering::SeqCst);
    }
}
