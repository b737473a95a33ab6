//! What a disk gives back in the place of a block of document keys, its tag right all the same.

use florin_core::documents::KeyList;
use florin_core::documents::block::{BlockBuilder, decode, find};

const PAGE_BYTES: usize = 4096;
const TAG_BYTES: usize = 16;

/// Decodes the bytes as a page's payload.
///
/// # Panics
/// If a block is accepted that is not written so, or that hides one of its keys from a lookup.
pub fn run(bytes: &[u8]) {
    let mut page = [0; PAGE_BYTES];
    let length = bytes.len().min(PAGE_BYTES - TAG_BYTES);
    page[TAG_BYTES..TAG_BYTES + length].copy_from_slice(&bytes[..length]);
    let mut list = KeyList::default();
    if decode(&page, &mut list).is_err() {
        // A lookup reads no further than it must: it may answer, and must not panic.
        let _ = find(&page, &[0, 16, 7]);
        return;
    }
    let mut builder = BlockBuilder::default();
    for (key, entry) in list.iter() {
        assert!(builder.push(key, entry), "what fitted before fits again");
        assert_eq!(find(&page, key), Ok(Some(entry)));
    }
    assert_eq!(builder.finish(), page);
}
