//! Closing an account: empty, for ever, in the ledger too.
//!
//! That nothing is on it, and nothing is held, is a condition of the very commit that closes it, so no payment
//! that comes meanwhile is lost in it.

use super::chart;
use super::record::{AccountOpen, AccountStatus, Accounts};
use crate::audit::{self, Act, Action};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::payments::Orderer;
use crate::store::{Found, Row, Store, is_one_of};
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::{BalanceField, Precondition, Unmet};
use florin_ledger::{AccountId, Amount, Transfer, TransferFlags, TransferId};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Why an account is not closed. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum CloseRefused {
    /// There is no such account, or it is another's.
    #[error("there is no such account")]
    NoSuchAccount,
    /// It is closed.
    #[error("this account is closed")]
    Closed,
    /// It is suspended: its owner does nothing with it.
    #[error("this account is suspended")]
    Suspended,
    /// There is money on it, or held.
    #[error("an account is closed when nothing is on it, and nothing is held")]
    NotEmpty,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Closes a customer's account. Returns when that is durable.
///
/// # Errors
/// [`CloseRefused`].
pub async fn close(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    account: Id<Account>,
) -> Result<(), CloseRefused> {
    let Orderer { caller, customer, authority, .. } = by;
    let customer = *customer;
    for _ in 0..TRIES_MAX {
        let found = super::owned(store, customer, account).await?;
        let found = found.ok_or(CloseRefused::NoSuchAccount)?;
        match found.row.open.status {
            AccountStatus::Active => {}
            AccountStatus::Suspended => return Err(CloseRefused::Suspended),
            AccountStatus::Closed => return Err(CloseRefused::Closed),
        }
        let act = Act {
            action: Action::Update,
            entity: "ACCOUNT",
            entity_id: account.to_string(),
            subject: Subject::Customer(customer),
            old: Some(serde_json::json!({"status": found.row.open.status})),
            new: Some(serde_json::json!({"status": AccountStatus::Closed})),
        };
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        commit.preconditions = vec![found.unchanged()];
        commit.preconditions.extend(authority.iter().cloned());
        commit.preconditions.extend(EMPTY.map(|field| is_zero(account, field)));
        commit.transfers.push(closing(&found));
        commit.documents.push(audit::row(store, clock, caller, act).await?);
        let (key, condition) = (found.key.clone(), found.condition());
        let open = AccountOpen { status: AccountStatus::Closed, ..found.row.open };
        let row = Row::<Accounts> { open, ..found.row };
        commit.documents.push(store.write(&key, &row, condition).await?);
        commit.events.push(topics::account_event(topics::ACCOUNT_CLOSED, account));
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(BankError::Unmet(Unmet::Balance { .. })) => return Err(CloseRefused::NotEmpty),
            Err(BankError::Unmet(unmet)) if is_one_of(&commit, &unmet, &by.authority) => {
                return Err(CloseRefused::NoSuchAccount);
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// What must be zero of an account on which nothing is and nothing is held.
const EMPTY: [BalanceField; 3] =
    [BalanceField::CreditAvailable, BalanceField::DebitsPending, BalanceField::CreditsPending];

fn is_zero(account: Id<Account>, field: BalanceField) -> Precondition {
    let account_id = AccountId(account.number());
    Precondition::Balance { account_id, field, min: Amount::ZERO, max: Amount::ZERO }
}

/// A hold of nothing that never expires and closes the account.
fn closing(found: &Found<Accounts>) -> Transfer {
    let AccountOpen { account_id, currency_code, .. } = found.row.open;
    Transfer {
        id: TransferId(crate::id::Id::<crate::id::Transaction>::at(found.written).number()),
        debit_account_id: AccountId(account_id.number()),
        credit_account_id: chart::cash(currency_code).id,
        amount: Amount::ZERO,
        ledger: currency_code.ledger(),
        code: chart::CLOSING,
        flags: TransferFlags::PENDING.with(TransferFlags::CLOSING_DEBIT),
        ..Transfer::default()
    }
}
