//! A tree belongs to one history of one log: it goes on after a restart, and files of another history are not
//! taken for this one's.

use crate::house::{
    TILE_LEAVES, TILE_LEVEL, assert_tree, open, open_accounts, open_with, options, post,
    public_key, tiles, verify,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::proof::SignedHead;
use florin_core::rebuild::rebuild_on;
use florin_ledger::{Subject, TransferId};
use std::sync::Arc;

/// Prevents: proofs that fail from yesterday's restart on.
#[test]
fn a_database_that_is_closed_and_opened_goes_on_with_the_same_tree() {
    let mut disk = SimulatedDisk::new();
    let mut heads = Vec::new();
    for opening in 0..6_u128 {
        let database = open(&disk).unwrap();
        // The first head after a restart is no smaller than the last before it.
        let begun = database.tree_head(None).unwrap().head.size;
        assert!(heads.last().is_none_or(|last: &SignedHead| last.head.size < begun));
        open_accounts(&database);
        post(&database, opening * 1_000 + 1..opening * 1_000 + 320);
        assert_tree(&database);
        for head in &heads {
            let SignedHead { head, .. } = head;
            let proof = database.prove_consistency(head.size, None).unwrap();
            proof.verify(&public_key()).unwrap();
            assert_eq!(proof.first.head, *head, "an old head is what it was");
        }
        heads.push(database.tree_head(None).unwrap());
        let first = database.prove_inclusion(&Subject::Transfer(TransferId(1)), None).unwrap();
        first.verify(&public_key()).unwrap();
        database.close().unwrap();
        drop(database);
        disk = disk.copy();
    }
    assert_eq!(tiles(&disk).len(), 3);
}

/// An opening reads one file, and as much of the log as is behind it.
#[test]
fn an_opening_does_not_read_the_whole_log_again() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    post(&database, 1..20_000);
    assert_tree(&database);
    database.close().unwrap();
    drop(database);
    let hashed = |disk: &SimulatedDisk| {
        let database = open(disk).unwrap();
        database.await_tree().unwrap();
        let hashed = database.metrics().tree.unwrap().hashed;
        database.close().unwrap();
        hashed
    };
    let bare = disk.copy();
    for tile in tiles(&bare) {
        bare.remove(&tile).unwrap();
    }
    assert!(20_000 < hashed(&bare));
    assert!(hashed(&disk) <= TILE_LEAVES);
}

/// Two histories with one beginning, as after a restore or a failover. Fault 55.
#[test]
fn tiles_of_another_history_are_not_taken_for_this_one_s() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    post(&database, 1..700);
    assert_tree(&database);
    database.close().unwrap();
    drop(database);
    let (left, right) = (disk.copy(), disk.copy());
    for (disk, first) in [(&left, 10_000_u128), (&right, 20_000)] {
        let database = open(disk).unwrap();
        post(&database, first..first + 1_500);
        assert_tree(&database);
        database.close().unwrap();
    }
    // The left one's tree beside the right one's log.
    for tile in tiles(&left) {
        let bytes = left.contents(&tile).unwrap();
        let _ = right.remove(&tile);
        right.create(&tile, Access::Buffered).unwrap().write_all_at(&bytes, 0).unwrap();
    }
    let findings = verify(&right);
    assert!(findings.iter().any(|it| it.contains("tree of proofs")), "{findings:?}");
    let database = open(&right).unwrap();
    assert_tree(&database);
    for id in [1, 500, 20_000, 21_400] {
        let proof = database.prove_inclusion(&Subject::Transfer(TransferId(id)), None).unwrap();
        proof.verify(&public_key()).unwrap();
    }
    database.close().unwrap();
}

/// Tiles of another size are derived again, and rebuilding derives all.
#[test]
fn other_sizes_and_rebuilding_come_to_the_same_tree() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    post(&database, 1..2_500);
    assert_tree(&database);
    let head = database.tree_head(None).unwrap();
    database.close().unwrap();
    drop(database);
    for level in [10, 12, TILE_LEVEL] {
        let database = open_with(&disk, options(level)).unwrap();
        assert_tree(&database);
        assert_eq!(database.tree_head(Some(head.head.size)).unwrap(), head);
        database.close().unwrap();
    }
    let findings = verify(&disk);
    assert_eq!(findings, Vec::<String>::new());
    let files = tiles(&disk).len();
    assert!(3 < files);
    let rebuilt: Arc<dyn Disk> = Arc::new(disk.clone());
    rebuild_on(&rebuilt).unwrap();
    // Tiles of the size that ships are larger than this log.
    assert_eq!(tiles(&disk).len(), 0);
    let database = open(&disk).unwrap();
    assert_tree(&database);
    assert_eq!(database.tree_head(Some(head.head.size)).unwrap(), head);
}
