//! Documents of a bank in the ledger: read, sealed, and written in commits.
//!
//! ```text
//! offset  bytes  field
//!      0      1  version of what the parts mean: 2
//!      1         MessagePack, an array of three: open part, profile, statutory part
//! ```
//! A version that this program does not know is refused, so that no older adapter rewrites what it did not
//! understand. The open part says nothing about a person: ids, states, times, amounts. The other parts are bytes,
//! MessagePack sealed under the keys of the document's subject ([`crate::vault`]); one that is nil never was, one
//! that is empty is erased.
//!
//! A document can only be written by a [`Kind`], which says whose it is:
//!
//! ```compile_fail
//! # use florin_adapter::store::Kind;
//! # use florin_ledger::TableId;
//! struct Secrets;
//!
//! impl Kind for Secrets {
//!     const TABLE: TableId = TableId(99);
//!     type Open = ();
//!     type Profile = String;
//!     type Statutory = ();
//!     // No subject: does not compile.
//! }
//! ```

use crate::error::BankError;
use crate::packed::{Bytes, NotPacked, pack, unpack};
use crate::vault::{Part, Place, Subject, Vault};
use florin_client::Client;
use florin_ledger::commit::{CommitDone, Precondition, Unmet};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{
    Commit, CommitOutcome, Document, DocumentKey, DocumentWrite, Position, TableId, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What documents of a table are.
pub trait Kind {
    /// Their table.
    const TABLE: TableId;
    /// What of them anybody may know who has the ledger.
    type Open: Serialize + DeserializeOwned + Send + Sync;
    /// What is erased with its subject's profile; `()` for nothing.
    type Profile: Serialize + DeserializeOwned + Send + Sync;
    /// What is kept as long as the law says; `()` for nothing.
    type Statutory: Serialize + DeserializeOwned + Send + Sync;

    /// Whom a document is about.
    fn subject(open: &Self::Open) -> Subject;
}

/// A document, opened.
pub struct Row<K: Kind> {
    /// What is not sealed.
    pub open: K::Open,
    /// What goes with its subject's profile.
    pub profile: Held<K::Profile>,
    /// What stays as long as the law says.
    pub statutory: Held<K::Statutory>,
}

/// A part of a document that is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held<T> {
    /// There is none.
    Absent,
    /// Its key is destroyed.
    Erased,
    /// It could be opened.
    Known(T),
}

impl<T> Held<T> {
    /// What it is, if it could be opened.
    pub fn known(self) -> Option<T> {
        match self {
            Held::Known(part) => Some(part),
            Held::Absent | Held::Erased => None,
        }
    }

    /// The same without taking it.
    pub fn as_known(&self) -> Option<&T> {
        match self {
            Held::Known(part) => Some(part),
            Held::Absent | Held::Erased => None,
        }
    }
}

impl<K: Kind> Row<K> {
    /// A document of which nothing is sealed.
    #[must_use]
    pub fn open(open: K::Open) -> Row<K> {
        Row { open, profile: Held::Absent, statutory: Held::Absent }
    }
}

/// A document as it was found.
pub struct Found<K: Kind> {
    /// Its key.
    pub key: Vec<u8>,
    /// Its version.
    pub version: Position,
    /// When it was written.
    pub written: Timestamp,
    /// What it says.
    pub row: Row<K>,
}

impl<K: Kind> Found<K> {
    /// That it still is as it was found: for whatever is decided by it.
    #[must_use]
    pub fn unchanged(&self) -> Precondition {
        Precondition::Document { table: K::TABLE, key: self.key.clone(), version: self.version }
    }

    /// The condition of writing over it.
    #[must_use]
    pub fn condition(&self) -> DocumentCondition {
        DocumentCondition::Version(self.version)
    }

    /// Deletes it, if it still is as it was found.
    #[must_use]
    pub fn deletion(&self) -> DocumentWrite {
        DocumentWrite {
            table: K::TABLE,
            key: self.key.clone(),
            condition: self.condition(),
            ..DocumentWrite::default()
        }
    }
}

/// The version that is written and read. Programs before the first release wrote JSON, whose first byte is 123.
const VERSION: u8 = 2;

