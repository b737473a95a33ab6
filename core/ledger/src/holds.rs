//! Live holds: those neither posted, voided nor expired. Found by position (a record names its hold
//! so), by id (an event does), and by when they expire.
//!
//! Invariants:
//! - a live place is in both indexes, and in the expiry order if and only if the hold has a timeout;
//! - `next_expiry` is the first instant of the expiry order, or `NEVER`;
//! - every position at which what is live differs from what was taken last is in `changed`.

use crate::amount::Amount;
use crate::id::{Code, LedgerId, Lsn, Slot, Timestamp, TransferId};
use crate::index::Index;
use crate::record::TransferRecord;
use crate::transfer::TransferFlags;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::mem;

/// No hold ever expires then: later than [`Timestamp::MAX`].
const NEVER: Timestamp = Timestamp(u64::MAX);
const CHUNK_HOLDS: usize = 4_096;
/// Positions without meaning that `changed` may hold beside as many as have one.
const CHANGED_SLACK: usize = 1_024;

/// A live hold: where it is, and everything that a post or void takes over from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hold {
    /// The id of the transfer that placed it.
    pub id: TransferId,
    /// What it reserves.
    pub amount: Amount,
    /// See [`crate::Transfer`].
    pub user_data_128: u128,
    /// See [`crate::Transfer`].
    pub user_data_64: u64,
    /// The position of the transfer that placed it.
    pub lsn: Lsn,
    /// When it was placed; the caller's own time if imported.
    pub timestamp: Timestamp,
    /// The account that would be debited.
    pub debit_slot: Slot,
    /// The account that would be credited.
    pub credit_slot: Slot,
    /// Seconds from `timestamp` to expiry; zero: never. Always zero if imported.
    pub timeout: u32,
    /// See [`crate::Transfer`].
    pub user_data_32: u32,
    /// See [`crate::Transfer`].
    pub ledger: LedgerId,
    /// See [`crate::Transfer`].
    pub code: Code,
    /// See [`crate::Transfer`].
    pub flags: TransferFlags,
}

const _: () = assert!(size_of::<Hold>() == 96);

impl Hold {
    pub(crate) fn placed(lsn: Lsn, timestamp: Timestamp, record: &TransferRecord) -> Hold {
        assert!(record.flags.contains(TransferFlags::PENDING), "only a pending transfer holds");
        Hold {
            id: record.id,
            amount: record.amount,
            user_data_128: record.user_data_128,
            user_data_64: record.user_data_64,
            lsn,
            timestamp,
            debit_slot: record.debit_slot,
            credit_slot: record.credit_slot,
            timeout: record.timeout,
            user_data_32: record.user_data_32,
            ledger: record.ledger,
            code: record.code,
            flags: record.flags,
        }
    }

    /// When it expires by itself, if ever.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        if self.timeout == 0 { None } else { self.timestamp.after_seconds(self.timeout) }
    }
}

/// What happened to a hold since the last take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Placed,
    Removed,
}

/// The live holds.
#[derive(Clone, Debug)]
pub(crate) struct Holds {
    /// Holds by place, in chunks that never move; a place outside both indexes is free.
    chunks: Vec<Vec<Hold>>,
    free: Vec<u32>,
    by_lsn: Index,
    by_id: Index,
    expiries: BTreeSet<(Timestamp, Timestamp, Lsn)>,
    next_expiry: Timestamp,
    count: usize,
    /// Where something changed since the last take, or was changed back.
    changed: Vec<Lsn>,
    /// Of these, the positions where what is live differs from what was taken.
    differing_count: usize,
    /// The newest hold that was ever taken: those beyond it were placed since.
    taken: Lsn,
}

