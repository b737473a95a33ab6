//! How often somebody tried to log in under a name, known or not.
//!
//! - An attempt is counted, durably, before a password is looked at: whoever asks a hundred times at once is
//!   looked at five times.
//! - After five in a row the name is locked for a quarter of an hour, then twice as long each time. A login
//!   that succeeds begins anew.
//! - The name is a blind index of the address that was typed, so this says nothing about who is a customer; all
//!   that is no address is one name.
//! - A locked name is written too: it takes as long as another.

use crate::clock::{MINUTE, UnixNs, after};
use crate::error::BankError;
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::{BLIND_BYTES, Subject};
use florin_ledger::document::{DocumentCondition, WriteResult};
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
    pub failed_login_attempts: u32,
    /// No attempt is looked at before.
    pub locked_until: UnixNs,
    /// How often it was locked since the last login.
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

const FRESH: Counter =
    Counter { failed_login_attempts: 0, locked_until: UnixNs(0), locks_count: 0 };

impl Counter {
    /// The counter with one attempt more; `None` if it is locked.
    fn counted(self, now: Timestamp) -> Option<Counter> {
        if now.0 < self.locked_until.0 {
            return None;
        }
        let failed_login_attempts = self.failed_login_attempts + 1;
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
pub(super) async fn count(
    store: &Store,
    name: &[u8; BLIND_BYTES],
    now: Timestamp,
) -> Result<Counted, BankError> {
    for _ in 0..TRIES_MAX {
        let found: Option<Found<LoginCounters>> = store.get(name).await?;
        let counter = found.as_ref().map_or(FRESH, |found| found.row.open);
        let counted = counter.counted(now);
        let outcome = match counted {
            None => Counted::Locked,
            Some(Counter { locked_until: until, .. }) if until != counter.locked_until => {
                Counted::Last { until }
            }
            Some(_) => Counted::Open,
        };
        let condition = found.map_or(DocumentCondition::Absent, |found| found.condition());
        let row = Row::<LoginCounters>::open(counted.unwrap_or(counter));
        let write = store.write(name, &row, condition).await?;
        let write = DocumentWrite { expires: after(now, FORGOTTEN_AFTER), ..write };
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(_)) => return Ok(outcome),
            Some(WriteResult::Stale(_)) => {}
            other => return Err(BankError::odd(&other)),
        }
    }
    Err(BankError::Contended)
}

/// A write that forgets the attempts of a name.
pub(crate) fn forget(name: &[u8; BLIND_BYTES]) -> DocumentWrite {
    DocumentWrite { table: LoginCounters::TABLE, key: name.to_vec(), ..DocumentWrite::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
