//! Where things may lie: segments, cells, and the places where a block may start.

use crate::disk::PAGE_BYTES;
use crate::log::block::BLOCK_HEADER_BYTES;
use crate::log::record::RECORD_BYTES_MAX;
use florin_ledger::Lsn;

/// A segment is divided into cells of this many bytes; no block crosses from one to the next, so
/// that any record is read and checked by reading one cell.
pub const CELL_BYTES: u64 = 16 << 10;
/// The header of a segment: the first page of its first cell.
pub const SEGMENT_HEADER_BYTES: u64 = 4096;
/// Bytes of a segment unless chosen otherwise when the database is made.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
/// The least that a segment may have.
pub const SEGMENT_BYTES_MIN: u64 = 2 * CELL_BYTES;
/// The most that a segment may have: far below 4 GiB, where other systems have gone wrong.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Blocks start at multiples of this.
pub const BLOCK_ALIGNMENT: u64 = 16;
/// A block with the largest record of fixed layout. Where less is left of a cell, no block starts.
pub const BLOCK_BYTES_MIN: u64 = 304;
/// Where the first frame of all starts.
pub const FIRST_PLACE: Lsn = Lsn(SEGMENT_HEADER_BYTES);

const _: () = assert!(SEGMENT_HEADER_BYTES == 4096 && PAGE_BYTES == 4096);
const _: () = assert!(BLOCK_BYTES_MIN.is_multiple_of(BLOCK_ALIGNMENT));
const _: () = assert!(BLOCK_HEADER_BYTES + RECORD_BYTES_MAX <= 304);
const _: () = assert!(304 < BLOCK_HEADER_BYTES + RECORD_BYTES_MAX + 16);
const _: () = assert!(CELL_BYTES.is_multiple_of(4096) && SEGMENT_HEADER_BYTES < CELL_BYTES);

/// The division of the endless log into segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    segment_bytes: u64,
}

impl Geometry {
    /// Segments of `segment_bytes`; `None` unless that is a multiple of [`CELL_BYTES`] from
    /// [`SEGMENT_BYTES_MIN`] to [`SEGMENT_BYTES_MAX`].
    #[must_use]
    pub fn new(segment_bytes: u64) -> Option<Geometry> {
        let fits = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment_bytes)
            && segment_bytes.is_multiple_of(CELL_BYTES);
        fits.then_some(Geometry { segment_bytes })
    }

    /// Bytes of a segment.
    #[must_use]
    pub fn segment_bytes(self) -> u64 {
        self.segment_bytes
    }

    /// The number of the segment that a position lies in.
    #[must_use]
    pub fn segment(self, lsn: Lsn) -> u64 {
        lsn.0 / self.segment_bytes
    }

    /// The offset of a position within its segment.
    #[must_use]
    pub fn offset(self, lsn: Lsn) -> u64 {
        lsn.0 % self.segment_bytes
    }

    /// The position at an offset of a segment. Saturates where a damaged number leaves no position;
    /// no file is that long, so nothing is found there.
    #[must_use]
    pub fn lsn(self, segment: u64, offset: u64) -> Lsn {
        Lsn(segment.saturating_mul(self.segment_bytes).saturating_add(offset))
    }

    /// Where the first block of a segment starts: right after the header.
    #[must_use]
    pub fn first_place(self, segment: u64) -> Lsn {
        self.lsn(segment, SEGMENT_HEADER_BYTES)
    }

    /// The segment of the block that ends at `end`. The end of a segment's last cell is the start
    /// of the next segment, but belongs to the block before it.
    #[must_use]
    pub fn segment_before(self, end: Lsn) -> u64 {
        self.segment(Lsn(end.0.saturating_sub(1)))
    }

    /// Where a block may start, once a block ended at `end`: right there, or at the next cell if
    /// less than [`BLOCK_BYTES_MIN`] is left of this one, or after the next segment's header if
    /// that was the last cell.
    #[must_use]
    pub fn place_after(self, end: Lsn) -> Lsn {
        let left = (CELL_BYTES - end.0 % CELL_BYTES) % CELL_BYTES;
        let place = if left < BLOCK_BYTES_MIN { Lsn(end.0.saturating_add(left)) } else { end };
        if self.offset(place) == 0 { self.first_place(self.segment(place)) } else { place }
    }

    /// The end of the cell that a position lies in.
    #[must_use]
    pub fn cell_end(self, lsn: Lsn) -> Lsn {
        Lsn(self.cell_start(lsn).0.saturating_add(CELL_BYTES))
    }

    /// The start of the cell that a position lies in.
    #[must_use]
    pub fn cell_start(self, lsn: Lsn) -> Lsn {
        Lsn(lsn.0 - lsn.0 % CELL_BYTES)
    }

    /// Where the first block of the cell that a position lies in starts: the cell's start, but for
    /// the first cell of a segment, which holds the segment's header.
    #[must_use]
    pub fn first_block_of_cell(self, lsn: Lsn) -> Lsn {
        let start = self.cell_start(lsn);
        if self.offset(start) == 0 { self.first_place(self.segment(start)) } else { start }
    }
}

/// The next multiple of a page, the unit of direct writes.
#[must_use]
pub fn page_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(SEGMENT_HEADER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong place loses frames at the ends of cells and segments, where few tests would look.
    #[test]
    fn next_place_is_here_or_the_next_cell_or_the_next_segment() {
        let geometry = Geometry::new(2 * CELL_BYTES).unwrap();
        let check = |end: u64, place: u64| {
            assert_eq!(geometry.place_after(Lsn(end)), Lsn(place), "after {end}");
        };
        check(4096, 4096);
        check(CELL_BYTES - 304, CELL_BYTES - 304);
        check(CELL_BYTES - 288, CELL_BYTES);
        check(CELL_BYTES, CELL_BYTES);
        check(2 * CELL_BYTES - 304, 2 * CELL_BYTES - 304);
        check(2 * CELL_BYTES - 288, 2 * CELL_BYTES + 4096);
        check(2 * CELL_BYTES, 2 * CELL_BYTES + 4096);
    }

    /// Fault 47: positions past 4 GiB must not wrap, whatever the segment's size.
    #[test]
    fn positions_past_four_gibibytes_keep_their_segment_and_offset() {
        for segment_bytes in [SEGMENT_BYTES_MIN, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX] {
            let geometry = Geometry::new(segment_bytes).unwrap();
            let lsn = geometry.lsn((1 << 40) / segment_bytes, 4096);
            assert_eq!(lsn, Lsn((1 << 40) + 4096));
            assert_eq!(geometry.segment(lsn), (1 << 40) / segment_bytes);
            assert_eq!(geometry.offset(lsn), 4096);
        }
        assert_eq!(Geometry::new(8 << 30), None, "segments past the limit are refused");
        assert_eq!(Geometry::new(SEGMENT_BYTES_MIN + 4096), None, "part of a cell");
    }
}
