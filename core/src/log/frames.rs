//! Reads frames in order, each checked whole before it is handed out: for recovery, rebuilding,
//! verification and streams. Reads in large pieces, ahead; what is durable since a moment ago comes from memory.

use crate::log::block::{self, BLOCK_HEADER_BYTES, BlockHeader};
use crate::log::error::{Corruption, Damage, ReadError};
use crate::log::frame_view::ViewBlock;
use crate::log::geometry::CELL_BYTES;
use crate::log::reader::{LogReader, read_or_zeros};
use crate::log::recent::Stamped;
use crate::log::segment::Segment;
use crate::log::{FramePosition, FrameView};
use florin_ledger::Lsn;
use std::sync::Arc;

/// Bytes read ahead at once; a multiple of the cell.
const CHUNK_BYTES: u64 = 1 << 20;
const _: () = assert!(CHUNK_BYTES.is_multiple_of(CELL_BYTES));

/// A scan. [`Frames::next`] until it gives nothing; then [`Frames::position`] is the end of the
/// last frame and [`Frames::stopped`] says what lies there instead of another.
#[derive(Debug)]
pub struct Frames {
    reader: LogReader,
    position: FramePosition,
    until: Lsn,
    window: Window,
    blocks: Vec<ViewBlock>,
    /// Where the frame that was handed out last lies, as long as it is in memory.
    current: Option<Lsn>,
    /// The frame with its bodies opened, if the log is sealed.
    opened: Vec<u8>,
    /// The frame that was handed out last, if it was still in memory.
    recent: Option<Arc<Stamped>>,
    stopped: Option<Corruption>,
}

/// A part of a segment in memory, zeros where the file ends.
#[derive(Debug, Default)]
struct Window {
    segment: Option<Segment>,
    /// The position of `bytes[0]`, at the start of a cell.
    start: Lsn,
    bytes: Vec<u8>,
}

impl Frames {
    pub(super) fn new(reader: LogReader, from: FramePosition, until: Lsn) -> Frames {
        Frames {
            reader,
            position: from,
            until,
            window: Window::default(),
            blocks: Vec::new(),
            current: None,
            opened: Vec::new(),
            recent: None,
            stopped: None,
        }
    }

