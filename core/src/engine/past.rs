//! What happened before: the indexes of ids, the newest frames, and the records they lead to.
//!
//! Execution sees only memory. So each request is prefetched first: whatever its events may touch
//! that is not in memory (a repeated id, a hold resolved long ago) is read into `fetched`, and the
//! rules then find it there. Ids that were never used cost one comparison in the normal case.

use super::ask::DocumentPlace;
use super::documents::Documents;
use super::fetched::Fetched;
use super::tail::Tail;
use crate::documents::{DocumentIndex, DocumentRuns};
use crate::error::Error;
use crate::log::{FrameBuilder, LogReader, ReadError};
use crate::runs::{Index, Lookup, RunError, RunKind};
use florin_ledger::record::{Record, TransferRecord};
use florin_ledger::{
    HoldOutcome, Ledger, Lsn, PastHold, PastTransfer, Position, Timestamp, Transfer, TransferFlags,
    TransferId,
};

/// The indexes, the newest frames (the open one too), and what the present request needs of older
/// ones.
pub(crate) struct Past {
    pub(crate) indexes: Indexes,
    /// The frame that is being written to.
    pub(crate) open: Option<FrameBuilder>,
    pub(crate) tail: Tail,
    pub(super) fetched: Fetched,
    pub(super) reader: LogReader,
    durable: Lsn,
    /// Where this opening begins, and its epoch.
    epoch: Position,
}

/// Where things are in the log.
pub(crate) struct Indexes {
    /// Transfer id (created or failed) to its record.
    pub(crate) transfers: Index,
    /// Position of a hold to the record that resolved it.
    pub(crate) settled: Index,
    /// Timestamp of an imported transfer to its record.
    pub(crate) imported: Index,
    /// Id of a commit to the record that decided it.
    pub(crate) commits: Index,
    /// Documents, by table and key.
    pub(crate) documents: Documents,
}

impl Indexes {
    /// Of a few things that are put together for one question.
    pub(crate) fn of_few() -> Indexes {
        let documents = DocumentIndex::new(DocumentRuns::empty());
        Indexes {
            transfers: Index::of_few(RunKind::TransferIds),
            settled: Index::of_few(RunKind::HoldOutcomes),
            imported: Index::of_few(RunKind::ImportedTimestamps),
            commits: Index::of_few(RunKind::CommitIds),
            documents: Documents::new(documents, 0, Timestamp::NONE),
        }
    }

    /// Those whose keys are numbers.
    pub(crate) fn all(&self) -> [&Index; 4] {
        [&self.transfers, &self.settled, &self.imported, &self.commits]
    }

    /// Those whose keys are numbers.
    pub(crate) fn all_mut(&mut self) -> [&mut Index; 4] {
        [&mut self.transfers, &mut self.settled, &mut self.imported, &mut self.commits]
    }

    /// Enters what a record and its payload say; deciding and recovering use the same.
    #[inline]
    pub(crate) fn enter(&mut self, lsn: Lsn, record: &Record, payload: &[u8]) {
        if let Record::Document(document) = record {
            return self.documents.enter(lsn, document, payload);
        }
        for_each_key(record, |kind, key| match kind {
            RunKind::TransferIds => self.transfers.insert(key, lsn.0),
            RunKind::HoldOutcomes => self.settled.insert(key, lsn.0),
            RunKind::ImportedTimestamps => self.imported.insert(key, lsn.0),
            RunKind::CommitIds => self.commits.insert(key, lsn.0),
            RunKind::Documents => unreachable!("keys of documents are no numbers"),
        });
    }
}

/// The keys under which a record is found in the indexes.
#[inline]
pub(crate) fn for_each_key(record: &Record, mut visit: impl FnMut(RunKind, u128)) {
    match record {
        Record::Transfer(transfer) => {
            visit(RunKind::TransferIds, transfer.id.0);
            if transfer.pending.is_some() {
                visit(RunKind::HoldOutcomes, key_of(transfer.pending));
            }
            if transfer.flags.contains(TransferFlags::IMPORTED) {
                visit(RunKind::ImportedTimestamps, transfer.imported_timestamp.0.into());
            }
        }
        Record::Expiry(expiry) => visit(RunKind::HoldOutcomes, key_of(expiry.hold)),
        Record::Failed(failed) => visit(RunKind::TransferIds, failed.id.0),
        Record::Commit(commit) => visit(RunKind::CommitIds, commit.id.0),
        Record::Refusal(refusal) if refusal.reason.is_final() => {
            visit(RunKind::CommitIds, refusal.id);
        }
        Record::Account(_)
        | Record::Waypoint(_)
        | Record::Epoch(_)
        | Record::Life(_)
        | Record::Document(_)
        | Record::Event(_)
        | Record::Refusal(_)
        | Record::Part(_) => {}
    }
}

