//! What the rules ask of the world: where records go, and what happened before the tables.
//!
//! The engine implements it over the log frame being built and the index of transfer ids; tests
//! implement it over a vector. Every answer must be ready in memory: nothing here waits.

use crate::id::{Lsn, Timestamp, TransferId};
use crate::record::{Record, RefusalRecord};
use crate::state::Ledger;
use crate::transfer::Transfer;

/// Where records go, and what happened before the tables.
///
/// Records name accounts by slot; a journal that reads transfers back from them turns slots into
/// ids with the ledger that it is handed.
///
/// Protocol: `chain_begin`, any number of `append`, then exactly one of `chain_keep` and
/// `chain_undo`; chains do not nest. Outside a chain an appended record stays.
pub trait Journal {
    /// What became of a transfer's id, by this very batch too, but for what an undone chain took
    /// back. Holds that are still live are `Created` like any other transfer.
    fn past_transfer(&self, ledger: &Ledger, id: TransferId) -> PastTransfer;

    /// What became of a hold. Asked only for ids that are not live holds.
    fn past_hold(&self, ledger: &Ledger, id: TransferId) -> PastHold;

    /// Whether some transfer has exactly this timestamp.
    fn has_transfer_at(&self, timestamp: Timestamp) -> bool;

    /// Appends a record with its recorded time and says where it lies. Positions rise, and are
    /// never [`Lsn::NONE`]; those of an undone chain may be given out again.
    fn append(&mut self, time: Timestamp, record: &Record) -> Lsn;

    /// Appends that an event of a batch was refused, with who asked for it, and says where; `None` if
    /// the journal does not keep it. Called outside of chains; its time is the event's, which a record
    /// of a failed id right before may have as well.
    fn append_refusal(&mut self, time: Timestamp, refusal: RefusalRecord) -> Option<Lsn>;

    /// What is appended from here on may be taken back.
    fn chain_begin(&mut self);

    /// What was appended since `chain_begin` stays.
    fn chain_keep(&mut self);

    /// What was appended since `chain_begin` never happened: not its ids, holds or positions.
    fn chain_undo(&mut self);
}

/// What became of a transfer's id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PastTransfer {
    /// The id is free.
    Unknown,
    /// A transfer with this id failed for a transient reason.
    Failed,
    /// The transfer as it took effect, with the fields that a post or void took from its hold.
    Created(Transfer),
}

/// What became of a hold that is not live any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PastHold {
    /// No transfer was created with this id; one may have failed.
    Unknown,
    /// The transfer is not a hold.
    NotPending,
    /// The hold as it was placed, and how it ended.
    Settled(Transfer, HoldOutcome),
}

/// How a hold ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldOutcome {
    /// It was posted, wholly or in part.
    Posted,
    /// It was voided.
    Voided,
    /// Its timeout passed.
    Expired,
}
