//! The bytes of commits, of documents and of what became of them.

use super::{check, written};
use bytes::BytesMut;
use florin_ledger::commit::{
    BalanceField, BrokenRule, CommitDone, CommitOutcome, CommitRefused, Event, Precondition, Topic,
    Unmet,
};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::document::{
    Document, DocumentCondition, DocumentKey, DocumentScan, DocumentWrite, UniqueResult,
    WriteResult,
};
use florin_ledger::{
    AccountId, Amount, Commit, CommitId, CreateTransferStatus, Lsn, Position, TableId,
    TableOptions, Timestamp, TransferId,
};
use florin_wire::cold::{self, HistoryOf, Once};
use florin_wire::documents::{self, Found};
use florin_wire::{array, outcome, receipted};

fn position(lsn: u64) -> Position {
    Position { epoch: 1, lsn: Lsn(lsn) }
}

/// A write of 40 bytes, a key and a value, as `florin_ledger::commit_bytes` draws it.
const WRITE: &str = "01 02 1000 0200 0000 02000000 00000000 0300000000000000
    0100000000000000 0010000000000000 6b31 7631";

fn write() -> DocumentWrite {
    DocumentWrite {
        table: TableId(16),
        key: b"k1".to_vec(),
        value: Some(b"v1".to_vec()),
        expires: Timestamp(3),
        condition: DocumentCondition::Version(position(4096)),
    }
}

#[test]
fn a_commit() {
    let commit = Commit {
        id: CommitId(5),
        actor: b"me".to_vec(),
        not_after: Timestamp(2),
        preconditions: vec![
            Precondition::Document {
                table: TableId(16),
                key: b"k1".to_vec(),
                version: position(4096),
            },
            Precondition::Balance {
                account_id: AccountId(1),
                field: BalanceField::CreditAvailable,
                min: Amount(6),
                max: Amount(7),
            },
            Precondition::HoldPending { transfer_id: TransferId(9) },
        ],
        documents: vec![
            write(),
            DocumentWrite {
                table: TableId(17),
                key: b"k2".to_vec(),
                condition: DocumentCondition::Absent,
                ..DocumentWrite::default()
            },
        ],
        events: vec![Event { topic: Topic(8), key: b"k".to_vec(), value: b"v".to_vec() }],
        ..Commit::default()
    };
    check(
        &encode_commit(&commit),
        &format!(
            "05000000000000000000000000000000
             0000000000000000000000000000000000000000000000000000000000000000
             0200000000000000 03000000 00000000 00000000 02000000 01000000 0200 0000 6d65
             01 00 1000 0200 0000 01000000000000000010000000000000
             00000000000000000000000000000000 00000000000000000000000000000000 6b31
             02 04 0000 0000 0000 01000000000000000000000000000000
             06000000000000000000000000000000 07000000000000000000000000000000
             03 00 0000 0000 0000 09000000000000000000000000000000
             00000000000000000000000000000000 00000000000000000000000000000000
             {WRITE}
             02 01 1100 0200 0000 00000000 00000000 0000000000000000
             0000000000000000 0000000000000000 6b32
             0800 0100 01000000 6b 76"
        ),
    );
}

