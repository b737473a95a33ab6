//! What the table of clients' keys says, and which changes to it make sense. Pure: documents in, keys
//! and complaints out.
//!
//! Invariants:
//! - a document that is not understood whole lets nobody in, and harms no other;
//! - no two keys that may come in have the same name. Whoever embeds the engine can write two: then
//!   the one that was written last is not let in;
//! - a change that is checked here makes no document of that kind, and takes back no revocation.

use crate::key::ClientKey;
use crate::key_document::{KeyDocument, KeyDocumentError};
use crate::limits::KEYS_MAX;
use florin_ledger::Document;
use florin_wire::{PublicKey, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

/// The documents of the table, as they were read together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct KeyTable {
    /// What is understood.
    keys: BTreeMap<PublicKey, KeyDocument>,
    /// Names of the keys that are not revoked, and whose they are.
    names: BTreeMap<String, PublicKey>,
    /// What is not.
    flaws: Vec<KeyFlaw>,
}

/// A document that lets nobody in although it is not revoked, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFlaw {
    /// Its key in the table, whatever it is.
    pub key: Vec<u8>,
    /// What is wrong.
    pub reason: String,
}

/// A change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// Which key.
    pub key: PublicKey,
    /// Its document from now on; `None`: it has none any more, which revokes it without a trace but in
    /// the log.
    pub document: Option<KeyDocument>,
}

/// Why a change of keys is refused. Nothing of it happens.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyChangeError {
    /// Not the key of a client.
    #[error(
        "a document of table 1 has a public key of 32 bytes for its key, this one has {0} bytes"
    )]
    Key(usize),
    /// The document says what can't be.
    #[error("the key {key}: {source}")]
    Document {
        /// Which key.
        key: PublicKey,
        /// Why.
        source: KeyDocumentError,
    },
    /// The name is another's.
    #[error(
        "the name `{name}` belongs to the key {owner} already: revoke that, or take another name"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Whose it is.
        owner: PublicKey,
    },
    /// The key was revoked.
    #[error("the key {0} was revoked, and stays so: have its owner generate another")]
    Revoked(PublicKey),
    /// There are too many.
    #[error("a server knows at most {KEYS_MAX} keys: delete documents of revoked ones")]
    TooMany,
    /// Nobody could change keys any more.
    #[error(
        "no key with the role operate would be left, and nobody could manage keys: add another \
         first, or stop the server and use florin keys --data DIR"
    )]
    NobodyOperates,
}

impl KeyTable {
    /// What these documents say; `flaws` are of those that could not be read.
    #[must_use]
    pub fn new(documents: impl IntoIterator<Item = Document>, flaws: Vec<KeyFlaw>) -> KeyTable {
        let mut table = KeyTable { flaws, ..KeyTable::default() };
        let mut by_age: Vec<Document> = documents.into_iter().collect();
        by_age.sort_unstable_by_key(|document| document.version);
        for document in by_age {
            if let Err(reason) = table.enter(&document) {
                table.flaws.push(KeyFlaw { key: document.key, reason });
            }
        }
        table
    }

    fn enter(&mut self, document: &Document) -> Result<(), String> {
        let key = public_key(&document.key).map_err(|error| error.to_string())?;
        let value = document.value.as_deref().unwrap_or_default();
        let read = KeyDocument::decode(value).map_err(|error| error.to_string())?;
        if !read.revoked {
            if let Some(owner) = self.names.get(&read.name) {
                let (name, owner) = (read.name, *owner);
                return Err(KeyChangeError::NameTaken { name, owner }.to_string());
            }
            self.names.insert(read.name.clone(), key);
        }
        self.keys.insert(key, read);
        Ok(())
    }

