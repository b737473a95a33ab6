//! The tree of the bank's own keys: random keys, one or more versions for each purpose, each wrapped with the
//! root key and stored as a document, all unwrapped once when an adapter starts.
//!
//! - The document `tree` says which keys there are. One that is named there and missing is damage, and so is a
//!   purpose none of whose keys is in use; a purpose that is not named yet is a newer program's, and its key is made.
//! - A purpose's key is derived from what was unwrapped and from the purpose's name and version, so that a
//!   wrapped key that was moved to another document opens nothing.
//! - What is sealed or indexed says by which version, so that a new one can be made while old ones are read.

use crate::error::BankError;
use crate::random;
use crate::tables;
use florin_client::Client;
use florin_keys::{KeyEncryptionKey, KeyError};
use florin_ledger::commit::Unmet;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{
    Commit, CommitId, CommitOutcome, Document, DocumentKey, DocumentWrite, Position,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

const CONTEXT: &str = "florin bank 1 key of a purpose";
const TREE: &[u8] = b"tree";
/// Adapters that start at the same time and make keys: one of them does.
const ATTEMPTS_MAX: usize = 4;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Seals what is the bank's own, and takes part in sealing what is customers'.
    Sealing,
    /// Blind indexes.
    BlindIndex,
    /// Mixed into the hashes of passwords.
    Passwords,
    /// Tokens of forms.
    Forms,
    /// Signs access tokens.
    TokenSigning,
}

impl Purpose {
    const ALL: [Purpose; 5] = [
        Purpose::Sealing,
        Purpose::BlindIndex,
        Purpose::Passwords,
        Purpose::Forms,
        Purpose::TokenSigning,
    ];

    /// As it is stored, and typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Sealing => "sealing",
            Purpose::BlindIndex => "blind_index",
            Purpose::Passwords => "passwords",
            Purpose::Forms => "forms",
            Purpose::TokenSigning => "token_signing",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No purpose of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no key for this: florin bank keys list says which there are")]
pub struct NoSuchPurpose;

impl FromStr for Purpose {
    type Err = NoSuchPurpose;

    fn from_str(text: &str) -> Result<Purpose, NoSuchPurpose> {
        Purpose::ALL.into_iter().find(|purpose| purpose.name() == text).ok_or(NoSuchPurpose)
    }
}

/// Why the tree can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The root key can't be used, or is another one.
    #[error("the root key `{id}`: {error}")]
    Root {
        /// Which key was tried.
        id: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// A document of the tree is missing, or no wrapped key.
    #[error("the document `{0}` of the bank's keys is missing or damaged")]
    Damaged(String),
}

pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The keys, unwrapped.
pub struct KeyTree {
    keys: Vec<(Listed, Secret)>,
    /// As it was read.
    tree: Tree,
    /// The version of the document that it was read from.
    position: Position,
}

/// A key that there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) purpose: Purpose,
    pub(super) version: u8,
}

/// The document `tree`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) keys: Vec<Listed>,
    /// Of these, which only read as yet ([`super::rotation`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) prepared: Vec<Listed>,
}

/// A wrapped key as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Wrapped {
    /// The id of the root key that wrapped it.
    pub(super) root: String,
    /// In base 64.
    wrapped: String,
}

impl fmt::Debug for KeyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyTree(..)")
    }
}

impl Listed {
    fn name(self) -> String {
        format!("{} {}", self.purpose.name(), self.version)
    }

    fn document_key(self) -> DocumentKey {
        DocumentKey { table: tables::KEYS, key: self.name().into_bytes() }
    }

    /// The write that takes its wrapped key away.
    pub(super) fn deletion(self) -> DocumentWrite {
        let DocumentKey { table, key } = self.document_key();
        DocumentWrite { table, key, ..DocumentWrite::default() }
    }
}

