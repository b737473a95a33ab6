//! Prevents: a torn end that refuses to open, a damaged log that opens, and either of them changing
//! what may have been durable (faults 25 and 26).

use super::sample::{begin, identity, judged, read_all, reader, transfer, transfers};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::log::segment::file_name;
use crate::log::{Damage, End, FramePosition, LogError, LogWriter, identify, judge};
use florin_ledger::Lsn;
use std::sync::Arc;

fn overwrite(disk: &SimulatedDisk, name: &str, offset: usize, bytes: &[u8]) {
    let file = disk.open(name, Access::Buffered).unwrap();
    file.write_all_at(bytes, u64::try_from(offset).unwrap()).unwrap();
}

#[test]
pub(super) fn an_end_torn_at_any_sector_is_torn_and_loses_nothing_acknowledged() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(5));
    log.sync();
    let acknowledged = log.writer.position();
    let mut before = disk.contents(&file_name(0)).unwrap();
    log.append(&transfers(3));
    log.append(&transfers(150));
    log.append(&transfers(2));
    log.writer.write().unwrap();
    let after = disk.contents(&file_name(0)).unwrap();
    before.resize(after.len(), 0);
    let complete = log.writer.position();
    let first_sector = usize::try_from(acknowledged.lsn.0).unwrap() / 512;
    let sectors_end = usize::try_from(complete.lsn.0).unwrap().div_ceil(512);
    for torn in first_sector..sectors_end {
        for keeps_head in [true, false] {
            let torn_at = torn * 512;
            let (head, tail) = if keeps_head { (&after, &before) } else { (&before, &after) };
            let image = disk.copy();
            overwrite(&image, &file_name(0), 0, &head[..torn_at]);
            overwrite(&image, &file_name(0), torn_at, &tail[torn_at..]);
            let untouched = image.contents(&file_name(0));
            let end = judged(&image, &[]);
            let (End::Torn { at } | End::Clean { at }) = end else {
                panic!("torn at sector {torn}: {end:?}");
            };
            assert!(acknowledged.lsn <= at.lsn, "torn at sector {torn}");
            assert_eq!(image.contents(&file_name(0)), untouched, "judging changes nothing");
            let mut again = begin(&image, at, 2);
            again.append(&transfers(1));
            again.sync();
            let end = judged(&image, &[again.durable]);
            assert_eq!(end, End::Clean { at: again.writer.position() }, "sector {torn}");
        }
    }
}

/// One sync covers many frames: a later one may reach the disk before an earlier one.
#[test]
pub(super) fn a_whole_frame_past_a_gap_proves_nothing() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(5));
    log.sync();
    let acknowledged = log.writer.position();
    log.append(&transfers(150));
    log.append(&transfers(20));
    log.sync();
    let offset = usize::try_from(acknowledged.lsn.0).unwrap() + 300;
    disk.corrupt(&file_name(0), offset, 0);
    assert_eq!(judged(&disk, &[]), End::Torn { at: acknowledged });
    assert_eq!(judged(&disk, &[acknowledged.lsn]), End::Torn { at: acknowledged });
    let End::Corrupt(lost) = judged(&disk, &[log.durable]) else { panic!("a witness is proof") };
    assert_eq!(lost.witness, log.durable);
    assert!(lost.to_string().contains("repair"), "{lost}");
}

#[test]
pub(super) fn a_log_cut_short_below_a_witness_is_corrupt_and_above_is_clean() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(60));
    log.sync();
    let first = log.writer.position();
    log.append(&transfers(60));
    log.sync();
    let file = disk.open(&file_name(0), Access::Buffered).unwrap();
    file.set_bytes(first.lsn.0).unwrap();
    assert_eq!(judged(&disk, &[first.lsn]), End::Clean { at: first });
    assert!(matches!(judged(&disk, &[log.durable]), End::Corrupt(_)));
    file.set_bytes(first.lsn.0 - 8).unwrap();
    assert!(matches!(judged(&disk, &[first.lsn]), End::Corrupt(_)));
    let from_checkpoint = judge(&reader(&disk), first, &[]).unwrap();
    assert!(matches!(from_checkpoint, End::Corrupt(_)), "a checkpoint's position is a witness");
}

