//! Prevents: a commit that finds no room after it was decided, a short opening that costs a whole
//! segment, and a disk that was full once and refuses for ever (fault 46).

use super::sample::{OPTIONS, SEGMENT_BYTES, begin, identity, judged, transfers};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::error::ErrorKind;
use crate::log::{End, FramePosition, PrepareError, Preparer, PreparerOptions};
use florin_ledger::Lsn;
use std::sync::Arc;

fn preparer(disk: &SimulatedDisk, options: PreparerOptions) -> Preparer {
    disk.create_directory("log").unwrap();
    Preparer::new(Arc::new(disk.clone()), identity(), options, 0)
}

fn stored_bytes(disk: &SimulatedDisk) -> usize {
    let names = disk.list("log").unwrap();
    names.iter().map(|name| disk.contents(&format!("log/{name}")).unwrap().len()).sum()
}

#[test]
fn room_begins_at_a_slice_and_grows_with_use_up_to_two_segments() {
    let disk = SimulatedDisk::new();
    let mut preparer = preparer(&disk, OPTIONS);
    assert_eq!(preparer.room().ordinary, Lsn(0), "nothing is admitted before it is made");
    let slice = OPTIONS.slice_bytes;
    let room = preparer.advance(Lsn(0)).unwrap();
    assert_eq!(room.reserved, Lsn(slice));
    assert_eq!(room.ordinary, Lsn(slice - OPTIONS.reserve_bytes));
    assert!(!preparer.wants(Lsn(4096 + 1024)), "a short opening costs one slice");
    assert_eq!(stored_bytes(&disk), usize::try_from(slice).unwrap());
    let applied = Lsn(3 * SEGMENT_BYTES);
    while preparer.wants(applied) {
        let before = stored_bytes(&disk);
        preparer.advance(applied).unwrap();
        assert!(
            stored_bytes(&disk) <= before + usize::try_from(slice).unwrap(),
            "one slice a call"
        );
    }
    assert_eq!(preparer.room().reserved, Lsn(5 * SEGMENT_BYTES));
    preparer.close(applied).unwrap();
    assert_eq!(disk.list("log").unwrap().len(), 3);
}

/// Room that a power cut can take back is no room.
#[test]
fn room_survives_a_power_cut() {
    let disk = SimulatedDisk::new();
    let mut preparer = preparer(&disk, OPTIONS);
    disk.sync_directory("").unwrap();
    for _ in 0..6 {
        let room = preparer.advance(Lsn(SEGMENT_BYTES)).unwrap();
        let image = disk.crash_image(disk.operations_count(), 0);
        assert_eq!(u64::try_from(stored_bytes(&image)).unwrap(), room.reserved.0);
    }
}

#[test]
fn a_full_disk_is_an_answer_and_passes() {
    for calls in 0..40 {
        let disk = SimulatedDisk::new();
        let mut log = begin(&disk, FramePosition::GENESIS, 1);
        log.append(&transfers(150));
        log.sync();
        disk.fill_after(calls);
        let full = loop {
            match log.preparer.advance(log.next) {
                Ok(_) if log.preparer.wants(log.next) => {}
                other => break other,
            }
        };
        // The first slice asks how much is free, then writes.
        if calls < 2 {
            assert!(matches!(full, Err(PrepareError::DiskFull)), "{full:?}");
        }
        let stored = u64::try_from(stored_bytes(&disk)).unwrap();
        assert_eq!(stored, log.preparer.room().reserved.0, "a half-made slice is given back");
        log.append(&transfers(1));
        log.sync();
        disk.lift_faults();
        for _ in 0..6 {
            log.append(&transfers(60));
            log.sync();
        }
        assert_eq!(judged(&disk, &[log.durable]), End::Clean { at: log.writer.position() });
    }
}

#[test]
fn the_free_space_for_checkpoints_is_left_alone() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(SEGMENT_BYTES));
    let free_bytes_min = OPTIONS.slice_bytes;
    let mut preparer = preparer(&disk, PreparerOptions { free_bytes_min, ..OPTIONS });
    let room = preparer.advance(Lsn(0)).unwrap();
    assert!(matches!(preparer.advance(Lsn(8192)), Err(PrepareError::DiskFull)));
    assert_eq!(preparer.room(), room);
    disk.set_capacity(Some(2 * SEGMENT_BYTES));
    assert!(room.reserved < preparer.advance(Lsn(8192)).unwrap().reserved);
}

