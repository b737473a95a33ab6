//! What can be asked of the engine, and what it answers.
//!
//! Batches keep the fixed layout they arrived in: a batch from a socket is executed from the bytes
//! of the socket's buffer, and each event is read from there once, when its turn comes.

use crate::commits::{Caller, CommitRequest, RefusedRequest, UniqueRequest, WriteBatch};
use crate::limits::{BATCH_EVENTS_MAX, TURN_BYTES_MAX};
use bytes::Bytes;
use florin_ledger::document::{UniqueResult, WriteResult};
use florin_ledger::query::TrialBalance;
use florin_ledger::{
    Account, AccountId, AccountLayout, AccountResult, CommitOutcome, LedgerId, Lsn, TableId,
    TableOptions, Timestamp, Transfer, TransferLayout, TransferResult,
};
use zerocopy::{FromBytes, IntoBytes};

/// One request. Requests take effect in the order in which they are submitted.
#[derive(Clone, Debug)]
pub enum Request {
    /// Open accounts. Answered by [`Reply::Accounts`], durable.
    CreateAccounts(AccountBatch),
    /// Post transfers. Answered by [`Reply::Transfers`], durable.
    CreateTransfers(TransferBatch),
    /// Read accounts, one answer per id. Answered by [`Reply::LookedUpAccounts`].
    LookupAccounts(Vec<AccountId>),
    /// Sum all accounts of a ledger; O(accounts). Answered by [`Reply::TrialBalance`].
    TrialBalance(LedgerId),
    /// How the engine is doing. Answered by [`Reply::Status`].
    Status,
    /// Take effect whole or not at all, once. Answered by [`Reply::Commit`], durable.
    Commit(CommitRequest),
    /// Say what a commit would come to, now, and change nothing. Answered by [`Reply::Commit`].
    DryRun(CommitRequest),
    /// Write documents, each by itself. Answered by [`Reply::Written`], durable.
    WriteDocuments(WriteBatch),
    /// Be the first. Answered by [`Reply::Unique`], durable unless the table is volatile.
    InsertUnique(UniqueRequest),
    /// Say what a table promises. Answered by [`Reply::Written`] with one result, durable.
    DeclareTable(TableId, TableOptions),
    /// Put on record that a caller was refused before its request came here. Answered by
    /// [`Reply::Recorded`], durable.
    RecordRefusal(RefusedRequest),
}

/// The answer to one request, released once everything that it depends on is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// One result per account of the batch, in its order.
    Accounts(Vec<AccountResult>),
    /// One result per transfer of the batch, in its order.
    Transfers(Vec<TransferResult>),
    /// One entry per id, `None` where there is no such account.
    LookedUpAccounts(Vec<Option<Account>>),
    /// The sums.
    TrialBalance(TrialBalance),
    /// The state.
    Status(Status),
    /// What became of the commit.
    Commit(CommitOutcome),
    /// One result per write, in order.
    Written(Vec<WriteResult>),
    /// Whether the caller was the first.
    Unique(UniqueResult),
    /// It is on record, or counted in a record to come.
    Recorded,
}

/// How the engine is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Names this database; a restored copy has another.
    pub incarnation: u128,
    /// Openings for writing so far, this one included.
    pub epoch: u64,
    /// The end of the log as decided.
    pub applied: Lsn,
    /// Everything before it is durable.
    pub durable: Lsn,
    /// The recorded time of the last event.
    pub timestamp: Timestamp,
    /// Accounts ever opened.
    pub accounts_count: u64,
    /// Transfers ever created.
    pub transfers_count: u64,
    /// Holds neither posted, voided nor expired.
    pub holds_count: u64,
    /// Documents that have a value, volatile ones not counted.
    pub documents_count: u64,
    /// Since when volatile tables have been kept: what they do not know may have happened before.
    pub serving_since: Timestamp,
    /// The position of the last checkpoint.
    pub checkpoint: Lsn,
    /// Whether writes are refused until there is room on the disk.
    pub disk_full: bool,
}

