//! Keys: their order, ranges of them, and what filters know of them.
//!
//! Keys are compared as bytes. The first two are the number of the table, big-endian, so a table is
//! a range.

use crate::limits::{INDEX_KEY_BYTES_MAX, INDEX_KEY_BYTES_MIN};
use florin_ledger::{TableId, Timestamp};
use std::cmp::Ordering;

/// Asserts that a key is one: nothing else ever comes here, requests are checked before.
pub(super) fn assert_is_key(key: &[u8]) {
    assert!(INDEX_KEY_BYTES_MIN <= key.len());
    assert!(key.len() <= INDEX_KEY_BYTES_MAX);
}

/// Whether a key is an expiry that was due before an instant: nobody asks for it any more.
pub(super) fn is_dead_expiry(key: &[u8], before: Timestamp) -> bool {
    let Some((table, rest)) = key.split_first_chunk::<2>() else { return false };
    let Some((due, _)) = rest.split_first_chunk::<8>() else { return false };
    TableId(u16::from_be_bytes(*table)) == TableId::EXPIRIES && u64::from_be_bytes(*due) < before.0
}

/// The first 16 bytes as a number that mostly decides a comparison without touching the key.
#[inline]
pub(super) fn prefix(key: &[u8]) -> u128 {
    match key.first_chunk::<16>() {
        Some(first) => u128::from_be_bytes(*first),
        None => {
            let mut first = [0; 16];
            first[..key.len()].copy_from_slice(key);
            u128::from_be_bytes(first)
        }
    }
}

/// How many bytes two keys begin with that are the same.
#[inline]
pub(super) fn shared_bytes(left: &[u8], right: &[u8]) -> usize {
    // Eight at a time: keys of one table share much.
    let (left_words, _) = left.as_chunks::<8>();
    let (right_words, _) = right.as_chunks::<8>();
    for (place, (left, right)) in left_words.iter().zip(right_words).enumerate() {
        let different = u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right);
        if different != 0 {
            let bits = usize::try_from(different.trailing_zeros()).expect("at most 63");
            return 8 * place + bits / 8;
        }
    }
    let words = 8 * left_words.len().min(right_words.len());
    let rest = left[words..].iter().zip(&right[words..]);
    words + rest.take_while(|(left, right)| left == right).count()
}

/// What tells of most runs, from memory, that a key is not there. Made once per lookup.
///
/// Filters know the first half of a key's BLAKE3: a client chooses its keys, so a hash that it could aim
/// with would let it defeat them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyProbe {
    pub(super) hash: u128,
    pub(super) prefix: u128,
}

impl KeyProbe {
    /// The probe for a key.
    #[must_use]
    pub fn of(key: &[u8]) -> KeyProbe {
        let hash = blake3::hash(key);
        let (half, _) = hash.as_bytes().split_first_chunk::<16>().expect("a hash has 32 bytes");
        KeyProbe { hash: u128::from_le_bytes(*half), prefix: prefix(key) }
    }
}

/// In which order keys are gone through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOrder {
    /// From the smallest to the largest.
    Rising,
    /// From the largest to the smallest.
    Falling,
}

impl KeyOrder {
    /// Whether what compares so comes first.
    #[inline]
    pub(super) fn is_first(self, left_to_right: Ordering) -> bool {
        match self {
            KeyOrder::Rising => left_to_right == Ordering::Less,
            KeyOrder::Falling => left_to_right == Ordering::Greater,
        }
    }
}