/// An error of the disk while making room harms nothing either.
#[test]
fn a_failed_slice_can_be_made_again() {
    for calls in 0..30 {
        let disk = SimulatedDisk::new();
        let mut preparer = preparer(&disk, OPTIONS);
        disk.fail_call(calls);
        let mut failures = 0;
        while preparer.wants(Lsn(SEGMENT_BYTES)) {
            failures += u32::from(preparer.advance(Lsn(SEGMENT_BYTES)).is_err());
        }
        assert!(failures <= 1);
        let image = disk.crash_image(disk.operations_count(), 1);
        let stored = u64::try_from(stored_bytes(&image)).unwrap();
        assert_eq!(stored, preparer.room().reserved.0, "failed call {calls}");
    }
}

/// The engine waits for the room it asks for; if the reserve is not counted, it waits for ever.
#[test]
fn room_that_is_asked_for_always_comes() {
    for (slice_bytes, reserve_bytes) in
        [(16 << 10, 0), (16 << 10, 4 << 10), (16 << 10, (16 << 10) - 16), (SEGMENT_BYTES, 4 << 10)]
    {
        let options = PreparerOptions { slice_bytes, reserve_bytes, free_bytes_min: 0 };
        let disk = SimulatedDisk::new();
        let mut preparer = preparer(&disk, options);
        for until in (0..3 * SEGMENT_BYTES).step_by(1 << 10).map(Lsn) {
            while preparer.wants(until) {
                preparer.advance(until).unwrap();
            }
            assert!(until <= preparer.room().ordinary, "{options:?}, {until}");
        }
    }
}

/// Options come from outside: what cannot work is refused, and nothing that passes panics.
#[test]
fn options_that_cannot_work_are_refused() {
    let fits = |slice_bytes, reserve_bytes| {
        let options = PreparerOptions { slice_bytes, reserve_bytes, free_bytes_min: u64::MAX };
        options.check(SEGMENT_BYTES).map_err(|error| error.kind())
    };
    assert_eq!(fits(0, 0), Err(ErrorKind::Invalid));
    assert_eq!(fits((16 << 10) + 1, 0), Err(ErrorKind::Invalid), "not whole cells");
    assert_eq!(fits(SEGMENT_BYTES + (16 << 10), 0), Err(ErrorKind::Invalid));
    assert_eq!(fits(16 << 10, (4 << 10) + 1), Err(ErrorKind::Invalid));
    assert_eq!(fits(16 << 10, 16 << 10), Err(ErrorKind::Invalid));
    assert_eq!(fits(16 << 10, 4 << 10), Ok(()));
    assert_eq!(fits(SEGMENT_BYTES, SEGMENT_BYTES / 4), Ok(()));
    let default = PreparerOptions::default();
    assert_eq!(default.check(8 << 20).map_err(|error| error.kind()), Ok(()));
}

/// A database keeps the segments it was made with, whatever the options were checked against.
#[test]
fn slices_larger_than_a_segment_are_cut() {
    let slice_bytes = 8 * SEGMENT_BYTES;
    let options =
        PreparerOptions { slice_bytes, reserve_bytes: slice_bytes / 4, free_bytes_min: 0 };
    let disk = SimulatedDisk::new();
    let mut preparer = preparer(&disk, options);
    while preparer.wants(Lsn(SEGMENT_BYTES)) {
        preparer.advance(Lsn(SEGMENT_BYTES)).unwrap();
    }
    assert!(Lsn(SEGMENT_BYTES) <= preparer.room().ordinary);
}

#[test]
fn a_free_space_that_no_disk_has_is_a_full_disk() {
    let disk = SimulatedDisk::new();
    let options = PreparerOptions { free_bytes_min: u64::MAX, ..OPTIONS };
    let mut preparer = preparer(&disk, options);
    disk.set_capacity(Some(SEGMENT_BYTES));
    assert!(matches!(preparer.advance(Lsn(0)), Err(PrepareError::DiskFull)));
}
