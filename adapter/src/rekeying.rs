//! Putting what is found by a value under the newest version of the blind indexes' key, and retiring the older one.
//!
//! ```text
//!          rotate            use                     rekey                 retire
//! 1 in use ------> 2 waits ------> 1 is read, 2 ----------> nothing under 1 ------> 2 in use
//!                                  is written               (some may expire)
//! ```
//! - Each document is moved by one commit, which needs both places as they were read, so it is found at every moment, and
//!   whoever changes it at the same time wins. Interrupted, the same again goes on; several at once do no harm.
//! - What counts attempts is moved by the next attempt, or forgotten within thirty days. What letters and messages cost is
//!   forgotten within an hour. Codes that were sent are good for minutes, and say which version they are under.
//! - A version is retired by the commit that needs the keys as they were when nothing was found under it any more. Nobody
//!   writes under it by then: every commit that takes a value needs the keys as they are.
//! - Rows of the audit trail keep hashes of addresses of the internet under the version of their time. They are
//!   compared with each other then, and with no address any more.

use crate::accounts::AccountNumbers;
use crate::alerts::DeviceTokens;
use crate::audit;
use crate::customers::{CustomerEmails, RecoveryCodes, decoy};
use crate::entry::{Blind, Rekeyed, seen_now};
use crate::error::BankError;
use crate::payments::payee::PayeeNumbers;
use crate::store::{Found, Kind, Store};
use crate::tables;
use crate::vault::rotation::{self, Reading};
use crate::vault::{BLIND_BYTES, Seen};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Commit, DocumentWrite, TableId};

/// Documents that are looked at, and moved, at once.
const PAGE: u32 = 100;
/// Documents of which only the keys are looked at.
const KEYS_PAGE: u32 = 1_000;
/// Times that everything is looked through for what somebody changed in the same moment.
const ROUNDS_MAX: usize = 4;

/// Where something is under a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// What the table is called.
    pub table: &'static str,
    /// How many documents.
    pub count: usize,
}

/// What has come of moving.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// The version that is read.
    pub older: u8,
    /// The version that is written.
    pub newest: u8,
    /// Documents that were moved.
    pub count: usize,
    /// What is under the older version still.
    pub left: Vec<Left>,
}

/// Why a version is not retired. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum RetireRefused {
    /// There is no older one.
    #[error("one version of blind_index is in use: there is none to retire")]
    OneVersion,
    /// What is under it would be found no more.
    #[error("version {version} is needed: {}", listed(.left))]
    Needed {
        /// The version.
        version: u8,
        /// What is under it.
        left: Vec<Left>,
    },
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// What is under a version, in words.
#[must_use]
pub fn listed(left: &[Left]) -> String {
    let said: Vec<_> =
        left.iter().map(|Left { table, count }| format!("{count} {table}")).collect();
    said.join(", ")
}

/// Moves everything that stays to the newest version; `None` if one version is in use. Returns when it is durable.
///
/// # Errors
/// [`BankError`]; what was moved until then is.
pub async fn rekey(store: &Store) -> Result<Option<Moved>, BankError> {
    let Some(Reading { older, newest, .. }) = rotation::reading(store.client()).await? else {
        return Ok(None);
    };
    let mut count = 0;
    for _ in 0..ROUNDS_MAX {
        let seen = seen_now(store).await?;
        if seen.written() != newest {
            return Err(BankError::KeysChanged);
        }
        let before = count;
        count += all_of::<CustomerEmails>(store, &seen).await?;
        count += all_of::<AccountNumbers>(store, &seen).await?;
        count += all_of::<PayeeNumbers>(store, &seen).await?;
        count += all_of::<DeviceTokens>(store, &seen).await?;
        if before == count {
            break;
        }
    }
    decoy::renew_codes(store, older).await?;
    Ok(Some(Moved { older, newest, count, left: left(store, older).await? }))
}

/// Retires the older of two versions, if nothing is under it; its number. Returns when that is durable.
///
/// # Errors
/// [`RetireRefused`].
pub async fn retire(store: &Store) -> Result<u8, RetireRefused> {
    let reading = rotation::reading(store.client()).await?.ok_or(RetireRefused::OneVersion)?;
    let version = reading.older;
    let left = left(store, version).await?;
    if !left.is_empty() {
        return Err(RetireRefused::Needed { version, left });
    }
    if rotation::let_go(store.client(), &reading).await? {
        return Ok(version);
    }
    Err(BankError::Contended.into())
}

