//! Records, frames and small logs for the tests.

use crate::disk::Disk;
use crate::disk::keyed::KeyedDisk;
use crate::disk::simulated::SimulatedDisk;
use crate::log::{
    End, FrameBuilder, FramePosition, Geometry, Identity, LogReader, LogWriter, Preparer,
    PreparerOptions, Stamped, begin_writing, judge,
};
use crate::sealing::DatabaseKey;
use florin_keys::Zeroizing;
use florin_ledger::commit::Topic;
use florin_ledger::record::{
    AccountRecord, Balances, CommitRecord, DocumentChange, DocumentRecord, EpochRecord,
    EventRecord, ExpiryRecord, FailedRecord, LifeRecord, Record, RefusalReason, RefusalRecord,
    TransferRecord, WaypointRecord,
};
use florin_ledger::{
    AccountFlags, AccountId, Amount, Code, CommitId, CreateTransferStatus, LedgerId, Lsn, Slot,
    TableId, Timestamp, TransferFlags, TransferId,
};
use std::cell::RefCell;
use std::io;
use std::sync::Arc;

/// The smallest segments that there can be: two cells.
pub(super) const SEGMENT_BYTES: u64 = 32 << 10;
pub(super) const OPTIONS: PreparerOptions =
    PreparerOptions { slice_bytes: 16 << 10, reserve_bytes: 4 << 10, free_bytes_min: 0 };

thread_local! {
    static DATABASE_KEY: RefCell<Option<DatabaseKey>> = const { RefCell::new(None) };
}

/// Does what a test does, with every log sealed.
pub(super) fn sealed(test: impl FnOnce()) {
    DATABASE_KEY.set(Some(database_key(7)));
    test();
    DATABASE_KEY.set(None);
}

/// A database key of the log of [`identity`].
pub(super) fn database_key(byte: u8) -> DatabaseKey {
    DatabaseKey::new(Zeroizing::new([byte; 32]), 0x0f)
}

/// The disk, with the database key if logs are sealed.
fn keyed(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
    match DATABASE_KEY.with_borrow(Clone::clone) {
        Some(key) => Arc::new(KeyedDisk::new(disk, key)),
        None => disk,
    }
}

pub(super) fn identity() -> Identity {
    let is_sealed = DATABASE_KEY.with_borrow(Option::is_some);
    Identity { incarnation: 0x0f, geometry: Geometry::new(SEGMENT_BYTES).unwrap(), is_sealed }
}

pub(super) fn transfer(number: u64) -> Record {
    Record::Transfer(TransferRecord {
        id: TransferId(u128::from(number) + 1),
        amount: Amount(u128::from(number) * 3),
        user_data_128: 1 << 100,
        user_data_64: number,
        user_data_32: 32,
        debit_slot: Slot(1),
        credit_slot: Slot(2),
        debit_prev: Lsn(number),
        credit_prev: Lsn(number + 1),
        pending: Lsn::NONE,
        timeout: 60,
        ledger: LedgerId(840),
        code: Code(10),
        flags: TransferFlags::PENDING,
        imported_timestamp: Timestamp::NONE,
    })
}

/// One of each kind, the choice and contents from `number`.
pub(super) fn any_record(number: u64) -> Record {
    let imported_timestamp = if number % 16 < 8 { Timestamp::NONE } else { Timestamp(number) };
    match number % 8 {
        0 if number % 16 == 8 => {
            Record::Life(LifeRecord { number: number & 0xFFF, incarnation: u128::from(number) })
        }
        0 => Record::Epoch(EpochRecord { epoch: number, tag: u128::from(number) << 64 }),
        1 => Record::Account(AccountRecord {
            slot: Slot(9),
            id: AccountId(u128::from(number)),
            user_data_128: 5,
            user_data_64: 6,
            user_data_32: 7,
            ledger: LedgerId(978),
            code: Code(3),
            flags: AccountFlags::HISTORY,
            imported_timestamp,
        }),
        2 => Record::Expiry(ExpiryRecord {
            hold: Lsn(number),
            amount: Amount(77),
            debit_slot: Slot(1),
            credit_slot: Slot(2),
            debit_prev: Lsn(3),
            credit_prev: Lsn(4),
        }),
        3 => Record::Failed(FailedRecord {
            id: TransferId(u128::from(number)),
            status: CreateTransferStatus::ExceedsCredits,
        }),
        4 => Record::Waypoint(WaypointRecord {
            slot: Slot(8),
            postings_count: number * 32,
            posting: Lsn(number),
            waypoint_prev: Lsn(1),
            balances: Balances { debits_posted: Amount(u128::MAX), ..Balances::default() },
        }),
        _ => {
            let Record::Transfer(transfer) = transfer(number) else { unreachable!() };
            Record::Transfer(TransferRecord { imported_timestamp, ..transfer })
        }
    }
}

