//! How many requests a customer may send in a minute, in a volatile table of the ledger: one budget, however many
//! adapters and apps there are.

use super::problem::Problem;
use crate::clock::{MINUTE, SECOND};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Kind, Row, Store, key_of};
use crate::tables;
use crate::vault::Subject;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{Document, DocumentKey, DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// Requests of a customer in a minute, unless the bank is told otherwise.
pub const REQUESTS_PER_MINUTE: u32 = 300;
/// Requests of one customer that are counted at the same moment; whoever sends more has to wait.
const TRIES_MAX: usize = 32;

/// Headers that an answer gets beside its handler's, more or less.
const HEADERS_COUNT: usize = 16;

/// Counters of requests.
pub(super) enum RequestCounters {}

/// Requests of a customer in a minute.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct RequestCount {
    count: u32,
}

impl Kind for RequestCounters {
    const TABLE: TableId = tables::RATES;
    type Open = RequestCount;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &RequestCount) -> Subject {
        Subject::Bank
    }
}

/// What is left of a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Standing {
    limit: u32,
    left: u32,
    /// Seconds until the next minute.
    reset_s: u64,
}

/// Where a request's answer finds what is left.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<OnceLock<Standing>>);

impl Slot {
    fn set(&self, standing: Standing) {
        // One request is counted once.
        let _ = self.0.set(standing);
    }

    /// Says it, in the words of the draft standard and in those that are older.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let Some(Standing { limit, left, reset_s }) = self.0.get().copied() else { return };
        // At once for what the layers around add too, not bit by bit.
        headers.reserve(HEADERS_COUNT);
        for (name, value) in [
            ("ratelimit-policy", format!("\"default\";q={limit};w={}", MINUTE / SECOND)),
            ("ratelimit", format!("\"default\";r={left};t={reset_s}")),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", left.to_string()),
            ("x-ratelimit-reset", reset_s.to_string()),
        ] {
            let value = HeaderValue::from_str(&value).expect("it is plain");
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The requests of a customer in a minute.
pub(super) struct Minute {
    number: u64,
    key: Vec<u8>,
}

impl Minute {
    /// This minute of a customer.
    pub(super) fn of(customer: Id<Customer>, now: Timestamp) -> Minute {
        let number = now.0 / MINUTE;
        Minute { number, key: [&b"api"[..], &customer.bytes(), &number.to_be_bytes()].concat() }
    }

    /// The document that says how many were counted.
    pub(super) fn counter(&self) -> DocumentKey {
        key_of::<RequestCounters>(&self.key[..])
    }
}

/// Counts a request on top of what the [counter](Minute::counter) was found to say; `beside` is written once with it,
/// whatever comes of the counting.
///
/// # Errors
/// `rate_limited`; `busy`.
pub(super) async fn count(
    store: &Store,
    (minute, found): (Minute, Option<Document>),
    limit: u32,
    now: Timestamp,
    slot: &Slot,
    beside: DocumentWrite,
) -> Result<WriteResult, Problem> {
    let Minute { number, key } = minute;
    let mut found = store.found::<RequestCounters>(found).await?;
    let end = Timestamp((number + 1) * MINUTE);
    let reset_s = end.0.saturating_sub(now.0).div_ceil(SECOND);
    let (mut beside, mut written) = (Some(beside), None);
    for _ in 0..TRIES_MAX {
        let count = found.as_ref().map_or(0, |found| found.row.open.count);
        let standing =
            Standing { limit, left: limit.saturating_sub(count.saturating_add(1)), reset_s };
        if limit <= count {
            slot.set(standing);
            return Err(Problem::too_often(reset_s));
        }
        let condition = found.map_or(DocumentCondition::Absent, |found| found.condition());
        let row = Row::<RequestCounters>::open(RequestCount { count: count + 1 });
        let counted = store.write(&key, &row, condition).await?;
        let mut writes = vec![DocumentWrite { expires: end, ..counted }];
        writes.extend(beside.take());
        let results = store.client().write_documents(&writes).await.map_err(BankError::from)?;
        let mut results = results.into_iter();
        let counted = results.next();
        written = written.or(results.next());
        match counted {
            Some(WriteResult::Written(_)) => {
                slot.set(standing);
                return written.ok_or_else(|| BankError::odd(&"too few results").into());
            }
            Some(WriteResult::Stale(_)) => found = store.get(&key).await?,
            Some(WriteResult::NoRoom) => return Err(BankError::Busy.into()),
            other => return Err(BankError::odd(&other).into()),
        }
    }
    Err(Problem::too_often(1))
}
