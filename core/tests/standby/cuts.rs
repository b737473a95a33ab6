//! Prevents: a standby that is judged broken after a power cut although nothing that it acknowledged is lost,
//! or that has lost what it acknowledged. Fault 45: what must be synced before what.

use crate::pair::{
    Pair, Wire, await_applied, batches, follow, open, open_accounts, post, standing, verified,
};
use florin_core::disk::Disk;
use florin_core::following::Follower;
use florin_core::shipping::BATCH_HEAD_BYTES;
use florin_core::{Database, Error, ErrorKind};

/// Cuts the power at every operation of a standby's copying, in several ways each.
fn check(mut pair: Pair, batch_bytes: usize, seeds: u64) {
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 3);
    // Another opening, another segment.
    pair.reopen_primary();
    post(&pair.primary, 4, 3);
    let (standby, mut follower) = pair.follow();
    let begun = pair.standby_disk.operations_count();
    let shipped = batches(&pair.primary, &mut follower, batch_bytes);
    for batch in &shipped {
        let end = follower.take(batch).unwrap();
        pair.standby_disk.mark(end.lsn.0);
    }
    let copied = pair.standby_disk.operations_count();
    drop((standby, follower));
    for at in begun..=copied {
        let acknowledged = pair.standby_disk.marks_before(at).last().copied().unwrap_or(4_096);
        for seed in 0..seeds {
            let disk = pair.standby_disk.crash_image(at, seed);
            let (again, mut follower) = follow(&disk, &pair.clock, &pair.primary)
                .unwrap_or_else(|error| panic!("cut at {at}, seed {seed}: {error}"));
            let position = follower.begin().unwrap().position.lsn.0;
            assert!(
                acknowledged <= position,
                "cut at {at}, seed {seed}: {acknowledged} was acknowledged"
            );
            // A sample of them goes on; all of them would take minutes.
            if (at + usize::try_from(seed).unwrap()) % 17 == 0 {
                let mut wire = Wire::new(&pair.primary, &mut follower);
                let end = wire.carry(&mut follower, batch_bytes);
                await_applied(&again, end);
                drop(wire);
                again.close().unwrap();
                drop((again, follower));
                assert_eq!(verified(&disk).transfers_count, 6, "cut at {at}, seed {seed}");
            }
        }
    }
}

/// Frames that the primary synced one by one come in one batch: each says that those before it are durable.
#[test]
fn a_standby_that_catches_up_is_judged_right_after_a_power_cut_at_any_operation() {
    check(Pair::new(), 1 << 20, 6);
}

#[test]
fn so_is_one_that_is_in_step() {
    check(Pair::new(), 300, 4);
}

#[test]
fn so_is_an_encrypted_one() {
    check(Pair::encrypted(), 1 << 20, 3);
}

/// Prevents: a directory that is neither empty nor a copy, because its making was cut off.
#[test]
fn the_first_opening_of_a_standby_survives_a_power_cut_at_any_operation() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, follower) = pair.follow();
    let done = pair.standby_disk.operations_count();
    drop((standby, follower));
    for at in 0..=done {
        for seed in 0..6 {
            let disk = pair.standby_disk.crash_image(at, seed);
            let (again, mut follower) = follow(&disk, &pair.clock, &pair.primary)
                .unwrap_or_else(|error| panic!("cut at {at}, seed {seed}: {error}"));
            let mut wire = Wire::new(&pair.primary, &mut follower);
            let end = wire.carry(&mut follower, 1 << 20);
            await_applied(&again, end);
        }
    }
}

/// Prevents: a write or sync that failed and was tried again, or an acknowledgement in spite of it.
#[test]
fn any_call_of_the_disk_that_fails_ends_copying_or_is_tried_again_and_loses_nothing() {
    for calls in 0..60 {
        let pair = Pair::new();
        open_accounts(&pair.primary);
        let (standby, mut follower) = pair.follow();
        let mut wire = Wire::new(&pair.primary, &mut follower);
        let mut acknowledged = wire.carry(&mut follower, 1 << 20);
        post(&pair.primary, 1, 5);
        pair.standby_disk.fail_call(calls);
        loop {
            let batch = wire.shipment.next(500).unwrap();
            match follower.take(&batch) {
                Ok(position) => acknowledged = position.lsn,
                Err(_) => break,
            }
            if wire.shipment.is_live() {
                break;
            }
        }
        pair.standby_disk.lift_faults();
        drop((wire, standby, follower));
        let image = pair.standby_disk.crash_image(pair.standby_disk.operations_count(), calls);
        let (again, mut follower) = follow(&image, &pair.clock, &pair.primary).unwrap();
        assert!(acknowledged <= follower.begin().unwrap().position.lsn, "call {calls}");
        let mut wire = Wire::new(&pair.primary, &mut follower);
        let end = wire.carry(&mut follower, 1 << 20);
        await_applied(&again, end);
        assert_eq!(again.status().unwrap().transfers_count, 5, "call {calls}");
    }
}

