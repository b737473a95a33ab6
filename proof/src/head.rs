//! A tree head: one statement about everything that is recorded up to a place, signed.
//!
//! ```text
//! head:   offset  bytes  field
//!              0      8  magic, "FLORINTH"
//!              8      4  version, 1
//!             12      4  reserved, zero
//!             16     16  birth: names the database and its tree
//!             32     16  life: the incarnation of the database when the last leaf was recorded
//!             48      8  epoch of the last leaf
//!             56      8  leaves of the tree, 1 to 2^60
//!             64      8  lsn: end of the frame of the last leaf
//!             72      8  recorded time of the last leaf
//!             80     32  chain hash of the log at that lsn (BLAKE3)
//!            112     32  root of the tree (SHA-256)
//! signed: offset  bytes  field
//!              0    144  head
//!            144     32  public key
//!            176     64  ed25519 signature of bytes 0 to 143
//! ```
//! All little-endian. A tree has heads where frames end, and in one life of each size only one: everything in
//! it follows from the log, so whoever has the same log states the same, and signs the same bytes. A restored
//! bank is another life of the same log: up to where it was restored to, the old life's heads are its own.
//! Whoever holds two heads of one birth, life and size that differ holds a broken word.

use crate::error::{Flaw, ProofError};
use crate::hash::Hash;
use crate::key::{PublicKey, SigningKey};
use crate::reader::Reader;
use crate::tree::SIZE_MAX;
use florin_ledger::record::LifeRecord;
use florin_ledger::{Lsn, Timestamp};
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a head.
pub const HEAD_BYTES: usize = 144;
/// Bytes of a signed head.
pub const SIGNED_HEAD_BYTES: usize = 240;
const MAGIC: [u8; 8] = *b"FLORINTH";
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    reserved: U32,
    birth: U128,
    life: U128,
    epoch: U64,
    size: U64,
    lsn: U64,
    time: U64,
    chain: [u8; 32],
    root: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SignatureLayout {
    key: [u8; 32],
    signature: [u8; 64],
}

const _: () = assert!(size_of::<HeadLayout>() == HEAD_BYTES);
const _: () = assert!(HEAD_BYTES + size_of::<SignatureLayout>() == SIGNED_HEAD_BYTES);

/// What a tree of some size comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeHead {
    /// Names the database and its tree, through all its lives.
    pub birth: u128,
    /// The incarnation that the database had when the last leaf was recorded: until the first restore its birth.
    pub life: u128,
    /// The opening that wrote the last leaf.
    pub epoch: u64,
    /// Leaves.
    pub size: u64,
    /// The end of the frame of the last leaf.
    pub lsn: Lsn,
    /// When the last leaf was recorded.
    pub time: Timestamp,
    /// The log's chain hash at `lsn`.
    pub chain: [u8; 32],
    /// The root.
    pub root: Hash,
}

/// A head, and whose word it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedHead {
    /// What is stated.
    pub head: TreeHead,
    /// By whom.
    pub key: PublicKey,
    /// Of the head's bytes.
    pub signature: [u8; 64],
}

/// Whether two lives, each with one of its epochs, may be those of one log: the same life for epochs of one,
/// another for epochs of another.
pub(crate) fn are_of_lives(first: (u128, u64), second: (u128, u64)) -> bool {
    let is_one = LifeRecord::number_of(first.1) == LifeRecord::number_of(second.1);
    is_one == (first.0 == second.0)
}

impl TreeHead {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEAD_BYTES] {
        zerocopy::transmute!(self.layout())
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedHead {
        SignedHead { head: *self, key: key.public(), signature: key.sign(&self.to_bytes()) }
    }

    pub(crate) fn take(reader: &mut Reader<'_>) -> Result<TreeHead, ProofError> {
        let start = reader.offset();
        let head = reader.take::<HeadLayout>()?;
        let wrong = |offset, flaw| Err(ProofError::new(offset, flaw).after(start));
        if head.magic != MAGIC {
            return wrong(0, Flaw::Magic);
        }
        if head.version != VERSION {
            return wrong(8, Flaw::Version);
        }
        if head.reserved != U32::ZERO {
            return wrong(12, Flaw::NotZero);
        }
        if !(1..=SIZE_MAX).contains(&head.size.get()) {
            return wrong(56, Flaw::Number);
        }
        Ok(TreeHead {
            birth: head.birth.get(),
            life: head.life.get(),
            epoch: head.epoch.get(),
            size: head.size.get(),
            lsn: Lsn(head.lsn.get()),
            time: Timestamp(head.time.get()),
            chain: head.chain,
            root: Hash(head.root),
        })
    }

    fn layout(&self) -> HeadLayout {
        HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            reserved: U32::ZERO,
            birth: self.birth.into(),
            life: self.life.into(),
            epoch: self.epoch.into(),
            size: self.size.into(),
            lsn: self.lsn.0.into(),
            time: self.time.0.into(),
            chain: self.chain,
            root: self.root.0,
        }
    }
}

impl SignedHead {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIGNED_HEAD_BYTES] {
        let SignedHead { head, key, signature } = *self;
        let mut bytes = [0; SIGNED_HEAD_BYTES];
        let (stated, signed) = bytes.split_at_mut(HEAD_BYTES);
        stated.copy_from_slice(&head.to_bytes());
        signed.copy_from_slice(SignatureLayout { key: key.0, signature }.as_bytes());
        bytes
    }

    /// The head of some bytes; its signature is not looked at ([`SignedHead::verify`]).
    ///
    /// # Errors
    /// Where they are not what [`SignedHead::to_bytes`] gives.
    pub fn read(bytes: &[u8]) -> Result<SignedHead, ProofError> {
        let mut reader = Reader::new(bytes);
        let head = SignedHead::take(&mut reader)?;
        reader.end()?;
        Ok(head)
    }

    pub(crate) fn take(reader: &mut Reader<'_>) -> Result<SignedHead, ProofError> {
        let head = TreeHead::take(reader)?;
        let SignatureLayout { key, signature } = reader.take::<SignatureLayout>()?;
        Ok(SignedHead { head, key: PublicKey(*key), signature: *signature })
    }

    /// Checks that it is the word of this key.
    ///
    /// # Errors
    /// [`Flaw::OtherKey`], [`Flaw::Signature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), ProofError> {
        if self.key != *key {
            return Err(ProofError::new(HEAD_BYTES, Flaw::OtherKey));
        }
        if !key.verifies(&self.head.to_bytes(), &self.signature) {
            return Err(ProofError::new(HEAD_BYTES + 32, Flaw::Signature));
        }
        Ok(())
    }
}
