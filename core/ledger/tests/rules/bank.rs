//! A ledger with its log, and a second ledger that only ever applies the log. After every batch the
//! two must be the same, and law 1 must hold after every single record.

use crate::log::{Entry, Log};
use florin_ledger::{Account, AccountResult, Ledger, Ticks, Timestamp, Transfer, TransferResult};

#[derive(Clone)]
pub(crate) struct Bank {
    pub(crate) ledger: Ledger,
    pub(crate) log: Log,
    pub(crate) ticks: Ticks,
    follower: Ledger,
    followed_count: usize,
}

/// Where the clock of a test starts.
pub(crate) const START: Timestamp = Timestamp(1_000);

impl Bank {
    pub(crate) fn new() -> Bank {
        Bank::with_seed(1)
    }

    pub(crate) fn with_seed(seed: u64) -> Bank {
        Bank {
            ledger: Ledger::with_seed(seed),
            log: Log::default(),
            ticks: Ticks::starting_at(START),
            follower: Ledger::with_seed(!seed),
            followed_count: 0,
        }
    }

    pub(crate) fn create_accounts(&mut self, events: &[Account]) -> Vec<AccountResult> {
        let mut results = Vec::new();
        let events = events.iter().copied();
        self.ledger.create_accounts(events, &mut self.ticks, &mut self.log, &mut results);
        self.follow();
        results
    }

    pub(crate) fn create_transfers(&mut self, events: &[Transfer]) -> Vec<TransferResult> {
        let mut results = Vec::new();
        let events = events.iter().copied();
        self.ledger.create_transfers(events, &mut self.ticks, &mut self.log, &mut results);
        self.follow();
        results
    }

    pub(crate) fn expire_due(&mut self, count_max: usize) -> usize {
        let count = self.ledger.expire_due(&mut self.ticks, count_max, &mut self.log);
        self.follow();
        count
    }

    /// Moves the clock to `nanoseconds` after the next tick.
    pub(crate) fn wait(&mut self, nanoseconds: u64) {
        let next = self.ticks.next().after_ticks(nanoseconds).expect("within time");
        self.ticks = Ticks::starting_at(next);
    }

    fn follow(&mut self) {
        assert!(self.followed_count <= self.log.entries.len(), "what was kept is not taken back");
        for entry in &self.log.entries[self.followed_count..] {
            apply(&mut self.follower, entry);
        }
        self.followed_count = self.log.entries.len();
        self.ledger.check_balance().expect("debits equal credits");
        assert_eq!(digest(&self.follower), digest(&self.ledger), "a replay differs");
    }
}

/// Applies a record as recovery does, and checks law 1 after it.
pub(crate) fn apply(ledger: &mut Ledger, entry: &Entry) {
    ledger.apply(entry.lsn, entry.time, &entry.record).expect("a log fits itself");
    ledger.check_balance().expect("debits equal credits");
}

/// The whole state as bytes.
pub(crate) fn digest(ledger: &Ledger) -> Vec<u8> {
    let mut bytes = Vec::new();
    ledger.digest_into(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}