    /// The next frame; `None` where no frame follows, or none up to the scan's limit. May be asked
    /// again when more has become durable and the limit was moved ([`Frames::set_until`]).
    ///
    /// # Errors
    /// [`ReadError::Io`]. Damage ends the scan ([`Frames::stopped`]), it is not an error here: what
    /// it means depends on what is known to be durable.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows the scan's memory")]
    pub fn next(&mut self) -> Result<Option<FrameView<'_>>, ReadError> {
        self.current = None;
        self.recent = None;
        if self.until <= self.position.lsn {
            return Ok(None);
        }
        let recent = self.reader.recent_after(self.position);
        if let Some(recent) = recent.filter(|recent| recent.after().lsn <= self.until) {
            self.position = recent.after();
            self.stopped = None;
            self.recent = Some(recent);
            return Ok(self.current());
        }
        let geometry = self.reader.geometry();
        let here = geometry.place_after(self.position.lsn);
        let ahead = geometry.first_place(geometry.segment_before(self.position.lsn) + 1);
        let found = match self.frame_at(here)? {
            Ok(after) => Ok((here, after)),
            Err(damage) if here == ahead || self.until <= ahead => Err(damage),
            Err(damage) => match self.frame_at_next_segment(ahead)? {
                Ok(after) => Ok((ahead, after)),
                // With nothing here and something there, it is the latter that is damaged.
                Err(other) if damage.what == Damage::NoBlock && is_begun(other) => Err(other),
                Err(_) => Err(damage),
            },
        };
        match found {
            Ok((start, after)) if after.lsn <= self.until => {
                self.position = after;
                self.stopped = None;
                self.current = Some(start);
                self.open_bodies(start);
                Ok(self.current())
            }
            Ok(_) => Ok(None),
            Err(damage) => {
                self.stopped = Some(damage);
                Ok(None)
            }
        }
    }

    /// The frame that [`Frames::next`] handed out last, again: for a reader that took a part of it.
    /// `None` once the limit was moved.
    #[must_use]
    pub fn current(&self) -> Option<FrameView<'_>> {
        if let Some(recent) = &self.recent {
            return Some(recent.view());
        }
        let first = self.window.offset(self.current?);
        let last = self.window.offset(self.position.lsn);
        let bytes = &self.window.bytes[first..last];
        let opened = if self.window.is_sealed() { &self.opened } else { bytes };
        Some(FrameView::new(opened, &self.blocks, self.position))
    }

    /// Appends the frame that [`Frames::next`] handed out last to `out`, byte for byte as it is stored.
    /// Nothing is appended once the limit was moved.
    ///
    /// # Errors
    /// [`ReadError`], if the frame is in memory and the header of its segment can't be read.
    pub fn append_stored(&self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if let Some(recent) = &self.recent {
            let number = self.reader.geometry().segment(recent.view().start());
            let lsn = self.reader.geometry().lsn(number, 0);
            let segment = self.reader.segment(number)?;
            let segment = segment.ok_or(Corruption { lsn, what: Damage::SegmentHeader })?;
            recent.append_stored(&segment, out);
        } else if let Some(start) = self.current {
            let (first, last) = (self.window.offset(start), self.window.offset(self.position.lsn));
            out.extend_from_slice(&self.window.bytes[first..last]);
        }
        Ok(())
    }

    /// Copies the frame that starts at `start`, if it is sealed, and opens the body of each of its
    /// blocks there.
    fn open_bodies(&mut self, start: Lsn) {
        let first = self.window.offset(start);
        let last = self.window.offset(self.position.lsn);
        let Some(segment) = self.window.segment.as_ref().filter(|_| self.window.is_sealed()) else {
            return;
        };
        self.opened.clear();
        self.opened.extend_from_slice(&self.window.bytes[first..last]);
        for block in &mut self.blocks {
            let body = block.range.start + BLOCK_HEADER_BYTES..block.range.end;
            block.readable = segment.open_body(&block.header, &mut self.opened[body]);
        }
    }

    /// The end of the last frame that was handed out.
    #[must_use]
    pub fn position(&self) -> FramePosition {
        self.position
    }

    /// What lies at the position instead of a frame, once [`Frames::next`] gave `None` before its
    /// limit.
    #[must_use]
    pub fn stopped(&self) -> Option<Corruption> {
        self.stopped
    }

    /// Nothing, if every frame up to the limit was there: what a scan of the durable log must find.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] where the scan stopped.
    pub fn check_whole(&self) -> Result<(), ReadError> {
        self.stopped.map_or(Ok(()), |damage| Err(damage.into()))
    }

    /// Moves the limit. What was read of the tail before may have been written since, so it is
    /// read again.
    pub fn set_until(&mut self, until: Lsn) {
        self.until = until;
        self.current = None;
        self.recent = None;
        self.window = Window::default();
    }

    /// The frame at `start`, if the window holds one that follows; otherwise what is wrong.
    fn frame_at(&mut self, start: Lsn) -> Result<Result<FramePosition, Corruption>, ReadError> {
        match self.blocks_at(start) {
            Ok(after) => Ok(Ok(after)),
            Err(ReadError::Corrupt(corruption)) => Ok(Err(corruption)),
            Err(error) => Err(error),
        }
    }

    /// The frame at the start of the next segment. Only when one that follows begins there is it
    /// worth reading the rest of this segment, which must be zero.
    fn frame_at_next_segment(
        &mut self,
        start: Lsn,
    ) -> Result<Result<FramePosition, Corruption>, ReadError> {
        let geometry = self.reader.geometry();
        let segment = match self.reader.segment(geometry.segment(start)) {
            Ok(Some(segment)) => segment,
            Ok(None) => return Ok(Err(Corruption { lsn: start, what: Damage::NoBlock })),
            Err(ReadError::Corrupt(corruption)) => return Ok(Err(corruption)),
            Err(error) => return Err(error),
        };
        let cell = self.reader.cell(&segment, start)?;
        let first = usize::try_from(geometry.offset(start)).expect("a header is small");
        match segment.header.block(&cell[first..], start) {
            Ok(header)
                if follows(self.position, None, &header, start, 0, self.position.chain).is_ok() => {
            }
            Ok(_) => return Ok(Err(Corruption { lsn: start, what: Damage::Chain })),
            Err(what) => return Ok(Err(Corruption { lsn: start, what })),
        }
        self.frame_at(start)
    }

    fn blocks_at(&mut self, start: Lsn) -> Result<FramePosition, ReadError> {
        let geometry = self.reader.geometry();
        let number = geometry.segment(start);
        self.blocks.clear();
        let mut chain = self.position.chain;
        let (mut at, mut gap) = (start, self.position.lsn);
        if geometry.segment(gap) != number {
            self.check_gap(gap, geometry.lsn(number, 0))?;
            gap = start;
        }
        self.window.begin(&self.reader, number, geometry.cell_start(gap.min(start)))?;
        loop {
            self.window.load(&self.reader, geometry.cell_end(at), self.until)?;
            self.check_gap(gap, at)?;
            let segment = self.window.segment.as_ref();
            let segment = segment.ok_or(Corruption { lsn: at, what: Damage::NoBlock })?;
            let first = self.window.offset(at);
            let cell_end = self.window.offset(geometry.cell_end(at));
            let bytes = &self.window.bytes[first..cell_end];
            let header =
                segment.header.block(bytes, at).map_err(|what| Corruption { lsn: at, what })?;
            let first = self.blocks.first().map(|block| &block.header);
            follows(self.position, first, &header, start, self.blocks.len(), chain)?;
            let whole = header.body_of(bytes).is_some_and(|body| header.body_is_whole(body));
            if !whole {
                return Err(Corruption { lsn: at, what: Damage::BlockBody }.into());
            }
            chain = block::chain_after(bytes).expect("the header was read");
            let offset = usize::try_from(at.0 - start.0).expect("a frame fits a segment");
            let end = header.end();
            let length = usize::try_from(header.block_bytes).expect("a block fits a cell");
            let range = offset..offset + length;
            self.blocks.push(ViewBlock { header, range, readable: Ok(()) });
            if header.last {
                return Ok(FramePosition { lsn: end, sequence: header.sequence + 1, chain });
            }
            (at, gap) = (geometry.place_after(end), end);
            if geometry.segment(at) != number {
                return Err(Corruption { lsn: end, what: Damage::Chain }.into());
            }
        }
    }

    /// The bytes from `gap` to `at` must be zero.
    fn check_gap(&self, gap: Lsn, at: Lsn) -> Result<(), ReadError> {
        let nonzero = match self.window.part(gap, at) {
            Some(bytes) => bytes.iter().any(|byte| *byte != 0).then_some(gap),
            None => self.first_nonzero(gap, at)?,
        };
        match nonzero {
            None => Ok(()),
            Some(lsn) => Err(Corruption { lsn, what: Damage::Padding }.into()),
        }
    }

    /// The first byte from `from` on, before `end`, all in one segment, that is not zero.
    fn first_nonzero(&self, from: Lsn, end: Lsn) -> Result<Option<Lsn>, ReadError> {
        let geometry = self.reader.geometry();
        if end <= from {
            return Ok(None);
        }
        let Some(segment) = self.reader.segment(geometry.segment(from))? else {
            return Ok(None);
        };
        let file_end = geometry.lsn(geometry.segment(from), segment.file.bytes()?).min(end);
        let (mut at, mut chunk) = (from, Vec::new());
        while at < file_end {
            let bytes = (file_end.0 - at.0).min(CHUNK_BYTES);
            chunk.resize(usize::try_from(bytes).expect("a chunk is small"), 0);
            read_or_zeros(&segment, geometry.offset(at), &mut chunk)?;
            if let Some(offset) = chunk.iter().position(|byte| *byte != 0) {
                let offset = u64::try_from(offset).expect("a chunk is small");
                return Ok(Some(Lsn(at.0 + offset)));
            }
            at = Lsn(at.0 + bytes);
        }
        Ok(None)
    }
}

