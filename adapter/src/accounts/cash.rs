//! Money over the counter: deposits and withdrawals, between a customer's account and the bank's cash.
//!
//! Each is one commit: the posting, the TRANSACTIONS row (COMPLETED), the audit row, an event and what the request
//! came to. It needs that the account is as it was read, and that who does it may still.

use super::record::{AccountStatus, Accounts};
use super::request::{AnotherBefore, CameTo, Request};
use super::{balances, chart};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id, Transaction};
use crate::line::{DESCRIPTION_CHARACTERS_MAX, is_line};
use crate::money::Money;
use crate::payments::{
    RequestKey, Started, TransactionOpen, TransactionSealed, TransactionStatus, TransactionType,
    Transactions, step, step_key,
};
use crate::staff::{Clerk, Forbidden, Role};
use crate::store::{Found, Held, Row};
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::BrokenRule;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{AccountId, Commit, CreateTransferStatus, DocumentWrite, Transfer, TransferId};

/// Who moves money over the counter.
pub const CASHIERS: [Role; 1] = [Role::Operations];
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Which way money goes over the counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CashDirection {
    /// To the account.
    Deposit,
    /// From it.
    Withdrawal,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct CashOrder {
    /// With which account.
    pub account: Id<Account>,
    /// Which way.
    pub direction: CashDirection,
    /// How much, in the account's currency.
    pub money: Money,
    /// What for, as the customer reads it.
    pub description: String,
    /// Names the request: the same again is the same order.
    pub request: RequestKey,
}

/// Why no money moves over the counter. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum CashRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The account is of another currency.
    #[error("the account has another currency")]
    Currency,
    /// It is closed.
    #[error("this account is closed")]
    Closed,
    /// Nothing leaves a suspended account.
    #[error("this account is suspended: nothing is paid out of it")]
    Suspended,
    /// There is not enough on it.
    #[error("there is not enough on this account")]
    InsufficientFunds,
    /// The description is too long, or not one line of what can be seen.
    #[error(
        "a description has at most {DESCRIPTION_CHARACTERS_MAX} characters, all of them visible"
    )]
    Description,
    /// Something else was ordered by the same request.
    #[error("this page has sent something else before: look at the account, then send it")]
    AnotherBefore,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<AnotherBefore> for CashRefused {
    fn from(_: AnotherBefore) -> CashRefused {
        CashRefused::AnotherBefore
    }
}

/// Takes or pays out money at the counter. Returns when that is durable. The same request again gets the same
/// transaction, and no second one.
///
/// # Errors
/// [`CashRefused`].
pub async fn move_cash(
    bank: &Bank,
    clerk: &Clerk,
    order: &CashOrder,
) -> Result<Id<Transaction>, CashRefused> {
    clerk.needs(&CASHIERS)?;
    if !is_line(&order.description, DESCRIPTION_CHARACTERS_MAX) {
        return Err(CashRefused::Description);
    }
    let request = Request::new("cash", clerk.id(), order.request, &meaning(order));
    for _ in 0..TRIES_MAX {
        if let Some(before) = before(bank, &request).await? {
            return before;
        }
        let transaction = Id::at(bank.clock.now());
        match attempt(bank, clerk, order, &request, transaction).await {
            Ok(true) => return Ok(transaction),
            Ok(false) => {}
            Err(refused) => {
                // The same may have been done meanwhile, and be what this one lacks money for.
                return before(bank, &request).await?.unwrap_or(Err(refused));
            }
        }
    }
    Err(BankError::Contended.into())
}

/// What the same request came to, if it did.
async fn before(
    bank: &Bank,
    request: &Request,
) -> Result<Option<Result<Id<Transaction>, CashRefused>>, BankError> {
    let Some(before) = request.before(&bank.store).await? else { return Ok(None) };
    let damaged = || BankError::Damaged(crate::tables::ACCOUNT_REQUESTS);
    match before {
        Ok(came_to) => came_to.transaction_id.map(|id| Some(Ok(id))).ok_or_else(damaged),
        Err(another) => Ok(Some(Err(another.into()))),
    }
}

/// Reads, decides and commits; `false` if something changed meanwhile.
async fn attempt(
    bank: &Bank,
    clerk: &Clerk,
    order: &CashOrder,
    request: &Request,
    transaction: Id<Transaction>,
) -> Result<bool, CashRefused> {
    let store = &bank.store;
    let found: Option<Found<Accounts>> = store.get(&order.account.bytes()).await?;
    let found = found.ok_or(CashRefused::NoSuchAccount)?;
    check(bank, &found, order).await?;
    let mut commit = clerk.commit(store).await?;
    commit.preconditions.push(found.unchanged());
    commit.transfers.push(posting(order, transaction));
    commit.documents = documents(bank, clerk, &found, order, transaction).await?;
    let came_to = CameTo {
        user_id: found.row.open.user_id,
        account_id: Some(order.account),
        transaction_id: Some(transaction),
    };
    commit.documents.push(request.kept(store, &*bank.clock, came_to).await?);
    let topic = match order.direction {
        CashDirection::Deposit => topics::TRANSACTION_RECEIVED,
        CashDirection::Withdrawal => topics::TRANSACTION_COMPLETED,
    };
    commit.events.push(topics::event(topic, order.account, transaction));
    posted(bank, clerk, &commit).await
}

