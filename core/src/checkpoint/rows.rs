//! Account rows and live holds as they are stored, and the tag that each stored value begins with.
//!
//! ```text
//! value:  offset  bytes                                  (sealed ones are drawn in seal.rs)
//!              0     16  tag: the first 16 bytes of BLAKE3(table u8, key u64, rest of the value)
//!             16      …  table 1 (account pages): rows, one to 32; table 2 (holds): one hold;
//!                        table 3 (metadata): see metadata.rs
//!
//! row:    offset  bytes  field                hold:   offset  bytes  field
//!              0     16  id                                0     16  id
//!             16     16  debits_pending                   16     16  amount
//!             32     16  debits_posted                    32     16  user_data_128
//!             48     16  credits_pending                  48      8  user_data_64
//!             64     16  credits_posted                   56      8  timestamp
//!             80     16  user_data_128                    64      4  debit_slot
//!             96      8  user_data_64                     68      4  credit_slot
//!            104      8  last_posting                     72      4  timeout
//!            112      8  last_waypoint                    76      4  user_data_32
//!            120      8  postings_count                   80      4  ledger
//!            128      8  timestamp                        84      2  code
//!            136      4  ledger                           86      2  flags
//!            140      4  user_data_32
//!            144      2  code
//!            146      2  flags
//!            148      2  flags_given
//!            150      2  zero
//! ```
//! All little-endian. The key of a page is its number: its first row is at slot 32 * number. The
//! key of a hold is its position in the log.

use super::CheckpointError;
use florin_ledger::record::Balances;
use florin_ledger::{
    AccountFlags, AccountId, AccountReferences, AccountRow, Amount, Code, Hold, LedgerId, Lsn,
    PAGE_ROWS, Slot, Timestamp, TransferFlags, TransferId,
};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const TAG_BYTES: usize = 16;

/// The tables of a checkpoint file; the number is part of every tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Table {
    Pages,
    Holds,
    Metadata,
}

impl Table {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Table::Pages => "account page",
            Table::Holds => "hold",
            Table::Metadata => "metadata",
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Table::Pages => 1,
            Table::Holds => 2,
            Table::Metadata => 3,
        }
    }

    /// A value whose rest is `rest`.
    pub(super) fn tagged(self, key: u64, rest: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(TAG_BYTES + rest.len());
        value.extend_from_slice(&self.tag(key, rest));
        value.extend_from_slice(rest);
        value
    }

    /// The rest of a value, if its tag says that it was written here.
    pub(super) fn verified(self, key: u64, value: &[u8]) -> Result<&[u8], CheckpointError> {
        match value.split_first_chunk::<TAG_BYTES>() {
            Some((tag, rest)) if *tag == self.tag(key, rest) => Ok(rest),
            _ => Err(self.damaged(key)),
        }
    }

    pub(super) fn damaged(self, key: u64) -> CheckpointError {
        CheckpointError::Value { table: self.name(), key }
    }

    pub(super) fn unopened(self, key: u64) -> CheckpointError {
        CheckpointError::Seal { table: self.name(), key }
    }

    fn tag(self, key: u64, rest: &[u8]) -> [u8; TAG_BYTES] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[self.number()]);
        hasher.update(&key.to_le_bytes());
        hasher.update(rest);
        *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
    }
}

/// An account row with its references; the layout is drawn at the top of this file.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RowLayout {
    id: U128,
    debits_pending: U128,
    debits_posted: U128,
    credits_pending: U128,
    credits_posted: U128,
    user_data_128: U128,
    user_data_64: U64,
    last_posting: U64,
    last_waypoint: U64,
    postings_count: U64,
    timestamp: U64,
    ledger: U32,
    user_data_32: U32,
    code: U16,
    flags: U16,
    flags_given: U16,
    reserved: U16,
}

/// A live hold; the layout is drawn at the top of this file.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HoldLayout {
    id: U128,
    amount: U128,
    user_data_128: U128,
    user_data_64: U64,
    timestamp: U64,
    debit_slot: U32,
    credit_slot: U32,
    timeout: U32,
    user_data_32: U32,
    ledger: U32,
    code: U16,
    flags: U16,
}