#[test]
fn outcomes_of_commits() {
    let (nothing, no_counts) = ("00000000000000000000000000000000", "00000000 00000000 00000000");
    let done = CommitOutcome::Done(CommitDone {
        position: position(4096),
        timestamp: Timestamp(2),
        accounts: vec![Timestamp(3)],
        transfers: vec![Timestamp(4)],
        documents: vec![position(5)],
        events: vec![position(6)],
    });
    check(
        &outcome::to_bytes(&done),
        &format!(
            "00 00 0000 00000000 0100000000000000 0010000000000000 0200000000000000 {nothing}
             01000000 01000000 01000000 01000000 0300000000000000 0400000000000000
             0100000000000000 0500000000000000 0100000000000000 0600000000000000"
        ),
    );
    let mut with_receipt = BytesMut::new();
    let unmet = CommitOutcome::Unmet(Unmet::TooLate(Timestamp(2)));
    receipted::write(&unmet, b"signed", &mut with_receipt);
    check(
        &with_receipt,
        &format!(
            "40000000 00000000 02 01 0000 00000000 {nothing} 0200000000000000 {nothing}
             00000000 {no_counts} 7369676e6564"
        ),
    );
    let status = CreateTransferStatus::ExceedsCredits;
    let refused = CommitOutcome::Refused(CommitRefused {
        position: position(4096),
        timestamp: Timestamp(2),
        broken: BrokenRule::Transfer { index: 1, status },
    });
    check(
        &outcome::to_bytes(&refused),
        &format!(
            "01 02 4200 01000000 0100000000000000 0010000000000000 0200000000000000 {nothing}
             00000000 {no_counts}"
        ),
    );
    let unmets = [
        (
            Unmet::TooLate(Timestamp(2)),
            format!("01 0000 00000000 {nothing} 0200000000000000 {nothing}"),
        ),
        (
            Unmet::Document { index: 1, version: position(4096) },
            format!(
                "02 0000 01000000 0100000000000000 0010000000000000 0000000000000000 {nothing}"
            ),
        ),
        (
            Unmet::Balance { index: 1, balance: Some(Amount(7)) },
            format!("03 0000 01000000 {nothing} 0000000000000000 07000000000000000000000000000000"),
        ),
        (
            Unmet::Balance { index: 1, balance: None },
            format!("04 0000 01000000 {nothing} 0000000000000000 {nothing}"),
        ),
        (
            Unmet::Hold { index: 1 },
            format!("05 0000 01000000 {nothing} 0000000000000000 {nothing}"),
        ),
        (
            Unmet::Write { index: 1, version: Position::NONE },
            format!("06 0000 01000000 {nothing} 0000000000000000 {nothing}"),
        ),
        (
            Unmet::AppendOnly { index: 1, version: position(4096) },
            format!(
                "07 0000 01000000 0100000000000000 0010000000000000 0000000000000000 {nothing}"
            ),
        ),
    ];
    for (unmet, bytes) in unmets {
        let outcome = CommitOutcome::Unmet(unmet);
        check(&outcome::to_bytes(&outcome), &format!("02 {bytes} 00000000 {no_counts}"));
    }
    check(
        &outcome::to_bytes(&CommitOutcome::ExistsWithDifferentDigest(position(4096))),
        &format!(
            "03 00 0000 00000000 0100000000000000 0010000000000000 0000000000000000 {nothing}
             00000000 {no_counts}"
        ),
    );
}

#[test]
fn documents_found() {
    let document = Document {
        key: b"k1".to_vec(),
        version: position(4096),
        timestamp: Timestamp(2),
        expires: Timestamp(3),
        value: Some(b"v1".to_vec()),
    };
    let deleted = Document { value: None, ..document.clone() };
    let found = Found {
        documents: vec![Some(document), None, Some(deleted)],
        more: true,
        next: Some(b"k1".to_vec()),
    };
    let times = "0200000000000000 0300000000000000 0100000000000000 0010000000000000";
    check(
        &written(|out| documents::write_found(&found, out)),
        &format!(
            "01 00 0200 00000000 6b31 01 00 0200 02000000 {times} 6b31 7631
             00 00 0000 00000000 {} 02 00 0200 00000000 {times} 6b31",
            "00".repeat(32)
        ),
    );
}

#[test]
fn documents_asked_for_and_written() {
    let key = DocumentKey { table: TableId(16), key: b"k1".to_vec() };
    check(&written(|out| documents::write_keys(std::slice::from_ref(&key), out)), "1000 0200 6b31");
    check(&documents::writes_to_bytes(&[write()]), &format!("01000000 {WRITE}"));
    check(
        &array::to_bytes(&[
            WriteResult::Written(position(4096)),
            WriteResult::Stale(Position::NONE),
            WriteResult::AppendOnly(position(1)),
            WriteResult::NoRoom,
        ]),
        "00 00000000000000 0100000000000000 0010000000000000
         01 00000000000000 0000000000000000 0000000000000000
         02 00000000000000 0100000000000000 0100000000000000
         03 00000000000000 0000000000000000 0000000000000000",
    );
    check(
        &array::to_bytes(&[
            UniqueResult::Fresh(position(2)),
            UniqueResult::Seen(position(1)),
            UniqueResult::NoRoom,
        ]),
        "00 00000000000000 0100000000000000 0200000000000000
         01 00000000000000 0100000000000000 0100000000000000
         02 00000000000000 0000000000000000 0000000000000000",
    );
    let options = TableOptions { append_only: true, volatile: true, time_to_live: 60 };
    check(&array::to_bytes(&[(TableId(16), options)]), "1000 03 00 3c000000");
    let scan = DocumentScan {
        table: TableId(16),
        prefix: b"k".to_vec(),
        after: Some(b"k1".to_vec()),
        reversed: true,
        keys_only: false,
        limit: 10,
    };
    check(
        &cold::to_bytes(&scan),
        "1000 0100000000000000 6b 01 0200000000000000 6b31 01 00 0a000000",
    );
    check(
        &documents::as_of_to_bytes(position(4096), &[0xaa]),
        "0100000000000000 0010000000000000 aa",
    );
    check(
        &cold::to_bytes(&HistoryOf { key: key.clone(), before: position(4096), limit: 10 }),
        "1000 0200000000000000 6b31 0100000000000000 0010000000000000 0a000000",
    );
    check(
        &cold::to_bytes(&Once { key, expires: Timestamp(3) }),
        "1000 0200000000000000 6b31 0300000000000000",
    );
}
