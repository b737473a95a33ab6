//! The tables of the ledger: accounts, live holds, and a few totals. Everything in them follows from
//! the log; [`Ledger::digest_into`] compares two derivations.
//!
//! Three ways in: batches of events, decided by the rules (`batch`); records of a log, applied
//! without rules (`apply`); rows, holds and totals of a checkpoint (`restore_*`), after which the
//! log is applied from the checkpoint's position on.

use crate::account::Account;
use crate::accounts::{AccountReferences, AccountRow, AccountTable};
use crate::apply::Inconsistent;
use crate::conservation::Moved;
use crate::holds::{Hold, Holds};
use crate::id::{AccountId, Lsn, Slot, Timestamp, TransferId};
use crate::undo::Undo;
use alloc::vec::Vec;

/// What the log says of accounts and live holds up to some record.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) accounts: AccountTable,
    pub(crate) holds: Holds,
    pub(crate) totals: Totals,
    pub(crate) undo: Undo,
    /// What rows changed by since somebody looked.
    pub(crate) moved: Moved,
}

/// What a checkpoint keeps beside accounts and holds, exact at its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// The recorded time of the newest record.
    pub last_recorded: Timestamp,
    /// The latest timestamp of all transfers and expiries; the caller's own if imported.
    pub last_posting_timestamp: Timestamp,
    /// Transfers ever created. Expiries and failures are none.
    pub transfers_count: u64,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger::new()
    }
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger::with_seed(0x666c_6f72_696e)
    }

    /// An empty ledger whose indexes are seeded, so that nobody can choose ids that collide in
    /// them. Nothing observable depends on the seed.
    #[must_use]
    pub fn with_seed(seed: u64) -> Ledger {
        Ledger {
            accounts: AccountTable::new(seed),
            holds: Holds::new(seed),
            totals: Totals::default(),
            undo: Undo::default(),
            moved: Moved::default(),
        }
    }

    /// What rows changed by since this was asked last. Balanced, unless rows were newer than the log
    /// that was applied to them.
    pub fn take_moved(&mut self) -> Moved {
        core::mem::take(&mut self.moved)
    }

    /// The account with this id.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Account> {
        self.account_at(self.slot(id)?)
    }

    /// Where the account with this id is.
    #[inline]
    #[must_use]
    pub fn slot(&self, id: AccountId) -> Option<Slot> {
        self.accounts.slot(id)
    }

    /// The account in this slot.
    #[must_use]
    pub fn account_at(&self, slot: Slot) -> Option<Account> {
        self.accounts.account_at(slot)
    }

    /// What changes about the account in this slot.
    #[inline]
    #[must_use]
    pub fn row(&self, slot: Slot) -> Option<&AccountRow> {
        self.accounts.row(slot)
    }

    /// Whether some account has exactly this timestamp. O(log accounts).
    #[must_use]
    pub fn has_account_at(&self, timestamp: Timestamp) -> bool {
        self.accounts.has_account_at(timestamp)
    }

    /// The live hold that the transfer with this id placed.
    #[must_use]
    pub fn hold(&self, id: TransferId) -> Option<&Hold> {
        self.holds.by_id(id)
    }

    /// The live hold that the transfer at this position placed.
    #[must_use]
    pub fn hold_at(&self, lsn: Lsn) -> Option<&Hold> {
        self.holds.by_lsn(lsn)
    }

    /// Accounts ever opened: slots are below this.
    #[must_use]
    pub fn accounts_count(&self) -> u64 {
        u64::try_from(self.accounts.count()).expect("a usize fits in u64")
    }

    /// Transfers ever created. Expiries and failures are none.
    #[must_use]
    pub fn transfers_count(&self) -> u64 {
        self.totals.transfers_count
    }

    /// Holds neither posted, voided nor expired.
    #[must_use]
    pub fn holds_count(&self) -> u64 {
        u64::try_from(self.holds.count()).expect("a usize fits in u64")
    }

    /// The recorded time of the newest record.
    #[must_use]
    pub fn last_recorded(&self) -> Timestamp {
        self.totals.last_recorded
    }

    /// The latest timestamp of all transfers and expiries; the caller's own if imported. What is
    /// imported next must be later, so timestamps rise along every account's history.
    #[must_use]
    pub fn last_posting_timestamp(&self) -> Timestamp {
        self.totals.last_posting_timestamp
    }

    /// When the next hold expires, if any does.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.holds.next_expiry()
    }

    /// How many holds are due at or before an instant, counting to at most `count_max`.
    #[must_use]
    pub fn due_count(&self, until: Timestamp, count_max: usize) -> usize {
        self.holds.due_count(until, count_max)
    }
}

/// Checkpoints: what changed, and how it comes back.
impl Ledger {
    /// The pages that changed since the last call, in order of their first change. What changes
    /// from now on counts for the next call. O(pages returned).
    pub fn take_dirty_pages(&mut self) -> Vec<u32> {
        self.accounts.take_dirty_pages()
    }

    /// The rows of a page: [`PAGE_ROWS`](crate::accounts::PAGE_ROWS), fewer in the last page, none
    /// past it. The first is at slot `page * PAGE_ROWS`.
    #[must_use]
    pub fn page_rows(&self, page: u32) -> &[AccountRow] {
        self.accounts.page_rows(page)
    }

    /// The references of a page, one for each of its rows.
    #[must_use]
    pub fn page_references(&self, page: u32) -> &[AccountReferences] {
        self.accounts.page_references(page)
    }

    /// Puts a row back. Slots must come in order, from 0; the page stays clean. A row may be newer
    /// than the checkpoint's position, but pages copied at different moments hold different numbers
    /// of accounts: restore those that were open at that position, the others come with the log.
    ///
    /// # Errors
    /// [`Inconsistent::Account`] if the slot is not the next, the id is there already, or the
    /// timestamp does not rise.
    pub fn restore_row(
        &mut self,
        slot: Slot,
        row: AccountRow,
        references: AccountReferences,
    ) -> Result<(), Inconsistent> {
        self.accounts.push(slot, row, references)
    }

    /// The holds that changed since the last call, as they are now: `None` for one that is not live
    /// any more. A position can come twice. O(changes), of which no more are kept than about twice
    /// those that were not taken back.
    pub fn take_changed_holds(&mut self) -> Vec<(Lsn, Option<Hold>)> {
        self.holds.take_changed()
    }

    /// Puts a live hold back, in any order.
    ///
    /// # Errors
    /// [`Inconsistent::Hold`] if its position or id is there already.
    pub fn restore_hold(&mut self, hold: Hold) -> Result<(), Inconsistent> {
        if self.holds.restore(hold) { Ok(()) } else { Err(Inconsistent::Hold { hold: hold.lsn }) }
    }

    /// What a checkpoint keeps beside accounts and holds.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Puts the totals back.
    pub fn restore_totals(&mut self, totals: Totals) {
        self.totals = totals;
    }
}
