//! Prevents: something acknowledged that is gone after a power cut, something unacknowledged that is
//! half there, and a log that cannot be opened afterwards (faults 45 and 46). The power fails after
//! every single operation of the disk.

use super::sample::{Log, SEGMENT_BYTES, any_record, begin, identity, judged, read_all, reader};
use crate::disk::simulated::SimulatedDisk;
use crate::log::{End, FramePosition, identify};
use florin_ledger::record::Record;
use florin_ledger::{Lsn, Timestamp};

const SEEDS: u64 = 10;

fn records(count: u64, salt: u64) -> Vec<Record> {
    (0..count).map(|number| any_record(number + salt)).collect()
}

/// Writes frames, some in one sync, acknowledging after each sync by a mark.
fn run(disk: &SimulatedDisk, log: &mut Log, rounds: u64) {
    for round in 0..rounds {
        for count in [1 + round, 100, 0, 3 * round] {
            log.append(&records(count, round));
        }
        log.sync();
        disk.mark(log.writer.position().sequence - 1);
    }
}

/// What the image of a power cut holds: a prefix of what was written, with all that was
/// acknowledged. Returns its end.
fn check(
    image: &SimulatedDisk,
    acknowledged: u64,
    written: &[(Lsn, Timestamp, Record)],
    case: &str,
) -> FramePosition {
    let Some(found) = identify(image).unwrap_or_else(|error| panic!("{case}: {error}")) else {
        assert_eq!(acknowledged, 0, "{case}: the log is gone");
        return FramePosition::GENESIS;
    };
    assert_eq!(found, identity());
    let end = judged(image, &[]);
    let (End::Clean { at } | End::Torn { at }) = end else { panic!("{case}: {end:?}") };
    assert!(acknowledged < at.sequence, "{case}: frame {acknowledged} was acknowledged");
    let (records, _) = read_all(&reader(image));
    assert_eq!(records, written[..records.len()], "{case}");
    at
}

#[test]
pub(super) fn after_a_power_cut_at_any_operation_all_that_was_acknowledged_is_there() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    run(&disk, &mut log, 9);
    let mut written = log.pushed;
    let at = log.writer.position();
    log.writer.close().unwrap();
    log.preparer.close(at.lsn).unwrap();
    let mut log = begin(&disk, at, 2);
    run(&disk, &mut log, 6);
    written.append(&mut log.pushed);
    assert!(4 * SEGMENT_BYTES < log.durable.0);
    for operations in 0..=disk.operations_count() {
        let acknowledged = disk.marks_before(operations).last().copied().unwrap_or(0);
        for seed in 0..SEEDS {
            let case = format!("{operations} operations, seed {seed}");
            let image = disk.crash_image(operations, seed);
            let at = check(&image, acknowledged, &written, &case);
            check_second_cut(&image, at, seed, &case);
        }
    }
}

/// The power fails again while the end is being cleared and the next segment made.
fn check_second_cut(image: &SimulatedDisk, at: FramePosition, seed: u64, case: &str) {
    let mut log = begin(image, at, 9);
    log.append(&records(2, 0));
    let begun = image.operations_count();
    log.sync();
    let whole = image.operations_count();
    for operations in [begun / 3, begun / 2, begun - 1, begun, whole] {
        let again = image.crash_image(operations, seed + 1_000);
        let end = identify(&again).unwrap().map(|_| judged(&again, &[]));
        let found = match end {
            None => FramePosition::GENESIS,
            Some(End::Clean { at } | End::Torn { at }) => at,
            Some(End::Corrupt(lost)) => panic!("{case}, then {operations}: {lost}"),
        };
        let expect = if operations == whole { log.writer.position() } else { at };
        assert_eq!(found, expect, "{case}, then {operations}");
    }
}

/// The same seed must give the same image, or a found case could never be looked at again.
#[test]
fn the_same_seed_gives_the_same_image() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    run(&disk, &mut log, 3);
    log.append(&records(30, 1));
    log.writer.write().unwrap();
    let name = crate::log::segment::file_name(identity().geometry.segment(log.next));
    let image = |seed| disk.crash_image(disk.operations_count(), seed).contents(&name);
    let mut distinct: Vec<_> = (2..40).map(|seed| (image(seed), image(seed))).collect();
    assert!(distinct.iter().all(|(once, twice)| once == twice));
    distinct.sort();
    distinct.dedup();
    assert!(5 < distinct.len(), "seeds differ");
}
