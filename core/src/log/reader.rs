//! Reads the log. Nothing here ever writes.
//!
//! A **block** is whole if and only if, with K the key of its segment's header:
//!
//! 1. it starts with the magic, at a multiple of 16 bytes, and says its own position;
//! 2. its header's tag is right under K;
//! 3. its length is a multiple of 16, at least a header, and ends within its cell; its flags are
//!    known; its reserved bytes are zero, its seal too unless the segment is sealed; its frame
//!    starts at or before it; its durable position lies at or before the start of its frame;
//! 4. its body has the hash that the header says.
//!
//! A **frame** at L follows the position (end E, sequence S, chain C) if and only if:
//!
//! 1. L is the next place after E, or the first place of the segment after E's; the former is
//!    preferred (both may be the same);
//! 2. the header of L's segment is whole, and says L's segment, the log's incarnation and size of
//!    segments, and this version;
//! 3. the bytes from E to L, of the segments' files, are zero (but for the header in between);
//! 4. a whole block starts at L and, as long as a block is not flagged as the last, another at the
//!    next place after it, within the same segment, the bytes skipped in between being zero;
//! 5. every block says L as the start of its frame, S as its sequence number, its own place in the
//!    frame, and the same timestamp, epoch and durable position as the first;
//! 6. the first block's chain is C, every other's the hash of the header before it.
//!
//! Bytes past a file's end count as zeros. Records are no part of it: a whole block with a record
//! that cannot be read was written so, by another version or by a bug, and is corrupt, never torn.
//! Nor are seals: a log is judged alike with its database key and without.

use crate::disk::{Access, Disk};
use crate::limits::RECENT_FRAMES_BYTES_MAX;
use crate::log::FramePosition;
use crate::log::block::{self, BLOCK_HEADER_BYTES, BlockHeader};
use crate::log::error::{Corruption, Damage, LogError, ReadError};
use crate::log::frames::Frames;
use crate::log::geometry::{CELL_BYTES, Geometry};
use crate::log::recent::{RecentFrames, Stamped};
use crate::log::segment::{self, Found, Identity, Segment};
use crate::log::{payload, record};
use florin_ledger::record::Record;
use florin_ledger::{Lsn, Position, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Blocks kept after they were checked: walks along an account's history come back to the same
/// block often. At most 1 MiB.
const BLOCKS_CACHED_MAX: usize = 64;
/// Segment files kept open.
const SEGMENTS_OPEN_MAX: usize = 256;

/// A record with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredRecord {
    /// What it says.
    pub record: Record,
    /// When it took effect.
    pub time: Timestamp,
    /// Where it is.
    pub lsn: Lsn,
    /// The first position after it.
    pub next: Lsn,
    /// The opening that wrote it.
    pub epoch: u64,
}

impl StoredRecord {
    /// Where it is, as it is told outside.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, lsn: self.lsn }
    }
}

/// Reads single records and opens scans; clones share their open files and checked blocks.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    identity: Identity,
    /// The number of the first segment, once there is one. Listing is slow in a long log.
    first_segment: OnceLock<u64>,
    segments: Mutex<BTreeMap<u64, Segment>>,
    blocks: Mutex<BlockCache>,
    recent: Mutex<RecentFrames>,
    /// The epochs of segments that were asked for: an opening begins a segment of its own.
    epochs: Mutex<BTreeMap<u64, u64>>,
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader").field("identity", &self.shared.identity).finish_non_exhaustive()
    }
}

/// A block that was checked. Durable blocks never change, so it stays good.
#[derive(Debug)]
pub(super) struct CheckedBlock {
    pub(super) header: BlockHeader,
    /// Its header as stored, its body opened.
    pub(super) bytes: Box<[u8]>,
    /// Whether the body could be opened.
    readable: Result<(), Damage>,
}

#[derive(Default)]
struct BlockCache {
    blocks: Vec<Arc<CheckedBlock>>,
    /// The next one to be replaced.
    hand: usize,
}

