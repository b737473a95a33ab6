//! Prevents: a document that comes back with other bytes than were written, where its payload was
//! divided over cells, or where the engine was told that it would fit.

use super::sample::{any_payload, any_record, identity};
use crate::disk::simulated::SimulatedDisk;
use crate::log::frame::room_for_payloads;
use crate::log::geometry::CELL_BYTES;
use crate::log::recovery::begin_writing;
use crate::log::{
    FrameBuilder, FramePosition, FrameView, Geometry, Identity, LogReader, PreparerOptions,
    ReadError,
};
use florin_ledger::record::{DocumentRecord, Record};
use florin_ledger::{Lsn, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 2 << 20;
const OPTIONS: PreparerOptions =
    PreparerOptions { slice_bytes: 1 << 20, reserve_bytes: 4 << 10, free_bytes_min: 0 };

/// What a test pushes: a record, and its payload.
type Pushed = Vec<(Record, Vec<u8>)>;

fn records(shapes: &[(u64, u16, u32)]) -> Pushed {
    let plain_or_not = |&(number, key_bytes, value_bytes): &(u64, u16, u32)| {
        if number % 4 == 0 {
            (any_record(number), Vec::new())
        } else {
            any_payload(number, key_bytes, value_bytes)
        }
    };
    shapes.iter().map(plain_or_not).collect()
}

/// The record as it was before the frame gave it its check.
fn unchecked(record: Record) -> Record {
    match record {
        Record::Document(document) => Record::Document(DocumentRecord { check: 0, ..document }),
        record => record,
    }
}

/// Writes the records as one frame of a log of its own; says where each lies, and reads with.
fn written(pushed: &Pushed) -> (Vec<Lsn>, LogReader, Lsn) {
    let disk = Arc::new(SimulatedDisk::new());
    let identity = Identity { geometry: Geometry::new(SEGMENT_BYTES).unwrap(), ..identity() };
    let writing = begin_writing(disk.clone(), identity, FramePosition::GENESIS, OPTIONS).unwrap();
    let (mut writer, mut preparer) = (writing.writer, writing.preparer);
    let mut frame = FrameBuilder::new(writing.start, identity.geometry, 1, 1, Timestamp(5));
    let lsns: Vec<Lsn> = pushed
        .iter()
        .map(|(record, payload)| frame.push_with_payload(Timestamp(6), record, payload))
        .collect();
    for (lsn, (record, payload)) in lsns.iter().zip(pushed) {
        let (found, time) = frame.record_at(*lsn).unwrap();
        assert_eq!((unchecked(found), time), (*record, Timestamp(6)));
        assert_eq!(frame.payload_at(*lsn).as_ref(), Some(payload), "of the open frame");
    }
    let frame = Arc::new(frame.finish());
    for (lsn, (_, payload)) in lsns.iter().zip(pushed) {
        assert_eq!(frame.payload_at(*lsn).as_ref(), Some(payload), "of the finished frame");
    }
    while preparer.room().reserved < frame.end() {
        preparer.advance(frame.end()).unwrap();
    }
    writer.append(&frame, FramePosition::GENESIS.lsn).unwrap();
    writer.write().unwrap();
    writer.sync().unwrap();
    (lsns, LogReader::new(disk, identity), frame.end())
}

/// What is handed out behind a position.
fn behind(frame: &FrameView<'_>, lsn: Lsn) -> Pushed {
    let mut found = Pushed::new();
    let flow = frame.visit_after(lsn, |stored, payload| {
        found.push((unchecked(stored.record), payload.to_vec()));
        Ok::<_, ReadError>(ControlFlow::<()>::Continue(()))
    });
    assert!(flow.unwrap().is_continue());
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn payloads_are_read_as_they_were_pushed(
        shapes in vec((0_u64..1_000, 1_u16..257, 0_u32..40_000), 1..40),
        small in vec((0_u64..1_000, 1_u16..257, 0_u32..700), 0..40),
    ) {
        let shapes: Vec<_> = shapes.into_iter().chain(small).collect();
        let pushed = records(&shapes);
        let (lsns, reader, end) = written(&pushed);
        for (lsn, (record, payload)) in lsns.iter().zip(&pushed) {
            let (stored, read) = reader.payload(*lsn, end).unwrap();
            prop_assert_eq!((stored.lsn, unchecked(stored.record)), (*lsn, *record));
            prop_assert_eq!(&read, payload);
            let by_itself = reader.documents(&[*lsn], end).unwrap()[0].clone();
            let is_small = matches!(record, Record::Document(_)) && payload.len() < 900;
            prop_assert!(!is_small || by_itself.is_some());
            if let Some((document, read)) = by_itself {
                prop_assert_eq!(unchecked(Record::Document(document)), *record);
                prop_assert_eq!(&read, payload);
            }
        }
        let together = reader.documents(&lsns, end).unwrap();
        for (lsn, document) in lsns.iter().zip(together) {
            prop_assert_eq!(&reader.documents(&[*lsn], end).unwrap()[0], &document);
        }
        let mut frames = reader.frames(FramePosition::GENESIS, end);
        let frame = frames.next().unwrap().unwrap();
        let read: Result<Pushed, _> = frame
            .records_with_payloads()
            .map(|read| read.map(|(stored, payload)| (unchecked(stored.record), payload.into_owned())))
            .collect();
        prop_assert_eq!(&read.unwrap(), &pushed);
        let commits = pushed.iter().zip(&lsns).filter_map(|((record, _), lsn)| match record {
            Record::Commit(commit) => Some((commit.first, *lsn)),
            _ => None,
        });
        prop_assert!(frame.commits().eq(commits));
        prop_assert_eq!(&behind(&frame, Lsn::NONE), &pushed);
        for (number, lsn) in lsns.iter().enumerate() {
            prop_assert_eq!(&behind(&frame, *lsn), &pushed[number + 1..]);
        }
    }

    /// The engine reserves room by this figure; a panic there would stop the bank.
    #[test]
    fn what_has_room_can_be_pushed(
        offset in 0_u64..40,
        shapes in vec((0_u64..1_000, 1_u16..257, 0_u32..60_000), 1..60),
    ) {
        let geometry = Geometry::new(SEGMENT_BYTES / 2).unwrap();
        let place = Lsn(geometry.first_place(0).0 + offset * 4096);
        let mut builder = FrameBuilder::new(place, geometry, 1, 1, Timestamp(5));
        let pushed = records(&shapes);
        let payload_bytes = pushed.iter().map(|(_, payload)| payload.len()).sum();
        let room = u64::try_from(room_for_payloads(pushed.len(), payload_bytes)).unwrap();
        prop_assume!(builder.fits(room));
        for (record, payload) in &pushed {
            builder.push_with_payload(Timestamp(5), record, payload);
        }
        let end = builder.end();
        prop_assert!(end <= geometry.lsn(1, 0));
        prop_assert!(end.0 - place.0 <= room + room / 30 + CELL_BYTES, "it took what it said");
    }
}

/// A small document that crosses into the next cell would cost two reads and two checks each time.
#[test]
fn a_small_document_lies_in_one_block_and_a_large_one_begins_where_it_may() {
    let pushed: Pushed = (0..200).map(|number| any_payload(6 * number + 5, 20, 500)).collect();
    let (lsns, _, _) = written(&pushed);
    let cell = |lsn: u64| lsn / CELL_BYTES;
    assert!(lsns.iter().all(|lsn| cell(lsn.0) == cell(lsn.0 + 48 + 520)), "whole in its cell");
    let (lsns, reader, end) =
        written(&vec![any_payload(5, 20, 8_000), any_payload(11, 20, 60_000)]);
    assert_eq!(lsns[1].0, lsns[0].0 + 48 + 8_024, "no room is left empty");
    let before_its_end = Lsn(end.0 - 16);
    assert!(matches!(reader.payload(lsns[1], before_its_end), Err(ReadError::Beyond { .. })));
}

/// A mark taken back must take the parts of a payload with it.
#[test]
fn undo_takes_back_the_parts_of_a_payload() {
    let geometry = Geometry::new(SEGMENT_BYTES).unwrap();
    let build = |is_undone: bool| {
        let start = geometry.first_place(3);
        let mut builder = FrameBuilder::new(start, geometry, 1, 1, Timestamp(5));
        builder.push(Timestamp(5), &any_record(5));
        if is_undone {
            let mark = builder.mark();
            let (record, payload) = any_payload(5, 256, 60_000);
            builder.push_with_payload(Timestamp(6), &record, &payload);
            builder.undo(mark);
        }
        let (record, payload) = any_payload(11, 20, 20_000);
        let lsn = builder.push_with_payload(Timestamp(6), &record, &payload);
        assert_eq!(builder.payload_at(lsn), Some(payload));
        builder.finish()
    };
    assert_eq!(build(true).bytes(), build(false).bytes());
    assert_eq!(build(true).blocks(), build(false).blocks());
}

/// A document that is read without its block must not be another's, or damaged, without a word.
#[test]
fn a_document_read_by_itself_is_whole_and_in_its_place_or_not_read() {
    let (record, payload) = any_payload(5, 20, 500);
    let pushed: Pushed = vec![(record, payload); 3];
    let (lsns, reader, end) = written(&pushed);
    assert!(reader.documents(&lsns[1..2], end).unwrap()[0].is_some());
    for wrong in [lsns[0].0 + 8, lsns[1].0 - 8, end.0 - 8] {
        assert_eq!(reader.documents(&[Lsn(wrong)], end).unwrap(), [None], "at {wrong}");
    }
    assert_eq!(reader.documents(&lsns[2..], Lsn(end.0 - 16)).unwrap(), [None], "not durable yet");
    let bytes = {
        let mut bytes = Vec::new();
        crate::log::record::encode(&pushed[0].0, 1, &pushed[0].1, &mut bytes);
        crate::log::payload::set_check(&mut bytes, lsns[1]);
        bytes
    };
    assert!(crate::log::payload::check_is_right(&bytes, lsns[1]));
    assert!(!crate::log::payload::check_is_right(&bytes, lsns[0]), "a record of another place");
    for byte in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[byte] ^= 1;
        assert!(!crate::log::payload::check_is_right(&flipped, lsns[1]), "byte {byte}");
    }
}
