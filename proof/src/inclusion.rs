//! An inclusion proof: a record, and the way from it to a signed head.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINIP"
//!      8      4  version, 1
//!     12      4  bytes of the leaf
//!     16      8  index of the leaf in the tree, from 0
//!     24      4  hashes of the path, at most 64
//!     28      4  reserved, zero
//!     32    240  signed head
//!    272         path: 32 bytes each, from the leaf up
//!      …         leaf
//! ```
//! All little-endian. Nothing follows.

use crate::error::{Flaw, ProofError};
use crate::hash::Hash;
use crate::head::{SIGNED_HEAD_BYTES, SignedHead};
use crate::key::PublicKey;
use crate::leaf::{LEAF_BYTES_MAX, Leaf, checked_hash};
use crate::path::root_of_inclusion;
use crate::reader::Reader;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Hashes of a path at most.
pub const PATH_HASHES_MAX: usize = 64;
/// Bytes of the longest proof.
pub const INCLUSION_BYTES_MAX: usize =
    HEAD_BYTES + SIGNED_HEAD_BYTES + PATH_HASHES_MAX * 32 + LEAF_BYTES_MAX;
const HEAD_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"FLORINIP";
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct InclusionLayout {
    magic: [u8; 8],
    version: U32,
    leaf_bytes: U32,
    index: U64,
    hashes: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<InclusionLayout>() == HEAD_BYTES);

/// That a record is in the tree of a head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InclusionProof {
    /// The tree.
    pub head: SignedHead,
    /// Where in it.
    pub index: u64,
    /// The way up.
    pub path: Vec<Hash>,
    /// The record, as bytes of a [`Leaf`].
    pub leaf: Vec<u8>,
}

impl InclusionProof {
    /// Its bytes.
    ///
    /// # Panics
    /// If leaf or path are longer than one may be.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        assert!(self.path.len() <= PATH_HASHES_MAX);
        assert!(self.leaf.len() <= LEAF_BYTES_MAX);
        let layout = InclusionLayout {
            magic: MAGIC,
            version: VERSION.into(),
            leaf_bytes: count(self.leaf.len()),
            index: self.index.into(),
            hashes: count(self.path.len()),
            reserved: U32::ZERO,
        };
        let mut bytes = layout.as_bytes().to_vec();
        bytes.extend_from_slice(&self.head.to_bytes());
        self.path.iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
        bytes.extend_from_slice(&self.leaf);
        bytes
    }

    /// The proof of some bytes; whether it holds is [`InclusionProof::verify`]'s to say.
    ///
    /// # Errors
    /// Where they are not what [`InclusionProof::to_bytes`] gives.
    pub fn read(bytes: &[u8]) -> Result<InclusionProof, ProofError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.take::<InclusionLayout>()?;
        check_start(&layout.magic, &MAGIC, layout.version, VERSION)?;
        let leaf_bytes = limited(layout.leaf_bytes, LEAF_BYTES_MAX, 12)?;
        let hashes = limited(layout.hashes, PATH_HASHES_MAX, 24)?;
        if layout.reserved != U32::ZERO {
            return Err(ProofError::new(28, Flaw::NotZero));
        }
        let head = SignedHead::take(&mut reader)?;
        let path = take_path(&mut reader, hashes)?;
        let leaf = reader.bytes(leaf_bytes)?.to_vec();
        reader.end()?;
        Ok(InclusionProof { head, index: layout.index.get(), path, leaf })
    }

    /// Checks everything, and says what is proved.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<Leaf<'_>, ProofError> {
        self.head.verify(key).map_err(|error| error.after(HEAD_BYTES))?;
        let at = HEAD_BYTES + SIGNED_HEAD_BYTES;
        let leaf_at = at + self.path.len() * 32;
        let hash = checked_hash(&self.leaf).map_err(|error| error.after(leaf_at))?;
        let root = root_of_inclusion(hash, self.index, self.head.head.size, &self.path);
        if root != Some(self.head.head.root) {
            return Err(ProofError::new(at, Flaw::Root));
        }
        let leaf = Leaf::read(&self.leaf).map_err(|error| error.after(leaf_at))?;
        let head = &self.head.head;
        // What is recorded in a tree lies before its end.
        let is_behind = head.lsn <= leaf.position.lsn
            || head.epoch < leaf.position.epoch
            || head.time < leaf.time;
        if is_behind {
            return Err(ProofError::new(leaf_at, Flaw::Contradiction));
        }
        Ok(leaf)
    }
}

pub(crate) fn check_start(
    magic: &[u8; 8],
    magic_expected: &[u8; 8],
    version: U32,
    version_expected: u32,
) -> Result<(), ProofError> {
    if magic != magic_expected {
        return Err(ProofError::new(0, Flaw::Magic));
    }
    if version != version_expected {
        return Err(ProofError::new(8, Flaw::Version));
    }
    Ok(())
}

pub(crate) fn limited(number: U32, max: usize, offset: usize) -> Result<usize, ProofError> {
    let number = usize::try_from(number.get()).ok().filter(|number| *number <= max);
    number.ok_or(ProofError::new(offset, Flaw::Number))
}

pub(crate) fn take_path(reader: &mut Reader<'_>, hashes: usize) -> Result<Vec<Hash>, ProofError> {
    let (path, _) = reader.bytes(hashes * 32)?.as_chunks::<32>();
    Ok(path.iter().map(|hash| Hash(*hash)).collect())
}

pub(crate) fn count(items: usize) -> U32 {
    u32::try_from(items).expect("lengths are limited").into()
}
