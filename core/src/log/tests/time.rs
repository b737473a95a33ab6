//! Prevents: a look into the past that begins at the wrong frame.

use super::sample::{any_record, begin, identity, reader};
use crate::disk::simulated::SimulatedDisk;
use crate::log::FramePosition;
use florin_ledger::{Lsn, Timestamp};

#[test]
fn the_last_frame_begun_by_a_time_is_found() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    for round in 0..120_u64 {
        let count = [0, 1, 200, 2, 0, 90][usize::try_from(round % 6).unwrap()];
        log.append(&(0..count).map(any_record).collect::<Vec<_>>());
        log.sync();
    }
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
