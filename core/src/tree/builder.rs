//! Builds the tree behind the durable log, frame by frame, on a thread of its own. It hashes without a lock,
//! and holds the edge's for as long as it takes to append what was hashed.

use super::Tree;
use super::edge::{Fresh, LastLeaf, Peaks};
use super::number::TileNumber;
use super::scan::{Kept, LeafScan};
use super::tile::Tile;
use crate::error::{Error, ErrorKind};
use crate::log::FramePosition;
use crate::log::resume::Resume;
use florin_ledger::{Lsn, StreamCursor};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The building end of a tree.
pub(super) struct Builder {
    tree: Arc<Tree>,
    scan: LeafScan,
    /// Leaves so far, those of a frame under way too.
    size: u64,
    fresh: Fresh,
    /// The ends of tiles that are full and not written yet.
    tile_ends: VecDeque<StreamCursor>,
}

impl Builder {
    /// Goes on behind the newest tile that the log bears out; from the first record without one. Removes
    /// those behind it, which are of another history or damaged.
    pub(super) fn begin(tree: Arc<Tree>) -> Result<Builder, Error> {
        // Not only what may be told: while standbys are missing that is nothing, and every tile would be made anew.
        let durable = tree.known_end();
        let mut begin = (Peaks::default(), FramePosition::GENESIS, Lsn::NONE);
        for number in tree.tiles.numbers()?.into_iter().rev() {
            let Some(head) = tree.tile_head(number)? else { continue };
            if let Ok(Resume { from, cursor }) =
                tree.reads.log().resume_after(head.last, durable)?
            {
                begin = (head.peaks, from, cursor.lsn);
                break;
            }
        }
        let (peaks, from, passed) = begin;
        tree.tiles.remove_from(TileNumber(peaks.count))?;
        let scan = LeafScan::new(Arc::clone(&tree.reads), from, passed, Kept::MUCH);
        let size = {
            let mut edge = tree.edge();
            edge.begin_behind(peaks, from.lsn);
            edge.size()
        };
        Ok(Builder { tree, scan, size, fresh: Fresh::default(), tile_ends: VecDeque::new() })
    }

    /// Takes the next frame; `false` if nothing more is durable.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] and errors of the disk: nothing is lost, it goes on where it was.
    pub(super) fn step(&mut self) -> Result<bool, Error> {
        self.write_full_tiles()?;
        let shape = self.tree.shape;
        let Builder { tree, scan, size, fresh, .. } = self;
        let end = scan.next(u64::MAX, |leaf| {
            *size += 1;
            fresh.push(leaf, *size, shape);
            if let Some(life) = leaf.life {
                tree.note_life(life);
            }
        })?;
        let Some(end) = end else { return Ok(false) };
        self.publish(end);
        Ok(true)
    }

    /// The end of the log that was read.
    pub(super) fn position(&self) -> Lsn {
        self.scan.position().lsn
    }

    fn publish(&mut self, end: FramePosition) {
        let Builder { tree, fresh, tile_ends, size, .. } = self;
        tile_ends.extend(fresh.tile_ends.drain(..));
        let mut edge = tree.edge();
        tree.hashed_count.fetch_add(*size - edge.size(), Ordering::Relaxed);
        edge.append(&mut fresh.blocks);
        edge.leaves.clear();
        edge.leaves.extend_from_slice(&fresh.leaves);
        if let Some((StreamCursor { epoch, lsn, .. }, time)) = fresh.last.take() {
            edge.last = Some(LastLeaf { epoch, lsn, time, end });
        }
        edge.scanned = end.lsn;
        assert_eq!(edge.size(), *size, "no leaf is lost on the way to the edge");
        drop(edge);
        tree.moved.notify_all();
    }

    /// Before more leaves are taken, so that the edge stays bounded when the disk refuses.
    fn write_full_tiles(&mut self) -> Result<(), Error> {
        let blocks_count = self.tree.shape.tile_blocks();
        loop {
            let (peaks, blocks) = {
                let edge = self.tree.edge();
                match edge.blocks.get(..blocks_count) {
                    Some(blocks) => (edge.peaks.clone(), blocks.to_vec()),
                    None => return Ok(()),
                }
            };
            let last = *self.tile_ends.front().expect("a full tile has an end");
            let tile = Tile::new(peaks, blocks, last);
            self.tree.tiles.write(&tile)?;
            self.tile_ends.pop_front();
            let mut edge = self.tree.edge();
            edge.blocks.drain(..blocks_count);
            edge.peaks = tile.head.peaks;
            drop(edge);
            self.tree.moved.notify_all();
        }
    }
}

/// Whether it is worth going on at once, or after a while.
pub(super) fn is_passing(error: &Error) -> bool {
    error.kind() == ErrorKind::Busy
}
