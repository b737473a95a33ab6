//! Taking back a chain. Before a record of a chain is applied, what it will change is copied here;
//! undo puts the copies back, newest first. Outside chains nothing is copied.
//!
//! Exact but for marks that only cost a checkpoint a little work: dirty pages and changed holds.
//! Expiries that fell inside the chain are facts of time, not of the chain: they are handed back so
//! that the batch does them again at the times they had.

use crate::accounts::AccountRow;
use crate::conservation::Moved;
use crate::holds::Hold;
use crate::id::{Lsn, Slot, Timestamp};
use crate::record::{ExpiryRecord, Record, TransferRecord};
use crate::state::{Ledger, Totals};
use crate::transfer::TransferFlags;
use alloc::vec::Vec;

/// What to put back, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Undo {
    open: bool,
    totals: Totals,
    moved: Moved,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Row { slot: Slot, before: AccountRow },
    AccountOpened,
    HoldPlaced { lsn: Lsn },
    HoldResolved { hold: Hold },
    Expired { time: Timestamp },
}

impl Ledger {
    pub(crate) fn chain_begin(&mut self) {
        assert!(!self.undo.open, "chains do not nest");
        assert!(self.undo.changes.is_empty(), "every chain is kept or undone");
        self.undo.open = true;
        self.undo.totals = self.totals;
        self.undo.moved = self.moved;
    }

    pub(crate) fn chain_keep(&mut self) {
        assert!(self.undo.open, "only an open chain is kept");
        self.undo.open = false;
        self.undo.changes.clear();
    }

    /// Puts everything back as it was at `chain_begin`, and returns the times of the expiries that
    /// were taken back, latest first.
    pub(crate) fn chain_undo(&mut self) -> Vec<Timestamp> {
        assert!(self.undo.open, "only an open chain is undone");
        let mut expired = Vec::new();
        while let Some(change) = self.undo.changes.pop() {
            match change {
                Change::Row { slot, before } => {
                    *self.accounts.row_mut(slot).expect("a changed row exists") = before;
                }
                Change::AccountOpened => self.accounts.pop(),
                Change::HoldPlaced { lsn } => {
                    let removed = self.holds.remove(lsn);
                    assert!(removed.is_some(), "a hold placed in the chain is live again");
                }
                Change::HoldResolved { hold } => {
                    let inserted = self.holds.insert(hold);
                    assert!(inserted, "a hold resolved in the chain is gone");
                }
                Change::Expired { time } => expired.push(time),
            }
        }
        self.totals = self.undo.totals;
        self.moved = self.undo.moved;
        self.undo.open = false;
        expired
    }

    /// Copies what applying a record will change, if a chain is open.
    #[inline]
    pub(crate) fn remember(&mut self, lsn: Lsn, time: Timestamp, record: &Record) {
        if self.undo.open {
            self.remember_in_chain(lsn, time, record);
        }
    }

    #[cold]
    fn remember_in_chain(&mut self, lsn: Lsn, time: Timestamp, record: &Record) {
        match record {
            Record::Account(_) => self.undo.changes.push(Change::AccountOpened),
            Record::Transfer(transfer) => self.remember_transfer(lsn, transfer),
            Record::Expiry(expiry) => self.remember_expiry(time, expiry),
            // A waypoint changes a row that its posting has just remembered.
            Record::Waypoint(_) | Record::Epoch(_) | Record::Life(_) | Record::Failed(_) => {}
            Record::Document(_)
            | Record::Event(_)
            | Record::Commit(_)
            | Record::Refusal(_)
            | Record::Part(_) => {
                unreachable!("a commit writes documents once its chain is kept")
            }
        }
    }

    fn remember_transfer(&mut self, lsn: Lsn, transfer: &TransferRecord) {
        self.remember_row(transfer.debit_slot);
        self.remember_row(transfer.credit_slot);
        if transfer.flags.contains(TransferFlags::PENDING) {
            self.undo.changes.push(Change::HoldPlaced { lsn });
        }
        if transfer.pending.is_some() {
            self.remember_hold(transfer.pending);
        }
    }

    fn remember_expiry(&mut self, time: Timestamp, expiry: &ExpiryRecord) {
        self.undo.changes.push(Change::Expired { time });
        self.remember_row(expiry.debit_slot);
        self.remember_row(expiry.credit_slot);
        self.remember_hold(expiry.hold);
    }

    fn remember_row(&mut self, slot: Slot) {
        let before = *self.accounts.row_known(slot);
        self.undo.changes.push(Change::Row { slot, before });
    }

    fn remember_hold(&mut self, lsn: Lsn) {
        let hold = *self.holds.by_lsn(lsn).expect("a hold to resolve is live");
        self.undo.changes.push(Change::HoldResolved { hold });
    }
}