/// Rules 5 and 6: whether a whole block is the next one of this very log. `first` is the first block of
/// its frame, unless it is that itself.
pub(super) fn follows(
    position: FramePosition,
    first: Option<&BlockHeader>,
    header: &BlockHeader,
    start: Lsn,
    index: usize,
    chain: [u8; 32],
) -> Result<(), Corruption> {
    let same = first.is_none_or(|first| {
        first.timestamp == header.timestamp
            && first.epoch == header.epoch
            && first.durable == header.durable
    });
    let follows = header.frame_lsn == start
        && header.sequence == position.sequence
        && u32::try_from(index) == Ok(header.index)
        && header.chain == chain
        && same;
    let damage = Corruption { lsn: header.lsn, what: Damage::Chain };
    if follows { Ok(()) } else { Err(damage) }
}

/// Whether damage at a segment's start shows that a frame was begun there.
fn is_begun(damage: Corruption) -> bool {
    !matches!(damage.what, Damage::NoBlock | Damage::Chain)
}

impl Window {
    /// Goes to a cell of a segment, keeping what is in memory from there on.
    fn begin(&mut self, reader: &LogReader, number: u64, cell: Lsn) -> Result<(), ReadError> {
        let open = self.segment.as_ref().map(|segment| segment.header.number);
        if open != Some(number) {
            self.segment = None;
            self.bytes.clear();
            self.segment = reader.segment(number)?;
        }
        let kept = cell.0.checked_sub(self.start.0).and_then(|skip| usize::try_from(skip).ok());
        match kept {
            Some(skip) if skip < self.bytes.len() => {
                // Moving the rest to the front for every cell would copy a chunk each time.
                if self.bytes.len() / 2 < skip {
                    self.bytes.drain(..skip);
                    self.start = cell;
                }
            }
            _ => {
                self.bytes.clear();
                self.start = cell;
            }
        }
        Ok(())
    }

