//! Documents of volatile tables: in memory, shared by all clients, in no log and no backup, gone when
//! the database is closed. For replay caches and counters: whoever relies on them must know since
//! when they have been kept ([`Volatile::since`]).

use crate::limits::VOLATILE_BYTES_MAX;
use florin_ledger::{Lsn, Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeSet;

/// All volatile documents, by their key in the index of documents.
#[derive(Debug)]
pub(super) struct Volatile {
    kept: HashMap<Box<[u8]>, Kept, RandomState>,
    by_expiry: BTreeSet<(Timestamp, Box<[u8]>)>,
    bytes: usize,
    /// Stands for the position of a record in versions.
    writes_count: u64,
    since: Timestamp,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) version: Lsn,
    pub(crate) timestamp: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) value: Box<[u8]>,
}

/// There is no room for another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

/// What one costs beside its key (twice) and value.
const OVERHEAD_BYTES: usize = 160;

impl Volatile {
    /// Nothing yet, from now on.
    pub(super) fn since(since: Timestamp) -> Volatile {
        Volatile {
            kept: HashMap::default(),
            by_expiry: BTreeSet::new(),
            bytes: 0,
            writes_count: 0,
            since,
        }
    }

    /// When it began to keep them.
    pub(super) fn begun(&self) -> Timestamp {
        self.since
    }

    /// The document, unless its time is over.
    pub(super) fn get(&self, place: &[u8], now: Timestamp) -> Option<&Kept> {
        self.kept.get(place).filter(|kept| kept.expires == Timestamp::NONE || now < kept.expires)
    }

    /// Writes a document, and says in which version.
    pub(super) fn put(
        &mut self,
        place: &[u8],
        value: &[u8],
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Lsn, Full> {
        self.forget_expired(now);
        let before = self.kept.get(place).map_or(0, |kept| cost(place, &kept.value));
        if VOLATILE_BYTES_MAX < self.bytes - before + cost(place, value) {
            return Err(Full);
        }
        self.remove(place);
        self.writes_count += 1;
        let version = Lsn(self.writes_count);
        let kept = Kept { version, timestamp: now, expires, value: value.into() };
        if expires != Timestamp::NONE {
            self.by_expiry.insert((expires, place.into()));
        }
        self.bytes += cost(place, value);
        self.kept.insert(place.into(), kept);
        Ok(version)
    }

    /// Deletes a document, if it is there.
    pub(super) fn remove(&mut self, place: &[u8]) {
        if let Some((place, kept)) = self.kept.remove_entry(place) {
            self.bytes -= cost(&place, &kept.value);
            self.by_expiry.remove(&(kept.expires, place));
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        while let Some((due, _)) = self.by_expiry.first()
            && *due <= now
        {
            let (_, place) = self.by_expiry.pop_first().expect("it was there");
            self.remove(&place);
        }
    }
}

fn cost(place: &[u8], value: &[u8]) -> usize {
    2 * place.len() + value.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    /// Prevents: a replay cache that says "never seen" of what it has, or remembers for ever.
    #[test]
    fn what_is_kept_is_there_until_its_time_is_over() {
        let mut volatile = Volatile::since(NOW);
        let first = volatile.put(b"a", b"1", Timestamp(2_000), NOW).unwrap();
        let second = volatile.put(b"a", b"2", Timestamp(3_000), NOW).unwrap();
        assert!(first < second, "a version is never used again");
        let kept = volatile.get(b"a", Timestamp(2_999)).unwrap();
        assert_eq!((kept.version, &*kept.value), (second, &b"2"[..]));
        assert_eq!(volatile.get(b"a", Timestamp(3_000)), None);
        volatile.put(b"b", b"", Timestamp::NONE, Timestamp(3_000)).unwrap();
        assert_eq!((volatile.kept.len(), volatile.by_expiry.len()), (1, 0));
        volatile.remove(b"b");
        assert_eq!((volatile.bytes, volatile.kept.len()), (0, 0));
    }

    /// Prevents: clients fill the server's memory.
    #[test]
    fn memory_is_bounded_and_what_expires_makes_room() {
        let mut volatile = Volatile::since(NOW);
        let value = vec![0; 60_000];
        let mut count = 0_u32;
        while volatile.put(&count.to_be_bytes(), &value, Timestamp(2_000), NOW).is_ok() {
            count += 1;
        }
        assert!(volatile.bytes <= VOLATILE_BYTES_MAX && 1_000 < count);
        let first = 0_u32.to_be_bytes();
        assert!(volatile.put(&first, &value, Timestamp(2_000), NOW).is_ok(), "in its own place");
        let late = Timestamp(2_000);
        assert!(volatile.put(&count.to_be_bytes(), &value, Timestamp(3_000), late).is_ok());
        assert_eq!(volatile.kept.len(), 1);
    }
}
