//! The newest frames, in memory: those not yet durable, which nobody may read from the disk, and
//! some behind them, because what just happened is what is asked about.

use crate::limits::TAIL_BYTES_MAX;
use crate::log::Frame;
use florin_ledger::record::Record;
use florin_ledger::{Lsn, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

/// The newest frames in order of position.
#[derive(Default)]
pub(crate) struct Tail {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
}

impl Tail {
    /// Adds a frame after all others.
    pub(crate) fn push(&mut self, frame: Arc<Frame>) {
        assert!(self.frames.back().is_none_or(|last| last.end() <= frame.start()));
        self.bytes += frame.bytes().len();
        self.frames.push_back(frame);
    }

    /// Lets durable frames go, the oldest first, until the rest is small enough.
    pub(crate) fn release(&mut self, durable: Lsn) {
        while TAIL_BYTES_MAX < self.bytes {
            match self.frames.front() {
                Some(oldest) if oldest.end() <= durable => self.bytes -= oldest.bytes().len(),
                _ => break,
            }
            self.frames.pop_front();
        }
    }

    /// The record at a position and its recorded time, `None` if its frame is not here.
    pub(crate) fn record_at(&self, lsn: Lsn) -> Option<(Record, Timestamp)> {
        self.frame_with(lsn)?.record_at(lsn)
    }

    /// The frame that a position lies in, `None` if it is not here.
    pub(crate) fn frame_with(&self, lsn: Lsn) -> Option<&Frame> {
        let after = self.frames.partition_point(|frame| frame.start() <= lsn);
        let frame = self.frames.get(after.checked_sub(1)?)?;
        (lsn < frame.end()).then_some(&**frame)
    }

    /// The records with exactly this recorded time, of the frames that are here.
    pub(crate) fn records_at_time(&self, time: Timestamp) -> impl Iterator<Item = Record> + '_ {
        let may_have =
            move |frame: &&Arc<Frame>| frame.timestamp() <= time && time <= frame.last_time();
        self.frames
            .iter()
            .filter(may_have)
            .flat_map(|frame| frame.records())
            .filter(move |(_, recorded)| *recorded == time)
            .map(|(record, _)| record)
    }
}
