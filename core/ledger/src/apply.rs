//! Moving balances by a record, without asking any rule. The live path, recovery, standbys and
//! `verify` all come through here, so what is replayed is what was done.
//!
//! Apply tolerates rows that are newer than the record: a checkpoint copies rows while the engine
//! runs, so a row may already reflect postings after the position from which the log is replayed.
//! Each row says which posting it reflects, and a side that already has the record's is passed over.
//! Holds and totals are exact, and always moved.

use crate::account::AccountFlags;
use crate::accounts::AccountRow;
use crate::amount::Amount;
use crate::holds::Hold;
use crate::id::{Lsn, Slot, Timestamp};
use crate::record::{
    AccountRecord, Balances, ExpiryRecord, Record, TransferRecord, WaypointRecord,
};
use crate::state::Ledger;
use crate::transfer::TransferFlags;
use core::fmt;

/// A record or row that contradicts the tables: the log, the checkpoint or this program is wrong.
/// The tables are not usable afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inconsistent {
    /// The recorded time is not later than the one before.
    Time {
        /// The recorded time.
        time: Timestamp,
    },
    /// The account is out of order, opened twice, or another one.
    Account {
        /// Its slot.
        slot: Slot,
    },
    /// There is no such account.
    NoAccount {
        /// Its slot.
        slot: Slot,
    },
    /// The record's previous posting or waypoint is not the account's newest.
    Previous {
        /// The account.
        slot: Slot,
        /// What the record says.
        prev: Lsn,
        /// What the account says.
        newest: Lsn,
    },
    /// The hold is not live, is live twice, or says otherwise than the record.
    Hold {
        /// Its position.
        hold: Lsn,
    },
    /// A balance would go below zero or beyond 2^128-1, or an open account would be reopened.
    Balance {
        /// The account.
        slot: Slot,
    },
    /// The balances or postings of a waypoint are not the account's.
    Waypoint {
        /// The account.
        slot: Slot,
    },
}

impl fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inconsistent::Time { time } => write!(f, "recorded time {time} does not rise"),
            Inconsistent::Account { slot } => write!(f, "account at slot {slot} does not fit in"),
            Inconsistent::NoAccount { slot } => write!(f, "there is no account at slot {slot}"),
            Inconsistent::Previous { slot, prev, newest } => write!(
                f,
                "posting on slot {slot} follows position {prev}, the newest is at {newest}"
            ),
            Inconsistent::Hold { hold } => write!(f, "hold at position {hold} does not fit in"),
            Inconsistent::Balance { slot } => write!(f, "posting breaks a balance of slot {slot}"),
            Inconsistent::Waypoint { slot } => {
                write!(f, "waypoint of slot {slot} differs from its account")
            }
        }
    }
}

impl core::error::Error for Inconsistent {}

/// What a posting does to the balances of either account.
struct Movement {
    /// Given back from pending.
    release: Amount,
    /// Added to pending.
    hold: Amount,
    /// Added to posted.
    post: Amount,
    /// The flags of a closing hold: what to close, or what to reopen.
    closing: TransferFlags,
    /// Whether `closing` says what to reopen.
    reopens: bool,
}

impl Movement {
    #[inline]
    fn of_transfer(record: &TransferRecord) -> Movement {
        let mut movement = Movement {
            release: Amount::ZERO,
            hold: Amount::ZERO,
            post: record.amount,
            closing: record.flags,
            reopens: false,
        };
        if record.flags.contains(TransferFlags::PENDING) {
            movement.hold = record.amount;
            movement.post = Amount::ZERO;
        }
        movement
    }

    fn of_post(hold: &Hold, amount: Amount) -> Movement {
        Movement {
            release: hold.amount,
            hold: Amount::ZERO,
            post: amount,
            closing: TransferFlags::NONE,
            reopens: false,
        }
    }

    fn of_release(hold: &Hold) -> Movement {
        Movement {
            release: hold.amount,
            hold: Amount::ZERO,
            post: Amount::ZERO,
            closing: hold.flags,
            reopens: true,
        }
    }
}

