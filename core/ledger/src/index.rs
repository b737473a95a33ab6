//! From a key to a place in a table, growing in small steps.
//!
//! One big hash table doubles all at once and stops the engine for as long as that takes. Here the
//! keys are spread over [`SHARDS_COUNT`] small tables. Equal shards would all fill up, and double,
//! at nearly the same moment; so shares rise geometrically, the last shard getting twice the share
//! of the first, and the doublings of the shards are spread evenly over the doubling of the whole.
//!
//! Only places are stored; the keys stay in the table that the places point into.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hash};
use core::iter;
use foldhash::quality::FixedState;
use hashbrown::HashTable;

const SHARDS_COUNT: usize = 1 << SHARDS_BITS;
const SHARDS_BITS: u32 = 10;

/// Places in a table, found by a key that the table holds.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    shards: Box<[HashTable<u32>]>,
    hasher: FixedState,
}

impl Index {
    pub(crate) fn new(seed: u64) -> Index {
        Index {
            shards: iter::repeat_with(HashTable::new).take(SHARDS_COUNT).collect(),
            hasher: FixedState::with_seed(seed),
        }
    }

    /// The place of a key, if it has one.
    #[inline]
    pub(crate) fn find<K: Hash + Eq>(&self, key: K, key_at: impl Fn(u32) -> K) -> Option<u32> {
        let hash = self.hasher.hash_one(&key);
        self.shards[shard_of(hash)].find(hash, |place| key_at(*place) == key).copied()
    }

    /// Adds a key that is not there yet; `key_at` must already answer for its place.
    pub(crate) fn insert<K: Hash + Eq>(&mut self, key: K, place: u32, key_at: impl Fn(u32) -> K) {
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        self.shards[shard_of(hash)]
            .insert_unique(hash, place, |place| hasher.hash_one(key_at(*place)));
    }

    /// Takes a key out and says where it was; `key_at` must still answer for its place.
    pub(crate) fn remove<K: Hash + Eq>(
        &mut self,
        key: K,
        key_at: impl Fn(u32) -> K,
    ) -> Option<u32> {
        let hash = self.hasher.hash_one(&key);
        self.shards[shard_of(hash)]
            .find_entry(hash, |place| key_at(*place) == key)
            .ok()
            .map(|entry| entry.remove().0)
    }
}

/// `log2(1 + u)` of sixteen bits `u` of the hash, by a parabola that is within one percent of it:
/// density doubles from the first shard to the last. The table within a shard uses the lowest and
/// the seven highest bits, so these are others.
#[inline]
fn shard_of(hash: u64) -> usize {
    const ONE: u64 = 1 << 16;
    const BEND: u64 = 22_518; // 0.3436 * ONE
    let u = (hash >> 40) & (ONE - 1);
    let bent = u + ((((u * (ONE - u)) >> 16) * BEND) >> 16);
    usize::try_from(bent >> (16 - SHARDS_BITS)).expect("ten bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A shard past the end would panic; a gap in the middle would leave shards unused.
    #[test]
    fn every_shard_gets_its_geometric_share() {
        let mut shares = vec![0_u32; SHARDS_COUNT];
        for u in 0..1_u64 << 16 {
            shares[shard_of(u << 40)] += 1;
        }
        let first: u32 = shares[..64].iter().sum();
        let last: u32 = shares[SHARDS_COUNT - 64..].iter().sum();
        assert!(shares.iter().all(|share| 30 <= *share), "{shares:?}");
        assert!(first * 19 <= last * 10, "{first} {last}");
        assert!(last * 10 <= first * 22, "{first} {last}");
    }

    #[test]
    fn what_is_inserted_is_found_until_it_is_removed() {
        let keys: vec::Vec<u128> = (0..10_000).map(|n| n * n * 7_919).collect();
        let key_at = |place: u32| keys[usize::try_from(place).unwrap()];
        let mut index = Index::new(7);
        for (place, key) in (0..).zip(&keys) {
            assert_eq!(index.find(*key, key_at), None);
            index.insert(*key, place, key_at);
        }
        for (place, key) in (0..).zip(&keys) {
            assert_eq!(index.find(*key, key_at), Some(place));
        }
        for (place, key) in (0..).zip(&keys).step_by(2) {
            assert_eq!(index.remove(*key, key_at), Some(place));
            assert_eq!(index.remove(*key, key_at), None);
        }
        for (place, key) in (0..).zip(&keys) {
            assert_eq!(index.find(*key, key_at), (place % 2 == 1).then_some(place));
        }
    }
}
