//! Prevents: a promoted standby that has lost or doubled something, or forgets an id. Fault 30.

use crate::clock::HandClock;
use crate::dice::Dice;
use crate::pair::{
    Pair, START, Wire, await_applied, follow, open, open_accounts, post, standing, step, transfer,
    verified,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::following::{Promotion, promote_on};
use florin_core::{Database, ErrorKind};
use florin_ledger::{CreateTransferStatus, Lsn, Timestamp, TransferId};
use std::sync::Arc;

/// Where the first frame of all begins.
const FIRST_PLACE: Lsn = Lsn(4_096);

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
    promote_on(&disk, Promotion::Forced).unwrap();
    let promoted = open(&disk, &pair.clock).unwrap();
    // Far enough from those that the old primary may have begun meanwhile.
    assert!(epoch + 64 < promoted.status().unwrap().epoch);
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
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    let marked = pair.standby_disk.operations_count();
    open(&pair.standby_disk, &pair.clock).unwrap().close().unwrap();
    for at in begun..=pair.standby_disk.operations_count() {
        for seed in 0..4 {
            let disk = pair.standby_disk.crash_image(at, seed);
            let opened = open(&disk, &pair.clock);
            assert!(opened.is_ok() || at < marked, "cut at {at}, seed {seed}: {opened:?}");
            if opened.is_err() {
                promote_on(&disk, Promotion::Forced).unwrap();
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
        promote_on(&standby_disk, Promotion::Forced).unwrap();
        primary = open(&standby_disk, &clock).unwrap();
        primary_disk = standby_disk;
        let after = primary.status().unwrap();
        assert_eq!(after.transfers_count, before.transfers_count, "round {round}");
        assert_eq!(after.documents_count, before.documents_count, "round {round}");
        assert!(before.epoch + 64 < after.epoch);
    }
    primary.close().unwrap();
    verified(&primary_disk);
}

/// Prevents: a directory that has nothing of a bank and becomes one.
#[test]
fn what_has_copied_nothing_is_not_promoted() {
    let pair = Pair::new();
    let (standby, follower) = pair.follow();
    standby.on_promotion(|_| panic!("it has nothing"));
    let error = standby.ask_for_promotion(true).unwrap_err();
    assert!(error.to_string().contains("copied nothing"), "{error}");
    standby.close().unwrap();
    drop((standby, follower));
    let error = promote_on(&pair.standby_disk, Promotion::Forced).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    // Its mark alone is no log, either.
    let bare = SimulatedDisk::new();
    let mark = pair.standby_disk.contents("standby").unwrap();
    let file = bare.create("standby", Access::Buffered).unwrap();
    file.write_all_at(&mark, 0).unwrap();
    let error = promote_on(&bare, Promotion::Forced).unwrap_err();
    assert!(error.to_string().contains("nothing was copied"), "{error}");
}

/// Prevents: "it was never heard of" that looks like "nothing is lacking".
#[test]
fn a_standby_says_whether_it_was_ever_in_step() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    assert_eq!((standing(&standby).primary_end, standing(&standby).was_in_step), (None, false));
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    let told = standing(&standby);
    assert!(told.primary_end.is_some_and(|said| end <= said));
    assert!(told.was_in_step);
    standby.close().unwrap();
    drop((standby, follower));
    // What was heard before a restart is old.
    let (again, _follower) = pair.follow();
    assert_eq!((standing(&again).primary_end, standing(&again).was_in_step), (None, false));
}

/// Fault 45: a power cut while it catches up, a promotion of what is left, and a power cut in the first opening.
#[test]
fn a_promotion_in_the_middle_of_catching_up_survives_power_cuts_before_and_after() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 12);
    let (standby, mut follower) = pair.follow();
    let begun = pair.standby_disk.operations_count();
    let shipped = crate::pair::batches(&pair.primary, &mut follower, 3_000);
    let mut known = Vec::new();
    for batch in &shipped {
        let end = follower.take(batch).unwrap();
        await_applied_or_none(&standby, end.lsn);
        known.push((
            pair.standby_disk.operations_count(),
            standby.status().unwrap().transfers_count,
        ));
    }
    let copied = pair.standby_disk.operations_count();
    drop((standby, follower));
    let mut openings = 0;
    for at in begun..=copied {
        let disk = pair.standby_disk.crash_image(at, u64::try_from(at).unwrap());
        if promote_on(&disk, Promotion::Forced).is_err() {
            // Nothing of a log is there yet.
            assert!(known.iter().all(|(by, count)| at < *by || *count == 0), "cut at {at}");
            continue;
        }
        let acknowledged =
            known.iter().filter(|(by, _)| *by <= at).map(|(_, count)| *count).max().unwrap_or(0);
        let marked = disk.operations_count();
        open(&disk, &pair.clock).unwrap();
        for again_at in (marked..=disk.operations_count()).step_by(2) {
            let seed = u64::try_from(again_at).unwrap();
            let opened = open(&disk.crash_image(again_at, seed), &pair.clock)
                .unwrap_or_else(|error| panic!("cut at {at}, then at {again_at}: {error}"));
            let count = opened.status().unwrap().transfers_count;
            assert!(acknowledged <= count, "cut at {at}, then at {again_at}: {count}");
            openings += 1;
        }
    }
    assert!(100 < openings, "{openings}");
}

/// Waits until it is applied, if anything is there.
fn await_applied_or_none(standby: &Database, end: Lsn) {
    if FIRST_PLACE < end {
        await_applied(standby, end);
    }
}

/// Prevents: recorded time that goes back because the clock of the machine that takes over is behind, or was ahead.
#[test]
fn a_promoted_standby_whose_clock_is_wrong_goes_on_behind_the_last_event() {
    let hour = 3_600_000_000_000;
    for (now, what) in [(START / 2, "behind"), (START + 5 * hour, "ahead")] {
        let pair = Pair::new();
        open_accounts(&pair.primary);
        pair.clock.pass_until(START + hour);
        let before = pair.primary.create_transfers(&[transfer(1)]).unwrap()[0].timestamp;
        let (standby, mut follower) = pair.follow();
        Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
        standby.close().unwrap();
        drop((standby, follower));
        promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
        let clock = Arc::new(HandClock::at(now));
        let promoted = open(&pair.standby_disk, &clock).unwrap();
        let again = promoted.create_transfers(&[transfer(1)]).unwrap()[0];
        assert_eq!((again.status, again.timestamp), (CreateTransferStatus::Exists, before));
        let after = promoted.create_transfers(&[transfer(2)]).unwrap()[0].timestamp;
        assert!(before < after && Timestamp(now) < after, "{what}: {before} then {after}");
        promoted.close().unwrap();
        assert_eq!(verified(&pair.standby_disk).transfers_count, 2, "{what}");
    }
}

/// Fault 52: the old primary is started again as a primary, and a standby of the new one comes to it.
#[test]
fn a_standby_of_the_new_primary_does_not_follow_the_old_one_that_came_back() {
    let mut pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    standby.close().unwrap();
    drop((standby, follower));
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    let promoted = open(&pair.standby_disk, &pair.clock).unwrap();
    post(&promoted, 1, 2);
    let third_disk = SimulatedDisk::new();
    let (third, mut follower) = follow(&third_disk, &pair.clock, &promoted).unwrap();
    let end = Wire::new(&promoted, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&third, end);
    pair.reopen_primary();
    post(&pair.primary, 100, 40);
    let error = pair.primary.ship(&follower.begin().unwrap(), "third").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    // It has learned of its successor by that.
    let error = pair.primary.create_transfers(&[transfer(200)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert_eq!(third.status().unwrap().transfers_count, 2);
}
