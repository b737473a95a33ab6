//! The log: the one append-only file, in segments, that the whole database is derived from.
//!
//! Invariants kept here:
//!
//! - Bytes before the durable position never change; nothing is compacted or moved.
//! - Every byte below the end is covered by a check: blocks by a keyed tag and a hash of their
//!   body, the gaps between them by being zero, segment headers by a checksum.
//! - Reading never mutates. Only [`recovery::begin_writing`] does, after the end was judged.
//! - No byte from the disk is trusted: readers answer with an error and a position, never a panic.
//!
//! Who does what: the engine lays out frames ([`FrameBuilder`], pure); the log thread stamps,
//! writes and syncs them ([`LogWriter`]; a copy of a log is written by a [`CopyWriter`]); a thread of its own makes segments ahead ([`Preparer`]);
//! everybody reads through a [`LogReader`]; opening judges the end ([`recovery`]).
//!
//! `docs/FORMAT.md` draws every byte.

pub mod block;
pub mod copied;
pub mod copy_writer;
mod documents;
pub mod error;
pub mod frame;
pub mod frame_view;
pub mod frames;
pub mod geometry;
mod payload;
pub mod preparer;
mod raw;
pub mod reader;
mod recent;
pub mod record;
pub mod recovery;
pub mod resume;
pub mod search;
pub mod segment;
pub(crate) mod unfinished;
pub(crate) mod unproven;
pub mod writer;

#[cfg(test)]
mod tests;

pub use copied::CopiedFrame;
pub use copy_writer::CopyWriter;
pub(crate) use documents::StoredDocument;
pub use error::{Corruption, Damage, LogError, ReadError};
pub use frame::{Frame, FrameBuilder, Mark};
pub use frame_view::{BlockView, FrameView};
pub use frames::Frames;
pub use geometry::Geometry;
pub use preparer::{PrepareError, Preparer, PreparerOptions, Room};
pub use reader::{LogReader, StoredRecord};
pub use recent::Stamped;

pub use recovery::{End, Lost, Writing, begin_writing, judge, judge_end};
pub use segment::{Identity, identify};
pub use writer::LogWriter;

use florin_ledger::Lsn;

/// A place between two frames, and what the next frame must say to fit there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramePosition {
    /// The end of the frame before, exclusive. The next frame starts at the next place that the
    /// geometry allows, or at the start of the next segment.
    pub lsn: Lsn,
    /// The sequence number of the next frame.
    pub sequence: u64,
    /// The hash of everything before: of the header of the last block, which holds the hash of the
    /// block before it, and so on.
    pub chain: [u8; 32],
}

impl FramePosition {
    /// Before the first frame of all.
    pub const GENESIS: FramePosition =
        FramePosition { lsn: geometry::FIRST_PLACE, sequence: 1, chain: [0; 32] };
}