/// One of each kind with a payload of about the given sizes, and that payload.
pub(super) fn any_payload(number: u64, key_bytes: u16, value_bytes: u32) -> (Record, Vec<u8>) {
    let (table, previous, expires) = (TableId(16), Lsn(number), Timestamp(number));
    let (id, digest) = (CommitId(u128::from(number) + 1), [9; 32]);
    let document = |change, value_bytes| {
        Record::Document(DocumentRecord {
            change,
            table,
            key_bytes,
            value_bytes,
            previous,
            replaces: number.is_multiple_of(7),
            expires,
            time: Timestamp(6),
            check: 0,
        })
    };
    let record = match number % 6 {
        0 => document(DocumentChange::Deleted, 0),
        1 => document(DocumentChange::Expired, 0),
        2 => Record::Event(EventRecord { topic: Topic(7), key_bytes, value_bytes }),
        3 => Record::Commit(CommitRecord {
            id,
            digest,
            first: Lsn(number),
            accounts_count: 1,
            transfers_count: 2,
            documents_count: 3,
            events_count: 4,
            actor_bytes: key_bytes,
        }),
        4 => Record::Refusal(RefusalRecord {
            id: id.0,
            digest,
            reason: RefusalReason::TooLate,
            index: 1,
            count: 1,
            actor_bytes: key_bytes,
        }),
        _ => document(DocumentChange::Put, value_bytes),
    };
    let mut state = number;
    let payload = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()[7]
    });
    (record, payload.take(record.payload_bytes()).collect())
}

/// A log being written, one epoch after the other.
pub(super) struct Log {
    pub(super) writer: LogWriter,
    pub(super) preparer: Preparer,
    pub(super) next: Lsn,
    pub(super) epoch: u64,
    pub(super) durable: Lsn,
    /// What was pushed, in order.
    pub(super) pushed: Vec<(Lsn, Timestamp, Record)>,
    /// The positions after each frame.
    pub(super) ends: Vec<FramePosition>,
    /// Each frame, to be remembered.
    pub(super) stamped: Vec<Stamped>,
}

impl Log {
    pub(super) fn begin(disk: Arc<dyn Disk>, at: FramePosition, epoch: u64) -> Log {
        let writing = begin_writing(keyed(disk), identity(), at, OPTIONS).unwrap();
        Log {
            writer: writing.writer,
            preparer: writing.preparer,
            next: writing.start,
            epoch,
            durable: at.lsn,
            pushed: Vec::new(),
            ends: Vec::new(),
            stamped: Vec::new(),
        }
    }

    pub(super) fn append(&mut self, records: &[Record]) {
        self.try_append(records).unwrap();
    }

    /// Lays out and stages one frame of records, in the next segment if it does not fit this one.
    pub(super) fn try_append(&mut self, records: &[Record]) -> io::Result<()> {
        let geometry = identity().geometry;
        let at = self.writer.position();
        let timestamp = Timestamp(1_000 * at.sequence);
        let mut builder =
            FrameBuilder::new(self.next, geometry, at.sequence, self.epoch, timestamp);
        if !builder.fits(120 * u64::try_from(records.len()).unwrap()) {
            let start = geometry.first_place(geometry.segment(self.next) + 1);
            builder = FrameBuilder::new(start, geometry, at.sequence, self.epoch, timestamp);
        }
        for (tick, record) in (0..).zip(records) {
            let time = timestamp.after_ticks(tick).unwrap();
            let lsn = builder.push(time, record);
            self.pushed.push((lsn, time, *record));
        }
        let frame = Arc::new(builder.finish());
        while self.preparer.room().reserved < frame.end() {
            self.preparer.advance(frame.end()).unwrap();
        }
        self.stamped.push(self.writer.append(&frame, self.durable)?);
        self.next = frame.next();
        self.ends.push(self.writer.position());
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        self.writer.write().unwrap();
        self.writer.sync().unwrap();
        self.durable = self.writer.position().lsn;
    }
}

pub(super) fn transfers(count: u64) -> Vec<Record> {
    (0..count).map(transfer).collect()
}

/// Everything that can be read from the start on.
pub(super) fn read_all(reader: &LogReader) -> (Vec<(Lsn, Timestamp, Record)>, FramePosition) {
    let mut frames = reader.frames(FramePosition::GENESIS, Lsn(u64::MAX));
    let mut found = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        found.extend(frame.records().map(|stored| {
            let stored = stored.unwrap();
            (stored.lsn, stored.time, stored.record)
        }));
    }
    (found, frames.position())
}

pub(super) fn reader(disk: &SimulatedDisk) -> LogReader {
    LogReader::new(keyed(Arc::new(disk.clone())), identity())
}

pub(super) fn judged(disk: &SimulatedDisk, witnesses: &[Lsn]) -> End {
    judge(&reader(disk), FramePosition::GENESIS, witnesses).unwrap()
}

pub(super) fn begin(disk: &SimulatedDisk, at: FramePosition, epoch: u64) -> Log {
    Log::begin(Arc::new(disk.clone()), at, epoch)
}
