//! A consistency proof: that one signed head is the beginning of another, so nothing of it was changed,
//! taken out or put in.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINCP"
//!      8      4  version, 1
//!     12      4  hashes of the path, at most 64
//!     16    240  signed head, the older one
//!    256    240  signed head, the newer one
//!    496         path: 32 bytes each
//! ```
//! All little-endian. Nothing follows.

use crate::error::{Flaw, ProofError};
use crate::hash::Hash;
use crate::head::{SIGNED_HEAD_BYTES, SignedHead, are_of_lives};
use crate::inclusion::{PATH_HASHES_MAX, check_start, count, limited, take_path};
use crate::key::PublicKey;
use crate::path::is_consistent;
use crate::reader::Reader;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const HEAD_BYTES: usize = 16;
const MAGIC: [u8; 8] = *b"FLORINCP";
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ConsistencyLayout {
    magic: [u8; 8],
    version: U32,
    hashes: U32,
}

const _: () = assert!(size_of::<ConsistencyLayout>() == HEAD_BYTES);

/// That a tree is the beginning of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsistencyProof {
    /// The older head.
    pub first: SignedHead,
    /// The newer head.
    pub second: SignedHead,
    /// What shows it.
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Its bytes.
    ///
    /// # Panics
    /// If the path is longer than one may be.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        assert!(self.path.len() <= PATH_HASHES_MAX);
        let layout = ConsistencyLayout {
            magic: MAGIC,
            version: VERSION.into(),
            hashes: count(self.path.len()),
        };
        let mut bytes = layout.as_bytes().to_vec();
        bytes.extend_from_slice(&self.first.to_bytes());
        bytes.extend_from_slice(&self.second.to_bytes());
        self.path.iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
        bytes
    }

    /// The proof of some bytes; whether it holds is [`ConsistencyProof::verify`]'s to say.
    ///
    /// # Errors
    /// Where they are not what [`ConsistencyProof::to_bytes`] gives.
    pub fn read(bytes: &[u8]) -> Result<ConsistencyProof, ProofError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.take::<ConsistencyLayout>()?;
        check_start(&layout.magic, &MAGIC, layout.version, VERSION)?;
        let hashes = limited(layout.hashes, PATH_HASHES_MAX, 12)?;
        let first = SignedHead::take(&mut reader)?;
        let second = SignedHead::take(&mut reader)?;
        let path = take_path(&mut reader, hashes)?;
        reader.end()?;
        Ok(ConsistencyProof { first, second, path })
    }

    /// Checks everything.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<(), ProofError> {
        let second_at = HEAD_BYTES + SIGNED_HEAD_BYTES;
        self.first.verify(key).map_err(|error| error.after(HEAD_BYTES))?;
        self.second.verify(key).map_err(|error| error.after(second_at))?;
        let (first, second) = (&self.first.head, &self.second.head);
        if first.birth != second.birth {
            return Err(ProofError::new(second_at + 16, Flaw::OtherDatabase));
        }
        if !are_of_lives((first.life, first.epoch), (second.life, second.epoch)) {
            return Err(ProofError::new(second_at + 32, Flaw::OtherLife));
        }
        // Everything in a head follows from the log: of one size there is one.
        let is_other = first.size == second.size && first != second;
        // What a newer tree says of where it ends can't lie before.
        let falls = second.epoch < first.epoch || second.time < first.time;
        if is_other || falls || (first.size < second.size && second.lsn <= first.lsn) {
            return Err(ProofError::new(second_at + 48, Flaw::Contradiction));
        }
        if !is_consistent((first.size, first.root), (second.size, second.root), &self.path) {
            return Err(ProofError::new(second_at + SIGNED_HEAD_BYTES, Flaw::Root));
        }
        Ok(())
    }
}
