//! The account table: dense by slot, in order of creation, with an index from id to slot.
//!
//! Invariants:
//! - slots are `0..count`, without gaps; an account never moves;
//! - timestamps rise strictly from slot to slot, imported or not, so an account is found by its
//!   timestamp by halving;
//! - rows live in chunks of fixed size that are never moved: growing costs one allocation of a
//!   chunk, never a copy of the table;
//! - a page (32 rows) is dirty if and only if a row of it changed since the last
//!   [`take_dirty_pages`](AccountTable::take_dirty_pages).

use crate::account::{Account, AccountFlags};
use crate::apply::Inconsistent;
use crate::id::{AccountId, Code, LedgerId, Lsn, Slot, Timestamp};
use crate::index::Index;
use crate::record::{AccountRecord, Balances};
use alloc::vec::Vec;
use core::hint::black_box;
use core::mem;

/// Rows of one page, the unit of a checkpoint.
pub const PAGE_ROWS: usize = 32;
const CHUNK_ROWS: usize = 4_096;
/// Pages whose dirty bits share a word.
const WORD_PAGES: usize = 64;

/// What changes about an account, and what deciding needs: two cache lines, the look-up by id and
/// most of the balances in the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub struct AccountRow {
    /// See [`Account`].
    pub id: AccountId,
    /// The sum of everything posted and held so far.
    pub balances: Balances,
    /// The newest posting, [`Lsn::NONE`] before the first: the head of the account's history.
    pub last_posting: Lsn,
    /// The newest waypoint, [`Lsn::NONE`] before the first.
    pub last_waypoint: Lsn,
    /// Postings so far.
    pub postings_count: u64,
    /// When it was opened; the caller's own if imported.
    pub timestamp: Timestamp,
    /// See [`Account`].
    pub ledger: LedgerId,
    /// See [`Account`].
    pub user_data_32: u32,
    /// See [`Account`].
    pub code: Code,
    /// As they are now: `closed` comes and goes.
    pub flags: AccountFlags,
    /// As they were given; a repeat is compared with these.
    pub flags_given: AccountFlags,
}

/// The caller's references that no rule reads, kept apart from the rows that are always warm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountReferences {
    user_data_128: [u64; 2], // Low half first: a `u128` would be padded to 32 bytes.
    user_data_64: u64,
}

const _: () = assert!(size_of::<AccountRow>() == 128);
const _: () = assert!(size_of::<AccountReferences>() == 24);
const _: () = assert!(CHUNK_ROWS.is_multiple_of(PAGE_ROWS));
const _: () = assert!(u32::BITS <= usize::BITS);

impl AccountReferences {
    /// These references.
    #[must_use]
    pub fn new(user_data_128: u128, user_data_64: u64) -> AccountReferences {
        let low = u64::try_from(user_data_128 & u128::from(u64::MAX)).expect("64 bits");
        let high = u64::try_from(user_data_128 >> 64).expect("64 bits");
        AccountReferences { user_data_128: [low, high], user_data_64 }
    }

    /// See [`Account`].
    #[must_use]
    pub fn user_data_128(&self) -> u128 {
        u128::from(self.user_data_128[0]) | u128::from(self.user_data_128[1]) << 64
    }

    /// See [`Account`].
    #[must_use]
    pub fn user_data_64(&self) -> u64 {
        self.user_data_64
    }
}

impl AccountRow {
    fn opened(record: &AccountRecord, timestamp: Timestamp) -> AccountRow {
        AccountRow {
            id: record.id,
            balances: Balances::default(),
            last_posting: Lsn::NONE,
            last_waypoint: Lsn::NONE,
            postings_count: 0,
            timestamp,
            ledger: record.ledger,
            user_data_32: record.user_data_32,
            code: record.code,
            flags: record.flags,
            flags_given: record.flags,
        }
    }

    /// Whether only voids and expiries may still move it.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.flags.contains(AccountFlags::CLOSED)
    }
}

