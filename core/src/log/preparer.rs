//! Makes room ahead of the log: segments filled with zeros, slice by slice, synced, so that a
//! commit's sync never waits for metadata and a full disk is an answer before anything is decided.
//! Owned by a thread of its own.
//!
//! Room begins at one slice, so a short opening costs no more, and grows with use up to two
//! segments ahead. Failing to make room never latches: what was half made is taken back, and the
//! next call tries again.

use crate::disk::aligned::AlignedBuffer;
use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use crate::error::{Error, ErrorKind};
use crate::log::block::HeaderKey;
use crate::log::geometry::{CELL_BYTES, SEGMENT_HEADER_BYTES};
use crate::log::segment::{self, DIRECTORY, Identity, SegmentHeader};
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;

/// Bytes of one write of zeros: what a sync of the log may have to wait for.
const CHUNK_BYTES: u64 = 128 << 10;
/// Room is made this many times ahead of what was used since the opening.
const GROWTH: u64 = 4;
/// The most that is made ahead, in segments.
const SEGMENTS_AHEAD_MAX: u64 = 2;

/// How room is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreparerOptions {
    /// Bytes made by one call; a multiple of the cell.
    pub slice_bytes: u64,
    /// The end of the room that ordinary commits may not use.
    pub reserve_bytes: u64,
    /// Bytes of the disk that are left free for checkpoints.
    pub free_bytes_min: u64,
}

impl Default for PreparerOptions {
    fn default() -> PreparerOptions {
        PreparerOptions { slice_bytes: 4 << 20, reserve_bytes: 1 << 20, free_bytes_min: 128 << 20 }
    }
}

impl PreparerOptions {
    /// Checks that room can be made so in a log of segments of `segment_bytes`: the slice is whole
    /// cells and no larger than a segment, the reserve is at most a quarter of it, so that most of
    /// the first slice is for ordinary commits.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names what does not fit.
    pub fn check(&self, segment_bytes: u64) -> Result<(), Error> {
        let slice_bytes = self.slice_bytes;
        let fits = 0 < slice_bytes && slice_bytes <= segment_bytes;
        if !fits || !slice_bytes.is_multiple_of(CELL_BYTES) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "slices of {slice_bytes} bytes: must be a multiple of {CELL_BYTES}, at most \
                     a segment of {segment_bytes}"
                ),
            ));
        }
        let reserve_bytes_max = slice_bytes / 4;
        if reserve_bytes_max < self.reserve_bytes {
            let message = format!(
                "a reserve of {} bytes: must be at most {reserve_bytes_max}, a quarter of a slice",
                self.reserve_bytes
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }
}

/// How far the log may grow now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Frames of ordinary commits must end at or before this.
    pub ordinary: Lsn,
    /// Frames of expiries, epochs and witnesses must end at or before this.
    pub reserved: Lsn,
}

/// Why no room was made. What there was still stands; ask again later.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The disk is full, or would be within the reserve.
    #[error("the disk is full")]
    DiskFull,
    /// The operating system refused.
    #[error("making room in the log: {0}")]
    Io(io::Error),
}

impl From<io::Error> for PrepareError {
    fn from(error: io::Error) -> PrepareError {
        match ErrorKind::of_io(&error) {
            ErrorKind::DiskFull => PrepareError::DiskFull,
            _ => PrepareError::Io(error),
        }
    }
}

/// The maker of segments.
pub struct Preparer {
    disk: Arc<dyn Disk>,
    identity: Identity,
    options: PreparerOptions,
    /// Where this opening's first segment starts.
    start: Lsn,
    /// The segment being filled.
    number: u64,
    /// Its file, once its first slice exists.
    file: Option<Arc<dyn DiskFile>>,
    /// Its bytes that exist and are synced.
    filled_bytes: u64,
    zeros: AlignedBuffer,
}

impl std::fmt::Debug for Preparer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparer").field("room_end", &self.room_end()).finish_non_exhaustive()
    }
}

impl Preparer {
    /// A preparer of segments from `number` on, none of which exist. Makes nothing yet. A slice
    /// larger than the segments that the log was made with is one of them.
    ///
    /// # Panics
    /// If a slice is not whole cells: see [`PreparerOptions::check`].
    #[must_use]
    pub fn new(
        disk: Arc<dyn Disk>,
        identity: Identity,
        options: PreparerOptions,
        number: u64,
    ) -> Preparer {
        assert!(0 < options.slice_bytes, "room is made in slices");
        assert!(options.slice_bytes.is_multiple_of(CELL_BYTES), "a slice is whole cells");
        let slice_bytes = options.slice_bytes.min(identity.geometry.segment_bytes());
        let options = PreparerOptions { slice_bytes, ..options };
        let chunk_bytes = usize::try_from(CHUNK_BYTES.min(options.slice_bytes));
        Preparer {
            disk,
            identity,
            options,
            start: identity.geometry.lsn(number, 0),
            number,
            file: None,
            filled_bytes: 0,
            zeros: AlignedBuffer::zeroed(chunk_bytes.expect("a chunk is small")),
        }
    }

