//! A run's unit of reading and checking: 4 KiB of which the first 16 bytes are a tag over the rest.
//!
//! ```text
//! offset  bytes  field
//!      0     16  tag: the first 16 bytes of keyed BLAKE3(page number as u64, rest)
//!     16   4064  payload; encrypted in a sealed run
//!   4080     16  in a sealed run: the tag of AES-256-GCM; else zero, or the payload's end in runs
//!                of the first versions
//! ```
//!
//! The key is the BLAKE3 of the header page's payload, which names kind and number, so a page is
//! valid only in its own place of its own file. The header page itself has an unkeyed tag
//! and is never encrypted. The tag covers a page as it is stored, so pages are checked without any
//! other key. The nonce is the page's number; the seal also covers the key of the tags.
//!
//! In runs of documents the page number is a u128, which makes what is hashed four whole chunks of
//! BLAKE3: those are hashed side by side, in less than half of the time.

use super::RunKind;
use crate::disk::PAGE_BYTES;
use crate::runs::Damage;
use crate::sealing::{DatabaseKey, SEAL_BYTES, SealingKey};

/// Bytes of a page's tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a page that carry something.
pub const PAYLOAD_BYTES: usize = PAGE_BYTES - TAG_BYTES - SEAL_BYTES;
/// Where what a page carries ends.
pub const PAYLOAD_END: usize = TAG_BYTES + PAYLOAD_BYTES;
/// What the keys of runs are derived for.
const PURPOSE: &[u8] = b"florin run";

/// A page.
pub(crate) type Page = [u8; PAGE_BYTES];

/// What tags of one file are keyed with, and what its pages are sealed with.
#[derive(Clone, Debug)]
pub(super) struct PageKey {
    key: [u8; 32],
    kind: RunKind,
    is_sealed: bool,
    /// `None` if the pages are not sealed, or if nobody gave the database key.
    sealing: Option<SealingKey>,
}

impl PageKey {
    /// The key of the file of a kind with this header page.
    pub(super) fn of(header: &Page, kind: RunKind) -> PageKey {
        let key = *blake3::hash(&header[TAG_BYTES..]).as_bytes();
        PageKey { key, kind, is_sealed: false, sealing: None }
    }

    /// The same, of a file that is sealed with the salt in its header.
    pub(super) fn sealed(self, database_key: Option<&DatabaseKey>, salt: &[u8; 32]) -> PageKey {
        let sealing = database_key.map(|key| key.sealing_key(PURPOSE, salt));
        PageKey { is_sealed: true, sealing, ..self }
    }

    /// A number that differs from file to file, for spreading keys over its filter.
    pub(super) fn seed(&self) -> u64 {
        let (first, _) = self.key.split_first_chunk::<8>().expect("a key has 32 bytes");
        u64::from_le_bytes(*first)
    }

    /// Seals a page if the file is sealed, and sets its tag; to be called once for each number.
    ///
    /// # Panics
    /// If the page carries something where the seal goes, or if the file is sealed and nobody gave
    /// the database key.
    pub(super) fn seal(&self, page: &mut Page, number: u64) {
        assert_eq!(page[PAYLOAD_END..], [0; SEAL_BYTES], "the end of a page is the seal's");
        assert_eq!(self.sealing.is_some(), self.is_sealed, "sealed pages take a key");
        if let Some(sealing) = &self.sealing {
            let seal = sealing.seal(number, &self.key, &mut page[TAG_BYTES..PAYLOAD_END]);
            page[PAYLOAD_END..].copy_from_slice(&seal);
        }
        let tag = self.tag(page, number);
        page[..TAG_BYTES].copy_from_slice(&tag);
    }

    /// Whether a page is as it was sealed, and sealed for this place.
    pub(super) fn verifies(&self, page: &Page, number: u64) -> bool {
        page[..TAG_BYTES] == self.tag(page, number)
    }

    /// Makes a page readable whose tag was verified. After an error it is of no use.
    ///
    /// # Errors
    /// [`Damage::Sealed`] without the database key; [`Damage::Seal`] if it is not what was sealed.
    pub(super) fn open(&self, page: &mut Page, number: u64) -> Result<(), Damage> {
        if !self.is_sealed {
            return Ok(());
        }
        let sealing = self.sealing.as_ref().ok_or(Damage::Sealed)?;
        let (stored, seal) = page.split_at_mut(PAYLOAD_END);
        let seal: &mut [u8; SEAL_BYTES] = seal.try_into().expect("the end of a page");
        if !sealing.open(number, &self.key, seal, &mut stored[TAG_BYTES..]) {
            return Err(Damage::Seal { page: number });
        }
        *seal = [0; SEAL_BYTES];
        Ok(())
    }

    /// Tags a page as it is, as somebody can who has the disk alone.
    #[cfg(test)]
    pub(super) fn tag_again(&self, page: &mut Page, number: u64) {
        let tag = self.tag(page, number);
        page[..TAG_BYTES].copy_from_slice(&tag);
    }

    fn tag(&self, page: &Page, number: u64) -> [u8; TAG_BYTES] {
        if self.kind == RunKind::Documents {
            let mut numbered = *page;
            numbered[..TAG_BYTES].copy_from_slice(&u128::from(number).to_le_bytes());
            return truncated(blake3::keyed_hash(&self.key, &numbered));
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&number.to_le_bytes());
        hasher.update(&page[TAG_BYTES..]);
        truncated(hasher.finalize())
    }
}

/// Sets the tag of a header page.
pub(super) fn seal_header(page: &mut Page) {
    let tag = truncated(blake3::hash(&page[TAG_BYTES..]));
    page[..TAG_BYTES].copy_from_slice(&tag);
}

/// Whether a header page is as it was sealed.
pub(super) fn header_verifies(page: &Page) -> bool {
    page[..TAG_BYTES] == truncated(blake3::hash(&page[TAG_BYTES..]))
}

fn truncated(hash: blake3::Hash) -> [u8; TAG_BYTES] {
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}
