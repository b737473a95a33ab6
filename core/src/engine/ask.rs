//! What readers ask of the engine before they go to the log by themselves. Each question is cheap:
//! the engine says where history begins, and the reader walks it on its own thread.

use crate::runs::{RunKind, RunSet};
use florin_ledger::query::{AccountPage, QueryFilter};
use florin_ledger::record::Balances;
use florin_ledger::{Account, AccountId, Lsn, Slot};

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
}

impl Ask {
    /// What the question weighs in the engine's queue: the bytes of its answer at most.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Ask::Find(_, keys) => size_of_val(keys.as_slice()),
            Ask::Names(slots) => slots.len() * size_of::<AccountId>(),
            Ask::Accounts(filter) => usize::try_from(filter.limit)
                .unwrap_or(usize::MAX)
                .saturating_mul(size_of::<Account>()),
            Ask::Account(_) | Ask::End => 0,
        }
    }
}

/// The answer, released once what it speaks of is durable.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// `None` if there is no such account.
    Account(Option<AccountPosition>),
    /// One entry per key, and the runs in which those not in memory may be.
    Found(Vec<Option<Lsn>>, RunSet),
    /// One id per slot.
    Names(Vec<AccountId>),
    /// A page.
    Accounts(AccountPage),
    /// The position after the last record.
    End(Lsn),
}

/// An account, and where its history begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountPosition {
    pub(crate) account: Account,
    pub(crate) slot: Slot,
    /// The newest posting, [`Lsn::NONE`] if there is none.
    pub(crate) last_posting: Lsn,
    /// The newest waypoint, [`Lsn::NONE`] if there is none.
    pub(crate) last_waypoint: Lsn,
}

impl AccountPosition {
    pub(crate) fn balances(&self) -> Balances {
        Balances {
            debits_pending: self.account.debits_pending,
            debits_posted: self.account.debits_posted,
            credits_pending: self.account.credits_pending,
            credits_posted: self.account.credits_posted,
        }
    }
}
