//! Pairs that are not in a run yet, in memory.
//!
//! Keys that rise are appended to a vector, which is therefore sorted, and looked up only when a
//! key is at or below its end; all others (below the end, or outliers far above it; see
//! [`Frontier`]) are in a hash map. Nothing is ever rehashed or moved while the engine runs: both
//! are made for [`RECENT_KEYS_MAX`] pairs, and the operating system gives them pages as they fill.
//! Memory is used again after its run was written: to give back and to be given what random keys
//! touched takes tens of milliseconds, in which the engine decides nothing.

use super::{Entry, Frontier};
use crate::limits::RECENT_KEYS_MAX;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// A database whose first keys are fewer than these may still find that they were the outliers.
const FOLLOWERS_MIN: usize = 64;

/// The pairs since the last freeze. Protocol: [`Recent::insert`] keys that are nowhere yet;
/// [`Recent::freeze`] at [`RECENT_KEYS_MAX`] pairs at the latest.
#[derive(Debug)]
pub struct Recent {
    pairs: Pairs,
    /// Empty, for after the next freeze.
    spare: Option<Pairs>,
    frontier: Frontier,
    outliers: Outliers,
    /// The upper end of the frontier before any pair that is here.
    outlier_min_before: u128,
    /// Whether every key ever inserted is still here, so that the frontier may be moved down.
    has_all: bool,
    undo: Undo,
}

/// The two halves of the pairs.
#[derive(Debug, Default)]
struct Pairs {
    /// Strictly rising.
    rising_keys: Vec<u128>,
    /// The values of `rising_keys`.
    rising_values: Vec<u64>,
    /// Disjoint from `rising_keys`.
    others: HashMap<u128, u64, RandomState>,
}

/// Pairs in the map that were above the frontier's maximum when they came.
#[derive(Clone, Copy, Debug, Default)]
struct Outliers {
    count: usize,
    /// The largest below `outlier_min_before`.
    max: u128,
}

/// What [`Recent::undo`] needs to take back everything since the last [`Recent::mark`].
#[derive(Debug)]
struct Undo {
    serial: u64,
    frontier: Frontier,
    outliers: Outliers,
    /// Of the rising keys, this many were there at the mark.
    rising_count: usize,
    /// Keys of the map that were not there at the mark.
    others: Vec<u128>,
}

/// A moment to go back to with [`Recent::undo`]; only the latest one is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Mark(u64);

/// Pairs that will not change any more and are being written to a run. Clones share them.
#[derive(Clone, Debug)]
pub struct Frozen(Arc<Pairs>);

impl Recent {
    /// Nothing, on top of runs with this frontier ([`Frontier::EMPTY`] if there are none).
    #[must_use]
    pub fn new(frontier: Frontier) -> Recent {
        Recent::over(frontier, Pairs::with_room())
    }

    /// Nothing, and memory for nothing: for a few pairs that are put together for one question.
    #[must_use]
    pub fn of_few() -> Recent {
        Recent::over(Frontier::EMPTY, Pairs::default())
    }

    fn over(frontier: Frontier, pairs: Pairs) -> Recent {
        let undo = Undo {
            serial: 0,
            frontier,
            outliers: Outliers::default(),
            rising_count: 0,
            others: Vec::new(),
        };
        Recent {
            pairs,
            spare: None,
            frontier,
            outliers: Outliers::default(),
            outlier_min_before: frontier.outlier_min(),
            has_all: frontier == Frontier::EMPTY,
            undo,
        }
    }

    /// Whether a key is certainly new, here and in everything frozen and written before. Almost
    /// always `true` for rising keys; `false` says nothing.
    #[inline]
    #[must_use]
    pub fn is_new(&self, key: u128) -> bool {
        self.frontier.admits(key)
    }

    /// The value of a key inserted since the last freeze.
    #[inline]
    #[must_use]
    pub fn get(&self, key: u128) -> Option<u64> {
        if self.frontier.admits(key) { None } else { self.pairs.get(key) }
    }

