//! Keys in memory, in order: quick to insert into, to look up and to go through either way.
//!
//! The bytes of all keys are on end in one arena; slots of 32 bytes that name them are kept in order,
//! in chunks of at most [`CHUNK_SLOTS`]. A slot has the first 16 bytes of its key beside it, so a
//! comparison mostly touches nothing else. Keys that rise fill their chunks; a full chunk in the
//! middle is halved. No allocation belongs to a single key, so a million of them are forgotten, to fill
//! their memory again, with a few thousand steps.

use super::key::prefix;
use super::{DocumentEntry, KeyOrder, KeyRange};
use crate::limits::DOCUMENT_RECENT_BYTES_MAX;
use florin_ledger::Lsn;

/// Slots in one chunk: small enough to move half of one for an insertion, large enough that chunks
/// are few.
const CHUNK_SLOTS: usize = 256;
/// Bytes that a key costs at most beside its own: chunks are at least half full, and each takes
/// less than a byte a key to be found.
pub(super) const KEY_COST_BYTES: usize = 2 * size_of::<Slot>() + 1;

const _: () = assert!(size_of::<Slot>() == 32);
const _: () = assert!(DOCUMENT_RECENT_BYTES_MAX < 1 << 32);

#[derive(Clone, Copy, Debug)]
struct Slot {
    prefix: u128,
    lsn: Lsn,
    /// Where its key begins in the arena.
    offset: u32,
    bytes: u16,
    is_deleted: bool,
}

impl Slot {
    fn entry(self) -> DocumentEntry {
        DocumentEntry { lsn: self.lsn, is_deleted: self.is_deleted }
    }
}

/// Sorted keys with their entries.
#[derive(Debug, Default)]
pub(super) struct SortedKeys {
    arena: Vec<u8>,
    /// None is empty.
    chunks: Vec<Vec<Slot>>,
    /// The first slot of each chunk, together, for finding the chunk. Only its key is meant.
    firsts: Vec<Slot>,
    len: usize,
    /// Chunks without slots, to be filled again.
    empty_chunks: Vec<Vec<Slot>>,
    /// The most that the arena has held.
    arena_bytes_max: usize,
}

/// Where a key is: its chunk and its place there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    chunk: usize,
    slot: usize,
}

impl SortedKeys {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all keys and keeps the memory. O(chunks).
    pub(super) fn clear(&mut self) {
        self.arena_bytes_max = self.arena_bytes_max.max(self.arena.len());
        self.arena.clear();
        self.firsts.clear();
        self.len = 0;
        for mut chunk in self.chunks.drain(..) {
            chunk.clear();
            self.empty_chunks.push(chunk);
        }
    }

    /// Bytes of memory at most, all chunks counted as half full.
    pub(super) fn bytes(&self) -> usize {
        self.arena.len() + self.len * KEY_COST_BYTES
    }

    /// Bytes of memory that it has touched. At most [`DOCUMENT_RECENT_BYTES_MAX`] for chunks and as much
    /// for bytes of keys, if it was once full of short keys and once of long ones.
    pub(super) fn held_bytes(&self) -> usize {
        let chunks_count = self.chunks.len() + self.empty_chunks.len();
        self.arena_bytes_max.max(self.arena.len()) + chunks_count * CHUNK_SLOTS * size_of::<Slot>()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<DocumentEntry> {
        self.find(key).ok().map(|place| self.slot(place).entry())
    }

    /// Sets the entry of a key; returns the one that it had.
    pub(super) fn insert(&mut self, key: &[u8], entry: DocumentEntry) -> Option<DocumentEntry> {
        let DocumentEntry { lsn, is_deleted } = entry;
        match self.find(key) {
            Ok(place) => {
                let slot = &mut self.chunks[place.chunk][place.slot];
                let before = slot.entry();
                (slot.lsn, slot.is_deleted) = (lsn, is_deleted);
                Some(before)
            }
            Err(place) => {
                if self.arena.is_empty() {
                    // Reserved at once, so that it never moves; memory is taken as it is touched.
                    self.arena.reserve(DOCUMENT_RECENT_BYTES_MAX);
                }
                let offset = u32::try_from(self.arena.len()).expect("an arena is small");
                let bytes = u16::try_from(key.len()).expect("a key is short");
                self.arena.extend_from_slice(key);
                self.put(place, Slot { prefix: prefix(key), lsn, offset, bytes, is_deleted });
                None
            }
        }
    }

    /// Forgets a key whose bytes will be cut off with [`SortedKeys::cut`].
    ///
    /// # Panics
    /// If it is not there.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let place = self.find(key).expect("a key that is taken back is there");
        let chunk = &mut self.chunks[place.chunk];
        chunk.remove(place.slot);
        match chunk.first() {
            Some(first) => self.firsts[place.chunk] = *first,
            None => {
                self.chunks.remove(place.chunk);
                self.firsts.remove(place.chunk);
            }
        }
        self.len -= 1;
    }

