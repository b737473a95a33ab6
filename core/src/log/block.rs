//! A block: the unit of checking, and of sealing once encryption is on. A block is a header of 176
//! bytes and a body of records back to back, filled with zeros to a multiple of 16 bytes.
//!
//! ```text
//! offset  bytes  field
//!      0      4  magic, "FBLK"
//!      4      4  block bytes, header and filling included
//!      8      8  own lsn
//!     16      8  lsn of the frame's first block
//!     24      8  sequence number of the frame
//!     32      8  timestamp of the frame
//!     40      8  epoch
//!     48      8  position known durable when the frame was stamped
//!     56      4  place of the block in its frame, from 0
//!     60      4  flags: 1 = the frame's last block
//!     64      4  records in this block
//!     68     12  reserved, zero
//!     80     16  seal of the body by AES-256-GCM; zero in a segment that is not sealed
//!     96     32  BLAKE3 of the body as stored, filling included
//!    128     32  chain: BLAKE3 of bytes 0..160 of the block before, zeros before the first
//!    160     16  tag: the first 16 bytes of BLAKE3 of bytes 0..160, keyed with the segment's key
//! ```
//! All little-endian. The tag is keyed with a random key that clients never see, so no stored
//! document can imitate a block.
//!
//! Sealed, the body is encrypted as a whole, filling included, under its position as the nonce; the
//! seal also covers bytes 0..80 and the chain, so it opens in this place of this history alone.

use crate::log::error::Damage;
use crate::log::geometry::BLOCK_ALIGNMENT;
use crate::sealing::Seal;
use florin_ledger::{Lsn, Timestamp};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a block's header.
pub const BLOCK_HEADER_BYTES: usize = 176;
/// The first bytes of every block: "FBLK".
pub const BLOCK_MAGIC: [u8; 4] = *b"FBLK";
/// Bytes of the header that the chain and the tag cover.
const CHAINED_BYTES: usize = 160;
/// Bytes of the header, from its start, that the seal covers.
const SEALED_BYTES: usize = 80;
/// Bytes of what the seal covers beside the body: those, and the chain.
pub const CONTEXT_BYTES: usize = SEALED_BYTES + 32;
const FLAG_LAST: u32 = 1;

/// A block's header as 176 bytes; drawn at the top of this file.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderLayout {
    magic: [u8; 4],
    block_bytes: U32,
    lsn: U64,
    frame_lsn: U64,
    sequence: U64,
    timestamp: U64,
    epoch: U64,
    durable: U64,
    index: U32,
    flags: U32,
    records_count: U32,
    reserved: [u8; 12],
    seal: [u8; 16],
    body: [u8; 32],
    chain: [u8; 32],
    tag: [u8; 16],
}

const _: () = assert!(size_of::<HeaderLayout>() == BLOCK_HEADER_BYTES);
const _: () = assert!(std::mem::offset_of!(HeaderLayout, tag) == CHAINED_BYTES);
const _: () = assert!(std::mem::offset_of!(HeaderLayout, seal) == SEALED_BYTES);

/// The secret of a segment that its block tags are keyed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeaderKey(pub [u8; 32]);

impl std::fmt::Debug for HeaderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeaderKey(secret)")
    }
}

/// What a block says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockHeader {
    /// Its bytes, header and filling included.
    pub block_bytes: u32,
    /// Where it is.
    pub lsn: Lsn,
    /// Where its frame starts.
    pub frame_lsn: Lsn,
    /// Its frame's place among all frames, from 1.
    pub sequence: u64,
    /// What ticks of its frame count from.
    pub timestamp: Timestamp,
    /// The opening that wrote it.
    pub epoch: u64,
    /// The end of a frame before it, everything up to which was durable when it was stamped.
    pub durable: Lsn,
    /// Its place in its frame, from 0.
    pub index: u32,
    /// Whether it is the last of its frame.
    pub last: bool,
    /// Records in its body.
    pub records_count: u32,
    /// The seal of its body; zero where nothing is sealed.
    pub seal: Seal,
    /// BLAKE3 of its body as stored.
    pub body: [u8; 32],
    /// The hash of the block before it.
    pub chain: [u8; 32],
}

impl BlockHeader {
    /// The first position after the block.
    #[must_use]
    pub fn end(&self) -> Lsn {
        Lsn(self.lsn.0.saturating_add(u64::from(self.block_bytes)))
    }

