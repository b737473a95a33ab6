//! Blind indexes: what is found by a value without the value being stored. The key of such a document is a
//! keyed hash, so whoever has the documents can't try values without the bank's key.
//!
//! ```text
//! offset  bytes  field
//!      0      1  version of the key
//!      1     32  HMAC-SHA-256 over: what it is an index of, a zero, the value
//! ```
//! While the key is rotated two versions are in use: the newest is written, both are read ([`crate::entry`]). Which
//! are in use is what the document of the bank's keys says, and no adapter believes what it saw of it when it started:
//! it is read with every look-up. A version that is in use and that an adapter has not is an error there
//! ([`BankError::KeysChanged`]), never a value that is not found.

use super::tree::{KeyTree, Listed, Purpose, Tree, parsed, tree_key};
use crate::error::BankError;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use florin_ledger::commit::Precondition;
use florin_ledger::{Document, DocumentKey, Position};
use std::sync::{PoisonError, RwLock};

/// What an index is of: equal values of two kinds have different hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indexed {
    /// E-mail addresses of customers, normalised.
    Email,
    /// What was typed as an e-mail address to log in.
    LoginIdentifier,
    /// Addresses that strangers have letters sent to, normalised.
    Mailbox,
    /// Numbers of accounts.
    AccountNumber,
    /// Addresses of the internet.
    Address,
    /// Recovery codes, with whose they are: those that were made before they needed no key.
    RecoveryCode,
    /// Telephone numbers that messages are sent to.
    Phone,
    /// Codes that are sent to telephones, with what they are for.
    PhoneCode,
    /// What services know apps on devices by.
    DeviceToken,
}

impl Indexed {
    fn name(self) -> &'static str {
        match self {
            Indexed::Email => "email",
            Indexed::LoginIdentifier => "login identifier",
            Indexed::Mailbox => "mailbox",
            Indexed::AccountNumber => "account number",
            Indexed::Address => "address",
            Indexed::RecoveryCode => "recovery code",
            Indexed::Phone => "phone",
            Indexed::PhoneCode => "phone code",
            Indexed::DeviceToken => "device token",
        }
    }
}

/// Computes keys of blind indexes.
#[derive(Debug)]
pub struct BlindIndex {
    /// Every version that there was when the adapter started.
    keys: Vec<(u8, hmac::Key)>,
    seen: RwLock<Seen>,
}

/// Which versions are in use, as it was seen last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// The version of the document that says so.
    tree: Position,
    /// In order. The last is written, all are read.
    versions: Vec<u8>,
}

impl Seen {
    /// That it still is as it was seen: a condition of whatever needs that something is under no version.
    pub(crate) fn unchanged(&self) -> Precondition {
        let DocumentKey { table, key } = tree_key();
        Precondition::Document { table, key, version: self.tree }
    }

    /// The version that is written.
    pub(crate) fn written(&self) -> u8 {
        *self.versions.last().expect("every purpose has a key")
    }
}

/// Bytes of a key.
pub const BLIND_BYTES: usize = 33;

impl BlindIndex {
    pub(super) fn new(tree: &KeyTree) -> BlindIndex {
        let of_version = |(version, secret): (u8, super::tree::Secret)| {
            (version, hmac::Key::new(HMAC_SHA256, secret.as_slice()))
        };
        let keys = tree.versions(Purpose::BlindIndex).into_iter().map(of_version).collect();
        let versions = in_use(tree.listed());
        BlindIndex { keys, seen: RwLock::new(Seen { tree: tree.position(), versions }) }
    }

    /// The key under which a value is written, as far as this adapter has seen: for what is not looked for under
    /// another version, or says which one it was.
    #[must_use]
    pub fn of(&self, indexed: Indexed, value: &str) -> [u8; BLIND_BYTES] {
        let written = self.seen().written();
        self.under(written, indexed, value).expect("what is in use was seen to be there")
    }

    /// Whether a key is that of a value, under the version that it names.
    pub(crate) fn is_of(&self, indexed: Indexed, value: &str, key: &[u8]) -> bool {
        // One that names a version that is gone is compared too.
        let version = key.first().copied().unwrap_or_default();
        let known = self.under(version, indexed, value).unwrap_or_else(|| self.of(indexed, value));
        verify_slices_are_equal(&known, key).is_ok()
    }

    /// The keys of a value under every version that this adapter has: for taking away whatever there is.
    pub(crate) fn everywhere(&self, indexed: Indexed, value: &str) -> Vec<[u8; BLIND_BYTES]> {
        self.keys.iter().map(|(version, key)| hashed(*version, key, indexed, value)).collect()
    }

    /// The keys of a value under the versions in use, in order.
    pub(crate) fn in_use(
        &self,
        seen: &Seen,
        indexed: Indexed,
        value: &str,
    ) -> Vec<[u8; BLIND_BYTES]> {
        seen.versions.iter().filter_map(|version| self.under(*version, indexed, value)).collect()
    }

    /// What was seen last.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What says which versions are in use.
    pub(crate) fn asks() -> DocumentKey {
        tree_key()
    }

    /// Looks at what says which versions are in use; whether it is as it was seen.
    ///
    /// # Errors
    /// [`BankError::KeysChanged`]: there is a version in use that this adapter has not.
    pub(crate) fn sees(
        &self,
        before: &Seen,
        document: Option<&Document>,
    ) -> Result<bool, BankError> {
        let tree = document.map_or(Position::NONE, |document| document.version);
        if tree == before.tree {
            return Ok(true);
        }
        let Tree { keys, prepared, .. } = parsed(document)?;
        let versions = in_use((&keys, &prepared));
        let is_known = |version: &u8| self.keys.iter().any(|(known, _)| known == version);
        if versions.is_empty() || !versions.iter().all(is_known) {
            return Err(BankError::KeysChanged);
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.tree < tree {
            *seen = Seen { tree, versions };
        }
        Ok(false)
    }

    fn under(&self, version: u8, indexed: Indexed, value: &str) -> Option<[u8; BLIND_BYTES]> {
        let key = self.keys.iter().find(|(known, _)| *known == version);
        key.map(|(version, key)| hashed(*version, key, indexed, value))
    }
}

fn hashed(version: u8, key: &hmac::Key, indexed: Indexed, value: &str) -> [u8; BLIND_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(indexed.name().as_bytes());
    context.update(&[0]);
    context.update(value.as_bytes());
    let mut bytes = [version; BLIND_BYTES];
    bytes[1..].copy_from_slice(context.sign().as_ref());
    bytes
}

/// The versions in use, in order.
pub(super) fn in_use((keys, prepared): (&[Listed], &[Listed])) -> Vec<u8> {
    let of_purpose = keys.iter().filter(|listed| listed.purpose == Purpose::BlindIndex);
    let mut versions: Vec<u8> = of_purpose
        .filter(|listed| !prepared.contains(listed))
        .map(|listed| listed.version)
        .collect();
    versions.sort_unstable();
    versions
}
