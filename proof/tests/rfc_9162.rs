//! The tree is that of RFC 9162: what would go wrong without it is that nobody else's verifier agrees.

use florin_proof::hash::empty_root;
use florin_proof::path::{is_consistent, root_of_inclusion};
use florin_proof::tree::{Nodes, consistency_path, inclusion_path, root};
use florin_proof::{Hash, leaf_hash, node_hash};
use std::convert::Infallible;

/// RFC 9162, 2.1.1, word by word.
fn mth(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => leaf_hash(leaf),
        _ => {
            let k = largest_power_of_two_below(leaves.len());
            node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

/// RFC 9162, 2.1.3.1.
fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = largest_power_of_two_below(leaves.len());
    let (mut found, beside) = if m < k {
        (path(m, &leaves[..k]), mth(&leaves[k..]))
    } else {
        (path(m - k, &leaves[k..]), mth(&leaves[..k]))
    };
    found.push(beside);
    found
}

/// RFC 9162, 2.1.4.1: SUBPROOF.
fn subproof(m: usize, leaves: &[Vec<u8>], is_whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if is_whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = largest_power_of_two_below(leaves.len());
    let (mut found, beside) = if m <= k {
        (subproof(m, &leaves[..k], is_whole), mth(&leaves[k..]))
    } else {
        (subproof(m - k, &leaves[k..], false), mth(&leaves[..k]))
    };
    found.push(beside);
    found
}

fn largest_power_of_two_below(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// Complete subtrees, from leaves in memory, once each.
struct Complete(Vec<Vec<Hash>>);

impl Complete {
    fn new(leaves: &[Vec<u8>]) -> Complete {
        let mut levels = vec![leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<Hash>>()];
        while 1 < levels.last().map_or(0, Vec::len) {
            let (pairs, _) = levels[levels.len() - 1].as_chunks::<2>();
            let level = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
            levels.push(level);
        }
        Complete(levels)
    }
}

impl Nodes for Complete {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::try_from(level).expect("a small number")]
            [usize::try_from(index).expect("a small number")])
    }
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("leaf {number}").into_bytes()).collect()
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("a small number")
}

const SIZE_MAX: usize = 300;

#[test]
fn every_leaf_of_every_size_is_proved_as_the_rfc_says() {
    let leaves = leaves(SIZE_MAX);
    for size in 0..=SIZE_MAX {
        let mut nodes = Complete::new(&leaves[..size]);
        let Ok(root) = root(&mut nodes, wide(size));
        assert_eq!(root, mth(&leaves[..size]), "{size}");
        for index in 0..size {
            let Ok(made) = inclusion_path(&mut nodes, wide(index), wide(size));
            // The naive path costs O(size): all leaves of some sizes, some leaves of all.
            if size <= 70 || index % 37 == size % 37 {
                assert_eq!(made, path(index, &leaves[..size]), "{index} of {size}");
            }
            let leaf = leaf_hash(&leaves[index]);
            let up = |leaf, index, size, path: &[Hash]| {
                root_of_inclusion(leaf, wide(index), wide(size), path)
            };
            assert_eq!(up(leaf, index, size, &made), Some(root), "{index} of {size}");
            // No other place, size, length, or leaf.
            for other in [index.wrapping_sub(1), index + 1, index ^ 2, size - 1 - index] {
                if other != index && other < size {
                    assert_ne!(up(leaf, other, size, &made), Some(root), "{index} as {other}");
                }
            }
            assert_ne!(up(leaf_hash(b"other"), index, size, &made), Some(root));
            let mut longer = made.clone();
            longer.push(root);
            assert_ne!(up(leaf, index, size, &longer), Some(root));
            if let Some((_, shorter)) = made.split_last() {
                assert_ne!(up(leaf, index, size, shorter), Some(root));
            }
        }
        assert_eq!(root_of_inclusion(leaf_hash(b""), wide(size), wide(size), &[]), None);
    }
}

#[test]
fn every_pair_of_sizes_is_consistent_as_the_rfc_says() {
    let leaves = leaves(SIZE_MAX);
    let mut nodes = Complete::new(&leaves);
    let roots: Vec<Hash> = (0..=SIZE_MAX)
        .map(|size| {
            let Ok(root) = root(&mut nodes, wide(size));
            root
        })
        .collect();
    for second in 1..=SIZE_MAX {
        for first in 1..=second {
            let Ok(made) = consistency_path(&mut nodes, wide(first), wide(second));
            if second <= 64 || first % 41 == second % 41 {
                assert_eq!(made, subproof(first, &leaves[..second], true), "{first} {second}");
            }
            let of = |size: usize| (wide(size), roots[size]);
            assert!(is_consistent(of(first), of(second), &made), "{first} {second}");
            // Fault 55: another history of the same sizes.
            let other = leaf_hash(b"another history");
            assert!(!is_consistent((wide(first), other), of(second), &made));
            assert!(!is_consistent(of(first), (wide(second), other), &made));
            if first < second {
                assert!(!is_consistent(of(first), of(second), &[]));
                assert!(!is_consistent(of(second), of(first), &made));
                let mut longer = made.clone();
                longer.push(other);
                assert!(!is_consistent(of(first), of(second), &longer));
                let mut changed = made.clone();
                let place = first % changed.len();
                changed[place].0[0] ^= 1;
                assert!(!is_consistent(of(first), of(second), &changed), "{first} {second}");
            }
        }
    }
}

/// Those of the Certificate Transparency reference implementation (merkle_tree_test.cc), which RFC 6962 and
/// RFC 9162 have in common.
#[test]
fn known_trees_have_their_known_roots() {
    let inputs: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<Vec<u8>> = inputs.iter().map(|input| input.to_vec()).collect();
    assert_eq!(
        empty_root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (size, expected) in (1..).zip(roots) {
        let mut nodes = Complete::new(&leaves[..size]);
        let Ok(root) = root(&mut nodes, wide(size));
        assert_eq!(root.to_string(), expected, "{size}");
    }
}