impl Ledger {
    /// Applies a record of the log, in log order, at its position and with its recorded time.
    /// Rows may be newer than the record; holds and totals must be exactly as before it.
    ///
    /// # Errors
    /// [`Inconsistent`] if the record contradicts the tables. They are not usable afterwards.
    pub fn apply(
        &mut self,
        lsn: Lsn,
        time: Timestamp,
        record: &Record,
    ) -> Result<(), Inconsistent> {
        let shares_time = matches!(
            record,
            Record::Waypoint(_)
                | Record::Epoch(_)
                | Record::Life(_)
                | Record::Refusal(_)
                | Record::Part(_)
        );
        if time < self.totals.last_recorded || (time == self.totals.last_recorded && !shares_time) {
            return Err(Inconsistent::Time { time });
        }
        self.totals.last_recorded = time;
        match record {
            Record::Transfer(transfer) => self.apply_transfer(lsn, time, transfer),
            Record::Expiry(expiry) => self.apply_expiry(lsn, time, expiry),
            Record::Account(account) => self.apply_account(time, account),
            Record::Waypoint(waypoint) => self.apply_waypoint(lsn, waypoint),
            Record::Failed(_)
            | Record::Epoch(_)
            | Record::Life(_)
            | Record::Document(_)
            | Record::Event(_)
            | Record::Commit(_)
            | Record::Refusal(_)
            | Record::Part(_) => Ok(()),
        }
    }

    fn apply_account(
        &mut self,
        time: Timestamp,
        record: &AccountRecord,
    ) -> Result<(), Inconsistent> {
        let imported = record.flags.contains(AccountFlags::IMPORTED);
        let timestamp = if imported { record.imported_timestamp } else { time };
        match self.accounts.row(record.slot) {
            Some(row) if row.id == record.id && row.timestamp == timestamp => Ok(()),
            Some(_) => Err(Inconsistent::Account { slot: record.slot }),
            None => self.accounts.open(record, timestamp),
        }
    }

    #[inline]
    fn apply_transfer(
        &mut self,
        lsn: Lsn,
        time: Timestamp,
        record: &TransferRecord,
    ) -> Result<(), Inconsistent> {
        let imported = record.flags.contains(TransferFlags::IMPORTED);
        let timestamp = if imported { record.imported_timestamp } else { time };
        let movement = if record.pending.is_some() {
            self.resolve_hold(record)?
        } else {
            if record.flags.contains(TransferFlags::PENDING)
                && !self.holds.insert(Hold::placed(lsn, timestamp, record))
            {
                return Err(Inconsistent::Hold { hold: lsn });
            }
            Movement::of_transfer(record)
        };
        self.move_debit(lsn, record.debit_slot, record.debit_prev, &movement)?;
        self.move_credit(lsn, record.credit_slot, record.credit_prev, &movement)?;
        self.totals.last_posting_timestamp = timestamp;
        self.totals.transfers_count += 1;
        Ok(())
    }

    /// The hold's amount and closing flags come from the hold itself, never from rules.
    fn resolve_hold(&mut self, record: &TransferRecord) -> Result<Movement, Inconsistent> {
        let inconsistent = Inconsistent::Hold { hold: record.pending };
        let hold = self.holds.remove(record.pending).ok_or(inconsistent)?;
        if hold.debit_slot != record.debit_slot || hold.credit_slot != record.credit_slot {
            return Err(inconsistent);
        }
        if record.flags.contains(TransferFlags::POST_PENDING_TRANSFER) {
            return Ok(Movement::of_post(&hold, record.amount));
        }
        Ok(Movement::of_release(&hold))
    }

    fn apply_expiry(
        &mut self,
        lsn: Lsn,
        time: Timestamp,
        record: &ExpiryRecord,
    ) -> Result<(), Inconsistent> {
        let inconsistent = Inconsistent::Hold { hold: record.hold };
        let hold = self.holds.remove(record.hold).ok_or(inconsistent)?;
        if hold.debit_slot != record.debit_slot || hold.credit_slot != record.credit_slot {
            return Err(inconsistent);
        }
        if hold.amount != record.amount {
            return Err(inconsistent);
        }
        let movement = Movement::of_release(&hold);
        self.move_debit(lsn, record.debit_slot, record.debit_prev, &movement)?;
        self.move_credit(lsn, record.credit_slot, record.credit_prev, &movement)?;
        // An expiry within a batch of imports may be earlier than what the batch imported before it.
        self.totals.last_posting_timestamp = self.totals.last_posting_timestamp.max(time);
        Ok(())
    }

