//! The newest frames that are durable, as the engine made them: who follows the log is handed them from memory, and
//! neither reads nor opens what was written a moment ago.
//!
//! A frame is here only after the sync that made it durable, with the headers that it was stamped with, and follows the
//! position that it was stamped at: what the disk would say, bit by bit, but for headers.

use crate::log::FramePosition;
use crate::log::frame::Frame;
use crate::log::frame_view::{FrameView, ViewBlock};
use std::collections::VecDeque;
use std::sync::Arc;

/// A frame that was stamped.
#[derive(Debug)]
pub struct Stamped {
    frame: Arc<Frame>,
    blocks: Vec<ViewBlock>,
    before: FramePosition,
    after: FramePosition,
}

impl Stamped {
    pub(super) fn new(
        frame: Arc<Frame>,
        blocks: Vec<ViewBlock>,
        before: FramePosition,
        after: FramePosition,
    ) -> Stamped {
        Stamped { frame, blocks, before, after }
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Stamped>() + size_of_val(self.blocks.as_slice()) + self.frame.bytes().len()
    }

    /// The position after it.
    pub(super) fn after(&self) -> FramePosition {
        self.after
    }

    /// It, as a scan hands it out.
    pub(super) fn view(&self) -> FrameView<'_> {
        FrameView::new(self.frame.bytes(), &self.blocks, self.after)
    }
}

/// Frames in order of position, the oldest of which make room for new ones.
#[derive(Debug)]
pub(super) struct RecentFrames {
    bytes_max: usize,
    frames: VecDeque<Arc<Stamped>>,
    bytes: usize,
}

impl RecentFrames {
    pub(super) fn new(bytes_max: usize) -> RecentFrames {
        RecentFrames { bytes_max, frames: VecDeque::new(), bytes: 0 }
    }

    /// Adds frames that are durable, after all others.
    pub(super) fn extend(&mut self, stamped: impl IntoIterator<Item = Stamped>) {
        for stamped in stamped {
            let last = self.frames.back();
            assert!(last.is_none_or(|last| last.after == stamped.before), "a frame follows");
            self.bytes += stamped.bytes();
            self.frames.push_back(Arc::new(stamped));
        }
        while self.bytes_max < self.bytes {
            let oldest = self.frames.pop_front().expect("what takes bytes is here");
            self.bytes -= oldest.bytes();
        }
    }

    /// The frame that follows a position, if it is here.
    pub(super) fn after(&self, position: FramePosition) -> Option<Arc<Stamped>> {
        let place = self.frames.partition_point(|stamped| stamped.before.lsn < position.lsn);
        let stamped = self.frames.get(place)?;
        (stamped.before == position).then(|| Arc::clone(stamped))
    }
}
