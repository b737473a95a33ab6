//! A transfer: the smallest thing that can't be out of balance, and its fixed layout of 128 bytes.
//!
//! ```text
//! offset  bytes  field
//!      0     16  id
//!     16     16  debit_account_id
//!     32     16  credit_account_id
//!     48     16  amount
//!     64     16  pending_id
//!     80     16  user_data_128
//!     96      8  user_data_64
//!    104      4  user_data_32
//!    108      4  timeout
//!    112      4  ledger
//!    116      2  code
//!    118      2  flags
//!    120      8  timestamp
//! ```
//! All little-endian.

use crate::amount::Amount;
use crate::id::{AccountId, Code, LedgerId, Timestamp, TransferId};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Two postings of the same amount, one debit and one credit, as callers see them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Transfer {
    /// Chosen by the caller, unique for ever, neither zero nor 2^128-1.
    pub id: TransferId,
    /// The account that is debited. In a post or void, zero or the hold's.
    pub debit_account_id: AccountId,
    /// The account that is credited. In a post or void, zero or the hold's.
    pub credit_account_id: AccountId,
    /// In the smallest unit of the ledger. When read back: as it was applied.
    pub amount: Amount,
    /// The hold that a post or void resolves; zero otherwise.
    pub pending_id: TransferId,
    /// The caller's own reference.
    pub user_data_128: u128,
    /// The caller's own reference.
    pub user_data_64: u64,
    /// The caller's own reference.
    pub user_data_32: u32,
    /// Seconds until a hold expires by itself; zero: never.
    pub timeout: u32,
    /// The currency of both accounts.
    pub ledger: LedgerId,
    /// The caller's reason for the transfer; not zero.
    pub code: Code,
    /// See [`TransferFlags`].
    pub flags: TransferFlags,
    /// When it was created. Zero when creating, unless `imported`.
    pub timestamp: Timestamp,
}

/// Properties of a transfer, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TransferFlags(pub u16);

impl TransferFlags {
    /// No flag.
    pub const NONE: TransferFlags = TransferFlags(0);
    /// Succeeds or fails together with the next event of the batch.
    pub const LINKED: TransferFlags = TransferFlags(1 << 0);
    /// A hold: reserves the amount until it is posted, voided or expires.
    pub const PENDING: TransferFlags = TransferFlags(1 << 1);
    /// Posts a hold, wholly or in part.
    pub const POST_PENDING_TRANSFER: TransferFlags = TransferFlags(1 << 2);
    /// Releases a hold.
    pub const VOID_PENDING_TRANSFER: TransferFlags = TransferFlags(1 << 3);
    /// The amount is an upper bound, cut to what the debit account's limit allows.
    pub const BALANCING_DEBIT: TransferFlags = TransferFlags(1 << 4);
    /// The amount is an upper bound, cut to what the credit account's limit allows.
    pub const BALANCING_CREDIT: TransferFlags = TransferFlags(1 << 5);
    /// Closes the debit account (a hold; voiding it reopens).
    pub const CLOSING_DEBIT: TransferFlags = TransferFlags(1 << 6);
    /// Closes the credit account (a hold; voiding it reopens).
    pub const CLOSING_CREDIT: TransferFlags = TransferFlags(1 << 7);
    /// Carries a timestamp of its own, from another system.
    pub const IMPORTED: TransferFlags = TransferFlags(1 << 8);
    /// Every flag that means something.
    pub const ALL: TransferFlags = TransferFlags((1 << 9) - 1);
    /// Each flag with the name that JSON and the shell use, in order of bits.
    pub const NAMES: [(TransferFlags, &'static str); 9] = [
        (TransferFlags::LINKED, "linked"),
        (TransferFlags::PENDING, "pending"),
        (TransferFlags::POST_PENDING_TRANSFER, "post_pending_transfer"),
        (TransferFlags::VOID_PENDING_TRANSFER, "void_pending_transfer"),
        (TransferFlags::BALANCING_DEBIT, "balancing_debit"),
        (TransferFlags::BALANCING_CREDIT, "balancing_credit"),
        (TransferFlags::CLOSING_DEBIT, "closing_debit"),
        (TransferFlags::CLOSING_CREDIT, "closing_credit"),
        (TransferFlags::IMPORTED, "imported"),
    ];

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: TransferFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: TransferFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: TransferFlags) -> TransferFlags {
        TransferFlags(self.0 | other.0)
    }
}

/// A transfer as 128 bytes; the layout is drawn at the top of this file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TransferLayout {
    id: U128,
    debit_account_id: U128,
    credit_account_id: U128,
    amount: U128,
    pending_id: U128,
    user_data_128: U128,
    user_data_64: U64,
    user_data_32: U32,
    timeout: U32,
    ledger: U32,
    code: U16,
    flags: U16,
    timestamp: U64,
}

const _: () = assert!(size_of::<TransferLayout>() == 128);

impl TransferLayout {
    /// The id alone, for prefetching.
    #[must_use]
    pub fn id(&self) -> TransferId {
        TransferId(self.id.get())
    }

    /// The flags alone, for admission.
    #[must_use]
    pub fn flags(&self) -> TransferFlags {
        TransferFlags(self.flags.get())
    }

    /// The pending id alone, for prefetching.
    #[must_use]
    pub fn pending_id(&self) -> TransferId {
        TransferId(self.pending_id.get())
    }
}

impl From<&Transfer> for TransferLayout {
    fn from(transfer: &Transfer) -> TransferLayout {
        TransferLayout {
            id: transfer.id.0.into(),
            debit_account_id: transfer.debit_account_id.0.into(),
            credit_account_id: transfer.credit_account_id.0.into(),
            amount: transfer.amount.0.into(),
            pending_id: transfer.pending_id.0.into(),
            user_data_128: transfer.user_data_128.into(),
            user_data_64: transfer.user_data_64.into(),
            user_data_32: transfer.user_data_32.into(),
            timeout: transfer.timeout.into(),
            ledger: transfer.ledger.0.into(),
            code: transfer.code.0.into(),
            flags: transfer.flags.0.into(),
            timestamp: transfer.timestamp.0.into(),
        }
    }
}

impl From<&TransferLayout> for Transfer {
    fn from(layout: &TransferLayout) -> Transfer {
        Transfer {
            id: TransferId(layout.id.get()),
            debit_account_id: AccountId(layout.debit_account_id.get()),
            credit_account_id: AccountId(layout.credit_account_id.get()),
            amount: Amount(layout.amount.get()),
            pending_id: TransferId(layout.pending_id.get()),
            user_data_128: layout.user_data_128.get(),
            user_data_64: layout.user_data_64.get(),
            user_data_32: layout.user_data_32.get(),
            timeout: layout.timeout.get(),
            ledger: LedgerId(layout.ledger.get()),
            code: Code(layout.code.get()),
            flags: TransferFlags(layout.flags.get()),
            timestamp: Timestamp(layout.timestamp.get()),
        }
    }
}
