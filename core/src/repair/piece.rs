//! A segment as another copy of the log has it: checked, and compared with what is whole of it here.
//!
//! It takes the place of the segment here if and only if
//!
//! 1. its header is whole and of this log, and is the one here, if that is whole;
//! 2. every frame in it is whole and follows the one before, and nothing but zeros follows its last;
//! 3. it leads on from the last good frame here: it has that frame, or begins right behind it;
//! 4. every block here whose tag is right is in it, at the same place. Behind its last frame there may be
//!    blocks that were never durable: those that say of no position behind it that it was. If the header
//!    here is damaged, no tag can be checked: then most of what looks like a block is in it.

use crate::backup::segments::{beginning, walk};
use crate::error::{Error, ErrorKind};
use crate::log::block::{BLOCK_HEADER_BYTES, BLOCK_MAGIC};
use crate::log::geometry::{BLOCK_ALIGNMENT, CELL_BYTES, SEGMENT_HEADER_BYTES, page_up};
use crate::log::segment::{HeaderState, SegmentHeader};
use crate::log::{FramePosition, Identity};
use florin_ledger::Lsn;
use std::sync::Arc;

/// What another copy has of a segment.
pub(super) struct Piece {
    identity: Identity,
    number: u64,
    content: Arc<Vec<u8>>,
    /// The end of its last frame.
    pub(super) end: FramePosition,
    /// Whether the copy ends in this segment: what lies behind is not known there.
    is_last: bool,
}

/// What is to be written, and how much of what is here it has.
pub(super) struct Fitted {
    pub(super) content: Vec<u8>,
    /// Blocks here that are the same there.
    pub(super) same_count: u64,
}

impl Piece {
    /// Checks what a copy that ends at `source_end` has of a segment; `at` is where the log here can be read
    /// up to.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is damaged there, [`ErrorKind::Fork`] if it is another history.
    pub(super) fn check(
        identity: Identity,
        number: u64,
        content: Vec<u8>,
        at: FramePosition,
        source_end: FramePosition,
    ) -> Result<Piece, Error> {
        let geometry = identity.geometry;
        let content = Arc::new(content);
        let damaged = |what: String| {
            Error::corrupt(format!(
                "the source is damaged itself: its segment {number}: {what}; nothing was changed: \
                 name another source"
            ))
        };
        let begins = beginning(identity, number, &content).map_err(damaged)?;
        let (first, next) = (geometry.first_place(number), geometry.lsn(number + 1, 0));
        let is_inside = first < at.lsn;
        // The segment before was read to its end here and there, and ends alike.
        if !is_inside && (begins.sequence, begins.chain) != (at.sequence, at.chain) {
            return Err(damaged(format!("it does not follow what lies before {}", at.lsn)));
        }
        let until = source_end.lsn.min(next);
        let walked = walk(identity, number, &content, begins, until, Some(at)).map_err(damaged)?;
        let end = walked.end;
        let used = usize::try_from(end.lsn.0 - geometry.lsn(number, 0).0).expect("in memory");
        let rest = content.get(used..).unwrap_or_default();
        if rest.iter().any(|byte| *byte != 0) {
            return Err(damaged(format!("no whole frame lies at {}", end.lsn)));
        }
        let is_last = source_end.lsn <= next;
        if is_last && end != source_end {
            return Err(damaged(format!("it ends at {}, not at {}", end.lsn, source_end.lsn)));
        }
        // A source that ends before has nothing to say of what is here.
        let reaches = !is_last || at.lsn <= end.lsn;
        if is_inside && reaches && !walked.has_met {
            return Err(fork(at.lsn.min(end.lsn)));
        }
        Ok(Piece { identity, number, content, end, is_last })
    }

    /// Whether it has what can't be read here, behind `at`; `stored` is the file here.
    pub(super) fn is_missed(&self, at: FramePosition, stored: &[u8]) -> bool {
        if at.lsn < self.end.lsn {
            return true;
        }
        // Zeros follow the last frame of a segment that was left.
        let rest = stored.get(self.used_bytes()..).unwrap_or_default();
        !self.is_last && rest.iter().any(|byte| *byte != 0)
    }

