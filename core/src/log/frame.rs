//! A frame: whole requests decided in one turn of the engine, one or more blocks on end, all in one
//! segment. [`FrameBuilder`] fixes the position of every record; it does no I/O, hashes nothing and
//! can take back exactly what was pushed. [`Frame`] is shared between the engine, which reads the
//! undurable tail from it, and the log thread, which stamps a copy.

use crate::log::block::BLOCK_HEADER_BYTES;
use crate::log::geometry::{self, BLOCK_ALIGNMENT, CELL_BYTES, Geometry};
use crate::log::payload;
use crate::log::record::{self, RECORD_BYTES_MAX};
use florin_ledger::record::{PartRecord, Record};
use florin_ledger::{Lsn, Timestamp};
use std::ops::Range;

/// Record bytes that a whole cell holds whatever the sizes of the records: the last one that does
/// not fit leaves less than the largest record unused.
const CELL_RECORD_BYTES: u64 = CELL_BYTES - 176 - 120;
const _: () = assert!(BLOCK_HEADER_BYTES == 176 && RECORD_BYTES_MAX == 120);

/// Less than this left of a cell is left empty rather than begun with a payload that does not fit:
/// a small document is read with one block.
const SPLIT_BYTES_MIN: usize = 1_024;
/// What must be left of a cell for a block to start there.
const BLOCK_BYTES_MIN: usize = 304;
const _: () = assert!(geometry::BLOCK_BYTES_MIN == 304 && RECORD_BYTES_MAX < SPLIT_BYTES_MIN);

/// The most that records with so much payload take up of a segment, what they leave empty at the ends
/// of cells included, in the bytes that [`FrameBuilder::fits`] counts.
#[must_use]
pub fn room_for_payloads(records_count: usize, payload_bytes: usize) -> usize {
    let stored = records_count * (RECORD_BYTES_MAX + 8) + payload_bytes;
    // A cell takes at least 15,000 bytes of them, and counts for at most 16,384.
    stored + stored / 8 + 2 * SPLIT_BYTES_MIN
}

/// A frame being laid out. Until [`FrameBuilder::finish`] everything can be taken back.
#[derive(Debug)]
pub struct FrameBuilder {
    geometry: Geometry,
    start: Lsn,
    sequence: u64,
    epoch: u64,
    timestamp: Timestamp,
    /// From `start` on; block headers are still zero.
    bytes: Vec<u8>,
    /// Where in `bytes` the blocks are; the last one is open and ends where `bytes` ends.
    blocks: Vec<FrameBlock>,
    /// Where in `bytes` the cell of the open block ends.
    cell_end: usize,
    records_count: u64,
    last_time: Timestamp,
}

/// Where in a frame a block is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameBlock {
    /// Bytes from the frame's start, filling included.
    pub range: Range<usize>,
    /// Records in it.
    pub records_count: u32,
}

/// A point that a builder can be taken back to. Marks nest: going back to one forgets later ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    bytes: usize,
    blocks: usize,
    block_records_count: u32,
    records_count: u64,
    last_time: Timestamp,
}

impl FrameBuilder {
    /// A frame of no records yet. `start` is a place of [`Geometry::place_after`] the frame before
    /// or of [`Geometry::first_place`]; `timestamp` is the least recorded time of its records.
    ///
    /// # Panics
    /// If `start` is no place for a block.
    #[must_use]
    pub fn new(
        start: Lsn,
        geometry: Geometry,
        sequence: u64,
        epoch: u64,
        timestamp: Timestamp,
    ) -> FrameBuilder {
        assert_eq!(start.0 % BLOCK_ALIGNMENT, 0, "blocks are aligned");
        assert_eq!(geometry.place_after(start), start, "no block may start at {start}");
        assert!(timestamp <= Timestamp::MAX);
        let mut builder = FrameBuilder {
            geometry,
            start,
            sequence,
            epoch,
            timestamp,
            bytes: Vec::new(),
            blocks: Vec::new(),
            cell_end: 0,
            records_count: 0,
            last_time: timestamp,
        };
        builder.open_block();
        builder
    }

