//! The writing end of a copy of a log: the same bytes at the same places, in segments with the same
//! headers.
//!
//! Invariants:
//! - **before a frame is written, all that it says was durable is durable here, or it is on record that this
//!   proves nothing** ([`super::unproven`]). Whoever judges the end believes what frames say. A frame that
//!   outlived a power cut, and frames before it did not although it says that they were durable, would make a
//!   torn end look corrupt. In step there is nothing to record; catching up, it is one sync more a batch;
//! - a segment is durable before the first byte of the next is written, and its header, with its directory
//!   entry, before anything behind it;
//! - room is made with zeros, before the bytes that go there: a full disk is an answer, and what was written
//!   stays. After any other failure nothing more is written.

use crate::disk::aligned::AlignedBuffer;
use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use crate::error::{Error, ErrorKind};
use crate::log::copied::CopiedFrame;
use crate::log::error::{Damage, LogError};
use crate::log::geometry::{SEGMENT_HEADER_BYTES, page_up};
use crate::log::recovery::clear_after;
use crate::log::segment::{self, DIRECTORY, Found, HeaderState, Identity, Segment, SegmentHeader};
use crate::log::unproven::Unproven;
use crate::log::writer::LogWriter;
use crate::log::{Corruption, FramePosition};
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;

/// Bytes of zeros that are written at once.
const CHUNK_BYTES: u64 = 128 << 10;
/// Bytes of room made ahead of what is written. Frames come in groups of about this size at most loads.
const SLICE_BYTES: u64 = 1 << 20;

/// The writing end: [`CopyWriter::begin_segment`] where a segment begins, [`CopyWriter::append`] frames,
/// [`CopyWriter::sync`]; then they are durable.
pub struct CopyWriter {
    disk: Arc<dyn Disk>,
    identity: Identity,
    writer: LogWriter,
    /// Bytes of the present segment's file: frames are written within.
    filled_bytes: u64,
    /// Everything before it is durable here.
    synced: Lsn,
    /// The furthest position that a frame which is not written yet says was durable.
    claimed: Lsn,
    /// A write or sync failed: there is no other.
    has_failed: bool,
    /// Bytes of the disk that are left free.
    free_bytes_min: u64,
    zeros: AlignedBuffer,
}

