//! The index of a run in memory: for each block a key that is above every key of the blocks before
//! and at or below its own first, as short as it can be.

use super::block::{BlockBuilder, decode};
use super::key::shared_bytes;
use super::{DocumentEntry, KeyList};
use crate::limits::INDEX_KEY_BYTES_MIN;
use crate::runs::page::Page;
use florin_ledger::Lsn;

/// Separators in order, strictly rising; the first is the first key of all.
#[derive(Debug, Default)]
pub(super) struct Separators {
    /// All of them on end.
    bytes: Vec<u8>,
    /// Where each ends in `bytes`.
    ends: Vec<usize>,
}

impl Separators {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    pub(super) fn get(&self, block: usize) -> &[u8] {
        let start = if block == 0 { 0 } else { self.ends[block - 1] };
        &self.bytes[start..self.ends[block]]
    }

    /// How many blocks begin at or below a key: the last of them is where it may be.
    pub(super) fn up_to(&self, key: &[u8]) -> usize {
        self.partition_point(|separator| separator <= key)
    }

    /// How many blocks may have keys below a key.
    pub(super) fn below(&self, key: &[u8]) -> usize {
        self.partition_point(|separator| separator < key)
    }

    /// Adds the separator of a block with this first key, behind a block with that last key.
    pub(super) fn push_between(&mut self, last: &[u8], first: &[u8]) {
        let bytes = match self.len() {
            0 => first.len(),
            _ => (shared_bytes(last, first) + 1).max(INDEX_KEY_BYTES_MIN),
        };
        self.push(&first[..bytes]);
    }

    /// The pages that carry this index, without their tags: blocks of separators, each with the
    /// number of its block's page.
    pub(super) fn pages(&self) -> Vec<Page> {
        let mut pages = Vec::new();
        let mut builder = BlockBuilder::default();
        for (block, page) in (0..self.len()).zip(1..) {
            let entry = DocumentEntry { lsn: Lsn(page), is_deleted: false };
            if !builder.push(self.get(block), entry) {
                pages.push(builder.finish());
                assert!(builder.push(self.get(block), entry));
            }
        }
        if !builder.is_empty() {
            pages.push(builder.finish());
        }
        pages
    }

    /// Adds the separators of the next page; `None` if it does not continue those before.
    pub(super) fn extend_from_page(&mut self, page: &Page) -> Option<()> {
        let mut list = KeyList::default();
        decode(page, &mut list).ok()?;
        for (separator, entry) in list.iter() {
            let rises = self.len().checked_sub(1).is_none_or(|last| self.get(last) < separator);
            let page = u64::try_from(self.len()).ok()? + 1;
            if !rises || entry != (DocumentEntry { lsn: Lsn(page), is_deleted: false }) {
                return None;
            }
            self.push(separator);
        }
        Some(())
    }

    /// Gives back memory that was taken for more.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    fn push(&mut self, separator: &[u8]) {
        self.bytes.extend_from_slice(separator);
        self.ends.push(self.bytes.len());
    }

    fn partition_point(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if is_before(self.get(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }
}
