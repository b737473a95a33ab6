//! Proofs that were used, so that none is used twice: in a volatile table of the ledger, which every adapter of
//! the bank asks, so that a proof which one has seen is no proof for another. Nothing of it is in the log.
//!
//! - A proof is kept until it is too old to be one.
//! - The table is lost when the ledger is opened anew. Which opening it is, the ledger says with each answer: what was
//!   made before an adapter first heard of it is refused, since nobody knows whether it was used.
//! - Only who has a good token gets this far, so strangers can't fill the table; when it is full all the same,
//!   requests are put off, not let in.

use super::app::no_proof;
use super::dpop::{PAST_MAX_S, Proof};
use super::problem::Problem;
use crate::clock::{SECOND, after};
use crate::error::BankError;
use crate::store::{Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{DocumentWrite, TableId, Timestamp};
use std::sync::{Mutex, PoisonError};

/// Proofs that were used.
pub(super) enum Proofs {}

impl Kind for Proofs {
    const TABLE: TableId = tables::DPOP_PROOFS;
    type Open = ();
    type Profile = ();
    type Statutory = ();

    fn subject((): &()) -> Subject {
        Subject::Bank
    }
}

/// Since when, as far as this adapter has seen, the ledger knows which proofs were used.
#[derive(Debug)]
pub struct ReplayMemory(Mutex<Opening>);

/// An opening of the ledger.
#[derive(Clone, Copy, Debug)]
struct Opening {
    epoch: u64,
    /// When this adapter first heard of it: the ledger was open then.
    since: Timestamp,
}

impl ReplayMemory {
    /// The memory of a ledger that is open now.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn open(store: &Store, now: Timestamp) -> Result<ReplayMemory, BankError> {
        let row = Row::<Proofs>::open(());
        let write = store.write(&[0], &row, DocumentCondition::Any).await?;
        let write = DocumentWrite { expires: after(now, SECOND), ..write };
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(version)) => {
                Ok(ReplayMemory(Mutex::new(Opening { epoch: version.epoch, since: now })))
            }
            Some(WriteResult::NoRoom) => Err(BankError::Busy),
            other => Err(BankError::odd(&other)),
        }
    }

    /// The write that uses a proof up.
    ///
    /// # Errors
    /// [`BankError`].
    pub(super) async fn write(store: &Store, proof: &Proof) -> Result<DocumentWrite, BankError> {
        let row = Row::<Proofs>::open(());
        let write = store.write(&proof.id, &row, DocumentCondition::Absent).await?;
        // A second more than it is good for.
        let expires = (proof.made_s + PAST_MAX_S + 1).saturating_mul(SECOND);
        Ok(DocumentWrite { expires: Timestamp(expires), ..write })
    }

    /// Uses a proof up.
    ///
    /// # Errors
    /// As [`ReplayMemory::check`].
    pub(super) async fn used(
        &self,
        store: &Store,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let write = ReplayMemory::write(store, proof).await?;
        let results = store.client().write_documents(&[write]).await.map_err(BankError::from)?;
        let result = results.first().copied();
        let result = result.ok_or_else(|| BankError::odd(&"too few results"))?;
        self.check(proof, result, now)
    }

    /// Whether the write has used it up, for the first time.
    ///
    /// # Errors
    /// The problem `invalid_dpop_proof` if somebody has used it before, or may have; `busy`.
    pub(super) fn check(
        &self,
        proof: &Proof,
        result: WriteResult,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let version = match result {
            WriteResult::Written(version) => version,
            WriteResult::Stale(_) => return Err(no_proof()),
            WriteResult::NoRoom => return Err(BankError::Busy.into()),
            other @ WriteResult::AppendOnly(_) => return Err(BankError::odd(&other).into()),
        };
        let mut opening = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if opening.epoch != version.epoch {
            *opening = Opening { epoch: version.epoch, since: now };
        }
        // Proofs tell whole seconds.
        if proof.made_s < opening.since.0 / SECOND { Err(no_proof()) } else { Ok(()) }
    }
}
