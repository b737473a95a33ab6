//! Holds that nobody resolved in time. Time passes in the log alone: before an event is decided,
//! every hold due at or before its tick expires, by a record of its own.

use crate::holds::Hold;
use crate::id::Timestamp;
use crate::journal::Journal;
use crate::record::{ExpiryRecord, Record};
use crate::state::Ledger;
use crate::ticks::Ticks;

impl Ledger {
    /// Expires holds due at or before the next tick, at most `count_max`, one record and tick each,
    /// in order of expiry, then of timestamp. Returns how many.
    ///
    /// # Panics
    /// If the ticks run out, in the year 2262.
    #[inline]
    pub fn expire_due(
        &mut self,
        ticks: &mut Ticks,
        count_max: usize,
        journal: &mut impl Journal,
    ) -> usize {
        let mut count = 0;
        while self.holds.is_due(ticks.next()) && count < count_max {
            self.expire_first(ticks.take(), journal);
            count += 1;
        }
        count
    }

    /// Expires again what an undone chain took back, at the times it had (given latest first): they
    /// passed before the chain failed, and what is recorded next comes after them. A hold that the
    /// chain itself had placed is gone.
    pub(crate) fn expire_again(&mut self, times: &[Timestamp], journal: &mut impl Journal) {
        for time in times.iter().rev() {
            if self.holds.is_due(*time) {
                self.expire_first(*time, journal);
            }
        }
    }

    #[cold]
    fn expire_first(&mut self, time: Timestamp, journal: &mut impl Journal) {
        let hold: Hold = *self.holds.first_due(time).expect("a hold is due");
        let record = ExpiryRecord {
            hold: hold.lsn,
            amount: hold.amount,
            debit_slot: hold.debit_slot,
            credit_slot: hold.credit_slot,
            debit_prev: self.accounts.row_known(hold.debit_slot).last_posting,
            credit_prev: self.accounts.row_known(hold.credit_slot).last_posting,
        };
        let slots = [hold.debit_slot, hold.credit_slot];
        self.commit_posting(time, &Record::Expiry(record), slots, journal);
    }
}
