//! How the contents of a segment are stored. Of an encrypted database as they are: they are sealed
//! already. Of any other sealed under the backup's own key:
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINBO"
//!      8      4  version, 1
//!     12      4  zero
//!     16      8  bytes of the contents
//!     24     32  salt: BLAKE3 of the contents
//!     56      …  the contents in pieces of 1 MiB, the last one shorter: each sealed, then its seal (16)
//! ```
//! All little-endian. The key of an object follows from the backup's key and the salt, so nothing else is
//! ever sealed under it, and the same contents are stored as the same bytes. A piece's number is its nonce;
//! its seal covers the 56 bytes before, too.

use crate::sealing::{DatabaseKey, SEAL_BYTES, Seal, SealingKey};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINBO";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 56;
const PIECE_BYTES: usize = 1 << 20;
/// What the keys of objects are derived for.
const PURPOSE: &[u8] = b"florin backup object";

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    zero: U32,
    content_bytes: U64,
    salt: [u8; 32],
}

const _: () = assert!(size_of::<HeadLayout>() == HEAD_BYTES);
// Fault 38: no store asks for an object in parts before 5 GB.
const _: () = assert!(crate::log::geometry::SEGMENT_BYTES_MAX <= 2 << 30);

/// The contents as they are stored.
#[must_use]
pub fn sealed(content: &[u8], key: &DatabaseKey) -> Vec<u8> {
    let head = HeadLayout {
        magic: MAGIC,
        version: VERSION.into(),
        zero: 0.into(),
        content_bytes: u64::try_from(content.len()).expect("it is in memory").into(),
        salt: *blake3::hash(content).as_bytes(),
    };
    let sealing = sealing_key(key, &head);
    let pieces = content.len().div_ceil(PIECE_BYTES);
    let mut stored = Vec::with_capacity(HEAD_BYTES + content.len() + pieces * SEAL_BYTES);
    stored.extend_from_slice(head.as_bytes());
    for (number, piece) in (0..).zip(content.chunks(PIECE_BYTES)) {
        let start = stored.len();
        stored.extend_from_slice(piece);
        let seal = sealing.seal(number, head.as_bytes(), &mut stored[start..]);
        stored.extend_from_slice(&seal);
    }
    stored
}

/// The contents of what was stored; `None` if it was not sealed under this key, or was altered.
#[must_use]
pub fn opened(stored: &[u8], key: &DatabaseKey) -> Option<Vec<u8>> {
    let (head, pieces) = HeadLayout::ref_from_prefix(stored).ok()?;
    if head.magic != MAGIC || head.version.get() != VERSION || head.zero.get() != 0 {
        return None;
    }
    let sealing = sealing_key(key, head);
    let mut content = Vec::with_capacity(pieces.len());
    for (number, piece) in (0..).zip(pieces.chunks(PIECE_BYTES + SEAL_BYTES)) {
        let (piece, seal) = piece.split_last_chunk::<SEAL_BYTES>()?;
        let seal: &Seal = seal;
        let start = content.len();
        content.extend_from_slice(piece);
        if !sealing.open(number, head.as_bytes(), seal, &mut content[start..]) {
            return None;
        }
    }
    (u64::try_from(content.len()) == Ok(head.content_bytes.get())).then_some(content)
}

fn sealing_key(key: &DatabaseKey, head: &HeadLayout) -> SealingKey {
    key.sealing_key(PURPOSE, &head.salt)
}