impl LogReader {
    /// A reader of the log with this identity ([`segment::identify`]).
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, identity: Identity) -> LogReader {
        LogReader {
            shared: Arc::new(Shared {
                disk,
                identity,
                first_segment: OnceLock::new(),
                segments: Mutex::default(),
                blocks: Mutex::default(),
                recent: Mutex::new(RecentFrames::new(RECENT_FRAMES_BYTES_MAX)),
                epochs: Mutex::default(),
            }),
        }
    }

    /// Takes frames that are durable from now on, in order: scans have them without reading the disk.
    pub fn remember(&self, stamped: impl IntoIterator<Item = impl Into<Arc<Stamped>>>) {
        self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner).extend(stamped);
    }

    /// The frame that follows a position, if it was [remembered](Self::remember) a short time ago.
    pub(super) fn recent_after(&self, position: FramePosition) -> Option<Arc<Stamped>> {
        self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner).after(position)
    }

    /// Reads the record at a position: one cell from the disk, one block checked, or none if the
    /// block was checked lately.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] unless its whole block ends at or before `durable`;
    /// [`ReadError::NoRecord`] if no record starts there; [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn record(&self, lsn: Lsn, durable: Lsn) -> Result<StoredRecord, ReadError> {
        Ok(self.block_with(lsn, durable)?.record(lsn)?.0)
    }

    /// Reads the record at a position with its payload: one block, and one for each part of it.
    ///
    /// # Errors
    /// As [`LogReader::record`].
    pub fn payload(&self, lsn: Lsn, durable: Lsn) -> Result<(StoredRecord, Vec<u8>), ReadError> {
        let mut block = self.block_with(lsn, durable)?;
        let (stored, here) = block.record(lsn)?;
        let mut payload = here.to_vec();
        while payload.len() < stored.record.payload_bytes() {
            let damaged = Corruption { lsn: block.header.lsn, what: Damage::Record };
            if block.header.last {
                return Err(damaged.into());
            }
            block = self.block_with(self.geometry().place_after(block.header.end()), durable)?;
            let part = block.part_of(lsn)?;
            if part.is_empty() {
                return Err(damaged.into());
            }
            payload.extend_from_slice(part);
        }
        if payload.len() != stored.record.payload_bytes() {
            return Err(Corruption { lsn, what: Damage::Record }.into());
        }
        Ok((stored, payload))
    }

    /// The block that covers a position, whole before `durable`.
    fn block_with(&self, lsn: Lsn, durable: Lsn) -> Result<Arc<CheckedBlock>, ReadError> {
        if durable <= lsn {
            return Err(ReadError::Beyond { lsn, durable });
        }
        let block = match self.shared.cached(lsn) {
            Some(block) => block,
            None => self.block_covering(lsn)?,
        };
        if durable < block.header.end() {
            return Err(ReadError::Beyond { lsn, durable });
        }
        Ok(block)
    }

    /// The opening that wrote what lies at a position that is durable. Reads a block the first time
    /// that its segment is asked for.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn epoch_of(&self, lsn: Lsn) -> Result<u64, ReadError> {
        let segment = self.geometry().segment(lsn);
        let epochs = &self.shared.epochs;
        if let Some(epoch) = epochs.lock().unwrap_or_else(PoisonError::into_inner).get(&segment) {
            return Ok(*epoch);
        }
        let first = self.block_covering(self.geometry().first_place(segment))?;
        let epoch = first.header.epoch;
        epochs.lock().unwrap_or_else(PoisonError::into_inner).insert(segment, epoch);
        Ok(epoch)
    }

    /// Reads frames from a position on, up to and not past `until` ([`Lsn`] of `u64::MAX`: as far as
    /// there are any).
    #[must_use]
    pub fn frames(&self, from: FramePosition, until: Lsn) -> Frames {
        Frames::new(self.clone(), from, until)
    }

    /// The position at the end of a frame, for a checkpoint to start from.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] past `durable`, [`ReadError::NoRecord`] if no frame ends there;
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn position_at(&self, end: Lsn, durable: Lsn) -> Result<FramePosition, ReadError> {
        if durable < end {
            return Err(ReadError::Beyond { lsn: end, durable });
        }
        if end == FramePosition::GENESIS.lsn {
            return Ok(FramePosition::GENESIS);
        }
        let last_byte = Lsn(end.0.checked_sub(1).ok_or(ReadError::NoRecord { lsn: end })?);
        let block = self.block_covering(last_byte)?;
        if block.header.end() != end || !block.header.last {
            return Err(ReadError::NoRecord { lsn: end });
        }
        let chain = block::chain_after(&block.bytes).expect("a checked block has a header");
        Ok(FramePosition { lsn: end, sequence: block.header.sequence + 1, chain })
    }

    /// The position before the frame that starts at `start`, to read it with
    /// [`LogReader::frames`].
    ///
    /// # Errors
    /// As [`LogReader::position_at`].
    pub fn position_before(&self, start: Lsn) -> Result<FramePosition, ReadError> {
        let block = self.block_covering(start)?;
        let header = block.header;
        if header.lsn != start || header.frame_lsn != start {
            return Err(ReadError::NoRecord { lsn: start });
        }
        Ok(FramePosition { lsn: start, sequence: header.sequence, chain: header.chain })
    }

    /// The position before the frame that a record lies in.
    ///
    /// # Errors
    /// As [`LogReader::position_at`].
    pub fn position_before_record(&self, lsn: Lsn) -> Result<FramePosition, ReadError> {
        self.position_before(self.block_covering(lsn)?.header.frame_lsn)
    }

    /// Lets the system forget what it has cached of a segment: the next reads tell of the disk.
    pub(crate) fn forget_cached(&self, number: u64) {
        if let Ok(Some(segment)) = self.segment(number) {
            segment.file.forget_cached();
        }
    }

    /// What all segments of this log have in common.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.shared.identity.geometry
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.shared.disk.as_ref()
    }

    /// The number of the first segment that is there: 0, unless older ones were moved away. `None`
    /// before anything was written.
    pub(super) fn first_segment(&self) -> Result<Option<u64>, ReadError> {
        if let Some(number) = self.shared.first_segment.get() {
            return Ok(Some(*number));
        }
        let first = match segment::list(self.disk()) {
            Ok(numbers) => numbers.first().copied(),
            Err(LogError::Io(error)) => return Err(error.into()),
            // Foreign files were refused by name when the log was opened; this one came since.
            Err(_) => Some(0),
        };
        Ok(first.map(|number| *self.shared.first_segment.get_or_init(|| number)))
    }

    /// An open segment; kept open, with bounds. A segment that is being prepared is `None`.
    pub(crate) fn segment(&self, number: u64) -> Result<Option<Segment>, ReadError> {
        let segments = &self.shared.segments;
        let kept = segments.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        let disk = self.shared.disk.as_ref();
        let lsn = self.geometry().lsn(number, 0);
        let segment = match segment::open(disk, self.shared.identity, number, Access::Read) {
            Ok(Found::Segment(segment)) => segment,
            Ok(Found::Nothing) => return Ok(None),
            Err(LogError::Io(error)) => return Err(error.into()),
            // What belongs elsewhere was refused by name when the log was opened.
            Err(_) => return Err(Corruption { lsn, what: Damage::SegmentHeader }.into()),
        };
        let mut segments = segments.lock().unwrap_or_else(PoisonError::into_inner);
        if SEGMENTS_OPEN_MAX <= segments.len() {
            segments.pop_first();
        }
        segments.insert(number, segment.clone());
        Ok(Some(segment))
    }

    /// Reads the block that a position lies in, from the start of its cell on: the headers before
    /// it say where it starts, and are checked on the way.
    pub(super) fn block_covering(&self, lsn: Lsn) -> Result<Arc<CheckedBlock>, ReadError> {
        let geometry = self.geometry();
        let number = geometry.segment(lsn);
        let first = geometry.first_block_of_cell(lsn);
        if lsn < first {
            return Err(ReadError::NoRecord { lsn });
        }
        let segment = self.segment(number)?;
        let segment = segment.ok_or(Corruption { lsn, what: Damage::SegmentMissing })?;
        let cell = self.cell(&segment, lsn)?;
        let start = geometry.cell_start(lsn);
        let mut at = first;
        loop {
            let offset = usize::try_from(at.0 - start.0).expect("a cell is small");
            let header = segment
                .header
                .block(&cell[offset..], at)
                .map_err(|what| Corruption { lsn: at, what })?;
            if lsn < header.end() {
                let (_, block) = cell.split_at(offset);
                return self.shared.check(&segment, header, block);
            }
            at = geometry.place_after(header.end());
            if lsn < at || geometry.cell_start(at) != start {
                return Err(ReadError::NoRecord { lsn });
            }
        }
    }

    /// The cell of a position; zeros past the file's end.
    pub(super) fn cell(&self, segment: &Segment, lsn: Lsn) -> Result<Vec<u8>, ReadError> {
        let geometry = self.geometry();
        let mut cell = vec![0; usize::try_from(CELL_BYTES).expect("a cell is small")];
        let offset = geometry.offset(geometry.cell_start(lsn));
        read_or_zeros(segment, offset, &mut cell)?;
        Ok(cell)
    }
}

