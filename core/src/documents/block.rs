//! Keys and entries as a page's payload, each key without what it shares with the one before.
//!
//! ```text
//! offset  bytes  field
//!     16      2  entries in this block, at least 1
//!     18      …  for each entry:
//!                  bytes that its key shares with the key before, as a varint; the first: 0
//!                  bytes of its key after those, at least 1, as a varint
//!                  those bytes
//!                  (zig-zag of lsn - lsn before) * 2 + (1 if deleted), as a varint of 1 to 10 bytes
//!      …      …  zeros to the end of the page
//! ```
//! A varint is little-endian base 128: seven bits a byte, the eighth set in all but the last, and
//! the last not zero unless it is the only one. The lsn before the first is 0.
//!
//! A block is valid if and only if
//! 1. its page's tag verifies;
//! 2. it has at least one entry, and all of its entries end within the page;
//! 3. each key has 2 to 268 bytes, is larger than the one before, and shares no more bytes with it
//!    than is said;
//! 4. each lsn is at most 2^62-1;
//! 5. only zeros follow the last entry.
//!
//! So a block has one encoding only. The index of a run is made of blocks too: its keys say where
//! blocks begin, its lsns are the numbers of their pages.

use super::key::shared_bytes;
use super::{DocumentEntry, KeyList};
use crate::disk::PAGE_BYTES;
use crate::limits::{INDEX_KEY_BYTES_MAX, INDEX_KEY_BYTES_MIN};
use crate::runs::page::{PAYLOAD_END, Page, TAG_BYTES};
use florin_ledger::Lsn;

/// The largest position that fits an entry.
pub const LSN_MAX: Lsn = Lsn((1 << 62) - 1);

const COUNT: usize = TAG_BYTES;
const FIRST: usize = COUNT + 2;
const LENGTH_BYTES_MAX: usize = 2;
const ENTRY_BYTES_MAX: usize = 10;

const _: () =
    assert!(FIRST + 2 * LENGTH_BYTES_MAX + INDEX_KEY_BYTES_MAX + ENTRY_BYTES_MAX < PAYLOAD_END);

/// Fills one page with entries.
#[derive(Debug)]
pub struct BlockBuilder {
    page: Page,
    used: usize,
    count: u16,
    last_key: Vec<u8>,
    last_lsn: u64,
}

impl Default for BlockBuilder {
    fn default() -> BlockBuilder {
        let last_key = Vec::with_capacity(INDEX_KEY_BYTES_MAX);
        BlockBuilder { page: [0; PAGE_BYTES], used: FIRST, count: 0, last_key, last_lsn: 0 }
    }
}

impl BlockBuilder {
    /// Whether nothing was pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The key pushed last.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Adds an entry whose key is larger than the one before. `false` if it does not fit.
    ///
    /// # Panics
    /// If the key is not larger, or it or the lsn out of bounds.
    #[must_use]
    pub fn push(&mut self, key: &[u8], entry: DocumentEntry) -> bool {
        super::key::assert_is_key(key);
        assert!(entry.lsn <= LSN_MAX);
        let shared = if self.is_empty() { 0 } else { shared_bytes(&self.last_key, key) };
        let (_, suffix) = key.split_at(shared);
        assert!(self.is_empty() || self.last_key.get(shared) < suffix.first());
        let value = zig_zag(entry.lsn.0.wrapping_sub(self.last_lsn)) << 1;
        let value = value | u64::from(entry.is_deleted);
        let lengths =
            [shared, suffix.len()].map(|length| u64::try_from(length).unwrap_or(u64::MAX));
        let bytes = varint_bytes(lengths[0]) + varint_bytes(lengths[1]) + varint_bytes(value);
        if PAYLOAD_END < self.used + bytes + suffix.len() {
            return false;
        }
        self.put_varint(lengths[0]);
        self.put_varint(lengths[1]);
        self.page[self.used..self.used + suffix.len()].copy_from_slice(suffix);
        self.used += suffix.len();
        self.put_varint(value);
        self.count += 1;
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(suffix);
        self.last_lsn = entry.lsn.0;
        true
    }

    /// The page, without its tag; the builder is empty again.
    ///
    /// # Panics
    /// If it is empty.
    pub fn finish(&mut self) -> Page {
        assert!(self.count != 0);
        let mut page = self.page;
        page[COUNT..FIRST].copy_from_slice(&self.count.to_le_bytes());
        self.page[FIRST..self.used].fill(0);
        self.used = FIRST;
        self.count = 0;
        self.last_key.clear();
        self.last_lsn = 0;
        page
    }

    #[inline]
    fn put_varint(&mut self, mut number: u64) {
        while 0x80 <= number {
            let [low, ..] = number.to_le_bytes();
            self.page[self.used] = low | 0x80;
            self.used += 1;
            number >>= 7;
        }
        let [low, ..] = number.to_le_bytes();
        self.page[self.used] = low;
        self.used += 1;
    }
}