    /// Adds a record that took effect at `time`; returns its position.
    ///
    /// # Panics
    /// If it does not fit the segment ([`FrameBuilder::fits`]), if `time` does not fit the frame
    /// ([`FrameBuilder::fits_time`]) or lies before the last record's.
    pub fn push(&mut self, time: Timestamp, record: &Record) -> Lsn {
        self.push_with_payload(time, record, &[])
    }

    /// Adds a record with its payload, in parts if it does not fit what is left of the cell; returns
    /// its position.
    ///
    /// # Panics
    /// As [`FrameBuilder::push`]; if the payload is not as long as the record says.
    pub fn push_with_payload(&mut self, time: Timestamp, record: &Record, payload: &[u8]) -> Lsn {
        assert!(self.last_time <= time, "records are pushed in order of time");
        assert_eq!(
            payload.len(),
            record.payload_bytes(),
            "the record says how long its payload is"
        );
        let tick = self.tick(time).expect("the frame's time reaches this record");
        let left = self.cell_end - self.bytes.len();
        let is_whole = record::stored_bytes(record, payload.len()) <= left;
        if !is_whole && left < SPLIT_BYTES_MIN {
            self.next_cell();
        }
        let (lsn, mut rest) = self.push_part(tick, record, payload);
        while !rest.is_empty() {
            self.next_cell();
            let bytes = rest.len().min(self.payload_bytes_left(record::RECORD_BYTES_MIN));
            let part = PartRecord { owner: lsn, bytes: u32::try_from(bytes).expect("a cell") };
            (_, rest) = self.push_part(tick, &Record::Part(part), rest);
        }
        self.last_time = time;
        lsn
    }

