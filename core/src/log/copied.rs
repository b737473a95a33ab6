//! A frame as another copy of this log has it: checked whole, in memory, before a byte of it is written.
//!
//! A copied frame is taken if and only if it would be valid where it says that it lies (see
//! `log/reader.rs`, rules 1, 2, 4, 5 and 6; what lies between it and the end is zero here), its bodies
//! open with the database key, and every record can be read.

use crate::log::FramePosition;
use crate::log::block::{self, BLOCK_HEADER_BYTES, BlockHeader};
use crate::log::error::{Corruption, Damage};
use crate::log::frame_view::{FrameView, ViewBlock};
use crate::log::frames::follows;
use crate::log::recent::Stamped;
use crate::log::segment::Segment;
use florin_ledger::Lsn;
use std::sync::Arc;

/// A frame that follows.
#[derive(Debug)]
pub struct CopiedFrame {
    pub(super) start: Lsn,
    /// What its primary knew to be durable when it was stamped.
    pub(super) durable: Lsn,
    pub(super) after: FramePosition,
    /// With its bodies open, for whoever applies and reads it.
    pub(super) opened: Arc<Stamped>,
}

impl CopiedFrame {
    /// Checks that `bytes`, said to lie at `start`, in this segment, are the frame that follows `at`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(
        segment: &Segment,
        at: FramePosition,
        start: Lsn,
        bytes: &[u8],
    ) -> Result<CopiedFrame, Corruption> {
        let geometry = segment.header.identity.geometry;
        let here = geometry.place_after(at.lsn);
        let ahead = geometry.first_place(geometry.segment_before(at.lsn) + 1);
        let is_place = start == here || start == ahead;
        if !is_place || geometry.segment(start) != segment.header.number {
            return Err(Corruption { lsn: start, what: Damage::Chain });
        }
        let mut blocks = Vec::new();
        let after = check_blocks(segment, at, start, bytes, &mut blocks)?;
        let durable = first(&blocks).durable;
        if at.lsn < durable {
            // It speaks of a frame before it that is not there.
            return Err(Corruption { lsn: start, what: Damage::Chain });
        }
        let mut opened = bytes.to_vec();
        for block in &mut blocks {
            let body = block.range.start + BLOCK_HEADER_BYTES..block.range.end;
            let damage = |what| Corruption { lsn: block.header.lsn, what };
            segment.open_body(&block.header, &mut opened[body]).map_err(damage)?;
        }
        if let Some(damage) =
            FrameView::new(&opened, &blocks, after).records().find_map(Result::err)
        {
            return Err(damage);
        }
        let opened = Arc::new(Stamped::copied(opened, blocks, at, after));
        Ok(CopiedFrame { start, durable, after, opened })
    }

    /// Gives it, open, to whoever applies and reads it.
    pub(crate) fn into_opened(self) -> Arc<Stamped> {
        self.opened
    }

    /// The position after it.
    #[must_use]
    pub fn after(&self) -> FramePosition {
        self.after
    }
}

fn first(blocks: &[ViewBlock]) -> &BlockHeader {
    &blocks.first().expect("a frame has a block").header
}

/// Checks block after block; returns the position after the last.
fn check_blocks(
    segment: &Segment,
    position: FramePosition,
    start: Lsn,
    bytes: &[u8],
    blocks: &mut Vec<ViewBlock>,
) -> Result<FramePosition, Corruption> {
    let geometry = segment.header.identity.geometry;
    let offset_of = |lsn: Lsn| usize::try_from(lsn.0 - start.0).expect("a frame fits a segment");
    let (mut at, mut gap, mut chain) = (start, 0, position.chain);
    loop {
        let offset = offset_of(at);
        let skipped = bytes.get(gap..offset).unwrap_or_default();
        if skipped.iter().any(|byte| *byte != 0) {
            return Err(Corruption { lsn: at, what: Damage::Padding });
        }
        let rest = bytes.get(offset..).unwrap_or_default();
        let cell = &rest[..rest.len().min(offset_of(geometry.cell_end(at)) - offset)];
        let header = segment.header.block(cell, at).map_err(|what| Corruption { lsn: at, what })?;
        follows(
            position,
            blocks.first().map(|it| &it.header),
            &header,
            start,
            blocks.len(),
            chain,
        )?;
        if !header.body_of(cell).is_some_and(|body| header.body_is_whole(body)) {
            return Err(Corruption { lsn: at, what: Damage::BlockBody });
        }
        chain = block::chain_after(cell).expect("the header was read");
        let end = header.end();
        blocks.push(ViewBlock { header, range: offset..offset_of(end), readable: Ok(()) });
        if header.last {
            let is_all = offset_of(end) == bytes.len();
            let after = FramePosition { lsn: end, sequence: header.sequence + 1, chain };
            return if is_all {
                Ok(after)
            } else {
                Err(Corruption { lsn: end, what: Damage::Padding })
            };
        }
        (at, gap) = (geometry.place_after(end), offset_of(end));
        if geometry.segment(at) != segment.header.number {
            return Err(Corruption { lsn: end, what: Damage::Chain });
        }
    }
}