#[test]
fn a_missing_segment_below_later_frames_is_corrupt() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    for _ in 0..16 {
        log.append(&transfers(60));
        log.sync();
    }
    assert!(2 < identity().geometry.segment(log.durable));
    disk.remove(&file_name(1)).unwrap();
    let End::Corrupt(lost) = judged(&disk, &[]) else { panic!("not detected") };
    assert_eq!(identity().geometry.segment_before(lost.at), 0);
    disk.remove(&file_name(0)).unwrap();
    assert!(matches!(judged(&disk, &[]), End::Corrupt(_)));
}

/// The header's key is what proves blocks, so its loss must be proof by itself.
#[test]
pub(super) fn a_lost_segment_header_above_frames_is_corrupt_without_any_witness() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(5));
    log.sync();
    overwrite(&disk, &file_name(0), 0, &[0; 4096]);
    let End::Corrupt(lost) = judged(&disk, &[]) else { panic!("not detected") };
    assert_eq!(lost.damage.what, Damage::SegmentHeader);
    assert!(matches!(identify(&disk), Err(LogError::Corrupt(_))), "it is not a new database");
}

/// A checkpoint of another history must not be continued with this log.
#[test]
pub(super) fn a_position_with_another_chain_is_corrupt() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(5));
    log.sync();
    let at = log.writer.position();
    let other = FramePosition { chain: [1; 32], ..at };
    assert_eq!(judge(&reader(&disk), at, &[]).unwrap(), End::Clean { at });
    assert!(matches!(judge(&reader(&disk), other, &[]).unwrap(), End::Corrupt(_)));
    let beyond = FramePosition { lsn: Lsn(at.lsn.0 + 4096), ..at };
    assert!(matches!(judge(&reader(&disk), beyond, &[]).unwrap(), End::Corrupt(_)));
}

/// Frames of two histories that agree in everything but what lies before them, as after a botched
/// repair: each block is whole, only the chain tells.
#[test]
fn a_frame_of_another_history_does_not_follow() {
    let ours = SimulatedDisk::new();
    let mut log = begin(&ours, FramePosition::GENESIS, 1);
    let theirs = ours.copy();
    log.append(&[transfer(1)]);
    let at = log.writer.position();
    log.append(&[transfer(3)]);
    log.sync();
    log.writer = LogWriter::new(Arc::new(theirs.clone()), identity(), FramePosition::GENESIS);
    (log.next, log.durable) = (FramePosition::GENESIS.lsn, FramePosition::GENESIS.lsn);
    log.append(&[transfer(2)]);
    log.append(&[transfer(3)]);
    log.sync();
    assert!(matches!(judged(&theirs, &[]), End::Clean { .. }));
    let offset = usize::try_from(at.lsn.0).unwrap();
    overwrite(&ours, &file_name(0), offset, &theirs.contents(&file_name(0)).unwrap()[offset..]);
    assert_eq!(judged(&ours, &[]), End::Torn { at });
    let End::Corrupt(lost) = judged(&ours, &[log.durable]) else { panic!("not detected") };
    assert_eq!(lost.damage.what, Damage::Chain);
}

/// What an opening left of garbage must not survive into the next one, where it would lie below
/// frames that are durable.
#[test]
pub(super) fn beginning_to_write_clears_everything_past_the_end() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(5));
    log.sync();
    let at = log.writer.position();
    for _ in 0..8 {
        log.append(&transfers(60));
    }
    log.sync();
    let pushed = log.pushed[..5].to_vec();
    disk.corrupt(&file_name(0), usize::try_from(at.lsn.0).unwrap() + 1, 0);
    // A damaged block in the middle whose later frames know of nothing durable past `at`.
    assert_eq!(judged(&disk, &[]), End::Torn { at });
    let log = begin(&disk, at, 2);
    assert_eq!(judged(&disk, &[]), End::Clean { at });
    assert_eq!(log.next, identity().geometry.first_place(1));
    assert_eq!(disk.list("log").unwrap().len(), 2);
    let kept = u64::try_from(disk.contents(&file_name(0)).unwrap().len()).unwrap();
    assert_eq!(kept, at.lsn.0.next_multiple_of(4096), "what is unused is given back");
    assert_eq!(read_all(&reader(&disk)).0, pushed);
}
