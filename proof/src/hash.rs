//! Hashes of the tree: SHA-256, leaves and nodes kept apart by their first byte (RFC 9162, 2.1.1).
//!
//! A tree hashes millions of short messages a second. What is known to be short is padded here and handed
//! over in blocks; a hasher that takes pieces of any length costs a quarter more.

use core::fmt;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// What comes before the bytes of a leaf.
pub const LEAF_PREFIX: u8 = 0;
/// What comes before the two hashes of a node.
pub const NODE_PREFIX: u8 = 1;

const BLOCK_BYTES: usize = 64;
/// What SHA-256 begins with (FIPS 180-4, 5.3.3).
const BEGINNING: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// Bits of what is hashed for a node.
const NODE_BITS: u64 = (1 + 2 * 32) * 8;

/// A hash of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The hash of a leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([LEAF_PREFIX]);
    hasher.update(leaf);
    Hash(hasher.finalize().into())
}

/// The hash of a leaf with its prefix already before it. Its memory is used for the padding, and left as it
/// was.
///
/// # Panics
/// If the first byte is not [`LEAF_PREFIX`].
#[must_use]
pub fn prefixed_leaf_hash(prefixed: &mut Vec<u8>) -> Hash {
    assert_eq!(prefixed.first(), Some(&LEAF_PREFIX));
    let length = prefixed.len();
    let bits = u64::try_from(length).expect("a leaf is in memory") * 8;
    let padded = (length + 1 + size_of::<u64>()).next_multiple_of(BLOCK_BYTES);
    prefixed.push(0x80);
    prefixed.resize(padded - size_of::<u64>(), 0);
    prefixed.extend_from_slice(&bits.to_be_bytes());
    let hash = hash_of_blocks(prefixed);
    prefixed.truncate(length);
    hash
}

/// The hash of a node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut padded = [0; 2 * BLOCK_BYTES];
    padded[0] = NODE_PREFIX;
    padded[1..33].copy_from_slice(&left.0);
    padded[33..65].copy_from_slice(&right.0);
    padded[65] = 0x80;
    padded[120..].copy_from_slice(&NODE_BITS.to_be_bytes());
    hash_of_blocks(&padded)
}

/// The hash of what fills a block and needs a second one: of 56 to 119 bytes, in parts.
///
/// # Panics
/// On any other length.
pub(crate) fn hash_of_two_blocks(parts: &[&[u8]]) -> Hash {
    let mut padded = [0; 2 * BLOCK_BYTES];
    let mut length = 0;
    for part in parts {
        padded[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    }
    assert!(BLOCK_BYTES - 9 < length && length <= 2 * BLOCK_BYTES - 9);
    padded[length] = 0x80;
    let bits = u64::try_from(length).expect("two blocks at most") * 8;
    padded[2 * BLOCK_BYTES - 8..].copy_from_slice(&bits.to_be_bytes());
    hash_of_blocks(&padded)
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

fn hash_of_blocks(padded: &[u8]) -> Hash {
    let (blocks, rest) = padded.as_chunks::<BLOCK_BYTES>();
    assert!(rest.is_empty());
    let mut state = BEGINNING;
    compress256(&mut state, blocks);
    let mut hash = [0; 32];
    let (words, _) = hash.as_chunks_mut::<4>();
    for (bytes, word) in words.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    Hash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a padding of our own that is wrong at some length.
    #[test]
    fn padding_is_that_of_sha_256_at_every_length() {
        for length in 0..400_u16 {
            let leaf: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
            let mut prefixed = [&[LEAF_PREFIX], &leaf[..]].concat();
            let expected = Hash(Sha256::digest(&prefixed).into());
            assert_eq!(prefixed_leaf_hash(&mut prefixed), expected, "{length}");
            assert_eq!(prefixed[1..], leaf);
            assert_eq!(leaf_hash(&leaf), expected);
        }
        for length in 56..120 {
            let bytes = vec![7; length];
            let expected = Hash(Sha256::digest(&bytes).into());
            assert_eq!(hash_of_two_blocks(&[&bytes[..20], &bytes[20..]]), expected, "{length}");
        }
        let (left, right) = (Hash([3; 32]), Hash([200; 32]));
        let whole = [&[NODE_PREFIX], &left.0[..], &right.0].concat();
        assert_eq!(node_hash(&left, &right), Hash(Sha256::digest(whole).into()));
    }
}