impl Past {
    pub(crate) fn new(indexes: Indexes, reader: LogReader, durable: Lsn) -> Past {
        let (open, tail, fetched) = (None, Tail::default(), Fetched::default());
        Past { indexes, open, tail, fetched, reader, durable, epoch: Position::NONE }
    }

    /// An epoch has begun: what is written from this position on is its.
    pub(super) fn begin_epoch(&mut self, at: Position) {
        self.epoch = at;
    }

    /// Whether a position is one that this opening wrote.
    pub(super) fn is_of_this_epoch(&self, lsn: Lsn) -> bool {
        self.epoch.is_some() && self.epoch.lsn <= lsn
    }

    /// A position as it is told outside. Of an earlier opening it is read from the log.
    pub(super) fn position_of(&self, lsn: Lsn) -> Result<Position, Error> {
        if self.is_of_this_epoch(lsn) {
            return Ok(Position { epoch: self.epoch.epoch, lsn });
        }
        Ok(Position { epoch: self.reader.epoch_of(lsn)?, lsn })
    }

    /// Everything before this position may be read from the disk.
    pub(crate) fn set_durable(&mut self, durable: Lsn) {
        assert!(self.durable <= durable);
        self.durable = durable;
        self.tail.release(durable);
    }

    pub(crate) fn durable(&self) -> Lsn {
        self.durable
    }

    /// Whether what was written at a position is known to be durable.
    pub(super) fn is_durable(&self, lsn: Lsn) -> bool {
        let is_open = self.open.as_ref().is_some_and(|frame| frame.start() <= lsn);
        // What is not in memory any more was durable when it left.
        !is_open && self.tail.frame_with(lsn).is_none_or(|frame| frame.end() <= self.durable)
    }

    /// The document that was written at a position, if its frame is in memory and its bytes fit into `room`.
    pub(super) fn recent_document(&self, lsn: Lsn, room: &mut usize) -> Option<DocumentPlace> {
        let (Record::Document(record), _) = self.recent_record(lsn)? else { return None };
        *room = room.checked_sub(Record::Document(record).payload_bytes())?;
        let open = self.open.as_ref().and_then(|frame| frame.payload_at(lsn));
        let payload = open.or_else(|| self.tail.frame_with(lsn)?.payload_at(lsn))?;
        Some(DocumentPlace::Recent(self.position_of(lsn).ok()?, record, payload))
    }

    /// A record of the open frame or of the newest ones.
    fn recent_record(&self, lsn: Lsn) -> Option<(Record, Timestamp)> {
        let open = self.open.as_ref().and_then(|frame| frame.record_at(lsn));
        open.or_else(|| self.tail.record_at(lsn))
    }

    /// Takes note of facts that no index here leads to.
    pub(crate) fn know(
        &mut self,
        transfers: Vec<(TransferId, PastTransfer)>,
        holds: Vec<(TransferId, PastHold)>,
    ) {
        self.fetched.transfers.extend(transfers);
        self.fetched.holds.extend(holds);
    }

    /// Brings in what is known of an id that an event wants to use.
    #[inline]
    pub(super) fn fetch_transfer(&mut self, ledger: &Ledger, id: TransferId) -> Result<(), Error> {
        if self.indexes.transfers.lookup(id.0) == Lookup::Absent {
            return Ok(());
        }
        if let Some(lsn) = find(&self.indexes.transfers, id.0)? {
            let past = self.read_transfer(ledger, lsn)?;
            self.fetched.transfers.insert(id, past);
        }
        Ok(())
    }

    /// Brings in what is known of the hold that an event wants to resolve.
    pub(super) fn fetch_hold(&mut self, ledger: &Ledger, id: TransferId) -> Result<(), Error> {
        if let Some(hold) = ledger.hold(id) {
            self.fetched.live_holds.insert(id, *hold);
            return Ok(());
        }
        let Some(lsn) = find(&self.indexes.transfers, id.0)? else { return Ok(()) };
        let hold = match self.read_transfer(ledger, lsn)? {
            PastTransfer::Unknown | PastTransfer::Failed => PastHold::Unknown,
            PastTransfer::Created(hold) if hold.flags.contains(TransferFlags::PENDING) => {
                PastHold::Settled(hold, self.read_outcome(lsn)?)
            }
            PastTransfer::Created(_) => PastHold::NotPending,
        };
        self.fetched.holds.insert(id, hold);
        Ok(())
    }

    /// Finds out whether a transfer has exactly this timestamp. The open frame is not looked at.
    pub(super) fn fetch_time(&mut self, timestamp: Timestamp) -> Result<(), Error> {
        let key = u128::from(timestamp.0);
        let is_taken = timestamp != Timestamp::NONE
            && (find(&self.indexes.imported, key)?.is_some() || self.is_recorded_at(timestamp)?);
        if is_taken {
            self.fetched.transfer_times.insert(timestamp);
        }
        Ok(())
    }

