//! A run's unit of reading and checking: 4 KiB of which the first 16 bytes are a tag over the rest.
//!
//! ```text
//! offset  bytes  field
//!      0     16  tag: the first 16 bytes of keyed BLAKE3(page number as u64, payload)
//!     16   4080  payload
//! ```
//!
//! The key is the BLAKE3 of the header page's payload, which names kind and number, so a page is
//! valid only in its own place of its own file. The header page itself has an unkeyed tag. The tag
//! has the size of an AES-GCM tag: sealing takes its place without moving anything.
//!
//! In runs of documents the page number is a u128, which makes what is hashed four whole chunks of
//! BLAKE3: those are hashed side by side, in less than half of the time.

use super::RunKind;
use crate::disk::PAGE_BYTES;

/// Bytes of a page's tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a page that carry something.
pub const PAYLOAD_BYTES: usize = PAGE_BYTES - TAG_BYTES;

/// A page.
pub(crate) type Page = [u8; PAGE_BYTES];

/// What tags of one file are keyed with.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageKey {
    key: [u8; 32],
    kind: RunKind,
}

impl PageKey {
    /// The key of the file of a kind with this header page.
    pub(super) fn of(header: &Page, kind: RunKind) -> PageKey {
        PageKey { key: *blake3::hash(&header[TAG_BYTES..]).as_bytes(), kind }
    }

    /// A number that differs from file to file, for spreading keys over its filter.
    pub(super) fn seed(self) -> u64 {
        let (first, _) = self.key.split_first_chunk::<8>().expect("a key has 32 bytes");
        u64::from_le_bytes(*first)
    }

    /// Sets the tag of a page.
    pub(super) fn seal(self, page: &mut Page, number: u64) {
        let tag = self.tag(page, number);
        page[..TAG_BYTES].copy_from_slice(&tag);
    }

    /// Whether a page is as it was sealed, and sealed for this place.
    pub(super) fn verifies(self, page: &Page, number: u64) -> bool {
        page[..TAG_BYTES] == self.tag(page, number)
    }

    fn tag(self, page: &Page, number: u64) -> [u8; TAG_BYTES] {
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
