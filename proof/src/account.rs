//! An account at a position of the log: what of it is proved, and the leaf that it is in the tree of all
//! accounts.
//!
//! ```text
//! state: offset  bytes  field
//!             0     16  debits_pending
//!            16     16  debits_posted
//!            32     16  credits_pending
//!            48     16  credits_posted
//!            64      4  ledger
//!            68      4  reserved, zero
//!            72      8  lsn of the last posting; zero: there is none
//!
//! leaf:  offset  bytes  field
//!             0      8  "FLORINBL"
//!             8     16  id of the account
//!            24     32  SHA-256 of the state
//! ```
//! All little-endian. A leaf is hashed behind a byte 0. It is none of the tree of proofs, whose leaves begin with
//! an epoch: there are epochs below 2^53 only. It has the state's hash and not the state, so that an account can be
//! shown to lie beside another, and nothing of its balances.

use crate::error::{Flaw, ProofError};
use crate::hash::{Hash, LEAF_PREFIX, hash_of_two_blocks};
use florin_ledger::record::Balances;
use florin_ledger::{AccountId, Amount, LedgerId, Lsn};
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a state.
pub const STATE_BYTES: usize = 80;
const MAGIC: &[u8; 8] = b"FLORINBL";

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StateLayout {
    debits_pending: U128,
    debits_posted: U128,
    credits_pending: U128,
    credits_posted: U128,
    ledger: U32,
    reserved: U32,
    last_posting: U64,
}

const _: () = assert!(size_of::<StateLayout>() == STATE_BYTES);

/// What is proved of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountState {
    /// See [`florin_ledger::Account`].
    pub ledger: LedgerId,
    /// The sums of everything posted and held so far.
    pub balances: Balances,
    /// Where its last posting is recorded; [`Lsn::NONE`] if it has none.
    pub last_posting: Lsn,
}

impl AccountState {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STATE_BYTES] {
        let Balances { debits_pending, debits_posted, credits_pending, credits_posted } =
            self.balances;
        zerocopy::transmute!(StateLayout {
            debits_pending: debits_pending.0.into(),
            debits_posted: debits_posted.0.into(),
            credits_pending: credits_pending.0.into(),
            credits_posted: credits_posted.0.into(),
            ledger: self.ledger.0.into(),
            reserved: U32::ZERO,
            last_posting: self.last_posting.0.into(),
        })
    }

    /// The state of some bytes.
    ///
    /// # Errors
    /// [`Flaw::NotZero`] where zero must be; [`Flaw::Contradiction`] for balances that no posting has made.
    pub fn read(bytes: &[u8; STATE_BYTES]) -> Result<AccountState, ProofError> {
        let layout: StateLayout = zerocopy::transmute!(*bytes);
        if layout.reserved != U32::ZERO {
            return Err(ProofError::new(68, Flaw::NotZero));
        }
        let state = AccountState {
            ledger: LedgerId(layout.ledger.get()),
            balances: Balances {
                debits_pending: Amount(layout.debits_pending.get()),
                debits_posted: Amount(layout.debits_posted.get()),
                credits_pending: Amount(layout.credits_pending.get()),
                credits_posted: Amount(layout.credits_posted.get()),
            },
            last_posting: Lsn(layout.last_posting.get()),
        };
        if !state.last_posting.is_some() && state.balances != Balances::default() {
            return Err(ProofError::new(72, Flaw::Contradiction));
        }
        Ok(state)
    }

    /// The leaf of the account that is so.
    #[must_use]
    pub fn leaf(&self, id: AccountId) -> AccountLeaf {
        AccountLeaf { id, state: hash_of_two_blocks(&[&self.to_bytes()]) }
    }
}

/// An account in the tree of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountLeaf {
    /// Whose it is: what the tree is sorted by.
    pub id: AccountId,
    /// Of its state.
    pub state: Hash,
}

impl AccountLeaf {
    /// Its hash in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash_of_two_blocks(&[&[LEAF_PREFIX], MAGIC, &self.id.0.to_le_bytes(), &self.state.0])
    }
}