    /// A transfer that was recorded (not imported) at exactly this time.
    fn is_recorded_at(&self, time: Timestamp) -> Result<bool, Error> {
        let is_live = |record: &Record| {
            matches!(record, Record::Transfer(transfer)
                if !transfer.flags.contains(TransferFlags::IMPORTED))
        };
        if self.tail.records_at_time(time).any(|record| is_live(&record)) {
            return Ok(true);
        }
        let Some(from) = self.reader.find_time(time, self.durable)? else { return Ok(false) };
        let mut frames = self.reader.frames(from, self.durable);
        while let Some(frame) = frames.next()? {
            if time < frame.timestamp() {
                break;
            }
            for stored in frame.records() {
                let stored = stored.map_err(ReadError::from)?;
                if stored.time == time && is_live(&stored.record) {
                    return Ok(true);
                }
            }
        }
        frames.check_whole()?;
        Ok(false)
    }

    /// A record of the open frame, of the newest ones, or from the disk.
    pub(super) fn read_record(&self, lsn: Lsn) -> Result<(Record, Timestamp), Error> {
        if let Some(found) = self.recent_record(lsn) {
            return Ok(found);
        }
        let stored = self.reader.record(lsn, self.durable)?;
        Ok((stored.record, stored.time))
    }

    fn read_transfer(&self, ledger: &Ledger, lsn: Lsn) -> Result<PastTransfer, Error> {
        let (record, time) = self.read_record(lsn)?;
        match record {
            Record::Failed(_) => Ok(PastTransfer::Failed),
            Record::Transfer(record) => {
                let pending_id = self.read_pending_id(&record)?;
                Ok(PastTransfer::Created(transfer_of(ledger, &record, time, pending_id)))
            }
            _ => Err(wrong_record(lsn, "a transfer or a failed id")),
        }
    }

    fn read_pending_id(&self, record: &TransferRecord) -> Result<TransferId, Error> {
        if !record.pending.is_some() {
            return Ok(TransferId::ZERO);
        }
        match self.read_record(record.pending)?.0 {
            Record::Transfer(hold) => Ok(hold.id),
            _ => Err(wrong_record(record.pending, "a hold")),
        }
    }

    fn read_outcome(&self, hold: Lsn) -> Result<HoldOutcome, Error> {
        let Some(lsn) = find(&self.indexes.settled, key_of(hold))? else {
            return Err(wrong_record(hold, "a hold that is live or settled"));
        };
        outcome_of(&self.read_record(lsn)?.0).ok_or_else(|| wrong_record(lsn, "the end of a hold"))
    }
}

/// Looks in memory, then in the runs.
pub(super) fn find(index: &Index, key: u128) -> Result<Option<Lsn>, RunError> {
    match index.lookup(key) {
        Lookup::Absent => Ok(None),
        Lookup::Found(lsn) => Ok(Some(Lsn(lsn))),
        Lookup::Unknown => Ok(index.runs().get(key)?.map(Lsn)),
    }
}

/// The position that memory knows of a key.
#[inline]
pub(super) fn find_in_memory(index: &Index, key: u128) -> Option<Lsn> {
    match index.lookup(key) {
        Lookup::Found(lsn) => Some(Lsn(lsn)),
        Lookup::Absent | Lookup::Unknown => None,
    }
}

/// The key of a position in an index.
pub(super) fn key_of(lsn: Lsn) -> u128 {
    u128::from(lsn.0)
}

/// How a record ended a hold.
pub(crate) fn outcome_of(record: &Record) -> Option<HoldOutcome> {
    match record {
        Record::Expiry(_) => Some(HoldOutcome::Expired),
        Record::Transfer(record) if record.flags.contains(TransferFlags::POST_PENDING_TRANSFER) => {
            Some(HoldOutcome::Posted)
        }
        Record::Transfer(record) if record.flags.contains(TransferFlags::VOID_PENDING_TRANSFER) => {
            Some(HoldOutcome::Voided)
        }
        _ => None,
    }
}

/// A transfer as callers see it. Its slots have accounts: the record was applied.
pub(super) fn transfer_of(
    ledger: &Ledger,
    record: &TransferRecord,
    time: Timestamp,
    pending_id: TransferId,
) -> Transfer {
    let is_imported = record.flags.contains(TransferFlags::IMPORTED);
    Transfer {
        id: record.id,
        debit_account_id: ledger.row(record.debit_slot).expect("applied").id,
        credit_account_id: ledger.row(record.credit_slot).expect("applied").id,
        amount: record.amount,
        pending_id,
        user_data_128: record.user_data_128,
        user_data_64: record.user_data_64,
        user_data_32: record.user_data_32,
        timeout: record.timeout,
        ledger: record.ledger,
        code: record.code,
        flags: record.flags,
        timestamp: if is_imported { record.imported_timestamp } else { time },
    }
}

fn wrong_record(lsn: Lsn, expected: &str) -> Error {
    Error::corrupt(format!(
        "the record at {lsn} is not {expected}, which an index says it is: run `florin rebuild`"
    ))
}
