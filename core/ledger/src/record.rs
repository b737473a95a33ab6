//! What is remembered of a decision: outcomes, not commands. A record says all that apply needs,
//! so that replaying a log asks no rule. The bytes of a record are the log's business
//! (`florin-core`, `log/record.rs`).

use crate::account::AccountFlags;
use crate::amount::Amount;
use crate::commit::{CommitId, Topic};
use crate::document::TableId;
use crate::id::{AccountId, Code, LedgerId, Lsn, Slot, Timestamp, TransferId};
use crate::status::{CreateAccountStatus, CreateTransferStatus};
use crate::transfer::TransferFlags;

/// One record of the log, in order of effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// The log was opened for writing.
    Epoch(EpochRecord),
    /// The log was restored, and a new life begins.
    Life(LifeRecord),
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
    /// A document was written, deleted, or expired. Payload: key, value.
    Document(DocumentRecord),
    /// Readers of the log are told something. Payload: key, value.
    Event(EventRecord),
    /// A commit took effect. Payload: actor context.
    Commit(CommitRecord),
    /// Something was refused. Payload: actor context.
    Refusal(RefusalRecord),
    /// The payload of the record before goes on: no room was left in its cell. Payload: that.
    Part(PartRecord),
}

/// Bytes of variable length that belong to a record: `florin-core` hands them out beside it.
impl Record {
    /// How many bytes of payload the record has, the parts behind it included.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let bytes = match self {
            Record::Document(document) => {
                u32::from(document.key_bytes).saturating_add(document.value_bytes)
            }
            Record::Event(event) => u32::from(event.key_bytes).saturating_add(event.value_bytes),
            Record::Commit(commit) => u32::from(commit.actor_bytes),
            Record::Refusal(refusal) => u32::from(refusal.actor_bytes),
            Record::Part(part) => part.bytes,
            Record::Epoch(_)
            | Record::Life(_)
            | Record::Account(_)
            | Record::Transfer(_)
            | Record::Expiry(_)
            | Record::Failed(_)
            | Record::Waypoint(_) => 0,
        };
        usize::try_from(bytes).expect("u32 fits usize")
    }
}

/// An opening of the log for writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochRecord {
    /// Counts openings, from 1.
    pub epoch: u64,
    /// Random, so that two histories that both claim an epoch are told apart.
    pub tag: u128,
}

/// A life of the database: what was restored from a backup is another bank than the one that was
/// backed up, and goes on under another name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LifeRecord {
    /// Counts restores, from 1; 0 is the life that the database was born to. At most [`LIVES_MAX`].
    pub number: u64,
    /// Names the life, random: two copies of one backup have the same number.
    pub incarnation: u128,
    /// The incarnation of the life before; zero if this is the first.
    pub previous: u128,
    /// The end of the log that was restored: what the life before has from there on is not in this one.
    pub restored_to: Lsn,
    /// Where the life before began so; [`Lsn::NONE`] if it is the first, or this is.
    pub previous_restored_to: Lsn,
}

impl LifeRecord {
    /// The first life of a database, which no record tells of: its segments name it.
    #[must_use]
    pub fn birth(incarnation: u128) -> LifeRecord {
        LifeRecord {
            number: 0,
            incarnation,
            previous: 0,
            restored_to: Lsn::NONE,
            previous_restored_to: Lsn::NONE,
        }
    }

    /// The life that begins when what has lived so far is restored up to a position.
    #[must_use]
    pub fn after(self, incarnation: u128, restored_to: Lsn) -> LifeRecord {
        LifeRecord {
            number: (self.number + 1).min(LIVES_MAX),
            incarnation,
            previous: self.incarnation,
            restored_to,
            previous_restored_to: self.restored_to,
        }
    }

    /// The number of the life that an epoch is of.
    #[must_use]
    pub fn number_of(epoch: u64) -> u64 {
        epoch.saturating_sub(1) >> (LIFE_BITS + EPOCH_BITS)
    }

