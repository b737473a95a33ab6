//! Transactions of the past, as a bank brings them along.

use super::record::{
    Started, TransactionOpen, TransactionStatus, TransactionType, Transactions, step, step_key,
};
use super::transfer::{cents_of, described};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::money::Money;
use crate::store::{Held, Row};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, Timestamp};

/// A transaction of the past, as it is imported.
pub(crate) struct Imported {
    pub(crate) transaction: Id<Transaction>,
    pub(crate) source: Option<Id<Account>>,
    pub(crate) destination: Option<Id<Account>>,
    pub(crate) money: Money,
    pub(crate) description: String,
    pub(crate) time: Timestamp,
    /// Whose keys seal it.
    pub(crate) customer: Id<Customer>,
}

/// The row of a transaction of the past.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn imported_row(
    bank: &Bank,
    imported: &Imported,
) -> Result<DocumentWrite, BankError> {
    let transaction_type = match (imported.source, imported.destination) {
        (None, _) => TransactionType::Deposit,
        (_, None) => TransactionType::Withdrawal,
        _ => TransactionType::Transfer,
    };
    let started = Started {
        transaction_ref: bank.references.next(&bank.store, &*bank.clock).await?,
        source_account_id: imported.source,
        destination_account_id: imported.destination,
        transaction_type,
        amount_cents: cents_of(imported.money)?,
        currency_code: imported.money.currency,
        status: TransactionStatus::Completed,
        created_at: imported.time.into(),
        initiated_by: imported.customer,
        session_id: None,
        auth_method: None,
    };
    let row = Row::<Transactions> {
        open: TransactionOpen::Started(started),
        profile: Held::Absent,
        statutory: Held::Known(described(&imported.description)),
    };
    let key = step_key(imported.transaction, step::STARTED);
    bank.store.write(&key, &row, DocumentCondition::Absent).await
}