/// A document as it is stored, after its version.
type Stored<O> = (O, Option<Bytes>, Option<Bytes>);

/// Reads a document, but for what is sealed.
fn read<O: DeserializeOwned>(table: TableId, value: &[u8]) -> Result<Stored<O>, BankError> {
    let (version, parts) = value.split_first().ok_or(BankError::Damaged(table))?;
    match *version {
        VERSION => unpack(parts).map_err(|NotPacked| BankError::Damaged(table)),
        _ => Err(BankError::Newer(table)),
    }
}

/// What a document of a kind is asked for by.
#[must_use]
pub fn key_of<K: Kind>(key: impl Into<Vec<u8>>) -> DocumentKey {
    DocumentKey { table: K::TABLE, key: key.into() }
}

/// Whether what is unmet of a commit is one of these preconditions.
#[must_use]
pub fn is_one_of(commit: &Commit, unmet: &Unmet, wanted: &[Precondition]) -> bool {
    let Unmet::Document { index, .. } = unmet else { return false };
    let unmet = usize::try_from(*index).ok().and_then(|index| commit.preconditions.get(index));
    unmet.is_some_and(|unmet| wanted.contains(unmet))
}

/// The bank's documents.
#[derive(Clone)]
pub struct Store {
    client: Client,
    vault: Vault,
    asked_count: Arc<AtomicU64>,
}

/// A page of a scan.
pub struct Page<K: Kind> {
    /// The documents, in order.
    pub found: Vec<Found<K>>,
    /// The key to go on after, if there may be more.
    pub next: Option<Vec<u8>>,
}

impl Store {
    /// Documents of a ledger, sealed by a vault.
    #[must_use]
    pub fn new(client: Client, vault: Vault) -> Store {
        Store { client, vault, asked_count: Arc::default() }
    }

    /// For how many documents, and pages of them, was asked here since the adapter started: for as many where
    /// somebody types a stranger's address as a customer's.
    #[must_use]
    pub fn asked_count(&self) -> u64 {
        self.asked_count.load(Ordering::SeqCst)
    }

    /// Documents of any kinds, however many.
    ///
    /// # Errors
    /// [`BankError`].
    pub(crate) async fn documents(
        &self,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, BankError> {
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        self.asked_count.fetch_add(count, Ordering::SeqCst);
        Ok(self.client.documents(keys).await?)
    }

    /// The ledger.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What seals.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The document under a key.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn get<K: Kind>(&self, key: &[u8]) -> Result<Option<Found<K>>, BankError> {
        let [document] = self.ask([key_of::<K>(key)]).await?;
        self.found(document).await
    }

