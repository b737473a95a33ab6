//! Moving the money of a transfer back: asked for by one member of the staff, approved by another.
//!
//! - The whole amount, of a transfer between two accounts of the bank that is COMPLETED.
//! - At most once: the commit that moves it back writes a document keyed by the transaction, and needs that there
//!   is none. The id of the transfer says nothing, since one that the ledger refused would be refused for ever: where
//!   the payee lacks the money, nothing is written, and it can be approved again when they have it.
//! - Limits that the transfer counted against count as they did.
//! - A suspended account can be the payee: it is its owner who is kept from it, not the bank.

use super::record::{
    Ended, Started, TransactionOpen, TransactionSealed, TransactionStatus, TransactionType,
    Transactions, step, step_key,
};
use super::view::{View, standing};
use crate::accounts::{AccountStatus, Accounts, balances, chart};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::UnixNs;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::money::Money;
use crate::staff::{
    Approval, Clerk, Forbidden, FourEyes, Matter, ProposalRefused, SameEyes, Wish, approval,
    propose,
};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::{BrokenRule, Precondition};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{AccountId, Commit, CreateTransferStatus, TableId, Transfer, TransferId};
use serde::{Deserialize, Serialize};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Transfers that have moved their money back, by transaction. No page reads it: that it is there is what a second
/// reversal fails on, and whoever audits the bank finds by it which two members of the staff did it, when the audit
/// trail, which lies by time, is years long.
enum Reversals {}

/// That it did.
#[derive(Clone, Serialize, Deserialize)]
struct ReversalOpen {
    transaction_id: Id<Transaction>,
    eyes: FourEyes,
    reversed_at: UnixNs,
}

impl Kind for Reversals {
    const TABLE: TableId = tables::REVERSALS;
    type Open = ReversalOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &ReversalOpen) -> Subject {
        Subject::Bank
    }
}

