//! Running a batch: each event takes its tick, due holds expire first, chains succeed or fail as
//! one, and every decided record goes to the journal and is applied.

use crate::account::{Account, AccountFlags};
use crate::decide_account::decide_account;
use crate::decide_transfer::decide_transfer;
use crate::id::{Lsn, Slot, Timestamp};
use crate::journal::Journal;
use crate::record::{FailedRecord, Record, WAYPOINT_INTERVAL, WaypointRecord};
use crate::state::Ledger;
use crate::status::{
    AccountResult, CreateAccountStatus, CreateTransferStatus, EventResult, TransferResult,
};
use crate::ticks::Ticks;
use crate::transfer::{Transfer, TransferFlags};
use alloc::vec::Vec;

impl Ledger {
    /// Opens accounts, in order, and appends one result for each to `results`.
    ///
    /// # Panics
    /// If `ticks` does not begin after everything recorded so far, or if the journal contradicts
    /// the tables.
    pub fn create_accounts(
        &mut self,
        events: impl ExactSizeIterator<Item = Account>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
        results: &mut Vec<AccountResult>,
    ) {
        self.run(events, ticks, journal, results);
    }

    /// Posts transfers, in order, and appends one result for each to `results`.
    ///
    /// # Panics
    /// If `ticks` does not begin after everything recorded so far, or if the journal contradicts
    /// the tables.
    pub fn create_transfers(
        &mut self,
        events: impl ExactSizeIterator<Item = Transfer>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
        results: &mut Vec<TransferResult>,
    ) {
        self.run(events, ticks, journal, results);
    }

    fn run<E: Event>(
        &mut self,
        events: impl ExactSizeIterator<Item = E>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
        results: &mut Vec<EventResult<E::Status>>,
    ) {
        assert!(self.totals.last_recorded < ticks.next(), "time rises from batch to batch");
        let count = events.len();
        results.reserve(count);
        let mut batch = Batch::beginning_at(ticks.next(), count);
        for (index, event) in events.enumerate() {
            let is_last = index + 1 == count;
            if batch.chain == Chain::Broken {
                let status = E::in_broken_chain(event.is_linked() && is_last);
                results.push(EventResult { status, timestamp: ticks.take() });
                if !event.is_linked() {
                    batch.chain = Chain::None;
                }
                continue;
            }
            self.expire_due(ticks, usize::MAX, journal);
            if event.is_linked() && batch.chain == Chain::None {
                batch.chain = Chain::Open { first: results.len() };
                batch.chain_times.clear();
                self.chain_begin();
                journal.chain_begin();
            }
            let time = ticks.take();
            let result = match batch.refusal(&event, is_last) {
                Some(status) => EventResult { status, timestamp: time },
                None => event.execute(self, time, journal),
            };
            if let Chain::Open { first } = batch.chain {
                batch.chain_times.push(time);
                if !E::is_created(result.status) {
                    self.undo_chain(journal);
                    fail_earlier::<E>(&mut results[first..], &batch.chain_times);
                    batch.chain = if event.is_linked() { Chain::Broken } else { Chain::None };
                } else if !event.is_linked() {
                    self.chain_keep();
                    journal.chain_keep();
                    batch.chain = Chain::None;
                }
            }
            if let Some(failed) = event.remembered(result.status) {
                self.commit(time, &Record::Failed(failed), journal);
            }
            results.push(result);
        }
        // A chain that was left open has been undone by its last event.
        assert!(!matches!(batch.chain, Chain::Open { .. }), "every chain is kept or undone");
    }

    fn undo_chain(&mut self, journal: &mut impl Journal) {
        let expired = self.chain_undo();
        journal.chain_undo();
        self.expire_again(&expired, journal);
    }

    /// Appends a decided record and applies it.
    #[inline]
    pub(crate) fn commit(
        &mut self,
        time: Timestamp,
        record: &Record,
        journal: &mut impl Journal,
    ) -> Lsn {
        let lsn = journal.append(time, record);
        assert!(lsn.is_some(), "position zero says that there is no record");
        self.remember(lsn, time, record);
        self.apply(lsn, time, record).expect("a decided record fits the tables");
        lsn
    }

