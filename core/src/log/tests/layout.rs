//! Prevents: a record that cannot be found where the engine was told it is, whatever was pushed and
//! taken back before it, and wherever cells and segments end.

use super::sample::{any_record, begin, identity, judged, read_all, reader};
use crate::disk::simulated::SimulatedDisk;
use crate::log::geometry::CELL_BYTES;
use crate::log::record::fixed_bytes;
use crate::log::{End, FrameBuilder, FramePosition, ReadError};
use florin_ledger::{Lsn, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_pushed_is_what_is_read(frames in vec(vec(0_u64..1_000, 0..120), 1..30)) {
        let disk = SimulatedDisk::new();
        let mut log = begin(&disk, FramePosition::GENESIS, 1);
        for (index, numbers) in frames.iter().enumerate() {
            log.append(&numbers.iter().copied().map(any_record).collect::<Vec<_>>());
            if index % 3 == 0 {
                log.sync();
            }
        }
        log.sync();
        let reader = reader(&disk);
        let (found, at) = read_all(&reader);
        prop_assert_eq!(&found, &log.pushed);
        prop_assert_eq!(at, log.writer.position());
        prop_assert_eq!(judged(&disk, &[at.lsn]), End::Clean { at });
        for (lsn, time, record) in &log.pushed {
            let stored = reader.record(*lsn, log.durable).unwrap();
            prop_assert_eq!((stored.lsn, stored.time, stored.record), (*lsn, *time, *record));
        }
        for end in &log.ends {
            prop_assert_eq!(reader.position_at(end.lsn, log.durable).unwrap(), *end);
        }
    }

    #[test]
    fn undo_takes_back_exactly_what_came_after_the_mark(
        kept in vec(0_u64..1_000, 0..200),
        undone in vec(0_u64..1_000, 0..200),
        after in vec(0_u64..1_000, 0..200),
    ) {
        let build = |with_undone: bool| {
            let geometry = crate::log::Geometry::new(1 << 20).unwrap();
            let start = geometry.first_place(3);
            let mut builder = FrameBuilder::new(start, geometry, 1, 1, Timestamp(5));
            let mut positions = Vec::new();
            for number in &kept {
                positions.push(builder.push(Timestamp(6), &any_record(*number)));
            }
            if with_undone {
                let mark = builder.mark();
                for number in &undone {
                    builder.push(Timestamp(7), &any_record(*number));
                }
                builder.undo(mark);
                assert_eq!(builder.mark(), mark);
            }
            for number in &after {
                positions.push(builder.push(Timestamp(6), &any_record(*number)));
            }
            (positions, builder.finish())
        };
        let ((positions, frame), (expect_positions, expect)) = (build(true), build(false));
        prop_assert_eq!(&positions, &expect_positions);
        prop_assert_eq!(frame.bytes(), expect.bytes());
        prop_assert_eq!(frame.blocks(), expect.blocks());
        prop_assert_eq!((frame.end(), frame.next()), (expect.end(), expect.next()));
        prop_assert_eq!(frame.records().collect::<Vec<_>>(), expect.records().collect::<Vec<_>>());
        for (lsn, number) in positions.iter().zip(kept.iter().chain(&after)) {
            prop_assert_eq!(frame.record_at(*lsn).unwrap(), (any_record(*number), Timestamp(6)));
        }
    }

    /// The engine pushes after it was told that the records fit; a panic there would stop the bank.
    #[test]
    fn what_fits_can_be_pushed(offset in 0_u64..4, sizes in vec(0_u64..16, 1..600)) {
        let geometry = identity().geometry;
        let place = Lsn(geometry.first_place(0).0 + offset * 4096);
        let mut builder = FrameBuilder::new(place, geometry, 1, 1, Timestamp(5));
        for number in sizes {
            let record = any_record(number);
            let bytes = u64::try_from(fixed_bytes(&record)).unwrap();
            if !builder.fits(bytes) {
                break;
            }
            builder.push(Timestamp(5), &record);
        }
        let frame = builder.finish();
        prop_assert!(frame.end() <= geometry.lsn(1, 0));
    }
}

/// Reading past the durable position would show a customer what a power cut can take back.
#[test]
fn nothing_is_read_past_the_durable_position() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&[any_record(5)]);
    log.sync();
    let durable = log.durable;
    log.append(&[any_record(6)]);
    log.sync();
    let reader = reader(&disk);
    let (first, second) = (log.pushed[0].0, log.pushed[1].0);
    assert!(reader.record(first, durable).is_ok());
    assert!(matches!(reader.record(second, durable), Err(ReadError::Beyond { .. })));
    assert!(reader.record(second, log.durable).is_ok());
    let within = Lsn(log.durable.0 - 16);
    assert!(
        matches!(reader.record(second, within), Err(ReadError::Beyond { .. })),
        "a block is durable as a whole"
    );
    assert!(
        matches!(reader.record(second, durable), Err(ReadError::Beyond { .. })),
        "a block that was read before is no way around it"
    );
    let mut frames = reader.frames(FramePosition::GENESIS, durable);
    assert!(frames.next().unwrap().is_some());
    assert!(frames.next().unwrap().is_none());
    frames.set_until(log.durable);
    assert!(frames.next().unwrap().is_some());
    assert_eq!(frames.position(), log.writer.position());
}

/// A cursor or a damaged index may name any position; it must not yield a record that is none.
#[test]
fn positions_inside_records_headers_and_gaps_hold_no_record() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&(0..200).map(any_record).collect::<Vec<_>>());
    log.sync();
    let reader = reader(&disk);
    let starts: std::collections::BTreeSet<Lsn> = log.pushed.iter().map(|(lsn, ..)| *lsn).collect();
    assert!(Lsn(CELL_BYTES) < log.durable, "more than one cell");
    for position in 0..log.durable.0 {
        let found = reader.record(Lsn(position), log.durable);
        assert_eq!(found.is_ok(), starts.contains(&Lsn(position)), "position {position}");
    }
}

/// A scan that follows the tail must not keep what it read of a page before the page was filled.
#[test]
fn a_scan_that_follows_the_tail_sees_every_frame() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    let mut frames = reader(&disk).frames(FramePosition::GENESIS, Lsn(0));
    for round in 0..300 {
        log.append(&[any_record(round)]);
        log.sync();
        frames.set_until(log.durable);
        let frame = frames.next().unwrap().expect("the frame is durable");
        assert_eq!(frame.after(), log.writer.position());
    }
    assert!(1 < identity().geometry.segment(log.durable), "over several segments");
}
