//! Hashes of the tree: SHA-256, leaves and nodes kept apart by their first byte (RFC 9162, 2.1.1).

use core::fmt;
use sha2::{Digest, Sha256};

/// What comes before the bytes of a leaf.
pub const LEAF_PREFIX: u8 = 0;
/// What comes before the two hashes of a node.
pub const NODE_PREFIX: u8 = 1;

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

/// The hash of a leaf with its prefix already before it: one piece is hashed faster than two.
///
/// # Panics
/// If the first byte is not [`LEAF_PREFIX`].
#[must_use]
pub fn prefixed_leaf_hash(prefixed: &[u8]) -> Hash {
    assert_eq!(prefixed.first(), Some(&LEAF_PREFIX));
    Hash(Sha256::digest(prefixed).into())
}

/// The hash of a node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [NODE_PREFIX; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}
