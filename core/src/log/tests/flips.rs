//! Prevents: a bit that changed on the disk and is taken for what was written, or for a torn end
//! that may be thrown away (fault 25).

use super::sample::{any_record, begin, identity, judged, transfers};
use crate::disk::simulated::SimulatedDisk;
use crate::log::segment::file_name;
use crate::log::{Damage, End, FramePosition};
use florin_ledger::Lsn;

/// What a byte of a segment's file belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    SegmentHeader,
    BlockHeader,
    Body,
    Padding,
}

/// Two segments: frames of one and of several blocks, gaps at the ends of cells, a segment left
/// early. Returns the witnessed end.
fn small_log(disk: &SimulatedDisk) -> Lsn {
    let mut log = begin(disk, FramePosition::GENESIS, 1);
    log.append(&(0..8).map(any_record).collect::<Vec<_>>());
    log.append(&transfers(150));
    log.append(&[]);
    log.append(&transfers(95));
    log.sync();
    log.append(&transfers(2));
    log.sync();
    let end = log.writer.position().lsn;
    assert_eq!(identity().geometry.segment(end), 1);
    log.writer.close().unwrap();
    log.preparer.close(end).unwrap();
    end
}

/// The parts of the log's bytes, found by walking the blocks' own lengths.
fn parts(disk: &SimulatedDisk, number: u64, end: Lsn) -> Vec<Part> {
    let geometry = identity().geometry;
    let bytes = disk.contents(&file_name(number)).unwrap();
    let mut parts = vec![Part::Padding; bytes.len()];
    parts[..4096].fill(Part::SegmentHeader);
    let mut at = geometry.first_place(number);
    while geometry.segment(at) == number && at < end {
        let offset = usize::try_from(geometry.offset(at)).unwrap();
        if offset + 8 > bytes.len() || &bytes[offset..offset + 4] != b"FBLK" {
            break;
        }
        let length = u32::from_le_bytes(bytes[offset + 4..offset + 8].try_into().unwrap());
        let block_end = offset + usize::try_from(length).unwrap();
        parts[offset..offset + 176].fill(Part::BlockHeader);
        parts[offset + 176..block_end].fill(Part::Body);
        at = geometry.place_after(Lsn(at.0 + u64::from(length)));
    }
    parts.truncate(usize::try_from(end.0 - geometry.lsn(number, 0).0).unwrap().min(parts.len()));
    parts
}

fn check(judged: &End, part: Part, end: Lsn, case: &str) {
    let End::Corrupt(lost) = judged else { panic!("{case} ({part:?}): not detected") };
    let named = match part {
        Part::SegmentHeader => lost.damage.what == Damage::SegmentHeader,
        Part::BlockHeader => matches!(lost.damage.what, Damage::NoBlock | Damage::BlockHeader),
        Part::Body => lost.damage.what == Damage::BlockBody,
        Part::Padding => lost.damage.what == Damage::Padding,
    };
    assert!(named, "{case} ({part:?}): {lost}");
    assert!(lost.at < end, "{case}");
}

#[test]
fn every_flipped_bit_below_a_witness_is_detected_and_named() {
    flip_bits_of_every(1);
}

/// Flips each bit of every so many bytes.
pub(super) fn flip_bits_of_every(step: usize) {
    let disk = SimulatedDisk::new();
    let end = small_log(&disk);
    assert!(matches!(judged(&disk, &[end]), End::Clean { .. }));
    let mut seen = Vec::new();
    for number in 0..2 {
        for (offset, part) in parts(&disk, number, end).into_iter().enumerate().step_by(step) {
            for bit in 0..8 {
                disk.corrupt(&file_name(number), offset, bit);
                check(&judged(&disk, &[end]), part, end, &format!("{number}: {offset}.{bit}"));
                disk.corrupt(&file_name(number), offset, bit);
            }
            if !seen.contains(&part) {
                seen.push(part);
            }
        }
    }
    assert_eq!(seen.len(), 4, "the log has every part: {seen:?}");
}

/// Without a checkpoint, the next frames are the only witnesses.
#[test]
pub(super) fn a_later_frame_that_knew_of_the_damaged_one_is_witness_enough() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    for _ in 0..3 {
        log.append(&transfers(1));
        log.sync();
    }
    let first_of_second = usize::try_from(log.ends[0].lsn.0).unwrap();
    disk.corrupt(&file_name(0), first_of_second + 200, 3);
    let End::Corrupt(lost) = judged(&disk, &[]) else { panic!("not detected") };
    assert_eq!((lost.at, lost.witness), (log.ends[0].lsn, log.ends[1].lsn));
    assert_eq!(lost.damage.what, Damage::BlockBody);
    assert_eq!(lost.damage.lsn, log.ends[0].lsn);
}
