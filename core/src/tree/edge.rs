//! The right edge of the tree, in memory: what lies behind the last tile, and what is to the left of it in
//! a hash or a few.

use super::number::{BlockNumber, TileNumber};
use super::scan::Scanned;
use crate::log::FramePosition;
use florin_ledger::{Lsn, StreamCursor, Timestamp};
use florin_proof::tree::root_of_complete;
use florin_proof::{Hash, node_hash};

/// Level of a block: 256 leaves. Hashes below are not kept: the log gives them again.
pub(super) const BLOCK_LEVEL: u32 = 8;
/// Leaves of a block.
pub(super) const BLOCK_LEAVES: usize = 1 << BLOCK_LEVEL;

/// How leaves are put into tiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// A tile has 2^level leaves.
    pub(super) tile_level: u32,
}

impl Shape {
    /// Blocks of a tile.
    pub(super) fn tile_blocks(self) -> usize {
        1 << (self.tile_level - BLOCK_LEVEL)
    }

    /// Leaves of a tile.
    pub(super) fn tile_leaves(self) -> u64 {
        1 << self.tile_level
    }
}

/// A leaf of the block that is not full yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EdgeLeaf {
    pub(super) lsn: Lsn,
    pub(super) hash: Hash,
}

/// 256 leaves on end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block {
    /// Where the first of them is recorded.
    pub(super) first: Lsn,
    pub(super) hash: Hash,
}

/// What a head says of its last leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LastLeaf {
    pub(super) epoch: u64,
    pub(super) lsn: Lsn,
    pub(super) time: Timestamp,
    /// The end of its frame.
    pub(super) end: FramePosition,
}

/// The edge, as of the end of a frame.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) shape: Shape,
    pub(super) peaks: Peaks,
    /// Complete blocks behind the tiles: for a moment more than a tile has, until that is a file.
    pub(super) blocks: Vec<Block>,
    /// Of all complete blocks from the first leaf on: a second opinion of what the tree comes to.
    pub(super) block_peaks: Peaks,
    /// Leaves behind the blocks: fewer than a block has.
    pub(super) leaves: Vec<EdgeLeaf>,
    /// `None` until a frame with a leaf was read behind the tiles.
    pub(super) last: Option<LastLeaf>,
    /// The log was read up to here.
    pub(super) scanned: Lsn,
}

impl Edge {
    /// Behind so many tiles.
    pub(super) fn new(shape: Shape, peaks: Peaks, scanned: Lsn) -> Edge {
        let mut edge = Edge {
            shape,
            peaks: Peaks::default(),
            blocks: Vec::new(),
            block_peaks: Peaks::default(),
            leaves: Vec::new(),
            last: None,
            scanned,
        };
        edge.begin_behind(peaks, scanned);
        edge
    }

    /// Goes to where these tiles end, with nothing behind them.
    pub(super) fn begin_behind(&mut self, peaks: Peaks, scanned: Lsn) {
        assert!(self.blocks.is_empty() && self.leaves.is_empty());
        // A tile is a complete tree of blocks: the peaks are the same, of more.
        let count = peaks.count << (self.shape.tile_level - BLOCK_LEVEL);
        self.block_peaks = Peaks { count, roots: peaks.roots.clone() };
        self.peaks = peaks;
        self.scanned = scanned;
    }

    /// Adds blocks that became complete.
    pub(super) fn append(&mut self, blocks: &mut Vec<Block>) {
        blocks.iter().for_each(|block| self.block_peaks.push(block.hash));
        self.blocks.append(blocks);
    }

    /// Whether a tile is a file.
    pub(super) fn has_tile(&self, TileNumber(number): TileNumber) -> bool {
        number < self.peaks.count
    }

    /// The first block behind the tiles.
    pub(super) fn first_block(&self) -> BlockNumber {
        TileNumber(self.peaks.count).first_block(self.shape)
    }

    /// A complete block behind the tiles.
    ///
    /// # Panics
    /// If it is none.
    pub(super) fn block(&self, number: BlockNumber) -> Block {
        self.blocks[number.place_from(self.first_block())]
    }

    /// The root of the `index`th subtree of 2^`level` leaves, all in complete blocks behind the tiles.
    ///
    /// # Panics
    /// If they are not.
    pub(super) fn root(&self, level: u32, index: u64) -> Hash {
        let start = BlockNumber::first_of(level, index).place_from(self.first_block());
        let blocks = &self.blocks[start..start + (1 << (level - BLOCK_LEVEL))];
        let hashes: Vec<Hash> = blocks.iter().map(|block| block.hash).collect();
        root_of_complete(&hashes)
    }

