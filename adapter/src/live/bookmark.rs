//! Ids of events: places in the ledger's log, sealed for the customer who is told them.
//!
//! ```text
//! offset  bytes  field
//!      0     12  nonce, random
//!     12     48  epoch and position, 8 bytes each, big-endian, and the block's hash, by AES-256-GCM
//!     60     16  the tag, over these and, not stored, the customer's id
//! ```
//! As text, base 64 for URLs. A place would tell how much happens in the bank; and one that was made up, changed, or
//! told to another customer opens nothing.

use crate::id::{Customer, Id};
use crate::random;
use crate::vault::{KeyTree, Purpose};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use data_encoding::BASE64URL_NOPAD;
use florin_ledger::{Lsn, StreamCursor};
use zeroize::Zeroizing;

const CONTEXT: &str = "florin bank 1 ids of events";
const PLAIN_BYTES: usize = 8 + 8 + 32;
const BYTES: usize = NONCE_LEN + PLAIN_BYTES + 16;
/// Characters of an id.
const CHARACTERS: usize = (BYTES * 8).div_ceil(6);

/// Seals places, and opens them.
pub(super) struct Bookmarks(LessSafeKey);

impl Bookmarks {
    /// Those of a bank: all its adapters open what one of them has sealed.
    pub(super) fn new(tree: &KeyTree) -> Bookmarks {
        let (_, secret) = tree.newest(Purpose::Forms);
        Bookmarks::of_secret(&secret)
    }

    pub(super) fn of_secret(secret: &[u8; 32]) -> Bookmarks {
        let key = Zeroizing::new(blake3::derive_key(CONTEXT, secret));
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("it has 32 bytes");
        Bookmarks(LessSafeKey::new(key))
    }

    /// A place as a customer is told it.
    pub(super) fn seal(&self, customer: Id<Customer>, cursor: StreamCursor) -> String {
        let StreamCursor { epoch, lsn: Lsn(lsn), hash } = cursor;
        let mut sealed = [&epoch.to_be_bytes()[..], &lsn.to_be_bytes(), &hash].concat();
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let (once, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(customer.bytes()));
        let done = self.0.seal_in_place_append_tag(once, aad, &mut sealed);
        done.expect("a place is far smaller than the cipher's limit");
        BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat())
    }

    /// The place that a customer was told; `None` if they were not told this.
    pub(super) fn open(&self, customer: Id<Customer>, text: &str) -> Option<StreamCursor> {
        if text.len() != CHARACTERS {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let (once, aad) = (Nonce::assume_unique_for_key(*nonce), Aad::from(customer.bytes()));
        let plain = self.0.open_in_place(once, aad, &mut sealed).ok()?;
        let (epoch, rest) = plain.split_first_chunk()?;
        let (lsn, hash) = rest.split_first_chunk()?;
        let (epoch, lsn) = (u64::from_be_bytes(*epoch), Lsn(u64::from_be_bytes(*lsn)));
        Some(StreamCursor { epoch, lsn, hash: (*hash).try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: an id that says what the bank does, that another customer can use, or a panic over one that somebody
    /// made up.
    #[test]
    fn an_id_leads_where_it_was_made_for_who_was_told_it_and_nobody_else() {
        let bookmarks = Bookmarks::of_secret(&[7; 32]);
        let (ada, ben) = (Id::from_number(1), Id::from_number(2));
        let cursor = StreamCursor { epoch: 3, lsn: Lsn(4_272), hash: [0xa5; 32] };
        let text = bookmarks.seal(ada, cursor);
        assert_eq!(text.len(), CHARACTERS);
        assert_eq!(bookmarks.open(ada, &text), Some(cursor));
        assert_eq!(bookmarks.open(ben, &text), None);
        assert_eq!(Bookmarks::of_secret(&[8; 32]).open(ada, &text), None);
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(bookmarks.open(ada, &changed), None, "{place}");
            assert_eq!(bookmarks.open(ada, &text[..place]), None, "{place}");
        }
        for made_up in [cursor.to_string(), "é".repeat(CHARACTERS / 2), "A".repeat(CHARACTERS)] {
            assert_eq!(bookmarks.open(ada, &made_up), None, "{made_up}");
        }
    }
}
