//! Key-encryption keys: what a database's database key is wrapped with, so that a stolen disk says
//! nothing and the key that opens it can be changed without rewriting what is stored.
//!
//! A [`KeyEncryptionKey`] is named, wraps 32 bytes and unwraps them again; where it is kept is its
//! own affair: in a file ([`FileKey`]), or in a token that never lets it out (`TokenKey`, behind
//! the feature `pkcs11`).
//!
//! Invariants:
//! - wrapping is authenticated: what was wrapped with another key, or was changed, is refused;
//! - no secret is printed, by `Debug` neither, and memory that held one is wiped.
#![forbid(unsafe_code)]

mod error;
mod file;
#[cfg(feature = "pkcs11")]
mod token;

pub use error::KeyError;
pub use file::FileKey;
#[cfg(feature = "pkcs11")]
pub use token::{TokenKey, TokenOptions};
pub use zeroize::Zeroizing;

use std::fmt;

/// Bytes of a database key.
pub const DATABASE_KEY_BYTES: usize = 32;
/// Bytes of a key's id at most.
pub const ID_BYTES_MAX: usize = 255;
/// Bytes of a wrapped database key at most.
pub const WRAPPED_BYTES_MAX: usize = 1024;

/// A database key in memory that is wiped when it is dropped.
pub type Secret = Zeroizing<[u8; DATABASE_KEY_BYTES]>;

/// A key that wraps database keys. Its `Debug` shows its id, never a secret.
pub trait KeyEncryptionKey: fmt::Debug + Send + Sync {
    /// Tells it from others: stored beside what it wrapped, so that whoever comes with another key
    /// is told which one is needed. At most [`ID_BYTES_MAX`] bytes, no secret.
    fn id(&self) -> &str;

    /// Wraps a database key; at most [`WRAPPED_BYTES_MAX`] bytes, different each time.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`].
    fn wrap(&self, secret: &[u8; DATABASE_KEY_BYTES]) -> Result<Vec<u8>, KeyError>;

    /// What was wrapped.
    ///
    /// # Errors
    /// [`KeyError::WrongKey`] if another key wrapped it, or if it was changed since;
    /// [`KeyError::Unavailable`].
    fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, KeyError>;
}
