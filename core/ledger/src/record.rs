//! What is remembered of a decision: outcomes, not commands. A record says all that apply needs,
//! so that replaying a log asks no rule. The bytes of a record are the log's business
//! (`florin-core`, `log/record.rs`).

use crate::account::AccountFlags;
use crate::amount::Amount;
use crate::id::{AccountId, Code, LedgerId, Lsn, Slot, Timestamp, TransferId};
use crate::status::CreateTransferStatus;
use crate::transfer::TransferFlags;

/// One record of the log, in order of effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// The log was opened for writing.
    Epoch(EpochRecord),
    /// An account was opened.
    Account(AccountRecord),
    /// A transfer was posted, held, or resolved a hold.
    Transfer(TransferRecord),
    /// A hold expired.
    Expiry(ExpiryRecord),
    /// A transfer failed for a transient reason; its id can't be used again.
    Failed(FailedRecord),
    /// The balances of an account after every 32nd of its postings.
    Waypoint(WaypointRecord),
}

/// An opening of the log for writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochRecord {
    /// Counts openings, from 1.
    pub epoch: u64,
    /// Random, so that two histories that both claim an epoch are told apart.
    pub tag: u128,
}

/// An account as it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountRecord {
    /// Its place in the account table: the number of accounts before it.
    pub slot: Slot,
    /// See [`crate::Account`].
    pub id: AccountId,
    /// See [`crate::Account`].
    pub user_data_128: u128,
    /// See [`crate::Account`].
    pub user_data_64: u64,
    /// See [`crate::Account`].
    pub user_data_32: u32,
    /// See [`crate::Account`].
    pub ledger: LedgerId,
    /// See [`crate::Account`].
    pub code: Code,
    /// As given, with `linked` and `imported`.
    pub flags: AccountFlags,
    /// The caller's timestamp if `imported`, [`Timestamp::NONE`] otherwise (its recorded time).
    pub imported_timestamp: Timestamp,
}

/// A transfer as it took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferRecord {
    /// See [`crate::Transfer`].
    pub id: TransferId,
    /// The resolved amount: what was posted, held, or (in a void) released.
    pub amount: Amount,
    /// Given, or inherited from the hold.
    pub user_data_128: u128,
    /// Given, or inherited from the hold.
    pub user_data_64: u64,
    /// Given, or inherited from the hold.
    pub user_data_32: u32,
    /// The account that is debited.
    pub debit_slot: Slot,
    /// The account that is credited.
    pub credit_slot: Slot,
    /// The posting before this one on the debit account.
    pub debit_prev: Lsn,
    /// The posting before this one on the credit account.
    pub credit_prev: Lsn,
    /// The hold that a post or void resolves, [`Lsn::NONE`] otherwise.
    pub pending: Lsn,
    /// Seconds; not zero only in a hold that expires.
    pub timeout: u32,
    /// See [`crate::Transfer`].
    pub ledger: LedgerId,
    /// See [`crate::Transfer`].
    pub code: Code,
    /// As given.
    pub flags: TransferFlags,
    /// The caller's timestamp if `imported`, [`Timestamp::NONE`] otherwise (its recorded time).
    pub imported_timestamp: Timestamp,
}

/// A hold that nobody resolved in time. A posting like any other: it moves pending balances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpiryRecord {
    /// The hold.
    pub hold: Lsn,
    /// What the hold had reserved; for readers of the chain, apply takes it from the hold.
    pub amount: Amount,
    /// The account that would have been debited.
    pub debit_slot: Slot,
    /// The account that would have been credited.
    pub credit_slot: Slot,
    /// The posting before this one on the debit account.
    pub debit_prev: Lsn,
    /// The posting before this one on the credit account.
    pub credit_prev: Lsn,
}

/// A transfer id that failed for a transient reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailedRecord {
    /// The id that can't be used again.
    pub id: TransferId,
    /// Why it failed; always transient.
    pub status: CreateTransferStatus,
}

/// The balances of an account after one of its postings, to start from when reading history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaypointRecord {
    /// The account.
    pub slot: Slot,
    /// How many postings the account had, that one included; a multiple of [`WAYPOINT_INTERVAL`].
    pub postings_count: u64,
    /// That posting.
    pub posting: Lsn,
    /// The account's waypoint before this one.
    pub waypoint_prev: Lsn,
    /// The balances after that posting.
    pub balances: Balances,
}

/// Postings of one account between two of its waypoints.
pub const WAYPOINT_INTERVAL: u64 = 32;

/// The four balances of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balances {
    /// Sum of the holds that would debit the account.
    pub debits_pending: Amount,
    /// Sum of what was debited.
    pub debits_posted: Amount,
    /// Sum of the holds that would credit the account.
    pub credits_pending: Amount,
    /// Sum of what was credited.
    pub credits_posted: Amount,
}
