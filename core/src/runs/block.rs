//! Entries as a page's payload: each after the first as its difference from the one before.
//!
//! ```text
//! offset  bytes  field
//!     16      2  entries in this block, at least 1
//!     18     16  first key
//!     34      8  first value
//!     42      …  for each further entry: key - previous key, as a varint of 1 to 19 bytes;
//!                value - previous value (wrapping), zig-zag, as a varint of 1 to 10 bytes
//!      …      …  zeros to the end of the page, at least 16 (in runs of the first versions, none)
//! ```
//! A varint is little-endian base 128: seven bits a byte, the eighth set in all but the last.
//!
//! A block is valid if and only if
//! 1. its page's tag verifies;
//! 2. it has at least one entry, and all of its entries end within the page;
//! 3. each key is larger than the one before;
//! 4. only zeros follow the last entry.

use super::Entry;
use super::page::{PAYLOAD_END, Page, TAG_BYTES};
use crate::disk::PAGE_BYTES;

const COUNT: usize = TAG_BYTES;
const FIRST_KEY: usize = COUNT + 2;
const FIRST_VALUE: usize = FIRST_KEY + 16;
const REST: usize = FIRST_VALUE + 8;
const KEY_BYTES_MAX: usize = 19;
const VALUE_BYTES_MAX: usize = 10;

const _: () = assert!(REST + KEY_BYTES_MAX + VALUE_BYTES_MAX < PAYLOAD_END);

/// Fills one page with entries.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    page: Page,
    used: usize,
    count: u16,
    first: u128,
    last: Entry,
}

impl BlockBuilder {
    pub(super) fn new() -> BlockBuilder {
        let last = Entry { key: 0, value: 0 };
        BlockBuilder { page: [0; PAGE_BYTES], used: REST, count: 0, first: 0, last }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The keys of the first and of the last entry.
    pub(super) fn range(&self) -> (u128, u128) {
        (self.first, self.last.key)
    }

    /// Adds an entry whose key is larger than the one before. `false` if it does not fit.
    #[must_use]
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        if self.count == 0 {
            self.page[FIRST_KEY..FIRST_VALUE].copy_from_slice(&entry.key.to_le_bytes());
            self.page[FIRST_VALUE..REST].copy_from_slice(&entry.value.to_le_bytes());
            self.first = entry.key;
        } else {
            assert!(self.last.key < entry.key);
            let key = entry.key - self.last.key;
            let value = zig_zag(entry.value.wrapping_sub(self.last.value));
            let bytes = varint_bytes(key) + varint_bytes(u128::from(value));
            if PAYLOAD_END < self.used + bytes {
                return false;
            }
            self.put_varint(key);
            self.put_varint(u128::from(value));
        }
        self.count += 1;
        self.last = entry;
        true
    }

    /// The page, without its tag; the builder is empty again.
    pub(super) fn finish(&mut self) -> Page {
        assert!(self.count != 0);
        self.page[COUNT..FIRST_KEY].copy_from_slice(&self.count.to_le_bytes());
        std::mem::replace(self, BlockBuilder::new()).page
    }

    fn put_varint(&mut self, mut number: u128) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            let more = if number == 0 { 0 } else { 0x80 };
            self.page[self.used] = low & 0x7f | more;
            self.used += 1;
            if number == 0 {
                return;
            }
        }
    }
}

/// The entries of a block whose tag was verified. Ends early, with `is_whole` false, if the block
/// is not valid.
#[derive(Clone, Debug)]
pub(super) struct BlockEntries<'a> {
    page: &'a Page,
    at: usize,
    left: u16,
    last: Option<Entry>,
    is_whole: bool,
}