    /// How far the log may grow with what was made so far.
    #[must_use]
    pub fn room(&self) -> Room {
        let reserved = self.room_end();
        let ordinary = Lsn(reserved.0.saturating_sub(self.options.reserve_bytes).max(self.start.0));
        Room { ordinary, reserved }
    }

    /// Whether, with frames laid out up to `applied`, [`Preparer::advance`] would make more. As long
    /// as ordinary commits have no room up to `applied`, it would: whoever waits for that, gets it.
    #[must_use]
    pub fn wants(&self, applied: Lsn) -> bool {
        let used_bytes = applied.0.saturating_sub(self.start.0 + SEGMENT_HEADER_BYTES);
        let most = SEGMENTS_AHEAD_MAX * self.identity.geometry.segment_bytes();
        let ahead = used_bytes.saturating_mul(GROWTH).clamp(self.options.slice_bytes / 2, most);
        self.room().ordinary.0 - self.start.0 < used_bytes.saturating_add(ahead)
    }

    /// Makes at most one slice, if [`Preparer::wants`] it; returns the room there is then. Returns
    /// when the slice and its file's directory entry are durable.
    ///
    /// # Errors
    /// [`PrepareError`]; the room that was made before still stands.
    pub fn advance(&mut self, applied: Lsn) -> Result<Room, PrepareError> {
        if self.wants(applied) {
            let segment_bytes = self.identity.geometry.segment_bytes();
            if self.filled_bytes == segment_bytes {
                self.number += 1;
                self.file = None;
                self.filled_bytes = 0;
            }
            let end = segment_bytes.min(self.filled_bytes + self.options.slice_bytes);
            let free_bytes = self.disk.free_bytes()?;
            let made_bytes = end - self.filled_bytes;
            if free_bytes < self.options.free_bytes_min.saturating_add(made_bytes) {
                return Err(PrepareError::DiskFull);
            }
            if let Err(error) = self.fill(end) {
                self.take_back();
                return Err(error.into());
            }
            self.filled_bytes = end;
        }
        Ok(self.room())
    }

    /// Removes what was made beyond the segment of `end`, when the log is closed.
    ///
    /// # Errors
    /// [`PrepareError::Io`]; the next opening removes what is left.
    pub fn close(self, end: Lsn) -> Result<(), PrepareError> {
        let used = self.identity.geometry.segment_before(end);
        let made = if self.file.is_some() { self.number + 1 } else { self.number };
        for number in (used + 1..made).rev() {
            self.disk.remove(&segment::file_name(number))?;
        }
        Ok(self.disk.sync_directory(DIRECTORY)?)
    }

    fn room_end(&self) -> Lsn {
        self.identity.geometry.lsn(self.number, self.filled_bytes)
    }

    fn fill(&mut self, end: u64) -> io::Result<()> {
        let name = segment::file_name(self.number);
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.disk.create(&name, Access::Direct)?,
        };
        self.file = Some(Arc::clone(&file));
        let first = self.filled_bytes == 0;
        let mut offset = self.filled_bytes;
        if first {
            file.write_all_at(self.header()?.as_bytes(), 0)?;
            offset = SEGMENT_HEADER_BYTES;
        }
        while offset < end {
            let bytes = (end - offset).min(CHUNK_BYTES.min(self.options.slice_bytes));
            let zeros = self.zeros.as_bytes();
            let zeros = &zeros[..usize::try_from(bytes).expect("a chunk is small")];
            file.write_all_at(zeros, offset)?;
            offset += bytes;
        }
        file.sync()?;
        if first {
            self.disk.sync_directory(DIRECTORY)?;
        }
        Ok(())
    }

    /// A new segment's header, with secrets of its own.
    fn header(&self) -> io::Result<AlignedBuffer> {
        let mut header = SegmentHeader {
            identity: self.identity,
            number: self.number,
            key: HeaderKey([0; 32]),
            salt: [0; 32],
        };
        getrandom::fill(&mut header.key.0).map_err(io::Error::other)?;
        getrandom::fill(&mut header.salt).map_err(io::Error::other)?;
        let mut page = AlignedBuffer::zeroed(PAGE_BYTES);
        page.as_mut_bytes().copy_from_slice(&header.encode());
        Ok(page)
    }

    /// Frees what a failed slice took. Failing to is no harm: the next slice writes the same bytes
    /// again, the next opening removes the file.
    fn take_back(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.set_bytes(self.filled_bytes);
        }
    }
}
