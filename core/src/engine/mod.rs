//! The engine: the one place where order is made. Inputs in, outputs out; no threads, no clock.
//!
//! A **turn** executes what has arrived, in order of arrival: holds that are due expire first, then
//! each request is prefetched (what it may touch and is not in memory is read) and executed (from
//! memory alone). What took effect becomes frames; answers name the position that must be durable
//! before they may leave.
//!
//! Invariants:
//! - a request is in one frame whole, and a frame holds whole requests;
//! - the time of events rises strictly, across frames, openings and clock changes;
//! - nothing is executed that might not fit: room in the log is reserved before, so a full disk is
//!   an answer and never a half-done request;
//! - `applied` is the end of the last frame handed out: no answer depends on anything behind it.

pub(crate) mod ask;
mod budgets;
mod checkpointing;
mod commits;
mod decided;
mod documents;
pub(crate) mod epochs;
mod expiries;
mod fetched;
mod following;
mod jobs;
mod journal;
mod past;
mod present;
mod reading;
mod tail;
mod volatile;
mod writes;

pub(crate) use checkpointing::{CheckpointStart, Checkpointing, PageCopy};
pub(crate) use documents::{Documents, IndexKey};
pub(crate) use jobs::{AnyRun, MergeJob, RunJob};
pub(crate) use past::{Indexes, Past, for_each_key, outcome_of};

use crate::commits::Caller;
use crate::error::{Error, ErrorKind};
use crate::group::Term;
use crate::limits::{
    ACCOUNTS_MAX, BATCH_EVENTS_MAX, FRAME_BYTES_TARGET, FRAME_EXPIRIES_MAX, HOLDS_MAX,
};
use crate::log::geometry::CELL_BYTES;
use crate::log::record::RECORD_BYTES_MAX;
use crate::log::{Frame, FrameBuilder, Geometry, Room};
use crate::request::{AccountBatch, BatchError, Reply, Request, Status, TransferBatch};
use budgets::Budgets;
use epochs::Epochs;
use florin_ledger::chain::ChainEnd;
use florin_ledger::record::{EpochRecord, LifeRecord, Record};
use florin_ledger::{
    Account, AccountFlags, Ledger, Lsn, Position, Ticks, Timestamp, TransferFlags, TransferId,
    TransferLayout,
};
use journal::FrameJournal;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use volatile::Volatile;

/// The state of the database and the order of its changes.
pub(crate) struct Engine {
    ledger: Ledger,
    past: Past,
    log: LogEnd,
    epochs: Arc<Epochs>,
    room: Room,
    /// The tick after the last one taken, by a record or by an event that left none.
    next_tick: Timestamp,
    /// Frames finished in this turn, not yet handed to the log.
    finished: Vec<Arc<Frame>>,
    checkpointing: Checkpointing,
    volatile: Volatile,
    budgets: Budgets,
    /// Frames of this opening, in each of which both sides of the books changed by the same.
    conserved_frames: u64,
}

/// Where the log goes on, and who writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogEnd {
    /// The life that the database is in.
    pub(crate) life: LifeRecord,
    pub(crate) epoch: u64,
    pub(crate) geometry: Geometry,
    /// Where the next frame may start.
    pub(crate) next: Lsn,
    /// The number of the next frame.
    pub(crate) sequence: u64,
    /// The end of the last frame.
    pub(crate) applied: Lsn,
    /// Whether the last frame is a witness, an empty one.
    pub(crate) is_witnessed: bool,
}

/// What became of a request.
pub(crate) enum Outcome<T> {
    /// Executed (or refused); the answer may leave when everything applied is durable.
    Done(Result<T, Error>),
    /// The log must first be prepared up to there.
    NeedsRoom(Lsn),
}

