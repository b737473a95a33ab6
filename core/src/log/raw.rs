//! The log as it is stored, for those who copy it: no frame is looked at, no seal opened.

use crate::log::block::BlockHeader;
use crate::log::error::{Corruption, Damage, ReadError};
use crate::log::reader::LogReader;
use florin_ledger::{Lsn, Timestamp};

impl LogReader {
    /// Bytes of a segment's file, its header included, as far as they are before `durable` and before
    /// the file's end: fewer than asked for only there.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] for a segment that holds nothing durable; [`ReadError::Corrupt`],
    /// [`ReadError::Io`].
    pub fn stored_bytes(
        &self,
        number: u64,
        offset: u64,
        bytes: usize,
        durable: Lsn,
    ) -> Result<Vec<u8>, ReadError> {
        let lsn = self.geometry().lsn(number, 0);
        if durable <= lsn {
            return Err(ReadError::Beyond { lsn, durable });
        }
        let segment = self.segment(number)?;
        let segment = segment.ok_or(Corruption { lsn, what: Damage::SegmentMissing })?;
        let end = segment.file.bytes()?.min(durable.0 - lsn.0);
        let there = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut stored = vec![0; there.min(bytes)];
        segment.file.read_exact_at(&mut stored, offset)?;
        Ok(stored)
    }

    /// The header of the last block before the end of a frame: when the frame was stamped, and by which
    /// opening.
    ///
    /// # Errors
    /// [`ReadError::NoRecord`] at the beginning of the log; [`ReadError::Corrupt`], [`ReadError::Io`].
    pub(crate) fn last_block_before(&self, end: Lsn) -> Result<BlockHeader, ReadError> {
        let last_byte = Lsn(end.0.checked_sub(1).ok_or(ReadError::NoRecord { lsn: end })?);
        Ok(self.block_covering(last_byte)?.header)
    }

    /// The recorded time of the frame that ends at `end`: all that was recorded before it is in the log
    /// up to there.
    ///
    /// # Errors
    /// As for reading any record of it.
    pub fn time_before(&self, end: Lsn) -> Result<Timestamp, ReadError> {
        Ok(self.last_block_before(end)?.timestamp)
    }
}
