//! A balance proof: what an account was at a position of the log, or that it was not open, by its place in the tree
//! of all accounts, whose root is in a record that is proved to be in the tree of a signed head.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINBP"
//!      8      4  version, 1
//!     12      4  bytes of the inclusion proof
//!     16     16  id of the account
//!     32      4  places: 1 of an account that was open, else its neighbours, at most 2
//!     36      4  bytes of the state: 80 of an account that was open, else 0
//!     40         inclusion proof of the record of the capture (inclusion.rs, capture.rs)
//!      …         places, rising, each
//!                     0      8  index of the leaf in the tree of all accounts, from 0
//!                     8      4  hashes of the path, at most 64
//!                    12      4  reserved, zero
//!                    16     16  id of the account
//!                    32     32  SHA-256 of its state
//!                    64         path: 32 bytes each, from the leaf up
//!      …         state (account.rs)
//! ```
//! All little-endian. Nothing follows. Leaves of the tree are sorted by id, so whoever is shown two that lie side by
//! side has seen that nobody lies between them. Of neighbours nothing is shown but their ids.
//!
//! **What it does not show by itself**: that the balances are what the postings come to. A state from before a posting
//! is found by whoever has a proof or receipt of that ([`BalanceProof::check_counted`]): it says itself which posting
//! was the last. Balances that were made up beside the true last posting are found by whoever reads the log, since
//! what was put on record is the same for everybody, and by the account's owner, who can add up.

use crate::account::{AccountLeaf, AccountState, STATE_BYTES};
use crate::capture::Capture;
use crate::error::{Flaw, ProofError};
use crate::hash::{Hash, empty_root};
use crate::head::are_of_lives;
use crate::inclusion::{
    INCLUSION_BYTES_MAX, InclusionProof, PATH_HASHES_MAX, check_start, count, limited, take_path,
};
use crate::key::PublicKey;
use crate::leaf::Leaf;
use crate::path::root_of_inclusion;
use crate::reader::Reader;
use crate::receipt::SignedReceipt;
use florin_ledger::AccountId;
use florin_ledger::stream::ItemContent;
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const HEAD_BYTES: usize = 40;
const PLACE_BYTES: usize = 64;
const PLACES_AT: usize = 32;
const MAGIC: [u8; 8] = *b"FLORINBP";
const VERSION: u32 = 1;
const NEIGHBOURS_MAX: usize = 2;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BalanceLayout {
    magic: [u8; 8],
    version: U32,
    inclusion_bytes: U32,
    account: U128,
    places: U32,
    state_bytes: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PlaceLayout {
    index: U64,
    hashes: U32,
    reserved: U32,
    id: U128,
    state: [u8; 32],
}

const _: () = assert!(size_of::<BalanceLayout>() == HEAD_BYTES);
const _: () = assert!(size_of::<PlaceLayout>() == PLACE_BYTES);

/// Where a leaf is in the tree of all accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Accounts before it.
    pub index: u64,
    /// The leaf.
    pub leaf: AccountLeaf,
    /// The way up.
    pub path: Vec<Hash>,
}

/// What an account was at a position of the log, or that it was not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BalanceProof {
    /// Of the record of the capture.
    pub capture: InclusionProof,
    /// Who was asked about.
    pub account: AccountId,
    /// Its own place, or those of its neighbours.
    pub places: Vec<Place>,
    /// What it was; `None`: it was not open.
    pub state: Option<AccountState>,
}

/// How a record stands to a balance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It lies before the capture, and not behind what was counted.
    Counted,
    /// It lies behind the capture: the balance can't have it.
    Later,
}

