//! Changes of clients' keys that come over the wire: checked against the table as it is, one after the
//! other, before the engine sees them.
//!
//! - A change comes as a commit that names who makes it, so that the log says who let whom in.
//! - From the check to the answer nobody else changes keys over the wire: no two changes that are fine
//!   alone give two keys one name, or take away the last operator. Who embeds the engine is not asked.
//! - When a change is answered it counts: a key that was revoked is out, even if the table can't be read
//!   to see so.

use crate::answer::Responder;
use crate::key_document::KeyDocument;
use crate::key_table::{KeyChange, KeyChangeError, public_key};
use crate::ledger::Ledger;
use crate::own_tables::OwnTables;
use crate::question::Work;
use crate::reads;
use crate::refusal::of_error;
use crate::table_keys::{TableKeys, read_blocking};
use florin_core::request::{Reply, Request};
use florin_ledger::commit_bytes::WriteView;
use florin_ledger::{CommitOutcome, TableId, Timestamp};
use florin_wire::{Effect, Operation, PublicKey, Refusal, RefusalKind};
use std::sync::Arc;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;
use tracing::error;

/// The turn of changes of keys.
#[derive(Debug)]
pub(crate) struct KeyChanges {
    turn: Arc<Mutex<()>>,
    /// `None`: nobody is let in by the table, which is kept in order all the same.
    keys: Option<TableKeys>,
}

/// A request that changes keys, on its way to the engine.
pub(crate) struct KeyRequest {
    pub(crate) request: Request,
    pub(crate) changes: Vec<KeyChange>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) responder: Responder,
}

/// Why a request that concerns the table is refused before the table is looked at.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ImproperChange {
    #[error(transparent)]
    Change(#[from] KeyChangeError),
    #[error("documents of table 1 are written by a commit, which says who changes whose key")]
    NoCommit,
    #[error("a commit that changes keys names the key that asks for it: its actor begins with {0}")]
    Actor(PublicKey),
    #[error("the document of a key does not expire: revoke it instead")]
    Expires,
}

/// The changes of keys that a request makes; `None` if it makes none.
///
/// # Errors
/// If it may not be made so, whatever the table says.
pub(crate) fn changes_of(
    work: &Work,
    own_tables: OwnTables,
    asker: Option<PublicKey>,
) -> Result<Option<Vec<KeyChange>>, ImproperChange> {
    if !own_tables.contains(TableId::CLIENT_KEYS) {
        return Ok(None);
    }
    let commit = match work {
        Work::Submit(Request::Commit(commit) | Request::DryRun(commit)) => commit.view(),
        Work::Submit(_) => return Err(ImproperChange::NoCommit),
        // What would have become of it in the past changes nothing now.
        _ => return Ok(None),
    };
    let writes = commit.documents().filter(|write| write.table == TableId::CLIENT_KEYS);
    if let Some(asker) = asker
        && !commit.actor.starts_with(asker.to_string().as_bytes())
    {
        return Err(ImproperChange::Actor(asker));
    }
    writes.filter_map(|write| change_of(&write).transpose()).collect::<Result<_, _>>().map(Some)
}

/// `None` if what is deleted was never a key.
fn change_of(write: &WriteView<'_>) -> Result<Option<KeyChange>, ImproperChange> {
    let key = match public_key(write.key) {
        Err(_) if write.value.is_none() => return Ok(None),
        key => key?,
    };
    if write.expires != Timestamp::NONE {
        return Err(ImproperChange::Expires);
    }
    let document = write.value.map(KeyDocument::decode).transpose();
    let document = document.map_err(|source| KeyChangeError::Document { key, source })?;
    Ok(Some(KeyChange { key, document }))
}

impl KeyChanges {
    pub(crate) fn new(keys: Option<TableKeys>) -> KeyChanges {
        KeyChanges { turn: Arc::default(), keys }
    }

    /// Waits for its turn, checks the changes, and hands the request to the engine. Whoever called may
    /// go on with what was asked after it: order is kept.
    pub(crate) async fn make<L: Ledger>(&self, ledger: &L, asked: KeyRequest) {
        let KeyRequest { request, changes, deadline, responder } = asked;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return responder.refuse(reads::expired());
        }
        let table = match read_blocking(ledger).await {
            Ok(table) => table,
            Err(error) => {
                // Nothing was asked of the engine yet.
                let unread = of_error(&error, Operation::Commit.number());
                return responder.refuse(Refusal { effect: Effect::None, ..unread });
            }
        };
        let checked = table.check(&changes).and_then(|()| table.check_operators(&changes));
        if let Err(error) = checked {
            return responder.refuse(refusal(&error.into()));
        }
        let (sender, decided) = oneshot::channel();
        ledger.submit(request, move |result| {
            // The receiver waits below, unless the runtime is gone.
            let _ = sender.send(result);
        });
        let (ledger, keys) = (ledger.clone(), self.keys.clone());
        let changed: Vec<PublicKey> = changes.iter().map(|change| change.key).collect();
        tokio::spawn(async move {
            let _turn = turn;
            // Without an answer the engine has stopped, which the responder says by itself.
            let Ok(result) = decided.await else { return };
            if let (Some(keys), Ok(Reply::Commit(CommitOutcome::Done(done)))) = (keys, &result)
                // Not if it was only asked what would become of it.
                && done.position.is_some()
                && let Err(unread) = keys.refresh(&ledger).await
            {
                error!("keys that were changed are out until they can be read: {unread}");
                keys.forget(&changed).await;
            }
            responder.reply(result);
        });
    }
}

/// What whoever asked is told. Nothing happened.
pub(crate) fn refusal(improper: &ImproperChange) -> Refusal {
    Refusal::without_effect(RefusalKind::Invalid, improper.to_string())
}
