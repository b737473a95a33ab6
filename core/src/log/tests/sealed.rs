//! Prevents: a sealed log that is judged, recovered or read otherwise than one that is not; a body
//! that opens where it was not sealed; plaintext on the disk.
//!
//! The tests of ends, power cuts and flipped bits run here again with every log sealed.

use super::sample::{
    self, any_record, begin, database_key, identity, judged, read_all, reader, sealed, transfers,
};
use super::{crash, ends, flips, time};
use crate::disk::keyed::KeyedDisk;
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::log::block::BLOCK_HEADER_BYTES;
use crate::log::segment::{self, HeaderState, SegmentHeader, file_name};
use crate::log::{Damage, End, FramePosition, LogError, LogReader, ReadError, identify};
use florin_ledger::Lsn;
use std::sync::Arc;

#[test]
fn ends_are_judged_alike() {
    sealed(ends::an_end_torn_at_any_sector_is_torn_and_loses_nothing_acknowledged);
    sealed(ends::a_whole_frame_past_a_gap_proves_nothing);
    sealed(ends::a_log_cut_short_below_a_witness_is_corrupt_and_above_is_clean);
    sealed(ends::a_lost_segment_header_above_frames_is_corrupt_without_any_witness);
    sealed(ends::a_position_with_another_chain_is_corrupt);
    sealed(ends::beginning_to_write_clears_everything_past_the_end);
}

#[test]
fn power_cuts_lose_nothing() {
    sealed(crash::after_a_power_cut_at_any_operation_all_that_was_acknowledged_is_there);
}

#[test]
fn flipped_bits_of_a_sealed_log_are_detected_and_named() {
    sealed(|| flips::flip_bits_of_every(11));
    sealed(flips::a_later_frame_that_knew_of_the_damaged_one_is_witness_enough);
}

#[test]
fn times_are_found() {
    sealed(time::the_last_frame_begun_by_a_time_is_found);
}

/// Two segments; the disk and the durable end.
fn sealed_log() -> (SimulatedDisk, Lsn) {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&(0..8).map(any_record).collect::<Vec<_>>());
    log.append(&[]);
    log.append(&transfers(150));
    log.sync();
    log.append(&transfers(150));
    log.sync();
    (disk, log.durable)
}

/// What is wrong with the first frame that can't be read.
fn unreadable(reader: &LogReader) -> Option<Damage> {
    let mut frames = reader.frames(FramePosition::GENESIS, Lsn(u64::MAX));
    while let Some(frame) = frames.next().unwrap() {
        if let Some(damage) = frame.records().find_map(Result::err) {
            return Some(damage.what);
        }
    }
    None
}

/// Prevents: a log that can't be checked or scrubbed by who must not read it, and one that is read
/// by them.
#[test]
fn without_the_database_key_a_log_is_judged_and_not_read() {
    sealed(|| {
        let (disk, durable) = sealed_log();
        let with_key = judged(&disk, &[durable]);
        let (records, _) = read_all(&reader(&disk));
        let reader = LogReader::new(Arc::new(disk.clone()), identity());
        let mut frames = reader.frames(FramePosition::GENESIS, Lsn(u64::MAX));
        while frames.next().unwrap().is_some() {}
        let without = crate::log::judge_end(&reader, &frames, &[durable]).unwrap();
        assert_eq!(without, with_key);
        assert_eq!(reader.position_at(durable, durable).unwrap(), frames.position());
        assert_eq!(unreadable(&reader), Some(Damage::Sealed));
        let (lsn, ..) = records[0];
        let Err(ReadError::Corrupt(refused)) = reader.record(lsn, durable) else {
            panic!("it was read")
        };
        assert_eq!(refused.what, Damage::Sealed);
        let error = crate::Error::from(ReadError::Corrupt(refused));
        assert_eq!(error.kind(), crate::ErrorKind::Unusable);
        assert!(error.to_string().contains("--key-file"), "{error}");
    });
}

/// Prevents: answers from a log that was sealed with another database key.
#[test]
fn another_database_key_opens_nothing() {
    sealed(|| {
        let (disk, durable) = sealed_log();
        let (records, _) = read_all(&reader(&disk));
        let disk = Arc::new(KeyedDisk::new(Arc::new(disk), database_key(8)));
        let reader = LogReader::new(disk, identity());
        assert_eq!(unreadable(&reader), Some(Damage::Seal));
        for (lsn, ..) in records {
            let read = reader.record(lsn, durable);
            assert!(matches!(read, Err(ReadError::Corrupt(it)) if it.what == Damage::Seal));
        }
    });
}

/// Writes a block's header anew over what was changed in it, as somebody can who has the disk and
/// not the database key: the key of the tags lies in the segment's header.
fn stamp_again(disk: &SimulatedDisk, number: u64, offset: usize, change: impl Fn(&mut [u8])) {
    let mut bytes = disk.contents(&file_name(number)).unwrap();
    let page: &[u8; 4096] = bytes[..4096].try_into().unwrap();
    let HeaderState::Whole(header) = SegmentHeader::decode(page, number).unwrap() else {
        panic!("a segment in use has a header")
    };
    let lsn = identity().geometry.lsn(number, u64::try_from(offset).unwrap());
    let mut block = header.block(&bytes[offset..], lsn).unwrap();
    let length = usize::try_from(block.block_bytes).unwrap();
    let bytes = &mut bytes[offset..offset + length];
    change(&mut bytes[BLOCK_HEADER_BYTES..]);
    block.body = *blake3::hash(&bytes[BLOCK_HEADER_BYTES..]).as_bytes();
    block.write(&header.key, bytes);
    let file = disk.open(&file_name(number), Access::Buffered).unwrap();
    file.write_all_at(bytes, u64::try_from(offset).unwrap()).unwrap();
}