/// Moves the documents of a table; how many.
async fn all_of<K: Rekeyed>(store: &Store, seen: &Seen) -> Result<usize, BankError> {
    let (mut moved, mut after) = (0, None);
    loop {
        let scan = DocumentScan { after, limit: PAGE, ..DocumentScan::default() };
        let page = store.scan::<K>(scan).await?;
        let mut moves = Vec::new();
        for found in page.found {
            moves.extend(move_of(store, seen, &found).await?);
        }
        moved += commit(store, seen, &moves).await?;
        after = page.next;
        if after.is_none() {
            return Ok(moved);
        }
    }
}

/// A document under its new key, and gone from its old one.
type Move = [DocumentWrite; 2];

/// The move of a document that is under an older version; `None` if it is not, or nothing says any more what it is found
/// by.
async fn move_of<K: Rekeyed>(
    store: &Store,
    seen: &Seen,
    found: &Found<K>,
) -> Result<Option<Move>, BankError> {
    if found.key.get(K::PREFIX_BYTES) == Some(&seen.written()) {
        return Ok(None);
    }
    let blind = store.vault().blind();
    let (prefix, key) = found.key.split_at_checked(K::PREFIX_BYTES).unwrap_or_default();
    // A damaged one, or one that somebody changes, is left where it is, and counted.
    let Some(value) = K::value(store, found).await? else { return Ok(None) };
    if key.len() != BLIND_BYTES || !blind.is_of(K::INDEXED, &value, key) {
        return Ok(None);
    }
    let new = [prefix, &blind.of(K::INDEXED, &value)].concat();
    let write = store.write(&new, &found.row, DocumentCondition::Absent).await?;
    Ok(Some([write, found.deletion()]))
}

/// Moves documents together or, where somebody changes one of them, each by itself; how many.
async fn commit(store: &Store, seen: &Seen, moves: &[Move]) -> Result<usize, BankError> {
    if moves.is_empty() {
        return Ok(0);
    }
    let whole = Commit {
        id: audit::commit_id(),
        preconditions: vec![seen.unchanged()],
        documents: moves.concat(),
        ..Commit::default()
    };
    match store.commit(&whole).await {
        Ok(_) => return Ok(moves.len()),
        Err(error) if error.is_stale() => {}
        Err(error) => return Err(error),
    }
    let mut moved = 0;
    for one in moves {
        let commit = Commit {
            id: audit::commit_id(),
            preconditions: vec![seen.unchanged()],
            documents: one.to_vec(),
            ..Commit::default()
        };
        match store.commit(&commit).await {
            Ok(_) => moved += 1,
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}

/// What is under a version.
async fn left(store: &Store, version: u8) -> Result<Vec<Left>, BankError> {
    let mut left = Vec::new();
    for (table, place) in [
        (CustomerEmails::TABLE, 0),
        (AccountNumbers::TABLE, 0),
        (PayeeNumbers::TABLE, <PayeeNumbers as Blind>::PREFIX_BYTES),
        (DeviceTokens::TABLE, 0),
        (tables::LOGIN_COUNTERS, 0),
        (tables::MAIL_BUDGETS, 0),
    ] {
        left.push((table, under(store, table, place, version).await?));
    }
    left.push((RecoveryCodes::TABLE, codes_under(store, version).await?));
    let named = |(id, count): (TableId, usize)| {
        let table = tables::ALL.iter().find(|table| table.id == id);
        let table = table.expect("every kind is of a table").name;
        (count != 0).then_some(Left { table, count })
    };
    Ok(left.into_iter().filter_map(named).collect())
}

/// Documents of a table whose key names a version in its place.
async fn under(
    store: &Store,
    table: TableId,
    place: usize,
    version: u8,
) -> Result<usize, BankError> {
    let (mut count, mut after) = (0, None);
    // Where the version comes first, whatever else there is need not be read.
    let prefix = if place == 0 { vec![version] } else { Vec::new() };
    loop {
        let scan = DocumentScan {
            table,
            prefix: prefix.clone(),
            keys_only: true,
            limit: KEYS_PAGE,
            after,
            ..DocumentScan::default()
        };
        let page = store.client().scan_documents(&scan).await?;
        let named = page.items.iter().filter(|document| document.key.get(place) == Some(&version));
        count += named.count();
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Customers who have recovery codes under a version: nobody but they can put them under another, by making new ones.
async fn codes_under(store: &Store, version: u8) -> Result<usize, BankError> {
    let (mut count, mut after) = (0, None);
    loop {
        let scan = DocumentScan { after, limit: PAGE, ..DocumentScan::default() };
        let page = store.scan::<RecoveryCodes>(scan).await?;
        count += page.found.iter().filter(|found| found.row.are_under(version)).count();
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}
