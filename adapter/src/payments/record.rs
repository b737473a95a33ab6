//! TRANSACTIONS of the design, as an append-only table: a row for each step that a transaction takes, so that
//! what was said first is never unsaid. The key is the transaction's id and the number of the step; the
//! newest row says how it stands. No row says again what its key says.

use super::request::Refusal;
use crate::clock::UnixNs;
use crate::id::{Account, Case, Customer, Id, Login, Transaction};
use crate::money::Currency;
use crate::packed::hexadecimal;
use crate::risk::{Assessment, Country};
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

/// TRANSACTIONS.
pub enum Transactions {}

/// The open part of a row.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum TransactionOpen {
    /// The first row.
    Started(Started),
    /// A person has to look at it.
    InReview(InReview),
    /// The last row, or the one before if it is reversed.
    Ended(Ended),
}

/// Numbers of steps: the newest has the highest.
pub mod step {
    /// The money is held.
    pub const STARTED: u8 = 0;
    /// A person has to look at it.
    pub const IN_REVIEW: u8 = 1;
    /// It has moved, or not.
    pub const ENDED: u8 = 2;
    /// It has moved back.
    pub const REVERSED: u8 = 3;
}

/// What a transaction begins with.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct Started {
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

/// That a person has to look at it.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct InReview {
    pub case_id: Id<Case>,
    pub requires_approval: bool,
    pub created_at: UnixNs,
    pub initiated_by: Id<Customer>,
}

/// How it ended.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct Ended {
    pub status: TransactionStatus,
    pub processed_at: UnixNs,
    pub initiated_by: Id<Customer>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approved_by: Option<Id<Customer>>,
}

/// What is sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct TransactionSealed {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_reference: Option<String>,
    /// How it was judged: FRAUD_SCORE of the design is the score of its decision.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub assessment: Option<Assessment>,
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
            TransactionOpen::InReview(row) => row.initiated_by,
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

/// That a customer has paid an account. The key is the customer's id and the account's.
pub(super) enum PaidBefore {}

/// When it was, give or take a day.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct PaidOpen {
    pub first_paid_at: UnixNs,
    pub last_paid_at: UnixNs,
}

impl Kind for PaidBefore {
    const TABLE: TableId = tables::PAID_BEFORE;
    type Open = PaidOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &PaidOpen) -> Subject {
        Subject::Bank
    }
}

/// The key of [`PaidBefore`].
pub(super) fn paid_key(customer: Id<Customer>, account: Id<Account>) -> Vec<u8> {
    [customer.bytes(), account.bytes()].concat()
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
    #[serde(with = "hexadecimal")]
    pub correlation_id: String,
    /// When the hold expires.
    pub held_until: UnixNs,
    /// Whether it counts against the limits of its account.
    #[serde(default)]
    pub has_limits: bool,
    /// Whether both accounts are the customer's.
    #[serde(default)]
    pub is_own: bool,
    /// The case of the person who has to look at it; the money is held anew for that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub case_id: Option<Id<Case>>,
}

/// What it was ordered with, and where from, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Surroundings {
    /// Since when the device is the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_since: Option<UnixNs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Whether the country was new to the customer then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_new_country: Option<bool>,
}

impl Kind for TransfersOpen {
    const TABLE: TableId = tables::TRANSFERS_OPEN;
    type Open = TransferOpen;
    type Profile = ();
    type Statutory = Surroundings;

    fn subject(open: &TransferOpen) -> Subject {
        Subject::Customer(open.initiated_by)
    }
}

/// What a request that may come twice came to, by who asked and the key that they chose: written in the commit of
/// what it came to.
pub(super) enum Requests {}

/// What it came to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RequestOpen {
    pub(super) user_id: Id<Customer>,
    /// The transaction that was begun; `None` if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transaction_id: Option<Id<Transaction>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transaction_ref: Option<String>,
}

/// What was asked, and why it was refused.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RequestSealed {
    /// As a hash, in base 64.
    pub(super) meaning: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<Refusal>,
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
