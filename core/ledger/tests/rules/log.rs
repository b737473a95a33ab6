//! A log in a vector: the journal of the tests. Everything is answered by reading the records from
//! the start, so that no index of the journal can hide a fault of the rules.

use florin_ledger::record::{AccountRecord, Record, RefusalRecord, TransferRecord};
use florin_ledger::{
    AccountId, HoldOutcome, Journal, Ledger, Lsn, PastHold, PastTransfer, Slot, Timestamp,
    Transfer, TransferFlags, TransferId,
};

/// A record with its place and recorded time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) lsn: Lsn,
    pub(crate) time: Timestamp,
    pub(crate) record: Record,
}

#[derive(Clone, Default, Debug)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    /// What was to be put on record as refused: no part of the book.
    pub(crate) refusals: Vec<(Timestamp, RefusalRecord)>,
    chain_start: Option<usize>,
}

impl Log {
    fn account_id(&self, slot: Slot) -> AccountId {
        let accounts = self.entries.iter().filter_map(|entry| match &entry.record {
            Record::Account(account) => Some(account),
            _ => None,
        });
        let of_slot = |account: &&AccountRecord| account.slot == slot;
        accounts.into_iter().find(of_slot).expect("a posting names opened accounts").id
    }

    fn transfers(&self) -> impl Iterator<Item = (&Entry, &TransferRecord)> {
        self.entries.iter().filter_map(|entry| match &entry.record {
            Record::Transfer(transfer) => Some((entry, transfer)),
            _ => None,
        })
    }

    /// The transfer of a record as a caller reads it back.
    fn transfer(&self, entry: &Entry, record: &TransferRecord) -> Transfer {
        let imported = record.flags.contains(TransferFlags::IMPORTED);
        let hold = self.transfers().find(|(hold, _)| hold.lsn == record.pending);
        Transfer {
            id: record.id,
            debit_account_id: self.account_id(record.debit_slot),
            credit_account_id: self.account_id(record.credit_slot),
            amount: record.amount,
            pending_id: hold.map_or(TransferId::ZERO, |(_, hold)| hold.id),
            user_data_128: record.user_data_128,
            user_data_64: record.user_data_64,
            user_data_32: record.user_data_32,
            timeout: record.timeout,
            ledger: record.ledger,
            code: record.code,
            flags: record.flags,
            timestamp: if imported { record.imported_timestamp } else { entry.time },
        }
    }

    fn outcome(&self, hold: Lsn) -> Option<HoldOutcome> {
        self.entries.iter().find_map(|entry| match &entry.record {
            Record::Expiry(expiry) if expiry.hold == hold => Some(HoldOutcome::Expired),
            Record::Transfer(transfer) if transfer.pending == hold => {
                let voids = transfer.flags.contains(TransferFlags::VOID_PENDING_TRANSFER);
                Some(if voids { HoldOutcome::Voided } else { HoldOutcome::Posted })
            }
            _ => None,
        })
    }
}

impl Journal for Log {
    fn past_transfer(&self, _ledger: &Ledger, id: TransferId) -> PastTransfer {
        if let Some((entry, record)) = self.transfers().find(|(_, transfer)| transfer.id == id) {
            return PastTransfer::Created(self.transfer(entry, record));
        }
        let failed = |entry: &Entry| matches!(entry.record, Record::Failed(f) if f.id == id);
        if self.entries.iter().any(failed) { PastTransfer::Failed } else { PastTransfer::Unknown }
    }

    fn past_hold(&self, _ledger: &Ledger, id: TransferId) -> PastHold {
        let Some((entry, record)) = self.transfers().find(|(_, transfer)| transfer.id == id) else {
            return PastHold::Unknown;
        };
        if !record.flags.contains(TransferFlags::PENDING) {
            return PastHold::NotPending;
        }
        let outcome = self.outcome(entry.lsn).expect("asked only for holds that are not live");
        PastHold::Settled(self.transfer(entry, record), outcome)
    }

    fn has_transfer_at(&self, timestamp: Timestamp) -> bool {
        self.transfers().any(|(entry, record)| self.transfer(entry, record).timestamp == timestamp)
    }

    fn append(&mut self, time: Timestamp, record: &Record) -> Lsn {
        let last = self.entries.last();
        let waypoint = matches!(record, Record::Waypoint(_));
        assert!(last.is_none_or(|last| last.time < time || (waypoint && last.time == time)));
        let lsn = Lsn(last.map_or(64, |last| last.lsn.0 + 112));
        self.entries.push(Entry { lsn, time, record: *record });
        lsn
    }

    fn append_refusal(&mut self, time: Timestamp, refusal: RefusalRecord) -> Option<Lsn> {
        assert_eq!(self.chain_start, None, "a chain is over before its refusal is on record");
        self.refusals.push((time, refusal));
        None
    }

    fn chain_begin(&mut self) {
        assert_eq!(self.chain_start, None, "chains do not nest");
        self.chain_start = Some(self.entries.len());
    }

    fn chain_keep(&mut self) {
        assert!(self.chain_start.take().is_some(), "no chain is open");
    }

    fn chain_undo(&mut self) {
        let start = self.chain_start.take().expect("no chain is open");
        self.entries.truncate(start);
    }
}