impl<'a> BlockEntries<'a> {
    pub(super) fn new(page: &'a Page) -> BlockEntries<'a> {
        let count = u16::from_le_bytes([page[COUNT], page[COUNT + 1]]);
        BlockEntries { page, at: FIRST_KEY, left: count, last: None, is_whole: count != 0 }
    }

    /// Whether the block has been valid as far as it was read.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn first(&mut self) -> Option<Entry> {
        self.at = REST;
        let key = u128::from_le_bytes(*self.page[FIRST_KEY..].first_chunk()?);
        let value = u64::from_le_bytes(*self.page[FIRST_VALUE..].first_chunk()?);
        Some(Entry { key, value })
    }

    fn following(&mut self, last: Entry) -> Option<Entry> {
        let step = self.varint()?;
        let key = last.key.checked_add(step).filter(|key| last.key < *key)?;
        let value = u64::try_from(self.varint()?).ok()?;
        Some(Entry { key, value: last.value.wrapping_add(un_zig_zag(value)) })
    }

    fn varint(&mut self) -> Option<u128> {
        let mut number = 0;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = *self.page.get(self.at)?;
            self.at += 1;
            let bits = u128::from(byte & 0x7f);
            if bits > u128::MAX >> shift {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl Iterator for BlockEntries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.left == 0 {
            // All ends with the last entry: what follows must be what the writer left, zeros.
            self.is_whole &= self.page[self.at..].iter().all(|byte| *byte == 0);
            return None;
        }
        let entry = match self.last {
            None => self.first(),
            Some(last) => self.following(last),
        };
        self.left -= 1;
        if entry.is_none() {
            self.left = 0;
            self.is_whole = false;
        }
        self.last = entry;
        entry
    }
}

fn zig_zag(difference: u64) -> u64 {
    let negative = difference >> 63;
    (difference << 1) ^ negative.wrapping_neg()
}

fn un_zig_zag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn varint_bytes(number: u128) -> usize {
    let bits = u128::BITS - (number | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).expect("at most 19")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(entries: &[Entry]) {
        let mut builder = BlockBuilder::new();
        let fitting = entries.iter().take_while(|entry| builder.push(**entry)).count();
        let range = builder.range();
        let page = builder.finish();
        assert!(builder.is_empty());
        let mut read = BlockEntries::new(&page);
        let got: Vec<Entry> = read.by_ref().collect();
        assert!(read.is_whole());
        assert_eq!(got, entries[..fitting]);
        assert_eq!(range, (got[0].key, got[fitting - 1].key));
    }

    proptest! {
        /// Prevents: a key or value that comes back as another one.
        #[test]
        fn what_goes_in_comes_out(
            pairs in proptest::collection::btree_map(any::<u128>(), any::<u64>(), 1..400)
        ) {
            let entries: Vec<Entry> =
                pairs.into_iter().map(|(key, value)| Entry { key, value }).collect();
            check(&entries);
        }

        /// Prevents: a decoder that reads past its page, or loops, on a page of noise.
        #[test]
        fn noise_is_read_without_harm(noise in proptest::collection::vec(any::<u8>(), PAGE_BYTES)) {
            let page: Page = noise.try_into().unwrap();
            let mut read = BlockEntries::new(&page);
            let keys: Vec<u128> = read.by_ref().map(|entry| entry.key).collect();
            prop_assert!(keys.is_sorted());
        }
    }

    /// Prevents: the ends of the ranges of keys, values and differences wrapping.
    #[test]
    fn the_extremes_fit() {
        check(&[
            Entry { key: 1, value: u64::MAX },
            Entry { key: 2, value: 0 },
            Entry { key: u128::MAX - 1, value: 1 << 63 },
        ]);
        for number in [0, 1, 1 << 63, u64::MAX, u64::MAX >> 1] {
            assert_eq!(un_zig_zag(zig_zag(number)), number);
        }
    }

    /// Prevents: time-ordered ids costing as much as random ones.
    #[test]
    fn a_counter_with_rising_positions_takes_three_bytes_an_entry() {
        let mut builder = BlockBuilder::new();
        let mut count = 0;
        while builder.push(Entry { key: 1 + count, value: u64::try_from(count).unwrap() * 112 }) {
            count += 1;
        }
        assert!(1_300 < count, "{count}");
    }
}