    /// Adds a record with as much of the payload as fits the cell; returns the rest.
    fn push_part<'a>(&mut self, tick: u32, record: &Record, payload: &'a [u8]) -> (Lsn, &'a [u8]) {
        let lsn = self.position(self.bytes.len());
        let here = payload.len().min(self.payload_bytes_left(record::fixed_bytes(record)));
        let (here, rest) = payload.split_at(here);
        let start = self.bytes.len();
        record::encode(record, tick, here, &mut self.bytes);
        if rest.is_empty() && matches!(record, Record::Document(_)) {
            payload::set_check(&mut self.bytes[start..], lsn);
        }
        let block = self.blocks.last_mut().expect("a block is open");
        block.records_count += 1;
        self.records_count += 1;
        (lsn, rest)
    }

    /// Payload that fits what is left of the cell behind the fixed fields of a record.
    fn payload_bytes_left(&self, fixed_bytes: usize) -> usize {
        self.cell_end.checked_sub(self.bytes.len() + fixed_bytes).expect("the record fits the cell")
    }

    /// Goes on in the next cell. Where a block could still start in this one, a reader would look for
    /// it: the open block is filled up to the cell's end then.
    fn next_cell(&mut self) {
        if BLOCK_BYTES_MIN <= self.cell_end - self.bytes.len().next_multiple_of(16) {
            self.bytes.resize(self.cell_end, 0);
        }
        self.close_block();
        self.bytes.resize(self.cell_end, 0);
        self.open_block();
    }

    /// Record bytes that surely still fit into the segment.
    #[must_use]
    pub fn bytes_left_in_segment(&self) -> u64 {
        let end = self.position(self.bytes.len());
        let cell_end = self.position(self.cell_end);
        let segment_end = self.geometry.lsn(self.geometry.segment(self.start) + 1, 0);
        let cells = (segment_end.0 - cell_end.0) / CELL_BYTES;
        (cell_end.0 - end.0).saturating_sub(120) + cells * CELL_RECORD_BYTES
    }

    /// Whether records of together at most `record_bytes` surely still fit into the segment.
    #[must_use]
    pub fn fits(&self, record_bytes: u64) -> bool {
        record_bytes <= self.bytes_left_in_segment()
    }

    /// Whether a record of this time can be told from the frame's timestamp: within some four
    /// seconds of it. Otherwise the frame is finished and another begun.
    #[must_use]
    pub fn fits_time(&self, time: Timestamp) -> bool {
        self.tick(time).is_some()
    }

    /// What lies between its records so far, which are before it, and those to come, which are not. The end of the
    /// frame is rounded up, and the next record may begin before that.
    #[must_use]
    pub fn reached(&self) -> Lsn {
        self.position(self.bytes.len())
    }

    /// Where the frame would end if it were finished now, exclusive.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.position(self.bytes.len().next_multiple_of(16))
    }

    /// Where the frame starts.
    #[must_use]
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// What the ticks of its records count from.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Records so far.
    #[must_use]
    pub fn records_count(&self) -> u64 {
        self.records_count
    }

    /// A point to come back to.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let block = self.blocks.last().expect("a block is open");
        Mark {
            bytes: self.bytes.len(),
            blocks: self.blocks.len(),
            block_records_count: block.records_count,
            records_count: self.records_count,
            last_time: self.last_time,
        }
    }

    /// Takes back everything that was pushed since the mark.
    ///
    /// # Panics
    /// If the mark is not one of this builder, or was undone.
    pub fn undo(&mut self, mark: Mark) {
        assert!(mark.bytes <= self.bytes.len(), "the mark lies before the end");
        assert!((1..=self.blocks.len()).contains(&mark.blocks), "the mark's block is still there");
        self.bytes.truncate(mark.bytes);
        self.blocks.truncate(mark.blocks);
        self.records_count = mark.records_count;
        self.last_time = mark.last_time;
        let block = self.blocks.last_mut().expect("the first block stays");
        block.records_count = mark.block_records_count;
        let block_start = block.range.start;
        self.cell_end = self.cell_end_of(block_start);
    }

    /// The record at a position of this frame, `None` where none starts. The position must be one
    /// that [`FrameBuilder::push`] returned.
    #[must_use]
    pub fn record_at(&self, lsn: Lsn) -> Option<(Record, Timestamp)> {
        record_in(&self.bytes, self.start, self.timestamp, lsn)
    }

    /// The payload of the record at a position of this frame, as [`Self::record_at`].
    #[must_use]
    pub fn payload_at(&self, lsn: Lsn) -> Option<Vec<u8>> {
        payload_in(&self.bytes, &self.blocks, self.start, lsn)
    }

    /// Its records so far with their positions and recorded times, in order of effect.
    pub fn placed_records(&self) -> impl Iterator<Item = (Lsn, Record, Timestamp)> + '_ {
        records_in(&self.bytes, &self.blocks, self.start, self.timestamp)
    }

    /// Fixes the frame. A frame of no records is a witness.
    #[must_use]
    pub fn finish(mut self) -> Frame {
        self.close_block();
        let end = self.position(self.bytes.len());
        Frame {
            start: self.start,
            end,
            next: self.geometry.place_after(end),
            sequence: self.sequence,
            epoch: self.epoch,
            timestamp: self.timestamp,
            last_time: self.last_time,
            records_count: self.records_count,
            bytes: self.bytes,
            blocks: self.blocks,
        }
    }

    fn open_block(&mut self) {
        let start = self.bytes.len();
        assert!(
            self.geometry.segment(self.position(start)) == self.geometry.segment(self.start),
            "a frame never crosses a segment"
        );
        self.cell_end = self.cell_end_of(start);
        self.bytes.resize(start + BLOCK_HEADER_BYTES, 0);
        self.blocks.push(FrameBlock { range: start..start, records_count: 0 });
    }

    fn close_block(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        assert!(self.bytes.len() <= self.cell_end, "a block never crosses a cell");
        let block = self.blocks.last_mut().expect("a block is open");
        block.range.end = self.bytes.len();
    }

    fn tick(&self, time: Timestamp) -> Option<u32> {
        u32::try_from(time.0.checked_sub(self.timestamp.0)?).ok()
    }

    fn position(&self, offset: usize) -> Lsn {
        Lsn(self.start.0 + u64::try_from(offset).expect("a frame fits a segment"))
    }

    fn cell_end_of(&self, block_start: usize) -> usize {
        let end = self.geometry.cell_end(self.position(block_start));
        usize::try_from(end.0 - self.start.0).expect("a frame fits a segment")
    }
}

