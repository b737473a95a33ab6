//! What readers ask of the engine before they go to the log by themselves. Each question is cheap:
//! the engine says where history begins, and the reader walks it on its own thread.

pub(crate) use super::volatile::Kept;
use crate::documents::{DocumentLookup, DocumentRuns, DocumentScan, KeyOrder, KeyRange};
use crate::runs::{RunKind, RunName, RunSet};
use florin_ledger::query::{AccountPage, QueryFilter};
use florin_ledger::record::{Balances, DocumentRecord};
use florin_ledger::trial::LedgerSums;
use florin_ledger::{
    Account, AccountFlags, AccountId, Ledger, Lsn, Position, Slot, TableId, TableOptions,
};

/// A reader's question.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// Where an account's history begins.
    Account(AccountId),
    /// Where the records of some keys are.
    Find(RunKind, Vec<u128>),
    /// Whose slots these are. Slots come from records, so each has an account.
    Names(Vec<Slot>),
    /// A page of accounts, within a budget of rows.
    Accounts(QueryFilter),
    /// Where the log ends.
    End,
    /// Where documents are, by their keys in the index, and those that were written lately.
    Documents(Vec<Box<[u8]>>),
    /// Where they are, and nothing of what they say.
    Places(Vec<Box<[u8]>>),
    /// What memory has of a range of a table's keys.
    Scan(TableId, KeyRange, KeyOrder, usize),
    /// The tables that were declared.
    Tables,
    /// Where the history of the account in a slot begins.
    AccountAt(Slot),
    /// The same of several, each of which has an account.
    AccountsAt(Vec<Slot>),
    /// The sums over some rows of the account table.
    Rows { from: Slot, count: u32 },
    /// The runs of every index.
    Runs,
}

impl Ask {
    /// What the question weighs in the engine's queue: the bytes of its answer at most, but for documents that
    /// were written lately, which a turn has room for in all ([`crate::limits::RECENT_BYTES_MAX`]).
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Ask::Find(_, keys) => size_of_val(keys.as_slice()),
            Ask::Names(slots) => slots.len() * size_of::<AccountId>(),
            Ask::AccountsAt(slots) => slots.len() * size_of::<AccountPosition>(),
            Ask::Accounts(filter) => usize::try_from(filter.limit)
                .unwrap_or(usize::MAX)
                .saturating_mul(size_of::<Account>()),
            Ask::Documents(places) | Ask::Places(places) => {
                places.iter().map(|place| place.len()).sum()
            }
            Ask::Scan(_, _, _, limit) => limit * SCAN_KEY_BYTES,
            Ask::Rows { count, .. } => {
                usize::try_from(*count).unwrap_or(usize::MAX).saturating_mul(size_of::<Account>())
            }
            Ask::Account(_) | Ask::AccountAt(_) | Ask::End | Ask::Runs | Ask::Tables => 0,
        }
    }
}

/// The answer, released once what it speaks of is durable ([`super::Engine::is_durable`]).
#[derive(Debug)]
pub(crate) enum Answer {
    /// `None` if there is no such account.
    Account(Option<AccountPosition>),
    /// One entry per slot.
    AccountsAt(Vec<AccountPosition>),
    /// One entry per key, and the runs in which those not in memory may be.
    Found(Vec<Option<Lsn>>, RunSet),
    /// One id per slot.
    Names(Vec<AccountId>),
    /// A page.
    Accounts(AccountPage),
    /// The position after the last record.
    End(Lsn),
    /// One entry per key, and the runs in which those not in memory may be.
    Documents(Vec<DocumentPlace>, DocumentRuns),
    /// A scan that goes on in the runs; `None` if the table is volatile: it has no order.
    Scan(Option<Box<DocumentScan>>),
    /// Each with what it promises, in order.
    Tables(Vec<(TableId, TableOptions)>),
    /// The sums.
    Rows(RowSums),
    /// The names of those of every index.
    Runs(Vec<RunName>),
}

/// The sums over some rows, and what they reflect.
#[derive(Clone, Debug)]
pub(crate) struct RowSums {
    pub(crate) sums: LedgerSums,
    /// How many rows there were.
    pub(crate) count: u32,
    /// How many the table has.
    pub(crate) accounts_count: u64,
    /// The rows reflect exactly the records before this position.
    pub(crate) at: Lsn,
    /// The end of the last finished frame, not past `at`.
    pub(crate) frame_end: Lsn,
}

/// What memory knows of a document.
#[derive(Clone, Debug)]
pub(crate) enum DocumentPlace {
    /// A key of the index.
    Indexed(DocumentLookup),
    /// One that was written lately: there is no need to read the log.
    Recent(Position, DocumentRecord, Vec<u8>),
    /// One of a volatile table, with its epoch.
    Volatile(Option<(u64, Kept)>),
}

/// What a key of a scan weighs, more or less.
const SCAN_KEY_BYTES: usize = 64;

/// An account, and where its history begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountPosition {
    pub(crate) account: Account,
    pub(crate) slot: Slot,
    /// The newest posting, [`Lsn::NONE`] if there is none.
    pub(crate) last_posting: Lsn,
    /// The newest waypoint, [`Lsn::NONE`] if there is none.
    pub(crate) last_waypoint: Lsn,
    /// As they were given; those of the account are as they are now.
    pub(crate) flags_given: AccountFlags,
}

impl AccountPosition {
    /// That of the account in a slot; `None` if it has none.
    pub(crate) fn of(ledger: &Ledger, slot: Slot) -> Option<AccountPosition> {
        let row = ledger.row(slot)?;
        Some(AccountPosition {
            account: ledger.account_at(slot)?,
            slot,
            last_posting: row.last_posting,
            last_waypoint: row.last_waypoint,
            flags_given: row.flags_given,
        })
    }

    pub(crate) fn balances(&self) -> Balances {
        Balances {
            debits_pending: self.account.debits_pending,
            debits_posted: self.account.debits_posted,
            credits_pending: self.account.credits_pending,
            credits_posted: self.account.credits_posted,
        }
    }
}
