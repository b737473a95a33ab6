//! The hashes of complete subtrees, from wherever they are: the edge, a tile, or records that are read again.

use super::Tree;
use super::edge::{BLOCK_LEAVES, BLOCK_LEVEL, Block, Edge, EdgeLeaf, Fresh, Peaks};
use super::scan::{Kept, LeafScan, Scanned};
use super::tile::{Tile, TileHead};
use crate::error::Error;
use crate::log::FramePosition;
use crate::log::resume::Resume;
use florin_ledger::{Lsn, StreamCursor};
use florin_proof::tree::{Nodes, root_of_complete};
use florin_proof::{Hash, node_hash};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// The tree as of an edge, and what was read of it.
pub(super) struct Stored<'a> {
    tree: &'a Tree,
    pub(super) edge: &'a Edge,
    /// Leaves of blocks, by the number of the block.
    leaves: BTreeMap<u64, Vec<EdgeLeaf>>,
    tiles: BTreeMap<u64, Arc<Tile>>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(tree: &'a Tree, edge: &'a Edge) -> Stored<'a> {
        Stored { tree, edge, leaves: BTreeMap::new(), tiles: BTreeMap::new() }
    }

    /// A leaf by its index.
    ///
    /// # Panics
    /// If the tree has none.
    pub(super) fn leaf(&mut self, index: u64) -> Result<EdgeLeaf, Error> {
        assert!(index < self.edge.size());
        let leaves = self.leaves_of(index >> BLOCK_LEVEL)?;
        Ok(leaves[place(index, BLOCK_LEVEL)])
    }

    /// The index of the leaf that is recorded at a position; `None` if none is.
    pub(super) fn index_of(&mut self, lsn: Lsn) -> Result<Option<u64>, Error> {
        let is_in_tiles = self.edge.first().is_none_or(|first| lsn < first);
        let (base, blocks) = if is_in_tiles {
            let Some(tile) = self.tile_with(lsn)? else { return Ok(None) };
            (tile.head.number << self.edge.shape.tile_level, tile.blocks.clone())
        } else {
            (self.edge.tiled(), self.edge.blocks.clone())
        };
        let is_behind = !is_in_tiles && self.edge.leaves.first().is_some_and(|it| it.lsn <= lsn);
        let place = if is_behind {
            blocks.len()
        } else {
            match blocks.partition_point(|block| block.first <= lsn).checked_sub(1) {
                Some(place) => place,
                None => return Ok(None),
            }
        };
        let block = (base >> BLOCK_LEVEL) + u64::try_from(place).expect("a tile is in memory");
        let leaves = self.leaves_of(block)?;
        let found = leaves.binary_search_by_key(&lsn, |leaf| leaf.lsn).ok();
        let found = found.map(|offset| u64::try_from(offset).expect("a block is small"));
        Ok(found.map(|offset| (block << BLOCK_LEVEL) + offset))
    }

    /// The last tile that begins at or before a position.
    fn tile_with(&mut self, lsn: Lsn) -> Result<Option<Arc<Tile>>, Error> {
        let (mut low, mut high) = (0, self.edge.peaks.tiles_count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.tree.tile_head(middle)?.first <= lsn { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1).map(|number| self.tile(number)).transpose()
    }

    fn tile(&mut self, number: u64) -> Result<Arc<Tile>, Error> {
        if let Some(tile) = self.tiles.get(&number) {
            return Ok(Arc::clone(tile));
        }
        let tile = self.tree.tile(number)?;
        self.tiles.insert(number, Arc::clone(&tile));
        Ok(tile)
    }

    /// The leaves of a block, complete or not.
    fn leaves_of(&mut self, number: u64) -> Result<&[EdgeLeaf], Error> {
        let first_leaf = number << BLOCK_LEVEL;
        let complete = self.edge.size() - u64::try_from(self.edge.leaves.len()).expect("few");
        if complete <= first_leaf {
            return Ok(&self.edge.leaves);
        }
        if !self.leaves.contains_key(&number) {
            let block = self.block(number)?;
            let leaves = self.tree.read_block(block)?;
            self.leaves.insert(number, leaves);
        }
        Ok(&self.leaves[&number])
    }

    fn block(&mut self, number: u64) -> Result<Block, Error> {
        let blocks_level = self.edge.shape.tile_level - BLOCK_LEVEL;
        let tile = number >> blocks_level;
        let place = place(number, blocks_level);
        if tile < self.edge.peaks.tiles_count {
            return Ok(self.tile(tile)?.blocks[place]);
        }
        Ok(self.edge.blocks[place])
    }

    /// The root of 2^level blocks, within one tile.
    fn blocks_root(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        let tile_level = self.edge.shape.tile_level;
        let count = 1 << (level - BLOCK_LEVEL);
        let start = place(index, tile_level - level) * count;
        let tile = index >> (tile_level - level);
        let hashes = |blocks: &[Block]| -> Vec<Hash> {
            blocks[start..start + count].iter().map(|block| block.hash).collect()
        };
        let hashes = if tile < self.edge.peaks.tiles_count {
            hashes(&self.tile(tile)?.blocks)
        } else {
            hashes(&self.edge.blocks)
        };
        Ok(root_of_complete(&hashes))
    }

    /// The root of 2^height tiles. The head of the last of them has it, if the tree does not go up to the
    /// left from there.
    fn tiles_root(&self, height: u32, index: u64) -> Result<Hash, Error> {
        if let Some(peak) = self.edge.peaks.get(height, index) {
            return Ok(peak);
        }
        if height == 0 {
            return Ok(self.tree.tile_head(index)?.root);
        }
        if index & 1 == 0 {
            let last = ((index + 1) << height) - 1;
            let head = self.tree.tile_head(last)?;
            return Ok(head.peaks.get(height, index).expect("a tree to the left is a peak"));
        }
        let left = self.tiles_root(height - 1, index * 2)?;
        let right = self.tiles_root(height - 1, index * 2 + 1)?;
        Ok(node_hash(&left, &right))
    }
}

