//! The hashes of complete subtrees, from wherever they are: the edge, a tile, or records that are read again.

use super::Tree;
use super::edge::{BLOCK_LEAVES, BLOCK_LEVEL, Block, Edge, EdgeLeaf, Fresh, Peaks};
use super::number::{BlockNumber, TileNumber};
use super::prover::PATIENCE;
use super::scan::{Kept, LeafScan, Scanned};
use super::tile::{Tile, TileHead};
use crate::error::{Error, ErrorKind};
use crate::log::FramePosition;
use crate::log::resume::Resume;
use florin_ledger::{Lsn, StreamCursor};
use florin_proof::tree::{Nodes, root_of_complete};
use florin_proof::{Hash, node_hash};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The tree as of an edge, and what was read of it.
pub(super) struct Stored<'a> {
    tree: &'a Tree,
    pub(super) edge: &'a Edge,
    /// Leaves of blocks that were read.
    leaves: BTreeMap<BlockNumber, Vec<EdgeLeaf>>,
    tiles: BTreeMap<TileNumber, Arc<Tile>>,
    /// How long it waits for files that are damaged, all in all.
    until: Instant,
}

impl<'a> Stored<'a> {
    pub(super) fn new(tree: &'a Tree, edge: &'a Edge) -> Stored<'a> {
        let until = Instant::now() + PATIENCE;
        Stored { tree, edge, leaves: BTreeMap::new(), tiles: BTreeMap::new(), until }
    }

    /// A leaf by its index.
    ///
    /// # Panics
    /// If the tree has none.
    pub(super) fn leaf(&mut self, index: u64) -> Result<EdgeLeaf, Error> {
        assert!(index < self.edge.size());
        let block = BlockNumber::of_leaf(index);
        let leaves = self.leaves_of(block)?;
        Ok(leaves[place(index - block.first_leaf())])
    }

    /// The index of the leaf that is recorded at a position; `None` if none is.
    pub(super) fn index_of(&mut self, lsn: Lsn) -> Result<Option<u64>, Error> {
        let Some(block) = self.block_with(lsn)? else { return Ok(None) };
        let leaves = self.leaves_of(block)?;
        let found = leaves.binary_search_by_key(&lsn, |leaf| leaf.lsn).ok();
        let found = found.map(|offset| u64::try_from(offset).expect("a block is small"));
        Ok(found.map(|offset| block.first_leaf() + offset))
    }

    /// The last block that begins at or before a position, complete or not.
    fn block_with(&mut self, lsn: Lsn) -> Result<Option<BlockNumber>, Error> {
        let edge = self.edge;
        if edge.first().is_none_or(|first| lsn < first) {
            let Some(tile) = self.tile_with(lsn)? else { return Ok(None) };
            let first = tile.head.number.first_block(edge.shape);
            return Ok(last_begun(&tile.blocks, lsn).map(|place| first.behind(place)));
        }
        let is_behind = edge.leaves.first().is_some_and(|leaf| leaf.lsn <= lsn);
        let place = if is_behind { Some(edge.blocks.len()) } else { last_begun(&edge.blocks, lsn) };
        Ok(place.map(|place| edge.first_block().behind(place)))
    }

    /// The last tile that begins at or before a position.
    fn tile_with(&mut self, lsn: Lsn) -> Result<Option<Arc<Tile>>, Error> {
        let (mut low, mut high) = (0, self.edge.peaks.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let first = self.tile_head(TileNumber(middle))?.first;
            if first <= lsn { low = middle + 1 } else { high = middle }
        }
        TileNumber(low).before().map(|number| self.tile(number)).transpose()
    }

    /// A tile that is a file.
    fn tile(&mut self, number: TileNumber) -> Result<Arc<Tile>, Error> {
        if let Some(tile) = self.tiles.get(&number) {
            return Ok(Arc::clone(tile));
        }
        assert!(self.edge.has_tile(number));
        let tile = self.tree.when_derived(number, self.until, || self.tree.tile(number))?;
        self.tiles.insert(number, Arc::clone(&tile));
        Ok(tile)
    }

    /// The head of a tile that is a file.
    fn tile_head(&self, number: TileNumber) -> Result<TileHead, Error> {
        assert!(self.edge.has_tile(number));
        self.tree.when_derived(number, self.until, || self.tree.tile_head(number))
    }

    /// The leaves of a block, complete or not.
    fn leaves_of(&mut self, number: BlockNumber) -> Result<&[EdgeLeaf], Error> {
        let complete = self.edge.size() - u64::try_from(self.edge.leaves.len()).expect("few");
        if complete <= number.first_leaf() {
            return Ok(&self.edge.leaves);
        }
        if !self.leaves.contains_key(&number) {
            let block = self.block(number)?;
            let leaves = self.tree.read_block(block)?;
            self.leaves.insert(number, leaves);
        }
        Ok(&self.leaves[&number])
    }

    fn block(&mut self, number: BlockNumber) -> Result<Block, Error> {
        let shape = self.edge.shape;
        let tile = number.tile(shape);
        if !self.edge.has_tile(tile) {
            return Ok(self.edge.block(number));
        }
        Ok(self.tile(tile)?.blocks[number.place_from(tile.first_block(shape))])
    }

    /// The root of 2^level leaves, within one tile that is a file.
    fn blocks_root(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        let shape = self.edge.shape;
        let first = BlockNumber::first_of(level, index);
        let tile = first.tile(shape);
        let start = first.place_from(tile.first_block(shape));
        let blocks = &self.tile(tile)?.blocks[start..start + (1 << (level - BLOCK_LEVEL))];
        let hashes: Vec<Hash> = blocks.iter().map(|block| block.hash).collect();
        Ok(root_of_complete(&hashes))
    }

    /// The root of 2^height tiles, some of which may not be files yet. The head of the last of them has it,
    /// if the tree does not go up to the left from there.
    fn tiles_root(&mut self, height: u32, index: u64) -> Result<Hash, Error> {
        if let Some(peak) = self.edge.peaks.get(height, index) {
            return Ok(peak);
        }
        let is_file = (index + 1) << height <= self.edge.peaks.count;
        if is_file && height == 0 {
            return Ok(self.tile_head(TileNumber(index))?.root);
        }
        if is_file && index & 1 == 0 {
            let last = ((index + 1) << height) - 1;
            let head = self.tile_head(TileNumber(last))?;
            return Ok(head.peaks.get(height, index).expect("a tree to the left is a peak"));
        }
        // What reaches past the files is more than one tile: one that is no file lies all in the edge.
        assert!(0 < height);
        let level = self.edge.shape.tile_level + height - 1;
        let left = self.node(level, index * 2)?;
        let right = self.node(level, index * 2 + 1)?;
        Ok(node_hash(&left, &right))
    }
}