    /// Adds a pair. The log of insertions since a [`Recent::mark`] grows until the next one.
    ///
    /// # Panics
    /// If the key is zero, 2^128-1 or already there, or if there are [`RECENT_KEYS_MAX`] pairs.
    #[inline]
    pub fn insert(&mut self, key: u128, value: u64) {
        assert!(self.len() < RECENT_KEYS_MAX);
        assert!(key != 0);
        assert!(key != u128::MAX);
        if self.frontier.admits(key) && !self.frontier.is_far(key) {
            self.frontier.rise(key);
            self.pairs.rising_keys.push(key);
            self.pairs.rising_values.push(value);
        } else {
            self.insert_other(key, value);
        }
    }

    fn insert_other(&mut self, key: u128, value: u64) {
        let is_first_below = self.has_all
            && self.len() < FOLLOWERS_MIN
            && super::frontier::is_far_above(key, self.frontier.max());
        if is_first_below {
            self.move_frontier_below(key);
            return self.insert(key, value);
        }
        assert!(self.pairs.rising(key).is_none());
        let before = self.pairs.others.insert(key, value);
        assert!(before.is_none());
        self.undo.others.push(key);
        if self.frontier.max() < key {
            self.outliers.count += 1;
            if key < self.outlier_min_before {
                self.outliers.max = self.outliers.max.max(key);
            }
            self.frontier.bound(key);
        }
    }

    /// The few keys that there are turn out to be outliers of a key far below them.
    fn move_frontier_below(&mut self, key: u128) {
        let since_mark = self.undo.rising_count.min(self.pairs.rising_keys.len());
        self.undo.others.extend_from_slice(&self.pairs.rising_keys[since_mark..]);
        self.undo.rising_count = 0;
        let Pairs { rising_keys, rising_values, others } = &mut self.pairs;
        for (moved, value) in rising_keys.drain(..).zip(rising_values.drain(..)) {
            let before = others.insert(moved, value);
            assert!(before.is_none());
        }
        let below = others.keys().copied().filter(|other| *other < key).max().unwrap_or(0);
        let above = others.keys().copied().filter(|other| key < *other).min();
        let outliers = || others.keys().copied().filter(|other| key < *other);
        self.outliers = Outliers { count: outliers().count(), max: outliers().max().unwrap_or(0) };
        self.frontier = Frontier::new(below, above.unwrap_or(u128::MAX));
    }

    /// Remembers this moment, and forgets the mark before.
    pub fn mark(&mut self) -> Mark {
        self.undo = Undo {
            serial: self.undo.serial + 1,
            frontier: self.frontier,
            outliers: self.outliers,
            rising_count: self.pairs.rising_keys.len(),
            others: std::mem::take(&mut self.undo.others),
        };
        self.undo.others.clear();
        Mark(self.undo.serial)
    }

    /// Takes back everything since the mark. O(insertions since).
    ///
    /// # Panics
    /// If the mark is not the latest, or from before a freeze.
    pub fn undo(&mut self, mark: Mark) {
        assert_eq!(mark.0, self.undo.serial);
        self.pairs.rising_keys.truncate(self.undo.rising_count);
        self.pairs.rising_values.truncate(self.undo.rising_count);
        for key in self.undo.others.drain(..) {
            let value = self.pairs.others.remove(&key);
            assert!(value.is_some());
        }
        self.frontier = self.undo.frontier;
        self.outliers = self.undo.outliers;
    }

