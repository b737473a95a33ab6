//! Stamps frames, seals them if the log is sealed, and puts them on the disk. Owned by the log
//! thread. A block is stamped once: its place in the log is behind all that were stamped before.
//!
//! A call of [`LogWriter::write`] puts all staged pages with one write past the page cache. The
//! last page is written again as it fills; its earlier bytes stay the same, so a torn write of it
//! cannot harm what was durable. After the first failed write or sync nothing more is written.

use crate::disk::aligned::AlignedBuffer;
use crate::disk::{Access, Disk, PAGE_BYTES};
use crate::log::FramePosition;
use crate::log::block::{BLOCK_HEADER_BYTES, BlockHeader};
use crate::log::frame::Frame;
use crate::log::frame_view::ViewBlock;
use crate::log::geometry::{SEGMENT_HEADER_BYTES, page_up};
use crate::log::recent::Stamped;
use crate::log::segment::{self, Found, Identity, Segment};
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;

/// What a writer has done since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WriterCounters {
    /// Bytes handed to the disk, pages written again included.
    pub written_bytes: u64,
    /// Writes handed to the disk.
    pub writes_count: u64,
    /// Syncs that succeeded.
    pub syncs_count: u64,
}

/// The writing end of the log: [`LogWriter::append`] some frames, [`LogWriter::write`],
/// [`LogWriter::sync`]; then they are durable.
pub struct LogWriter {
    disk: Arc<dyn Disk>,
    identity: Identity,
    at: FramePosition,
    segment: Option<Segment>,
    /// Pages of the segment from `staged_start` on: the last page that was written, if it is not
    /// full, and what was appended since.
    staged: AlignedBuffer,
    staged_start: u64,
    /// The offset in the segment up to which frames were appended.
    staged_end: u64,
    unwritten: bool,
    unsynced: bool,
    failed: bool,
    counters: WriterCounters,
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter").field("at", &self.at).finish_non_exhaustive()
    }
}