/// Fault 46: a full disk ends nothing; with room the standby goes on where it was.
#[test]
fn a_standby_whose_disk_is_full_says_so_and_goes_on_with_room() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    let batch: Vec<_> = (1..=8_000).map(crate::pair::transfer).collect();
    for _ in 0..3 {
        pair.primary.create_transfers(&batch).unwrap();
    }
    let batch: Vec<_> = (8_001..=16_000).map(crate::pair::transfer).collect();
    pair.primary.create_transfers(&batch).unwrap();
    let used: u64 = ["", "log", "runs"]
        .iter()
        .flat_map(|directory| pair.standby_disk.list(directory).unwrap_or_default())
        .count()
        .try_into()
        .unwrap();
    assert!(used != 0);
    pair.standby_disk.set_capacity(Some(0));
    let error = loop {
        match follower.take(&wire.shipment.next(1 << 20).unwrap()) {
            Ok(_) => assert!(!wire.shipment.is_live(), "the disk is full"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    // What it lacks is known all the same: each batch says where the primary ends.
    let before = standing(&standby).primary_end.unwrap();
    post(&pair.primary, 16_001, 1);
    drop(wire);
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let error = follower.take(&wire.shipment.next(1 << 20).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    let standing = standing(&standby);
    assert!(before < standing.primary_end.unwrap(), "{standing:?}");
    assert!(standing.durable < standing.primary_end.unwrap(), "{standing:?}");
    pair.standby_disk.set_capacity(None);
    drop(wire);
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let end = wire.carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    assert_eq!(standby.status().unwrap().transfers_count, 16_001);
}

/// What a follower of a segment change meets when the disk fails it in one way: says what became of the batch.
fn over_a_segment_change(
    calls: u64,
    fail: impl Fn(&Pair, u64),
    check: impl Fn(Pair, Database, Follower, Option<Error>),
) {
    let mut pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    pair.reopen_primary();
    post(&pair.primary, 1, 5);
    let mut wire = Wire::new(&pair.primary, &mut follower);
    fail(&pair, calls);
    let mut error = None;
    while error.is_none() && !wire.shipment.is_live() {
        error = follower.take(&wire.shipment.next(1 << 20).unwrap()).err();
    }
    pair.standby_disk.lift_faults();
    drop(wire);
    check(pair, standby, follower, error);
}

/// Fault 46, where a segment begins: making its file, its header, its entry, and the room behind it.
#[test]
fn a_disk_that_is_full_at_any_call_of_a_segment_change_ends_nothing() {
    for calls in 0..40 {
        over_a_segment_change(
            calls,
            |pair, calls| pair.standby_disk.fill_after(calls),
            |pair, standby, mut follower, error| {
                if let Some(error) = error {
                    assert_eq!(error.kind(), ErrorKind::DiskFull, "call {calls}: {error}");
                }
                let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
                await_applied(&standby, end);
                assert_eq!(standby.status().unwrap().transfers_count, 5, "call {calls}");
            },
        );
    }
}

/// Prevents: a standby that takes nothing any more and looks as if it followed; a position that is told as durable
/// after a sync has failed.
#[test]
fn a_standby_whose_disk_fails_for_good_says_so_and_ends() {
    let mut ended = 0;
    for calls in 0..40 {
        over_a_segment_change(
            calls,
            |pair, calls| pair.standby_disk.fail_call(calls),
            |_, standby, mut follower, error| {
                let Some(error) = error.filter(|error| error.kind() == ErrorKind::Stopped) else {
                    return;
                };
                assert!(standing(&standby).has_stopped, "call {calls}: {error}");
                assert_eq!(standby.status().unwrap_err().kind(), ErrorKind::Stopped);
                let begun = follower.begin().map(drop);
                assert_eq!(begun.unwrap_err().kind(), ErrorKind::Stopped, "call {calls}");
                let taken = follower.take(&[0; 16]).map(drop);
                assert_eq!(taken.unwrap_err().kind(), ErrorKind::Stopped, "call {calls}");
            },
        );
        let ends = std::cell::Cell::new(0);
        over_a_segment_change(
            calls,
            |pair, calls| pair.standby_disk.fail_call(calls),
            |_, _, _, error| ends.set(u32::from(error.is_some())),
        );
        ended += ends.get();
    }
    assert_ne!(ended, 0, "some calls are of copying");
}

/// A defect that panics takes the follower with it.
#[test]
fn a_standby_whose_follower_has_panicked_ends() {
    let pair = Pair::new();
    let (standby, follower) = pair.follow();
    let panicked = std::thread::spawn(move || {
        let _held = follower;
        std::panic::resume_unwind(Box::new("a defect"));
    });
    panicked.join().unwrap_err();
    assert!(standing(&standby).has_stopped);
    assert_eq!(standby.status().unwrap_err().kind(), ErrorKind::Stopped);
}

/// The header of a segment came, and then another primary, that began this segment with a header of its own.
#[test]
fn a_segment_of_which_nothing_came_gives_way_to_that_of_another_primary() {
    let mut pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    pair.primary.close().unwrap();
    let other_disk = pair.primary_disk.copy();
    pair.reopen_primary();
    let shipped = batches(&pair.primary, &mut follower, 1 << 20).concat();
    let header = segment_item_end(&shipped);
    follower.take(&shipped[..header]).unwrap();
    let present = "log/00000000000000000001";
    assert_eq!(
        pair.standby_disk.contents(present).unwrap()[..4_096],
        shipped[header - 4_096..header]
    );
    let other = open(&other_disk, &pair.clock).unwrap();
    post(&other, 1, 5);
    let end = Wire::new(&other, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    assert_eq!(standby.status().unwrap().transfers_count, 5);
    standby.close().unwrap();
    drop((standby, follower));
    assert_eq!(verified(&pair.standby_disk).transfers_count, 5);
    let theirs = other_disk.contents(present).unwrap();
    assert_eq!(pair.standby_disk.contents(present).unwrap()[..4_096], theirs[..4_096]);
}

/// Where the last header of a segment ends in a run that one batch holds.
fn segment_item_end(batch: &[u8]) -> usize {
    let (mut at, mut end) = (BATCH_HEAD_BYTES, None);
    while at < batch.len() {
        let number = |from: usize| u32::from_le_bytes(batch[from..from + 4].try_into().unwrap());
        let (kind, bytes) = (number(at + 8), usize::try_from(number(at + 12)).unwrap());
        at += 16 + bytes;
        if kind == 1 {
            end = Some(at);
        }
    }
    end.unwrap()
}
