//! A copy of a keyring as it lies in a store: what it is of, and who says so.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINKS"
//!      8      4  version, 1
//!     12      4  zero
//!     16     16  birth of the database that it is of
//!     32     16  incarnation of the life that it was made in
//!     48      8  made: by the clock of whoever made it
//!     56      8  number of the newest root in it
//!     64      …  the copy (FLORINKC)
//!      …     32  public key
//!      …     64  signature over everything before
//! ```
//! All little-endian. Bytes are a signed copy if and only if
//!
//! 1. magic, version and zeros are as above, and the copy is whole;
//! 2. birth and number of the root are the copy's;
//! 3. the signature is right under the public key.

use super::signature::{NotSigned, PublicKey, Signer, unsealed};
use crate::keyring::copy::KeyringCopy;
use florin_ledger::Timestamp;
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINKS";
const VERSION: u32 = 1;

/// A copy, and what is said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedCopy {
    /// The life that it was made in.
    pub incarnation: u128,
    /// When, by the clock of whoever made it.
    pub made: Timestamp,
    /// The copy.
    pub copy: KeyringCopy,
}

/// Why bytes are no signed copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignedCopyError {
    /// They are not what was written.
    #[error("it is damaged")]
    Damaged,
    /// Another version of this program wrote them.
    #[error("it has version {0}, this program reads version 1: use the version that wrote it")]
    Version(u32),
    /// The signature is another's, or of something else.
    #[error("its signature is not that of the key that it was to be signed by")]
    Signature,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    zero: U32,
    birth: U128,
    incarnation: U128,
    made: U64,
    root_number: U64,
}

const _: () = assert!(size_of::<HeadLayout>() == 64);

impl SignedCopy {
    /// Its bytes, signed.
    #[must_use]
    pub fn encoded(&self, signer: &Signer) -> Vec<u8> {
        let head = HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            zero: 0.into(),
            birth: self.copy.birth().into(),
            incarnation: self.incarnation.into(),
            made: self.made.0.into(),
            root_number: self.copy.root_number().into(),
        };
        let mut bytes = [head.as_bytes(), &self.copy.to_bytes()].concat();
        signer.seal(&mut bytes);
        bytes
    }

    /// Reads a copy that one of these keys must have signed. Any bytes are answered.
    ///
    /// # Errors
    /// [`SignedCopyError`].
    pub fn decoded(bytes: &[u8], trusted: &[PublicKey]) -> Result<SignedCopy, SignedCopyError> {
        let damaged = SignedCopyError::Damaged;
        let (head, _) = HeadLayout::ref_from_prefix(bytes).map_err(|_| damaged)?;
        if head.magic != MAGIC {
            return Err(damaged);
        }
        if head.version.get() != VERSION {
            return Err(SignedCopyError::Version(head.version.get()));
        }
        let content = unsealed(bytes, trusted).map_err(|wrong| match wrong {
            NotSigned::TooShort => damaged,
            NotSigned::Stranger => SignedCopyError::Signature,
        })?;
        let rest = content.get(size_of::<HeadLayout>()..).ok_or(damaged)?;
        let copy = KeyringCopy::from_bytes(rest).map_err(|_| damaged)?;
        let is_of_copy =
            head.birth.get() == copy.birth() && head.root_number.get() == copy.root_number();
        if !is_of_copy || head.zero.get() != 0 {
            return Err(damaged);
        }
        let (incarnation, made) = (head.incarnation.get(), Timestamp(head.made.get()));
        Ok(SignedCopy { incarnation, made, copy })
    }
}