impl KeyTree {
    /// Unwraps the keys; makes those first that a bank of this version has and that are not there yet.
    pub(super) async fn open(
        client: &Client,
        root: &dyn KeyEncryptionKey,
    ) -> Result<KeyTree, BankError> {
        for _ in 0..ATTEMPTS_MAX {
            let (tree, condition) = read_tree(client).await?;
            let is_there = |purpose: &Purpose| tree.keys.iter().any(|key| key.purpose == *purpose);
            let is_used = |purpose: &Purpose| {
                tree.keys.iter().any(|key| key.purpose == *purpose && !tree.prepared.contains(key))
            };
            if Purpose::ALL.iter().any(|purpose| is_there(purpose) && !is_used(purpose)) {
                return Err(TreeError::Damaged(String::from("tree")).into());
            }
            let missing: Vec<Purpose> =
                Purpose::ALL.into_iter().filter(|purpose| !is_there(purpose)).collect();
            // Read before anything is made: with another root key nothing is changed.
            let keys = unwrap_all(client, root, &tree).await?;
            if let (true, DocumentCondition::Version(position)) = (missing.is_empty(), condition) {
                return Ok(KeyTree { keys, tree, position });
            }
            make(client, root, tree, condition, &missing).await?;
        }
        Err(BankError::Contended)
    }

    /// The newest key of a purpose that is in use, and its version.
    #[must_use]
    pub fn newest(&self, purpose: Purpose) -> (u8, Secret) {
        let is_used = |listed: &Listed| !self.tree.prepared.contains(listed);
        let of_purpose = self.keys.iter().filter(|(listed, _)| listed.purpose == purpose);
        let of_purpose = of_purpose.filter(|(listed, _)| is_used(listed));
        let newest = of_purpose.max_by_key(|(listed, _)| listed.version);
        let (listed, secret) = newest.expect("every purpose has a key");
        (listed.version, secret.clone())
    }

    /// A version of a purpose's key, if there is one.
    #[must_use]
    pub fn version(&self, purpose: Purpose, version: u8) -> Option<Secret> {
        let wanted = Listed { purpose, version };
        self.keys.iter().find(|(listed, _)| *listed == wanted).map(|(_, secret)| secret.clone())
    }

    /// Every version of a purpose's key, those too that only read as yet.
    pub(super) fn versions(&self, purpose: Purpose) -> Vec<(u8, Secret)> {
        let of_purpose = self.keys.iter().filter(|(listed, _)| listed.purpose == purpose);
        of_purpose.map(|(listed, secret)| (listed.version, secret.clone())).collect()
    }

    /// Which keys there were, and which of these only read.
    pub(super) fn listed(&self) -> (&[Listed], &[Listed]) {
        (&self.tree.keys, &self.tree.prepared)
    }

    /// The version of the document that says so.
    pub(super) fn position(&self) -> Position {
        self.position
    }
}

/// The document that says which keys there are.
pub(super) fn tree_key() -> DocumentKey {
    DocumentKey { table: tables::KEYS, key: TREE.to_vec() }
}

/// What that document says.
pub(super) fn parsed(document: Option<&Document>) -> Result<Tree, BankError> {
    let value = document.and_then(|document| document.value.as_deref()).unwrap_or_default();
    Ok(serde_json::from_slice(value).map_err(|_| TreeError::Damaged(String::from("tree")))?)
}

pub(super) async fn read_tree(client: &Client) -> Result<(Tree, DocumentCondition), BankError> {
    let Some(document) = client.documents(&[tree_key()]).await?.pop().flatten() else {
        return Ok((Tree::default(), DocumentCondition::Absent));
    };
    Ok((parsed(Some(&document))?, DocumentCondition::Version(document.version)))
}

/// The keys of a tree, wrapped.
pub(super) async fn read_wrapped(
    client: &Client,
    tree: &Tree,
) -> Result<Vec<(Listed, Wrapped)>, BankError> {
    let keys: Vec<DocumentKey> = tree.keys.iter().map(|key| key.document_key()).collect();
    let found = client.documents(&keys).await?;
    let mut wrapped = Vec::with_capacity(keys.len());
    for (listed, document) in tree.keys.iter().zip(found) {
        let value = document.and_then(|document| document.value).unwrap_or_default();
        let damaged = |_| TreeError::Damaged(listed.name());
        wrapped.push((*listed, serde_json::from_slice(&value).map_err(damaged)?));
    }
    Ok(wrapped)
}