    /// Every key that is understood, revoked ones too, in order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (PublicKey, &KeyDocument)> {
        self.keys.iter().map(|(key, document)| (*key, document))
    }

    /// A key that is understood.
    #[must_use]
    pub fn get(&self, key: PublicKey) -> Option<&KeyDocument> {
        self.keys.get(&key)
    }

    /// The documents that let nobody in although nobody revoked them.
    #[must_use]
    pub fn flaws(&self) -> &[KeyFlaw] {
        &self.flaws
    }

    /// The keys that may come in.
    ///
    /// # Panics
    /// Never: every document was checked.
    #[must_use]
    pub fn client_keys(&self) -> Vec<ClientKey> {
        let key = |(key, document): (&PublicKey, &KeyDocument)| {
            document.client_key(*key).expect("every document was checked")
        };
        self.keys.iter().filter_map(key).collect()
    }

    /// Whether these changes may be made together.
    ///
    /// # Errors
    /// The first that may not, or what they come to together.
    pub fn check(&self, changes: &[KeyChange]) -> Result<(), KeyChangeError> {
        let changed: BTreeSet<PublicKey> = changes.iter().map(|change| change.key).collect();
        let mut names = self.names.clone();
        names.retain(|_, owner| !changed.contains(owner));
        for KeyChange { key, document } in changes {
            let Some(document) = document else { continue };
            document.check().map_err(|source| KeyChangeError::Document { key: *key, source })?;
            if document.revoked {
                continue;
            }
            if self.keys.get(key).is_some_and(|known| known.revoked) {
                return Err(KeyChangeError::Revoked(*key));
            }
            if let Some(owner) = names.insert(document.name.clone(), *key)
                && owner != *key
            {
                return Err(KeyChangeError::NameTaken { name: document.name.clone(), owner });
            }
        }
        let is_new =
            |change: &&KeyChange| change.document.is_some() && !self.keys.contains_key(&change.key);
        let new_count = changes.iter().filter(is_new).count();
        if 0 < new_count && KEYS_MAX < self.keys.len() + self.flaws.len() + new_count {
            return Err(KeyChangeError::TooMany);
        }
        Ok(())
    }

    /// That somebody can still change keys afterwards, if somebody can now.
    ///
    /// # Errors
    /// [`KeyChangeError::NobodyOperates`]. Whoever can open the data directory may do so all the same.
    pub fn check_operators(&self, changes: &[KeyChange]) -> Result<(), KeyChangeError> {
        let mut after: BTreeMap<PublicKey, &KeyDocument> =
            self.keys.iter().map(|(key, document)| (*key, document)).collect();
        if !after.values().any(|document| manages_keys(document)) {
            return Ok(());
        }
        for KeyChange { key, document } in changes {
            match document {
                Some(document) => after.insert(*key, document),
                None => after.remove(key),
            };
        }
        if after.values().any(|document| manages_keys(document)) {
            return Ok(());
        }
        Err(KeyChangeError::NobodyOperates)
    }
}

/// The public key that a document's key in the table is.
///
/// # Errors
/// [`KeyChangeError::Key`] if it is none.
pub(crate) fn public_key(key: &[u8]) -> Result<PublicKey, KeyChangeError> {
    key.as_array().map(|key| PublicKey(*key)).ok_or(KeyChangeError::Key(key.len()))
}

/// Whether a key with this document can write documents of keys.
fn manages_keys(document: &KeyDocument) -> bool {
    let reaches = document.tables.as_ref().is_none_or(|tables| tables.contains(&1));
    let operates = document.roles.iter().any(|name| name == Role::Operate.name());
    !document.revoked && reaches && operates
}

