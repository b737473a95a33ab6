//! Whether a bank may touch anybody.
//!
//! A ledger is named by its incarnation, and a copy that was restored has another. A bank is active in the
//! incarnation that it was activated in, and in no other; a new bank is active from the beginning. One that is not
//! active is a copy: it sends no letter, ends no transfer and answers nobody, since there may be another that does.
//!
//! What let people in before the copy was made lets nobody in once it is active: logins, attempts, links and
//! challenges are gone before it is, and its tokens are signed with a new key.

use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, UnixNs};
use crate::error::BankError;
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::rotation::{self, RotateRefused};
use crate::vault::{Purpose, Subject};
use florin_client::ClientError;
use florin_keys::KeyEncryptionKey;
use florin_ledger::document::{DocumentCondition, DocumentScan, WriteResult};
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

const KEY: &[u8] = b"bank";
/// Documents that are taken away at once.
const PAGE: u32 = 1_000;

/// What lets people in, or is on its way to.
const LETS_IN: [TableId; 9] = [
    tables::LOGINS,
    tables::LOGIN_USES,
    tables::LOGIN_ATTEMPTS,
    tables::REGISTRATIONS,
    tables::RECOVERIES,
    tables::CHALLENGES,
    tables::FACTOR_CHANGES,
    tables::EMAIL_CHANGES,
    tables::FACTOR_RECOVERIES,
];

/// In which incarnation a bank is active.
enum Activations {}

/// In which, and since when.
#[derive(Clone, Serialize, Deserialize)]
struct Activation {
    /// In hexadecimal.
    incarnation: String,
    activated_at: UnixNs,
}

impl Kind for Activations {
    const TABLE: TableId = tables::ACTIVATIONS;
    type Open = Activation;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &Activation) -> Subject {
        Subject::Bank
    }
}

/// Whether a bank may touch anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It may.
    Active,
    /// It is a copy that nobody has activated.
    Copy,
}

/// Whether the bank of a ledger is active; makes a new one so.
///
/// # Errors
/// [`BankError`].
pub async fn standing(store: &Store, clock: &dyn Clock) -> Result<Standing, BankError> {
    let incarnation = incarnation(store).await?;
    if let Some(found) = found(store).await? {
        return Ok(of(&found, &incarnation));
    }
    let write = activation(store, clock, &incarnation, DocumentCondition::Absent).await?;
    match store.client().write_documents(&[write]).await?.pop() {
        Some(WriteResult::Written(_)) => Ok(Standing::Active),
        // Another adapter was first.
        Some(WriteResult::Stale(_)) => {
            let found = found(store).await?.ok_or(BankError::Damaged(Activations::TABLE))?;
            Ok(of(&found, &incarnation))
        }
        other => Err(BankError::odd(&other)),
    }
}

fn of(found: &Found<Activations>, incarnation: &str) -> Standing {
    if found.row.open.incarnation == incarnation { Standing::Active } else { Standing::Copy }
}

/// What activating a bank has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activated {
    /// Documents that let people in and are gone.
    pub ended_count: usize,
}

/// Makes a copy the bank: from now on it sends letters, ends transfers and answers, and whoever comes must log in
/// again. `None` if it is active already. Interrupted, it is a copy still, and can be activated again.
///
/// # Errors
/// [`BankError`].
pub async fn activate(
    store: &Store,
    clock: &dyn Clock,
    root: &dyn KeyEncryptionKey,
) -> Result<Option<Activated>, BankError> {
    if standing(store, clock).await? == Standing::Active {
        return Ok(None);
    }
    let before = found(store).await?.ok_or(BankError::Damaged(Activations::TABLE))?;
    let incarnation = incarnation(store).await?;
    let mut ended_count = 0;
    for table in LETS_IN {
        ended_count += end_all(store, table).await?;
    }
    let renewed = rotation::renew(store.client(), root, Purpose::TokenSigning).await;
    renewed.map_err(|refused| match refused {
        RotateRefused::Bank(error) => error,
        refused => BankError::odd(&refused),
    })?;
    let caller = Caller::bank();
    let act = Act {
        action: Action::Update,
        entity: "BANK",
        entity_id: incarnation.clone(),
        subject: Subject::Bank,
        old: Some(serde_json::json!({"incarnation": before.row.open.incarnation})),
        new: Some(serde_json::json!({"incarnation": incarnation, "ended": ended_count})),
    };
    let mut commit = audit::commit_of(store, &caller, audit::commit_id()).await?;
    commit.documents = vec![
        activation(store, clock, &incarnation, before.condition()).await?,
        audit::row(store, clock, &caller, act).await?,
    ];
    store.commit(&commit).await?;
    Ok(Some(Activated { ended_count }))
}

async fn incarnation(store: &Store) -> Result<String, ClientError> {
    let status = store.client().status().await?;
    Ok(format!("{:032x}", status.incarnation))
}

async fn found(store: &Store) -> Result<Option<Found<Activations>>, BankError> {
    store.get(KEY).await
}

async fn activation(
    store: &Store,
    clock: &dyn Clock,
    incarnation: &str,
    condition: DocumentCondition,
) -> Result<DocumentWrite, BankError> {
    let incarnation = String::from(incarnation);
    let row = Row::open(Activation { incarnation, activated_at: clock.now().into() });
    store.write::<Activations>(KEY, &row, condition).await
}

/// Takes every document of a table away; how many there were.
async fn end_all(store: &Store, table: TableId) -> Result<usize, BankError> {
    let mut count = 0;
    loop {
        let scan = DocumentScan { table, keys_only: true, limit: PAGE, ..DocumentScan::default() };
        let page = store.client().scan_documents(&scan).await?.items;
        if page.is_empty() {
            return Ok(count);
        }
        count += page.len();
        let gone = |key| DocumentWrite { table, key, ..DocumentWrite::default() };
        let writes: Vec<_> = page.into_iter().map(|document| gone(document.key)).collect();
        store.client().write_documents(&writes).await?;
    }
}