impl Engine {
    pub(crate) fn new(
        mut ledger: Ledger,
        past: Past,
        log: LogEnd,
        checkpointing: Checkpointing,
    ) -> Engine {
        // Rows of a checkpoint may have been newer than the log that was applied to them.
        ledger.take_moved();
        let last = ledger.last_recorded();
        let next_tick = last.after_ticks(1).expect("recorded time is before 2262");
        let epochs = Arc::new(Epochs::new(log.epoch));
        Engine {
            ledger,
            epochs,
            past,
            log,
            room: Room { ordinary: Lsn::NONE, reserved: Lsn::NONE },
            next_tick,
            finished: Vec::new(),
            checkpointing,
            volatile: Volatile::since(next_tick),
            budgets: Budgets::default(),
            conserved_frames: 0,
        }
    }

    /// The next frame starts there, in a segment of its own.
    pub(crate) fn go_on_at(&mut self, start: Lsn) {
        self.log.next = start;
    }

    pub(crate) fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// Everything before it is durable. Less than was said before says nothing: then standbys are waited for.
    pub(crate) fn set_durable(&mut self, durable: Lsn) {
        if self.past.durable() <= durable {
            self.past.set_durable(durable);
        }
    }

    /// Rises whenever a client's key is written, deleted or expires.
    pub(crate) fn client_keys(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.past.indexes.documents.client_keys)
    }

    /// Which opening wrote what.
    pub(crate) fn epochs(&self) -> Arc<Epochs> {
        Arc::clone(&self.epochs)
    }

    /// Frames of this opening, in each of which debits and credits changed by the same.
    pub(crate) fn conserved_frames(&self) -> u64 {
        self.conserved_frames
    }

    /// The end of what has been decided.
    pub(crate) fn applied(&self) -> Lsn {
        self.log.applied
    }

    /// Whether all that was ever decided is known to be durable: then no answer has to wait.
    pub(crate) fn is_all_durable(&self) -> bool {
        let is_open = self.past.open.as_ref().is_some_and(|frame| frame.records_count() != 0);
        !is_open && self.log.applied <= self.past.durable()
    }

    /// When the next hold or document is due, or something else that the engine must wake for.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        let expiries = &self.past.indexes.documents.expiries;
        let documents =
            if expiries.is_unread() { Some(Timestamp::NONE) } else { expiries.next_due() };
        [self.ledger.next_expiry(), documents, self.budgets.counts_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Executes one request at a time not before `now`.
    pub(crate) fn execute(&mut self, request: &Request, now: Timestamp) -> Outcome<Reply> {
        match request {
            Request::CreateAccounts(batch) => self.create_accounts(batch, now),
            Request::CreateTransfers(batch) => self.create_transfers(batch, now),
            Request::LookupAccounts(ids) if BATCH_EVENTS_MAX < ids.len() => {
                Outcome::Done(Err(BatchError::TooLarge { events_count: ids.len() }.into()))
            }
            Request::LookupAccounts(ids) => {
                let accounts = ids.iter().map(|id| self.ledger.account(*id)).collect();
                Outcome::Done(Ok(Reply::LookedUpAccounts(accounts)))
            }
            Request::TrialBalance(ledger) => match self.ledger.trial_balance(*ledger) {
                Some(sums) => Outcome::Done(Ok(Reply::TrialBalance(sums))),
                None => Outcome::Done(Err(sums_too_large())),
            },
            Request::Status => Outcome::Done(Ok(Reply::Status(self.status()))),
            Request::Commit(request) => self.commit(request, ChainEnd::Keep, now),
            Request::DryRun(request) => self.commit(request, ChainEnd::TakeBack, now),
            Request::WriteDocuments(batch) => self.write_documents(batch, now),
            Request::InsertUnique(unique) => self.insert_unique(unique, now),
            Request::DeclareTable(table, options) => self.declare_table(*table, *options, now),
            Request::RecordRefusal(refused) => self.record_refusal(refused, now),
        }
    }

    fn create_accounts(&mut self, batch: &AccountBatch, now: Timestamp) -> Outcome<Reply> {
        if let Err(refused) = self.admit_accounts(batch.len()) {
            return Outcome::Done(Err(refused));
        }
        let is_import = |account: &Account| account.flags.contains(AccountFlags::IMPORTED);
        if batch.events().next().as_ref().is_some_and(is_import) {
            // What is in the open frame could not be looked up by time.
            self.finish_frame();
        }
        let mut ticks = match self.make_room(batch.len(), batch.len() * EVENT_BYTES_MAX, now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        let mut results = Vec::with_capacity(batch.len());
        let prefetched = self.prefetch_accounts(batch);
        if prefetched.is_ok() {
            let journal = FrameJournal::new(&mut self.past);
            let mut journal = journal.asked_by(batch.caller(), &mut self.budgets);
            self.ledger.create_accounts(batch.events(), &mut ticks, &mut journal, &mut results);
            assert_eq!(results.len(), batch.len());
        }
        self.end_request(&ticks);
        Outcome::Done(prefetched.map(|()| Reply::Accounts(results)))
    }

    fn create_transfers(&mut self, batch: &TransferBatch, now: Timestamp) -> Outcome<Reply> {
        if let Err(refused) = self.admit_holds(batch.layouts()) {
            return Outcome::Done(Err(refused));
        }
        let mut ticks = match self.make_room(batch.len(), batch.len() * EVENT_BYTES_MAX, now) {
            Ok(ticks) => ticks,
            Err(refusal) => return refusal,
        };
        let mut results = Vec::with_capacity(batch.len());
        let prefetched = self.prefetch_layouts(batch.layouts());
        if prefetched.is_ok() {
            let journal = FrameJournal::new(&mut self.past);
            let mut journal = journal.asked_by(batch.caller(), &mut self.budgets);
            self.ledger.create_transfers(batch.events(), &mut ticks, &mut journal, &mut results);
            assert_eq!(results.len(), batch.len());
        }
        self.end_request(&ticks);
        Outcome::Done(prefetched.map(|()| Reply::Transfers(results)))
    }

    /// Expires the holds, then the documents that are due at or before `now`, one frame of them at
    /// most; says whether more are due.
    pub(crate) fn expire_due(&mut self, now: Timestamp) -> Outcome<bool> {
        match self.expire_holds(now) {
            Outcome::Done(Ok(false)) => {}
            outcome => return outcome,
        }
        match self.expire_documents(self.next_tick.max(now)) {
            Outcome::Done(Ok(false)) => {}
            outcome => return outcome,
        }
        match self.record_counts(now) {
            Outcome::Done(recorded) => Outcome::Done(recorded.map(|()| false)),
            Outcome::NeedsRoom(until) => Outcome::NeedsRoom(until),
        }
    }

    fn expire_holds(&mut self, now: Timestamp) -> Outcome<bool> {
        let mut ticks = self.ticks(now);
        let due_count = self.ledger.due_count(ticks.next(), FRAME_EXPIRIES_MAX);
        if due_count == 0 {
            return Outcome::Done(Ok(false));
        }
        if !self.indexes_have_room(due_count) {
            return Outcome::Done(Err(indexes_behind()));
        }
        let due_count = match self.open_expiry_frame(due_count, &ticks) {
            Ok(count) => count,
            Err(until) => return Outcome::NeedsRoom(until),
        };
        let mut journal = FrameJournal::new(&mut self.past);
        let expired_count = self.ledger.expire_due(&mut ticks, due_count, &mut journal);
        assert_eq!(expired_count, due_count);
        self.end_request(&ticks);
        self.finish_frame();
        Outcome::Done(Ok(self.ledger.due_count(self.next_tick.max(now), 1) != 0))
    }

    /// Opens a frame for so many expiries, or for fewer if the reserve has no more room; says how
    /// many.
    fn open_expiry_frame(&mut self, due_count: usize, ticks: &Ticks) -> Result<usize, Lsn> {
        let mut count = due_count;
        loop {
            match self.open_frame(count * EXPIRY_BYTES_MAX, self.room.reserved, ticks) {
                Ok(()) => return Ok(count),
                Err(until) if count == 1 => return Err(until),
                Err(_) => count = count.div_ceil(2),
            }
        }
    }

    /// Leaves out epochs that another history may have: whoever decided before may have begun some since this
    /// copy was made. What it began of them is told apart from what begins here by its number.
    pub(crate) fn begin_term(&mut self, node: u128) {
        let own = u64::from(Term::mark_of(node)) % TERM_EPOCHS;
        self.log.epoch = (self.log.epoch / TERM_EPOCHS + 2) * TERM_EPOCHS + own;
    }

    /// Begins a new epoch with a record of its own, and before it the record of the life that begins, if
    /// one does. The room for them is there: they are the first.
    pub(crate) fn begin_epoch(&mut self, tag: u128, life: Option<LifeRecord>, now: Timestamp) {
        self.log.epoch += 1;
        if let Some(life) = life {
            self.log.life = life;
            self.log.epoch = self.log.epoch.max(life.first_epoch());
        }
        let ticks = self.ticks(now);
        let opened = self.open_frame(2 * RECORD_BYTES_MAX, self.room.reserved, &ticks);
        assert!(opened.is_ok(), "an opening makes room for its epoch");
        let epoch = Record::Epoch(EpochRecord { epoch: self.log.epoch, tag });
        for record in life.map(Record::Life).into_iter().chain([epoch]) {
            let frame = self.past.open.as_mut().expect("opened above");
            let lsn = frame.push(ticks.next(), &record);
            self.enter_epoch(lsn);
            self.ledger.apply(lsn, ticks.next(), &record).expect("an epoch contradicts nothing");
        }
        self.next_tick = ticks.next().after_ticks(1).expect("time ends in the year 2262");
        self.finish_frame();
    }

    /// What is written from a position on is of the epoch that the log has now.
    fn enter_epoch(&mut self, lsn: Lsn) {
        let at = Position { epoch: self.log.epoch, lsn };
        self.past.begin_epoch(at);
        self.epochs.begin(at);
    }

    /// The life that the database is in.
    pub(crate) fn life(&self) -> LifeRecord {
        self.log.life
    }

    /// Whether the last frame says how far the log is durable, or will by its own sync.
    pub(crate) fn is_witnessed(&self) -> bool {
        self.log.is_witnessed
    }

    /// Adds an empty frame, whose header says how far the log is durable, unless the last frame is
    /// one. `false` if there is no room for it, not even in the reserve.
    pub(crate) fn witness(&mut self) -> bool {
        assert!(self.past.open.is_none(), "a witness is written between two turns");
        let ticks = Ticks::starting_at(self.next_tick);
        if self.log.is_witnessed {
            return true;
        }
        if self.open_frame(0, self.room.reserved, &ticks).is_err() {
            return false;
        }
        let frame = self.past.open.take().expect("opened above");
        self.add_frame(frame);
        self.log.is_witnessed = true;
        true
    }

    /// Ends the turn: finishes the open frame and hands all frames to the log.
    pub(crate) fn end_turn(&mut self) -> Vec<Arc<Frame>> {
        self.finish_frame();
        std::mem::take(&mut self.finished)
    }

    fn admit_accounts(&self, count: usize) -> Result<(), Error> {
        let total = self.ledger.accounts_count() + limit(count);
        if limit(ACCOUNTS_MAX) < total { Err(too_many_accounts()) } else { Ok(()) }
    }

    /// Only holds count: at the limit everything else goes on, and what resolves holds makes room.
    fn admit_holds(&self, transfers: &[TransferLayout]) -> Result<(), Error> {
        let left = limit(HOLDS_MAX).saturating_sub(self.ledger.holds_count());
        if limit(transfers.len()) <= left {
            return Ok(());
        }
        let holds = transfers.iter().filter(|it| it.flags().contains(TransferFlags::PENDING));
        if left < limit(holds.count()) { Err(too_many_holds()) } else { Ok(()) }
    }

    fn admit_documents(&self, count: usize, keys_bytes: usize) -> Result<(), Error> {
        let has_room = self.past.indexes.documents.have_room(count, keys_bytes);
        if has_room { Ok(()) } else { Err(indexes_behind()) }
    }

    fn ticks(&self, now: Timestamp) -> Ticks {
        Ticks::starting_at(self.next_tick.max(now))
    }

    /// Opens a frame with room for a request of so many events and bytes of records, and for the holds
    /// that fall due while it is executed; says which tick its first event takes.
    fn make_room<T>(
        &mut self,
        events_count: usize,
        record_bytes: usize,
        now: Timestamp,
    ) -> Result<Ticks, Outcome<T>> {
        loop {
            if !self.indexes_have_room(events_count + FRAME_EXPIRIES_MAX) {
                return Err(Outcome::Done(Err(indexes_behind())));
            }
            let ticks = self.ticks(now);
            let window = limit(events_count + FRAME_EXPIRIES_MAX);
            let end = ticks.next().after_ticks(window).expect("time ends in the year 2262");
            let due_count = self.ledger.due_count(end, FRAME_EXPIRIES_MAX);
            if due_count < FRAME_EXPIRIES_MAX {
                let bytes = record_bytes + due_count * EXPIRY_BYTES_MAX;
                let opened = self.open_frame(bytes, self.room.ordinary, &ticks);
                return opened.map(|()| ticks).map_err(Outcome::NeedsRoom);
            }
            // Too many fall due within these few microseconds to share a frame with the request:
            // it waits for them.
            match self.expire_holds(end) {
                Outcome::Done(Ok(_)) => {}
                Outcome::Done(Err(error)) => return Err(Outcome::Done(Err(error))),
                Outcome::NeedsRoom(until) => return Err(Outcome::NeedsRoom(until)),
            }
        }
    }

    /// Makes sure that a frame is open and takes `record_bytes` more; `Err` names the position up
    /// to which the log must be prepared first.
    fn open_frame(&mut self, record_bytes: usize, end_max: Lsn, ticks: &Ticks) -> Result<(), Lsn> {
        let record_bytes = limit(record_bytes);
        let takes_more = |frame: &FrameBuilder| {
            frame.end().0 - frame.start().0 < FRAME_BYTES_TARGET
                && frame.fits(record_bytes)
                && frame.fits_time(
                    ticks.next().after_ticks(TICKS_PER_REQUEST_MAX).unwrap_or(Timestamp::MAX),
                )
        };
        if !self.past.open.as_ref().is_some_and(takes_more) {
            self.finish_frame();
            self.past.open = Some(self.next_frame(record_bytes, ticks));
        }
        let frame = self.past.open.as_ref().expect("opened above");
        let end = end_at_most(frame, record_bytes);
        if end <= end_max {
            return Ok(());
        }
        self.finish_frame();
        Err(end)
    }

    /// A frame at the next position, or at the start of the next segment if this one is too full.
    fn next_frame(&self, record_bytes: u64, ticks: &Ticks) -> FrameBuilder {
        let LogEnd { geometry, next, sequence, epoch, .. } = self.log;
        let frame = FrameBuilder::new(next, geometry, sequence, epoch, ticks.next());
        if frame.fits(record_bytes) {
            return frame;
        }
        let next = geometry.first_place(geometry.segment(next) + 1);
        let frame = FrameBuilder::new(next, geometry, sequence, epoch, ticks.next());
        assert!(frame.fits(record_bytes), "a segment holds the largest request");
        frame
    }

    /// Adds a record with its payload to the open frame, enters its keys and applies it.
    fn append_record(&mut self, time: Timestamp, record: &Record, payload: &[u8]) -> Lsn {
        let frame = self.past.open.as_mut().expect("a request is executed into an open frame");
        let lsn = frame.push_with_payload(time, record, payload);
        self.past.indexes.enter(lsn, record, payload);
        self.ledger.apply(lsn, time, record).expect("it moves nothing, and time rises");
        lsn
    }

    fn end_request(&mut self, ticks: &Ticks) {
        assert!(self.next_tick <= ticks.next(), "time rises");
        self.next_tick = ticks.next();
        self.past.fetched.clear();
    }

    /// Moves the open frame behind the finished ones, unless it stayed empty.
    fn finish_frame(&mut self) {
        if let Some(frame) = self.past.open.take()
            && frame.records_count() != 0
        {
            self.add_frame(frame);
        }
    }

    /// Hands a frame to the log, once both sides of the books have changed by the same in it.
    fn add_frame(&mut self, frame: FrameBuilder) {
        let moved = self.ledger.take_moved();
        assert!(moved.is_balanced(), "a frame makes or loses money: {moved:?}");
        self.conserved_frames += 1;
        let frame = Arc::new(frame.finish());
        self.log.next = frame.next();
        self.log.sequence += 1;
        self.log.applied = frame.end();
        self.log.is_witnessed = false;
        self.past.tail.push(frame.clone());
        self.finished.push(frame);
    }

    fn prefetch_accounts(&mut self, batch: &AccountBatch) -> Result<(), Error> {
        for account in batch.events() {
            if account.flags.contains(AccountFlags::IMPORTED) {
                self.past.fetch_time(account.timestamp)?;
            }
        }
        Ok(())
    }

    fn prefetch_layouts(&mut self, transfers: &[TransferLayout]) -> Result<(), Error> {
        for layout in transfers {
            self.past.fetch_transfer(&self.ledger, layout.id())?;
            if layout.pending_id() != TransferId::ZERO {
                self.past.fetch_hold(&self.ledger, layout.pending_id())?;
            }
        }
        Ok(())
    }

    /// How it stands; what only the driver knows is for the driver to fill in.
    pub(crate) fn status(&self) -> Status {
        Status {
            incarnation: self.log.life.incarnation,
            epoch: self.log.epoch,
            applied: self.log.applied,
            durable: self.past.durable(),
            timestamp: self.ledger.last_recorded(),
            accounts_count: self.ledger.accounts_count(),
            transfers_count: self.ledger.transfers_count(),
            holds_count: self.ledger.holds_count(),
            documents_count: self.past.indexes.documents.count,
            serving_since: self.volatile.begun(),
            checkpoint: self.checkpointing.durable(),
            disk_full: false,
        }
    }
}

/// Bytes of records that one event can leave: its own and a waypoint on either side, or those of its
/// failure.
const EVENT_BYTES_MAX: usize = 3 * RECORD_BYTES_MAX;
/// A failed id, a refusal, and what is left empty where a refusal does not fit the end of a cell: less
/// than a thirtieth.
const REFUSED_BYTES_MAX: usize = (32 + 72 + Caller::NAME_BYTES_MAX) * 31 / 30;
const _: () = assert!(REFUSED_BYTES_MAX <= EVENT_BYTES_MAX);
/// The same of one expiry.
const EXPIRY_BYTES_MAX: usize = 3 * RECORD_BYTES_MAX;
/// Bytes of records that a cell holds at least, whatever their sizes.
const CELL_RECORD_BYTES_MIN: u64 = CELL_BYTES - 512;
/// Epochs that are left out when a term begins; three times as many at most.
const TERM_EPOCHS: u64 = 64;
/// Ticks that one request takes at most.
const TICKS_PER_REQUEST_MAX: u64 = 100_000;

/// Where a frame ends at most, with so many more bytes of records: a cell takes at least this many.
fn end_at_most(frame: &FrameBuilder, record_bytes: u64) -> Lsn {
    let cells = record_bytes / CELL_RECORD_BYTES_MIN + 1;
    Lsn(frame.end().0 + cells * CELL_BYTES)
}

fn limit(count: usize) -> u64 {
    u64::try_from(count).expect("usize fits u64")
}

fn too_many_holds() -> Error {
    Error::new(
        ErrorKind::Busy,
        format!(
            "at most {HOLDS_MAX} holds are kept; nothing happened: post or void some, then send it \
             again"
        ),
    )
}

fn too_many_accounts() -> Error {
    Error::new(ErrorKind::Invalid, format!("a database has at most {ACCOUNTS_MAX} accounts"))
}

fn indexes_behind() -> Error {
    Error::new(
        ErrorKind::Busy,
        "the indexes of ids are being written to disk and have no room in memory; nothing \
         happened: send it again later",
    )
}

fn sums_too_large() -> Error {
    Error::new(ErrorKind::Invalid, "the sums of this ledger exceed 2^128-1")
}
