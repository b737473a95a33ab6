//! The bytes of a record. All little-endian, all multiples of 8 bytes, reserved bytes zero; the
//! same record and tick always give the same bytes, and other bytes are refused.
//!
//! ```text
//! every record   0  1 kind | 1  3 extra | 4  4 tick: recorded time = frame timestamp + tick
//!
//! epoch (1)            8  8 epoch | 16 16 tag                                          = 32
//! life (11)            8  8 number | 16 16 incarnation | 32 16 previous
//!                     48  8 restored_to | 56  8 previous_restored_to                    = 64
//! account (2)          8  4 slot | 12  4 ledger | 16 16 id | 32 16 user_data_128
//!                     48  8 user_data_64 | 56  4 user_data_32 | 60  2 code | 62  2 flags = 64
//! imported account (3) an account, then 64  8 timestamp                                = 72
//! transfer (4)         8 16 id | 24 16 amount | 40 16 user_data_128 | 56  8 user_data_64
//!                     64  4 user_data_32 | 68  4 debit_slot | 72  4 credit_slot
//!                     76  4 timeout | 80  8 debit_prev | 88  8 credit_prev
//!                     96  8 pending | 104  4 ledger | 108  2 code | 110  2 flags       = 112
//! imported transfer(5) a transfer, then 112  8 timestamp                               = 120
//! expiry (6)           8  8 hold | 16 16 amount | 32  4 debit_slot | 36  4 credit_slot
//!                     40  8 debit_prev | 48  8 credit_prev                             = 56
//! failed id (7)        1  1 status | 8 16 id                                           = 24
//! waypoint (8)         1  3 count, high | 8  4 slot | 12  4 count, low | 16  8 posting
//!                     24  8 waypoint_prev | 32 64 balances: debits pending, posted,
//!                     credits pending, posted (16 each)                                = 96
//! ```
//! A waypoint's count is `postings_count / 32`, 56 bits wide. Kind 0 is what zeroed bytes say, never a
//! record. Kinds 16 to 21 have a payload of variable length, see [`super::payload`].

use super::payload;
use florin_ledger::record::{
    AccountRecord, Balances, EpochRecord, ExpiryRecord, FailedRecord, LIVES_MAX, LifeRecord,
    Record, TransferRecord, WAYPOINT_INTERVAL, WaypointRecord,
};
use florin_ledger::{
    AccountFlags, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Lsn, Slot, Timestamp,
    TransferFlags, TransferId,
};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The largest record of fixed layout.
pub const RECORD_BYTES_MAX: usize = 120;
/// The smallest record.
pub const RECORD_BYTES_MIN: usize = 24;

const EPOCH: u8 = 1;
const ACCOUNT: u8 = 2;
const IMPORTED_ACCOUNT: u8 = 3;
const TRANSFER: u8 = 4;
const IMPORTED_TRANSFER: u8 = 5;
const EXPIRY: u8 = 6;
const FAILED: u8 = 7;
const WAYPOINT: u8 = 8;
const LIFE: u8 = 11;
/// Every record takes a multiple of so many bytes.
const ALIGNMENT: usize = 8;