    /// Bytes of all keys: to go back to with [`SortedKeys::cut`].
    pub(super) fn arena_bytes(&self) -> usize {
        self.arena.len()
    }

    /// Cuts off the bytes of the newest keys, which were removed.
    pub(super) fn cut(&mut self, arena_bytes: usize) {
        self.arena.truncate(arena_bytes);
    }

    /// The key whose bytes begin at an offset of the arena.
    pub(super) fn key_at(&self, offset: usize, bytes: usize) -> &[u8] {
        &self.arena[offset..offset + bytes]
    }

    /// Goes through the keys of a range; it may go on past the range's far end.
    pub(super) fn cursor(&self, range: &KeyRange, order: KeyOrder) -> KeysCursor<'_> {
        let place = match order {
            KeyOrder::Rising => self.lower_bound(range.start()),
            KeyOrder::Falling => {
                let end = range.end().map_or(self.end(), |end| self.lower_bound(end));
                self.before(end).unwrap_or(self.end())
            }
        };
        let mut cursor = KeysCursor { keys: self, order, place };
        cursor.settle();
        cursor
    }

    fn put(&mut self, place: Place, slot: Slot) {
        self.len += 1;
        let Place { mut chunk, slot: mut at } = place;
        if self.chunks.is_empty() {
            return self.push_chunk(slot);
        }
        if self.chunks[chunk].len() == CHUNK_SLOTS {
            if chunk + 1 == self.chunks.len() && at == CHUNK_SLOTS {
                return self.push_chunk(slot);
            }
            let middle = CHUNK_SLOTS / 2;
            let mut upper = self.empty_chunk();
            upper.extend(self.chunks[chunk].drain(middle..));
            self.firsts.insert(chunk + 1, upper[0]);
            self.chunks.insert(chunk + 1, upper);
            if middle < at {
                (chunk, at) = (chunk + 1, at - middle);
            }
        }
        self.chunks[chunk].insert(at, slot);
        if at == 0 {
            self.firsts[chunk] = slot;
        }
    }

    fn push_chunk(&mut self, slot: Slot) {
        let mut chunk = self.empty_chunk();
        chunk.push(slot);
        self.chunks.push(chunk);
        self.firsts.push(slot);
    }

    fn empty_chunk(&mut self) -> Vec<Slot> {
        self.empty_chunks.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_SLOTS))
    }

    /// The place of a key, or where it would be.
    fn find(&self, key: &[u8]) -> Result<Place, Place> {
        let prefix = prefix(key);
        let chunk = match self.lower(&self.firsts, prefix, key) {
            Ok(chunk) => return Ok(Place { chunk, slot: 0 }),
            Err(above) => above.saturating_sub(1),
        };
        let slots = self.chunks.get(chunk).map_or(&[][..], |chunk| chunk.as_slice());
        match self.lower(slots, prefix, key) {
            Ok(slot) => Ok(Place { chunk, slot }),
            Err(slot) => Err(Place { chunk, slot }),
        }
    }

    /// The place of a key among slots, or of the first above it. The prefixes alone are searched
    /// first, without a branch; keys are touched only among slots with the same prefix.
    #[inline]
    fn lower(&self, slots: &[Slot], prefix: u128, key: &[u8]) -> Result<usize, usize> {
        let start = slots.partition_point(|slot| slot.prefix < prefix);
        let same = &slots[start..];
        let is_below = |slot: &Slot| slot.prefix == prefix && self.key(slot) < key;
        let place = match same.first() {
            Some(first) if is_below(first) => start + same.partition_point(is_below),
            _ => start,
        };
        match slots.get(place) {
            Some(slot) if slot.prefix == prefix && self.key(slot) == key => Ok(place),
            _ => Err(place),
        }
    }

    #[inline]
    fn key(&self, slot: &Slot) -> &[u8] {
        let offset = usize::try_from(slot.offset).expect("a place in memory");
        self.key_at(offset, usize::from(slot.bytes))
    }

    fn slot(&self, place: Place) -> &Slot {
        &self.chunks[place.chunk][place.slot]
    }

    /// The place of the first key that is not below `key`; perhaps at the end of a chunk.
    fn lower_bound(&self, key: &[u8]) -> Place {
        self.find(key).unwrap_or_else(|place| place)
    }

    fn end(&self) -> Place {
        Place { chunk: self.chunks.len(), slot: 0 }
    }

    fn before(&self, place: Place) -> Option<Place> {
        match place.slot.checked_sub(1) {
            Some(slot) => Some(Place { slot, ..place }),
            None => {
                let chunk = place.chunk.checked_sub(1)?;
                Some(Place { chunk, slot: self.chunks[chunk].len() - 1 })
            }
        }
    }
}

