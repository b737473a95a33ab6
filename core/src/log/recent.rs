//! The newest frames that are durable, as the engine made them: who follows the log is handed them from memory, and
//! neither reads nor opens what was written a moment ago.
//!
//! A frame is here only after the sync that made it durable, with the headers that it was stamped with, and follows the
//! position that it was stamped at: what the disk would say, bit by bit, but for headers.

use crate::log::FramePosition;
use crate::log::block::BLOCK_HEADER_BYTES;
use crate::log::frame::Frame;
use crate::log::frame_view::{FrameView, ViewBlock};
use crate::log::segment::Segment;
use std::collections::VecDeque;
use std::sync::Arc;

/// A frame that was stamped, here or where it was copied from.
#[derive(Debug)]
pub struct Stamped {
    bytes: Opened,
    blocks: Vec<ViewBlock>,
    before: FramePosition,
    after: FramePosition,
}

/// Its bytes, the bodies of its blocks open. What stands where headers are is not looked at.
#[derive(Debug)]
enum Opened {
    Made(Arc<Frame>),
    Copied(Vec<u8>),
}

impl Opened {
    fn bytes(&self) -> &[u8] {
        match self {
            Opened::Made(frame) => frame.bytes(),
            Opened::Copied(bytes) => bytes,
        }
    }
}

impl Stamped {
    pub(super) fn new(
        frame: Arc<Frame>,
        blocks: Vec<ViewBlock>,
        before: FramePosition,
        after: FramePosition,
    ) -> Stamped {
        Stamped { bytes: Opened::Made(frame), blocks, before, after }
    }

    pub(super) fn copied(
        opened: Vec<u8>,
        blocks: Vec<ViewBlock>,
        before: FramePosition,
        after: FramePosition,
    ) -> Stamped {
        Stamped { bytes: Opened::Copied(opened), blocks, before, after }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Stamped>() + size_of_val(self.blocks.as_slice()) + self.bytes.bytes().len()
    }

    /// Appends it as it is stored: a seal is a function of the key, the place and the body, so sealing
    /// the same again gives the same bytes.
    pub(super) fn append_stored(&self, segment: &Segment, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.bytes.bytes());
        for block in &self.blocks {
            let bytes = &mut out[start + block.range.start..start + block.range.end];
            let (_, body) = bytes.split_at_mut(BLOCK_HEADER_BYTES);
            let mut header = block.header;
            segment.seal(&mut header, body);
            assert_eq!(header.seal, block.header.seal, "the same is sealed to the same");
            header.write(&segment.header.key, bytes);
        }
    }

    /// The position after it.
    pub(super) fn after(&self) -> FramePosition {
        self.after
    }

    /// It, as a scan hands it out.
    pub(crate) fn view(&self) -> FrameView<'_> {
        FrameView::new(self.bytes.bytes(), &self.blocks, self.after)
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
    pub(super) fn extend(&mut self, stamped: impl IntoIterator<Item = impl Into<Arc<Stamped>>>) {
        for stamped in stamped {
            let stamped: Arc<Stamped> = stamped.into();
            let last = self.frames.back();
            assert!(last.is_none_or(|last| last.after == stamped.before), "a frame follows");
            self.bytes += stamped.bytes();
            self.frames.push_back(stamped);
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
