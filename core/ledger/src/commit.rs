//! Commits: accounts, transfers, documents and events that take effect together or not at all, under
//! an id that takes effect once.
//!
//! What is final: a commit that is done, and one that a posting rule refused. The same id with the
//! same digest gets the first answer for ever; with another digest it is told so. A precondition
//! that is not met binds nothing: the same id may be sent again.

use crate::account::Account;
use crate::amount::Amount;
use crate::document::{DocumentWrite, TableId};
use crate::id::{AccountId, Timestamp, TransferId};
use crate::position::Position;
use crate::status::{CreateAccountStatus, CreateTransferStatus};
use crate::transfer::Transfer;
use alloc::vec::Vec;
use core::fmt;

/// Bytes of a commit's actor context at most.
pub const ACTOR_BYTES_MAX: usize = 256;

/// A commit's id, chosen by the caller: a name space of its own beside those of accounts and
/// transfers. Zero and 2^128-1 are never valid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CommitId(pub u128);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What events are about: a reader of the log chooses by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Topic(pub u16);

/// Something to be told to readers of the log, in the commit that made it true.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// What it is about.
    pub topic: Topic,
    /// Whom it concerns; up to [`crate::document::DOCUMENT_KEY_BYTES_MAX`] bytes, may be empty.
    pub key: Vec<u8>,
    /// What happened; up to [`crate::document::DOCUMENT_VALUE_BYTES_MAX`] bytes.
    pub value: Vec<u8>,
}

/// What must hold for a commit to be decided at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// The document has this version; [`Position::NONE`]: there is none.
    Document {
        /// Its table.
        table: TableId,
        /// Its key.
        key: Vec<u8>,
        /// Its version.
        version: Position,
    },
    /// A balance of an account lies within a range, its ends included.
    Balance {
        /// The account; one that is not open has no balance in any range.
        account_id: AccountId,
        /// Which balance.
        field: BalanceField,
        /// The least.
        min: Amount,
        /// The most.
        max: Amount,
    },
    /// The transfer is a hold that is neither posted, voided nor expired.
    HoldPending {
        /// The transfer that placed it.
        transfer_id: TransferId,
    },
}

/// A balance that a precondition asks about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BalanceField {
    /// Holds that would debit the account.
    DebitsPending,
    /// What was debited.
    DebitsPosted,
    /// Holds that would credit the account.
    CreditsPending,
    /// What was credited.
    CreditsPosted,
    /// What a customer may still spend: credits posted, less debits posted and pending; zero where
    /// that is negative.
    CreditAvailable,
    /// The mirror image, for accounts whose balance is a debit.
    DebitAvailable,
}

impl BalanceField {
    /// Every field, in order of number.
    pub const ALL: [BalanceField; 6] = [
        BalanceField::DebitsPending,
        BalanceField::DebitsPosted,
        BalanceField::CreditsPending,
        BalanceField::CreditsPosted,
        BalanceField::CreditAvailable,
        BalanceField::DebitAvailable,
    ];

    /// The number that the wire carries.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            BalanceField::DebitsPending => 0,
            BalanceField::DebitsPosted => 1,
            BalanceField::CreditsPending => 2,
            BalanceField::CreditsPosted => 3,
            BalanceField::CreditAvailable => 4,
            BalanceField::DebitAvailable => 5,
        }
    }

    /// The field with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<BalanceField> {
        BalanceField::ALL.get(usize::from(number)).copied()
    }

    /// The balance of an account.
    #[must_use]
    pub fn of(self, account: &Account) -> Amount {
        let left = |of: Amount, posted: Amount, pending: Amount| {
            Amount(of.0.saturating_sub(posted.0).saturating_sub(pending.0))
        };
        match self {
            BalanceField::DebitsPending => account.debits_pending,
            BalanceField::DebitsPosted => account.debits_posted,
            BalanceField::CreditsPending => account.credits_pending,
            BalanceField::CreditsPosted => account.credits_posted,
            BalanceField::CreditAvailable => {
                left(account.credits_posted, account.debits_posted, account.debits_pending)
            }
            BalanceField::DebitAvailable => {
                left(account.debits_posted, account.credits_posted, account.credits_pending)
            }
        }
    }
}

