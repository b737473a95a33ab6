//! Proofs of what a ledger has recorded, and how they are verified: bytes in, values out. No files, no
//! sockets, no clock, so that a verifier needs nothing but this and a public key.
//!
//! Reading order: [`leaf`] is a record as whoever holds a proof sees it; [`tree`] puts leaves into a
//! Merkle tree (RFC 9162) and makes paths through it; [`path`] verifies them, by other code; [`head`] is
//! a signed statement about the whole tree, [`cosigned`] one that several have signed; [`inclusion`],
//! [`consistency`] and [`receipt`] are the other files that leave the bank; [`key`] signs them. [`account`] is an
//! account as a leaf of the tree of all [`accounts`], [`capture`] the record that has its root, and [`balance`] the
//! file that proves a balance by both.
//! docs/FORMAT.md draws every byte, under "Proofs".
//!
//! - Every byte of a file is covered by a signature, by a hash that is, or by having one encoding only:
//!   whatever is changed is refused.
//! - Decoders are total: any bytes are answered, with the offset where they stop being a proof.
#![forbid(unsafe_code)]

pub mod account;
pub mod accounts;
pub mod balance;
pub mod capture;
pub mod consistency;
pub mod cosigned;
pub mod error;
pub mod hash;
pub mod head;
pub mod inclusion;
pub mod key;
pub mod leaf;
pub mod path;
mod reader;
pub mod receipt;
pub mod tree;

pub use account::{AccountLeaf, AccountState};
pub use accounts::AccountTree;
pub use balance::BalanceProof;
pub use capture::Capture;
pub use consistency::ConsistencyProof;
pub use cosigned::{Cosignature, CosignedHead};
pub use error::{Flaw, ProofError};
pub use hash::{Hash, leaf_hash, node_hash};
pub use head::{SignedHead, TreeHead};
pub use inclusion::InclusionProof;
pub use key::{PublicKey, Signature, SigningKey};
pub use leaf::Leaf;
pub use receipt::{Receipt, SignedReceipt};
