//! One posting on one account: what it did to the balances, and how to take that back.

use crate::error::Error;
use crate::log::LogReader;
use florin_ledger::record::{Balances, ExpiryRecord, Record, TransferRecord};
use florin_ledger::{Amount, Lsn, Slot, Timestamp, TransferFlags};

/// A posting of the account whose history is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting {
    pub(super) lsn: Lsn,
    /// The transfer's timestamp; of an expiry, when it was recorded.
    pub(super) timestamp: Timestamp,
    /// The posting before it on the same account.
    pub(super) prev: Lsn,
    pub(super) is_debit: bool,
    pub(super) cause: Cause,
}

/// What moved the balances.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Transfer(TransferRecord),
    Expiry(ExpiryRecord),
}

impl Posting {
    /// Reads the posting at a position of an account's chain.
    pub(super) fn read(
        log: &LogReader,
        slot: Slot,
        lsn: Lsn,
        durable: Lsn,
    ) -> Result<Posting, Error> {
        let stored = log.record(lsn, durable)?;
        let of_sides = |debit: (Slot, Lsn), credit: (Slot, Lsn)| {
            if debit.0 == slot {
                Ok((debit.1, true))
            } else if credit.0 == slot {
                Ok((credit.1, false))
            } else {
                Err(broken_chain(slot, lsn))
            }
        };
        match stored.record {
            Record::Transfer(record) => {
                let (prev, is_debit) = of_sides(
                    (record.debit_slot, record.debit_prev),
                    (record.credit_slot, record.credit_prev),
                )?;
                let timestamp = timestamp_of(&record, stored.time);
                let cause = Cause::Transfer(record);
                Ok(Posting { lsn, timestamp, prev, is_debit, cause })
            }
            Record::Expiry(record) => {
                let (prev, is_debit) = of_sides(
                    (record.debit_slot, record.debit_prev),
                    (record.credit_slot, record.credit_prev),
                )?;
                let cause = Cause::Expiry(record);
                Ok(Posting { lsn, timestamp: stored.time, prev, is_debit, cause })
            }
            _ => Err(broken_chain(slot, lsn)),
        }
    }

    /// The balances before this posting, from those after it.
    pub(super) fn take_back(
        &self,
        after: Balances,
        log: &LogReader,
        durable: Lsn,
    ) -> Result<Balances, Error> {
        let (pending_added, pending_released, posted_added) = self.movement(log, durable)?;
        let mut before = after;
        let (pending, posted) = if self.is_debit {
            (&mut before.debits_pending, &mut before.debits_posted)
        } else {
            (&mut before.credits_pending, &mut before.credits_posted)
        };
        let restored = pending.checked_add(pending_released).and_then(|pending| {
            Some((pending.checked_sub(pending_added)?, posted.checked_sub(posted_added)?))
        });
        let Some(restored) = restored else {
            return Err(Error::corrupt(format!(
                "taking back the posting at {} breaks a balance: run `florin verify`",
                self.lsn
            )));
        };
        (*pending, *posted) = restored;
        Ok(before)
    }

    /// Added to pending, released from pending, added to posted.
    fn movement(&self, log: &LogReader, durable: Lsn) -> Result<(Amount, Amount, Amount), Error> {
        let none = Amount::ZERO;
        let record = match &self.cause {
            Cause::Expiry(expiry) => return Ok((none, expiry.amount, none)),
            Cause::Transfer(record) => record,
        };
        if record.flags.contains(TransferFlags::PENDING) {
            return Ok((record.amount, none, none));
        }
        if !record.pending.is_some() {
            return Ok((none, none, record.amount));
        }
        if record.flags.contains(TransferFlags::VOID_PENDING_TRANSFER) {
            return Ok((none, record.amount, none));
        }
        match log.record(record.pending, durable)?.record {
            Record::Transfer(hold) => Ok((none, hold.amount, record.amount)),
            _ => Err(broken_chain(record.debit_slot, record.pending)),
        }
    }
}

/// When a transfer happened, by its own account.
pub(crate) fn timestamp_of(record: &TransferRecord, recorded: Timestamp) -> Timestamp {
    if record.flags.contains(TransferFlags::IMPORTED) {
        record.imported_timestamp
    } else {
        recorded
    }
}

fn broken_chain(slot: Slot, lsn: Lsn) -> Error {
    Error::corrupt(format!(
        "the record at {lsn} is not a posting on the account at slot {slot}: run `florin verify`"
    ))
}