/// The table.
#[derive(Clone, Debug)]
pub(crate) struct AccountTable {
    rows: Vec<Vec<AccountRow>>,
    references: Vec<Vec<AccountReferences>>,
    count: usize,
    index: Index,
    dirty_pages: Vec<u32>,
    dirty_bits: Vec<u64>,
}

impl AccountTable {
    pub(crate) fn new(seed: u64) -> AccountTable {
        AccountTable {
            rows: Vec::new(),
            references: Vec::new(),
            count: 0,
            index: Index::new(seed),
            dirty_pages: Vec::new(),
            dirty_bits: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The slot that the next account gets.
    pub(crate) fn next_slot(&self) -> Slot {
        Slot(u32::try_from(self.count).expect("the engine admits at most 2^31 accounts"))
    }

    #[inline]
    pub(crate) fn slot(&self, id: AccountId) -> Option<Slot> {
        let rows = &self.rows;
        self.index.find(id, |slot| row_of(rows, Slot(slot)).id).map(Slot)
    }

    #[inline]
    pub(crate) fn row(&self, slot: Slot) -> Option<&AccountRow> {
        let place = index_of(slot);
        self.rows.get(place / CHUNK_ROWS)?.get(place % CHUNK_ROWS)
    }

    /// The slot of an account that is going to move: brings all of its row near.
    #[inline]
    pub(crate) fn slot_to_move(&self, id: AccountId) -> Option<Slot> {
        let slot = self.slot(id)?;
        // The look-up has read the first cache line; this reads the second.
        black_box(self.row_known(slot).last_posting);
        Some(slot)
    }

    /// The row of a slot that a rule has just looked up.
    #[inline]
    pub(crate) fn row_known(&self, slot: Slot) -> &AccountRow {
        row_of(&self.rows, slot)
    }

    /// A row to change; its page becomes dirty.
    #[inline]
    pub(crate) fn row_mut(&mut self, slot: Slot) -> Option<&mut AccountRow> {
        let place = index_of(slot);
        let row = self.rows.get_mut(place / CHUNK_ROWS)?.get_mut(place % CHUNK_ROWS)?;
        mark_dirty(&mut self.dirty_bits, &mut self.dirty_pages, place);
        Some(row)
    }

    pub(crate) fn references(&self, slot: Slot) -> Option<&AccountReferences> {
        let place = index_of(slot);
        self.references.get(place / CHUNK_ROWS)?.get(place % CHUNK_ROWS)
    }

    pub(crate) fn account_at(&self, slot: Slot) -> Option<Account> {
        let row = self.row(slot)?;
        let references = self.references(slot)?;
        Some(Account {
            id: row.id,
            debits_pending: row.balances.debits_pending,
            debits_posted: row.balances.debits_posted,
            credits_pending: row.balances.credits_pending,
            credits_posted: row.balances.credits_posted,
            user_data_128: references.user_data_128(),
            user_data_64: references.user_data_64(),
            user_data_32: row.user_data_32,
            reserved: 0,
            ledger: row.ledger,
            code: row.code,
            flags: row.flags,
            timestamp: row.timestamp,
        })
    }

    /// Every row, in order of slots.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &AccountRow> {
        self.rows.iter().flatten()
    }

    /// The timestamp of the newest account.
    pub(crate) fn last_timestamp(&self) -> Timestamp {
        self.rows
            .iter()
            .rev()
            .find_map(|chunk| chunk.last())
            .map_or(Timestamp::NONE, |row| row.timestamp)
    }

    /// Whether some account has exactly this timestamp.
    pub(crate) fn has_account_at(&self, timestamp: Timestamp) -> bool {
        let chunk = self
            .rows
            .partition_point(|chunk| chunk.last().is_some_and(|row| row.timestamp < timestamp));
        self.rows
            .get(chunk)
            .is_some_and(|rows| rows.binary_search_by_key(&timestamp, |row| row.timestamp).is_ok())
    }

    pub(crate) fn open(
        &mut self,
        record: &AccountRecord,
        timestamp: Timestamp,
    ) -> Result<(), Inconsistent> {
        let references = AccountReferences::new(record.user_data_128, record.user_data_64);
        self.push(record.slot, AccountRow::opened(record, timestamp), references)?;
        mark_dirty(&mut self.dirty_bits, &mut self.dirty_pages, index_of(record.slot));
        Ok(())
    }

    /// Adds a row at the next slot, as it is.
    pub(crate) fn push(
        &mut self,
        slot: Slot,
        row: AccountRow,
        references: AccountReferences,
    ) -> Result<(), Inconsistent> {
        if slot != self.next_slot() || self.slot(row.id).is_some() {
            return Err(Inconsistent::Account { slot });
        }
        if row.timestamp <= self.last_timestamp() {
            return Err(Inconsistent::Account { slot });
        }
        if self.count.is_multiple_of(CHUNK_ROWS) && self.rows.len() * CHUNK_ROWS == self.count {
            self.rows.push(Vec::with_capacity(CHUNK_ROWS));
            self.references.push(Vec::with_capacity(CHUNK_ROWS));
        }
        let chunk = self.count / CHUNK_ROWS;
        self.rows[chunk].push(row);
        self.references[chunk].push(references);
        self.count += 1;
        let pages_count = self.count.div_ceil(PAGE_ROWS);
        self.dirty_bits.resize(pages_count.div_ceil(WORD_PAGES), 0);
        let rows = &self.rows;
        self.index.insert(row.id, slot.0, |slot| row_of(rows, Slot(slot)).id);
        Ok(())
    }

    /// Takes back the newest account. Its page stays dirty.
    pub(crate) fn pop(&mut self) {
        let last = self.count.checked_sub(1).expect("only an opened account is taken back");
        let chunk = last / CHUNK_ROWS;
        let rows = &self.rows;
        let id = rows[chunk].last().expect("the newest account is in this chunk").id;
        let slot = self.index.remove(id, |slot| row_of(rows, Slot(slot)).id);
        assert!(slot.map(Slot).map(index_of) == Some(last), "the newest account has the last slot");
        self.rows[chunk].pop();
        self.references[chunk].pop();
        self.count = last;
    }

    pub(crate) fn take_dirty_pages(&mut self) -> Vec<u32> {
        for page in &self.dirty_pages {
            let page = usize::try_from(*page).expect("a page number fits");
            if let Some(bits) = self.dirty_bits.get_mut(page / WORD_PAGES) {
                *bits &= !(1 << (page % WORD_PAGES));
            }
        }
        mem::take(&mut self.dirty_pages)
    }

    /// The rows of a page: 32, fewer in the last, none past it.
    pub(crate) fn page_rows(&self, page: u32) -> &[AccountRow] {
        page_of(&self.rows, page)
    }

    /// The references of a page, one for each of its rows.
    pub(crate) fn page_references(&self, page: u32) -> &[AccountReferences] {
        page_of(&self.references, page)
    }
}

#[inline]
fn index_of(slot: Slot) -> usize {
    usize::try_from(slot.0).expect("a u32 fits in usize")
}

#[inline]
fn row_of(rows: &[Vec<AccountRow>], slot: Slot) -> &AccountRow {
    let place = index_of(slot);
    &rows[place / CHUNK_ROWS][place % CHUNK_ROWS]
}

fn page_of<T>(chunks: &[Vec<T>], page: u32) -> &[T] {
    let start = index_of(Slot(page)) * PAGE_ROWS;
    let chunk = chunks.get(start / CHUNK_ROWS).map_or(&[][..], Vec::as_slice);
    let within = start % CHUNK_ROWS;
    let end = chunk.len().min(within + PAGE_ROWS);
    chunk.get(within..end).unwrap_or(&[])
}

#[inline]
fn mark_dirty(bits: &mut [u64], pages: &mut Vec<u32>, place: usize) {
    let page = place / PAGE_ROWS;
    let word = &mut bits[page / WORD_PAGES];
    let bit = 1 << (page % WORD_PAGES);
    if *word & bit == 0 {
        *word |= bit;
        pages.push(u32::try_from(page).expect("there are fewer pages than slots"));
    }
}
