//! A co-signed head: one head, and the signatures of everybody who stated it, each of a key of its own. Two
//! machines that have the same log say the same of it; a bank that wants to show another history must have the
//! keys of all of them.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINCH"
//!      8      4  version, 1
//!     12      4  signers, 2 to 32
//!     16    144  head
//!    160     96  of each signer, keys ascending: public key (32), ed25519 signature of the head (64)
//! ```
//! All little-endian. Nothing follows. Keys ascend as bytes do, so that nobody signs twice and the same
//! signatures have one encoding. A signature of the head here is the one that a signed head has: whoever takes
//! a signer out leaves what the others have said, and whoever verifies says how many must have.

use crate::error::{Flaw, ProofError};
use crate::head::{HEAD_BYTES, SignedHead, TreeHead};
use crate::inclusion::{check_start, count};
use crate::key::{PublicKey, Signature};
use crate::reader::Reader;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Signers of one head at most.
pub const SIGNERS_MAX: usize = 32;
/// One signer is a signed head.
const SIGNERS_MIN: usize = 2;
const START_BYTES: usize = 16;
const SIGNERS_AT: usize = 12;
const KEYS_AT: usize = START_BYTES + HEAD_BYTES;
const WORD_BYTES: usize = 96;
const KEY_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"FLORINCH";
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CosignedLayout {
    magic: [u8; 8],
    version: U32,
    signers: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WordLayout {
    key: [u8; KEY_BYTES],
    signature: [u8; 64],
}

const _: () = assert!(size_of::<CosignedLayout>() == START_BYTES);
const _: () = assert!(size_of::<WordLayout>() == WORD_BYTES);

/// Somebody's signature of a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cosignature {
    /// Whose.
    pub key: PublicKey,
    /// Of the head's bytes.
    pub signature: Signature,
}

/// A head that several have signed: 2 to [`SIGNERS_MAX`], keys ascending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CosignedHead {
    head: TreeHead,
    signers: Vec<Cosignature>,
}

impl CosignedHead {
    /// Puts together what several have stated; whether they have signed is [`CosignedHead::verify`]'s to say.
    ///
    /// # Errors
    /// [`Flaw::Contradiction`] if two of them state another head; [`Flaw::Signers`] if two are of one key;
    /// [`Flaw::Number`] if they are too few or too many.
    pub fn of(heads: &[SignedHead]) -> Result<CosignedHead, ProofError> {
        check_count(heads.len())?;
        let head = heads[0].head;
        if heads.iter().any(|other| other.head != head) {
            return Err(ProofError::new(START_BYTES, Flaw::Contradiction));
        }
        let word = |said: &SignedHead| Cosignature { key: said.key, signature: said.signature };
        let mut signers: Vec<Cosignature> = heads.iter().map(word).collect();
        signers.sort_by_key(|signer| signer.key.0);
        check_order(&signers)?;
        Ok(CosignedHead { head, signers })
    }

    /// What all of them state.
    #[must_use]
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Who they are, keys ascending.
    #[must_use]
    pub fn signers(&self) -> &[Cosignature] {
        &self.signers
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let start = CosignedLayout {
            magic: MAGIC,
            version: VERSION.into(),
            signers: count(self.signers.len()),
        };
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend_from_slice(&self.head.to_bytes());
        for Cosignature { key, signature } in &self.signers {
            let word = WordLayout { key: key.0, signature: *signature };
            bytes.extend_from_slice(word.as_bytes());
        }
        bytes
    }

    /// The head of some bytes; its signatures are not looked at ([`CosignedHead::verify`]).
    ///
    /// # Errors
    /// Where they are not what [`CosignedHead::to_bytes`] gives.
    pub fn read(bytes: &[u8]) -> Result<CosignedHead, ProofError> {
        let mut reader = Reader::new(bytes);
        let start = reader.take::<CosignedLayout>()?;
        check_start(&start.magic, &MAGIC, start.version, VERSION)?;
        let signers_count = usize::try_from(start.signers.get()).unwrap_or(usize::MAX);
        check_count(signers_count)?;
        let head = TreeHead::take(&mut reader)?;
        let mut signers = Vec::with_capacity(signers_count);
        for _ in 0..signers_count {
            let word = reader.take::<WordLayout>()?;
            signers.push(Cosignature { key: PublicKey(word.key), signature: word.signature });
        }
        reader.end()?;
        check_order(&signers)?;
        Ok(CosignedHead { head, signers })
    }

    /// Checks that everybody who signed is trusted and has signed, and that they are `signers_min` at least.
    ///
    /// # Errors
    /// [`Flaw::OtherKey`]: a signer who is not trusted, whose word is worth nothing; [`Flaw::Signature`];
    /// [`Flaw::TooFewSigners`].
    pub fn verify(&self, trusted: &[PublicKey], signers_min: usize) -> Result<(), ProofError> {
        let head = self.head.to_bytes();
        for (at, Cosignature { key, signature }) in
            (KEYS_AT..).step_by(WORD_BYTES).zip(&self.signers)
        {
            if !trusted.contains(key) {
                return Err(ProofError::new(at, Flaw::OtherKey));
            }
            if !key.verifies(&head, signature) {
                return Err(ProofError::new(at + KEY_BYTES, Flaw::Signature));
            }
        }
        if self.signers.len() < signers_min {
            return Err(ProofError::new(SIGNERS_AT, Flaw::TooFewSigners));
        }
        Ok(())
    }
}

fn check_count(signers: usize) -> Result<(), ProofError> {
    if (SIGNERS_MIN..=SIGNERS_MAX).contains(&signers) {
        return Ok(());
    }
    Err(ProofError::new(SIGNERS_AT, Flaw::Number))
}

/// Ascending, each once.
fn check_order(signers: &[Cosignature]) -> Result<(), ProofError> {
    let falls = signers.windows(2).position(|two| two[1].key.0 <= two[0].key.0);
    match falls {
        Some(at) => Err(ProofError::new(KEYS_AT + (at + 1) * WORD_BYTES, Flaw::Signers)),
        None => Ok(()),
    }
}
