//! Records with a payload: bytes of variable length behind the fixed fields, filled with zeros to a
//! multiple of 8 bytes. `here` is how much of the payload is in this very record. What does not fit
//! the cell goes on in **parts**, right behind, each at the start of the frame's next block.
//!
//! ```text
//! refusal (16)         1  1 reason | 2  1 status | 8 16 id | 24 32 digest | 56  4 index
//!                     60  4 count | 64  2 actor bytes | 66  2 zero | 68  4 here
//!                     payload: actor                                                  = 72 + here
//! document put (17)    1  1 2: replaces a value | 8  2 table | 10  2 key bytes | 12  4 value bytes | 16  8 previous
//!                     24  8 expires | 32  8 time | 40  4 here | 44  4 check
//!                     payload: key, value                                            = 48 + here
//! document end (18)    1  1 0: deleted, 1: expired; 2 more: replaces a value
//!                      8    as a put, without a value                                  = 48 + here
//! commit (19)          8 16 id | 24 32 digest | 56  8 first | 64  4 accounts | 68  4 transfers
//!                     72  4 documents | 76  4 events | 80  2 actor bytes | 82  2 zero
//!                     84  4 here; payload: actor                                      = 88 + here
//! event (20)           8  2 topic | 10  2 key bytes | 12  4 value bytes | 16  4 here
//!                     20  4 zero; payload: key, value                                 = 24 + here
//! part (21)            8  8 owner | 16  4 here | 20  4 zero; payload: more of the owner's
//!                                                                                     = 24 + here
//! ```

use super::record::{Head, RECORD_BYTES_MIN, RecordError, head, read};
use florin_ledger::commit::Topic;
use florin_ledger::document::DOCUMENT_KEY_BYTES_MAX;
use florin_ledger::record::{
    CommitRecord, DocumentChange, DocumentRecord, EventRecord, PartRecord, Record, RefusalReason,
    RefusalRecord,
};
use florin_ledger::{CommitId, Lsn, TableId, Timestamp};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const REFUSAL: u8 = 16;
const DOCUMENT_PUT: u8 = 17;
const DOCUMENT_END: u8 = 18;
const COMMIT: u8 = 19;
const EVENT: u8 = 20;
const PART: u8 = 21;