impl Holds {
    pub(crate) fn new(seed: u64) -> Holds {
        Holds {
            chunks: Vec::new(),
            free: Vec::new(),
            by_lsn: Index::new(seed),
            by_id: Index::new(seed),
            expiries: BTreeSet::new(),
            next_expiry: NEVER,
            count: 0,
            changed: Vec::new(),
            differing_count: 0,
            taken: Lsn::NONE,
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn by_id(&self, id: TransferId) -> Option<&Hold> {
        let chunks = &self.chunks;
        self.by_id.find(id, |place| hold_of(chunks, place).id).map(|place| hold_of(chunks, place))
    }

    pub(crate) fn by_lsn(&self, lsn: Lsn) -> Option<&Hold> {
        let chunks = &self.chunks;
        self.by_lsn
            .find(lsn, |place| hold_of(chunks, place).lsn)
            .map(|place| hold_of(chunks, place))
    }

    /// Whether a hold is due at or before an instant: one comparison.
    #[inline]
    pub(crate) fn is_due(&self, until: Timestamp) -> bool {
        self.next_expiry <= until
    }

    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        Some(self.next_expiry).filter(|expiry| *expiry != NEVER)
    }

    /// The hold that expires first: in order of expiry, then of timestamp.
    pub(crate) fn first_due(&self, until: Timestamp) -> Option<&Hold> {
        let (expires_at, _, lsn) = *self.expiries.first()?;
        if until < expires_at {
            return None;
        }
        Some(self.by_lsn(lsn).expect("a hold in the expiry order is live"))
    }

    pub(crate) fn due_count(&self, until: Timestamp, count_max: usize) -> usize {
        self.expiries.iter().take(count_max).take_while(|(expiry, ..)| *expiry <= until).count()
    }

    /// Adds a hold; `false` if its position or id is taken.
    #[must_use]
    pub(crate) fn insert(&mut self, hold: Hold) -> bool {
        let added = self.add(hold);
        if added {
            self.note_change(hold.lsn, Change::Placed);
        }
        added
    }

    /// Adds a hold that a checkpoint already has, before anything else changes.
    #[must_use]
    pub(crate) fn restore(&mut self, hold: Hold) -> bool {
        debug_assert!(self.changed.is_empty(), "a checkpoint comes before the log");
        self.taken = self.taken.max(hold.lsn);
        self.add(hold)
    }

    fn add(&mut self, hold: Hold) -> bool {
        if self.by_lsn(hold.lsn).is_some() || self.by_id(hold.id).is_some() {
            return false;
        }
        let place = self.place(hold);
        let chunks = &self.chunks;
        self.by_lsn.insert(hold.lsn, place, |place| hold_of(chunks, place).lsn);
        self.by_id.insert(hold.id, place, |place| hold_of(chunks, place).id);
        if let Some(expires_at) = hold.expires_at() {
            self.expiries.insert((expires_at, hold.timestamp, hold.lsn));
            self.next_expiry = self.next_expiry.min(expires_at);
        }
        self.count += 1;
        true
    }

    /// Takes a hold out, resolved or undone.
    pub(crate) fn remove(&mut self, lsn: Lsn) -> Option<Hold> {
        let chunks = &self.chunks;
        let place = self.by_lsn.remove(lsn, |place| hold_of(chunks, place).lsn)?;
        let hold = *hold_of(chunks, place);
        let by_id = self.by_id.remove(hold.id, |place| hold_of(chunks, place).id);
        assert!(by_id == Some(place), "both indexes name the same place");
        if let Some(expires_at) = hold.expires_at() {
            let removed = self.expiries.remove(&(expires_at, hold.timestamp, lsn));
            assert!(removed, "a hold with a timeout is in the expiry order");
            self.next_expiry = self.expiries.first().map_or(NEVER, |(expiry, ..)| *expiry);
        }
        self.free.push(place);
        self.count -= 1;
        self.note_change(lsn, Change::Removed);
        Some(hold)
    }

    /// A hold placed since the last take and gone again is no change, nor is one of the last take
    /// that undo brought back. Their positions are dropped once they are most of `changed`, so that
    /// it stays bounded however long nobody takes it.
    fn note_change(&mut self, lsn: Lsn, change: Change) {
        let was_taken = lsn <= self.taken;
        if was_taken == (change == Change::Removed) {
            self.changed.push(lsn);
            self.differing_count += 1;
        } else {
            self.differing_count -= 1;
        }
        if 2 * self.differing_count + CHANGED_SLACK < self.changed.len() {
            self.drop_unchanged();
        }
    }

    #[cold]
    fn drop_unchanged(&mut self) {
        let mut changed = mem::take(&mut self.changed);
        changed.retain(|lsn| (*lsn <= self.taken) != self.by_lsn(*lsn).is_some());
        changed.sort_unstable();
        changed.dedup();
        assert!(changed.len() == self.differing_count, "every change is noted");
        self.changed = changed;
    }

    /// What changed since the last call, as it is now, and some that was changed back; a position
    /// can come twice. At most twice as many as differ, and `CHANGED_SLACK`.
    pub(crate) fn take_changed(&mut self) -> Vec<(Lsn, Option<Hold>)> {
        let changed = mem::take(&mut self.changed);
        self.differing_count = 0;
        let changed: Vec<(Lsn, Option<Hold>)> =
            changed.into_iter().map(|lsn| (lsn, self.by_lsn(lsn).copied())).collect();
        let newest = changed.iter().flat_map(|(_, hold)| hold).map(|hold| hold.lsn).max();
        self.taken = self.taken.max(newest.unwrap_or(Lsn::NONE));
        changed
    }

    /// Every live hold, in order of position.
    pub(crate) fn sorted(&self) -> Vec<&Hold> {
        let places = 0..u32::try_from(self.chunks.iter().map(Vec::len).sum::<usize>())
            .expect("the engine admits at most 16 million holds");
        let chunks = &self.chunks;
        let mut holds: Vec<&Hold> = places
            .filter(|place| {
                let lsn = hold_of(chunks, *place).lsn;
                self.by_lsn.find(lsn, |place| hold_of(chunks, place).lsn) == Some(*place)
            })
            .map(|place| hold_of(chunks, place))
            .collect();
        holds.sort_unstable_by_key(|hold| hold.lsn);
        assert!(holds.len() == self.count, "every live hold has a place of its own");
        holds
    }

    fn place(&mut self, hold: Hold) -> u32 {
        if let Some(place) = self.free.pop() {
            let at = index_of(place);
            self.chunks[at / CHUNK_HOLDS][at % CHUNK_HOLDS] = hold;
            return place;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_HOLDS) {
            self.chunks.push(Vec::with_capacity(CHUNK_HOLDS));
        }
        let chunk = self.chunks.last_mut().expect("a chunk with room was just made sure of");
        chunk.push(hold);
        u32::try_from(self.count).expect("the engine admits at most 16 million holds")
    }
}

#[inline]
fn index_of(place: u32) -> usize {
    usize::try_from(place).expect("a u32 fits in usize")
}

#[inline]
fn hold_of(chunks: &[Vec<Hold>], place: u32) -> &Hold {
    let at = index_of(place);
    &chunks[at / CHUNK_HOLDS][at % CHUNK_HOLDS]
}
