//! What happens by itself is proved as well: holds and documents that run out; and accounts that were opened
//! elsewhere, long before.

use crate::house::{assert_tree, open_accounts, options, public_key, transfer, wide};
use florin_core::Database;
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::proof::Leaf;
use florin_ledger::document::DocumentCondition;
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    Account, AccountFlags, AccountId, Code, CreateAccountStatus, DocumentWrite, LedgerId, Subject,
    TableId, Timestamp, Transfer, TransferFlags, TransferId,
};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;

fn open_at(disk: &SimulatedDisk, now: u64) -> Database {
    let clock = Arc::new(FixedClock(Timestamp(now)));
    Database::open_on(Arc::new(disk.clone()), clock, options(9)).unwrap()
}

#[test]
fn expiries_and_imported_accounts_are_proved() {
    let disk = SimulatedDisk::new();
    let database = open_at(&disk, 100 * SECOND);
    let imported = Account {
        id: AccountId(70),
        ledger: LedgerId(978),
        code: Code(1),
        flags: AccountFlags::IMPORTED,
        timestamp: Timestamp(5),
        ..Account::default()
    };
    let results = database.create_accounts(&[imported]).unwrap();
    assert_eq!(results[0].status, CreateAccountStatus::Created);
    open_accounts(&database);
    let hold = Transfer { timeout: 2, ..transfer(9, 50, TransferFlags::PENDING) };
    database.create_transfers(&[hold]).unwrap();
    let document = DocumentWrite {
        table: TableId(16),
        key: b"key".to_vec(),
        value: Some(b"value".to_vec()),
        condition: DocumentCondition::Any,
        expires: Timestamp(101 * SECOND),
    };
    database.write_documents(&[document]).unwrap();
    database.close().unwrap();
    drop(database);
    let database = open_at(&disk, 200 * SECOND);
    // What is due is recorded before anything else.
    database.create_transfers(&[transfer(10, 1, TransferFlags::NONE)]).unwrap();
    let leaves = assert_tree(&database);
    let mut found = [false; 3];
    for (index, told) in leaves.iter().enumerate() {
        let proof = database.prove_inclusion(&Subject::Position(told.position), None).unwrap();
        assert_eq!((proof.index, &proof.leaf), (wide(index), &told.bytes));
        let Leaf { content, .. } = proof.verify(&public_key()).unwrap();
        match content {
            ItemContent::Expiry(expired) => {
                assert_eq!((expired.hold_id, expired.amount.0), (TransferId(9), 50));
                found[0] = true;
            }
            ItemContent::DocumentExpired { key, due, .. } => {
                assert_eq!((key, due), (&b"key"[..], Timestamp(101 * SECOND)));
                found[1] = true;
            }
            ItemContent::Account(account) if account.id == AccountId(70) => {
                assert_eq!(account.timestamp, Timestamp(5));
                found[2] = true;
            }
            _ => {}
        }
    }
    assert_eq!(found, [true; 3]);
}
