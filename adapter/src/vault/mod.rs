//! The vault: what is personal is stored sealed, under keys that can be destroyed.
//!
//! - A [`Subject`] is whom something is about. A customer has two keys in the ledger's keyring: one for the
//!   profile, destroyed at erasure, one for what the law says must be kept, destroyed when that time is over.
//!   What is about nobody is the bank's own, under a key of the [tree](tree).
//! - A [document](crate::store::Kind) names its subject by its type and keeps each part under its key;
//!   whatever is stored goes through there, so what names no subject does not compile.
//! - A sealed part opens in its own place alone: table, key of the document and part are bound to it.
//! - Neither the ledger's keyring nor the bank's root key opens anything without the other.

mod blind;
pub mod rotation;
mod sealed;
mod subject;
mod tree;

pub(crate) use blind::Seen;
pub use blind::{BLIND_BYTES, BlindIndex, Indexed};
pub use rotation::{KeyVersion, RotateRefused};
pub use sealed::{Part, Place};
pub use subject::{Subject, SubjectKeys};
pub use tree::{KeyTree, NoSuchPurpose, Purpose, TreeError};

use crate::error::BankError;
use crate::id::{Customer, Id};
use florin_client::Client;
use florin_keys::KeyEncryptionKey;
use sealed::SealingKey;
use std::sync::Arc;
use subject::{Secret, derived};

/// Seals and opens.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    tree: KeyTree,
    subjects: SubjectKeys,
    blind: BlindIndex,
}

impl Vault {
    /// The vault of a bank: the keys that its root key opens, made now if there are none.
    ///
    /// # Errors
    /// [`BankError`]: the root key is another one, or the ledger could not be asked.
    pub async fn open(client: &Client, root: &dyn KeyEncryptionKey) -> Result<Vault, BankError> {
        let tree = KeyTree::open(client, root).await?;
        let subjects = SubjectKeys::new(client.clone());
        let blind = BlindIndex::new(&tree);
        Ok(Vault(Arc::new(Inner { tree, subjects, blind })))
    }

    /// The blind index.
    #[must_use]
    pub fn blind(&self) -> &BlindIndex {
        &self.0.blind
    }

    /// The keys by purpose.
    #[must_use]
    pub fn tree(&self) -> &KeyTree {
        &self.0.tree
    }

    /// Makes a subject's keys, if it has none. Returns when they are durable.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn make_keys(&self, subject: Subject) -> Result<(), BankError> {
        self.0.subjects.make(subject).await
    }

    /// Takes the keys of a customer who will not be: nothing was sealed under them.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn unmake_keys(&self, subject: Subject) -> Result<(), BankError> {
        self.0.subjects.destroy(subject, Part::Profile).await?;
        self.0.subjects.destroy(subject, Part::Statutory).await
    }

    /// Asks the ledger for a customer's keys the next time, whether they are in memory or not: where it
    /// must take as long for everybody.
    pub fn forget(&self, customer: Id<Customer>) {
        self.0.subjects.forget(customer);
    }

    /// Destroys the key of a subject's profile, for ever. Returns when nothing in the ledger's data
    /// directory opens what was sealed under it; adapters forget it within a minute.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn erase(&self, subject: Subject) -> Result<(), BankError> {
        self.0.subjects.destroy(subject, Part::Profile).await
    }

    /// Seals a part of a document.
    ///
    /// # Errors
    /// [`BankError::Erased`] if its key is destroyed; [`BankError`].
    pub async fn seal(
        &self,
        subject: Subject,
        part: Part,
        place: Place<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, BankError> {
        let (version, sealing) = self.0.tree.newest(Purpose::Sealing);
        let key = self.key(subject, part).await?.ok_or(BankError::Erased)?;
        let key = SealingKey::of_document(version, &derived(&sealing, &key), place);
        Ok(key.seal(part, place, plain))
    }

    /// What was sealed; `None` if its key is destroyed.
    ///
    /// # Errors
    /// [`BankError::Damaged`] if it was changed, or moved from its place; [`BankError`].
    pub async fn open_part(
        &self,
        subject: Subject,
        part: Part,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, BankError> {
        let damaged = || BankError::Damaged(place.table);
        let version = sealed::key_version(sealed).ok_or_else(damaged)?;
        let sealing = self.0.tree.version(Purpose::Sealing, version).ok_or_else(damaged)?;
        let Some(key) = self.key(subject, part).await? else { return Ok(None) };
        let key = SealingKey::of_document(version, &derived(&sealing, &key), place);
        key.open(part, place, sealed).map(Some)
    }

    /// A subject's own key; nobody's is all zero, and the bank's alone seals.
    async fn key(&self, subject: Subject, part: Part) -> Result<Option<Secret>, BankError> {
        match subject {
            Subject::Bank => Ok(Some(Secret::default())),
            Subject::Customer(_) => self.0.subjects.key(subject, part).await,
        }
    }
}
