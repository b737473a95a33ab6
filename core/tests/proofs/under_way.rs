//! Heads and proofs that are asked for while the tree is being built: full tiles that are no files yet, frames
//! that were just taken. Prevents: an honest bank that signs a root that its books do not have, because every
//! other test waits for the tree first.

use crate::house::{
    assert_tree, naive_root, naive_root_of, open, open_accounts, post, post_at_once, public_key,
    told, wide,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::proof::{Hash, SignedHead, leaf_hash};
use florin_core::{Database, ErrorKind};
use florin_ledger::{Subject, TransferId};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn narrow(size: u64) -> usize {
    usize::try_from(size).unwrap()
}

/// The disk holds back a tile; the edge holds that and two more.
#[test]
fn a_head_is_right_while_full_tiles_are_no_files_yet() {
    for begun in [1, 300, 600, 1_200] {
        let disk = SimulatedDisk::new();
        let database = open(&disk).unwrap();
        open_accounts(&database);
        post(&database, 1..begun);
        let old = assert_tree(&database).len();
        let old_head = database.tree_head(None).unwrap().head;
        disk.hold_syncs("tree/");
        post_at_once(&database, 10_000..11_100);
        disk.wait_for_held_syncs(1);
        let leaves = told(&database);
        let head = database.tree_head(None).unwrap().head;
        assert_eq!((narrow(head.size), leaves.len()), (old + 1_100, old + 1_100));
        assert_eq!(head.root, naive_root(&leaves), "{old} leaves before");
        assert_eq!(database.tree_head(Some(old_head.size)).unwrap().head, old_head);
        database.prove_consistency(old_head.size, None).unwrap().verify(&public_key()).unwrap();
        for id in [10_000, 10_300, 10_513, 10_800, 11_099] {
            let subject = Subject::Transfer(TransferId(id));
            let proof = database.prove_inclusion(&subject, None).unwrap();
            assert_eq!(proof.leaf, leaves[narrow(proof.index)].bytes);
            proof.verify(&public_key()).unwrap();
        }
        disk.release_syncs();
        assert_tree(&database);
        assert_eq!(database.metrics().tree.unwrap().derived_tiles, 0, "nothing was derived");
    }
}

/// Every head that is stated while others post, against what there is in the end.
#[test]
fn heads_that_are_stated_while_others_post_are_of_what_was_told() {
    let database = open(&SimulatedDisk::new()).unwrap();
    open_accounts(&database);
    let (stated, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let heads = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask_heads(&database, &stated, &is_done));
        // However slow the one who asks is: some heads are stated meanwhile.
        let mut first = 0_u128;
        while first < 24 || stated.load(Ordering::Acquire) < 4 {
            post_at_once(&database, first * 1_000 + 1..first * 1_000 + 700);
            first += 1;
        }
        is_done.store(true, Ordering::Release);
        asking.join().unwrap()
    });
    let leaves = assert_tree(&database);
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(&leaf.bytes)).collect();
    assert!(4 <= heads.len(), "some heads were stated meanwhile");
    for head in heads {
        assert_eq!(head.head.root, naive_root_of(&hashes[..narrow(head.head.size)]));
        let again = database.tree_head(Some(head.head.size)).unwrap();
        assert_eq!(again, head, "there is one head of each size");
    }
    assert!(16_000 < wide(hashes.len()));
}

fn ask_heads(database: &Database, stated: &AtomicUsize, is_done: &AtomicBool) -> Vec<SignedHead> {
    let mut heads: Vec<SignedHead> = Vec::new();
    while !is_done.load(Ordering::Acquire) {
        match database.tree_head(None) {
            Ok(head) if heads.last() != Some(&head) => {
                heads.push(head);
                stated.store(heads.len(), Ordering::Release);
            }
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotYet),
        }
    }
    heads
}