    /// All pairs, keys rising. Sorts the keys that did not rise.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.pairs.entries()
    }

    /// How many pairs.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory, whether or not they are touched yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pairs.bytes() + self.spare.as_ref().map_or(0, Pairs::bytes)
    }

    /// The frontier of everything inserted here and before.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        self.frontier
    }

    /// Moves all pairs out, without copying them. They must still be looked up until their run is
    /// installed. Ends the last mark.
    pub fn freeze(&mut self) -> Frozen {
        if self.pairs.rising_keys.len() < self.outliers.count {
            // Most of the traffic was above: it moved there (from counters to UUIDv7, say).
            let max = self.frontier.max().max(self.outliers.max);
            self.frontier = Frontier::new(max, self.outlier_min_before);
        }
        let pairs = self.spare.take().unwrap_or_else(Pairs::with_room);
        let mut after = Recent::over(self.frontier, pairs);
        after.undo.serial = self.undo.serial + 1;
        after.has_all = self.has_all && self.is_empty();
        let before = std::mem::replace(self, after);
        Frozen(Arc::new(before.pairs))
    }

    /// Takes back the memory of what was frozen, if nobody else has it and there is no spare one. Where
    /// the disk was behind and several parts come back, the others are dropped here.
    pub fn reuse(&mut self, frozen: Frozen) {
        if let (None, Some(mut pairs)) = (&self.spare, Arc::into_inner(frozen.0)) {
            pairs.clear();
            self.spare = Some(pairs);
        }
    }
}

impl Frozen {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: u128) -> Option<u64> {
        self.0.get(key)
    }

    /// How many pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// All pairs, keys rising. Sorts the keys that did not rise: for the background thread.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.0.entries()
    }
}

impl Pairs {
    /// Room for as many as there may be.
    fn with_room() -> Pairs {
        Pairs {
            rising_keys: Vec::with_capacity(RECENT_KEYS_MAX),
            rising_values: Vec::with_capacity(RECENT_KEYS_MAX),
            others: HashMap::with_capacity_and_hasher(RECENT_KEYS_MAX, RandomState::default()),
        }
    }

    /// Forgets all pairs and keeps the memory. O(room), some 50 us.
    fn clear(&mut self) {
        self.rising_keys.clear();
        self.rising_values.clear();
        self.others.clear();
    }

    fn len(&self) -> usize {
        self.rising_keys.len() + self.others.len()
    }

    fn bytes(&self) -> usize {
        self.rising_keys.capacity() * size_of::<u128>()
            + self.rising_values.capacity() * size_of::<u64>()
            + self.others.allocation_size()
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut others: Vec<Entry> =
            self.others.iter().map(|(&key, &value)| Entry { key, value }).collect();
        others.sort_unstable();
        let rising = self.rising_keys.iter().zip(&self.rising_values);
        let mut rising = rising.map(|(&key, &value)| Entry { key, value }).peekable();
        let mut others = others.into_iter().peekable();
        std::iter::from_fn(move || match (rising.peek(), others.peek()) {
            (Some(left), Some(right)) if left.key < right.key => rising.next(),
            (Some(_), None) => rising.next(),
            (_, _) => others.next(),
        })
    }

    fn get(&self, key: u128) -> Option<u64> {
        match self.rising(key) {
            Some(place) => Some(self.rising_values[place]),
            None => self.others.get(&key).copied(),
        }
    }

    /// The place of a rising key: by its distance from the last one (dense counters), then by
    /// searching in doubling steps from the end, where skewed clocks and fresh holds look.
    fn rising(&self, key: u128) -> Option<usize> {
        let keys = &self.rising_keys;
        let (first, last) = (*keys.first()?, *keys.last()?);
        if key < first || last < key {
            return None;
        }
        let from_end = usize::try_from(last - key).unwrap_or(usize::MAX);
        if let Some(place) = (keys.len() - 1).checked_sub(from_end)
            && keys[place] == key
        {
            return Some(place);
        }
        let mut step = 1;
        while step < keys.len() && key < keys[keys.len() - step] {
            step *= 2;
        }
        let low = keys.len().saturating_sub(step);
        let high = keys.len() - step / 2;
        keys[low..high].binary_search(&key).ok().map(|place| low + place)
    }
}
