//! A damaged file of the tree is found when it is read, and derived again from the log; what is handed out
//! meanwhile verifies. Prevents (fault 56): a proof that holds although what it was made of was changed.

use crate::house::{
    TILE_LEAVES, assert_tree, open, open_accounts, options, patiently, post, public_key, tiles,
    verify, wide,
};
use florin_core::Options;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::event::{Event, Observer};
use florin_ledger::{Subject, TransferId};
use std::sync::mpsc;

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

/// Fault 74, and a full disk: what the tree needs, no commit waits for.
#[test]
fn a_disk_that_refuses_the_tree_refuses_no_transfer() {
    let disk = SimulatedDisk::new();
    let (sender, events) = mpsc::channel();
    let observer = Observer::new(move |event| {
        if let Event::TreeStuck(error) = event {
            let _ = sender.send(error.to_string());
        }
    });
    let database = crate::house::open_with(&disk, Options { observer, ..options(9) }).unwrap();
    open_accounts(&database);
    post(&database, 1..400);
    assert_tree(&database);
    disk.hold_syncs("tree/");
    post(&database, 1_000..2_000);
    disk.wait_for_held_syncs(1);
    // The tree stands, the ledger does not, and receipts are given.
    post(&database, 3_000..4_000);
    let subject = Subject::Transfer(TransferId(3_500));
    database.receipt(&subject).unwrap().verify(&public_key()).unwrap();
    disk.release_syncs();
    assert_tree(&database);
    assert!(events.try_recv().is_err(), "nothing went wrong");
}
