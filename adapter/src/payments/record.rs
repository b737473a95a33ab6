//! TRANSACTIONS of the design, as an append-only table: a row for each step that a transaction takes, so that
//! what was said first is never unsaid. The key is the transaction's id and the number of the step; the
//! newest row says how it stands.

use crate::clock::UnixNs;
use crate::id::{Account, Customer, Id, Login, Transaction};
use crate::money::Currency;
use crate::store::Kind;
use crate::tables;
use crate::vault::Subject;
use florin_ledger::TableId;
use serde::{Deserialize, Serialize};

/// How a transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TransactionStatus {
    /// The money is held.
    Pending,
    /// It has moved.
    Completed,
    /// It has not, and will not.
    Failed,
    /// It has moved back.
    Reversed,
}

impl TransactionStatus {
    /// As it is stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TransactionStatus::Pending => "PENDING",
            TransactionStatus::Completed => "COMPLETED",
            TransactionStatus::Failed => "FAILED",
            TransactionStatus::Reversed => "REVERSED",
        }
    }
}

/// What a transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransactionType {
    /// From one account to another.
    Transfer,
    /// Money that comes in.
    Deposit,
    /// Money that goes out.
    Withdrawal,
}

/// How likely it is that somebody else than the customer wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FraudScore {
    /// Hardly.
    Low,
    /// It may be.
    Medium,
    /// Most likely.
    High,
}

/// TRANSACTIONS.
pub enum Transactions {}

/// The open part of a row.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum TransactionOpen {
    /// The first row.
    Started(Started),
    /// A later row.
    Ended(Ended),
}

/// What a transaction begins with.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct Started {
    pub transaction_id: Id<Transaction>,
    pub transaction_ref: String,
    pub source_account_id: Option<Id<Account>>,
    pub destination_account_id: Option<Id<Account>>,
    pub transaction_type: TransactionType,
    pub amount_cents: u64,
    pub currency_code: Currency,
    pub status: TransactionStatus,
    pub created_at: UnixNs,
    /// Whose keys seal the description.
    pub initiated_by: Id<Customer>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<Id<Login>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth_method: Option<String>,
}

/// How it ended.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct Ended {
    pub transaction_id: Id<Transaction>,
    pub status: TransactionStatus,
    pub processed_at: UnixNs,
    pub initiated_by: Id<Customer>,
}

/// What is sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct TransactionSealed {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_reference: Option<String>,
    /// What was judged of the risk, and by which rules.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fraud_score: Option<FraudScore>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule_version: Option<u32>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl Kind for Transactions {
    const TABLE: TableId = tables::TRANSACTIONS;
    type Open = TransactionOpen;
    type Profile = ();
    type Statutory = TransactionSealed;

    fn subject(open: &TransactionOpen) -> Subject {
        Subject::Customer(match open {
            TransactionOpen::Started(row) => row.initiated_by,
            TransactionOpen::Ended(row) => row.initiated_by,
        })
    }
}

/// The key of a step's row.
#[must_use]
pub fn step_key(transaction: Id<Transaction>, step: u8) -> Vec<u8> {
    [&transaction.bytes()[..], &[step]].concat()
}

/// What a transaction looks like to the customer who is paid, under keys of their own: erasing the payer
/// takes nothing from them. The key is the account's id and the transaction's.
pub enum Copies {}

/// The open part.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CopyOpen {
    pub user_id: Id<Customer>,
}

/// What is sealed.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CopySealed {
    pub description: String,
    pub from: String,
}

impl Kind for Copies {
    const TABLE: TableId = tables::TRANSACTION_COPIES;
    type Open = CopyOpen;
    type Profile = ();
    type Statutory = CopySealed;

    fn subject(open: &CopyOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Transactions under way.
pub(super) enum TransfersOpen {}

/// What the next step needs to know.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TransferOpen {
    pub transaction_id: Id<Transaction>,
    pub source_account_id: Id<Account>,
    pub destination_account_id: Id<Account>,
    pub amount_cents: u64,
    pub currency_code: Currency,
    pub initiated_by: Id<Customer>,
    pub correlation_id: String,
    /// When the hold expires.
    pub held_until: UnixNs,
    /// Why nobody goes on with it; a person must look.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parked: Option<String>,
}

impl Kind for TransfersOpen {
    const TABLE: TableId = tables::TRANSFERS_OPEN;
    type Open = TransferOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &TransferOpen) -> Subject {
        Subject::Bank
    }
}

/// What a request that may come twice came to, by who asked and the key that they chose: written in the commit of
/// what it came to.
pub(super) enum Requests {}

/// What it came to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RequestOpen {
    pub(super) user_id: Id<Customer>,
    pub(super) transaction_id: Id<Transaction>,
    pub(super) transaction_ref: String,
}

/// What was asked.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RequestSealed {
    /// As a hash, in base 64.
    pub(super) meaning: String,
}

impl Kind for Requests {
    const TABLE: TableId = tables::REQUESTS;
    type Open = RequestOpen;
    type Profile = ();
    type Statutory = RequestSealed;

    fn subject(open: &RequestOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}
