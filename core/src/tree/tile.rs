//! A tile: the blocks of a million leaves (2^20), in a file that is written once.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINTR"
//!      8      4  version, 1
//!     12      1  level of the tile: it has 2^level leaves
//!     13      1  level of a block, 8
//!     14      2  reserved, zero
//!     16     16  birth: names the database
//!     32      8  number of the tile, from 0
//!     40      8  lsn of its first leaf
//!     48      8  epoch of its last leaf
//!     56      8  lsn of its last leaf
//!     64     32  hash of the block of the log that the last leaf is recorded in
//!     96     32  root of the tile
//!    128     32  hash of the blocks
//!    160      4  peaks
//!    164      4  reserved, zero
//!    168   1280  peaks: the roots of the complete trees that the tiles up to this one make, from the
//!                left, 32 bytes each; then zeros
//!   1448     32  hash of bytes 0 to 1447
//!   1480         blocks: of each the lsn of its first leaf (8) and its hash (32)
//! ```
//! All little-endian. Hashes of the tree are SHA-256 (RFC 9162); the two others are BLAKE3, keyed in an encrypted
//! database, so that who writes to the directory and has no key makes no tile that is believed. Epoch, lsn and hash of the last leaf are a
//! cursor of streams: a log that has it has all that the tile was made of.

use super::edge::{BLOCK_LEVEL, Block, Peaks, Shape};
use super::number::TileNumber;
use florin_keys::Zeroizing;
use florin_ledger::{Lsn, StreamCursor};
use florin_proof::Hash;
use florin_proof::tree::root_of_complete;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a tile before its blocks.
pub(super) const TILE_HEAD_BYTES: usize = 1480;
const CHECKED_BYTES: usize = 1448;
const BLOCK_BYTES: usize = 40;
const PEAKS_MAX: usize = 40;
const MAGIC: [u8; 8] = *b"FLORINTR";
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TileLayout {
    magic: [u8; 8],
    version: U32,
    tile_level: u8,
    block_level: u8,
    reserved: U16,
    birth: U128,
    number: U64,
    first: U64,
    last_epoch: U64,
    last: U64,
    last_hash: [u8; 32],
    root: [u8; 32],
    blocks: [u8; 32],
    peaks_count: U32,
    reserved_too: U32,
    peaks: [[u8; 32]; PEAKS_MAX],
    check: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BlockLayout {
    first: U64,
    hash: [u8; 32],
}

const _: () = assert!(size_of::<TileLayout>() == TILE_HEAD_BYTES);
const _: () = assert!(std::mem::offset_of!(TileLayout, check) == CHECKED_BYTES);
const _: () = assert!(size_of::<BlockLayout>() == BLOCK_BYTES);

/// What a tile says before its blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TileHead {
    pub(super) number: TileNumber,
    pub(super) first: Lsn,
    /// Its last leaf, and all before it.
    pub(super) last: StreamCursor,
    pub(super) root: Hash,
    /// Of the tiles up to this one.
    pub(super) peaks: Peaks,
}

/// What a tile's file is read and written with.
#[derive(Clone)]
pub(super) struct TileFormat {
    /// Names the database: its segments, all its life long.
    pub(super) birth: u128,
    pub(super) shape: Shape,
    /// Of an encrypted database: without it nobody makes a tile that is believed.
    pub(super) key: Option<Zeroizing<[u8; 32]>>,
}

impl TileFormat {
    /// BLAKE3, keyed if there is a key.
    fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        match &self.key {
            Some(key) => *blake3::keyed_hash(key, bytes).as_bytes(),
            None => *blake3::hash(bytes).as_bytes(),
        }
    }

    /// Bytes of a file.
    pub(super) fn file_bytes(&self) -> usize {
        TILE_HEAD_BYTES + self.shape.tile_blocks() * BLOCK_BYTES
    }
}

/// A tile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tile {
    pub(super) head: TileHead,
    pub(super) blocks: Vec<Block>,
}

impl Tile {
    /// The tile of these blocks, behind those of `peaks`.
    ///
    /// # Panics
    /// Unless the number of blocks is a power of two.
    pub(super) fn new(mut peaks: Peaks, blocks: Vec<Block>, last: StreamCursor) -> Tile {
        let hashes: Vec<Hash> = blocks.iter().map(|block| block.hash).collect();
        let root = root_of_complete(&hashes);
        let number = TileNumber(peaks.count);
        peaks.push(root);
        let first = blocks[0].first;
        Tile { head: TileHead { number, first, last, root, peaks }, blocks }
    }

    /// Its bytes.
    pub(super) fn to_bytes(&self, format: &TileFormat) -> Vec<u8> {
        let Tile { head, blocks } = self;
        let TileFormat { birth, shape, .. } = *format;
        assert_eq!(blocks.len(), shape.tile_blocks());
        let blocks = blocks_bytes(blocks);
        let level = |level: u32| u8::try_from(level).expect("levels are small");
        let mut peaks = [[0; 32]; PEAKS_MAX];
        for (place, root) in peaks.iter_mut().zip(&head.peaks.roots) {
            *place = root.0;
        }
        let mut layout = TileLayout {
            magic: MAGIC,
            version: VERSION.into(),
            tile_level: level(shape.tile_level),
            block_level: level(BLOCK_LEVEL),
            reserved: U16::ZERO,
            birth: birth.into(),
            number: head.number.0.into(),
            first: head.first.0.into(),
            last_epoch: head.last.epoch.into(),
            last: head.last.lsn.0.into(),
            last_hash: head.last.hash,
            root: head.root.0,
            blocks: format.hash(&blocks),
            peaks_count: u32::try_from(head.peaks.roots.len()).expect("peaks are few").into(),
            reserved_too: U32::ZERO,
            peaks,
            check: [0; 32],
        };
        layout.check = format.hash(&layout.as_bytes()[..CHECKED_BYTES]);
        [layout.as_bytes(), &blocks].concat()
    }
}