    /// The first epoch that this life may have. Lives have epochs of their own, so that a position of
    /// one, behind the point that the next was restored to, is none of the next; nor, but for one chance
    /// in a million, one of another life that begins at the same point.
    #[must_use]
    pub fn first_epoch(self) -> u64 {
        if self.number == 0 {
            return 1;
        }
        let mask = (1 << LIFE_BITS) - 1;
        let random = u64::try_from(self.incarnation & mask).expect("it was masked");
        (self.number << (LIFE_BITS + EPOCH_BITS)) + (random << EPOCH_BITS) + 1
    }
}

/// Openings that a life has numbers for: 2^20.
const EPOCH_BITS: u32 = 20;
/// Bits of a life's incarnation in its epochs.
const LIFE_BITS: u32 = 20;
/// Restores, one of the other: so epochs are below 2^53, which every reader of JSON can hold.
pub const LIVES_MAX: u64 = (1 << 12) - 1;

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

/// A document as it was written, or its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DocumentRecord {
    /// What happened to it.
    pub change: DocumentChange,
    /// Its table.
    pub table: TableId,
    /// Bytes of its key: the payload's first.
    pub key_bytes: u16,
    /// Bytes of its value: the payload's other ones. None if it ended.
    pub value_bytes: u32,
    /// The record before this one of the same key, [`Lsn::NONE`] if there was none, or if it was a
    /// deletion that is forgotten.
    pub previous: Lsn,
    /// Whether that record's value stood until now: the number of documents follows from it.
    pub replaces: bool,
    /// When it expires; [`Timestamp::NONE`]: never. Of one that expired: when it was due.
    pub expires: Timestamp,
    /// When this took effect: a document is read without the frame that it lies in.
    pub time: Timestamp,
    /// The log's own: a checksum over record, payload and position; zero if the payload goes on in
    /// parts. Zero until it is in a frame.
    pub check: u32,
}

/// What happened to a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DocumentChange {
    /// It has a value now.
    Put,
    /// It was deleted.
    Deleted,
    /// Its time was over.
    Expired,
}

impl DocumentChange {
    /// What a reader of the log calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DocumentChange::Put => "document_put",
            DocumentChange::Deleted => "document_deleted",
            DocumentChange::Expired => "document_expired",
        }
    }
}

/// Something that readers of the log are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventRecord {
    /// What it is about.
    pub topic: Topic,
    /// Bytes of its key: the payload's first.
    pub key_bytes: u16,
    /// Bytes of its value: the payload's other ones.
    pub value_bytes: u32,
}

/// The end of a commit: everything that it did lies between `first` and this record, in one frame,
/// among expiries and waypoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitRecord {
    /// See [`crate::Commit::id`].
    pub id: CommitId,
    /// See [`crate::Commit::digest`]; never all zero.
    pub digest: [u8; 32],
    /// The first record that may be the commit's.
    pub first: Lsn,
    /// Accounts that it opened.
    pub accounts_count: u32,
    /// Transfers that it posted.
    pub transfers_count: u32,
    /// Documents that it wrote.
    pub documents_count: u32,
    /// Events that it told.
    pub events_count: u32,
    /// Bytes of its actor context: the payload.
    pub actor_bytes: u16,
}

/// Something that was asked for and refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusalRecord {
    /// The id of the commit, account or transfer, as the reason says; zero if it was none of them.
    pub id: u128,
    /// The commit's digest; zero if it was none.
    pub digest: [u8; 32],
    /// Why.
    pub reason: RefusalReason,
    /// Of the event or part that was at fault, its place among those of its kind.
    pub index: u32,
    /// How many alike this record stands for; 1 unless there were too many to record each.
    pub count: u32,
    /// Bytes of the actor context: the payload.
    pub actor_bytes: u16,
}

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalReason {
    /// An account can't be opened: final for the commit.
    Account(CreateAccountStatus),
    /// A transfer can't be posted: final for the commit.
    Transfer(CreateTransferStatus),
    /// The commit came after its `not_after`.
    TooLate,
    /// A precondition on a document.
    Document,
    /// A precondition on a balance.
    Balance,
    /// A precondition on a hold.
    Hold,
    /// The condition of a document to be written.
    Write,
    /// An append-only table.
    AppendOnly,
    /// Another commit has the id.
    Digest,
    /// The caller's key has not the role.
    Forbidden,
    /// An account of a batch can't be opened.
    BatchAccount(CreateAccountStatus),
    /// A transfer of a batch can't be posted.
    BatchTransfer(CreateTransferStatus),
}

