//! Keys that are not in a run yet, in memory.

use super::keys::{KEY_COST_BYTES, KeysCursor, SortedKeys};
use super::{DocumentEntry, KeyOrder, KeyRange};
use std::sync::Arc;

/// The keys since the last freeze.
#[derive(Debug, Default)]
pub(super) struct Recent {
    keys: SortedKeys,
    /// Empty, with the memory of keys whose run was written, for after the next freeze.
    spare: Option<SortedKeys>,
    undo: Undo,
}

/// What [`Recent::undo`] needs to take back everything since the last [`Recent::mark`].
#[derive(Debug, Default)]
struct Undo {
    serial: u64,
    /// Whether there is a mark to go back to: replaying a log makes none, and remembers nothing.
    is_marked: bool,
    /// Bytes of the arena at the mark.
    arena_bytes: usize,
    changes: Vec<Change>,
}

/// A key that was inserted since the mark, and what it had before.
#[derive(Debug)]
struct Change {
    key: ChangedKey,
    before: Option<DocumentEntry>,
}

/// Where the bytes of a changed key are.
#[derive(Debug)]
enum ChangedKey {
    /// In the arena behind the mark: the key is new.
    New { offset: usize, bytes: usize },
    /// The key was there before.
    Old(Box<[u8]>),
}

/// A moment to go back to; only the latest one is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Mark(u64);

/// Keys that will not change any more and are being written to a run. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Frozen(Arc<SortedKeys>);

impl Recent {
    pub(super) fn get(&self, key: &[u8]) -> Option<DocumentEntry> {
        self.keys.get(key)
    }

    pub(super) fn insert(&mut self, key: &[u8], entry: DocumentEntry) {
        let offset = self.keys.arena_bytes();
        let before = self.keys.insert(key, entry);
        if self.undo.is_marked {
            let key = match before {
                None => ChangedKey::New { offset, bytes: key.len() },
                Some(_) => ChangedKey::Old(Box::from(key)),
            };
            self.undo.changes.push(Change { key, before });
        }
    }

    /// Remembers this moment, and forgets the mark before.
    pub(super) fn mark(&mut self) -> Mark {
        self.undo.changes.clear();
        self.undo.serial += 1;
        self.undo.is_marked = true;
        self.undo.arena_bytes = self.keys.arena_bytes();
        Mark(self.undo.serial)
    }

    /// Takes back everything since the mark. O(insertions since).
    ///
    /// # Panics
    /// If the mark is not the latest, or from before a freeze.
    pub(super) fn undo(&mut self, mark: Mark) {
        assert_eq!(mark.0, self.undo.serial);
        assert!(self.undo.is_marked);
        // A key may have changed more than once: backwards, so that the oldest entry is the last.
        for Change { key, before } in std::mem::take(&mut self.undo.changes).into_iter().rev() {
            match (key, before) {
                (ChangedKey::Old(key), Some(before)) => {
                    let undone = self.keys.insert(&key, before);
                    assert!(undone.is_some());
                }
                (ChangedKey::New { offset, bytes }, None) => {
                    let key = self.keys.key_at(offset, bytes).to_vec();
                    self.keys.remove(&key);
                }
                _ => unreachable!("a key is new if and only if it had nothing before"),
            }
        }
        self.keys.cut(self.undo.arena_bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of memory at most.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes()
    }

    /// Bytes of memory that were touched, for keys that will come too.
    pub(super) fn held_bytes(&self) -> usize {
        self.keys.held_bytes() + self.spare.as_ref().map_or(0, SortedKeys::held_bytes)
    }

    /// Bytes that so many more keys, with so many bytes in all, take at most.
    pub(super) fn cost_bytes(keys_count: usize, keys_bytes: usize) -> usize {
        keys_bytes.saturating_add(keys_count.saturating_mul(KEY_COST_BYTES))
    }

    pub(super) fn cursor(&self, range: &KeyRange, order: KeyOrder) -> KeysCursor<'_> {
        self.keys.cursor(range, order)
    }

    /// Moves all keys out, without copying them. Ends the last mark.
    pub(super) fn freeze(&mut self) -> Frozen {
        let serial = self.undo.serial + 1;
        self.undo = Undo { serial, ..Undo::default() };
        let spare = self.spare.take().unwrap_or_default();
        Frozen(Arc::new(std::mem::replace(&mut self.keys, spare)))
    }

    /// Takes back the memory of what was frozen, if nobody else has it and there is no spare one: to
    /// give it back and to be given it again would hold up the engine. It does so where the disk was
    /// behind and several parts come back.
    pub(super) fn reuse(&mut self, frozen: Frozen) {
        if let (None, Some(mut keys)) = (&self.spare, Arc::into_inner(frozen.0)) {
            keys.clear();
            self.spare = Some(keys);
        }
    }
}

impl Frozen {
    pub(super) fn get(&self, key: &[u8]) -> Option<DocumentEntry> {
        self.0.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    pub(super) fn cursor(&self, range: &KeyRange, order: KeyOrder) -> KeysCursor<'_> {
        self.0.cursor(range, order)
    }
}