/// Prevents: a sealed body that is changed, or put into another block, by somebody who has the disk
/// and mends every check that needs no database key.
#[test]
fn what_was_forged_does_not_open() {
    sealed(|| {
        let (disk, durable) = sealed_log();
        let bytes = disk.contents(&file_name(0)).unwrap();
        let is_block = |offset: &usize| bytes[*offset..].starts_with(b"FBLK");
        let blocks: Vec<usize> = (0..bytes.len()).step_by(16).filter(is_block).collect();
        let offset = blocks[0];
        for byte in [0, 100, 400] {
            let image = disk.copy();
            stamp_again(&image, 0, offset, |body| body[byte] ^= 1);
            let first = identity().geometry.lsn(0, u64::try_from(offset + 176).unwrap());
            let read = reader(&image).record(first, durable);
            assert!(matches!(read, Err(ReadError::Corrupt(it)) if it.what == Damage::Seal));
        }
        let image = disk.copy();
        let (from, to) = (blocks[2], blocks[3]);
        stamp_again(&image, 0, to, |body| {
            let length = body.len().min(1_000);
            body[..length].copy_from_slice(&bytes[from + 176..from + 176 + length]);
        });
        let first = identity().geometry.lsn(0, u64::try_from(to + 176).unwrap());
        let read = reader(&image).record(first, durable);
        assert!(matches!(read, Err(ReadError::Corrupt(it)) if it.what == Damage::Seal), "{read:?}");
    });
}

/// Prevents: a segment that is not sealed, put among others by somebody who can't seal.
#[test]
fn segments_of_both_kinds_do_not_mix() {
    let (plain, _) = sealed_log();
    sealed(|| {
        let (disk, _) = sealed_log();
        let before = identify(&disk).unwrap();
        assert_eq!(before, Some(identity()));
        let file = disk.open(&file_name(1), Access::Buffered).unwrap();
        file.write_all_at(&plain.contents(&file_name(1)).unwrap(), 0).unwrap();
        assert!(matches!(identify(&disk), Err(LogError::Sealing { segment: 1 })));
        let found = segment::open(&disk, identity(), 1, Access::Read);
        assert!(matches!(found.err(), Some(LogError::Sealing { segment: 1 })));
    });
}

/// Prevents: a segment of a later version that is taken for damage.
#[test]
fn unknown_flags_are_named() {
    let (disk, _) = sealed_log();
    let mut page = disk.contents(&file_name(0)).unwrap()[..4096].to_vec();
    page[14] = 2;
    let checksum = blake3::hash(&page[..112]);
    page[112..144].copy_from_slice(checksum.as_bytes());
    let file = disk.open(&file_name(0), Access::Buffered).unwrap();
    file.write_all_at(&page, 0).unwrap();
    assert!(matches!(identify(&disk), Err(LogError::Flags { segment: 0, flags: 2 })));
}

/// Prevents: a seal in a log that is not sealed, where nothing would ever look at it.
#[test]
fn a_seal_in_a_plain_log_is_damage() {
    let (disk, durable) = sealed_log();
    let mut bytes = disk.contents(&file_name(0)).unwrap();
    let page: &[u8; 4096] = bytes[..4096].try_into().unwrap();
    let HeaderState::Whole(header) = SegmentHeader::decode(page, 0).unwrap() else { panic!() };
    let first = FramePosition::GENESIS.lsn;
    let mut block = header.block(&bytes[4096..], first).unwrap();
    block.seal = [1; 16];
    let length = usize::try_from(block.block_bytes).unwrap();
    block.write(&header.key, &mut bytes[4096..4096 + length]);
    let file = disk.open(&file_name(0), Access::Buffered).unwrap();
    file.write_all_at(&bytes[4096..], 4096).unwrap();
    let End::Corrupt(lost) = judged(&disk, &[durable]) else { panic!("not detected") };
    assert_eq!(lost.damage.what, Damage::BlockHeader);
}

/// Prevents: a sealed log whose bodies are not.
#[test]
fn no_record_is_on_the_disk_as_it_was_pushed() {
    let marker = (1_u128 << 100).to_le_bytes();
    let has_marker = |disk: &SimulatedDisk| {
        let mut names = disk.list("log").unwrap().into_iter();
        names.any(|name| {
            let bytes = disk.contents(&format!("log/{name}")).unwrap();
            bytes.windows(16).any(|window| window == marker)
        })
    };
    let (plain, _) = sealed_log();
    assert!(has_marker(&plain));
    sealed(|| {
        let (disk, _) = sealed_log();
        assert!(!has_marker(&disk));
        let (records, _) = read_all(&sample::reader(&disk));
        assert_eq!(records.len(), 308);
    });
}
