//! How a transaction stands: as it is written down, for the staff, and as the customer who began it sees it.

use super::record::{
    Started, TransactionOpen, TransactionSealed, TransactionStatus, Transactions, TransfersOpen,
};
use super::saga;
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Customer, Id, Transaction};
use crate::store::Store;
use florin_ledger::document::DocumentScan;

/// Rows of a transaction, at most.
const ROWS_MAX: u32 = 8;

/// A transaction.
pub struct View {
    /// How it began.
    pub started: Started,
    /// What it was for; `None` if that is erased.
    pub sealed: Option<TransactionSealed>,
    /// How it stands.
    pub status: TransactionStatus,
    /// Why it failed.
    pub reason: Option<String>,
}

/// How a transaction stands, whoever began it; `None` if there is none.
///
/// # Errors
/// [`BankError`].
pub async fn standing(
    store: &Store,
    transaction: Id<Transaction>,
) -> Result<Option<View>, BankError> {
    let prefix = transaction.bytes().to_vec();
    let scan = DocumentScan { prefix, limit: ROWS_MAX, ..DocumentScan::default() };
    let mut rows = store.scan::<Transactions>(scan).await?.found.into_iter();
    let Some(first) = rows.next() else { return Ok(None) };
    let TransactionOpen::Started(started) = first.row.open else {
        return Err(BankError::Damaged(crate::tables::TRANSACTIONS));
    };
    let (mut status, mut reason) = (started.status, None);
    for row in rows {
        if let TransactionOpen::Ended(ended) = row.row.open {
            status = ended.status;
            reason = row.row.statutory.known().and_then(|sealed| sealed.reason);
        }
    }
    Ok(Some(View { started, sealed: first.row.statutory.known(), status, reason }))
}

/// A transaction that a customer began; `None` if there is none, or it is another's. One that should have ended and of
/// which nobody has written down how, is as the ledger has it.
///
/// # Errors
/// [`BankError`].
pub async fn view(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    transaction: Id<Transaction>,
) -> Result<Option<View>, BankError> {
    let view = standing(store, transaction).await?;
    let view = view.filter(|view| view.started.initiated_by == customer);
    let Some(mut view) = view else { return Ok(None) };
    if view.status == TransactionStatus::Pending
        && let Some(open) = store.get::<TransfersOpen>(&transaction.bytes()).await?
        && open.row.open.held_until.0 <= clock.now().0
        && let Some((settled, why)) = saga::standing(store, &open.row.open).await?
    {
        view.status = settled;
        view.reason = (!why.is_empty()).then(|| String::from(why));
    }
    Ok(Some(view))
}