impl std::fmt::Debug for CopyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyWriter").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl CopyWriter {
    /// Begins a copy in a directory without a log: its first segment, of which nothing is used. Returns
    /// when that is durable.
    ///
    /// # Errors
    /// [`LogError`], of the header too: [`LogError::Corrupt`] if it is none of a first segment.
    pub fn found(disk: &dyn Disk, header: &[u8; PAGE_BYTES]) -> Result<Identity, LogError> {
        let HeaderState::Whole(header) = SegmentHeader::decode(header, 0)? else {
            return Err(Corruption { lsn: Lsn(0), what: Damage::SegmentHeader }.into());
        };
        disk.create_directory(DIRECTORY)?;
        disk.sync_directory("")?;
        // What an attempt before this one left; it held nothing, or there would be a log.
        for number in segment::list(disk)?.into_iter().rev() {
            disk.remove(&segment::file_name(number))?;
        }
        create(disk, &header)?;
        Ok(header.identity)
    }

    /// Goes on behind an end that was judged: clears, durably, what lies past it. A crash at any point of
    /// it leaves a log with the same end.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn resume(
        disk: Arc<dyn Disk>,
        identity: Identity,
        at: FramePosition,
        free_bytes_min: u64,
    ) -> Result<CopyWriter, LogError> {
        let number = identity.geometry.segment_before(at.lsn);
        for made in segment::list(disk.as_ref())?.into_iter().rev() {
            if number < made {
                disk.remove(&segment::file_name(made))?;
            }
        }
        disk.sync_directory(DIRECTORY)?;
        let name = segment::file_name(number);
        let used_bytes = at.lsn.0 - identity.geometry.lsn(number, 0).0;
        clear_after(disk.open(&name, Access::Buffered)?.as_ref(), used_bytes)?;
        let found = segment::open(disk.as_ref(), identity, number, Access::Direct)?;
        let Found::Segment(segment) = found else {
            let lsn = identity.geometry.lsn(number, 0);
            return Err(Corruption { lsn, what: Damage::SegmentMissing }.into());
        };
        let filled_bytes = segment.file.bytes()?;
        let mut writer = LogWriter::new(disk.clone(), identity, at);
        writer.go_on_in(segment)?;
        let chunk_bytes = usize::try_from(CHUNK_BYTES).expect("a chunk is small");
        let zeros = AlignedBuffer::zeroed(chunk_bytes);
        // The positions that it spoke of are used again. There from now on, so that it takes no room later.
        Unproven { from: at.lsn, to: at.lsn }.write(disk.as_ref())?;
        let (synced, claimed) = (at.lsn, at.lsn);
        let has_failed = false;
        Ok(CopyWriter {
            disk,
            identity,
            writer,
            filled_bytes,
            synced,
            claimed,
            has_failed,
            free_bytes_min,
            zeros,
        })
    }

    /// The end of what was appended.
    #[must_use]
    pub fn position(&self) -> FramePosition {
        self.writer.position()
    }

    /// The same, if all of it is durable.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`] once a write or sync has failed.
    pub fn durable_position(&self) -> Result<FramePosition, Error> {
        let position = self.writer.position();
        if self.has_failed || self.synced != position.lsn {
            return Err(final_error(&earlier_failure()));
        }
        Ok(position)
    }

    /// The segment that frames are appended to.
    ///
    /// # Panics
    /// Never: a copy always has one.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.writer.segment().expect("a copy always has a segment")
    }

    /// Goes on to the next segment, which begins with this header. The present one is made durable and
    /// cut first. Naming the present one again changes nothing; if nothing is used of that, one with another
    /// header takes its place: another primary goes on from here.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the header is not the next segment's, [`ErrorKind::DiskFull`]: nothing
    /// happened; any other is final.
    pub fn begin_segment(&mut self, header: &[u8; PAGE_BYTES]) -> Result<(), Error> {
        let present = self.segment().header;
        if present.encode() == *header {
            return Ok(());
        }
        let is_unused = self.identity.geometry.segment_before(self.position().lsn) < present.number;
        let number = if is_unused { present.number } else { present.number + 1 };
        let header = match SegmentHeader::decode(header, number) {
            Ok(HeaderState::Whole(header)) if header.identity == self.identity => header,
            Ok(_) | Err(LogError::Corrupt(_)) => {
                return Err(Error::corrupt(format!(
                    "it is not the header of log segment {number}"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        self.check_room(SEGMENT_HEADER_BYTES + SLICE_BYTES)?;
        // Durable before the next is there: a header behind a hole would be damage.
        self.sync()?;
        if is_unused {
            let removed = self.disk.remove(&segment::file_name(number));
            self.has_failed = removed.is_err();
            removed.map_err(|error| final_error(&error))?;
        }
        let file = match create(self.disk.as_ref(), &header) {
            Ok(file) => file,
            Err(error) => {
                // So that it can be tried again.
                drop(self.disk.remove(&segment::file_name(number)));
                // The one that it was to take the place of is gone.
                self.has_failed = is_unused;
                let failed = if is_unused { final_error } else { room_error };
                return Err(failed(&error));
            }
        };
        let segment = Segment::new(self.disk.as_ref(), header, file);
        let left = self.writer.leave_for(segment);
        self.has_failed = left.is_err();
        left.map_err(|error| final_error(&error))?;
        self.filled_bytes = SEGMENT_HEADER_BYTES;
        Ok(())
    }

    /// Appends a frame that was found to follow [`CopyWriter::position`], in memory. Written and durable once
    /// [`CopyWriter::sync`] returns.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`]: nothing happened; any other is final.
    ///
    /// # Panics
    /// If it does not follow.
    pub fn append(&mut self, frame: &CopiedFrame, bytes: &[u8]) -> Result<(), Error> {
        let end = self.identity.geometry.offset(frame.start)
            + u64::try_from(bytes.len()).expect("a frame is in memory");
        self.make_room(page_up(end))?;
        self.claimed = self.claimed.max(frame.durable);
        self.writer.stage_copy(frame.start, bytes, frame.after);
        Ok(())
    }

    /// Writes everything appended and makes it durable; returns its end.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`]: final.
    pub fn sync(&mut self) -> Result<Lsn, Error> {
        if self.has_failed {
            return Err(final_error(&earlier_failure()));
        }
        let synced = self.write_and_sync();
        self.has_failed = synced.is_err();
        synced.map_err(|error| final_error(&error))
    }

    fn write_and_sync(&mut self) -> io::Result<Lsn> {
        let end = self.writer.position().lsn;
        if self.synced < self.claimed {
            Unproven { from: self.synced, to: end }.write(self.disk.as_ref())?;
        }
        self.writer.write()?;
        self.writer.sync()?;
        self.synced = end;
        Ok(end)
    }

    /// Fills the present segment with zeros up to `end`, and a little further.
    fn make_room(&mut self, end: u64) -> Result<(), Error> {
        if end <= self.filled_bytes {
            return Ok(());
        }
        let end = (end + SLICE_BYTES).min(self.identity.geometry.segment_bytes());
        self.check_room(end - self.filled_bytes)?;
        let file = Arc::clone(&self.segment().file);
        let mut offset = page_up(self.filled_bytes);
        while offset < end {
            let bytes = usize::try_from((end - offset).min(CHUNK_BYTES)).expect("a chunk is small");
            if let Err(error) = file.write_all_at(&self.zeros.as_bytes()[..bytes], offset) {
                return Err(room_error(&error));
            }
            offset += u64::try_from(bytes).expect("a chunk is small");
        }
        self.filled_bytes = end;
        Ok(())
    }

    fn check_room(&self, bytes: u64) -> Result<(), Error> {
        let free_bytes = self.disk.free_bytes().map_err(|error| room_error(&error))?;
        if free_bytes < self.free_bytes_min.saturating_add(bytes) {
            return Err(full());
        }
        Ok(())
    }
}

/// Makes a segment's file with its header, durably.
fn create(disk: &dyn Disk, header: &SegmentHeader) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(&segment::file_name(header.number), Access::Direct)?;
    let mut page = AlignedBuffer::zeroed(PAGE_BYTES);
    page.as_mut_bytes().copy_from_slice(&header.encode());
    file.write_all_at(page.as_bytes(), 0)?;
    file.sync()?;
    disk.sync_directory(DIRECTORY)?;
    Ok(file)
}

fn earlier_failure() -> io::Error {
    io::Error::other("an earlier write or sync of the copy failed")
}

fn full() -> Error {
    Error::new(
        ErrorKind::DiskFull,
        "the disk has no room for more log: make room, following goes on by itself then",
    )
}

/// Of something that was tried before anything was written over.
fn room_error(error: &io::Error) -> Error {
    match ErrorKind::of_io(error) {
        ErrorKind::DiskFull => full(),
        kind => Error::new(kind, format!("making room in the log: {error}")),
    }
}

fn final_error(error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Stopped,
        format!("writing the log failed ({error}): check the disk, then start again"),
    )
}
