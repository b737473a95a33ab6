//! The rules' view of the engine: a frame to write to, and the past to ask.

use super::budgets::Budgets;
use super::commits::actor_bytes;
use super::past::{Past, find_in_memory, key_of, outcome_of, transfer_of};
use crate::commits::Caller;
use crate::log::{self, FrameBuilder};
use crate::runs::Mark;
use florin_ledger::record::{Record, RefusalRecord, TransferRecord};
use florin_ledger::{
    Hold, HoldOutcome, Journal, Ledger, Lsn, PastHold, PastTransfer, Timestamp, Transfer,
    TransferFlags, TransferId,
};

/// One request's journal: its records go to the open frame, its ids to the indexes.
pub(super) struct FrameJournal<'engine> {
    past: &'engine mut Past,
    chain: Option<ChainMark>,
    /// Whose batch it is, if refusals of its events are kept.
    asked: Option<(&'engine Caller, &'engine mut Budgets)>,
    /// Where its first record lies, if it has one.
    first: Option<Lsn>,
}

/// Where a chain began: the frame, and the three indexes.
struct ChainMark {
    frame: log::Mark,
    transfers: Mark,
    settled: Mark,
    imported: Mark,
}

impl<'engine> FrameJournal<'engine> {
    /// A journal that writes to the open frame.
    pub(super) fn new(past: &'engine mut Past) -> FrameJournal<'engine> {
        assert!(past.open.is_some(), "a request is executed into an open frame");
        FrameJournal { past, chain: None, asked: None, first: None }
    }

    /// The same for a batch of a caller: what of it is refused is put on record within its budget.
    pub(super) fn asked_by(
        self,
        caller: &'engine Caller,
        budgets: &'engine mut Budgets,
    ) -> FrameJournal<'engine> {
        FrameJournal { asked: Some((caller, budgets)), ..self }
    }

    /// Where the first record lies that was appended, if any was, be it one that was undone.
    pub(super) fn first(&self) -> Option<Lsn> {
        self.first
    }

    fn frame(&self) -> &FrameBuilder {
        self.past.open.as_ref().expect("the frame stays open while a request is executed")
    }

    fn frame_mut(&mut self) -> &mut FrameBuilder {
        self.past.open.as_mut().expect("the frame stays open while a request is executed")
    }

    /// A record that this very request appended for an id.
    fn own_record(&self, id: TransferId) -> Option<(Record, Timestamp)> {
        self.frame().record_at(find_in_memory(&self.past.indexes.transfers, id.0)?)
    }

    /// The id of a hold that this request settled.
    fn settled_id(&self, pending: Lsn) -> TransferId {
        let own = self.frame().record_at(pending).map(|(record, _)| record);
        match own {
            Some(Record::Transfer(hold)) => hold.id,
            _ => {
                let fetched = self.past.fetched.live_hold_id(pending);
                fetched.expect("what a request settles was live before or is its own")
            }
        }
    }

    /// How this request settled a hold.
    fn own_outcome(&self, hold: Lsn) -> HoldOutcome {
        let lsn = find_in_memory(&self.past.indexes.settled, key_of(hold));
        let record = lsn.and_then(|lsn| self.frame().record_at(lsn));
        let outcome = record.and_then(|(record, _)| outcome_of(&record));
        outcome.expect("a hold that is not live any more was settled by this request")
    }
}

impl Journal for FrameJournal<'_> {
    #[inline]
    fn past_transfer(&self, ledger: &Ledger, id: TransferId) -> PastTransfer {
        if let Some(past) = self.past.fetched.transfer(id) {
            return past;
        }
        match self.own_record(id) {
            None => PastTransfer::Unknown,
            Some((Record::Transfer(record), time)) => {
                let pending_id = if record.pending.is_some() {
                    self.settled_id(record.pending)
                } else {
                    TransferId::ZERO
                };
                PastTransfer::Created(transfer_of(ledger, &record, time, pending_id))
            }
            Some(_) => PastTransfer::Failed,
        }
    }

    fn past_hold(&self, ledger: &Ledger, id: TransferId) -> PastHold {
        if let Some(past) = self.past.fetched.holds.get(&id) {
            return *past;
        }
        if let Some(hold) = self.past.fetched.live_holds.get(&id) {
            return PastHold::Settled(hold_of(ledger, hold), self.own_outcome(hold.lsn));
        }
        let lsn = find_in_memory(&self.past.indexes.transfers, id.0);
        match (lsn, self.own_record(id)) {
            (Some(lsn), Some((Record::Transfer(record), time))) => {
                if !is_hold(&record) {
                    return PastHold::NotPending;
                }
                let hold = transfer_of(ledger, &record, time, TransferId::ZERO);
                PastHold::Settled(hold, self.own_outcome(lsn))
            }
            _ => PastHold::Unknown,
        }
    }

    fn has_transfer_at(&self, timestamp: Timestamp) -> bool {
        self.past.fetched.transfer_times.contains(&timestamp)
    }

    #[inline]
    fn append(&mut self, time: Timestamp, record: &Record) -> Lsn {
        let lsn = self.frame_mut().push(time, record);
        self.past.indexes.enter(lsn, record, &[]);
        self.first.get_or_insert(lsn);
        lsn
    }

    fn append_refusal(&mut self, time: Timestamp, refusal: RefusalRecord) -> Option<Lsn> {
        assert!(self.chain.is_none(), "a chain is over before its refusal is on record");
        let (caller, budgets) = self.asked.as_mut()?;
        if !budgets.spend(caller, refusal.reason, time) {
            return None;
        }
        let name = caller.name().as_bytes();
        let record = Record::Refusal(RefusalRecord { actor_bytes: actor_bytes(name), ..refusal });
        let lsn = self.frame_mut().push_with_payload(time, &record, name);
        Some(lsn)
    }

    fn chain_begin(&mut self) {
        assert!(self.chain.is_none(), "chains do not nest");
        self.chain = Some(ChainMark {
            frame: self.frame_mut().mark(),
            transfers: self.past.indexes.transfers.mark(),
            settled: self.past.indexes.settled.mark(),
            imported: self.past.indexes.imported.mark(),
        });
    }

    fn chain_keep(&mut self) {
        assert!(self.chain.take().is_some(), "a chain is kept after it began");
    }

    fn chain_undo(&mut self) {
        let chain = self.chain.take().expect("a chain is undone after it began");
        self.frame_mut().undo(chain.frame);
        self.past.indexes.transfers.undo(chain.transfers);
        self.past.indexes.settled.undo(chain.settled);
        self.past.indexes.imported.undo(chain.imported);
    }
}

fn is_hold(record: &TransferRecord) -> bool {
    record.flags.contains(TransferFlags::PENDING)
}

/// A hold as the transfer that placed it.
fn hold_of(ledger: &Ledger, hold: &Hold) -> Transfer {
    Transfer {
        id: hold.id,
        debit_account_id: ledger.row(hold.debit_slot).expect("applied").id,
        credit_account_id: ledger.row(hold.credit_slot).expect("applied").id,
        amount: hold.amount,
        pending_id: TransferId::ZERO,
        user_data_128: hold.user_data_128,
        user_data_64: hold.user_data_64,
        user_data_32: hold.user_data_32,
        timeout: hold.timeout,
        ledger: hold.ledger,
        code: hold.code,
        flags: hold.flags,
        timestamp: hold.timestamp,
    }
}
