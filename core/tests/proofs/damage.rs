//! A damaged file of the tree is found when it is read, and derived again from the log; what is handed out
//! meanwhile verifies. Prevents (fault 56): a proof that holds although what it was made of was changed.

use crate::house::{
    TILE_LEAVES, assert_tree, naive_root, open, open_accounts, options, patiently, post,
    public_key, tiles, told, verify, wide,
};
use crate::refusing_disk::RefusingDisk;
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::event::{Event, Observer};
use florin_core::{Database, ErrorKind, Options};
use florin_ledger::{Subject, Timestamp, TransferId};
use std::sync::{Arc, mpsc};

fn kept_books() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    post(&database, 1..3_300);
    assert_tree(&database);
    database.close().unwrap();
    drop(database);
    disk.copy()
}

/// Every part of a file, of every file. Fault 58: a checker that does not look everywhere.
#[test]
fn a_damaged_tile_is_derived_again_and_every_proof_holds() {
    let books = kept_books();
    assert_eq!(verify(&books), Vec::<String>::new());
    let files = tiles(&books);
    assert_eq!(files.len(), 6);
    let length = books.contents(&files[0]).unwrap().len();
    for (number, file) in files.iter().enumerate() {
        for at in
            [0, 9, 12, 20, 33, 50, 70, 100, 130, 161, 168, 300, 1_447, 1_450, 1_480, length - 1]
        {
            let disk = books.copy();
            let before = disk.contents(file).unwrap();
            disk.corrupt(file, at, 3);
            assert_eq!(verify(&disk).len(), 1, "{file} at {at}");
            let database = open(&disk).unwrap();
            database.await_tree().unwrap();
            // A leaf of that tile.
            let id = u128::from(wide(number) * TILE_LEAVES) + 100;
            let subject = Subject::Transfer(TransferId(id));
            let proof = patiently(|| database.prove_inclusion(&subject, None));
            proof.verify(&public_key()).unwrap();
            database.close().unwrap();
            assert_eq!(disk.contents(file).unwrap(), before, "{file} at {at} is whole again");
        }
    }
}

#[test]
fn missing_and_cut_tiles_are_derived_again() {
    let books = kept_books();
    let files = tiles(&books);
    for keep in 0..files.len() {
        let disk = books.copy();
        for file in &files[..files.len() - keep] {
            disk.remove(file).unwrap();
        }
        if let Some(file) = files[files.len() - keep..].first() {
            disk.open(file, Access::Buffered).unwrap().set_bytes(100).unwrap();
        }
        let database = open(&disk).unwrap();
        assert_tree(&database);
        for id in [1, 600, 1_200, 2_000, 3_000] {
            let subject = Subject::Transfer(TransferId(id));
            let proof = patiently(|| database.prove_inclusion(&subject, None));
            proof.verify(&public_key()).unwrap();
        }
        database.close().unwrap();
        assert_eq!(tiles(&disk), files, "{keep} kept");
        assert_eq!(verify(&disk), Vec::<String>::new());
    }
}

/// A file that is whole, of a history that was left, below one that is right. Prevents: proofs that fail for
/// ever, because the newest file is all that an opening looks at.
#[test]
fn an_older_tile_of_another_history_is_derived_again() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    post(&database, 1..100);
    database.close().unwrap();
    drop(database);
    let (left, right) = (disk.copy(), disk.copy());
    for (disk, first) in [(&left, 10_000_u128), (&right, 20_000)] {
        let database = open(disk).unwrap();
        post(&database, first..first + 2_500);
        assert_tree(&database);
        database.close().unwrap();
    }
    let file = &tiles(&right)[2];
    let whole = right.contents(file).unwrap();
    right.remove(file).unwrap();
    let bytes = left.contents(file).unwrap();
    right.create(file, Access::Buffered).unwrap().write_all_at(&bytes, 0).unwrap();
    let database = open(&right).unwrap();
    assert_tree(&database);
    for id in [20_100, 21_200, 22_400] {
        let subject = Subject::Transfer(TransferId(id));
        let proof = patiently(|| database.prove_inclusion(&subject, None));
        proof.verify(&public_key()).unwrap();
    }
    assert_eq!(database.metrics().tree.unwrap().derived_tiles, 1);
    database.close().unwrap();
    assert_eq!(right.contents(file).unwrap(), whole);
}

