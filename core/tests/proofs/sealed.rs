//! The tree of an encrypted database. Prevents: whoever writes to the directory, and has no key, has the bank sign
//! what it never recorded.

#[path = "../keys/mod.rs"]
mod keys;

use crate::house::{
    assert_tree, open_accounts, open_with, options, patiently, post, public_key, tiles,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::{Database, Options, sealing};
use florin_ledger::{Subject, TransferId};
use keys::TestKey;
use std::sync::Arc;

/// Where a file of the tree has what is checked, and the checks.
const BLOCKS_HASH_AT: usize = 128;
const HEAD_HASH_AT: usize = 1_448;
const BLOCKS_AT: usize = 1_480;

fn open_sealed(disk: &SimulatedDisk) -> Database {
    open_with(disk, Options { key: Some(Arc::new(TestKey::A)), ..options(9) }).unwrap()
}

/// Another hash for a block, under checks that anybody can compute.
fn forge(tile: &[u8]) -> Vec<u8> {
    let mut forged = tile.to_vec();
    forged[BLOCKS_AT + 20] ^= 1;
    let blocks = *blake3::hash(&forged[BLOCKS_AT..]).as_bytes();
    forged[BLOCKS_HASH_AT..BLOCKS_HASH_AT + 32].copy_from_slice(&blocks);
    let head = *blake3::hash(&forged[..HEAD_HASH_AT]).as_bytes();
    forged[HEAD_HASH_AT..BLOCKS_AT].copy_from_slice(&head);
    forged
}

#[test]
fn a_tile_that_was_made_without_the_key_is_not_believed() {
    let disk = SimulatedDisk::new();
    sealing::create(&disk, &TestKey::A).unwrap();
    let database = open_sealed(&disk);
    open_accounts(&database);
    post(&database, 1..1_500);
    assert_tree(&database);
    database.close().unwrap();
    drop(database);
    let files = tiles(&disk);
    assert_eq!(files.len(), 2);
    let whole = disk.contents(&files[0]).unwrap();
    disk.remove(&files[0]).unwrap();
    let file = disk.create(&files[0], Access::Buffered).unwrap();
    file.write_all_at(&forge(&whole), 0).unwrap();
    let database = open_sealed(&disk);
    assert_tree(&database);
    for id in [5, 300, 1_400] {
        let subject = Subject::Transfer(TransferId(id));
        let proof = patiently(|| database.prove_inclusion(&subject, None));
        proof.verify(&public_key()).unwrap();
    }
    assert_eq!(database.metrics().tree.unwrap().derived_tiles, 1);
    database.close().unwrap();
    assert_eq!(disk.contents(&files[0]).unwrap(), whole);
}