    /// Commits a record that moves both accounts, and the waypoints that fall due with it.
    #[inline]
    pub(crate) fn commit_posting(
        &mut self,
        time: Timestamp,
        record: &Record,
        slots: [Slot; 2],
        journal: &mut impl Journal,
    ) {
        let posting = self.commit(time, record, journal);
        for slot in slots {
            let row = self.accounts.row_known(slot);
            debug_assert!(row.last_posting == posting, "the posting is the account's newest");
            if row.postings_count.is_multiple_of(WAYPOINT_INTERVAL) {
                let waypoint = WaypointRecord {
                    slot,
                    postings_count: row.postings_count,
                    posting,
                    waypoint_prev: row.last_waypoint,
                    balances: row.balances,
                };
                self.commit(time, &Record::Waypoint(waypoint), journal);
            }
        }
    }
}

/// What of a batch outlives one event.
struct Batch {
    /// The tick that the last event takes if no hold expires in between. Imported timestamps must
    /// be before it, as in the reference, where it is the time of the whole batch.
    end: Timestamp,
    /// Whether the first event is imported; the others must be like it.
    is_imported: Option<bool>,
    chain: Chain,
    /// When the events of the open chain were judged.
    chain_times: Vec<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// The event before was no chain's, or its chain's last.
    None,
    /// All events of the chain were created so far; the first has this place in the results.
    Open { first: usize },
    /// An event of the chain failed; those that remain fail with it.
    Broken,
}

impl Batch {
    fn beginning_at(start: Timestamp, count: usize) -> Batch {
        let ticks = u64::try_from(count.saturating_sub(1)).expect("a usize fits in u64");
        Batch {
            end: start.after_ticks(ticks).unwrap_or(Timestamp::MAX),
            is_imported: None,
            chain: Chain::None,
            chain_times: Vec::new(),
        }
    }

    /// The rules that come before all others and are the same for accounts and transfers.
    #[inline]
    fn refusal<E: Event>(&mut self, event: &E, is_last: bool) -> Option<E::Status> {
        let is_imported = *self.is_imported.get_or_insert(event.is_imported());
        if event.is_linked() && is_last {
            return Some(E::CHAIN_OPEN);
        }
        if event.is_imported() != is_imported {
            let status = if is_imported { E::IMPORTED_EXPECTED } else { E::IMPORTED_NOT_EXPECTED };
            return Some(status);
        }
        let timestamp = event.timestamp();
        if !is_imported {
            return (timestamp != Timestamp::NONE).then_some(E::TIMESTAMP_MUST_BE_ZERO);
        }
        if timestamp == Timestamp::NONE || Timestamp::MAX < timestamp {
            return Some(E::TIMESTAMP_OUT_OF_RANGE);
        }
        (self.end <= timestamp).then_some(E::TIMESTAMP_MUST_NOT_ADVANCE)
    }
}

/// The events of a chain before the one that failed: not created, as of when they were judged.
fn fail_earlier<E: Event>(results: &mut [EventResult<E::Status>], times: &[Timestamp]) {
    assert!(results.len() + 1 == times.len(), "the failing event has no result yet");
    for (result, time) in results.iter_mut().zip(times) {
        *result = EventResult { status: E::CHAIN_FAILED, timestamp: *time };
    }
}

/// What a batch needs to know of its events; accounts and transfers differ in the rest.
trait Event: Copy {
    type Status: Copy;

    const CHAIN_FAILED: Self::Status;
    const CHAIN_OPEN: Self::Status;
    const IMPORTED_EXPECTED: Self::Status;
    const IMPORTED_NOT_EXPECTED: Self::Status;
    const TIMESTAMP_MUST_BE_ZERO: Self::Status;
    const TIMESTAMP_OUT_OF_RANGE: Self::Status;
    const TIMESTAMP_MUST_NOT_ADVANCE: Self::Status;

    fn is_created(status: Self::Status) -> bool;
    fn is_linked(&self) -> bool;
    fn is_imported(&self) -> bool;
    fn timestamp(&self) -> Timestamp;

    /// Decides by the rules, and commits what was decided.
    fn execute(
        &self,
        ledger: &mut Ledger,
        time: Timestamp,
        journal: &mut impl Journal,
    ) -> EventResult<Self::Status>;