/// Goes through keys one by one.
#[derive(Clone, Debug)]
pub(super) struct KeysCursor<'a> {
    keys: &'a SortedKeys,
    order: KeyOrder,
    /// Beyond the last chunk when all is done.
    place: Place,
}

impl<'a> KeysCursor<'a> {
    /// Where it stands; `None` when all is done.
    #[inline]
    pub(super) fn current(&self) -> Option<(&'a [u8], DocumentEntry)> {
        let slot = self.keys.chunks.get(self.place.chunk)?.get(self.place.slot)?;
        Some((self.keys.key(slot), slot.entry()))
    }

    /// Moves on.
    #[inline]
    pub(super) fn advance(&mut self) {
        match self.order {
            KeyOrder::Rising => {
                self.place.slot += 1;
                self.settle();
            }
            KeyOrder::Falling => {
                self.place = self.keys.before(self.place).unwrap_or(self.keys.end());
            }
        }
    }

    /// From the end of a chunk to the beginning of the next.
    #[inline]
    fn settle(&mut self) {
        let slots = self.keys.chunks.get(self.place.chunk).map_or(usize::MAX, Vec::len);
        if slots <= self.place.slot {
            self.place = Place { chunk: self.place.chunk + 1, slot: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: memory that grows beyond its bound without being counted, in whatever order keys
    /// come.
    #[test]
    fn keys_take_no_more_memory_than_is_counted() {
        let count = 100_000_u32;
        let orders: [fn(u32) -> u32; 3] = [
            |number| number,
            |number| u32::MAX - number,
            |number| number.wrapping_mul(0x9e37_79b1),
        ];
        for order in orders {
            let mut keys = SortedKeys::default();
            for number in 0..count {
                let entry = DocumentEntry { lsn: Lsn(1), is_deleted: false };
                assert_eq!(keys.insert(&order(number).to_be_bytes(), entry), None);
            }
            let slots: usize = keys.chunks.iter().map(|chunk| chunk.capacity()).sum();
            let chunks = keys.firsts.len() * (size_of::<Slot>() + size_of::<Vec<Slot>>());
            let taken = keys.arena.len() + slots * size_of::<Slot>() + chunks;
            assert!(taken <= keys.bytes() + CHUNK_SLOTS * size_of::<Slot>(), "{taken}");
            assert!(taken <= DOCUMENT_RECENT_BYTES_MAX);
        }
    }
}
