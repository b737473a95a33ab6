//! New versions of the bank's keys, and another root key over them.
//!
//! A new version is made in two steps, because adapters unwrap the keys once, when they start: first it is
//! *prepared*, so that whoever starts from then on can read what it seals; once every adapter has started again it
//! is *in use*, and seals. At no time is there something sealed that an adapter can't read. Older versions stay,
//! and read what they sealed.
//!
//! The key of blind indexes is taken into use at once, by adapters that run too: each sees it with its next look-up
//! ([`super::blind`]). Its older version is read as long as something is under it, and then retired
//! ([`crate::rekeying`]); until then there is no third.
//!
//! Another root key wraps every key anew in one commit: an adapter that runs has what it needs in memory.

use super::blind;
use super::tree::{
    Listed, Purpose, Tree, read_tree, read_wrapped, tree_write, unwrapped, wrapped_write,
};
use crate::error::BankError;
use crate::random;
use florin_client::Client;
use florin_keys::KeyEncryptionKey;
use florin_ledger::commit::Unmet;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, CommitId, CommitOutcome, DocumentWrite};
use zeroize::Zeroizing;

/// Purposes whose keys have new versions. What browsers and apps were given is made by the newest version alone.
pub const ROTATED: [Purpose; 3] = [Purpose::Sealing, Purpose::Passwords, Purpose::BlindIndex];

/// A version of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyVersion {
    /// What it is for.
    pub purpose: Purpose,
    /// Which one it is, from 1.
    pub version: u8,
    /// Whether it only reads as yet.
    pub is_prepared: bool,
    /// The root key that wraps it.
    pub root: String,
}

/// Why no key is made, used or wrapped. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum RotateRefused {
    /// Keys of this purpose have no new versions.
    #[error("keys for {0} are not rotated: those for sealing, passwords and blind_index are")]
    NotRotated(Purpose),
    /// A version is prepared already.
    #[error("version {0} is prepared: start every adapter again, then take it into use")]
    Prepared(u8),
    /// Two are in use, and something may be under the older.
    #[error(
        "version {0} is still read: rekey what is under it, and retire it, before there is another"
    )]
    StillRead(u8),
    /// None is prepared.
    #[error("no new version is prepared")]
    NothingPrepared,
    /// There are as many as a byte can count.
    #[error("there are 255 versions of this key")]
    TooMany,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// The bank's keys, in order.
///
/// # Errors
/// [`BankError`].
pub async fn key_versions(client: &Client) -> Result<Vec<KeyVersion>, BankError> {
    let (tree, _) = read_tree(client).await?;
    let mut versions = Vec::with_capacity(tree.keys.len());
    for (listed, wrapped) in read_wrapped(client, &tree).await? {
        versions.push(KeyVersion {
            purpose: listed.purpose,
            version: listed.version,
            is_prepared: tree.prepared.contains(&listed),
            root: wrapped.root,
        });
    }
    versions.sort_by_key(|version| (version.purpose, version.version));
    Ok(versions)
}

/// Makes a new version of a purpose's key, which seals nothing yet; its number.
///
/// # Errors
/// [`RotateRefused`].
pub async fn prepare(
    client: &Client,
    root: &dyn KeyEncryptionKey,
    purpose: Purpose,
) -> Result<u8, RotateRefused> {
    let (mut tree, condition) = rotated(client, purpose).await?;
    if let Some(prepared) = tree.prepared.iter().find(|listed| listed.purpose == purpose) {
        return Err(RotateRefused::Prepared(prepared.version));
    }
    if purpose == Purpose::BlindIndex
        && let [oldest, _, ..] = blind::in_use((&tree.keys, &tree.prepared))[..]
    {
        return Err(RotateRefused::StillRead(oldest));
    }
    let (listed, key) = next(client, root, &tree, purpose).await?;
    tree.keys.push(listed);
    tree.prepared.push(listed);
    commit(client, vec![key, tree_write(&tree, condition)]).await?;
    Ok(listed.version)
}

/// Makes a new version of a purpose's key that is in use at once; its number. For a purpose of which nothing that
/// the older versions made may count any more, while no adapter runs.
pub(crate) async fn renew(
    client: &Client,
    root: &dyn KeyEncryptionKey,
    purpose: Purpose,
) -> Result<u8, RotateRefused> {
    let (mut tree, condition) = read_tree(client).await?;
    let (listed, key) = next(client, root, &tree, purpose).await?;
    tree.keys.push(listed);
    commit(client, vec![key, tree_write(&tree, condition)]).await?;
    Ok(listed.version)
}

