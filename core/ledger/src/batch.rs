//! Running a batch: each event takes its tick, due holds expire first, chains succeed or fail as
//! one, and every decided record goes to the journal and is applied.

use crate::account::Account;
use crate::event::Event;
use crate::id::{Lsn, Slot, Timestamp};
use crate::journal::Journal;
use crate::record::{Record, RefusalRecord, WAYPOINT_INTERVAL, WaypointRecord};
use crate::state::Ledger;
use crate::status::{AccountResult, EventResult, TransferResult};
use crate::ticks::Ticks;
use crate::transfer::Transfer;
use alloc::vec::Vec;

/// Events whose accounts are looked up together. One look-up waits for memory several times in a
/// row; those of different events wait at the same time, which is most of the time of a batch over
/// more accounts than fit in the cache.
const BLOCK_EVENTS: usize = 32;

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
        mut events: impl ExactSizeIterator<Item = E>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
        results: &mut Vec<EventResult<E::Status>>,
    ) {
        assert!(self.totals.last_recorded < ticks.next(), "time rises from batch to batch");
        let mut batch = Batch::beginning_at(ticks.next(), events.len(), results);
        let mut block = Vec::with_capacity(BLOCK_EVENTS);
        while 0 < events.len() {
            let next = events.by_ref().take(BLOCK_EVENTS);
            block.clear();
            block.extend(next.map(|event| (event, event.places(self))));
            for (event, places) in &block {
                batch.remaining_count -= 1;
                if batch.chain == Chain::Broken {
                    batch.skip(event, ticks.take());
                } else {
                    self.run_event(event, *places, &mut batch, ticks, journal);
                }
            }
        }
        assert!(batch.remaining_count == 0, "every event has its result");
        assert!(batch.chain == Chain::None, "every chain is kept or undone");
    }

    #[inline]
    fn run_event<E: Event>(
        &mut self,
        event: &E,
        places: E::Places,
        batch: &mut Batch<E>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
    ) {
        self.expire_due(ticks, usize::MAX, journal);
        if event.is_linked() && batch.chain == Chain::None {
            batch.chain = Chain::Open { first: batch.results.len() };
            batch.chain_times.clear();
            self.chain_begin();
            journal.chain_begin();
        }
        let time = ticks.take();
        let result = match batch.refusal(event) {
            Some(status) => EventResult { status, timestamp: time },
            None => event.execute(places, self, time, journal),
        };
        if let Chain::Open { first } = batch.chain {
            batch.chain_times.push(time);
            if !E::is_created(result.status) {
                self.undo_chain(journal);
                batch.fail_from(first);
                batch.chain = batch.after_failure(event);
            } else if !event.is_linked() {
                self.chain_keep();
                journal.chain_keep();
                batch.chain = Chain::None;
            }
        }
        if !E::is_created(result.status) {
            self.put_on_record(event, result.status, batch.results.len(), time, journal);
        }
        batch.results.push(result);
    }

    /// Puts on record that the event at a place of its batch was refused. What answers a repeat is no
    /// refusal, and what fails with its chain is not at fault.
    #[cold]
    fn put_on_record<E: Event>(
        &mut self,
        event: &E,
        status: E::Status,
        index: usize,
        time: Timestamp,
        journal: &mut impl Journal,
    ) {
        if let Some(failed) = event.remembered(status) {
            self.commit(time, &Record::Failed(failed), journal);
        }
        let Some(reason) = E::refusal(status) else { return };
        let refusal = RefusalRecord {
            id: event.id(),
            digest: [0; 32],
            reason,
            index: u32::try_from(index).expect("a batch is bounded"),
            count: 1,
            actor_bytes: 0,
        };
        if let Some(lsn) = journal.append_refusal(time, refusal) {
            let record = Record::Refusal(refusal);
            self.apply(lsn, time, &record).expect("a refusal moves nothing");
        }
    }

    pub(crate) fn undo_chain(&mut self, journal: &mut impl Journal) {
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
struct Batch<'a, E: Event> {
    results: &'a mut Vec<EventResult<E::Status>>,
    /// Events after the current one.
    remaining_count: usize,
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

impl<'a, E: Event> Batch<'a, E> {
    fn beginning_at(
        start: Timestamp,
        count: usize,
        results: &'a mut Vec<EventResult<E::Status>>,
    ) -> Batch<'a, E> {
        results.reserve(count);
        let ticks = u64::try_from(count.saturating_sub(1)).expect("a usize fits in u64");
        Batch {
            results,
            remaining_count: count,
            end: start.after_ticks(ticks).unwrap_or(Timestamp::MAX),
            is_imported: None,
            chain: Chain::None,
            chain_times: Vec::new(),
        }
    }

    /// Whether the event would link to one that the batch does not have.
    fn leaves_chain_open(&self, event: &E) -> bool {
        event.is_linked() && self.remaining_count == 0
    }

    /// The rules that come before all others and are the same for accounts and transfers.
    #[inline]
    fn refusal(&mut self, event: &E) -> Option<E::Status> {
        let is_imported = *self.is_imported.get_or_insert(event.is_imported());
        if self.leaves_chain_open(event) {
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

    /// Fails the events of the chain before the current one, as of when they were judged.
    fn fail_from(&mut self, first: usize) {
        let earlier = &mut self.results[first..];
        assert!(earlier.len() + 1 == self.chain_times.len(), "the failing event has no result yet");
        for (result, time) in earlier.iter_mut().zip(&self.chain_times) {
            *result = EventResult { status: E::CHAIN_FAILED, timestamp: *time };
        }
    }

    /// Answers an event whose chain has failed before its turn came.
    fn skip(&mut self, event: &E, time: Timestamp) {
        let status = if self.leaves_chain_open(event) { E::CHAIN_OPEN } else { E::CHAIN_FAILED };
        self.results.push(EventResult { status, timestamp: time });
        self.chain = self.after_failure(event);
    }

    /// The chain after an event of it that was not created.
    fn after_failure(&self, event: &E) -> Chain {
        let goes_on = event.is_linked() && 0 < self.remaining_count;
        if goes_on { Chain::Broken } else { Chain::None }
    }
}