/// Fills `buffer` from an offset of a segment's file, with zeros past its end.
pub(super) fn read_or_zeros(
    segment: &Segment,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), io::Error> {
    /// A segment is cut once, when it is left; reading may meet that.
    const ATTEMPTS: usize = 2;
    for _ in 0..ATTEMPTS {
        let there = segment.file.bytes()?.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        let (stored, beyond) = buffer.split_at_mut(there);
        beyond.fill(0);
        match segment.file.read_exact_at(stored, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            other => return other,
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

impl Shared {
    fn cached(&self, lsn: Lsn) -> Option<Arc<CheckedBlock>> {
        let cache = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let covers =
            |block: &&Arc<CheckedBlock>| block.header.lsn <= lsn && lsn < block.header.end();
        cache.blocks.iter().find(covers).cloned()
    }

    fn check(
        &self,
        segment: &Segment,
        header: BlockHeader,
        bytes: &[u8],
    ) -> Result<Arc<CheckedBlock>, ReadError> {
        let damaged = Corruption { lsn: header.lsn, what: Damage::BlockBody };
        let body = header.body_of(bytes).ok_or(damaged)?;
        if !header.body_is_whole(body) {
            return Err(damaged.into());
        }
        let mut bytes: Box<[u8]> = bytes[..BLOCK_HEADER_BYTES + body.len()].into();
        let readable = segment.open_body(&header, &mut bytes[BLOCK_HEADER_BYTES..]);
        let block = Arc::new(CheckedBlock { header, bytes, readable });
        let mut cache = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.blocks.len() < BLOCKS_CACHED_MAX {
            cache.blocks.push(Arc::clone(&block));
        } else {
            let hand = cache.hand;
            cache.blocks[hand] = Arc::clone(&block);
            cache.hand = (hand + 1) % BLOCKS_CACHED_MAX;
        }
        Ok(block)
    }
}

impl CheckedBlock {
    /// Its records, if its body could be opened.
    pub(super) fn records(&self) -> Result<BlockRecords<'_>, Corruption> {
        self.readable.map_err(|what| Corruption { lsn: self.header.lsn, what })?;
        Ok(BlockRecords::new(&self.header, &self.bytes))
    }

    /// The record that starts at a position, and as much of its payload as is in it. Walks the
    /// records before it: a position from outside may point into the middle of one, where a caller's
    /// bytes could look like another.
    pub(super) fn record(&self, lsn: Lsn) -> Result<(StoredRecord, &[u8]), ReadError> {
        let mut records = self.records()?;
        while records.lsn() < lsn && 0 < records.left {
            records.pass_over()?;
        }
        if records.lsn() != lsn || records.left == 0 {
            return Err(ReadError::NoRecord { lsn });
        }
        records.next().expect("one is left").map_err(ReadError::from)
    }

    /// The part of a record's payload with which the block begins.
    fn part_of(&self, owner: Lsn) -> Result<&[u8], ReadError> {
        let damaged = Corruption { lsn: self.header.lsn, what: Damage::Record };
        let first = self.records()?.next().ok_or(damaged)??;
        match first {
            (StoredRecord { record: Record::Part(part), .. }, payload) if part.owner == owner => {
                Ok(payload)
            }
            _ => Err(damaged.into()),
        }
    }
}

/// The records of a checked block, in order, each with as much of its payload as is in it.
#[derive(Debug)]
pub(super) struct BlockRecords<'a> {
    header: BlockHeader,
    bytes: &'a [u8],
    offset: usize,
    left: u32,
}

impl<'a> BlockRecords<'a> {
    pub(super) fn new(header: &BlockHeader, bytes: &'a [u8]) -> BlockRecords<'a> {
        BlockRecords {
            header: *header,
            bytes,
            offset: BLOCK_HEADER_BYTES,
            left: header.records_count,
        }
    }

    /// Where the next record starts.
    fn lsn(&self) -> Lsn {
        Lsn(self.header.lsn.0 + u64::try_from(self.offset).expect("a block is small"))
    }

    /// Passes over all records up to a position.
    pub(super) fn pass_over_to(&mut self, lsn: Lsn) -> Result<(), Corruption> {
        while 0 < self.left && self.lsn() <= lsn {
            self.pass_over()?;
        }
        Ok(())
    }

    /// Goes to the next record of a commit, passing over all before it: the first record that may be
    /// that commit's, and its own. `None` if there is none, or something before it can't be read.
    pub(super) fn next_commit(&mut self) -> Option<(Lsn, Lsn)> {
        while 0 < self.left {
            if payload::is_commit(self.bytes.get(self.offset..)?) {
                let (stored, _) = self.read()?;
                let Record::Commit(commit) = stored.record else { return None };
                return Some((commit.first, stored.lsn));
            }
            self.pass_over().ok()?;
        }
        None
    }

    /// Passes over a record by its length.
    fn pass_over(&mut self) -> Result<(), Corruption> {
        let damage = Corruption { lsn: self.lsn(), what: Damage::Record };
        let record = self.bytes.get(self.offset..).unwrap_or_default();
        self.offset += record::bytes_at(record).ok_or(damage)?;
        self.left -= 1;
        Ok(())
    }

    fn read(&mut self) -> Option<(StoredRecord, &'a [u8])> {
        let decoded = record::decode(self.bytes.get(self.offset..)?).ok()?;
        let lsn = self.lsn();
        self.offset += decoded.bytes;
        self.left -= 1;
        let time = self.header.timestamp.after_ticks(u64::from(decoded.tick))?;
        let (record, epoch) = (decoded.record, self.header.epoch);
        let stored = StoredRecord { record, time, lsn, next: self.lsn(), epoch };
        Some((stored, decoded.payload))
    }

    /// Whether only filling is left.
    fn ends_well(&self) -> bool {
        self.bytes.get(self.offset..).unwrap_or_default().iter().all(|byte| *byte == 0)
    }
}

impl<'a> Iterator for BlockRecords<'a> {
    type Item = Result<(StoredRecord, &'a [u8]), Corruption>;

    fn next(&mut self) -> Option<Self::Item> {
        let damaged = Some(Err(Corruption { lsn: self.lsn(), what: Damage::Record }));
        if self.left == 0 {
            let well = self.ends_well();
            self.bytes = &[];
            return if well { None } else { damaged };
        }
        match self.read() {
            Some(stored) => Some(Ok(stored)),
            None => {
                self.left = 0;
                self.bytes = &[];
                damaged
            }
        }
    }
}
