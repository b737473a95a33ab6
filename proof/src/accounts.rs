//! The tree of all accounts (RFC 9162, as [`crate::tree`]) as of one position of the log. Leaves are in order of
//! ids, each once. Hashes of fewer than 32 leaves are not kept, but at the right edge: whoever makes a path brings
//! the leaves of its block, and is told whether they are those that the tree was made of.

use crate::account::AccountLeaf;
use crate::hash::Hash;
use crate::tree::{Nodes, inclusion_path, root, root_of_complete};
use core::convert::Infallible;
use core::ops::Range;
use florin_ledger::AccountId;

/// Leaves of a block.
pub const BLOCK_LEAVES: usize = 32;
const BLOCK_LEVEL: u32 = BLOCK_LEAVES.trailing_zeros();

/// The tree. Protocol: every leaf is pushed, then it is asked. A byte of memory a leaf.
#[derive(Clone, Debug, Default)]
pub struct AccountTree {
    /// Roots of the blocks that are full.
    blocks: Vec<Hash>,
    /// Hashes of the leaves behind them.
    edge: Vec<Hash>,
    last: Option<AccountId>,
}

impl AccountTree {
    /// Puts the next account in.
    ///
    /// # Panics
    /// Unless its id is larger than those of all before it.
    pub fn push(&mut self, leaf: &AccountLeaf) {
        assert!(self.last.is_none_or(|last| last < leaf.id), "accounts are in order of ids");
        self.last = Some(leaf.id);
        self.edge.push(leaf.hash());
        if self.edge.len() == BLOCK_LEAVES {
            self.blocks.push(root_of_complete(&self.edge));
            self.edge.clear();
        }
    }

    /// Leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        wide(self.blocks.len() * BLOCK_LEAVES + self.edge.len())
    }

    /// The root. O(leaves / 32).
    #[must_use]
    pub fn root(&self) -> Hash {
        let Ok(root) = root(&mut Above { tree: self, block: 0, leaves: &[] }, self.size());
        root
    }

    /// The leaves that lie in the block of one of them.
    ///
    /// # Panics
    /// If the tree has no such leaf.
    #[must_use]
    pub fn block_of(&self, index: u64) -> Range<u64> {
        assert!(index < self.size());
        let start = index & !(wide(BLOCK_LEAVES) - 1);
        start..self.size().min(start + wide(BLOCK_LEAVES))
    }

    /// The hashes beside the way from a leaf up to the root, from below; `None` if `leaves` are not those of its
    /// block ([`AccountTree::block_of`]), as the tree was made of them. O(leaves / 32).
    ///
    /// # Panics
    /// If the tree has no such leaf.
    #[must_use]
    pub fn path(&self, index: u64, leaves: &[AccountLeaf]) -> Option<Vec<Hash>> {
        let start = self.block_of(index).start;
        let block = usize::try_from(start).expect("a tree is in memory") / BLOCK_LEAVES;
        let leaves: Vec<Hash> = leaves.iter().map(AccountLeaf::hash).collect();
        let is_it = match self.blocks.get(block) {
            Some(root) => leaves.len() == BLOCK_LEAVES && root_of_complete(&leaves) == *root,
            None => leaves == self.edge,
        };
        if !is_it {
            return None;
        }
        let mut above = Above { tree: self, block, leaves: &leaves };
        let Ok(path) = inclusion_path(&mut above, index, self.size());
        Some(path)
    }
}

/// The hashes of a tree, the leaves of one block among them.
struct Above<'a> {
    tree: &'a AccountTree,
    block: usize,
    leaves: &'a [Hash],
}

impl Nodes for Above<'_> {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        let first = usize::try_from(index << level).expect("a tree is in memory");
        let hashes = match level.checked_sub(BLOCK_LEVEL) {
            Some(height) => {
                let first = first / BLOCK_LEAVES;
                &self.tree.blocks[first..first + (1 << height)]
            }
            None => {
                let block = first / BLOCK_LEAVES;
                let is_edge = block == self.tree.blocks.len();
                let leaves = if is_edge { &self.tree.edge[..] } else { self.leaves };
                assert!(
                    is_edge || block == self.block,
                    "paths and roots need no other block's leaves"
                );
                let first = first % BLOCK_LEAVES;
                &leaves[first..first + (1 << level)]
            }
        };
        Ok(root_of_complete(hashes))
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("a tree is in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountState;
    use crate::path::root_of_inclusion;
    use crate::tree::Nodes;
    use florin_ledger::record::Balances;
    use florin_ledger::{LedgerId, Lsn};

    struct All(Vec<Hash>);

    impl Nodes for All {
        type Error = Infallible;

        fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
            let first = usize::try_from(index << level).unwrap_or_default();
            Ok(root_of_complete(&self.0[first..first + (1 << level)]))
        }
    }

    fn leaves(count: u128) -> Vec<AccountLeaf> {
        let state = AccountState {
            ledger: LedgerId(978),
            balances: Balances::default(),
            last_posting: Lsn::NONE,
        };
        (1..=count).map(|id| state.leaf(AccountId(id * 3))).collect()
    }

    /// Prevents: a tree that is right only where blocks end.
    #[test]
    fn it_is_the_tree_of_all_its_leaves_at_every_size() {
        for count in [0, 1, 2, 31, 32, 33, 63, 64, 65, 96, 100, 127, 128, 129, 160, 161] {
            let leaves = leaves(count);
            let mut tree = AccountTree::default();
            leaves.iter().for_each(|leaf| tree.push(leaf));
            let mut all = All(leaves.iter().map(AccountLeaf::hash).collect());
            let size = wide(leaves.len());
            let Ok(expected) = root(&mut all, size);
            assert_eq!((tree.size(), tree.root()), (size, expected), "{count}");
            for (index, leaf) in (0..).zip(&leaves) {
                let block = tree.block_of(index);
                let of_block: Vec<AccountLeaf> = (0..)
                    .zip(&leaves)
                    .filter(|(at, _)| block.contains(at))
                    .map(|(_, leaf)| *leaf)
                    .collect();
                let path = tree.path(index, &of_block).unwrap_or_default();
                let Ok(expected_path) = inclusion_path(&mut all, index, size);
                assert_eq!(path, expected_path, "{index} of {count}");
                assert_eq!(root_of_inclusion(leaf.hash(), index, size, &path), Some(expected));
                let mut others = of_block.clone();
                others[0].state.0[0] ^= 1;
                assert_eq!(tree.path(index, &others), None);
                assert_eq!(tree.path(index, &of_block[1..]), None);
            }
        }
    }
}