/// A record as it was stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decoded<'a> {
    /// What it says.
    pub record: Record,
    /// Nanoseconds from its frame's timestamp to its recorded time.
    pub tick: u32,
    /// How many bytes it takes, payload and filling included.
    pub bytes: usize,
    /// As much of its payload as is here.
    pub payload: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// A kind that no record of this version has, at the offset.
    #[error("unknown record kind {kind} at byte {offset}")]
    Kind {
        /// Where in the bytes.
        offset: usize,
        /// The kind.
        kind: u8,
    },
    /// The bytes end inside the record.
    #[error("record cut short at byte {offset}")]
    Short {
        /// Where the bytes end.
        offset: usize,
    },
    /// A field has a value that is never written.
    #[error("record field at byte {offset} is out of range")]
    Field {
        /// Where in the bytes.
        offset: usize,
    },
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) extra: [u8; 3],
    pub(super) tick: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct EpochLayout {
    head: Head,
    epoch: U64,
    tag: U128,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LifeLayout {
    head: Head,
    number: U64,
    incarnation: U128,
    previous: U128,
    restored_to: U64,
    previous_restored_to: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct AccountLayout {
    head: Head,
    slot: U32,
    ledger: U32,
    id: U128,
    user_data_128: U128,
    user_data_64: U64,
    user_data_32: U32,
    code: U16,
    flags: U16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ImportedAccountLayout {
    account: AccountLayout,
    timestamp: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TransferLayout {
    head: Head,
    id: U128,
    amount: U128,
    user_data_128: U128,
    user_data_64: U64,
    user_data_32: U32,
    debit_slot: U32,
    credit_slot: U32,
    timeout: U32,
    debit_prev: U64,
    credit_prev: U64,
    pending: U64,
    ledger: U32,
    code: U16,
    flags: U16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ImportedTransferLayout {
    transfer: TransferLayout,
    timestamp: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ExpiryLayout {
    head: Head,
    hold: U64,
    amount: U128,
    debit_slot: U32,
    credit_slot: U32,
    debit_prev: U64,
    credit_prev: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FailedLayout {
    head: Head,
    id: U128,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WaypointLayout {
    head: Head,
    slot: U32,
    count_low: U32,
    posting: U64,
    waypoint_prev: U64,
    debits_pending: U128,
    debits_posted: U128,
    credits_pending: U128,
    credits_posted: U128,
}

const _: () = assert!(size_of::<Head>() == 8);
const _: () = assert!(size_of::<EpochLayout>() == 32);
const _: () = assert!(size_of::<LifeLayout>() == 64);
const _: () = assert!(size_of::<AccountLayout>() == 64);
const _: () = assert!(size_of::<ImportedAccountLayout>() == 72);
const _: () = assert!(size_of::<TransferLayout>() == 112);
const _: () = assert!(size_of::<ImportedTransferLayout>() == RECORD_BYTES_MAX);
const _: () = assert!(size_of::<ExpiryLayout>() == 56);
const _: () = assert!(size_of::<FailedLayout>() == RECORD_BYTES_MIN);
const _: () = assert!(size_of::<WaypointLayout>() == 96);

/// The bytes that a record takes in the log, without its payload.
#[must_use]
pub fn fixed_bytes(record: &Record) -> usize {
    match record {
        Record::Epoch(_) => size_of::<EpochLayout>(),
        Record::Life(_) => size_of::<LifeLayout>(),
        Record::Account(account) if account.imported_timestamp == Timestamp::NONE => {
            size_of::<AccountLayout>()
        }
        Record::Account(_) => size_of::<ImportedAccountLayout>(),
        Record::Transfer(transfer) if transfer.imported_timestamp == Timestamp::NONE => {
            size_of::<TransferLayout>()
        }
        Record::Transfer(_) => size_of::<ImportedTransferLayout>(),
        Record::Expiry(_) => size_of::<ExpiryLayout>(),
        Record::Failed(_) => size_of::<FailedLayout>(),
        Record::Waypoint(_) => size_of::<WaypointLayout>(),
        Record::Document(_)
        | Record::Event(_)
        | Record::Commit(_)
        | Record::Refusal(_)
        | Record::Part(_) => payload::fixed_bytes(record),
    }
}

/// The bytes that a record takes in the log with so many bytes of payload in it.
#[must_use]
pub fn stored_bytes(record: &Record, payload_here: usize) -> usize {
    (fixed_bytes(record) + payload_here).next_multiple_of(ALIGNMENT)
}

/// Appends the bytes of a record, with as much of its payload as shall be in it: [`stored_bytes`] of
/// them.
///
/// # Panics
/// On more payload than the record has; on a waypoint whose count is not a multiple of
/// [`WAYPOINT_INTERVAL`] or past 2^61: the engine never makes one.
pub fn encode(record: &Record, tick: u32, payload: &[u8], out: &mut Vec<u8>) {
    assert!(payload.len() <= record.payload_bytes(), "the payload is the record's");
    let start = out.len();
    encode_fixed(record, tick, payload.len(), out);
    if !payload.is_empty() {
        out.extend_from_slice(payload);
        out.resize(start + stored_bytes(record, payload.len()), 0);
    }
}

fn encode_fixed(record: &Record, tick: u32, here: usize, out: &mut Vec<u8>) {
    match record {
        Record::Epoch(record) => out.extend_from_slice(encode_epoch(record, tick).as_bytes()),
        Record::Life(record) => out.extend_from_slice(encode_life(record, tick).as_bytes()),
        Record::Account(record) => {
            let imported = record.imported_timestamp;
            if imported == Timestamp::NONE {
                out.extend_from_slice(encode_account(record, ACCOUNT, tick).as_bytes());
            } else {
                let account = encode_account(record, IMPORTED_ACCOUNT, tick);
                let layout = ImportedAccountLayout { account, timestamp: imported.0.into() };
                out.extend_from_slice(layout.as_bytes());
            }
        }
        Record::Transfer(record) => {
            let imported = record.imported_timestamp;
            if imported == Timestamp::NONE {
                out.extend_from_slice(encode_transfer(record, TRANSFER, tick).as_bytes());
            } else {
                let transfer = encode_transfer(record, IMPORTED_TRANSFER, tick);
                let layout = ImportedTransferLayout { transfer, timestamp: imported.0.into() };
                out.extend_from_slice(layout.as_bytes());
            }
        }
        Record::Expiry(record) => out.extend_from_slice(encode_expiry(record, tick).as_bytes()),
        Record::Failed(record) => out.extend_from_slice(encode_failed(record, tick).as_bytes()),
        Record::Waypoint(record) => out.extend_from_slice(encode_waypoint(record, tick).as_bytes()),
        Record::Document(_)
        | Record::Event(_)
        | Record::Commit(_)
        | Record::Refusal(_)
        | Record::Part(_) => payload::encode_fixed(record, tick, here, out),
    }
}

/// Reads the record at the start of `bytes`, which may go on after it. Any bytes are answered.
///
/// # Errors
/// [`RecordError`] says at which byte, and why, they are not a record of this version.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, RecordError> {
    let &kind = bytes.first().ok_or(RecordError::Short { offset: 0 })?;
    let (record, tick) = match kind {
        EPOCH => decode_epoch(read(bytes)?)?,
        LIFE => decode_life(read(bytes)?)?,
        ACCOUNT => decode_account(read(bytes)?, Timestamp::NONE)?,
        IMPORTED_ACCOUNT => {
            let layout: &ImportedAccountLayout = read(bytes)?;
            decode_account(&layout.account, imported(layout.timestamp, 64)?)?
        }
        TRANSFER => decode_transfer(read(bytes)?, Timestamp::NONE)?,
        IMPORTED_TRANSFER => {
            let layout: &ImportedTransferLayout = read(bytes)?;
            decode_transfer(&layout.transfer, imported(layout.timestamp, 112)?)?
        }
        EXPIRY => decode_expiry(read(bytes)?)?,
        FAILED => decode_failed(read(bytes)?)?,
        WAYPOINT => decode_waypoint(read(bytes)?),
        _ => return decode_with_payload(kind, bytes),
    };
    Ok(Decoded { record, tick, bytes: fixed_bytes(&record), payload: &[] })
}

fn decode_with_payload(kind: u8, bytes: &[u8]) -> Result<Decoded<'_>, RecordError> {
    let (record, tick, here) = payload::decode_fixed(kind, bytes)?;
    let fixed = fixed_bytes(&record);
    let out_of_range = RecordError::Field { offset: fixed };
    let here = usize::try_from(here).map_err(|_| out_of_range)?;
    if record.payload_bytes() < here {
        return Err(out_of_range);
    }
    let stored = stored_bytes(&record, here);
    let behind = bytes.get(fixed..stored).ok_or(RecordError::Short { offset: bytes.len() })?;
    let (payload, filling) = behind.split_at(here);
    if filling.iter().any(|byte| *byte != 0) {
        return Err(RecordError::Field { offset: fixed + here });
    }
    Ok(Decoded { record, tick, bytes: stored, payload })
}

/// How many bytes the record at the start of `bytes` takes, without reading it; `None` for kinds
/// that this version does not know, and where the bytes end first.
#[must_use]
pub fn bytes_at(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        EPOCH => Some(size_of::<EpochLayout>()),
        LIFE => Some(size_of::<LifeLayout>()),
        ACCOUNT => Some(size_of::<AccountLayout>()),
        IMPORTED_ACCOUNT => Some(size_of::<ImportedAccountLayout>()),
        TRANSFER => Some(size_of::<TransferLayout>()),
        IMPORTED_TRANSFER => Some(size_of::<ImportedTransferLayout>()),
        EXPIRY => Some(size_of::<ExpiryLayout>()),
        FAILED => Some(size_of::<FailedLayout>()),
        WAYPOINT => Some(size_of::<WaypointLayout>()),
        kind => {
            let (fixed, here) = payload::bytes_at(kind, bytes)?;
            fixed.checked_add(here)?.checked_next_multiple_of(ALIGNMENT)
        }
    }
}

pub(super) fn read<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
) -> Result<&T, RecordError> {
    match T::ref_from_prefix(bytes) {
        Ok((layout, _)) => Ok(layout),
        Err(_) => Err(RecordError::Short { offset: bytes.len() }),
    }
}

pub(super) fn head(kind: u8, tick: u32) -> Head {
    Head { kind, extra: [0; 3], tick: tick.into() }
}

/// The tick of a record whose extra bytes carry nothing.
fn plain_tick(head: &Head) -> Result<u32, RecordError> {
    if head.extra == [0; 3] { Ok(head.tick.get()) } else { Err(RecordError::Field { offset: 1 }) }
}

fn imported(timestamp: U64, offset: usize) -> Result<Timestamp, RecordError> {
    let timestamp = Timestamp(timestamp.get());
    let written = timestamp != Timestamp::NONE && timestamp <= Timestamp::MAX;
    if written { Ok(timestamp) } else { Err(RecordError::Field { offset }) }
}

fn encode_epoch(record: &EpochRecord, tick: u32) -> EpochLayout {
    EpochLayout { head: head(EPOCH, tick), epoch: record.epoch.into(), tag: record.tag.into() }
}

fn decode_epoch(layout: &EpochLayout) -> Result<(Record, u32), RecordError> {
    let record = EpochRecord { epoch: layout.epoch.get(), tag: layout.tag.get() };
    Ok((Record::Epoch(record), plain_tick(&layout.head)?))
}

fn encode_life(record: &LifeRecord, tick: u32) -> LifeLayout {
    LifeLayout {
        head: head(LIFE, tick),
        number: record.number.into(),
        incarnation: record.incarnation.into(),
        previous: record.previous.into(),
        restored_to: record.restored_to.0.into(),
        previous_restored_to: record.previous_restored_to.0.into(),
    }
}

/// The life that a database was born to has no record.
fn decode_life(layout: &LifeLayout) -> Result<(Record, u32), RecordError> {
    let tick = plain_tick(&layout.head)?;
    let record = LifeRecord {
        number: layout.number.get(),
        incarnation: layout.incarnation.get(),
        previous: layout.previous.get(),
        restored_to: Lsn(layout.restored_to.get()),
        previous_restored_to: Lsn(layout.previous_restored_to.get()),
    };
    if record.number == 0 || LIVES_MAX < record.number {
        return Err(RecordError::Field { offset: 8 });
    }
    Ok((Record::Life(record), tick))
}

fn encode_account(record: &AccountRecord, kind: u8, tick: u32) -> AccountLayout {
    AccountLayout {
        head: head(kind, tick),
        slot: record.slot.0.into(),
        ledger: record.ledger.0.into(),
        id: record.id.0.into(),
        user_data_128: record.user_data_128.into(),
        user_data_64: record.user_data_64.into(),
        user_data_32: record.user_data_32.into(),
        code: record.code.0.into(),
        flags: record.flags.0.into(),
    }
}

fn decode_account(
    layout: &AccountLayout,
    imported_timestamp: Timestamp,
) -> Result<(Record, u32), RecordError> {
    let record = AccountRecord {
        slot: Slot(layout.slot.get()),
        id: AccountId(layout.id.get()),
        user_data_128: layout.user_data_128.get(),
        user_data_64: layout.user_data_64.get(),
        user_data_32: layout.user_data_32.get(),
        ledger: LedgerId(layout.ledger.get()),
        code: Code(layout.code.get()),
        flags: AccountFlags(layout.flags.get()),
        imported_timestamp,
    };
    Ok((Record::Account(record), plain_tick(&layout.head)?))
}

fn encode_transfer(record: &TransferRecord, kind: u8, tick: u32) -> TransferLayout {
    TransferLayout {
        head: head(kind, tick),
        id: record.id.0.into(),
        amount: record.amount.0.into(),
        user_data_128: record.user_data_128.into(),
        user_data_64: record.user_data_64.into(),
        user_data_32: record.user_data_32.into(),
        debit_slot: record.debit_slot.0.into(),
        credit_slot: record.credit_slot.0.into(),
        timeout: record.timeout.into(),
        debit_prev: record.debit_prev.0.into(),
        credit_prev: record.credit_prev.0.into(),
        pending: record.pending.0.into(),
        ledger: record.ledger.0.into(),
        code: record.code.0.into(),
        flags: record.flags.0.into(),
    }
}

fn decode_transfer(
    layout: &TransferLayout,
    imported_timestamp: Timestamp,
) -> Result<(Record, u32), RecordError> {
    let record = TransferRecord {
        id: TransferId(layout.id.get()),
        amount: Amount(layout.amount.get()),
        user_data_128: layout.user_data_128.get(),
        user_data_64: layout.user_data_64.get(),
        user_data_32: layout.user_data_32.get(),
        debit_slot: Slot(layout.debit_slot.get()),
        credit_slot: Slot(layout.credit_slot.get()),
        debit_prev: Lsn(layout.debit_prev.get()),
        credit_prev: Lsn(layout.credit_prev.get()),
        pending: Lsn(layout.pending.get()),
        timeout: layout.timeout.get(),
        ledger: LedgerId(layout.ledger.get()),
        code: Code(layout.code.get()),
        flags: TransferFlags(layout.flags.get()),
        imported_timestamp,
    };
    Ok((Record::Transfer(record), plain_tick(&layout.head)?))
}

fn encode_expiry(record: &ExpiryRecord, tick: u32) -> ExpiryLayout {
    ExpiryLayout {
        head: head(EXPIRY, tick),
        hold: record.hold.0.into(),
        amount: record.amount.0.into(),
        debit_slot: record.debit_slot.0.into(),
        credit_slot: record.credit_slot.0.into(),
        debit_prev: record.debit_prev.0.into(),
        credit_prev: record.credit_prev.0.into(),
    }
}

fn decode_expiry(layout: &ExpiryLayout) -> Result<(Record, u32), RecordError> {
    let record = ExpiryRecord {
        hold: Lsn(layout.hold.get()),
        amount: Amount(layout.amount.get()),
        debit_slot: Slot(layout.debit_slot.get()),
        credit_slot: Slot(layout.credit_slot.get()),
        debit_prev: Lsn(layout.debit_prev.get()),
        credit_prev: Lsn(layout.credit_prev.get()),
    };
    Ok((Record::Expiry(record), plain_tick(&layout.head)?))
}

fn encode_failed(record: &FailedRecord, tick: u32) -> FailedLayout {
    let extra = [record.status.number(), 0, 0];
    FailedLayout { head: Head { kind: FAILED, extra, tick: tick.into() }, id: record.id.0.into() }
}

fn decode_failed(layout: &FailedLayout) -> Result<(Record, u32), RecordError> {
    let [number, reserved @ ..] = layout.head.extra;
    let status = CreateTransferStatus::from_number(number);
    let status = status.ok_or(RecordError::Field { offset: 1 })?;
    if reserved != [0; 2] {
        return Err(RecordError::Field { offset: 2 });
    }
    let record = FailedRecord { id: TransferId(layout.id.get()), status };
    Ok((Record::Failed(record), layout.head.tick.get()))
}

fn encode_waypoint(record: &WaypointRecord, tick: u32) -> WaypointLayout {
    assert_eq!(record.postings_count % WAYPOINT_INTERVAL, 0, "waypoints are every 32nd posting");
    let [a, b, c, d, e, f, g, over] = (record.postings_count / WAYPOINT_INTERVAL).to_le_bytes();
    assert_eq!(over, 0, "no account has 2^61 postings");
    WaypointLayout {
        head: Head { kind: WAYPOINT, extra: [e, f, g], tick: tick.into() },
        slot: record.slot.0.into(),
        count_low: U32::from_bytes([a, b, c, d]),
        posting: record.posting.0.into(),
        waypoint_prev: record.waypoint_prev.0.into(),
        debits_pending: record.balances.debits_pending.0.into(),
        debits_posted: record.balances.debits_posted.0.into(),
        credits_pending: record.balances.credits_pending.0.into(),
        credits_posted: record.balances.credits_posted.0.into(),
    }
}

fn decode_waypoint(layout: &WaypointLayout) -> (Record, u32) {
    let [a, b, c, d] = layout.count_low.to_bytes();
    let [e, f, g] = layout.head.extra;
    let record = WaypointRecord {
        slot: Slot(layout.slot.get()),
        postings_count: u64::from_le_bytes([a, b, c, d, e, f, g, 0]) * WAYPOINT_INTERVAL,
        posting: Lsn(layout.posting.get()),
        waypoint_prev: Lsn(layout.waypoint_prev.get()),
        balances: Balances {
            debits_pending: Amount(layout.debits_pending.get()),
            debits_posted: Amount(layout.debits_posted.get()),
            credits_pending: Amount(layout.credits_pending.get()),
            credits_posted: Amount(layout.credits_posted.get()),
        },
    };
    (Record::Waypoint(record), layout.head.tick.get())
}
