//! Why something could not be done, by what whoever asked does next.

use crate::vault::TreeError;
use florin_client::{ClientError, ConsumerError};
use florin_ledger::TableId;
use florin_ledger::commit::{BrokenRule, Unmet};

/// Why the bank could not do something. What a customer may not do, or did wrong, is no error but an answer
/// of its own.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// The ledger could not be asked, or it is not known whether it did what it was asked for.
    #[error("the ledger: {0}")]
    Ledger(#[from] ClientError),
    /// A reader of the ledger's log could not go on.
    #[error("reading the ledger: {0}")]
    Consumer(#[from] ConsumerError),
    /// The bank's own keys can't be had.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// A document of this table is not what was written: nothing may be decided by it.
    #[error("a document of table {0} is damaged")]
    Damaged(TableId),
    /// A document of this table was written by a newer version of this program.
    #[error("a document of table {0} was written by a newer version: bring this one up to date")]
    Newer(TableId),
    /// The ledger's keyring never had the keys of something that is sealed.
    #[error("the keyring lacks a customer's keys: it is an older copy, or another ledger's")]
    KeyMissing,
    /// A version of the blind indexes' key is in use that was made after this adapter started: nothing may be looked
    /// for without it.
    #[error("the bank's keys have changed since this adapter started: start it again")]
    KeysChanged,
    /// The keys of its subject are destroyed: nothing more can be stored about it.
    #[error("the keys of its subject are destroyed")]
    Erased,
    /// Others changed the same again and again meanwhile: ask again.
    #[error("others changed the same at the same time: ask again")]
    Contended,
    /// Too much is under way: ask again later.
    #[error("too much is under way: ask again later")]
    Busy,
    /// What a commit needs has changed since it was read. Nothing happened.
    #[error("what was read has changed: {0:?}")]
    Unmet(Unmet),
    /// A posting rule refused a commit, for ever.
    #[error("a posting rule refuses it: {0:?}")]
    Refused(BrokenRule),
    /// The ledger answered what it never should.
    #[error("the ledger answered {0}")]
    Odd(String),
}

impl BankError {
    /// An answer that no ledger should give.
    pub(crate) fn odd(answer: &dyn std::fmt::Debug) -> BankError {
        BankError::Odd(format!("{answer:?}"))
    }

    /// Whether the same, read and decided afresh, may go through.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, BankError::Unmet(_))
    }
}
