//! References of transactions, which people read to each other: `TXN-2026-000001234`. Numbers are taken from
//! the ledger in blocks, so no document is written by every transfer. A block that an adapter did not use up is
//! lost: numbers have gaps and never come twice.

use crate::clock::Clock;
use crate::error::BankError;
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::TableId;
use florin_ledger::Timestamp;
use florin_ledger::document::{DocumentCondition, WriteResult};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// Numbers in a block.
const BLOCK: u64 = 1_000;
const TRIES_MAX: usize = 32;

/// What numbers are given out.
pub(super) enum Sequences {}

/// Where a sequence goes on.
#[derive(Serialize, Deserialize)]
pub(super) struct SequenceOpen {
    pub next: u64,
}

impl Kind for Sequences {
    const TABLE: TableId = tables::SEQUENCES;
    type Open = SequenceOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &SequenceOpen) -> Subject {
        Subject::Bank
    }
}

/// Gives out references.
#[derive(Debug, Default)]
pub struct References(Mutex<Block>);

/// What is left of a block.
#[derive(Debug, Default)]
struct Block {
    year: i16,
    next: u64,
    end: u64,
}

impl References {
    /// The next reference.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn next(&self, store: &Store, clock: &dyn Clock) -> Result<String, BankError> {
        let year = year_of(clock.now());
        let mut block = self.0.lock().await;
        if block.year != year || block.next == block.end {
            let next = lease(store, year).await?;
            *block = Block { year, next, end: next + BLOCK };
        }
        let number = block.next;
        block.next += 1;
        Ok(format!("TXN-{year}-{number:09}"))
    }
}

async fn lease(store: &Store, year: i16) -> Result<u64, BankError> {
    let key = format!("transactions of {year}");
    for _ in 0..TRIES_MAX {
        let found: Option<Found<Sequences>> = store.get(key.as_bytes()).await?;
        let next = found.as_ref().map_or(1, |found| found.row.open.next);
        let condition = found.map_or(DocumentCondition::Absent, |found| found.condition());
        let row = Row::<Sequences>::open(SequenceOpen { next: next + BLOCK });
        let write = store.write(key.as_bytes(), &row, condition).await?;
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(_)) => return Ok(next),
            Some(WriteResult::Stale(_)) => {}
            other => return Err(BankError::odd(&other)),
        }
    }
    Err(BankError::Contended)
}

fn year_of(time: Timestamp) -> i16 {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
    time.to_zoned_datetime(jiff::tz::TimeZone::UTC).year()
}
