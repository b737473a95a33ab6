//! Blocks and tiles by their place in the whole tree, from its first leaf on. Where something lies in a file
//! or in the edge follows from that and from where the file or the edge begins, and is asked for here: a place
//! modulo something is right only by chance while the edge has more than one tile.

use super::edge::{BLOCK_LEVEL, Shape};

/// The `n`th 256 leaves of the tree, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct BlockNumber(u64);

/// The `n`th tile of the tree, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct TileNumber(pub(super) u64);

impl BlockNumber {
    /// The block of the leaf at an index.
    pub(super) fn of_leaf(index: u64) -> BlockNumber {
        BlockNumber(index >> BLOCK_LEVEL)
    }

    /// The first block of the `index`th subtree of 2^`level` leaves.
    ///
    /// # Panics
    /// If that is less than a block.
    pub(super) fn first_of(level: u32, index: u64) -> BlockNumber {
        assert!(BLOCK_LEVEL <= level);
        BlockNumber(index << (level - BLOCK_LEVEL))
    }

    /// The block so many places behind this one.
    pub(super) fn behind(self, places: usize) -> BlockNumber {
        BlockNumber(self.0 + u64::try_from(places).expect("an edge is in memory"))
    }

    /// The index of its first leaf.
    pub(super) fn first_leaf(self) -> u64 {
        self.0 << BLOCK_LEVEL
    }

    /// The tile that it lies in.
    pub(super) fn tile(self, shape: Shape) -> TileNumber {
        TileNumber(self.0 >> (shape.tile_level - BLOCK_LEVEL))
    }

    /// How many places behind another block it lies.
    ///
    /// # Panics
    /// If it lies before that one.
    pub(super) fn place_from(self, first: BlockNumber) -> usize {
        let places = self.0.checked_sub(first.0).expect("a block is asked of what holds it");
        usize::try_from(places).expect("an edge is in memory")
    }
}

impl TileNumber {
    /// Its first block.
    pub(super) fn first_block(self, shape: Shape) -> BlockNumber {
        BlockNumber(self.0 << (shape.tile_level - BLOCK_LEVEL))
    }

    /// The tile before it.
    pub(super) fn before(self) -> Option<TileNumber> {
        self.0.checked_sub(1).map(TileNumber)
    }
}
