//! Transfers that could not go on, set aside with the reason: a person has to look, and the others go on.
//!
//! A note of its own says so, so that a transfer whose own documents are damaged can be set aside too. Its holds expire
//! by themselves; until then whoever has mended what was wrong sends it on again.

use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::{Clock, UnixNs};
use crate::error::BankError;
use crate::id::{Id, Transaction};
use crate::staff::{Clerk, Forbidden, Role};
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::topics;
use crate::vault::Subject;
use florin_ledger::TableId;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use serde::{Deserialize, Serialize};

/// Notes that are listed at once.
const PAGE: u32 = 100;

/// Notes of transfers that were set aside, by their id.
pub enum Parked {}

/// Why a transfer was set aside.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ParkedOpen {
    pub transaction_id: Id<Transaction>,
    pub reason: String,
    pub parked_at: UnixNs,
}

impl Kind for Parked {
    const TABLE: TableId = tables::TRANSFERS_PARKED;
    type Open = ParkedOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &ParkedOpen) -> Subject {
        Subject::Bank
    }
}

/// Sets a transfer aside.
pub(super) async fn park(
    store: &Store,
    clock: &dyn Clock,
    transaction: Id<Transaction>,
    reason: String,
) -> Result<(), BankError> {
    let parked_at = clock.now().into();
    let row = Row::<Parked>::open(ParkedOpen { transaction_id: transaction, reason, parked_at });
    let caller = Caller::bank();
    let mut commit = audit::commit_of(store, &caller, audit::commit_id()).await?;
    commit.documents = vec![
        store.write(&transaction.bytes(), &row, DocumentCondition::Any).await?,
        audit::row(store, clock, &caller, act(transaction, "parked")).await?,
    ];
    commit.events.push(topics::about(topics::TRANSACTION_PARKED, transaction));
    store.commit(&commit).await.map(drop)
}

/// The transfers that are set aside, oldest first.
///
/// # Errors
/// [`BankError`].
pub async fn list(store: &Store) -> Result<Vec<Found<Parked>>, BankError> {
    let scan = DocumentScan { limit: PAGE, ..DocumentScan::default() };
    Ok(store.scan(scan).await?.found)
}

/// Why a transfer that was set aside does not go on. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum ResumeRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// It is not set aside.
    #[error("this transfer is not set aside")]
    NotParked,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Who lets transfers go on.
pub const RESUMERS: [Role; 1] = [Role::Operations];

/// Lets a transfer that was set aside go on again. Returns when that is durable.
///
/// # Errors
/// [`ResumeRefused`].
pub async fn resume(
    bank: &Bank,
    clerk: &Clerk,
    transaction: Id<Transaction>,
) -> Result<(), ResumeRefused> {
    clerk.needs(&RESUMERS)?;
    let Bank { store, clock, .. } = bank;
    let found: Option<Found<Parked>> = store.get(&transaction.bytes()).await?;
    let found = found.ok_or(ResumeRefused::NotParked)?;
    let mut commit = clerk.commit(store).await?;
    let act = act(transaction, "resumed");
    commit.documents =
        vec![found.deletion(), audit::row(store, &**clock, clerk.caller(), act).await?];
    commit.events.push(topics::about(topics::TRANSACTION_RESUMED, transaction));
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => Err(Forbidden.into()),
        Err(error) if error.is_stale() => Err(ResumeRefused::NotParked),
        Err(error) => Err(error.into()),
    }
}

fn act(transaction: Id<Transaction>, what: &str) -> Act {
    Act {
        action: Action::Transaction,
        entity: "TRANSACTION",
        entity_id: transaction.to_string(),
        subject: Subject::Bank,
        old: None,
        new: Some(serde_json::json!({"worker": what})),
    }
}