/// A page whose tag was verified that is no valid block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotABlock;

/// Appends the keys and entries of a block to a list.
///
/// # Errors
/// [`NotABlock`]: what was appended is to be thrown away.
pub fn decode(page: &Page, list: &mut KeyList) -> Result<(), NotABlock> {
    let mut entries = EncodedEntries::new(page);
    if entries.left == 0 {
        return Err(NotABlock);
    }
    let mut is_first = true;
    while let Some(Encoded { shared, suffix, entry }) = entries.next()? {
        let is_valid = if is_first {
            shared == 0
        } else {
            let (last, _) = list.last().ok_or(NotABlock)?;
            // `None`, the end of a key, is below every byte.
            shared <= last.len() && last.get(shared) < suffix.first()
        };
        let bytes = shared + suffix.len();
        if !is_valid || !(INDEX_KEY_BYTES_MIN..=INDEX_KEY_BYTES_MAX).contains(&bytes) {
            return Err(NotABlock);
        }
        list.push_suffix(shared, suffix, entry);
        is_first = false;
    }
    entries.end()
}

/// The entry of a key in a block, if it is there. Reads only as far as it must and never puts keys
/// together: while the last key shares `same` bytes with `key` and is below it, the next is below
/// it too if it shares more with the last, above it if it shares less.
///
/// # Errors
/// [`NotABlock`] if that is seen before the key's place.
pub fn find(page: &Page, key: &[u8]) -> Result<Option<DocumentEntry>, NotABlock> {
    let mut entries = EncodedEntries::new(page);
    let mut same = 0;
    while let Some(Encoded { shared, suffix, entry }) = entries.next()? {
        if shared < same {
            return Ok(None);
        }
        if same < shared {
            continue;
        }
        let (_, rest) = key.split_at(same);
        let more = shared_bytes(suffix, rest);
        match (suffix.get(more), rest.get(more)) {
            (None, None) => return Ok(Some(entry)),
            (next, wanted) if wanted < next => return Ok(None),
            _ => same += more,
        }
    }
    Ok(None)
}

/// An entry as it is stored.
struct Encoded<'a> {
    /// Bytes that its key shares with the one before.
    shared: usize,
    /// The others.
    suffix: &'a [u8],
    entry: DocumentEntry,
}

/// Goes through a page, checking what does not need the keys.
struct EncodedEntries<'a> {
    page: &'a Page,
    at: usize,
    left: u16,
    lsn: u64,
}

impl<'a> EncodedEntries<'a> {
    fn new(page: &'a Page) -> EncodedEntries<'a> {
        let left = u16::from_le_bytes([page[COUNT], page[COUNT + 1]]);
        EncodedEntries { page, at: FIRST, left, lsn: 0 }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Encoded<'a>>, NotABlock> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let shared = self.length()?;
        let bytes = self.length()?;
        let suffix = self.page.get(self.at..self.at + bytes).ok_or(NotABlock)?;
        self.at += bytes;
        let value = self.varint()?;
        let lsn = self.lsn.wrapping_add(un_zig_zag(value >> 1));
        if LSN_MAX.0 < lsn {
            return Err(NotABlock);
        }
        self.lsn = lsn;
        let entry = DocumentEntry { lsn: Lsn(lsn), is_deleted: value & 1 == 1 };
        Ok(Some(Encoded { shared, suffix, entry }))
    }

    /// What follows the last entry must be what the writer left.
    fn end(&self) -> Result<(), NotABlock> {
        let is_end = self.left == 0 && self.page[self.at..].iter().all(|byte| *byte == 0);
        if is_end { Ok(()) } else { Err(NotABlock) }
    }

    #[inline]
    fn length(&mut self) -> Result<usize, NotABlock> {
        match usize::try_from(self.varint()?) {
            Ok(length) if length <= INDEX_KEY_BYTES_MAX => Ok(length),
            _ => Err(NotABlock),
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, NotABlock> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *self.page.get(self.at).ok_or(NotABlock)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if u64::MAX >> shift < bits {
                return Err(NotABlock);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || shift == 0;
                return if is_shortest { Ok(number) } else { Err(NotABlock) };
            }
        }
        Err(NotABlock)
    }
}

fn zig_zag(difference: u64) -> u64 {
    let negative = difference >> 63;
    (difference << 1) ^ negative.wrapping_neg()
}

fn un_zig_zag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn varint_bytes(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).expect("at most 10")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Keys that share much, with any entries.
    fn entries() -> impl Strategy<Value = BTreeMap<Vec<u8>, DocumentEntry>> {
        let rest = prop::collection::vec(0..3_u8, 0..30);
        let long = prop::collection::vec(any::<u8>(), 200..=INDEX_KEY_BYTES_MAX - 2);
        let key = prop_oneof![9 => rest, 1 => long];
        let key = (0..3_u8, key).prop_map(|(table, rest)| [&[0, table][..], &rest].concat());
        let lsn = prop_oneof![0..=LSN_MAX.0, 0..1_000_u64, Just(LSN_MAX.0)];
        let entry = (lsn, any::<bool>())
            .prop_map(|(lsn, is_deleted)| DocumentEntry { lsn: Lsn(lsn), is_deleted });
        prop::collection::btree_map(key, entry, 1..200)
    }

