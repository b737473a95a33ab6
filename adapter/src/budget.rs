//! Budgets that all adapters share: how often something may happen in a span of time, counted in volatile tables of the
//! ledger. After a restart of the ledger everything is left again.
//!
//! Spans begin at multiples of their length, so that no clock but the adapter's says which one it is; what is taken is
//! not given back.

use crate::clock::SECOND;
use crate::error::BankError;
use crate::store::{Found, Kind, Row, Store};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{DocumentWrite, Timestamp};
use serde::{Deserialize, Serialize};

/// Others that take at the same time.
const TRIES_MAX: usize = 64;

/// How much of a budget is spent.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spent {
    count: u32,
}

/// A table of budgets.
pub(crate) trait Budgets: Kind<Open = Spent, Profile = (), Statutory = ()> {}

/// How often, and in which time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowance {
    /// At most so often.
    pub(crate) limit: u32,
    /// In so many nanoseconds.
    pub(crate) span: u64,
}

impl Allowance {
    /// Seconds until the next span begins; 1 at least.
    pub(crate) fn resets_in(self, now: Timestamp) -> u64 {
        (self.span - now.0 % self.span).div_ceil(SECOND)
    }
}

/// Takes one from the budget of a name; whether one was left. Returns when that is known to all adapters.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn take<B: Budgets>(
    store: &Store,
    now: Timestamp,
    name: &[u8],
    Allowance { limit, span }: Allowance,
) -> Result<bool, BankError> {
    let number = now.0 / span;
    let key = [name, &number.to_be_bytes()].concat();
    let ends = Timestamp((number + 1) * span);
    for _ in 0..TRIES_MAX {
        let found: Option<Found<B>> = store.get(&key).await?;
        let count = found.as_ref().map_or(0, |found| found.row.open.count);
        let is_left = count < limit;
        let condition = found.map_or(DocumentCondition::Absent, |found| found.condition());
        let spent = Row::<B>::open(Spent { count: count + u32::from(is_left) });
        let write = store.write(&key, &spent, condition).await?;
        let write = DocumentWrite { expires: ends, ..write };
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(_)) => return Ok(is_left),
            Some(WriteResult::Stale(_)) => {}
            Some(WriteResult::NoRoom) => return Err(BankError::Busy),
            other => return Err(BankError::odd(&other)),
        }
    }
    Err(BankError::Contended)
}