impl RefusalReason {
    /// Whether it is about an event of a batch: then nothing else of the batch is refused with it.
    #[must_use]
    pub fn is_of_batch(self) -> bool {
        matches!(self, RefusalReason::BatchAccount(_) | RefusalReason::BatchTransfer(_))
    }

    /// Whether it is the commit's answer for ever.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, RefusalReason::Account(_) | RefusalReason::Transfer(_))
    }

    /// The number of the reason, and the number of the status within it.
    #[must_use]
    pub fn numbers(self) -> (u8, u8) {
        match self {
            RefusalReason::Account(status) => (1, status.number()),
            RefusalReason::Transfer(status) => (2, status.number()),
            RefusalReason::TooLate => (3, 0),
            RefusalReason::Document => (4, 0),
            RefusalReason::Balance => (5, 0),
            RefusalReason::Hold => (6, 0),
            RefusalReason::Write => (7, 0),
            RefusalReason::AppendOnly => (8, 0),
            RefusalReason::Digest => (9, 0),
            RefusalReason::Forbidden => (10, 0),
            RefusalReason::BatchAccount(status) => (11, status.number()),
            RefusalReason::BatchTransfer(status) => (12, status.number()),
        }
    }

    /// The reason's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RefusalReason::Account(status) | RefusalReason::BatchAccount(status) => status.name(),
            RefusalReason::Transfer(status) | RefusalReason::BatchTransfer(status) => status.name(),
            RefusalReason::TooLate => "too_late",
            RefusalReason::Document => "document_precondition",
            RefusalReason::Balance => "balance_precondition",
            RefusalReason::Hold => "hold_precondition",
            RefusalReason::Write => "write_condition",
            RefusalReason::AppendOnly => "table_is_append_only",
            RefusalReason::Digest => "exists_with_different_digest",
            RefusalReason::Forbidden => "forbidden",
        }
    }

    /// What the refusal's id is of: `commit`, `account`, `transfer`; a `request` has none.
    #[must_use]
    pub fn subject(self) -> &'static str {
        match self {
            RefusalReason::BatchAccount(_) => "account",
            RefusalReason::BatchTransfer(_) => "transfer",
            RefusalReason::Forbidden => "request",
            _ => "commit",
        }
    }

    /// The reason with these numbers.
    #[must_use]
    pub fn from_numbers(reason: u8, status: u8) -> Option<RefusalReason> {
        Some(match (reason, status) {
            (1, status) => RefusalReason::Account(CreateAccountStatus::from_number(status)?),
            (2, status) => RefusalReason::Transfer(CreateTransferStatus::from_number(status)?),
            (3, 0) => RefusalReason::TooLate,
            (4, 0) => RefusalReason::Document,
            (5, 0) => RefusalReason::Balance,
            (6, 0) => RefusalReason::Hold,
            (7, 0) => RefusalReason::Write,
            (8, 0) => RefusalReason::AppendOnly,
            (9, 0) => RefusalReason::Digest,
            (10, 0) => RefusalReason::Forbidden,
            (11, status) => RefusalReason::BatchAccount(CreateAccountStatus::from_number(status)?),
            (12, status) => {
                RefusalReason::BatchTransfer(CreateTransferStatus::from_number(status)?)
            }
            _ => return None,
        })
    }
}

/// More of the payload of a record that lies right before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartRecord {
    /// The record whose payload it is.
    pub owner: Lsn,
    /// Bytes of payload in this record.
    pub bytes: u32,
}

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
