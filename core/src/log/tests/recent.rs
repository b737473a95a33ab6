//! Frames that are handed out from memory. What would go wrong without: a stream that tells something else than the log
//! says, or a cursor that is good nowhere else.

use super::sample::{any_record, begin, reader, transfers};
use crate::disk::simulated::SimulatedDisk;
use crate::log::recent::RecentFrames;
use crate::log::{FramePosition, LogReader};
use florin_ledger::record::Record;
use florin_ledger::{Lsn, Timestamp};
use proptest::prelude::*;

/// What a scan says of a frame: where it ends, its records, and its blocks with their hashes.
type Told = (FramePosition, Vec<(Lsn, Timestamp, Record)>, Vec<(Lsn, [u8; 32])>);

/// Everything up to a limit, as a scan tells it that is asked again as its limit moves.
fn told(reader: &LogReader, limits: &[Lsn]) -> Vec<Told> {
    let mut frames = reader.frames(FramePosition::GENESIS, FramePosition::GENESIS.lsn);
    let mut told = Vec::new();
    for limit in limits {
        frames.set_until(*limit);
        while frames.next().unwrap().is_some() {
            let frame = frames.current().unwrap();
            let records = frame.records().map(|stored| {
                let stored = stored.unwrap();
                (stored.lsn, stored.time, stored.record)
            });
            let blocks = frame.blocks().map(|block| (block.header().end(), block.hash()));
            let told_of = (frame.after(), records.collect(), blocks.collect());
            assert_eq!(frame.after(), frames.position());
            told.push(told_of);
        }
        frames.check_whole().unwrap();
    }
    told
}

proptest! {
    #[test]
    fn from_memory_and_from_the_disk_the_same_is_told(
        sizes in proptest::collection::vec(0u64..120, 1..20),
        forgotten in 0usize..20,
        step in 1usize..5,
    ) {
        let disk = SimulatedDisk::new();
        let mut log = begin(&disk, FramePosition::GENESIS, 1);
        for size in &sizes {
            let records: Vec<Record> = match size % 3 {
                0 => (0..*size).map(any_record).collect(),
                _ => transfers(*size),
            };
            log.append(&records);
        }
        log.sync();
        let ends: Vec<Lsn> = log.ends.iter().map(|end| end.lsn).collect();
        let last = [*ends.last().unwrap()];
        let limits: Vec<Lsn> = ends.iter().copied().step_by(step).chain(last).collect();
        let (bare, memory) = (reader(&disk), reader(&disk));
        memory.remember(log.stamped.drain(..).skip(forgotten));
        let from_disk = told(&bare, &last);
        prop_assert_eq!(from_disk.len(), sizes.len());
        prop_assert_eq!(&told(&memory, &limits), &from_disk);
        prop_assert_eq!(&told(&memory, &last), &from_disk);
    }
}

/// Prevents: a stream that hands out what another opening has written over.
#[test]
fn what_follows_another_history_is_not_taken_from_memory() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(3));
    log.append(&transfers(5));
    log.sync();
    let reader = reader(&disk);
    reader.remember(log.stamped.drain(..));
    let other = FramePosition { chain: [7; 32], ..log.ends[0] };
    let mut frames = reader.frames(other, log.ends[1].lsn);
    assert!(frames.next().unwrap().is_none());
    assert!(frames.check_whole().is_err());
}

/// Prevents: memory that grows with the log.
#[test]
fn the_oldest_frames_make_room() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    for _ in 0..12 {
        log.append(&transfers(20));
    }
    let mut recent = RecentFrames::new(3 * log.stamped[0].bytes());
    recent.extend(log.stamped.drain(..));
    let is_here = |end: &FramePosition| recent.after(*end).is_some();
    let here: Vec<bool> = log.ends.iter().map(is_here).collect();
    let newest_three = [vec![false; 8], vec![true; 3], vec![false]].concat();
    assert_eq!(here, newest_three, "nothing follows the last");
}