impl KeyFlaw {
    /// Its key in the table, in hexadecimal digits.
    #[must_use]
    pub fn key_text(&self) -> String {
        self.key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for KeyFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the document of table 1 under the key {} lets nobody in: ", self.key_text())?;
        // A name comes from whoever wrote the document, and must not break a line.
        self.reason
            .chars()
            .try_for_each(|letter| f.write_char(if letter.is_control() { '?' } else { letter }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_ledger::{Lsn, Position, Timestamp};

    const NOBODY: PublicKey = PublicKey([9; 32]);

    fn said(name: &str, roles: &[&str]) -> KeyDocument {
        let text = serde_json::json!({ "version": 1, "name": name, "roles": roles }).to_string();
        KeyDocument::decode(text.as_bytes()).unwrap()
    }

    fn revoked(name: &str, roles: &[&str]) -> KeyDocument {
        KeyDocument { revoked: true, ..said(name, roles) }
    }

    fn stored(key: &[u8], lsn: u64, value: &str) -> Document {
        Document {
            key: key.to_vec(),
            version: Position { epoch: 1, lsn: Lsn(lsn) },
            timestamp: Timestamp(1),
            expires: Timestamp::NONE,
            value: Some(value.as_bytes().to_vec()),
        }
    }

    fn table(documents: &[(u8, KeyDocument)]) -> KeyTable {
        let stored = documents
            .iter()
            .map(|(key, document)| stored(&[*key; 32], u64::from(*key), &document.encode()));
        KeyTable::new(stored, Vec::new())
    }

    fn put(key: u8, document: KeyDocument) -> KeyChange {
        KeyChange { key: PublicKey([key; 32]), document: Some(document) }
    }

    fn delete(key: u8) -> KeyChange {
        KeyChange { key: PublicKey([key; 32]), document: None }
    }

    /// Prevents: one broken document locks a bank, or lets in whom nobody named.
    #[test]
    fn a_broken_document_lets_nobody_in_and_harms_no_other() {
        let good = said("shop", &["write"]).encode();
        let again = said("shop", &["operate"]).encode();
        let documents = [
            stored(&[1; 32], 5, &good),
            stored(&[2; 32], 6, "nonsense"),
            stored(&[3; 31], 7, &said("clerk", &["read"]).encode()),
            stored(&[0; 32], 8, &again),
            stored(&[4; 32], 9, &revoked("shop", &["read"]).encode()),
            Document { value: None, ..stored(&[5; 32], 10, "") },
        ];
        let table = KeyTable::new(documents, Vec::new());
        let keys: Vec<_> = table.client_keys().into_iter().map(|key| key.key).collect();
        assert_eq!(keys, [PublicKey([1; 32])]);
        let flawed: Vec<_> = table.flaws().iter().map(|flaw| flaw.key[0]).collect();
        assert_eq!(flawed, [2, 3, 0, 5]);
        let told = table.flaws()[2].to_string();
        assert!(told.starts_with("the document of table 1 under the key 0000"), "{told}");
        assert!(told.contains("`shop` belongs to the key 0101"), "{told}");
    }

    /// One line a rule; what a change is refused for.
    #[test]
    fn changes_that_make_no_sense_are_refused_by_name() {
        let table = table(&[
            (1, said("shop", &["write"])),
            (2, revoked("old", &["write"])),
            (3, said("boss", &["operate"])),
        ]);
        let taken = |owner: u8| KeyChangeError::NameTaken {
            name: String::from("shop"),
            owner: PublicKey([owner; 32]),
        };
        let shop = || said("shop", &["read"]);
        assert_eq!(table.check(&[put(1, shop())]), Ok(()), "other roles");
        assert_eq!(table.check(&[put(4, said("old", &[]))]), Ok(()), "a free name");
        assert_eq!(table.check(&[put(4, shop())]), Err(taken(1)));
        assert_eq!(table.check(&[put(4, shop()), delete(1)]), Ok(()), "a key for another");
        let handed_over = [put(1, revoked("shop", &[])), put(4, shop())];
        assert_eq!(table.check(&handed_over), Ok(()), "the same");
        assert_eq!(table.check(&[put(1, said("x", &[])), put(4, said("x", &[]))]).err(), {
            let (name, owner) = (String::from("x"), PublicKey([1; 32]));
            Some(KeyChangeError::NameTaken { name, owner })
        });
        let back = said("new", &["write"]);
        let stays_revoked = KeyChangeError::Revoked(PublicKey([2; 32]));
        assert_eq!(table.check(&[put(2, back.clone())]), Err(stays_revoked));
        assert_eq!(table.check(&[delete(2)]), Ok(()), "forgotten on purpose");
        let bad = KeyDocument { roles: vec![String::from("root")], ..back };
        assert!(matches!(table.check(&[put(4, bad)]), Err(KeyChangeError::Document { .. })));
        assert_eq!(public_key(&[1; 33]), Err(KeyChangeError::Key(33)));
        assert_eq!(table.get(NOBODY), None);
    }

    /// Prevents: a bank that nobody can let anybody into any more.
    #[test]
    fn the_last_operator_stays() {
        let boss = || said("boss", &["operate"]);
        let alone = table(&[(1, said("shop", &["write"])), (3, boss())]);
        let refused = Err(KeyChangeError::NobodyOperates);
        assert_eq!(alone.check_operators(&[delete(3)]), refused);
        assert_eq!(alone.check_operators(&[put(3, revoked("boss", &["operate"]))]), refused);
        assert_eq!(alone.check_operators(&[put(3, said("boss", &["read"]))]), refused);
        let elsewhere = KeyDocument { tables: Some([16].into()), ..boss() };
        assert_eq!(alone.check_operators(&[put(3, elsewhere)]), refused);
        assert_eq!(alone.check_operators(&[delete(3), put(4, boss())]), Ok(()));
        assert_eq!(alone.check_operators(&[delete(1)]), Ok(()));
        let nobody = table(&[(1, said("shop", &["write"]))]);
        assert_eq!(nobody.check_operators(&[delete(1)]), Ok(()), "it was so before");
    }
}