    fn apply_waypoint(&mut self, lsn: Lsn, record: &WaypointRecord) -> Result<(), Inconsistent> {
        let slot = record.slot;
        let row = self.accounts.row_mut(slot).ok_or(Inconsistent::NoAccount { slot })?;
        if lsn <= row.last_waypoint {
            return Ok(());
        }
        let newest = row.last_waypoint;
        if record.waypoint_prev != newest {
            return Err(Inconsistent::Previous { slot, prev: record.waypoint_prev, newest });
        }
        // A row copied after later postings can no longer say what its balances were here.
        let is_current = row.last_posting <= record.posting;
        let agrees = row.last_posting == record.posting
            && row.postings_count == record.postings_count
            && row.balances == record.balances;
        if is_current && !agrees {
            return Err(Inconsistent::Waypoint { slot });
        }
        row.last_waypoint = lsn;
        Ok(())
    }

    #[inline]
    fn move_debit(
        &mut self,
        lsn: Lsn,
        slot: Slot,
        prev: Lsn,
        movement: &Movement,
    ) -> Result<(), Inconsistent> {
        let Some(row) = self.row_to_post(lsn, slot, prev)? else { return Ok(()) };
        let Balances { debits_pending, debits_posted, .. } = row.balances;
        let (pending, posted) =
            moved(debits_pending, debits_posted, movement).ok_or(Inconsistent::Balance { slot })?;
        row.balances.debits_pending = pending;
        row.balances.debits_posted = posted;
        if movement.closing.contains(TransferFlags::CLOSING_DEBIT) {
            close_or_reopen(row, slot, movement)?;
        }
        self.moved.debit((debits_pending, debits_posted), (pending, posted));
        Ok(())
    }

    #[inline]
    fn move_credit(
        &mut self,
        lsn: Lsn,
        slot: Slot,
        prev: Lsn,
        movement: &Movement,
    ) -> Result<(), Inconsistent> {
        let Some(row) = self.row_to_post(lsn, slot, prev)? else { return Ok(()) };
        let Balances { credits_pending, credits_posted, .. } = row.balances;
        let (pending, posted) = moved(credits_pending, credits_posted, movement)
            .ok_or(Inconsistent::Balance { slot })?;
        row.balances.credits_pending = pending;
        row.balances.credits_posted = posted;
        if movement.closing.contains(TransferFlags::CLOSING_CREDIT) {
            close_or_reopen(row, slot, movement)?;
        }
        self.moved.credit((credits_pending, credits_posted), (pending, posted));
        Ok(())
    }

    /// The row, with this posting as its newest; `None` if it already reflects it.
    #[inline]
    fn row_to_post(
        &mut self,
        lsn: Lsn,
        slot: Slot,
        prev: Lsn,
    ) -> Result<Option<&mut AccountRow>, Inconsistent> {
        let row = self.accounts.row_mut(slot).ok_or(Inconsistent::NoAccount { slot })?;
        if lsn <= row.last_posting {
            return Ok(None);
        }
        if prev != row.last_posting {
            return Err(Inconsistent::Previous { slot, prev, newest: row.last_posting });
        }
        row.last_posting = lsn;
        row.postings_count += 1;
        Ok(Some(row))
    }
}

/// The new pending and posted sums, or `None` if one of them, or both together, would not fit.
#[inline]
fn moved(pending: Amount, posted: Amount, movement: &Movement) -> Option<(Amount, Amount)> {
    let pending = pending.checked_sub(movement.release)?.checked_add(movement.hold)?;
    let posted = posted.checked_add(movement.post)?;
    pending.checked_add(posted)?;
    Some((pending, posted))
}

fn close_or_reopen(
    row: &mut AccountRow,
    slot: Slot,
    movement: &Movement,
) -> Result<(), Inconsistent> {
    if row.is_closed() != movement.reopens {
        return Err(Inconsistent::Balance { slot });
    }
    row.flags = if movement.reopens {
        row.flags.without(AccountFlags::CLOSED)
    } else {
        row.flags.with(AccountFlags::CLOSED)
    };
    Ok(())
}