    /// The root of everything, by another way than proofs go: from the peaks of all blocks, which no tile
    /// was ever taken off. `None` of a tree without leaves.
    pub(super) fn second_opinion(&self) -> Option<Hash> {
        let mut leaf_peaks = Peaks::default();
        self.leaves.iter().for_each(|leaf| leaf_peaks.push(leaf.hash));
        let from_right = leaf_peaks.roots.iter().rev().chain(self.block_peaks.roots.iter().rev());
        from_right.copied().reduce(|right, left| node_hash(&left, &right))
    }

    /// Leaves in the tiles.
    pub(super) fn tiled(&self) -> u64 {
        self.peaks.count << self.shape.tile_level
    }

    /// Leaves in all.
    pub(super) fn size(&self) -> u64 {
        let count = |items: usize| u64::try_from(items).expect("an edge is in memory");
        self.tiled() + (count(self.blocks.len()) << BLOCK_LEVEL) + count(self.leaves.len())
    }

    /// Where the first leaf behind the tiles is recorded.
    pub(super) fn first(&self) -> Option<Lsn> {
        let block = self.blocks.first().map(|block| block.first);
        block.or_else(|| self.leaves.first().map(|leaf| leaf.lsn))
    }
}

/// The roots of the largest complete trees that so many tiles (or blocks, or leaves) make, from the left: as
/// many as there are ones in their number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Peaks {
    pub(super) count: u64,
    pub(super) roots: Vec<Hash>,
}

impl Peaks {
    /// One more.
    pub(super) fn push(&mut self, root: Hash) {
        let mut hash = root;
        for _ in 0..self.count.trailing_ones() {
            let left = self.roots.pop().expect("a one in the count is a peak");
            hash = node_hash(&left, &hash);
        }
        self.roots.push(hash);
        self.count += 1;
    }

    /// The root of the `index`th tree of 2^`height` of them, if it is a peak.
    pub(super) fn get(&self, height: u32, index: u64) -> Option<Hash> {
        let count = self.count.checked_shr(height).unwrap_or(0);
        if count & 1 == 0 || index != count - 1 {
            return None;
        }
        let place = usize::try_from((count - 1).count_ones()).expect("a word has 64 bits");
        self.roots.get(place).copied()
    }
}

/// Leaves and blocks that were hashed since the edge was told of any.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) blocks: Vec<Block>,
    /// Of the block that is not full yet, those from before too.
    pub(super) leaves: Vec<EdgeLeaf>,
    /// The last leaf of each tile that became full.
    pub(super) tile_ends: Vec<StreamCursor>,
    pub(super) last: Option<(StreamCursor, Timestamp)>,
}

impl Fresh {
    /// Adds a leaf. `size`: of the tree with it.
    pub(super) fn push(&mut self, leaf: &Scanned, size: u64, shape: Shape) {
        self.leaves.push(EdgeLeaf { lsn: leaf.cursor.lsn, hash: leaf.hash });
        self.last = Some((leaf.cursor, leaf.time));
        if self.leaves.len() == BLOCK_LEAVES {
            let hashes: Vec<Hash> = self.leaves.iter().map(|leaf| leaf.hash).collect();
            let hash = root_of_complete(&hashes);
            self.blocks.push(Block { first: self.leaves[0].lsn, hash });
            self.leaves.clear();
        }
        if size.is_multiple_of(shape.tile_leaves()) {
            self.tile_ends.push(leaf.cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Peaks;
    use florin_proof::tree::{Nodes, root};
    use florin_proof::{Hash, leaf_hash, node_hash};
    use std::convert::Infallible;

    struct Tiles(Vec<Hash>);

    impl Nodes for Tiles {
        type Error = Infallible;

        fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
            if level == 0 {
                return Ok(self.0[usize::try_from(index).unwrap()]);
            }
            let Ok(left) = self.node(level - 1, index * 2);
            let Ok(right) = self.node(level - 1, index * 2 + 1);
            Ok(node_hash(&left, &right))
        }
    }

    /// Prevents: an opening that goes on from other peaks than the tiles have.
    #[test]
    fn peaks_are_the_complete_trees_of_any_number_of_tiles() {
        let mut peaks = Peaks::default();
        let mut tiles = Tiles(Vec::new());
        for number in 0..70_u64 {
            let tile = leaf_hash(&number.to_le_bytes());
            peaks.push(tile);
            tiles.0.push(tile);
            let count = number + 1;
            assert_eq!(u32::try_from(peaks.roots.len()), Ok(count.count_ones()));
            for height in 0..8 {
                for index in 0..=count >> height {
                    let is_peak = count >> height & 1 == 1 && index == (count >> height) - 1;
                    let expected = is_peak.then(|| tiles.node(height, index).unwrap());
                    assert_eq!(peaks.get(height, index), expected, "{count} {height} {index}");
                }
            }
            let Ok(whole) = root(&mut tiles, count);
            let bagged =
                peaks.roots.iter().copied().rev().reduce(|right, left| node_hash(&left, &right));
            assert_eq!(bagged, Some(whole), "{count} tiles");
        }
    }
}