impl LogWriter {
    /// A writer that goes on after `at`, in a segment of its own that is prepared.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, identity: Identity, at: FramePosition) -> LogWriter {
        LogWriter {
            disk,
            identity,
            at,
            segment: None,
            staged: AlignedBuffer::default(),
            staged_start: 0,
            staged_end: 0,
            unwritten: false,
            unsynced: false,
            failed: false,
            counters: WriterCounters::default(),
        }
    }

    /// Stages a frame, stamped with the position `durable` up to which everything is known to be
    /// durable: the end of a frame before. When the frame starts another segment, the one before is
    /// written, synced and cut first.
    ///
    /// # Errors
    /// Those of writing the segment before, or of opening the next; all final.
    ///
    /// # Panics
    /// If the frame does not follow the one before, or `durable` lies beyond that one's end.
    pub fn append(&mut self, frame: &Arc<Frame>, durable: Lsn) -> io::Result<Stamped> {
        let geometry = self.identity.geometry;
        assert_eq!(frame.sequence(), self.at.sequence, "frames are appended in sequence");
        assert!(durable <= self.at.lsn, "{durable} is not written yet");
        let number = geometry.segment(frame.start());
        let current = self.segment.as_ref().map(|segment| segment.header.number);
        if current != Some(number) {
            assert_eq!(
                frame.start(),
                geometry.first_place(number),
                "a segment starts at its start"
            );
            self.latched(|writer| writer.move_to(number))?;
        } else {
            assert_eq!(frame.start(), geometry.place_after(self.at.lsn), "a frame follows");
        }
        self.check()?;
        Ok(self.stage(frame, durable))
    }

    /// Puts everything staged on the disk, not durably.
    ///
    /// # Errors
    /// Final: the log must be opened again.
    pub fn write(&mut self) -> io::Result<()> {
        self.latched(LogWriter::write_staged)
    }

    /// Makes everything written durable; returns at once if all of it is.
    ///
    /// # Errors
    /// Final: what was written since the last sync may or may not be durable, and asking again
    /// would only pretend that it is.
    pub fn sync(&mut self) -> io::Result<()> {
        self.latched(LogWriter::sync_written)
    }

    /// Writes, syncs and cuts the segment to its used length. Nothing is appended afterwards.
    ///
    /// # Errors
    /// Final.
    pub fn close(mut self) -> io::Result<()> {
        self.latched(LogWriter::leave_segment)
    }

    /// The end of what was appended, with the chain hash there.
    #[must_use]
    pub fn position(&self) -> FramePosition {
        self.at
    }

    /// The hash of everything appended.
    #[must_use]
    pub fn chain(&self) -> [u8; 32] {
        self.at.chain
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> WriterCounters {
        self.counters
    }

    /// Goes on in a segment that is there, behind what is used of it.
    pub(super) fn go_on_in(&mut self, segment: Segment) -> io::Result<()> {
        let base = self.identity.geometry.lsn(segment.header.number, 0);
        let used_bytes = self.at.lsn.0 - base.0;
        let page = u64::try_from(PAGE_BYTES).expect("a page is small");
        self.staged_start = used_bytes - used_bytes % page;
        self.staged_end = used_bytes;
        let begun = usize::try_from(used_bytes % page).expect("less than a page");
        self.staged.resize(begun);
        segment.file.read_exact_at(&mut self.staged.as_mut_bytes()[..begun], self.staged_start)?;
        self.segment = Some(segment);
        Ok(())
    }

    /// Leaves the segment, durable and cut, for the next one, of which nothing is used.
    pub(super) fn leave_for(&mut self, segment: Segment) -> io::Result<()> {
        self.latched(LogWriter::leave_segment)?;
        self.staged.resize(0);
        self.staged_start = SEGMENT_HEADER_BYTES;
        self.staged_end = SEGMENT_HEADER_BYTES;
        self.segment = Some(segment);
        Ok(())
    }

    /// Stages a frame that was stamped elsewhere and was found to follow.
    ///
    /// # Panics
    /// If it does not lie in the segment behind what was staged.
    pub(super) fn stage_copy(&mut self, start: Lsn, bytes: &[u8], after: FramePosition) {
        let geometry = self.identity.geometry;
        let segment = self.segment.as_ref().expect("a copy has a segment");
        assert_eq!(geometry.segment(start), segment.header.number, "a segment was begun for it");
        let offset = geometry.offset(start);
        assert!(self.staged_end <= offset, "frames do not overlap");
        let in_buffer = |offset: u64| {
            usize::try_from(offset - self.staged_start).expect("a segment fits into memory")
        };
        let first = in_buffer(offset);
        self.staged.resize(first + bytes.len());
        self.staged.as_mut_bytes()[first..first + bytes.len()].copy_from_slice(bytes);
        self.staged_end = offset + u64::try_from(bytes.len()).expect("a frame is in memory");
        self.unwritten = true;
        self.at = after;
    }

    /// The segment that is written to.
    pub(super) fn segment(&self) -> Option<&Segment> {
        self.segment.as_ref()
    }

    fn check(&self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write or sync of the log failed"));
        }
        Ok(())
    }

    fn latched(&mut self, act: impl FnOnce(&mut LogWriter) -> io::Result<()>) -> io::Result<()> {
        self.check()?;
        let result = act(self);
        self.failed = result.is_err();
        result
    }

    fn move_to(&mut self, number: u64) -> io::Result<()> {
        self.leave_segment()?;
        let found = segment::open(self.disk.as_ref(), self.identity, number, Access::Direct)
            .map_err(io::Error::other)?;
        let Found::Segment(segment) = found else {
            return Err(io::Error::other(format!("log segment {number} was never prepared")));
        };
        let first_place = self.identity.geometry.first_place(number);
        self.segment = Some(segment);
        self.staged.resize(0);
        self.staged_start = self.identity.geometry.offset(first_place);
        self.staged_end = self.staged_start;
        Ok(())
    }

    /// The old segment is durable before a byte of the next is written: what is durable of the log
    /// never has a hole at a segment's end.
    fn leave_segment(&mut self) -> io::Result<()> {
        self.write_staged()?;
        self.sync_written()?;
        let used_bytes = page_up(self.staged_end);
        if let Some(segment) = self.segment.take()
            && used_bytes < segment.file.bytes()?
        {
            // What is cut off is zeros, so it does not matter whether the cut survives a crash.
            segment.file.set_bytes(used_bytes)?;
        }
        Ok(())
    }

    fn stage(&mut self, frame: &Arc<Frame>, durable: Lsn) -> Stamped {
        let segment = self.segment.as_ref().expect("append opened the frame's segment");
        let offset = self.identity.geometry.offset(frame.start());
        assert!(self.staged_end <= offset, "frames do not overlap");
        let end = offset + (frame.end().0 - frame.start().0);
        let in_buffer = |offset: u64| {
            usize::try_from(offset - self.staged_start).expect("a segment fits into memory")
        };
        let (first, last) = (in_buffer(offset), in_buffer(end));
        self.staged.resize(last);
        let staged = &mut self.staged.as_mut_bytes()[first..last];
        staged.copy_from_slice(frame.bytes());
        let blocks_count = frame.blocks().len();
        let mut chain = self.at.chain;
        let mut stamped = Vec::with_capacity(blocks_count);
        for (index, block) in frame.blocks().iter().enumerate() {
            let bytes = &mut staged[block.range.clone()];
            let block_offset = u64::try_from(block.range.start).expect("a frame fits a segment");
            let mut header = BlockHeader {
                block_bytes: u32::try_from(bytes.len()).expect("a block fits a cell"),
                lsn: Lsn(frame.start().0 + block_offset),
                frame_lsn: frame.start(),
                sequence: frame.sequence(),
                timestamp: frame.timestamp(),
                epoch: frame.epoch(),
                durable,
                index: u32::try_from(index).expect("a segment has fewer cells"),
                last: index + 1 == blocks_count,
                records_count: block.records_count,
                seal: [0; 16],
                body: [0; 32],
                chain,
            };
            let (_, body) = bytes.split_at_mut(BLOCK_HEADER_BYTES);
            segment.seal(&mut header, body);
            header.body = *blake3::hash(body).as_bytes();
            chain = header.write(&segment.header.key, bytes);
            stamped.push(ViewBlock { header, range: block.range.clone(), readable: Ok(()) });
        }
        self.staged_end = end;
        self.unwritten = true;
        let after = FramePosition { lsn: frame.end(), sequence: frame.sequence() + 1, chain };
        let before = std::mem::replace(&mut self.at, after);
        Stamped::new(Arc::clone(frame), stamped, before, after)
    }

    fn write_staged(&mut self) -> io::Result<()> {
        if !self.unwritten {
            return Ok(());
        }
        let segment = self.segment.as_ref().expect("only append stages");
        let bytes = self.staged.as_bytes();
        segment.file.write_all_at(bytes, self.staged_start)?;
        self.counters.written_bytes += u64::try_from(bytes.len()).expect("a buffer is in memory");
        self.counters.writes_count += 1;
        self.unwritten = false;
        self.unsynced = true;
        let used_bytes = usize::try_from(self.staged_end - self.staged_start);
        let full_pages = used_bytes.expect("a segment fits into memory") / PAGE_BYTES;
        self.staged.drop_pages(full_pages);
        self.staged_start += u64::try_from(full_pages * PAGE_BYTES).expect("a segment is short");
        Ok(())
    }

    fn sync_written(&mut self) -> io::Result<()> {
        if !self.unsynced {
            return Ok(());
        }
        let segment = self.segment.as_ref().expect("only append stages");
        segment.file.sync()?;
        self.unsynced = false;
        self.counters.syncs_count += 1;
        Ok(())
    }
}