/// Keys on end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    /// The smallest key that may be in it.
    start: Box<[u8]>,
    /// The smallest key beyond it; `None` if it has no end.
    end: Option<Box<[u8]>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> KeyRange {
        KeyRange { start: Box::from([]), end: None }
    }

    /// Keys from `start` on and before `end`. The bounds may be any bytes.
    #[must_use]
    pub fn new(start: &[u8], end: Option<&[u8]>) -> KeyRange {
        KeyRange { start: Box::from(start), end: end.map(Box::from) }
    }

    /// Keys that begin so; a table's number first.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let mut end = prefix.to_vec();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        // Nothing is above a prefix of 255s.
        let end = if end.is_empty() { None } else { Some(end.into()) };
        KeyRange { start: Box::from(prefix), end }
    }

    /// The part of it that comes after a key.
    #[must_use]
    pub fn after(&self, key: &[u8], order: KeyOrder) -> KeyRange {
        let mut range = self.clone();
        match order {
            KeyOrder::Rising => {
                let next = [key, &[0]].concat();
                if *range.start < *next {
                    range.start = next.into();
                }
            }
            KeyOrder::Falling => {
                if range.end.as_ref().is_none_or(|end| key < &**end) {
                    range.end = Some(Box::from(key));
                }
            }
        }
        range
    }

    /// Where it starts.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// Where it ends, if it does.
    #[must_use]
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Whether a key is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && self.end().is_none_or(|end| key < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a scan of one table that runs into the next, or stops short of its last key.
    #[test]
    fn a_prefix_is_a_range() {
        for (prefix, inside, outside) in [
            (&[0, 7][..], &[0, 7, 255, 255][..], &[0, 8][..]),
            (&[0, 255], &[0, 255, 255], &[1, 0]),
            (&[0, 7, 255], &[0, 7, 255], &[0, 8]),
            (&[255, 255], &[255, 255, 255], &[255, 254, 255]),
            (&[0, 7, 1], &[0, 7, 1, 0], &[0, 7, 0, 255]),
        ] {
            let range = KeyRange::prefix(prefix);
            assert!(range.contains(prefix), "{prefix:?}");
            assert!(range.contains(inside), "{prefix:?}");
            assert!(!range.contains(outside), "{prefix:?}");
        }
        assert_eq!(KeyRange::prefix(&[255, 255]).end(), None);
        assert_eq!(KeyRange::prefix(&[]), KeyRange::all());
    }

    /// Prevents: a cursor that gives a key twice, or skips the next, or widens the range.
    #[test]
    fn a_cursor_leaves_out_its_own_key_and_nothing_else() {
        let range = KeyRange::prefix(&[0, 7]);
        let rising = range.after(&[0, 7, 5], KeyOrder::Rising);
        assert!(!rising.contains(&[0, 7, 5]));
        assert!(rising.contains(&[0, 7, 5, 0]));
        assert!(!rising.contains(&[0, 8]));
        let falling = range.after(&[0, 7, 5], KeyOrder::Falling);
        assert!(!falling.contains(&[0, 7, 5]));
        assert!(falling.contains(&[0, 7, 4, 255]));
        assert!(!falling.contains(&[0, 6]));
        assert_eq!(range.after(&[0, 6], KeyOrder::Rising), range);
        assert_eq!(range.after(&[0, 9], KeyOrder::Falling), range);
    }

    /// Prevents: an expiry that is still to come dropped by a merge, or a document of another table.
    #[test]
    fn only_expiries_before_the_instant_are_dead() {
        let key = |table: u16, due: u64| {
            [&table.to_be_bytes()[..], &due.to_be_bytes(), &7_u64.to_be_bytes()].concat()
        };
        let before = Timestamp(1_000);
        assert!(is_dead_expiry(&key(TableId::EXPIRIES.0, 999), before));
        assert!(!is_dead_expiry(&key(TableId::EXPIRIES.0, 1_000), before));
        assert!(!is_dead_expiry(&key(TableId::EXPIRIES.0 - 1, 999), before));
        assert!(!is_dead_expiry(&key(TableId::EXPIRIES.0, 999)[..9], before));
        assert!(!is_dead_expiry(&TableId::EXPIRIES.0.to_be_bytes(), before));
    }

    /// Prevents: two keys of which the prefix says one thing and the bytes another.
    #[test]
    fn prefixes_never_contradict_the_keys() {
        let keys: [&[u8]; 6] = [&[0, 7], &[0, 7, 0], &[0, 7, 0, 0], &[0, 7, 1], &[7; 16], &[7; 17]];
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1]);
            assert!(prefix(pair[0]) <= prefix(pair[1]));
        }
        for length in 0..20 {
            let left = vec![7; length];
            let mut right = vec![7; 20];
            right[length] = 8;
            assert_eq!(shared_bytes(&left, &right), length);
            assert_eq!(shared_bytes(&[7; 20], &right), length);
        }
    }
}