const _: () = assert!(size_of::<RowLayout>() == 152);
const _: () = assert!(size_of::<HoldLayout>() == 88);
// The pages of the table are the pages of the file.
const _: () = assert!(PAGE_ROWS == 32);

impl RowLayout {
    /// A row as it is stored.
    #[must_use]
    pub fn new(row: &AccountRow, references: &AccountReferences) -> RowLayout {
        RowLayout {
            id: row.id.0.into(),
            debits_pending: row.balances.debits_pending.0.into(),
            debits_posted: row.balances.debits_posted.0.into(),
            credits_pending: row.balances.credits_pending.0.into(),
            credits_posted: row.balances.credits_posted.0.into(),
            user_data_128: references.user_data_128().into(),
            user_data_64: references.user_data_64().into(),
            last_posting: row.last_posting.0.into(),
            last_waypoint: row.last_waypoint.0.into(),
            postings_count: row.postings_count.into(),
            timestamp: row.timestamp.0.into(),
            ledger: row.ledger.0.into(),
            user_data_32: row.user_data_32.into(),
            code: row.code.0.into(),
            flags: row.flags.0.into(),
            flags_given: row.flags_given.0.into(),
            reserved: U16::ZERO,
        }
    }

    /// The row.
    #[must_use]
    pub fn row(&self) -> AccountRow {
        AccountRow {
            id: AccountId(self.id.get()),
            balances: Balances {
                debits_pending: Amount(self.debits_pending.get()),
                debits_posted: Amount(self.debits_posted.get()),
                credits_pending: Amount(self.credits_pending.get()),
                credits_posted: Amount(self.credits_posted.get()),
            },
            last_posting: Lsn(self.last_posting.get()),
            last_waypoint: Lsn(self.last_waypoint.get()),
            postings_count: self.postings_count.get(),
            timestamp: Timestamp(self.timestamp.get()),
            ledger: LedgerId(self.ledger.get()),
            user_data_32: self.user_data_32.get(),
            code: Code(self.code.get()),
            flags: AccountFlags(self.flags.get()),
            flags_given: AccountFlags(self.flags_given.get()),
        }
    }

    /// The references that no rule reads.
    #[must_use]
    pub fn references(&self) -> AccountReferences {
        AccountReferences::new(self.user_data_128.get(), self.user_data_64.get())
    }
}

impl From<&Hold> for HoldLayout {
    fn from(hold: &Hold) -> HoldLayout {
        HoldLayout {
            id: hold.id.0.into(),
            amount: hold.amount.0.into(),
            user_data_128: hold.user_data_128.into(),
            user_data_64: hold.user_data_64.into(),
            timestamp: hold.timestamp.0.into(),
            debit_slot: hold.debit_slot.0.into(),
            credit_slot: hold.credit_slot.0.into(),
            timeout: hold.timeout.into(),
            user_data_32: hold.user_data_32.into(),
            ledger: hold.ledger.0.into(),
            code: hold.code.0.into(),
            flags: hold.flags.0.into(),
        }
    }
}

impl HoldLayout {
    /// The hold that the transfer at `lsn` placed.
    #[must_use]
    pub fn hold(&self, lsn: Lsn) -> Hold {
        Hold {
            id: TransferId(self.id.get()),
            amount: Amount(self.amount.get()),
            user_data_128: self.user_data_128.get(),
            user_data_64: self.user_data_64.get(),
            lsn,
            timestamp: Timestamp(self.timestamp.get()),
            debit_slot: Slot(self.debit_slot.get()),
            credit_slot: Slot(self.credit_slot.get()),
            timeout: self.timeout.get(),
            user_data_32: self.user_data_32.get(),
            ledger: LedgerId(self.ledger.get()),
            code: Code(self.code.get()),
            flags: TransferFlags(self.flags.get()),
        }
    }
}