/// One request that takes effect whole or not at all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Commit {
    /// Takes effect once.
    pub id: CommitId,
    /// What its caller means, so that another commit under the same id is told apart; all zero: the
    /// BLAKE3 of the commit as it is encoded.
    pub digest: [u8; 32],
    /// Who does this, in the caller's own words, sealed by the caller; at most [`ACTOR_BYTES_MAX`]
    /// bytes. Logged with whatever becomes of the commit.
    pub actor: Vec<u8>,
    /// Not after this ledger time; [`Timestamp::NONE`]: whenever.
    pub not_after: Timestamp,
    /// What must hold.
    pub preconditions: Vec<Precondition>,
    /// Accounts to open, in order, before the transfers.
    pub accounts: Vec<Account>,
    /// Transfers to post, in order. With the accounts they are one chain; `linked` is not set.
    pub transfers: Vec<Transfer>,
    /// Documents to write, each document once.
    pub documents: Vec<DocumentWrite>,
    /// What readers of the log are told.
    pub events: Vec<Event>,
}

/// What became of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitOutcome {
    /// It took effect, now or when it was first sent.
    Done(CommitDone),
    /// A posting rule refused it, now or when it was first sent. Nothing took effect, for ever.
    Refused(CommitRefused),
    /// Something that it needs does not hold. Nothing took effect; it may be sent again.
    Unmet(Unmet),
    /// Another commit was decided under this id; this is where. Nothing took effect.
    ExistsWithDifferentDigest(Position),
}

/// What a commit did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommitDone {
    /// Where its record is: everything of it lies before, in the same frame. [`Position::NONE`] in
    /// the answer to a dry run.
    pub position: Position,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// When each account was opened.
    pub accounts: Vec<Timestamp>,
    /// When each transfer took effect.
    pub transfers: Vec<Timestamp>,
    /// The version of each document that it wrote.
    pub documents: Vec<Position>,
    /// Where each of its events is.
    pub events: Vec<Position>,
}

/// Which posting rule refused a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitRefused {
    /// Where its record is; [`Position::NONE`] in the answer to a dry run.
    pub position: Position,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The rule.
    pub broken: BrokenRule,
}

/// The event of a commit that broke a rule, counted from 0, and the rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BrokenRule {
    /// An account can't be opened.
    Account {
        /// Its place among the accounts.
        index: u32,
        /// The rule.
        status: CreateAccountStatus,
    },
    /// A transfer can't be posted.
    Transfer {
        /// Its place among the transfers.
        index: u32,
        /// The rule.
        status: CreateTransferStatus,
    },
}

/// What a commit needs and does not find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// Ledger time has passed its `not_after`; this is the time.
    TooLate(Timestamp),
    /// A precondition on a document; the document has this version.
    Document {
        /// Its place among the preconditions.
        index: u32,
        /// The present version, [`Position::NONE`] if there is no document.
        version: Position,
    },
    /// A precondition on a balance; this is the balance, `None` if there is no account.
    Balance {
        /// Its place among the preconditions.
        index: u32,
        /// The present balance.
        balance: Option<Amount>,
    },
    /// A precondition on a hold: it is not pending.
    Hold {
        /// Its place among the preconditions.
        index: u32,
    },
    /// The condition of a document to be written; the document has this version.
    Write {
        /// Its place among the documents.
        index: u32,
        /// The present version, [`Position::NONE`] if there is no document.
        version: Position,
    },
    /// A document to be written is in an append-only table and is there, in this version.
    AppendOnly {
        /// Its place among the documents.
        index: u32,
        /// The present version.
        version: Position,
    },
}
