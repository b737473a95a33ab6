//! Prevents: a look into the past that begins at the wrong frame.

use super::sample::{Log, any_record, begin, identity, reader};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::log::segment::file_name;
use crate::log::{FramePosition, LogReader};
use florin_ledger::{Lsn, Timestamp};

#[test]
pub(super) fn the_last_frame_begun_by_a_time_is_found() {
    let disk = SimulatedDisk::new();
    let log = log_of_frames(&disk, 120);
    assert!(5 < identity().geometry.segment(log.durable));
    let reader = reader(&disk);
    // Frame s has the timestamp 1000 s.
    assert_eq!(reader.find_time(Timestamp(999), log.durable).unwrap(), None);
    for sequence in 1..=120_u64 {
        for time in [1_000 * sequence, 1_000 * sequence + 999] {
            let found = reader.find_time(Timestamp(time), log.durable).unwrap().unwrap();
            assert_eq!(found.sequence, sequence, "time {time}");
            let mut frames = reader.frames(found, log.durable);
            let frame = frames.next().unwrap().unwrap();
            assert_eq!(frame.timestamp(), Timestamp(1_000 * sequence));
        }
    }
    let durable = log.ends[50].lsn;
    let found = reader.find_time(Timestamp(u64::MAX), durable).unwrap().unwrap();
    assert_eq!(found.sequence, 51, "nothing past the durable position");
    assert_eq!(reader.find_time(Timestamp(u64::MAX), Lsn(0)).unwrap(), None);
}

/// The engine asks for every imported event: listing a directory of thousands of segments each time
/// would hold everybody up. Segments have all numbers from the first on, so none needs listing.
#[test]
fn segments_are_not_listed_to_find_a_time() {
    let disk = SimulatedDisk::new();
    let log = log_of_frames(&disk, 60);
    let reader = reader(&disk);
    for sequence in 1..=60 {
        assert_eq!(found(&reader, sequence, log.durable), Some(sequence));
    }
    let before = disk.counters();
    for sequence in 1..=60 {
        assert_eq!(found(&reader, sequence, log.durable), Some(sequence));
    }
    let after = disk.counters();
    let reads_count = after.reads_count - before.reads_count;
    // Reading a cell asks for the file's length first.
    assert_eq!(after.calls_count - before.calls_count, 2 * reads_count);
}

#[test]
fn a_stray_file_does_not_hide_the_past() {
    let disk = SimulatedDisk::new();
    let log = log_of_frames(&disk, 20);
    disk.create("log/notes.txt", Access::Buffered).unwrap();
    assert_eq!(found(&reader(&disk), 10, log.durable), Some(10));
}

#[test]
fn the_past_begins_where_the_first_segments_were_moved_away() {
    let disk = SimulatedDisk::new();
    let log = log_of_frames(&disk, 60);
    let geometry = identity().geometry;
    disk.remove(&file_name(0)).unwrap();
    disk.remove(&file_name(1)).unwrap();
    let reader = reader(&disk);
    let begins = |sequence: &u64| {
        let end = log.ends[usize::try_from(*sequence - 1).unwrap()].lsn;
        2 <= geometry.segment_before(end)
    };
    let first = (1..=60).find(begins).unwrap();
    assert!(2 < first && first < 50);
    for sequence in 1..=60 {
        let expected = (first <= sequence).then_some(sequence);
        assert_eq!(found(&reader, sequence, log.durable), expected);
    }
}

/// A log of frames of which frame s has the timestamp 1000 s.
fn log_of_frames(disk: &SimulatedDisk, count: u64) -> Log {
    let mut log = begin(disk, FramePosition::GENESIS, 1);
    for round in 0..count {
        let records_count = [0, 1, 200, 2, 0, 90][usize::try_from(round % 6).unwrap()];
        log.append(&(0..records_count).map(any_record).collect::<Vec<_>>());
        log.sync();
    }
    log
}

/// The number of the frame found for the time of a frame.
fn found(reader: &LogReader, sequence: u64, durable: Lsn) -> Option<u64> {
    reader.find_time(Timestamp(1_000 * sequence), durable).unwrap().map(|found| found.sequence)
}