    /// Documents of any kinds, asked for at once: one for each [key](key_of), which [`Store::found`] opens.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn ask<const N: usize>(
        &self,
        keys: [DocumentKey; N],
    ) -> Result<[Option<Document>; N], BankError> {
        let found = self.documents(&keys).await?;
        found.try_into().map_err(|_| BankError::odd(&"another number of documents"))
    }

    /// A document that was asked for.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn found<K: Kind>(
        &self,
        document: Option<Document>,
    ) -> Result<Option<Found<K>>, BankError> {
        match document {
            None => Ok(None),
            Some(document) => self.opened(document).await.map(Some),
        }
    }

    /// The documents under keys, in their order, asked for at once; what is not there is passed over.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn all<K: Kind>(
        &self,
        keys: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Vec<Found<K>>, BankError> {
        let keys: Vec<DocumentKey> = keys.into_iter().map(key_of::<K>).collect();
        let mut found = Vec::with_capacity(keys.len());
        for document in self.documents(&keys).await?.into_iter().flatten() {
            found.push(self.opened(document).await?);
        }
        Ok(found)
    }

    /// A document as the ledger answered it.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn opened<K: Kind>(&self, document: Document) -> Result<Found<K>, BankError> {
        let damaged = || BankError::Damaged(K::TABLE);
        let value = document.value.ok_or_else(damaged)?;
        let (open, profile, statutory): Stored<K::Open> = read(K::TABLE, &value)?;
        let subject = K::subject(&open);
        let place = Place { table: K::TABLE, key: &document.key };
        let profile = self.part(subject, Part::Profile, place, profile).await?;
        let statutory = self.part(subject, Part::Statutory, place, statutory).await?;
        let row = Row { open, profile, statutory };
        Ok(Found { version: document.version, written: document.timestamp, row, key: document.key })
    }

    /// The open part of a document as the ledger answered it: opens no seal.
    ///
    /// # Errors
    /// [`BankError`].
    pub fn open_part<K: Kind>(&self, document: &Document) -> Result<K::Open, BankError> {
        let value = document.value.as_deref().ok_or(BankError::Damaged(K::TABLE))?;
        read(K::TABLE, value).map(|(open, ..): Stored<K::Open>| open)
    }

    async fn part<T: DeserializeOwned>(
        &self,
        subject: Subject,
        part: Part,
        place: Place<'_>,
        stored: Option<Bytes>,
    ) -> Result<Held<T>, BankError> {
        let Some(Bytes(sealed)) = stored else { return Ok(Held::Absent) };
        if sealed.is_empty() {
            return Ok(Held::Erased);
        }
        let Some(plain) = self.vault.open_part(subject, part, place, &sealed).await? else {
            return Ok(Held::Erased);
        };
        unpack(&plain).map(Held::Known).map_err(|NotPacked| BankError::Damaged(place.table))
    }

    /// Documents whose keys begin with a prefix, in order of their keys.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn scan<K: Kind>(&self, scan: DocumentScan) -> Result<Page<K>, BankError> {
        self.asked_count.fetch_add(1, Ordering::SeqCst);
        let page = self.client.scan_documents(&DocumentScan { table: K::TABLE, ..scan }).await?;
        let mut found = Vec::with_capacity(page.items.len());
        for document in page.items {
            found.push(self.opened(document).await?);
        }
        Ok(Page { found, next: page.next })
    }

    /// A write of a document, sealed.
    ///
    /// # Errors
    /// [`BankError::Erased`] if the keys of its subject are destroyed; [`BankError`].
    pub async fn write<K: Kind>(
        &self,
        key: &[u8],
        row: &Row<K>,
        condition: DocumentCondition,
    ) -> Result<DocumentWrite, BankError> {
        let subject = K::subject(&row.open);
        let place = Place { table: K::TABLE, key };
        let profile = self.sealed(subject, Part::Profile, place, &row.profile).await?;
        let statutory = self.sealed(subject, Part::Statutory, place, &row.statutory).await?;
        let parts = pack(&(&row.open, profile, statutory));
        Ok(DocumentWrite {
            table: K::TABLE,
            key: key.to_vec(),
            value: Some([&[VERSION][..], &parts].concat()),
            condition,
            ..DocumentWrite::default()
        })
    }

    async fn sealed<T: Serialize>(
        &self,
        subject: Subject,
        part: Part,
        place: Place<'_>,
        plain: &Held<T>,
    ) -> Result<Option<Bytes>, BankError> {
        let plain = match plain {
            Held::Absent => return Ok(None),
            Held::Erased => return Ok(Some(Bytes(Vec::new()))),
            Held::Known(plain) => plain,
        };
        self.vault.seal(subject, part, place, &pack(plain)).await.map(Bytes).map(Some)
    }

    /// Takes effect whole or not at all, once; returns when it is durable.
    ///
    /// # Errors
    /// [`BankError::Unmet`] if something that it needs has changed: read and decide afresh.
    /// [`BankError::Refused`] if a posting rule refuses it; [`BankError`].
    pub async fn commit(&self, commit: &Commit) -> Result<CommitDone, BankError> {
        match self.client.commit(commit).await? {
            CommitOutcome::Done(done) => Ok(done),
            CommitOutcome::Unmet(unmet) => Err(BankError::Unmet(unmet)),
            CommitOutcome::Refused(refused) => Err(BankError::Refused(refused.broken)),
            other @ CommitOutcome::ExistsWithDifferentDigest(_) => Err(BankError::odd(&other)),
        }
    }
}
