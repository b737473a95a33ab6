//! How often somebody tried to log in under a name, known or not.
//!
//! - An attempt is counted, durably, before a password is looked at: whoever asks a hundred times at once is
//!   looked at five times.
//! - After five in a row the name is locked for a quarter of an hour, then twice as long each time. A login
//!   that succeeds begins anew.
//! - The name is a blind index of the address that was typed, so this says nothing about who is a customer; all
//!   that is no address is one name.
//! - A locked name is written too: it takes as long as another.
//! - While the key of blind indexes is rotated, what was counted under either version counts together, and is kept
//!   under the newest ([`crate::entry`]).

use crate::clock::{MINUTE, UnixNs, after};
use crate::entry::{Blind, Entry, gone};
use crate::error::BankError;
use crate::store::{Kind, Row, Store};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::{DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};

/// Attempts before a name is locked.
pub(super) const ATTEMPTS_MAX: u32 = 5;
const LOCKED_FIRST: u64 = 15 * MINUTE;
/// Doublings of the first lock, at most: ten days and a half.
const DOUBLINGS_MAX: u32 = 10;
/// Others that count at the same time.
const TRIES_MAX: usize = 32;
/// A counter that nobody used so long is forgotten.
const FORGOTTEN_AFTER: u64 = 30 * 24 * 60 * MINUTE;

/// Counters of attempts.
pub(super) enum LoginCounters {}

/// A counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Counter {
    /// Attempts in a row that came to nothing, or are under way.
    #[serde(rename = "f")]
    pub failed_login_attempts: u32,
    /// No attempt is looked at before.
    #[serde(rename = "l")]
    pub locked_until: UnixNs,
    /// How often it was locked since the last login.
    #[serde(rename = "c")]
    pub locks_count: u32,
}

impl Kind for LoginCounters {
    const TABLE: TableId = tables::LOGIN_COUNTERS;
    type Open = Counter;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &Counter) -> Subject {
        Subject::Bank
    }
}

impl Blind for LoginCounters {
    const INDEXED: Indexed = Indexed::LoginIdentifier;
}

const FRESH: Counter =
    Counter { failed_login_attempts: 0, locked_until: UnixNs(0), locks_count: 0 };

impl Counter {
    /// What two adapters have counted.
    fn and(self, other: &Counter) -> Counter {
        let failed = self.failed_login_attempts.saturating_add(other.failed_login_attempts);
        Counter {
            failed_login_attempts: failed,
            locked_until: self.locked_until.max(other.locked_until),
            locks_count: self.locks_count.max(other.locks_count),
        }
    }

    /// The counter with one attempt more; `None` if it is locked.
    fn counted(self, now: Timestamp) -> Option<Counter> {
        if now.0 < self.locked_until.0 {
            return None;
        }
        let failed_login_attempts = self.failed_login_attempts.saturating_add(1);
        if failed_login_attempts < ATTEMPTS_MAX {
            return Some(Counter { failed_login_attempts, ..self });
        }
        let locked = LOCKED_FIRST << self.locks_count.min(DOUBLINGS_MAX);
        Some(Counter {
            failed_login_attempts: 0,
            locked_until: after(now, locked).into(),
            locks_count: self.locks_count.saturating_add(1),
        })
    }
}

/// What came of counting an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counted {
    /// The password may be looked at.
    Open,
    /// The same, and it is the last one before the name is locked.
    Last {
        /// Until when.
        until: UnixNs,
    },
    /// Nothing may be looked at.
    Locked,
}

/// Counts an attempt, durably.
pub(super) async fn count(store: &Store, name: &str, now: Timestamp) -> Result<Counted, BankError> {
    for _ in 0..TRIES_MAX {
        let entry = Entry::<LoginCounters>::find(store, &[], name).await?;
        let counter = entry.all().fold(FRESH, |counter, found| counter.and(&found.row.open));
        let counted = counter.counted(now);
        let outcome = match counted {
            None => Counted::Locked,
            Some(Counter { locked_until: until, .. }) if until != counter.locked_until => {
                Counted::Last { until }
            }
            Some(_) => Counted::Open,
        };
        let row = Row::<LoginCounters>::open(counted.unwrap_or(counter));
        if entry.replace(store, &row, after(now, FORGOTTEN_AFTER)).await? {
            return Ok(outcome);
        }
    }
    Err(BankError::Contended)
}

/// The writes that forget the attempts of a name.
pub(crate) fn forget(store: &Store, name: &str) -> Vec<DocumentWrite> {
    gone::<LoginCounters>(store, &[], name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: five tries with each version of a key, and a lock that ends with one of them.
    #[test]
    fn what_two_adapters_have_counted_counts_together() {
        let now = Timestamp(MINUTE);
        let two = FRESH.counted(now).and_then(|one| one.counted(now)).unwrap();
        assert_eq!(two.and(&two).failed_login_attempts, 4);
        let locked = two.and(&two).counted(now).unwrap();
        assert_eq!(FRESH.and(&locked).counted(now), None);
        assert_eq!(locked.and(&two).counted(now), None);
    }

    /// Prevents: an attacker who waits out the lock again and again at the same price.
    #[test]
    fn the_fifth_attempt_locks_and_each_lock_is_twice_as_long() {
        let mut counter = FRESH;
        let mut now = Timestamp(MINUTE);
        for minutes in [15, 30, 60, 120] {
            for _ in 0..ATTEMPTS_MAX {
                counter = counter.counted(now).expect("it is not locked");
            }
            assert_eq!(counter.locked_until.0, now.0 + minutes * MINUTE);
            let last = Timestamp(counter.locked_until.0 - 1);
            assert_eq!(counter.counted(last), None);
            now = counter.locked_until.into();
        }
    }
}