    /// Bytes up to the end of its last frame.
    fn used_bytes(&self) -> usize {
        let start = self.identity.geometry.lsn(self.number, 0);
        usize::try_from(self.end.lsn.0 - start.0).expect("a segment fits memory")
    }

    /// Puts it together with what is here: `stored`, the file of the segment.
    ///
    /// # Errors
    /// [`ErrorKind::Fork`].
    pub(super) fn fit(&self, stored: &[u8]) -> Result<Fitted, Error> {
        let geometry = self.identity.geometry;
        let start = geometry.lsn(self.number, 0);
        let header = header_of(&self.content, self.number)
            .ok_or_else(|| Error::corrupt("the source's segment has no header"))?;
        let here = header_of(stored, self.number);
        if here.is_some_and(|here| here != header) {
            return Err(fork(start));
        }
        let used = self.used_bytes();
        let mut content = self.content[..used].to_vec();
        if self.is_last {
            content.extend_from_slice(stored.get(used..).unwrap_or_default());
        }
        let paged = page_up(u64::try_from(content.len()).expect("in memory"));
        content.resize(usize::try_from(paged).expect("in memory"), 0);
        let (mut same_count, mut other_count) = (0, 0);
        let first = usize::try_from(SEGMENT_HEADER_BYTES).expect("a page");
        let step = usize::try_from(BLOCK_ALIGNMENT).expect("16");
        for offset in (first..stored.len()).step_by(step) {
            let Some(found) = self.block_at(stored, offset, &header, here.is_some()) else {
                continue;
            };
            if found.lsn < self.end.lsn {
                let block = stored.get(offset..offset + BLOCK_HEADER_BYTES);
                if content.get(offset..offset + BLOCK_HEADER_BYTES) == block {
                    same_count += 1;
                } else if here.is_some() {
                    return Err(fork(found.lsn));
                } else {
                    other_count += 1;
                }
            } else if !self.is_last && self.end.lsn < found.durable {
                return Err(fork(self.end.lsn));
            }
        }
        if same_count < other_count {
            return Err(fork(start));
        }
        Ok(Fitted { content, same_count })
    }

    /// What is a block here, or was one: without the header of the segment here, whose key its tag is made
    /// with, that is what says its own position.
    fn block_at(
        &self,
        stored: &[u8],
        offset: usize,
        header: &SegmentHeader,
        is_keyed: bool,
    ) -> Option<Found> {
        let rest = stored.get(offset..)?;
        if !rest.starts_with(&BLOCK_MAGIC) {
            return None;
        }
        let cell_bytes = usize::try_from(CELL_BYTES).expect("a cell is small");
        let cell_end = (offset + 1).next_multiple_of(cell_bytes).min(stored.len());
        let lsn = self.identity.geometry.lsn(self.number, u64::try_from(offset).ok()?);
        match header.block(&stored[offset..cell_end], lsn) {
            Ok(block) => Some(Found { lsn, durable: block.durable }),
            Err(_) if !is_keyed && says_position(rest, lsn) => Some(Found { lsn, durable: Lsn(0) }),
            Err(_) => None,
        }
    }
}

/// A block here.
struct Found {
    lsn: Lsn,
    /// What it says to be durable; zero if that can't be believed.
    durable: Lsn,
}

/// Where a block says itself where it lies.
const POSITION: std::ops::Range<usize> = 8..16;

fn says_position(block: &[u8], lsn: Lsn) -> bool {
    block.get(POSITION) == Some(&lsn.0.to_le_bytes()[..])
}

fn header_of(content: &[u8], number: u64) -> Option<SegmentHeader> {
    match SegmentHeader::decode(content.first_chunk()?, number) {
        Ok(HeaderState::Whole(header)) => Some(header),
        _ => None,
    }
}

/// The source has gone another way.
pub(super) fn fork(at: Lsn) -> Error {
    Error::new(
        ErrorKind::Fork,
        format!(
            "the source's log is another history from about log position {at} on: nothing was \
             changed; name a copy of this very log"
        ),
    )
}