/// Why a reversal is not asked for, or not done. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum ReversalRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// It takes somebody else.
    #[error("{0}")]
    SameEyes(#[from] SameEyes),
    /// There is no such transaction.
    #[error("there is no such transaction")]
    NoSuchTransaction,
    /// It is no transfer between two accounts of the bank that is COMPLETED.
    #[error("only a completed transfer between two accounts of the bank can be reversed")]
    NotReversible,
    /// It has moved its money back.
    #[error("this transfer is reversed already")]
    AlreadyReversed,
    /// The account that was paid lacks the money; it may have it later.
    #[error("there is not enough on the account that was paid: approve it again when there is")]
    InsufficientFunds,
    /// One of the accounts is closed.
    #[error("one of the two accounts is closed")]
    Closed,
    /// What is said of the proposal.
    #[error("{0}")]
    Proposal(ProposalRefused),
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<ProposalRefused> for ReversalRefused {
    fn from(refused: ProposalRefused) -> ReversalRefused {
        match refused {
            ProposalRefused::Forbidden(refused) => refused.into(),
            ProposalRefused::SameEyes(refused) => refused.into(),
            ProposalRefused::Bank(error) => error.into(),
            refused => ReversalRefused::Proposal(refused),
        }
    }
}

/// Asks for a reversal. Returns when that is durable.
///
/// # Errors
/// [`ReversalRefused`].
pub async fn request_reversal(
    bank: &Bank,
    clerk: &Clerk,
    transaction: Id<Transaction>,
    reason: &str,
) -> Result<(), ReversalRefused> {
    let matter = Matter::Reversal(transaction);
    clerk.needs(matter.makers())?;
    let order = reversible(&bank.store, transaction).await?;
    // A row that says REVERSED is there for ever, and was not when it was looked for.
    let key = step_key(transaction, step::REVERSED);
    let version = florin_ledger::Position::NONE;
    let unchanged = vec![Precondition::Document { table: Transactions::TABLE, key, version }];
    let wish =
        Wish { matter, user_id: order.payer, reason, name: None, unchanged, beside: Vec::new() };
    match propose(bank, clerk, wish).await {
        Err(ProposalRefused::Bank(error)) if error.is_stale() => {
            Err(ReversalRefused::AlreadyReversed)
        }
        proposed => Ok(proposed?),
    }
}

/// Approves a reversal that another asked for. Returns when the money has moved back, durably.
///
/// # Errors
/// [`ReversalRefused`].
pub async fn approve_reversal(
    bank: &Bank,
    clerk: &Clerk,
    transaction: Id<Transaction>,
) -> Result<(), ReversalRefused> {
    for _ in 0..TRIES_MAX {
        let Approval { eyes, commit, .. } =
            approval(bank, clerk, Matter::Reversal(transaction)).await?;
        let order = reversible(&bank.store, transaction).await?;
        let commit = reversal(bank, clerk, eyes, &order, commit).await?;
        match bank.store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => {
                return Err(Forbidden.into());
            }
            Err(error) if error.is_stale() => {}
            Err(BankError::Refused(BrokenRule::Transfer { status, .. })) => {
                return Err(refused(status));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

fn refused(status: CreateTransferStatus) -> ReversalRefused {
    match status {
        CreateTransferStatus::ExceedsCredits => ReversalRefused::InsufficientFunds,
        CreateTransferStatus::DebitAccountAlreadyClosed
        | CreateTransferStatus::CreditAccountAlreadyClosed => ReversalRefused::Closed,
        status => BankError::odd(&status).into(),
    }
}

/// What is to be moved back.
struct Order {
    transaction: Id<Transaction>,
    /// From whom it came, and goes back to.
    payer: Id<Customer>,
    source: Id<Account>,
    destination: Id<Account>,
    money: Money,
}

/// The transfer, if it is one that can be reversed.
async fn reversible(store: &Store, transaction: Id<Transaction>) -> Result<Order, ReversalRefused> {
    let standing = standing(store, transaction).await?;
    let View { started, status, .. } = standing.ok_or(ReversalRefused::NoSuchTransaction)?;
    match (status, started.transaction_type) {
        (TransactionStatus::Reversed, _) => return Err(ReversalRefused::AlreadyReversed),
        (TransactionStatus::Completed, TransactionType::Transfer) => {}
        _ => return Err(ReversalRefused::NotReversible),
    }
    let (Some(source), Some(destination)) =
        (started.source_account_id, started.destination_account_id)
    else {
        return Err(ReversalRefused::NotReversible);
    };
    let Started { initiated_by: payer, currency_code: currency, amount_cents, .. } = started;
    let money = Money { currency, cents: amount_cents.into() };
    Ok(Order { transaction, payer, source, destination, money })
}

/// The commit of an approval, with what moves the money back.
async fn reversal(
    bank: &Bank,
    clerk: &Clerk,
    eyes: FourEyes,
    order: &Order,
    mut commit: Commit,
) -> Result<Commit, ReversalRefused> {
    let Bank { store, clock, .. } = bank;
    let (paid, payer) = accounts(store, order).await?;
    // The ledger would refuse it too; but a refusal of the ledger is on its record for ever.
    let balances = balances(store.client(), &[&paid.row.open]).await?;
    if balances.first().is_none_or(|balances| balances.available.cents < order.money.cents) {
        return Err(ReversalRefused::InsufficientFunds);
    }
    let (transaction, now) = (order.transaction, clock.now());
    commit.preconditions.extend([paid.unchanged(), payer.unchanged()]);
    commit.transfers.push(back(order, Id::<Transaction>::at(now)));
    let once = Row::<Reversals>::open(ReversalOpen {
        transaction_id: transaction,
        eyes,
        reversed_at: now.into(),
    });
    let ended = Row::<Transactions> {
        open: TransactionOpen::Ended(Ended {
            status: TransactionStatus::Reversed,
            processed_at: now.into(),
            initiated_by: order.payer,
            approved_by: Some(eyes.checker()),
        }),
        profile: Held::Absent,
        statutory: Held::Known(TransactionSealed::default()),
    };
    let absent = DocumentCondition::Absent;
    commit.documents.push(store.write(&transaction.bytes(), &once, absent).await?);
    commit
        .documents
        .push(store.write(&step_key(transaction, step::REVERSED), &ended, absent).await?);
    for account in [&paid, &payer] {
        let act = Act {
            action: Action::Transaction,
            entity: "TRANSACTION",
            entity_id: transaction.to_string(),
            subject: Subject::Customer(account.row.open.user_id),
            old: Some(serde_json::json!({"status": TransactionStatus::Completed})),
            new: Some(serde_json::json!({"status": TransactionStatus::Reversed, "eyes": eyes})),
        };
        commit.documents.push(audit::row(store, &**clock, clerk.caller(), act).await?);
        let account = account.row.open.account_id;
        commit.events.push(topics::event(topics::TRANSACTION_REVERSED, account, transaction));
    }
    Ok(commit)
}

/// The account that was paid, and that of who paid.
async fn accounts(
    store: &Store,
    order: &Order,
) -> Result<(Found<Accounts>, Found<Accounts>), ReversalRefused> {
    let paid: Option<Found<Accounts>> = store.get(&order.destination.bytes()).await?;
    let payer: Option<Found<Accounts>> = store.get(&order.source.bytes()).await?;
    let both = paid.zip(payer).ok_or(BankError::Damaged(Accounts::TABLE))?;
    let is_closed = |account: &Found<Accounts>| account.row.open.status == AccountStatus::Closed;
    if is_closed(&both.0) || is_closed(&both.1) {
        return Err(ReversalRefused::Closed);
    }
    Ok(both)
}

/// Moves the money back. Its id is its own, so that what was refused once can be tried again.
fn back(order: &Order, id: Id<Transaction>) -> Transfer {
    Transfer {
        id: TransferId(id.number()),
        debit_account_id: AccountId(order.destination.number()),
        credit_account_id: AccountId(order.source.number()),
        amount: order.money.amount(),
        user_data_128: order.transaction.number(),
        ledger: order.money.currency.ledger(),
        code: chart::REVERSAL,
        ..Transfer::default()
    }
}
