//! Prevents: a change of layout that no other test notices, because writer and reader change
//! together. The bytes are written out by hand from docs/FORMAT.md.

use crate::log::block::{BlockHeader, HeaderKey};
use crate::log::record::{decode, encode};
use crate::log::segment::{HeaderState, SegmentHeader};
use crate::log::{Geometry, Identity};
use florin_ledger::commit::Topic;
use florin_ledger::record::{
    AccountRecord, Balances, CommitRecord, DocumentChange, DocumentRecord, EpochRecord,
    EventRecord, ExpiryRecord, FailedRecord, LifeRecord, PartRecord, Record, RefusalReason,
    RefusalRecord, TransferRecord, WaypointRecord,
};
use florin_ledger::{
    AccountFlags, AccountId, Amount, Code, CommitId, CreateTransferStatus, LedgerId, Lsn, Slot,
    TableId, Timestamp, TransferFlags, TransferId,
};

/// Bytes from hexadecimal digits; spaces are for the reader.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn check(record: Record, tick: u32, expect: &str) {
    check_payload(record, tick, b"", expect);
}

fn check_payload(record: Record, tick: u32, payload: &[u8], expect: &str) {
    let mut bytes = Vec::new();
    encode(&record, tick, payload, &mut bytes);
    assert_eq!(bytes, hex(expect), "{record:?}");
    let decoded = decode(&bytes).unwrap();
    assert_eq!((decoded.record, decoded.tick, decoded.bytes), (record, tick, bytes.len()));
    assert_eq!(decoded.payload, payload);
}

const ACCOUNT: AccountRecord = AccountRecord {
    slot: Slot(0x0102_0304),
    id: AccountId(0xA0A1),
    user_data_128: 0xB0,
    user_data_64: 0xC0,
    user_data_32: 0xD0,
    ledger: LedgerId(840),
    code: Code(0x1122),
    flags: AccountFlags::HISTORY,
    imported_timestamp: Timestamp::NONE,
};

const TRANSFER: TransferRecord = TransferRecord {
    id: TransferId(0xA0A1),
    amount: Amount(500),
    user_data_128: 0xB0,
    user_data_64: 0xC0,
    user_data_32: 0xD0,
    debit_slot: Slot(1),
    credit_slot: Slot(2),
    debit_prev: Lsn(0x1000),
    credit_prev: Lsn(0x2000),
    pending: Lsn(0x3000),
    timeout: 60,
    ledger: LedgerId(840),
    code: Code(0x1122),
    flags: TransferFlags::PENDING,
    imported_timestamp: Timestamp::NONE,
};

#[test]
fn accounts() {
    let plain = "a1a00000000000000000000000000000 b0000000000000000000000000000000
                 c000000000000000 d0000000 2211 0800";
    check(Record::Account(ACCOUNT), 7, &format!("02 000000 07000000 04030201 48030000 {plain}"));
    check(
        Record::Account(AccountRecord { imported_timestamp: Timestamp(0xE0), ..ACCOUNT }),
        7,
        &format!("03 000000 07000000 04030201 48030000 {plain} e000000000000000"),
    );
}

#[test]
fn transfers() {
    let plain = "a1a00000000000000000000000000000 f4010000000000000000000000000000
                 b0000000000000000000000000000000 c000000000000000 d0000000
                 01000000 02000000 3c000000 0010000000000000 0020000000000000
                 0030000000000000 48030000 2211 0200";
    check(Record::Transfer(TRANSFER), 0x0102, &format!("04 000000 02010000 {plain}"));
    check(
        Record::Transfer(TransferRecord { imported_timestamp: Timestamp(0xE0), ..TRANSFER }),
        0x0102,
        &format!("05 000000 02010000 {plain} e000000000000000"),
    );
}

#[test]
fn the_others() {
    check(
        Record::Epoch(EpochRecord { epoch: 3, tag: 0xF0 }),
        0,
        "01 000000 00000000 0300000000000000 f0000000000000000000000000000000",
    );
    check(
        Record::Life(LifeRecord {
            number: 3,
            incarnation: 0xF0,
            previous: 0xE0,
            restored_to: Lsn(0x3000),
            previous_restored_to: Lsn(0x2000),
        }),
        0,
        "0b 000000 00000000 0300000000000000 f0000000000000000000000000000000
         e0000000000000000000000000000000 0030000000000000 0020000000000000",
    );
    check(
        Record::Expiry(ExpiryRecord {
            hold: Lsn(0x3000),
            amount: Amount(500),
            debit_slot: Slot(1),
            credit_slot: Slot(2),
            debit_prev: Lsn(0x1000),
            credit_prev: Lsn(0x2000),
        }),
        1,
        "06 000000 01000000 0030000000000000 f4010000000000000000000000000000
         01000000 02000000 0010000000000000 0020000000000000",
    );
    check(
        Record::Failed(FailedRecord {
            id: TransferId(0xA0A1),
            status: CreateTransferStatus::ExceedsCredits,
        }),
        1,
        "07 42 0000 01000000 a1a00000000000000000000000000000",
    );
    check(
        Record::Waypoint(WaypointRecord {
            slot: Slot(9),
            postings_count: 32 * 0x07_0605_0403_0201,
            posting: Lsn(0x1000),
            waypoint_prev: Lsn(0x2000),
            balances: Balances {
                debits_pending: Amount(1),
                debits_posted: Amount(2),
                credits_pending: Amount(3),
                credits_posted: Amount(4),
            },
        }),
        1,
        "08 050607 01000000 09000000 01020304 0010000000000000 0020000000000000
         01000000000000000000000000000000 02000000000000000000000000000000
         03000000000000000000000000000000 04000000000000000000000000000000",
    );
}