impl Nodes for Stored<'_> {
    type Error = Error;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        if level < BLOCK_LEVEL {
            let first_leaf = index << level;
            let block = BlockNumber::of_leaf(first_leaf);
            let start = place(first_leaf - block.first_leaf());
            let leaves = &self.leaves_of(block)?[start..start + (1 << level)];
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.hash).collect();
            return Ok(root_of_complete(&hashes));
        }
        if self.edge.tiled() <= index << level {
            return Ok(self.edge.root(level, index));
        }
        match level.checked_sub(self.edge.shape.tile_level) {
            Some(height) => self.tiles_root(height, index),
            None => self.blocks_root(level, index),
        }
    }
}

/// The last of some blocks that begins at or before a position.
fn last_begun(blocks: &[Block], lsn: Lsn) -> Option<usize> {
    blocks.partition_point(|block| block.first <= lsn).checked_sub(1)
}

/// How far a leaf lies from the first of its block.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a block is in memory")
}

impl Tree {
    /// The head of a tile's file; `None` if it can't be read or is of another history.
    pub(super) fn tile_head(&self, number: TileNumber) -> Result<Option<TileHead>, Error> {
        self.tiles.read_head(number, |head| self.is_ours(head))
    }

    /// A tile's file; `None` if it can't be read or is of another history.
    fn tile(&self, number: TileNumber) -> Result<Option<Arc<Tile>>, Error> {
        self.tiles.read(number, |head| self.is_ours(head))
    }

    /// Whether the log has what a tile was made of. One of a history that was left, or of a copy, names a
    /// block that this log does not have.
    fn is_ours(&self, head: &TileHead) -> Result<bool, Error> {
        Ok(self.reads.log().resume_after(head.last, self.known_end())?.is_ok())
    }

    /// What a tile's file gives; the tree's thread derives it again if it can't be read.
    fn when_derived<T>(
        &self,
        number: TileNumber,
        until: Instant,
        read: impl Fn() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        if let Some(found) = read()? {
            return Ok(found);
        }
        self.wanted.wait_for(number, until)?;
        read()?.ok_or_else(|| {
            let message = format!("file {} of the tree of proofs is damaged again", number.0);
            Error::new(ErrorKind::Io, message)
        })
    }

    /// Derives a tile that somebody wants, or the first before it that can't be read either; `false` if
    /// nobody wants one. On the tree's thread alone. O(tile).
    pub(super) fn derive_wanted(&self) -> bool {
        let Some(number) = self.wanted.first() else { return false };
        match self.derive_towards(number) {
            Ok(derived) if derived != number => {}
            done => self.wanted.settle(number, &done.map(drop)),
        }
        true
    }

    /// Derives a tile again, or one before it; says which.
    fn derive_towards(&self, number: TileNumber) -> Result<TileNumber, Error> {
        // One that the edge still has is not damaged, and its file is the builder's to write.
        assert!(self.edge().has_tile(number));
        if self.tile(number)?.is_some() {
            return Ok(number);
        }
        let mut first = number;
        let (peaks, last) = loop {
            let Some(before) = first.before() else {
                break (Peaks::default(), StreamCursor::BEGIN);
            };
            if let Some(head) = self.tile_head(before)? {
                break (head.peaks, head.last);
            }
            first = before;
        };
        let tile = self.derive_behind(peaks, last)?;
        assert_eq!(tile.head.number, first);
        self.tiles.write(&tile)?;
        self.derived_count.fetch_add(1, Ordering::Relaxed);
        Ok(first)
    }

    fn derive_behind(&self, peaks: Peaks, last: StreamCursor) -> Result<Tile, Error> {
        let log = self.reads.log();
        let resume = log.resume_after(last, self.known_end())?;
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
            let end = scan.next(count - taken, |leaf| {
                take(leaf);
                taken += 1;
            })?;
            if end.is_none() && taken < count {
                if self.reads.durable().get() < self.known_end() {
                    let message = "standbys have not said yet what is durable: ask again";
                    return Err(Error::new(ErrorKind::NotYet, message));
                }
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