impl Nodes for Stored<'_> {
    type Error = Error;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        if let Some(height) = level.checked_sub(self.edge.shape.tile_level) {
            return self.tiles_root(height, index);
        }
        if BLOCK_LEVEL <= level {
            return self.blocks_root(level, index);
        }
        let count = 1_usize << level;
        let start = place(index, BLOCK_LEVEL - level) * count;
        let leaves = self.leaves_of(index >> (BLOCK_LEVEL - level))?;
        let hashes: Vec<Hash> = leaves[start..start + count].iter().map(|leaf| leaf.hash).collect();
        Ok(root_of_complete(&hashes))
    }
}

/// The lowest bits of an index, as a place in memory.
fn place(index: u64, bits: u32) -> usize {
    usize::try_from(index & ((1 << bits) - 1)).expect("a tile is in memory")
}

impl Tree {
    /// The head of a tile; derived again if it can't be read.
    pub(super) fn tile_head(&self, number: u64) -> Result<TileHead, Error> {
        match self.tiles.read_head(number)? {
            Some(head) => Ok(head),
            None => Ok(self.derive(number)?.head.clone()),
        }
    }

    /// A tile; derived again if it can't be read.
    pub(super) fn tile(&self, number: u64) -> Result<Arc<Tile>, Error> {
        match self.tiles.read(number)? {
            Some(tile) => Ok(tile),
            None => self.derive(number),
        }
    }

    /// Derives a tile from the log, and those before it that can't be read either. O(tile) each.
    fn derive(&self, number: u64) -> Result<Arc<Tile>, Error> {
        let _guard = self.deriving.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have done it meanwhile.
        if let Some(tile) = self.tiles.read(number)? {
            return Ok(tile);
        }
        let mut from = number;
        let mut before = None;
        while before.is_none() && 0 < from {
            before = self.tiles.read_head(from - 1)?;
            if before.is_none() {
                from -= 1;
            }
        }
        let (mut peaks, mut last) = match before {
            Some(head) => (head.peaks, head.last),
            None => (Peaks::default(), StreamCursor::BEGIN),
        };
        loop {
            let tile = self.derive_behind(peaks, last)?;
            self.tiles.write(&tile)?;
            self.derived_count.fetch_add(1, Ordering::Relaxed);
            if tile.head.number == number {
                return Ok(Arc::new(tile));
            }
            (peaks, last) = (tile.head.peaks, tile.head.last);
        }
    }

    fn derive_behind(&self, peaks: Peaks, last: StreamCursor) -> Result<Tile, Error> {
        let log = self.reads.log();
        let resume = log.resume_after(last, self.reads.durable().get())?;
        let Ok(Resume { from, cursor }) = resume else { return Err(disagree(last.lsn)) };
        let (mut fresh, mut size) = (Fresh::default(), 0);
        let (shape, leaves_count) = (self.shape, self.shape.tile_leaves());
        self.take_leaves(from, cursor.lsn, leaves_count, |leaf| {
            size += 1;
            fresh.push(leaf, size, shape);
        })?;
        Ok(Tile::new(peaks, fresh.blocks, fresh.tile_ends[0]))
    }

    /// The leaves of a complete block, read again and compared with its hash.
    fn read_block(&self, block: Block) -> Result<Vec<EdgeLeaf>, Error> {
        let from = self.reads.log().position_before_record(block.first)?;
        let passed = Lsn(block.first.0.saturating_sub(1));
        let mut leaves = Vec::with_capacity(BLOCK_LEAVES);
        let count = u64::try_from(BLOCK_LEAVES).expect("a block is small");
        self.take_leaves(from, passed, count, |leaf| {
            leaves.push(EdgeLeaf { lsn: leaf.cursor.lsn, hash: leaf.hash });
        })?;
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.hash).collect();
        if root_of_complete(&hashes) != block.hash {
            return Err(disagree(block.first));
        }
        Ok(leaves)
    }

    /// Reads exactly so many leaves of the durable log.
    fn take_leaves(
        &self,
        from: FramePosition,
        passed: Lsn,
        count: u64,
        mut take: impl FnMut(&Scanned),
    ) -> Result<(), Error> {
        let mut scan = LeafScan::new(Arc::clone(&self.reads), from, passed, Kept::LITTLE);
        let mut taken = 0;
        while taken < count {
            let end = scan.next(|leaf| {
                take(leaf);
                taken += 1;
                if taken < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if end.is_none() && taken < count {
                return Err(Error::corrupt(
                    "the tree of proofs has more records than the log: run `florin rebuild`",
                ));
            }
        }
        Ok(())
    }
}

fn disagree(lsn: Lsn) -> Error {
    Error::corrupt(format!(
        "the tree of proofs and the log disagree about the records from {lsn} on: run `florin rebuild`"
    ))
}
