//! Prevents: a promoted standby that has lost or doubled something, or forgets an id. Fault 30.

use crate::dice::Dice;
use crate::pair::{Pair, Wire, await_applied, open, open_accounts, post, step, transfer, verified};
use florin_core::following::promote_on;
use florin_ledger::{CreateTransferStatus, TransferId};

#[test]
fn a_promoted_standby_has_every_transfer_once_and_begins_an_epoch_of_its_own() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 50);
    let (standby, mut follower) = pair.follow();
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 2_000);
    await_applied(&standby, end);
    let epoch = standby.status().unwrap().epoch;
    // The primary is gone without a word, the standby too.
    let disk = pair.standby_disk.crash_image(pair.standby_disk.operations_count(), 3);
    drop((standby, follower));
    promote_on(&disk).unwrap();
    let promoted = open(&disk, &pair.clock).unwrap();
    assert_eq!(promoted.status().unwrap().epoch, epoch + 1);
    for id in 1..=50 {
        let results = promoted.create_transfers(&[transfer(id)]).unwrap();
        assert_eq!(results[0].status, CreateTransferStatus::Exists, "transfer {id}");
    }
    post(&promoted, 51, 10);
    assert_eq!(promoted.status().unwrap().transfers_count, 60);
    promoted.close().unwrap();
    assert_eq!(verified(&disk).transfers_count, 60);
}

/// A promotion that is cut off leaves a standby, or one that is promoted; never one that decides and follows.
#[test]
fn a_promotion_survives_a_power_cut_at_any_operation() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 3);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    standby.close().unwrap();
    drop((standby, follower));
    let begun = pair.standby_disk.operations_count();
    promote_on(&pair.standby_disk).unwrap();
    let marked = pair.standby_disk.operations_count();
    open(&pair.standby_disk, &pair.clock).unwrap().close().unwrap();
    for at in begun..=pair.standby_disk.operations_count() {
        for seed in 0..4 {
            let disk = pair.standby_disk.crash_image(at, seed);
            let opened = open(&disk, &pair.clock);
            assert!(opened.is_ok() || at < marked, "cut at {at}, seed {seed}: {opened:?}");
            if opened.is_err() {
                promote_on(&disk).unwrap();
            }
            drop(opened);
            let opened = open(&disk, &pair.clock).unwrap();
            let found = opened.lookup_transfers(&[1, 2, 3].map(TransferId)).unwrap();
            assert!(found.iter().all(Option::is_some), "cut at {at}, seed {seed}");
        }
    }
}

/// Primary and standby by turns, a failover after each: nothing is lost, and the log is one.
#[test]
fn roles_change_back_and_forth() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let Pair { clock, mut primary, mut primary_disk, .. } = pair;
    let mut dice = Dice::new(7);
    let mut next_id = 0;
    for round in 0..4 {
        let standby_disk = florin_core::disk::simulated::SimulatedDisk::new();
        let (standby, mut follower) = crate::pair::follow(&standby_disk, &clock, &primary).unwrap();
        for _ in 0..20 {
            step(&primary, &clock, &mut dice, &mut next_id);
        }
        let end = Wire::new(&primary, &mut follower).carry(&mut follower, 10_000);
        await_applied(&standby, end);
        let before = primary.status().unwrap();
        drop(primary);
        standby.close().unwrap();
        drop((standby, follower));
        promote_on(&standby_disk).unwrap();
        primary = open(&standby_disk, &clock).unwrap();
        primary_disk = standby_disk;
        let after = primary.status().unwrap();
        assert_eq!(after.transfers_count, before.transfers_count, "round {round}");
        assert_eq!(after.documents_count, before.documents_count, "round {round}");
        assert_eq!(after.epoch, before.epoch + 1);
    }
    primary.close().unwrap();
    verified(&primary_disk);
}
