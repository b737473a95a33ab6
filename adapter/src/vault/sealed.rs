//! A sealed part of a document.
//!
//! ```text
//! offset  bytes  field
//!      0      1  version of this layout: 1
//!      1      1  version of the bank's sealing key
//!      2     12  nonce, random
//!     14         the part, by AES-256-GCM
//!     ..     16  its tag, over the part and, not stored: both versions, part, table (2, big-endian), key
//! ```
//! Each document has a key of its own, derived from its subject's, so random nonces are few for each.
//! It opens if and only if 1. its version is 1, 2. the key is the document's, 3. the tag holds for the
//! document's own table and key and for this part of it.

use crate::error::BankError;
use crate::random;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use florin_ledger::TableId;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 2 + NONCE_LEN;
const CONTEXT: &str = "florin bank 1 key of a document";

/// A part of a document: what is sealed under one key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// What is erased when its customer asks.
    Profile,
    /// What must be kept for some years, whatever the customer asks.
    Statutory,
}

impl Part {
    fn number(self) -> u8 {
        match self {
            Part::Profile => 1,
            Part::Statutory => 2,
        }
    }

    /// The name that its keys have in the keyring.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Part::Profile => "profile",
            Part::Statutory => "statutory",
        }
    }
}

/// Where a document is: what is sealed for one place opens in no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    /// Its table.
    pub table: TableId,
    /// Its key.
    pub key: &'a [u8],
}

impl Place<'_> {
    fn bytes(self) -> Vec<u8> {
        [&self.table.0.to_be_bytes()[..], self.key].concat()
    }
}

/// The version of the bank's sealing key that something was sealed with; `None` if it says none.
pub(super) fn key_version(sealed: &[u8]) -> Option<u8> {
    match sealed {
        [VERSION, version, ..] => Some(*version),
        _ => None,
    }
}

/// The key of one document.
pub(super) struct SealingKey {
    version: u8,
    key: LessSafeKey,
}

impl SealingKey {
    /// Of a subject's key under a version of the bank's sealing key.
    pub(super) fn of_document(version: u8, subject: &[u8; 32], place: Place<'_>) -> SealingKey {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(subject).update(&place.bytes());
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("it has 32 bytes");
        SealingKey { version, key: LessSafeKey::new(key) }
    }

    pub(super) fn seal(&self, part: Part, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = plain.to_vec();
        let aad = Aad::from(bound(self.version, part, place));
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("a part is far smaller than the cipher's limit");
        [&[VERSION, self.version][..], &nonce, &sealed].concat()
    }

    pub(super) fn open(
        &self,
        part: Part,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, BankError> {
        let damaged = || BankError::Damaged(place.table);
        let (head, body) = sealed.split_at_checked(HEAD_BYTES).ok_or_else(damaged)?;
        let Some(([VERSION, version], nonce)) = head.split_first_chunk::<2>() else {
            return Err(damaged());
        };
        if *version != self.version {
            return Err(damaged());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut body = body.to_vec();
        let aad = Aad::from(bound(self.version, part, place));
        let plain = self.key.open_in_place(nonce, aad, &mut body).map_err(|_| damaged())?.len();
        assert_eq!(plain + TAG_BYTES, body.len(), "the tag comes last");
        body.truncate(plain);
        Ok(body)
    }
}

fn bound(version: u8, part: Part, place: Place<'_>) -> Vec<u8> {
    [&[VERSION, version, part.number()][..], &place.bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { table: TableId(17), key: b"one" };

    /// Prevents: a balance, an address or a password hash that is moved to another customer's document.
    #[test]
    fn what_is_sealed_opens_in_its_own_place_alone() {
        let key = SealingKey::of_document(1, &[7; 32], PLACE);
        let sealed = key.seal(Part::Profile, PLACE, b"Ada");
        assert_eq!(key.open(Part::Profile, PLACE, &sealed).unwrap(), b"Ada");
        for (part, place) in [
            (Part::Statutory, PLACE),
            (Part::Profile, Place { key: b"two", ..PLACE }),
            (Part::Profile, Place { table: TableId(18), ..PLACE }),
        ] {
            assert!(key.open(part, place, &sealed).is_err());
            let elsewhere = SealingKey::of_document(1, &[7; 32], place);
            assert!(elsewhere.open(part, place, &sealed).is_err());
        }
        assert!(
            SealingKey::of_document(1, &[8; 32], PLACE)
                .open(Part::Profile, PLACE, &sealed)
                .is_err()
        );
    }

    /// Prevents: a bit that a disk turned and nobody saw, or a panic over it.
    #[test]
    fn a_change_of_any_bit_and_any_missing_byte_is_seen() {
        let key = SealingKey::of_document(1, &[7; 32], PLACE);
        let sealed = key.seal(Part::Profile, PLACE, b"Ada");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(Part::Profile, PLACE, &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(Part::Profile, PLACE, &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_same_twice_is_sealed_differently() {
        let key = SealingKey::of_document(1, &[7; 32], PLACE);
        assert_ne!(key.seal(Part::Profile, PLACE, b"Ada"), key.seal(Part::Profile, PLACE, b"Ada"));
    }
}
