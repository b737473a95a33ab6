//! The database key of a database, in memory: what all sealing keys follow from.

use super::key::SealingKey;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use florin_keys::{DATABASE_KEY_BYTES, Secret, Zeroizing};
use std::fmt;
use std::sync::Arc;

/// The database key of one database; clones share it. Wiped when the last is dropped.
#[derive(Clone)]
pub struct DatabaseKey {
    secret: Arc<Secret>,
    incarnation: u128,
}

impl fmt::Debug for DatabaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseKey(secret)")
    }
}

impl DatabaseKey {
    /// The database key of a database.
    #[must_use]
    pub fn new(secret: Secret, incarnation: u128) -> DatabaseKey {
        DatabaseKey { secret: Arc::new(secret), incarnation }
    }

    /// A new, random one.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn random(incarnation: u128) -> std::io::Result<DatabaseKey> {
        let mut secret: Secret = Zeroizing::new([0; DATABASE_KEY_BYTES]);
        getrandom::fill(secret.as_mut_slice()).map_err(std::io::Error::other)?;
        Ok(DatabaseKey::new(secret, incarnation))
    }

    /// The database that it is of.
    #[must_use]
    pub fn incarnation(&self) -> u128 {
        self.incarnation
    }

    /// The key of a place. `purpose` names the kind of place, `salt` was drawn for this one.
    #[must_use]
    pub fn sealing_key(&self, purpose: &[u8], salt: &[u8]) -> SealingKey {
        SealingKey::new(&self.derived(purpose, salt))
    }

    /// A value that says whether this is the database key, and nothing about it.
    #[must_use]
    pub fn check(&self) -> [u8; 32] {
        *self.derived(b"florin check of the database key", &[])
    }

    /// What the keyring hashes names under: the same in every copy of the database, whatever
    /// key-encryption key it is opened with.
    pub(crate) fn naming_key(&self) -> Zeroizing<[u8; 32]> {
        self.derived(b"florin names of the keyring", &[])
    }

    /// What files of the tree of proofs are checked with.
    pub(crate) fn tree_key(&self) -> Zeroizing<[u8; 32]> {
        self.derived(b"florin tree", &[])
    }

    /// The database key itself, to be wrapped.
    pub(super) fn secret(&self) -> &[u8; DATABASE_KEY_BYTES] {
        &self.secret
    }

    fn derived(&self, purpose: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
        let incarnation = self.incarnation.to_le_bytes();
        let extracted: Prk = Salt::new(HKDF_SHA256, salt).extract(self.secret.as_slice());
        let mut derived = Zeroizing::new([0; 32]);
        extracted
            .expand(&[purpose, &incarnation], HKDF_SHA256)
            .and_then(|output| output.fill(derived.as_mut_slice()))
            .expect("a digest's length");
        derived
    }
}