    /// Writes the header, tagged, at the start of `block`; returns the chain hash after it.
    ///
    /// # Panics
    /// If `block` is not a whole block of the length that the header says.
    pub fn write(&self, key: &HeaderKey, block: &mut [u8]) -> [u8; 32] {
        assert_eq!(u32::try_from(block.len()), Ok(self.block_bytes));
        assert!(self.durable <= self.frame_lsn, "a block cannot know of what comes after it");
        let mut layout = self.layout();
        let (chained, _) = layout.as_bytes().split_at(CHAINED_BYTES);
        let chain = *blake3::hash(chained).as_bytes();
        layout.tag = tag(key, chained);
        layout.write_to_prefix(block).expect("a block holds its header");
        chain
    }

    /// What the seal covers beside the body, known before there is a seal.
    #[must_use]
    pub fn context(&self) -> [u8; CONTEXT_BYTES] {
        let layout = self.layout();
        let (sealed, _) = layout.as_bytes().split_at(SEALED_BYTES);
        let mut context = [0; CONTEXT_BYTES];
        context[..SEALED_BYTES].copy_from_slice(sealed);
        context[SEALED_BYTES..].copy_from_slice(&self.chain);
        context
    }

    /// The header without its tag.
    fn layout(&self) -> HeaderLayout {
        HeaderLayout {
            magic: BLOCK_MAGIC,
            block_bytes: self.block_bytes.into(),
            lsn: self.lsn.0.into(),
            frame_lsn: self.frame_lsn.0.into(),
            sequence: self.sequence.into(),
            timestamp: self.timestamp.0.into(),
            epoch: self.epoch.into(),
            durable: self.durable.0.into(),
            index: self.index.into(),
            flags: if self.last { FLAG_LAST } else { 0 }.into(),
            records_count: self.records_count.into(),
            reserved: [0; 12],
            seal: self.seal,
            body: self.body,
            chain: self.chain,
            tag: [0; 16],
        }
    }

    /// Reads and checks the header at the start of `bytes`, which reach to the end of the cell.
    /// The body is checked by [`BlockHeader::body_is_whole`]; whether there may be a seal, the
    /// segment knows ([`crate::log::segment::SegmentHeader::block`]).
    ///
    /// # Errors
    /// [`Damage::NoBlock`] without the magic, [`Damage::BlockHeader`] if anything else is wrong.
    pub fn read(bytes: &[u8], lsn: Lsn, key: &HeaderKey) -> Result<BlockHeader, Damage> {
        let (layout, _) = HeaderLayout::ref_from_prefix(bytes).map_err(|_| Damage::NoBlock)?;
        if layout.magic != BLOCK_MAGIC {
            return Err(Damage::NoBlock);
        }
        let (chained, _) = layout.as_bytes().split_at(CHAINED_BYTES);
        if layout.tag != tag(key, chained) || layout.lsn.get() != lsn.0 {
            return Err(Damage::BlockHeader);
        }
        let header = BlockHeader {
            block_bytes: layout.block_bytes.get(),
            lsn,
            frame_lsn: Lsn(layout.frame_lsn.get()),
            sequence: layout.sequence.get(),
            timestamp: Timestamp(layout.timestamp.get()),
            epoch: layout.epoch.get(),
            durable: Lsn(layout.durable.get()),
            index: layout.index.get(),
            last: layout.flags.get() == FLAG_LAST,
            records_count: layout.records_count.get(),
            seal: layout.seal,
            body: layout.body,
            chain: layout.chain,
        };
        let block_bytes = usize::try_from(header.block_bytes).map_err(|_| Damage::BlockHeader)?;
        let possible = (BLOCK_HEADER_BYTES..=bytes.len()).contains(&block_bytes)
            && u64::from(header.block_bytes).is_multiple_of(BLOCK_ALIGNMENT)
            && layout.flags.get() <= FLAG_LAST
            && layout.reserved == [0; 12]
            && header.frame_lsn <= lsn
            && header.durable <= header.frame_lsn
            && header.timestamp <= Timestamp::MAX;
        if possible { Ok(header) } else { Err(Damage::BlockHeader) }
    }

    /// Whether these are the bytes of the body that was written.
    #[must_use]
    pub fn body_is_whole(&self, body: &[u8]) -> bool {
        *blake3::hash(body).as_bytes() == self.body
    }

    /// The body within a block of the length that the header says; `None` if `block` is shorter.
    #[must_use]
    pub fn body_of<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        block.get(BLOCK_HEADER_BYTES..usize::try_from(self.block_bytes).ok()?)
    }
}

/// The chain hash after a block: what the next block must hold.
#[must_use]
pub fn chain_after(block: &[u8]) -> Option<[u8; 32]> {
    Some(*blake3::hash(block.get(..CHAINED_BYTES)?).as_bytes())
}

fn tag(key: &HeaderKey, chained: &[u8]) -> [u8; 16] {
    let hash = blake3::keyed_hash(&key.0, chained);
    let (tag, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    *tag
}