macro_rules! batch {
    ($(#[$doc:meta])* $name:ident of $event:ident as $layout:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            bytes: Bytes,
            caller: Caller,
        }

        impl $name {
            /// A batch of these events.
            ///
            /// # Errors
            /// [`BatchError::TooLarge`] above [`BATCH_EVENTS_MAX`] events.
            pub fn new(events: &[$event]) -> Result<$name, BatchError> {
                if BATCH_EVENTS_MAX < events.len() {
                    return Err(BatchError::TooLarge { events_count: events.len() });
                }
                let mut bytes = Vec::with_capacity(size_of_val(events));
                for event in events {
                    bytes.extend_from_slice($layout::from(event).as_bytes());
                }
                Ok($name { bytes: bytes.into(), caller: Caller::default() })
            }

            /// A batch in its wire layout, without copying it.
            ///
            /// # Errors
            /// [`BatchError::Ragged`] if the length is not a whole number of events,
            /// [`BatchError::TooLarge`] above [`BATCH_EVENTS_MAX`] events.
            pub fn from_layout(bytes: Bytes) -> Result<$name, BatchError> {
                if bytes.len() % size_of::<$layout>() != 0 {
                    return Err(BatchError::Ragged { bytes: bytes.len() });
                }
                let events_count = bytes.len() / size_of::<$layout>();
                if BATCH_EVENTS_MAX < events_count {
                    return Err(BatchError::TooLarge { events_count });
                }
                Ok($name { bytes, caller: Caller::default() })
            }

            /// The same, asked by a caller.
            #[must_use]
            pub fn by(self, caller: &Caller) -> $name {
                $name { caller: caller.clone(), ..self }
            }

            /// Who asks.
            #[must_use]
            pub fn caller(&self) -> &Caller {
                &self.caller
            }

            /// The events as they lie in the buffer.
            #[must_use]
            pub fn layouts(&self) -> &[$layout] {
                <[$layout]>::ref_from_bytes(&self.bytes).expect("a batch is a whole number of events")
            }

            /// The events, in order.
            pub fn events(&self) -> impl ExactSizeIterator<Item = $event> + '_ {
                self.layouts().iter().map($event::from)
            }

            /// How many events.
            #[must_use]
            pub fn len(&self) -> usize {
                self.bytes.len() / size_of::<$layout>()
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.bytes.is_empty()
            }
        }
    };
}

batch! {
    /// Accounts to open, at most [`BATCH_EVENTS_MAX`].
    AccountBatch of Account as AccountLayout
}
batch! {
    /// Transfers to post, at most [`BATCH_EVENTS_MAX`].
    TransferBatch of Transfer as TransferLayout
}

/// Why a batch is not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// Refused whole; split it.
    #[error(
        "a batch holds at most {BATCH_EVENTS_MAX} events, this one has {events_count}: split it"
    )]
    TooLarge {
        /// How many there were.
        events_count: usize,
    },
    /// Not a whole number of events.
    #[error("{bytes} bytes are not a whole number of events of 128 bytes")]
    Ragged {
        /// How many there were.
        bytes: usize,
    },
}

impl Request {
    /// The same, asked by a caller: what of it is refused is put on record as that one's, and counts
    /// against its budgets.
    #[must_use]
    pub fn by(self, caller: &Caller) -> Request {
        match self {
            Request::CreateAccounts(batch) => Request::CreateAccounts(batch.by(caller)),
            Request::CreateTransfers(batch) => Request::CreateTransfers(batch.by(caller)),
            Request::Commit(commit) => Request::Commit(commit.by(caller)),
            request => request,
        }
    }

    /// Whether it can change anything: then it needs a clock that can be trusted, and room.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Request::CreateAccounts(_)
            | Request::CreateTransfers(_)
            | Request::Commit(_)
            | Request::DryRun(_)
            | Request::WriteDocuments(_)
            | Request::InsertUnique(_)
            | Request::DeclareTable(..)
            | Request::RecordRefusal(_) => true,
            Request::LookupAccounts(_) | Request::TrialBalance(_) | Request::Status => false,
        }
    }

    /// What the request weighs in the engine's queue: the bytes of its batch, or those of its answer;
    /// a turn's worth if it looks at every account.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Request::CreateAccounts(batch) => batch.bytes.len(),
            Request::CreateTransfers(batch) => batch.bytes.len(),
            Request::LookupAccounts(ids) => {
                ids.len() * (size_of::<AccountId>() + size_of::<Account>())
            }
            Request::TrialBalance(_) => TURN_BYTES_MAX,
            Request::Commit(request) | Request::DryRun(request) => request.bytes(),
            Request::WriteDocuments(batch) => batch.bytes(),
            Request::InsertUnique(unique) => unique.key.len(),
            Request::RecordRefusal(refused) => refused.actor.len(),
            Request::DeclareTable(..) | Request::Status => 0,
        }
    }
}