/// The next version of a purpose's key, wrapped.
async fn next(
    client: &Client,
    root: &dyn KeyEncryptionKey,
    tree: &Tree,
    purpose: Purpose,
) -> Result<(Listed, DocumentWrite), RotateRefused> {
    // With another root key the new version would open for nobody who has the old.
    unwrapped(client, root, tree).await?;
    let newest = tree.keys.iter().filter(|listed| listed.purpose == purpose);
    let newest = newest.map(|listed| listed.version).max().unwrap_or(0);
    let version = newest.checked_add(1).ok_or(RotateRefused::TooMany)?;
    let listed = Listed { purpose, version };
    let secret = Zeroizing::new(random::bytes::<32>());
    let key = wrapped_write(listed, &secret, root, DocumentCondition::Absent);
    Ok((listed, key.map_err(BankError::from)?))
}

/// Takes the version that is prepared into use; its number.
///
/// # Errors
/// [`RotateRefused`].
pub async fn use_prepared(client: &Client, purpose: Purpose) -> Result<u8, RotateRefused> {
    let (mut tree, condition) = rotated(client, purpose).await?;
    let place = tree.prepared.iter().position(|listed| listed.purpose == purpose);
    let listed = tree.prepared.remove(place.ok_or(RotateRefused::NothingPrepared)?);
    commit(client, vec![tree_write(&tree, condition)]).await?;
    Ok(listed.version)
}

/// Lets the older of two versions of the blind indexes' key go, if the keys are as they were read; whether they were.
pub(crate) async fn let_go(client: &Client, reading: &Reading) -> Result<bool, BankError> {
    let mut tree = reading.tree.clone();
    let gone = Listed { purpose: Purpose::BlindIndex, version: reading.older };
    tree.keys.retain(|listed| *listed != gone);
    let documents = vec![tree_write(&tree, reading.condition), gone.deletion()];
    match commit(client, documents).await {
        Ok(()) => Ok(true),
        Err(BankError::Contended) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The bank's keys while two versions of the blind indexes' are in use.
pub(crate) struct Reading {
    tree: Tree,
    condition: DocumentCondition,
    /// The version that is read.
    pub(crate) older: u8,
    /// The version that is written, and read.
    pub(crate) newest: u8,
}

/// The bank's keys; `None` if one version of the blind indexes' is in use.
pub(crate) async fn reading(client: &Client) -> Result<Option<Reading>, BankError> {
    let (tree, condition) = read_tree(client).await?;
    let [older, newest] = blind::in_use((&tree.keys, &tree.prepared))[..] else { return Ok(None) };
    Ok(Some(Reading { tree, condition, older, newest }))
}

/// Wraps every key with another root key, in one commit: from then on the bank opens with that one alone. How many
/// there are.
///
/// # Errors
/// [`BankError`]: the old root key is another one, or somebody changed the keys meanwhile.
pub async fn rewrap(
    client: &Client,
    old: &dyn KeyEncryptionKey,
    new: &dyn KeyEncryptionKey,
) -> Result<usize, BankError> {
    let (tree, condition) = read_tree(client).await?;
    let mut writes = Vec::with_capacity(tree.keys.len() + 1);
    for (listed, secret) in unwrapped(client, old, &tree).await? {
        writes.push(wrapped_write(listed, &secret, new, DocumentCondition::Any)?);
    }
    // Whoever else makes or wraps keys writes the tree too.
    writes.push(tree_write(&tree, condition));
    commit(client, writes).await?;
    Ok(tree.keys.len())
}

async fn rotated(
    client: &Client,
    purpose: Purpose,
) -> Result<(Tree, DocumentCondition), RotateRefused> {
    if !ROTATED.contains(&purpose) {
        return Err(RotateRefused::NotRotated(purpose));
    }
    Ok(read_tree(client).await?)
}

async fn commit(client: &Client, documents: Vec<DocumentWrite>) -> Result<(), BankError> {
    let id = CommitId(u128::from_le_bytes(random::bytes()) >> 1 | 1);
    match client.commit(&Commit { id, documents, ..Commit::default() }).await? {
        CommitOutcome::Done(_) => Ok(()),
        CommitOutcome::Unmet(Unmet::Write { .. }) => Err(BankError::Contended),
        other => Err(BankError::odd(&other)),
    }
}
