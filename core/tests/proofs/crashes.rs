//! Power cuts at every moment while tiles are written: the tree is derived from what the log has kept.
//! Prevents (faults 37 and 45): a file that is named and not whole, and a tree ahead of its log.

use crate::house::{assert_tree, open, open_accounts, post, tiles, told};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::proof::Hash;
use florin_ledger::{Lsn, Subject, Timestamp, TransferId};
use std::collections::BTreeMap;

#[test]
fn after_a_power_cut_at_any_moment_the_tree_is_that_of_the_log() {
    let disk = SimulatedDisk::new();
    let database = open(&disk).unwrap();
    open_accounts(&database);
    let begun = disk.operations_count();
    post(&database, 1..600);
    database.await_tree().unwrap();
    post(&database, 600..1_150);
    assert_tree(&database);
    let ended = disk.operations_count();
    assert_eq!(tiles(&disk).len(), 2);
    database.close().unwrap();
    for cut in begun..=ended {
        for seed in 0..3 {
            let image = disk.crash_image(cut, seed);
            let database = open(&image).unwrap();
            let leaves = assert_tree(&database);
            database.close().unwrap();
            let whole = tiles(&image).iter().filter(|file| !file.ends_with(".partial")).count();
            assert_eq!(whole, leaves.len() / 512, "cut after {cut}, image {seed}");
        }
    }
}

/// Fault 59: the tree is the same on every machine and in every run, whatever its threads did when.
#[test]
fn two_runs_of_one_day_hash_it_alike() {
    // A machine that is busy leaves pauses, in which the log witnesses what is durable; then its frames lie
    // elsewhere, and a leaf says where. So runs are compared whose logs are laid out alike.
    let mut days = BTreeMap::new();
    for _ in 0..50 {
        let (layout, day) = hashed_day();
        assert_eq!(day.1.len(), 9, "all of the second half of the tree");
        if let Some(before) = days.insert(layout, day.clone()) {
            return assert_eq!(before, day);
        }
    }
    panic!("no two runs laid their logs out alike");
}

/// Size, time and epoch of a head, and the path to a leaf.
type Day = ((u64, Timestamp, u64), Vec<Hash>);

/// Where its records lie, with what a day hashes to.
fn hashed_day() -> (Vec<Lsn>, Day) {
    let database = open(&SimulatedDisk::new()).unwrap();
    open_accounts(&database);
    post(&database, 1..900);
    assert_tree(&database);
    let head = database.tree_head(None).unwrap().head;
    let subject = Subject::Transfer(TransferId(700));
    let mut path = database.prove_inclusion(&subject, None).unwrap().path;
    // The tag of the epoch is random, so the part with the first leaf is; it lies beside the top.
    let with_first = path.pop();
    assert!(with_first.is_some());
    let layout = told(&database).iter().map(|leaf| leaf.position.lsn).collect();
    (layout, ((head.size, head.time, head.epoch), path))
}