    /// Reads at least up to `end`, the end of a cell, and ahead if there is more before `until`.
    fn load(&mut self, reader: &LogReader, end: Lsn, until: Lsn) -> Result<(), ReadError> {
        let loaded = self.end();
        if end <= loaded {
            return Ok(());
        }
        let geometry = reader.geometry();
        let number = geometry.segment(self.start);
        let segment_end = geometry.lsn(number + 1, 0);
        let chunk = Lsn(loaded.0.saturating_add(CHUNK_BYTES));
        let ahead = chunk.min(segment_end).min(geometry.cell_end(until)).max(end);
        let length = usize::try_from(ahead.0 - self.start.0).expect("a segment fits into memory");
        let old = self.bytes.len();
        self.bytes.resize(length, 0);
        match &self.segment {
            Some(segment) => {
                read_or_zeros(segment, geometry.offset(loaded), &mut self.bytes[old..])?;
            }
            None => self.bytes[old..].fill(0),
        }
        Ok(())
    }

    fn is_sealed(&self) -> bool {
        self.segment.as_ref().is_some_and(|segment| segment.header.identity.is_sealed)
    }

    fn end(&self) -> Lsn {
        Lsn(self.start.0 + u64::try_from(self.bytes.len()).expect("a window is in memory"))
    }

    fn offset(&self, lsn: Lsn) -> usize {
        usize::try_from(lsn.0 - self.start.0).expect("a window is in memory")
    }

    fn part(&self, from: Lsn, to: Lsn) -> Option<&[u8]> {
        let inside = self.start <= from && from <= to && to <= self.end();
        if inside { self.bytes.get(self.offset(from)..self.offset(to)) } else { None }
    }
}