/// Fault 74, and a disk that is full: what the tree needs, no commit waits for.
#[test]
fn a_disk_that_refuses_the_tree_refuses_no_transfer() {
    let disk = SimulatedDisk::new();
    let refusing = Arc::new(RefusingDisk::on(disk.clone()));
    let (sender, events) = mpsc::channel();
    let observer = Observer::new(move |event| {
        if let Event::TreeStuck(error) = event {
            let _ = sender.send(error.clone());
        }
    });
    let database = open_refusing(&refusing, observer);
    open_accounts(&database);
    post(&database, 1..400);
    assert_tree(&database);
    refusing.refuse(true);
    post(&database, 1_000..2_000);
    assert_eq!(events.recv().unwrap().kind(), ErrorKind::DiskFull, "it is told of");
    assert_eq!(database.await_tree().unwrap_err().kind(), ErrorKind::Io);
    assert!(database.metrics().tree.unwrap().is_stuck);
    // The tree stands, the ledger does not, receipts are given, and heads of what was read until then.
    post(&database, 3_000..4_000);
    let subject = Subject::Transfer(TransferId(3_500));
    database.receipt(&subject).unwrap().verify(&public_key()).unwrap();
    let late = database.prove_inclusion(&subject, None).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NotYet);
    let head = database.tree_head(None).unwrap().head;
    let leaves = told(&database);
    assert!(head.size < wide(leaves.len()), "it stands");
    assert_eq!(head.root, naive_root(&leaves[..usize::try_from(head.size).unwrap()]));
    refusing.refuse(false);
    // It is tried again every second, and that is how long this takes.
    while database.metrics().tree.unwrap().is_stuck {
        std::thread::yield_now();
    }
    assert_tree(&database);
    assert!(events.try_recv().is_err(), "told once");
    database.close().unwrap();
    assert_eq!(verify(&disk), Vec::<String>::new());
}

/// Prevents: somebody who waits for ever for a thread that a defect has ended.
#[test]
fn whoever_waits_for_a_tree_that_has_ended_is_told() {
    let refusing = Arc::new(RefusingDisk::on(SimulatedDisk::new()));
    let (sender, events) = mpsc::channel();
    let observer = Observer::new(move |event| {
        let Event::TreeStuck(error) = event else { return };
        sender.send(error.kind()).unwrap();
        // What the observer does it does on the tree's thread.
        assert_eq!(error.kind(), ErrorKind::Stopped, "a defect, for this test");
    });
    let database = open_refusing(&refusing, observer);
    open_accounts(&database);
    refusing.refuse(true);
    post(&database, 1..700);
    assert_eq!(events.recv().unwrap(), ErrorKind::DiskFull);
    assert_eq!(events.recv().unwrap(), ErrorKind::Stopped, "the thread says that it ends");
    post(&database, 1_000..1_100);
    let waited = database.await_tree().unwrap_err();
    assert!([ErrorKind::Stopped, ErrorKind::Io].contains(&waited.kind()), "{waited}");
    let subject = Subject::Transfer(TransferId(1_050));
    let proved = database.prove_inclusion(&subject, None).unwrap_err();
    assert_eq!(proved.kind(), ErrorKind::Stopped);
    assert!(database.metrics().tree.unwrap().is_stuck);
    database.receipt(&subject).unwrap().verify(&public_key()).unwrap();
    database.close().unwrap();
}

fn open_refusing(disk: &Arc<RefusingDisk>, observer: Observer) -> Database {
    let clock = Arc::new(FixedClock(Timestamp(1_000_000)));
    let disk: Arc<dyn Disk> = Arc::<RefusingDisk>::clone(disk);
    Database::open_on(disk, clock, Options { observer, ..options(9) }).unwrap()
}