impl TileHead {
    /// The head of a tile's bytes; `None` if they are not that tile of this database, whole.
    pub(super) fn read(bytes: &[u8], number: TileNumber, format: &TileFormat) -> Option<TileHead> {
        let (layout, _) = TileLayout::ref_from_prefix(bytes).ok()?;
        TileHead::of_layout(layout, number, format)
    }

    fn of_layout(layout: &TileLayout, number: TileNumber, format: &TileFormat) -> Option<TileHead> {
        let check = format.hash(layout.as_bytes().get(..CHECKED_BYTES)?);
        let peaks_count = usize::try_from(layout.peaks_count.get()).ok()?;
        let count = number.0.checked_add(1)?;
        let is_it = layout.check == check
            && layout.magic == MAGIC
            && layout.version == VERSION
            && u32::from(layout.tile_level) == format.shape.tile_level
            && u32::from(layout.block_level) == BLOCK_LEVEL
            && layout.birth == format.birth
            && layout.number == number.0
            && u32::try_from(peaks_count) == Ok(count.count_ones());
        if !is_it {
            return None;
        }
        let roots = layout.peaks.get(..peaks_count)?.iter().map(|root| Hash(*root)).collect();
        Some(TileHead {
            number,
            first: Lsn(layout.first.get()),
            last: StreamCursor {
                epoch: layout.last_epoch.get(),
                lsn: Lsn(layout.last.get()),
                hash: layout.last_hash,
            },
            root: Hash(layout.root),
            peaks: Peaks { count, roots },
        })
    }
}

impl Tile {
    /// The tile of a file; `None` if it is not that tile of this database, whole.
    pub(super) fn read(bytes: &[u8], number: TileNumber, format: &TileFormat) -> Option<Tile> {
        let (layout, rest) = TileLayout::ref_from_prefix(bytes).ok()?;
        let head = TileHead::of_layout(layout, number, format)?;
        if format.hash(rest) != layout.blocks {
            return None;
        }
        let layouts = <[BlockLayout]>::ref_from_bytes(rest).ok()?;
        let block = |it: &BlockLayout| Block { first: Lsn(it.first.get()), hash: Hash(it.hash) };
        let blocks: Vec<Block> = layouts.iter().map(block).collect();
        (blocks.len() == format.shape.tile_blocks()).then_some(Tile { head, blocks })
    }
}

fn blocks_bytes(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * BLOCK_BYTES);
    for block in blocks {
        let layout = BlockLayout { first: block.first.0.into(), hash: block.hash.0 };
        bytes.extend_from_slice(layout.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_proof::node_hash;

    const SHAPE: Shape = Shape { tile_level: 9 };

    fn tile() -> Tile {
        let block = |first, byte| Block { first: Lsn(first), hash: Hash([byte; 32]) };
        let peaks = Peaks { count: 2, roots: vec![Hash([9; 32])] };
        let last = StreamCursor { epoch: 7, lsn: Lsn(0x4000), hash: [6; 32] };
        Tile::new(peaks, vec![block(0x1000, 1), block(0x2000, 2)], last)
    }

    /// The file as docs/FORMAT.md draws it, put together by hand.
    fn drawn(hash: impl Fn(&[u8]) -> [u8; 32]) -> Vec<u8> {
        let root = node_hash(&Hash([1; 32]), &Hash([2; 32])).0;
        let blocks =
            [&0x1000_u64.to_le_bytes()[..], &[1; 32], &0x2000_u64.to_le_bytes(), &[2; 32]].concat();
        let head = [
            &b"FLORINTR\x01\0\0\0\x09\x08\0\0"[..],
            &0xabcd_u128.to_le_bytes(),
            &2_u64.to_le_bytes(),
            &0x1000_u64.to_le_bytes(),
            &7_u64.to_le_bytes(),
            &0x4000_u64.to_le_bytes(),
            &[6; 32],
            &root,
            &hash(&blocks),
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[9; 32],
            &root,
            &[0; 38 * 32],
        ]
        .concat();
        [&head[..], &hash(&head), &blocks].concat()
    }

    /// Prevents: files that another version, or another key, takes for its own.
    #[test]
    fn a_tile_has_the_bytes_that_are_drawn_and_is_read_under_its_own_key_alone() {
        let plain = TileFormat { birth: 0xabcd, shape: SHAPE, key: None };
        let keyed = TileFormat { key: Some(Zeroizing::new([5; 32])), ..plain.clone() };
        let other = TileFormat { key: Some(Zeroizing::new([4; 32])), ..plain.clone() };
        let clear = tile().to_bytes(&plain);
        assert_eq!(clear, drawn(|bytes| *blake3::hash(bytes).as_bytes()));
        let sealed = tile().to_bytes(&keyed);
        assert_eq!(sealed, drawn(|bytes| *blake3::keyed_hash(&[5; 32], bytes).as_bytes()));
        let number = TileNumber(2);
        for (bytes, format) in [(&clear, &plain), (&sealed, &keyed)] {
            assert_eq!(Tile::read(bytes, number, format), Some(tile()));
            assert_eq!(TileHead::read(bytes, number, format), Some(tile().head));
            assert_eq!(Tile::read(bytes, TileNumber(3), format), None);
        }
        for (bytes, format) in
            [(&clear, &keyed), (&sealed, &plain), (&sealed, &other), (&clear, &other)]
        {
            assert_eq!(Tile::read(bytes, number, format), None);
            assert_eq!(TileHead::read(bytes, number, format), None);
        }
    }
}