    /// What is remembered of a failure.
    fn remembered(&self, status: Self::Status) -> Option<FailedRecord>;

    fn in_broken_chain(leaves_open: bool) -> Self::Status {
        if leaves_open { Self::CHAIN_OPEN } else { Self::CHAIN_FAILED }
    }
}

impl Event for Account {
    type Status = CreateAccountStatus;

    const CHAIN_FAILED: Self::Status = CreateAccountStatus::LinkedEventFailed;
    const CHAIN_OPEN: Self::Status = CreateAccountStatus::LinkedEventChainOpen;
    const IMPORTED_EXPECTED: Self::Status = CreateAccountStatus::ImportedEventExpected;
    const IMPORTED_NOT_EXPECTED: Self::Status = CreateAccountStatus::ImportedEventNotExpected;
    const TIMESTAMP_MUST_BE_ZERO: Self::Status = CreateAccountStatus::TimestampMustBeZero;
    const TIMESTAMP_OUT_OF_RANGE: Self::Status =
        CreateAccountStatus::ImportedEventTimestampOutOfRange;
    const TIMESTAMP_MUST_NOT_ADVANCE: Self::Status =
        CreateAccountStatus::ImportedEventTimestampMustNotAdvance;

    fn is_created(status: Self::Status) -> bool {
        status == CreateAccountStatus::Created
    }

    fn is_linked(&self) -> bool {
        self.flags.contains(AccountFlags::LINKED)
    }

    fn is_imported(&self) -> bool {
        self.flags.contains(AccountFlags::IMPORTED)
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn execute(
        &self,
        ledger: &mut Ledger,
        time: Timestamp,
        journal: &mut impl Journal,
    ) -> AccountResult {
        match decide_account(ledger, self, time, journal) {
            Ok(record) => {
                ledger.commit(time, &Record::Account(record), journal);
                let timestamp = if self.is_imported() { self.timestamp } else { time };
                EventResult { status: CreateAccountStatus::Created, timestamp }
            }
            Err(refused) => refused,
        }
    }

    /// Whether an account can be opened never depends on anything that passes by itself.
    fn remembered(&self, _status: Self::Status) -> Option<FailedRecord> {
        None
    }
}

impl Event for Transfer {
    type Status = CreateTransferStatus;

    const CHAIN_FAILED: Self::Status = CreateTransferStatus::LinkedEventFailed;
    const CHAIN_OPEN: Self::Status = CreateTransferStatus::LinkedEventChainOpen;
    const IMPORTED_EXPECTED: Self::Status = CreateTransferStatus::ImportedEventExpected;
    const IMPORTED_NOT_EXPECTED: Self::Status = CreateTransferStatus::ImportedEventNotExpected;
    const TIMESTAMP_MUST_BE_ZERO: Self::Status = CreateTransferStatus::TimestampMustBeZero;
    const TIMESTAMP_OUT_OF_RANGE: Self::Status =
        CreateTransferStatus::ImportedEventTimestampOutOfRange;
    const TIMESTAMP_MUST_NOT_ADVANCE: Self::Status =
        CreateTransferStatus::ImportedEventTimestampMustNotAdvance;

    #[inline]
    fn is_created(status: Self::Status) -> bool {
        status == CreateTransferStatus::Created
    }

    #[inline]
    fn is_linked(&self) -> bool {
        self.flags.contains(TransferFlags::LINKED)
    }

    #[inline]
    fn is_imported(&self) -> bool {
        self.flags.contains(TransferFlags::IMPORTED)
    }

    #[inline]
    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    #[inline]
    fn execute(
        &self,
        ledger: &mut Ledger,
        time: Timestamp,
        journal: &mut impl Journal,
    ) -> TransferResult {
        match decide_transfer(ledger, self, time, journal) {
            Ok(record) => {
                let slots = [record.debit_slot, record.credit_slot];
                ledger.commit_posting(time, &Record::Transfer(record), slots, journal);
                let timestamp = if self.is_imported() { self.timestamp } else { time };
                EventResult { status: CreateTransferStatus::Created, timestamp }
            }
            Err(refused) => refused,
        }
    }

    #[inline]
    fn remembered(&self, status: Self::Status) -> Option<FailedRecord> {
        status.is_transient().then_some(FailedRecord { id: self.id, status })
    }
}