#[test]
fn a_block_header() {
    let key = HeaderKey([0x4B; 32]);
    let body = [0x5A; 32];
    let header = BlockHeader {
        block_bytes: 208,
        lsn: Lsn(0x0400_5000),
        frame_lsn: Lsn(0x0400_1000),
        sequence: 9,
        timestamp: Timestamp(0x1122),
        epoch: 3,
        durable: Lsn(0x0400_0F00),
        index: 1,
        last: true,
        records_count: 2,
        seal: [0x5E; 16],
        body: *blake3::hash(&body).as_bytes(),
        chain: [0xCC; 32],
    };
    let mut expect = hex("46424c4b d0000000 0050000400000000 0010000400000000 0900000000000000
         2211000000000000 0300000000000000 000f000400000000 01000000 01000000 02000000
         000000000000000000000000 5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e");
    expect.extend_from_slice(blake3::hash(&body).as_bytes());
    expect.extend_from_slice(&[0xCC; 32]);
    assert_eq!(expect.len(), 160);
    let chain = *blake3::hash(&expect).as_bytes();
    let tag = blake3::keyed_hash(&key.0, &expect);
    expect.extend_from_slice(&tag.as_bytes()[..16]);
    expect.extend_from_slice(&body);
    let mut block = [0; 208];
    block[176..].copy_from_slice(&body);
    assert_eq!(header.write(&key, &mut block), chain);
    assert_eq!(block.as_slice(), expect);
    assert_eq!(BlockHeader::read(&block, header.lsn, &key), Ok(header));
}

#[test]
fn a_segment_header() {
    check_segment_header(false, "00100000");
    check_segment_header(true, "00100100");
}

fn check_segment_header(is_sealed: bool, bytes_and_flags: &str) {
    let geometry = Geometry::new(64 << 20).unwrap();
    let header = SegmentHeader {
        identity: Identity { incarnation: 0x0F0E, geometry, is_sealed },
        number: 7,
        key: HeaderKey([0x4B; 32]),
        salt: [0x53; 32],
    };
    let mut expect = hex(&format!(
        "464c4f52494e4c47 01000000 {bytes_and_flags} 0e0f0000000000000000000000000000
         0700000000000000 0000000400000000"
    ));
    expect.extend_from_slice(&[0x4B; 32]);
    expect.extend_from_slice(&[0x53; 32]);
    assert_eq!(expect.len(), 112);
    let checksum = blake3::hash(&expect);
    expect.extend_from_slice(checksum.as_bytes());
    expect.resize(4096, 0);
    let page = header.encode();
    assert_eq!(page.as_slice(), expect);
    assert_eq!(SegmentHeader::decode(&page, 7).unwrap(), HeaderState::Whole(header));
}

#[test]
fn documents() {
    let put = DocumentRecord {
        change: DocumentChange::Put,
        table: TableId(0x0102),
        key_bytes: 3,
        value_bytes: 2,
        previous: Lsn(0x1000),
        replaces: true,
        expires: Timestamp(0xE0),
        time: Timestamp(0xF0),
        check: 0x0102_0304,
    };
    check_payload(
        Record::Document(put),
        7,
        b"keyvv",
        "11 020000 07000000 0201 0300 02000000 0010000000000000 e000000000000000
         f000000000000000 05000000 04030201 6b65797676 000000",
    );
    let end = DocumentRecord { value_bytes: 0, replaces: false, ..put };
    for (change, extra) in [(DocumentChange::Deleted, "00"), (DocumentChange::Expired, "01")] {
        check_payload(
            Record::Document(DocumentRecord { change, ..end }),
            7,
            b"key",
            &format!(
                "12 {extra}0000 07000000 0201 0300 00000000 0010000000000000 e000000000000000
                 f000000000000000 03000000 04030201 6b6579 0000000000"
            ),
        );
    }
}

#[test]
fn what_a_commit_leaves() {
    let digest = [0xAB; 32];
    let digest_hex = "ab".repeat(32);
    check_payload(
        Record::Commit(CommitRecord {
            id: CommitId(0xA0A1),
            digest,
            first: Lsn(0x1000),
            accounts_count: 1,
            transfers_count: 2,
            documents_count: 3,
            events_count: 4,
            actor_bytes: 2,
        }),
        7,
        b"me",
        &format!(
            "13 000000 07000000 a1a00000000000000000000000000000 {digest_hex} 0010000000000000
             01000000 02000000 03000000 04000000 0200 0000 02000000 6d65 000000000000"
        ),
    );
    check_payload(
        Record::Refusal(RefusalRecord {
            id: 0xA0A1,
            digest,
            reason: RefusalReason::Transfer(CreateTransferStatus::ExceedsCredits),
            index: 5,
            count: 1,
            actor_bytes: 2,
        }),
        7,
        b"me",
        &format!(
            "10 02 42 00 07000000 a1a00000000000000000000000000000 {digest_hex}
             05000000 01000000 0200 0000 02000000 6d65 000000000000"
        ),
    );
    check_payload(
        Record::Event(EventRecord { topic: Topic(0x0102), key_bytes: 1, value_bytes: 9 }),
        7,
        b"k",
        "14 000000 07000000 0201 0100 09000000 01000000 00000000 6b 00000000000000",
    );
    check_payload(
        Record::Part(PartRecord { owner: Lsn(0x1000), bytes: 9 }),
        7,
        b"vvvvvvvvv",
        "15 000000 07000000 0010000000000000 09000000 00000000
         767676767676767676 00000000000000",
    );
}
