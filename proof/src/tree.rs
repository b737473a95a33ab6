//! The tree of RFC 9162, 2.1: roots, and paths through it, over whatever knows the hashes of complete
//! subtrees.
//!
//! A tree of n leaves (1 < n) has the largest power of two below n on its left and the rest on its
//! right, and so has each of its parts. So every part is either a **complete subtree** (2^level leaves
//! from a multiple of 2^level on), which never changes once it is there, or lies at the right edge.

use crate::hash::{Hash, empty_root, node_hash};
use core::ops::Range;

/// Leaves that a tree may have: far above any log.
pub const SIZE_MAX: u64 = 1 << 60;

/// Who knows the hashes of complete subtrees.
pub trait Nodes {
    /// Why one can't be told.
    type Error;

    /// The hash of the `index`th subtree of 2^`level` leaves. Level 0: of a leaf.
    ///
    /// # Errors
    /// If it can't be told.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the first `size` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 {
        return Ok(empty_root());
    }
    range_hash(nodes, &(0..size))
}

/// The hashes beside the way from a leaf up to the root of the first `size` leaves, from below
/// (RFC 9162, 2.1.3.1).
///
/// # Errors
/// Those of `nodes`.
///
/// # Panics
/// Unless `index < size <= SIZE_MAX`.
pub fn inclusion_path<N: Nodes>(
    nodes: &mut N,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, N::Error> {
    assert!(index < size);
    assert!(size <= SIZE_MAX);
    let mut path = Vec::new();
    let mut part = 0..size;
    while 1 < part.end - part.start {
        let middle = middle_of(&part);
        let (inside, beside) = if index < middle {
            (part.start..middle, middle..part.end)
        } else {
            (middle..part.end, part.start..middle)
        };
        path.push(range_hash(nodes, &beside)?);
        part = inside;
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show the tree of the first `first` leaves to be the beginning of that of the first
/// `second` (RFC 9162, 2.1.4.1). Empty if they are the same, or if the first is empty.
///
/// # Errors
/// Those of `nodes`.
///
/// # Panics
/// Unless `first <= second <= SIZE_MAX`.
pub fn consistency_path<N: Nodes>(
    nodes: &mut N,
    first: u64,
    second: u64,
) -> Result<Vec<Hash>, N::Error> {
    assert!(first <= second);
    assert!(second <= SIZE_MAX);
    if first == 0 || first == second {
        return Ok(Vec::new());
    }
    let mut path = Vec::new();
    let mut part = 0..second;
    // Down to where the first tree ends; it is known as a whole there if it was never left behind.
    let mut is_whole = true;
    while part.end != first {
        let middle = middle_of(&part);
        if first <= middle {
            path.push(range_hash(nodes, &(middle..part.end))?);
            part.end = middle;
        } else {
            path.push(range_hash(nodes, &(part.start..middle))?);
            part.start = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        path.push(range_hash(nodes, &part)?);
    }
    path.reverse();
    Ok(path)
}

/// The hash of a part: leaves from the start of a complete subtree on.
fn range_hash<N: Nodes>(nodes: &mut N, part: &Range<u64>) -> Result<Hash, N::Error> {
    let leaves_count = part.end - part.start;
    assert!(0 < leaves_count);
    if leaves_count.is_power_of_two() {
        let level = leaves_count.trailing_zeros();
        assert!(part.start.is_multiple_of(leaves_count), "a complete subtree is aligned");
        return nodes.node(level, part.start >> level);
    }
    let middle = middle_of(part);
    let left = range_hash(nodes, &(part.start..middle))?;
    let right = range_hash(nodes, &(middle..part.end))?;
    Ok(node_hash(&left, &right))
}

/// Where the left side of a part of at least two leaves ends.
fn middle_of(part: &Range<u64>) -> u64 {
    let leaves_count = part.end - part.start;
    part.start + (1 << (leaves_count - 1).ilog2())
}

/// The root of 2^level hashes on end.
///
/// # Panics
/// Unless their number is a power of two.
#[must_use]
pub fn root_of_complete(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two());
    let mut level = hashes.to_vec();
    while 1 < level.len() {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level[0]
}
