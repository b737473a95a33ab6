//! A receipt: the bank's word that a record is in its log, given before the tree has come so far. Whoever
//! holds it asks later for the inclusion proof of the same leaf; a bank that can't give it has broken its
//! word, and the receipt shows that.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINRC"
//!      8      4  version, 1
//!     12      4  bytes of the leaf
//!     16     16  birth: names the database and its tree
//!     32     16  life: the incarnation of the database when the record was written
//!     48      8  end of the record's frame
//!     56     32  chain hash of the log there (BLAKE3)
//!     88      4  durable where, one bit each: 1 on the disk of the server that signs
//!     92      2  standbys that had it durably, at least
//!     94      2  standbys without which nothing is told
//!     96     32  public key
//!    128         leaf
//!      …     64  ed25519 signature of everything before
//! ```
//! All little-endian. Nothing follows. Fewer standbys than are demanded: it was told without them, because they
//! had been missing for too long.

use crate::error::{Flaw, ProofError};
use crate::head::are_of_lives;
use crate::inclusion::{InclusionProof, check_start, count, limited};
use crate::key::{PublicKey, SigningKey};
use crate::leaf::{LEAF_BYTES_MAX, Leaf};
use crate::reader::Reader;
use florin_ledger::Lsn;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Durable on the disk of the server that signs.
pub const ON_OWN_DISK: u32 = 1;
const HEAD_BYTES: usize = 128;
/// Where the end of the frame lies.
const LSN_AT: usize = 48;
const SIGNATURE_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"FLORINRC";
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReceiptLayout {
    magic: [u8; 8],
    version: U32,
    leaf_bytes: U32,
    birth: U128,
    life: U128,
    lsn: U64,
    chain: [u8; 32],
    durable: U32,
    standbys: U16,
    standbys_demanded: U16,
    key: [u8; 32],
}

const _: () = assert!(size_of::<ReceiptLayout>() == HEAD_BYTES);

/// What is promised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Names the database and its tree.
    pub birth: u128,
    /// The incarnation that the database had when the record was written.
    pub life: u128,
    /// The end of the record's frame.
    pub lsn: Lsn,
    /// The log's chain hash there.
    pub chain: [u8; 32],
    /// Where it is durable, one bit each ([`ON_OWN_DISK`]).
    pub durable: u32,
    /// Standbys that had it durably when this was signed, at least.
    pub standbys: u16,
    /// Standbys that had to have it before it was told. If fewer had, answers went without them.
    pub standbys_demanded: u16,
    /// The record, as bytes of a [`Leaf`].
    pub leaf: Vec<u8>,
}

/// A receipt, and whose word it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedReceipt {
    /// What is promised.
    pub receipt: Receipt,
    /// By whom.
    pub key: PublicKey,
    /// Of everything before it.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Receipt {
    /// Signs it.
    ///
    /// # Panics
    /// If the leaf is longer than one may be.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedReceipt {
        let signature = key.sign(&self.signed_bytes(&key.public()));
        SignedReceipt { receipt: self, key: key.public(), signature }
    }

    fn signed_bytes(&self, key: &PublicKey) -> Vec<u8> {
        assert!(self.leaf.len() <= LEAF_BYTES_MAX);
        let layout = ReceiptLayout {
            magic: MAGIC,
            version: VERSION.into(),
            leaf_bytes: count(self.leaf.len()),
            birth: self.birth.into(),
            life: self.life.into(),
            lsn: self.lsn.0.into(),
            chain: self.chain,
            durable: self.durable.into(),
            standbys: self.standbys.into(),
            standbys_demanded: self.standbys_demanded.into(),
            key: key.0,
        };
        let mut bytes = layout.as_bytes().to_vec();
        bytes.extend_from_slice(&self.leaf);
        bytes
    }
}

impl SignedReceipt {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.receipt.signed_bytes(&self.key);
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// The receipt of some bytes; whether it holds is [`SignedReceipt::verify`]'s to say.
    ///
    /// # Errors
    /// Where they are not what [`SignedReceipt::to_bytes`] gives.
    pub fn read(bytes: &[u8]) -> Result<SignedReceipt, ProofError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.take::<ReceiptLayout>()?;
        check_start(&layout.magic, &MAGIC, layout.version, VERSION)?;
        let leaf_bytes = limited(layout.leaf_bytes, LEAF_BYTES_MAX, 12)?;
        if layout.durable.get() != ON_OWN_DISK {
            return Err(ProofError::new(88, Flaw::Number));
        }
        let leaf = reader.bytes(leaf_bytes)?.to_vec();
        let signature = *reader.take::<[u8; SIGNATURE_BYTES]>()?;
        reader.end()?;
        let receipt = Receipt {
            birth: layout.birth.get(),
            life: layout.life.get(),
            lsn: Lsn(layout.lsn.get()),
            chain: layout.chain,
            durable: layout.durable.get(),
            standbys: layout.standbys.get(),
            standbys_demanded: layout.standbys_demanded.get(),
            leaf,
        };
        Ok(SignedReceipt { receipt, key: PublicKey(layout.key), signature })
    }

    /// Checks that it is the word of this key, and says what is promised.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<Leaf<'_>, ProofError> {
        if self.key != *key {
            return Err(ProofError::new(96, Flaw::OtherKey));
        }
        let leaf = &self.receipt.leaf;
        if !key.verifies(&self.receipt.signed_bytes(key), &self.signature) {
            return Err(ProofError::new(HEAD_BYTES + leaf.len(), Flaw::Signature));
        }
        let leaf = Leaf::read(leaf).map_err(|error| error.after(HEAD_BYTES))?;
        // A record lies before the end of its frame.
        if self.receipt.lsn <= leaf.position.lsn {
            return Err(ProofError::new(LSN_AT, Flaw::Contradiction));
        }
        Ok(leaf)
    }

    /// Checks that a proof is of what was promised; both were verified.
    ///
    /// # Errors
    /// [`Flaw::OtherDatabase`]; [`Flaw::Root`] if it proves something else; [`Flaw::Contradiction`] if its head
    /// ends before the record's frame does.
    pub fn check_redeemed(&self, proof: &InclusionProof) -> Result<(), ProofError> {
        let (head, receipt) = (&proof.head.head, &self.receipt);
        if head.birth != receipt.birth {
            return Err(ProofError::new(16, Flaw::OtherDatabase));
        }
        if proof.leaf != receipt.leaf {
            return Err(ProofError::new(HEAD_BYTES, Flaw::Root));
        }
        let epoch = Leaf::read(&receipt.leaf)?.position.epoch;
        if !are_of_lives((receipt.life, epoch), (head.life, head.epoch)) {
            return Err(ProofError::new(32, Flaw::OtherLife));
        }
        if head.lsn < receipt.lsn {
            return Err(ProofError::new(LSN_AT, Flaw::Contradiction));
        }
        if head.lsn == receipt.lsn && head.chain != receipt.chain {
            return Err(ProofError::new(LSN_AT + 8, Flaw::Root));
        }
        Ok(())
    }
}
