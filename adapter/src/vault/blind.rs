//! Blind indexes: what is found by a value without the value being stored. The key of such a document is a
//! keyed hash, so whoever has the documents can't try values without the bank's key.
//!
//! ```text
//! offset  bytes  field
//!      0      1  version of the key
//!      1     32  HMAC-SHA-256 over: what it is an index of, a zero, the value
//! ```

use super::tree::{KeyTree, Purpose};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

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
    /// Recovery codes, with whose they are.
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
    version: u8,
    key: hmac::Key,
}

/// Bytes of a key.
pub const BLIND_BYTES: usize = 33;

impl BlindIndex {
    pub(super) fn new(tree: &KeyTree) -> BlindIndex {
        let (version, secret) = tree.newest(Purpose::BlindIndex);
        BlindIndex { version, key: hmac::Key::new(HMAC_SHA256, secret.as_slice()) }
    }

    /// The key under which a value is found.
    #[must_use]
    pub fn of(&self, indexed: Indexed, value: &str) -> [u8; BLIND_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(indexed.name().as_bytes());
        context.update(&[0]);
        context.update(value.as_bytes());
        let mut bytes = [self.version; BLIND_BYTES];
        bytes[1..].copy_from_slice(context.sign().as_ref());
        bytes
    }
}