    proptest! {
        /// Prevents: a key or entry that comes back as another one, or is not found where it is.
        #[test]
        fn what_goes_in_comes_out(entries in entries()) {
            let mut builder = BlockBuilder::default();
            let fitting = entries.iter().take_while(|(key, entry)| builder.push(key, **entry));
            let fitting: Vec<_> = fitting.collect();
            let page = builder.finish();
            prop_assert!(builder.is_empty());
            let mut list = KeyList::default();
            prop_assert_eq!(decode(&page, &mut list), Ok(()));
            let got: Vec<_> = list.iter().map(|(key, entry)| (key.to_vec(), entry)).collect();
            let expected: Vec<_> =
                fitting.iter().map(|(key, entry)| ((*key).clone(), **entry)).collect();
            prop_assert_eq!(got, expected);
            for key in entries.keys() {
                for asked in [key.clone(), [&key[..], &[0]].concat(), key[..key.len() - 1].to_vec()] {
                    let expected = fitting.iter().find(|(key, _)| **key == asked);
                    let expected = expected.map(|(_, entry)| **entry);
                    prop_assert_eq!(find(&page, &asked), Ok(expected), "{:?}", asked);
                }
            }
        }

        /// Prevents: a decoder that reads past its page, or loops, on a page of noise; and one that
        /// takes for a block what no builder writes.
        #[test]
        fn noise_is_read_without_harm(
            start in prop::collection::vec(0..6_u8, 0..200),
            noise in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut page: Page = [0; PAGE_BYTES];
            page[COUNT..COUNT + start.len()].copy_from_slice(&start);
            page[PAGE_BYTES - noise.len()..].copy_from_slice(&noise);
            let mut list = KeyList::default();
            if decode(&page, &mut list).is_ok() {
                let mut builder = BlockBuilder::default();
                prop_assert!(list.iter().all(|(key, entry)| builder.push(key, entry)));
                prop_assert_eq!(builder.finish(), page);
            }
            let _whatever_it_says = find(&page, &[0, 1, 2]);
        }
    }

    /// Prevents: two encodings of one block, of which one hides something.
    #[test]
    fn every_other_encoding_is_refused() {
        let whole: [&[u8]; 2] = [&[2, 0, 0, 2, 0, 7, 4], &[2, 1, 9, 4]];
        let check = |bytes: &[u8]| {
            let mut page: Page = [0; PAGE_BYTES];
            page[COUNT..COUNT + bytes.len()].copy_from_slice(bytes);
            decode(&page, &mut KeyList::default())
        };
        assert_eq!(check(&whole.concat()), Ok(()));
        for (wrong, bytes) in [
            ("no entries", &[0, 0][..]),
            ("fewer entries than are counted", &[2, 0, 0, 2, 0, 7, 4]),
            ("more entries than are counted", &[1, 0, 0, 2, 0, 7, 4, 2, 1, 9, 4]),
            ("a first key that shares", &[1, 0, 1, 2, 0, 7, 4]),
            ("a short key", &[1, 0, 0, 1, 0, 4]),
            ("the same key again", &[2, 0, 0, 2, 0, 7, 4, 2, 0, 4]),
            ("a smaller key", &[2, 0, 0, 2, 0, 7, 4, 1, 1, 6, 4]),
            ("a shared byte that is not said to be", &[2, 0, 0, 2, 0, 7, 4, 1, 2, 7, 9, 4]),
            ("more shared bytes than there are", &[2, 0, 0, 2, 0, 7, 4, 3, 1, 9, 4]),
            ("a long varint", &[1, 0, 0, 0x82, 0, 0, 7, 4]),
            ("a long position", &[1, 0, 0, 2, 0, 7, 0x84, 0]),
            ("a position below zero", &[1, 0, 0, 2, 0, 7, 2]),
        ] {
            assert_eq!(check(bytes), Err(NotABlock), "{wrong}");
        }
    }

    /// Prevents: time-ordered keys costing as much as random ones.
    #[test]
    fn keys_that_count_up_take_six_bytes_an_entry() {
        let mut builder = BlockBuilder::default();
        let mut count = 0_u32;
        while builder.push(
            &[b"\0\x07payment/", &count.to_be_bytes()[..]].concat(),
            DocumentEntry { lsn: Lsn(u64::from(count) * 112), is_deleted: false },
        ) {
            count += 1;
        }
        assert!(680 < count, "{count}");
    }
}