/// A frame whose positions are fixed. Its bytes still lack block headers, which the log thread
/// stamps on its own copy.
#[derive(Debug)]
pub struct Frame {
    start: Lsn,
    end: Lsn,
    next: Lsn,
    sequence: u64,
    epoch: u64,
    timestamp: Timestamp,
    last_time: Timestamp,
    records_count: u64,
    bytes: Vec<u8>,
    blocks: Vec<FrameBlock>,
}

impl Frame {
    /// Where its first block starts.
    #[must_use]
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// The first position after it: what is applied once its records are.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// Where the next frame may start; it may also start at the beginning of a later segment.
    #[must_use]
    pub fn next(&self) -> Lsn {
        self.next
    }

    /// Its place among all frames, from 1.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The opening that makes it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the ticks of its records count from.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The recorded time of its last record, its timestamp if it has none.
    #[must_use]
    pub fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// How many records.
    #[must_use]
    pub fn records_count(&self) -> u64 {
        self.records_count
    }

    /// Its bytes, block headers still zero.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where its blocks are.
    #[must_use]
    pub fn blocks(&self) -> &[FrameBlock] {
        &self.blocks
    }

    /// The record at a position of this frame, `None` where none starts. The position must be one
    /// that [`FrameBuilder::push`] returned.
    #[must_use]
    pub fn record_at(&self, lsn: Lsn) -> Option<(Record, Timestamp)> {
        record_in(&self.bytes, self.start, self.timestamp, lsn)
    }

    /// The payload of the record at a position of this frame, as [`Self::record_at`].
    #[must_use]
    pub fn payload_at(&self, lsn: Lsn) -> Option<Vec<u8>> {
        payload_in(&self.bytes, &self.blocks, self.start, lsn)
    }

    /// Its records and their recorded times, in order of effect.
    pub fn records(&self) -> impl Iterator<Item = (Record, Timestamp)> + '_ {
        self.placed_records().map(|(_, record, time)| (record, time))
    }

    /// Its records with their positions and recorded times, in order of effect.
    pub fn placed_records(&self) -> impl Iterator<Item = (Lsn, Record, Timestamp)> + '_ {
        records_in(&self.bytes, &self.blocks, self.start, self.timestamp)
    }
}

fn record_in(
    bytes: &[u8],
    start: Lsn,
    timestamp: Timestamp,
    lsn: Lsn,
) -> Option<(Record, Timestamp)> {
    let offset = usize::try_from(lsn.0.checked_sub(start.0)?).ok()?;
    let decoded = record::decode(bytes.get(offset..)?).ok()?;
    Some((decoded.record, timestamp.after_ticks(u64::from(decoded.tick))?))
}

fn payload_in(bytes: &[u8], blocks: &[FrameBlock], start: Lsn, lsn: Lsn) -> Option<Vec<u8>> {
    let offset = usize::try_from(lsn.0.checked_sub(start.0)?).ok()?;
    let decoded = record::decode(bytes.get(offset..)?).ok()?;
    let length = decoded.record.payload_bytes();
    let mut payload = decoded.payload.to_vec();
    let behind = blocks.partition_point(|block| block.range.start <= offset);
    for block in &blocks[behind..] {
        if payload.len() == length {
            break;
        }
        let part = record::decode(bytes.get(block.range.start + BLOCK_HEADER_BYTES..)?).ok()?;
        assert!(matches!(part.record, Record::Part(part) if part.owner == lsn));
        payload.extend_from_slice(part.payload);
    }
    (payload.len() == length).then_some(payload)
}

fn records_in<'a>(
    bytes: &'a [u8],
    blocks: &'a [FrameBlock],
    start: Lsn,
    timestamp: Timestamp,
) -> impl Iterator<Item = (Lsn, Record, Timestamp)> + 'a {
    blocks.iter().flat_map(move |block| {
        let mut offset = block.range.start + BLOCK_HEADER_BYTES;
        (0..block.records_count).map(move |_| {
            let lsn = Lsn(start.0 + u64::try_from(offset).expect("a frame fits a segment"));
            let decoded = record::decode(&bytes[offset..]).expect("a frame is made of records");
            offset += decoded.bytes;
            let time = timestamp.after_ticks(u64::from(decoded.tick));
            (lsn, decoded.record, time.expect("its time was recorded"))
        })
    })
}