/// What the first extra byte of a document's record says.
const EXPIRED: u8 = 1;
const REPLACES: u8 = 2;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RefusalLayout {
    head: Head,
    id: U128,
    digest: [u8; 32],
    index: U32,
    count: U32,
    actor_bytes: U16,
    reserved: U16,
    here: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DocumentLayout {
    head: Head,
    table: U16,
    key_bytes: U16,
    value_bytes: U32,
    previous: U64,
    expires: U64,
    time: U64,
    here: U32,
    check: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CommitLayout {
    head: Head,
    id: U128,
    digest: [u8; 32],
    first: U64,
    accounts_count: U32,
    transfers_count: U32,
    documents_count: U32,
    events_count: U32,
    actor_bytes: U16,
    reserved: U16,
    here: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct EventLayout {
    head: Head,
    topic: U16,
    key_bytes: U16,
    value_bytes: U32,
    here: U32,
    reserved: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PartLayout {
    head: Head,
    owner: U64,
    here: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<RefusalLayout>() == 72);
const _: () = assert!(size_of::<DocumentLayout>() == 48);
const _: () = assert!(size_of::<CommitLayout>() == 88);
const _: () = assert!(size_of::<EventLayout>() == RECORD_BYTES_MIN);
const _: () = assert!(size_of::<PartLayout>() == RECORD_BYTES_MIN);

/// Where a document's record has its check.
const CHECK: std::ops::Range<usize> = 44..48;
const _: () = assert!(std::mem::offset_of!(DocumentLayout, check) == CHECK.start);

/// Puts the check into a document's record that lies at a position with its whole payload. So it can
/// be read, and checked, without the rest of its block.
pub(super) fn set_check(record: &mut [u8], lsn: Lsn) {
    let check = check_of(record, lsn);
    record[CHECK].copy_from_slice(&check.to_le_bytes());
}

/// Whether a document's record is whole, and at this position.
pub(super) fn check_is_right(record: &[u8], lsn: Lsn) -> bool {
    record.get(CHECK).is_some_and(|check| *check == check_of(record, lsn).to_le_bytes())
}

/// CRC-32 of the record with a check of zero, and its position. Never zero, which says that there is
/// none.
fn check_of(record: &[u8], lsn: Lsn) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..CHECK.start]);
    hasher.update(&[0; 4]);
    hasher.update(&record[CHECK.end..]);
    hasher.update(&lsn.0.to_le_bytes());
    hasher.finalize().max(1)
}

/// The bytes of a record's fixed fields.
pub(super) fn fixed_bytes(record: &Record) -> usize {
    match record {
        Record::Document(_) => size_of::<DocumentLayout>(),
        Record::Event(_) => size_of::<EventLayout>(),
        Record::Commit(_) => size_of::<CommitLayout>(),
        Record::Refusal(_) => size_of::<RefusalLayout>(),
        Record::Part(_) => size_of::<PartLayout>(),
        other => unreachable!("{other:?} has no payload"),
    }
}

/// Appends the bytes of a record's fixed fields.
pub(super) fn encode_fixed(record: &Record, tick: u32, here: usize, out: &mut Vec<u8>) {
    match record {
        Record::Document(record) => {
            out.extend_from_slice(encode_document(record, tick, here).as_bytes());
        }
        Record::Event(record) => out.extend_from_slice(encode_event(record, tick, here).as_bytes()),
        Record::Commit(record) => {
            out.extend_from_slice(encode_commit(record, tick, here).as_bytes());
        }
        Record::Refusal(record) => {
            out.extend_from_slice(encode_refusal(record, tick, here).as_bytes());
        }
        Record::Part(record) => out.extend_from_slice(encode_part(record, tick, here).as_bytes()),
        other => unreachable!("{other:?} has no payload"),
    }
}

/// Reads the fixed fields: the record, its tick, and how much of its payload is here.
pub(super) fn decode_fixed(kind: u8, bytes: &[u8]) -> Result<(Record, u32, u32), RecordError> {
    let ((record, tick), here) = match kind {
        DOCUMENT_PUT | DOCUMENT_END => {
            let layout: &DocumentLayout = read(bytes)?;
            (decode_document(layout)?, layout.here)
        }
        EVENT => {
            let layout: &EventLayout = read(bytes)?;
            (decode_event(layout)?, layout.here)
        }
        COMMIT => {
            let layout: &CommitLayout = read(bytes)?;
            (decode_commit(layout)?, layout.here)
        }
        REFUSAL => {
            let layout: &RefusalLayout = read(bytes)?;
            (decode_refusal(layout)?, layout.here)
        }
        PART => {
            let layout: &PartLayout = read(bytes)?;
            (decode_part(layout)?, layout.here)
        }
        _ => return Err(RecordError::Kind { offset: 0, kind }),
    };
    Ok((record, tick, here.get()))
}

/// How many bytes the fixed fields take, and how many of the payload are here.
pub(super) fn bytes_at(kind: u8, bytes: &[u8]) -> Option<(usize, usize)> {
    let (fixed, here) = match kind {
        DOCUMENT_PUT | DOCUMENT_END => {
            let layout: &DocumentLayout = read(bytes).ok()?;
            (size_of::<DocumentLayout>(), layout.here)
        }
        EVENT => (size_of::<EventLayout>(), read::<EventLayout>(bytes).ok()?.here),
        COMMIT => (size_of::<CommitLayout>(), read::<CommitLayout>(bytes).ok()?.here),
        REFUSAL => (size_of::<RefusalLayout>(), read::<RefusalLayout>(bytes).ok()?.here),
        PART => (size_of::<PartLayout>(), read::<PartLayout>(bytes).ok()?.here),
        _ => return None,
    };
    Some((fixed, usize::try_from(here.get()).ok()?))
}

/// Whether the record at the start of `bytes` is a commit's.
pub(super) fn is_commit(bytes: &[u8]) -> bool {
    bytes.first() == Some(&COMMIT)
}

/// How much of a payload is in a record.
fn here(bytes: usize) -> U32 {
    u32::try_from(bytes).expect("a cell is small").into()
}

/// The tick of a record whose first extra byte may say something, and its reserved fields.
fn payload_tick(head: &Head, said_count: usize, is_zero: bool) -> Result<u32, RecordError> {
    if head.extra[said_count..].iter().any(|byte| *byte != 0) {
        return Err(RecordError::Field { offset: 1 + said_count });
    }
    if is_zero { Ok(head.tick.get()) } else { Err(RecordError::Field { offset: 8 }) }
}

fn encode_document(record: &DocumentRecord, tick: u32, bytes_here: usize) -> DocumentLayout {
    let (kind, end) = match record.change {
        DocumentChange::Put => (DOCUMENT_PUT, 0),
        DocumentChange::Deleted => (DOCUMENT_END, 0),
        DocumentChange::Expired => (DOCUMENT_END, EXPIRED),
    };
    let replaces = if record.replaces { REPLACES } else { 0 };
    DocumentLayout {
        head: Head { kind, extra: [end | replaces, 0, 0], tick: tick.into() },
        table: record.table.0.into(),
        key_bytes: record.key_bytes.into(),
        value_bytes: record.value_bytes.into(),
        previous: record.previous.0.into(),
        expires: record.expires.0.into(),
        time: record.time.0.into(),
        here: here(bytes_here),
        check: record.check.into(),
    }
}

fn decode_document(layout: &DocumentLayout) -> Result<(Record, u32), RecordError> {
    let said = layout.head.extra[0];
    let change = match (layout.head.kind, said & !REPLACES) {
        (DOCUMENT_PUT, 0) => DocumentChange::Put,
        (DOCUMENT_END, 0) => DocumentChange::Deleted,
        (DOCUMENT_END, EXPIRED) => DocumentChange::Expired,
        _ => return Err(RecordError::Field { offset: 1 }),
    };
    let record = DocumentRecord {
        change,
        table: TableId(layout.table.get()),
        key_bytes: layout.key_bytes.get(),
        value_bytes: layout.value_bytes.get(),
        previous: Lsn(layout.previous.get()),
        replaces: said & REPLACES != 0,
        expires: Timestamp(layout.expires.get()),
        time: Timestamp(layout.time.get()),
        check: layout.check.get(),
    };
    let has_key = (1..=DOCUMENT_KEY_BYTES_MAX).contains(&usize::from(record.key_bytes));
    let has_value = change == DocumentChange::Put || record.value_bytes == 0;
    let are_instants = record.expires <= Timestamp::MAX && record.time <= Timestamp::MAX;
    let is_well = has_key && has_value && are_instants;
    Ok((Record::Document(record), payload_tick(&layout.head, 1, is_well)?))
}

fn encode_event(record: &EventRecord, tick: u32, bytes_here: usize) -> EventLayout {
    EventLayout {
        head: head(EVENT, tick),
        topic: record.topic.0.into(),
        key_bytes: record.key_bytes.into(),
        value_bytes: record.value_bytes.into(),
        here: here(bytes_here),
        reserved: U32::ZERO,
    }
}

fn decode_event(layout: &EventLayout) -> Result<(Record, u32), RecordError> {
    let record = EventRecord {
        topic: Topic(layout.topic.get()),
        key_bytes: layout.key_bytes.get(),
        value_bytes: layout.value_bytes.get(),
    };
    let is_zero = layout.reserved == U32::ZERO;
    Ok((Record::Event(record), payload_tick(&layout.head, 0, is_zero)?))
}

fn encode_commit(record: &CommitRecord, tick: u32, bytes_here: usize) -> CommitLayout {
    CommitLayout {
        head: head(COMMIT, tick),
        id: record.id.0.into(),
        digest: record.digest,
        first: record.first.0.into(),
        accounts_count: record.accounts_count.into(),
        transfers_count: record.transfers_count.into(),
        documents_count: record.documents_count.into(),
        events_count: record.events_count.into(),
        actor_bytes: record.actor_bytes.into(),
        reserved: U16::ZERO,
        here: here(bytes_here),
    }
}

fn decode_commit(layout: &CommitLayout) -> Result<(Record, u32), RecordError> {
    let record = CommitRecord {
        id: CommitId(layout.id.get()),
        digest: layout.digest,
        first: Lsn(layout.first.get()),
        accounts_count: layout.accounts_count.get(),
        transfers_count: layout.transfers_count.get(),
        documents_count: layout.documents_count.get(),
        events_count: layout.events_count.get(),
        actor_bytes: layout.actor_bytes.get(),
    };
    let is_zero = layout.reserved == U16::ZERO;
    Ok((Record::Commit(record), payload_tick(&layout.head, 0, is_zero)?))
}

fn encode_refusal(record: &RefusalRecord, tick: u32, bytes_here: usize) -> RefusalLayout {
    let (reason, status) = record.reason.numbers();
    RefusalLayout {
        head: Head { kind: REFUSAL, extra: [reason, status, 0], tick: tick.into() },
        id: record.id.into(),
        digest: record.digest,
        index: record.index.into(),
        count: record.count.into(),
        actor_bytes: record.actor_bytes.into(),
        reserved: U16::ZERO,
        here: here(bytes_here),
    }
}

fn decode_refusal(layout: &RefusalLayout) -> Result<(Record, u32), RecordError> {
    let [reason, status, _] = layout.head.extra;
    let reason = RefusalReason::from_numbers(reason, status);
    let record = RefusalRecord {
        id: layout.id.get(),
        digest: layout.digest,
        reason: reason.ok_or(RecordError::Field { offset: 1 })?,
        index: layout.index.get(),
        count: layout.count.get(),
        actor_bytes: layout.actor_bytes.get(),
    };
    let is_zero = layout.reserved == U16::ZERO;
    Ok((Record::Refusal(record), payload_tick(&layout.head, 2, is_zero)?))
}

fn encode_part(record: &PartRecord, tick: u32, bytes_here: usize) -> PartLayout {
    PartLayout {
        head: head(PART, tick),
        owner: record.owner.0.into(),
        here: here(bytes_here),
        reserved: U32::ZERO,
    }
}

fn decode_part(layout: &PartLayout) -> Result<(Record, u32), RecordError> {
    let record = PartRecord { owner: Lsn(layout.owner.get()), bytes: layout.here.get() };
    let is_zero = layout.reserved == U32::ZERO;
    Ok((Record::Part(record), payload_tick(&layout.head, 0, is_zero)?))
}
