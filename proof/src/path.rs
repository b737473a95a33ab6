//! Verifying paths, as RFC 9162 says it (2.1.3.2 and 2.1.4.2): by walking up the bits of an index, with
//! nothing of the code that makes them.

use crate::hash::{Hash, node_hash};
use crate::tree::SIZE_MAX;

/// The root to which a leaf leads at a place of a tree of so many leaves; `None` if no path of these
/// lengths can be.
#[must_use]
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if size <= index || SIZE_MAX < size {
        return None;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for beside in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(beside, &hash);
            // Levels at which the right edge has nothing beside it.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether a path shows the tree of the first root to be the beginning of that of the second.
#[must_use]
pub fn is_consistent(
    (first_size, first_root): (u64, Hash),
    (second_size, second_root): (u64, Hash),
    path: &[Hash],
) -> bool {
    if first_size == 0 || second_size < first_size || SIZE_MAX < second_size {
        return false;
    }
    if first_size == second_size {
        return path.is_empty() && first_root == second_root;
    }
    let mut rest = path.iter();
    // A complete first tree is itself the first hash of the path, and is not sent.
    let seed = if first_size.is_power_of_two() { Some(&first_root) } else { rest.next() };
    let Some(seed) = seed else { return false };
    let (mut node, mut last) = (first_size - 1, second_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut first, mut second) = (*seed, *seed);
    for beside in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            first = node_hash(beside, &first);
            second = node_hash(beside, &second);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            second = node_hash(&second, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && first == first_root && second == second_root
}
