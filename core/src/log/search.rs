//! Finds frames by recorded time: timestamps never fall from frame to frame, and every cell that
//! holds anything starts with a block, so a binary search over segments, then over cells, reads
//! some twenty cells of a log of any size. Segments have all numbers from the first on.

use crate::log::FramePosition;
use crate::log::block::{BLOCK_HEADER_BYTES, BlockHeader};
use crate::log::error::{Corruption, ReadError};
use crate::log::geometry::CELL_BYTES;
use crate::log::reader::LogReader;
use florin_ledger::{Lsn, Timestamp};

impl LogReader {
    /// The position before the last frame whose timestamp is at or before `time`: where to read
    /// from to meet what was recorded then. `None` if the log begins later.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn find_time(
        &self,
        time: Timestamp,
        durable: Lsn,
    ) -> Result<Option<FramePosition>, ReadError> {
        let geometry = self.geometry();
        let Some(first) = self.first_segment()? else { return Ok(None) };
        let count = (geometry.segment_before(durable) + 1).saturating_sub(first);
        let begins_by = |index| self.began_by(geometry.first_place(first + index), time, durable);
        let Some(index) = last(count, begins_by)? else { return Ok(None) };
        let number = first + index;
        let cells_count = geometry.segment_bytes() / CELL_BYTES;
        let cell_at = |cell: u64| geometry.lsn(number, cell * CELL_BYTES);
        let cell = last(cells_count, |cell| {
            self.began_by(geometry.first_block_of_cell(cell_at(cell)), time, durable)
        })?;
        let cell = cell.expect("the segment's first block began by then");
        let frame = self.last_frame_of_cell(cell_at(cell), time, durable)?;
        frame.map(|frame| self.position_before(frame)).transpose()
    }

    /// Whether a durable block of a frame of `time` or earlier starts at a place.
    fn began_by(&self, place: Lsn, time: Timestamp, durable: Lsn) -> Result<bool, ReadError> {
        let header = self.header_at(place, durable)?;
        Ok(header.is_some_and(|header| header.timestamp <= time))
    }

    /// The header of the block at a place; `None` where there are only zeros, or nothing durable.
    fn header_at(&self, place: Lsn, durable: Lsn) -> Result<Option<BlockHeader>, ReadError> {
        if durable <= place {
            return Ok(None);
        }
        let geometry = self.geometry();
        let Some(segment) = self.segment(geometry.segment(place))? else {
            return Ok(None);
        };
        let cell = self.cell(&segment, place)?;
        let offset = place.0 - geometry.cell_start(place).0;
        let bytes = &cell[usize::try_from(offset).expect("a cell is small")..];
        if bytes.iter().take(BLOCK_HEADER_BYTES).all(|byte| *byte == 0) {
            return Ok(None);
        }
        match segment.header.block(bytes, place) {
            Ok(header) => Ok(Some(header).filter(|header| header.end() <= durable)),
            Err(what) => Err(Corruption { lsn: place, what }.into()),
        }
    }

    fn last_frame_of_cell(
        &self,
        cell: Lsn,
        time: Timestamp,
        durable: Lsn,
    ) -> Result<Option<Lsn>, ReadError> {
        let geometry = self.geometry();
        let mut place = geometry.first_block_of_cell(cell);
        let mut frame = None;
        while let Some(header) = self.header_at(place, durable)? {
            if time < header.timestamp {
                break;
            }
            frame = Some(header.frame_lsn);
            place = geometry.place_after(header.end());
            if geometry.cell_start(place) != cell {
                break;
            }
        }
        Ok(frame)
    }
}

/// The last of `count` indexes that fulfils what all before it fulfil too.
fn last(
    count: u64,
    mut fulfils: impl FnMut(u64) -> Result<bool, ReadError>,
) -> Result<Option<u64>, ReadError> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if fulfils(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low.checked_sub(1))
}
