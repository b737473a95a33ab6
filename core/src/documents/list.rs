//! Keys with their entries, in a row: what a block holds when it is read, and what a scan hands out.

use super::DocumentEntry;

/// Keys and entries in the order in which they were pushed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyList {
    /// All keys on end.
    bytes: Vec<u8>,
    /// Where each key ends in `bytes`.
    ends: Vec<usize>,
    entries: Vec<DocumentEntry>,
}

impl KeyList {
    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The key and entry at a place.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, place: usize) -> (&[u8], DocumentEntry) {
        (&self.bytes[self.start(place)..self.ends[place]], self.entries[place])
    }

    /// The last key and entry.
    #[must_use]
    pub fn last(&self) -> Option<(&[u8], DocumentEntry)> {
        self.len().checked_sub(1).map(|place| self.get(place))
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], DocumentEntry)> {
        (0..self.len()).map(|place| self.get(place))
    }

    pub(super) fn push(&mut self, key: &[u8], entry: DocumentEntry) {
        self.bytes.extend_from_slice(key);
        self.end_key(entry);
    }

    /// Adds a key that begins as the last one does.
    ///
    /// # Panics
    /// If the last one has fewer bytes than `shared`.
    #[inline]
    pub(super) fn push_suffix(&mut self, shared: usize, suffix: &[u8], entry: DocumentEntry) {
        if shared != 0 {
            let start = self.start(self.len() - 1);
            assert!(shared <= self.bytes.len() - start);
            self.bytes.extend_from_within(start..start + shared);
        }
        self.bytes.extend_from_slice(suffix);
        self.end_key(entry);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.entries.clear();
    }

    /// The place of the first key that is not below `key`; the keys rise.
    pub(super) fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).0 < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    #[inline]
    fn start(&self, place: usize) -> usize {
        if place == 0 { 0 } else { self.ends[place - 1] }
    }

    #[inline]
    fn end_key(&mut self, entry: DocumentEntry) {
        self.ends.push(self.bytes.len());
        self.entries.push(entry);
    }
}
