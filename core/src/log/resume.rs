//! Finds where a reader of a stream goes on, and tells a position of this log from one of another.
//!
//! A cursor is of this log if and only if the block that holds its position has the cursor's epoch,
//! and a header with the cursor's hash. Its header holds the hash of the block before, so then
//! everything up to it is what the reader consumed.

use crate::log::FramePosition;
use crate::log::block;
use crate::log::error::{Damage, ReadError};
use crate::log::reader::{CheckedBlock, LogReader};
use florin_ledger::{Lsn, Position, StreamCursor, Timestamp};
use std::sync::Arc;

/// Where to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// Read frames from here.
    pub from: FramePosition,
    /// Pass over records up to here, this one included.
    pub cursor: StreamCursor,
}

/// Why a reader cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoWay {
    /// The log begins only here.
    Gone {
        /// The start of its first segment.
        first: Lsn,
    },
    /// This log has another record there, or none.
    Fork,
    /// The log ends before it.
    NotYet,
    /// The position is of this log, but no record starts there.
    NoRecord,
}

impl LogReader {
    /// Goes on after what a cursor names.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn resume_after(
        &self,
        cursor: StreamCursor,
        durable: Lsn,
    ) -> Result<Result<Resume, NoWay>, ReadError> {
        if cursor == StreamCursor::BEGIN {
            return self.resume_at_begin();
        }
        if durable <= cursor.lsn {
            return Ok(Err(self.not_yet(cursor.epoch, durable)?));
        }
        let block = match self.written_block(cursor.lsn, durable)? {
            Ok(block) => block,
            Err(no_way) => return Ok(Err(no_way)),
        };
        if block.header.epoch != cursor.epoch || block.hash() != cursor.hash {
            return Ok(Err(NoWay::Fork));
        }
        if cursor.lsn != block.header.lsn {
            match block.record(cursor.lsn) {
                Ok(_) => {}
                Err(ReadError::NoRecord { .. }) => return Ok(Err(NoWay::NoRecord)),
                Err(error) => return Err(error),
            }
        }
        let from = self.position_before(block.header.frame_lsn)?;
        Ok(Ok(Resume { from, cursor }))
    }

    /// Whether what an opening wrote at a position is in this log, and durable.
    ///
    /// A position has no hash. So two copies of one database that were both opened, as their n-th time,
    /// are told apart only by their incarnations; everything else that is not of this log is a fork.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn holds(&self, position: Position, durable: Lsn) -> Result<Result<(), NoWay>, ReadError> {
        if durable <= FramePosition::GENESIS.lsn {
            // Nothing may be told yet, or nothing is here.
            return Ok(Err(NoWay::NotYet));
        }
        if durable <= position.lsn {
            return Ok(Err(self.not_yet(position.epoch, durable)?));
        }
        let block = self.written_block(position.lsn, durable)?;
        Ok(block.and_then(|block| {
            if block.header.epoch == position.epoch { Ok(()) } else { Err(NoWay::Fork) }
        }))
    }

    /// Whether what an opening wrote behind the end may come yet. Once a later opening is at work, what an
    /// earlier one has not left here it never will: it is of another log, or of the life before this.
    fn not_yet(&self, epoch: u64, durable: Lsn) -> Result<NoWay, ReadError> {
        if durable <= FramePosition::GENESIS.lsn {
            return Ok(NoWay::NotYet);
        }
        let newest = self.epoch_of(Lsn(durable.0 - 1))?;
        Ok(if epoch < newest { NoWay::Fork } else { NoWay::NotYet })
    }

    /// The block that this log has at a position that is durable, or why there is none.
    fn written_block(
        &self,
        lsn: Lsn,
        durable: Lsn,
    ) -> Result<Result<Arc<CheckedBlock>, NoWay>, ReadError> {
        if let Some(gone) = self.gone(lsn)? {
            return Ok(Err(gone));
        }
        match self.block_covering(lsn) {
            Ok(block) => Ok(Ok(block)),
            // The filling of a cell, or a segment's header.
            Err(ReadError::NoRecord { .. }) => Ok(Err(NoWay::Fork)),
            Err(ReadError::Corrupt(damage))
                if damage.what == Damage::NoBlock && self.passes_over(lsn, durable)? =>
            {
                Ok(Err(NoWay::Fork))
            }
            Err(error) => Err(error),
        }
    }

    /// Begins with the first record of all.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn resume_at_begin(&self) -> Result<Result<Resume, NoWay>, ReadError> {
        let begin = Resume { from: FramePosition::GENESIS, cursor: StreamCursor::BEGIN };
        Ok(self.gone(FramePosition::GENESIS.lsn)?.map_or(Ok(begin), Err))
    }

    /// Begins behind everything that is durable.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn resume_at_end(&self, durable: Lsn) -> Result<Resume, ReadError> {
        if durable <= FramePosition::GENESIS.lsn {
            return Ok(Resume { from: FramePosition::GENESIS, cursor: StreamCursor::BEGIN });
        }
        let from = self.position_at(durable, durable)?;
        let last_byte = Lsn(durable.0 - 1);
        let block = self.block_covering(last_byte)?;
        let mut lsn = block.header.lsn;
        for stored in block.records()? {
            lsn = stored?.0.lsn;
        }
        let cursor = StreamCursor { epoch: block.header.epoch, lsn, hash: block.hash() };
        Ok(Resume { from, cursor })
    }

    /// Begins with the frame in which the first record of a time or later is, or the one before it.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], [`ReadError::Io`].
    pub fn resume_at_time(
        &self,
        time: Timestamp,
        durable: Lsn,
    ) -> Result<Result<Resume, NoWay>, ReadError> {
        let Some(from) = self.find_time(time, durable)? else {
            return self.resume_at_begin();
        };
        let block = self.block_covering(from.lsn)?;
        let cursor = StreamCursor { epoch: block.header.epoch, lsn: from.lsn, hash: block.hash() };
        Ok(Ok(Resume { from, cursor }))
    }

    fn gone(&self, lsn: Lsn) -> Result<Option<NoWay>, ReadError> {
        let geometry = self.geometry();
        let first = self.first_segment()?.unwrap_or_default();
        let is_gone = geometry.segment(lsn) < first;
        Ok(is_gone.then(|| NoWay::Gone { first: geometry.first_place(first) }))
    }

    /// Whether this log was never written at a position although it goes on behind it: a segment
    /// that an opening left is not filled up. Reads the segment, so that zeros that damage has left
    /// are not taken for that.
    fn passes_over(&self, lsn: Lsn, durable: Lsn) -> Result<bool, ReadError> {
        let geometry = self.geometry();
        let first = geometry.first_place(geometry.segment(lsn));
        let mut frames = self.frames(self.position_before(first)?, durable);
        while let Some(frame) = frames.next()? {
            if lsn < frame.after().lsn {
                return Ok(lsn < frame.start());
            }
        }
        Ok(false)
    }
}

impl CheckedBlock {
    fn hash(&self) -> [u8; 32] {
        block::chain_after(&self.bytes).expect("a checked block has a header")
    }
}