/// Whether the account may be used for it.
async fn check(bank: &Bank, found: &Found<Accounts>, order: &CashOrder) -> Result<(), CashRefused> {
    let open = &found.row.open;
    if open.currency_code != order.money.currency {
        return Err(CashRefused::Currency);
    }
    match (open.status, order.direction) {
        (AccountStatus::Closed, _) => return Err(CashRefused::Closed),
        (_, CashDirection::Deposit) => return Ok(()),
        (AccountStatus::Suspended, CashDirection::Withdrawal) => {
            return Err(CashRefused::Suspended);
        }
        (AccountStatus::Active, CashDirection::Withdrawal) => {}
    }
    // The ledger would refuse it too; but a refusal of the ledger is on its record for ever.
    let balances = balances(bank.store.client(), &[open]).await?;
    if balances.first().is_none_or(|balances| balances.available.cents < order.money.cents) {
        return Err(CashRefused::InsufficientFunds);
    }
    Ok(())
}

async fn posted(bank: &Bank, clerk: &Clerk, commit: &Commit) -> Result<bool, CashRefused> {
    match bank.store.commit(commit).await {
        Ok(_) => Ok(true),
        Err(BankError::Unmet(unmet)) if clerk.has_lost(commit, &unmet) => Err(Forbidden.into()),
        Err(error) if error.is_stale() => Ok(false),
        Err(BankError::Refused(BrokenRule::Transfer { status, .. })) => match status {
            CreateTransferStatus::ExceedsCredits => Err(CashRefused::InsufficientFunds),
            CreateTransferStatus::DebitAccountAlreadyClosed
            | CreateTransferStatus::CreditAccountAlreadyClosed => Err(CashRefused::Closed),
            status => Err(BankError::odd(&status).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// What is ordered, as text.
fn meaning(order: &CashOrder) -> String {
    let CashOrder { account, direction, money, description, .. } = order;
    format!("{direction:?} {account} {} {} {description}", money.currency, money.cents)
}

fn posting(order: &CashOrder, transaction: Id<Transaction>) -> Transfer {
    let currency = order.money.currency;
    let (cash, account) = (chart::cash(currency).id, AccountId(order.account.number()));
    let (debit_account_id, credit_account_id, code) = match order.direction {
        CashDirection::Deposit => (cash, account, chart::DEPOSIT),
        CashDirection::Withdrawal => (account, cash, chart::WITHDRAWAL),
    };
    Transfer {
        id: TransferId(transaction.number()),
        debit_account_id,
        credit_account_id,
        amount: order.money.amount(),
        user_data_128: transaction.number(),
        ledger: currency.ledger(),
        code,
        ..Transfer::default()
    }
}

/// The TRANSACTIONS row and the audit row.
async fn documents(
    bank: &Bank,
    clerk: &Clerk,
    found: &Found<Accounts>,
    order: &CashOrder,
    transaction: Id<Transaction>,
) -> Result<Vec<DocumentWrite>, BankError> {
    let Bank { store, clock, references, .. } = bank;
    let owner = found.row.open.user_id;
    let (source, destination, transaction_type) = match order.direction {
        CashDirection::Deposit => (None, Some(order.account), TransactionType::Deposit),
        CashDirection::Withdrawal => (Some(order.account), None, TransactionType::Withdrawal),
    };
    let amount_cents =
        u64::try_from(order.money.cents).map_err(|_| BankError::odd(&order.money))?;
    let started = Started {
        transaction_ref: references.next(store, &**clock).await?,
        source_account_id: source,
        destination_account_id: destination,
        transaction_type,
        amount_cents,
        currency_code: order.money.currency,
        status: TransactionStatus::Completed,
        created_at: clock.now().into(),
        // Whose it is; who of the staff did it is in the audit trail.
        initiated_by: owner,
        session_id: clerk.caller().login,
        auth_method: None,
    };
    let row = Row::<Transactions> {
        open: TransactionOpen::Started(started),
        profile: Held::Absent,
        statutory: Held::Known(TransactionSealed {
            description: Some(order.description.clone()),
            ..TransactionSealed::default()
        }),
    };
    let act = Act {
        action: Action::Transaction,
        entity: "TRANSACTION",
        entity_id: transaction.to_string(),
        subject: Subject::Customer(owner),
        old: None,
        new: Some(serde_json::json!({"status": "COMPLETED", "type": transaction_type})),
    };
    Ok(vec![
        store.write(&step_key(transaction, step::STARTED), &row, DocumentCondition::Absent).await?,
        audit::row(store, &**clock, clerk.caller(), act).await?,
    ])
}