/// The keys of a tree as they were made.
pub(super) async fn unwrapped(
    client: &Client,
    root: &dyn KeyEncryptionKey,
    tree: &Tree,
) -> Result<Vec<(Listed, Secret)>, BankError> {
    let mut secrets = Vec::with_capacity(tree.keys.len());
    for (listed, stored) in read_wrapped(client, tree).await? {
        let wrapped = data_encoding::BASE64.decode(stored.wrapped.as_bytes());
        let wrapped = wrapped.map_err(|_| TreeError::Damaged(listed.name()))?;
        let secret = root.unwrap(&wrapped).map_err(|error| root_error(root, error))?;
        secrets.push((listed, secret));
    }
    Ok(secrets)
}

async fn unwrap_all(
    client: &Client,
    root: &dyn KeyEncryptionKey,
    tree: &Tree,
) -> Result<Vec<(Listed, Secret)>, BankError> {
    let secrets = unwrapped(client, root, tree).await?;
    Ok(secrets.into_iter().map(|(listed, secret)| (listed, of_purpose(listed, &secret))).collect())
}

/// A write of a key, wrapped.
pub(super) fn wrapped_write(
    listed: Listed,
    secret: &Secret,
    root: &dyn KeyEncryptionKey,
    condition: DocumentCondition,
) -> Result<DocumentWrite, TreeError> {
    let wrapped = root.wrap(secret).map_err(|error| root_error(root, error))?;
    let wrapped = data_encoding::BASE64.encode(&wrapped);
    let wrapped = Wrapped { root: String::from(root.id()), wrapped };
    Ok(DocumentWrite {
        table: tables::KEYS,
        key: listed.name().into_bytes(),
        value: Some(serde_json::to_vec(&wrapped).expect("it is plain")),
        condition,
        ..DocumentWrite::default()
    })
}

/// A write of the tree.
pub(super) fn tree_write(tree: &Tree, condition: DocumentCondition) -> DocumentWrite {
    DocumentWrite {
        table: tables::KEYS,
        key: TREE.to_vec(),
        value: Some(serde_json::to_vec(tree).expect("it is plain")),
        condition,
        ..DocumentWrite::default()
    }
}

/// Makes the first key of each purpose. If somebody else changed the tree meanwhile, nothing is made.
async fn make(
    client: &Client,
    root: &dyn KeyEncryptionKey,
    mut tree: Tree,
    condition: DocumentCondition,
    purposes: &[Purpose],
) -> Result<(), BankError> {
    let mut commit =
        Commit { id: CommitId(u128::from_le_bytes(random::bytes()) >> 1 | 1), ..Commit::default() };
    for purpose in purposes {
        let listed = Listed { purpose: *purpose, version: 1 };
        let secret = Zeroizing::new(random::bytes::<32>());
        let absent = DocumentCondition::Absent;
        commit.documents.push(wrapped_write(listed, &secret, root, absent)?);
        tree.keys.push(listed);
    }
    commit.documents.push(tree_write(&tree, condition));
    match client.commit(&commit).await? {
        CommitOutcome::Done(_) | CommitOutcome::Unmet(Unmet::Write { .. }) => Ok(()),
        other => Err(BankError::odd(&other)),
    }
}

/// What is used of a key: it and its own name.
fn of_purpose(listed: Listed, secret: &Secret) -> Secret {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(listed.name().as_bytes()).update(&[0]).update(secret.as_slice());
    Zeroizing::new(*hasher.finalize().as_bytes())
}

fn root_error(root: &dyn KeyEncryptionKey, error: KeyError) -> TreeError {
    TreeError::Root { id: String::from(root.id()), error }
}