impl BalanceProof {
    /// Its bytes.
    ///
    /// # Panics
    /// If a path is longer than one may be.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let inclusion = self.capture.to_bytes();
        let layout = BalanceLayout {
            magic: MAGIC,
            version: VERSION.into(),
            inclusion_bytes: count(inclusion.len()),
            account: self.account.0.into(),
            places: count(self.places.len()),
            state_bytes: count(if self.state.is_some() { STATE_BYTES } else { 0 }),
        };
        let mut bytes = layout.as_bytes().to_vec();
        bytes.extend_from_slice(&inclusion);
        for Place { index, leaf, path } in &self.places {
            assert!(path.len() <= PATH_HASHES_MAX);
            let place = PlaceLayout {
                index: (*index).into(),
                hashes: count(path.len()),
                reserved: U32::ZERO,
                id: leaf.id.0.into(),
                state: leaf.state.0,
            };
            bytes.extend_from_slice(place.as_bytes());
            path.iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
        }
        bytes.extend(self.state.iter().flat_map(AccountState::to_bytes));
        bytes
    }

    /// The proof of some bytes; whether it holds is [`BalanceProof::verify`]'s to say.
    ///
    /// # Errors
    /// Where they are not what [`BalanceProof::to_bytes`] gives.
    pub fn read(bytes: &[u8]) -> Result<BalanceProof, ProofError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.take::<BalanceLayout>()?;
        check_start(&layout.magic, &MAGIC, layout.version, VERSION)?;
        let inclusion_bytes = limited(layout.inclusion_bytes, INCLUSION_BYTES_MAX, 12)?;
        let places_count = limited(layout.places, NEIGHBOURS_MAX, PLACES_AT)?;
        let capture = InclusionProof::read(reader.bytes(inclusion_bytes)?);
        let capture = capture.map_err(|error| error.after(HEAD_BYTES))?;
        let mut places = Vec::with_capacity(places_count);
        for _ in 0..places_count {
            places.push(take_place(&mut reader)?);
        }
        let state_at = reader.offset();
        let state = match usize::try_from(layout.state_bytes.get()) {
            Ok(0) => None,
            Ok(STATE_BYTES) => {
                let state = AccountState::read(reader.take::<[u8; STATE_BYTES]>()?);
                Some(state.map_err(|error| error.after(state_at))?)
            }
            _ => return Err(ProofError::new(36, Flaw::Number)),
        };
        reader.end()?;
        Ok(BalanceProof { capture, account: AccountId(layout.account.get()), places, state })
    }

    /// Checks everything, and says of which capture it is.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<Capture, ProofError> {
        let leaf = self.capture.verify(key).map_err(|error| error.after(HEAD_BYTES))?;
        let capture = Capture::of_leaf(&leaf).ok_or(ProofError::new(HEAD_BYTES, Flaw::Number))?;
        for (at, place) in self.places_at() {
            let Place { index, leaf, path } = place;
            let root = root_of_inclusion(leaf.hash(), *index, capture.accounts, path);
            if root != Some(capture.root) {
                return Err(ProofError::new(at, Flaw::Root));
            }
        }
        match &self.state {
            Some(state) => self.check_state(state, &capture)?,
            None => self.check_absence(&capture)?,
        }
        Ok(capture)
    }

    fn check_state(&self, state: &AccountState, capture: &Capture) -> Result<(), ProofError> {
        let [place] = &self.places[..] else {
            return Err(ProofError::new(PLACES_AT, Flaw::Number));
        };
        let at = self.places_at().next().map_or(HEAD_BYTES, |(at, _)| at);
        if place.leaf != state.leaf(self.account) {
            return Err(ProofError::new(at + 16, Flaw::Root));
        }
        if capture.position <= state.last_posting {
            let state_at = at + PLACE_BYTES + place.path.len() * 32;
            return Err(ProofError::new(state_at + 72, Flaw::Contradiction));
        }
        Ok(())
    }

    /// That nobody of this id lies between the neighbours that are shown.
    fn check_absence(&self, capture: &Capture) -> Result<(), ProofError> {
        let is_absent = match &self.places[..] {
            [] => capture.accounts == 0 && capture.root == empty_root(),
            [first] if self.account < first.leaf.id => first.index == 0,
            [last] => last.leaf.id < self.account && last.index + 1 == capture.accounts,
            [left, right] => {
                left.leaf.id < self.account
                    && self.account < right.leaf.id
                    && left.index + 1 == right.index
            }
            _ => false,
        };
        if is_absent { Ok(()) } else { Err(ProofError::new(PLACES_AT, Flaw::Contradiction)) }
    }

    /// Checks that a record which is proved is not left out; both proofs were verified.
    ///
    /// # Errors
    /// [`Flaw::LeftOut`]: the bank has broken its word. [`Flaw::OtherDatabase`], [`Flaw::OtherLife`],
    /// [`Flaw::OtherRecord`]: the two say nothing about each other.
    pub fn check_counted(&self, proof: &InclusionProof) -> Result<Standing, ProofError> {
        let (own, other) = (&self.capture.head.head, &proof.head.head);
        if own.birth != other.birth {
            return Err(ProofError::new(HEAD_BYTES, Flaw::OtherDatabase));
        }
        // What one life has, another may have lost when it was restored.
        if own.life != other.life || !are_of_lives((own.life, own.epoch), (other.life, other.epoch))
        {
            return Err(ProofError::new(HEAD_BYTES, Flaw::OtherLife));
        }
        self.standing_of(&Leaf::read(&proof.leaf)?)
    }

    /// The same for a record that was promised. After a restore that came in between it says nothing: redeem the
    /// receipt, and take the proof.
    ///
    /// # Errors
    /// As [`BalanceProof::check_counted`].
    pub fn check_promised(&self, promise: &SignedReceipt) -> Result<Standing, ProofError> {
        let (own, promised) = (&self.capture.head.head, &promise.receipt);
        if own.birth != promised.birth {
            return Err(ProofError::new(HEAD_BYTES, Flaw::OtherDatabase));
        }
        let leaf = Leaf::read(&promised.leaf)?;
        let lives = ((own.life, own.epoch), (promised.life, leaf.position.epoch));
        if own.life != promised.life || !are_of_lives(lives.0, lives.1) {
            return Err(ProofError::new(HEAD_BYTES, Flaw::OtherLife));
        }
        self.standing_of(&leaf)
    }

    fn standing_of(&self, leaf: &Leaf<'_>) -> Result<Standing, ProofError> {
        let capture = Capture::of_leaf(&Leaf::read(&self.capture.leaf)?);
        let capture = capture.ok_or(ProofError::new(HEAD_BYTES, Flaw::Number))?;
        let (is_of_account, is_posting) = match leaf.content {
            ItemContent::Transfer(it) => {
                ([it.debit_account_id, it.credit_account_id].contains(&self.account), true)
            }
            ItemContent::Expiry(it) => {
                ([it.debit_account_id, it.credit_account_id].contains(&self.account), true)
            }
            ItemContent::Account(account) => (account.id == self.account, false),
            _ => (false, false),
        };
        if !is_of_account {
            return Err(ProofError::new(16, Flaw::OtherRecord));
        }
        if capture.position <= leaf.position.lsn {
            return Ok(Standing::Later);
        }
        let is_counted =
            self.state.is_some_and(|state| !is_posting || leaf.position.lsn <= state.last_posting);
        if is_counted {
            Ok(Standing::Counted)
        } else {
            Err(ProofError::new(PLACES_AT, Flaw::LeftOut))
        }
    }

    /// The places, and where each is in the file.
    fn places_at(&self) -> impl Iterator<Item = (usize, &Place)> {
        let mut at = HEAD_BYTES + self.capture.to_bytes().len();
        self.places.iter().map(move |place| {
            let start = at;
            at += PLACE_BYTES + place.path.len() * 32;
            (start, place)
        })
    }
}

fn take_place(reader: &mut Reader<'_>) -> Result<Place, ProofError> {
    let at = reader.offset();
    let layout = reader.take::<PlaceLayout>()?;
    if layout.reserved != U32::ZERO {
        return Err(ProofError::new(at + 12, Flaw::NotZero));
    }
    let hashes = limited(layout.hashes, PATH_HASHES_MAX, at + 8)?;
    let leaf = AccountLeaf { id: AccountId(layout.id.get()), state: Hash(layout.state) };
    Ok(Place { index: layout.index.get(), leaf, path: take_path(reader, hashes)? })
}
