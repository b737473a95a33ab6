//! An account: what it is, its four balances, and its fixed layout of 128 bytes.
//!
//! ```text
//! offset  bytes  field
//!      0     16  id
//!     16     16  debits_pending
//!     32     16  debits_posted
//!     48     16  credits_pending
//!     64     16  credits_posted
//!     80     16  user_data_128
//!     96      8  user_data_64
//!    104      4  user_data_32
//!    108      4  reserved, zero
//!    112      4  ledger
//!    116      2  code
//!    118      2  flags
//!    120      8  timestamp
//! ```
//! All little-endian.

use crate::amount::Amount;
use crate::id::{AccountId, Code, LedgerId, Timestamp};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An account of one ledger, as callers see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Chosen by the caller, unique, neither zero nor 2^128-1.
    pub id: AccountId,
    /// Sum of the holds that would debit this account. Zero when creating.
    pub debits_pending: Amount,
    /// Sum of what was debited. Zero when creating.
    pub debits_posted: Amount,
    /// Sum of the holds that would credit this account. Zero when creating.
    pub credits_pending: Amount,
    /// Sum of what was credited. Zero when creating.
    pub credits_posted: Amount,
    /// The caller's own reference.
    pub user_data_128: u128,
    /// The caller's own reference.
    pub user_data_64: u64,
    /// The caller's own reference.
    pub user_data_32: u32,
    /// Must be zero.
    pub reserved: u32,
    /// The currency; not zero.
    pub ledger: LedgerId,
    /// The place in the chart of accounts; not zero.
    pub code: Code,
    /// See [`AccountFlags`].
    pub flags: AccountFlags,
    /// When it was created. Zero when creating, unless `imported`.
    pub timestamp: Timestamp,
}

/// Properties of an account, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountFlags(pub u16);

impl AccountFlags {
    /// No flag.
    pub const NONE: AccountFlags = AccountFlags(0);
    /// Succeeds or fails together with the next event of the batch.
    pub const LINKED: AccountFlags = AccountFlags(1 << 0);
    /// Refuses a debit that would take pending and posted debits above posted credits.
    pub const DEBITS_MUST_NOT_EXCEED_CREDITS: AccountFlags = AccountFlags(1 << 1);
    /// Refuses a credit that would take pending and posted credits above posted debits.
    pub const CREDITS_MUST_NOT_EXCEED_DEBITS: AccountFlags = AccountFlags(1 << 2);
    /// Accepted and stored; every account has its history anyway.
    pub const HISTORY: AccountFlags = AccountFlags(1 << 3);
    /// Carries a timestamp of its own, from another system.
    pub const IMPORTED: AccountFlags = AccountFlags(1 << 4);
    /// Refuses everything except voids and expiries of its holds.
    pub const CLOSED: AccountFlags = AccountFlags(1 << 5);
    /// Every flag that means something.
    pub const ALL: AccountFlags = AccountFlags((1 << 6) - 1);
    /// Each flag with the name that JSON and the shell use, in order of bits.
    pub const NAMES: [(AccountFlags, &'static str); 6] = [
        (AccountFlags::LINKED, "linked"),
        (AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS, "debits_must_not_exceed_credits"),
        (AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS, "credits_must_not_exceed_debits"),
        (AccountFlags::HISTORY, "history"),
        (AccountFlags::IMPORTED, "imported"),
        (AccountFlags::CLOSED, "closed"),
    ];

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: AccountFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: AccountFlags) -> AccountFlags {
        AccountFlags(self.0 | other.0)
    }

    /// These flags but those of `other`.
    #[must_use]
    pub const fn without(self, other: AccountFlags) -> AccountFlags {
        AccountFlags(self.0 & !other.0)
    }
}

/// An account as 128 bytes; the layout is drawn at the top of this file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AccountLayout {
    id: U128,
    debits_pending: U128,
    debits_posted: U128,
    credits_pending: U128,
    credits_posted: U128,
    user_data_128: U128,
    user_data_64: U64,
    user_data_32: U32,
    reserved: U32,
    ledger: U32,
    code: U16,
    flags: U16,
    timestamp: U64,
}

const _: () = assert!(size_of::<AccountLayout>() == 128);

impl AccountLayout {
    /// The flags alone, for admission.
    #[must_use]
    pub fn flags(&self) -> AccountFlags {
        AccountFlags(self.flags.get())
    }
}

impl From<&Account> for AccountLayout {
    fn from(account: &Account) -> AccountLayout {
        AccountLayout {
            id: account.id.0.into(),
            debits_pending: account.debits_pending.0.into(),
            debits_posted: account.debits_posted.0.into(),
            credits_pending: account.credits_pending.0.into(),
            credits_posted: account.credits_posted.0.into(),
            user_data_128: account.user_data_128.into(),
            user_data_64: account.user_data_64.into(),
            user_data_32: account.user_data_32.into(),
            reserved: account.reserved.into(),
            ledger: account.ledger.0.into(),
            code: account.code.0.into(),
            flags: account.flags.0.into(),
            timestamp: account.timestamp.0.into(),
        }
    }
}

impl From<&AccountLayout> for Account {
    fn from(layout: &AccountLayout) -> Account {
        Account {
            id: AccountId(layout.id.get()),
            debits_pending: Amount(layout.debits_pending.get()),
            debits_posted: Amount(layout.debits_posted.get()),
            credits_pending: Amount(layout.credits_pending.get()),
            credits_posted: Amount(layout.credits_posted.get()),
            user_data_128: layout.user_data_128.get(),
            user_data_64: layout.user_data_64.get(),
            user_data_32: layout.user_data_32.get(),
            reserved: layout.reserved.get(),
            ledger: LedgerId(layout.ledger.get()),
            code: Code(layout.code.get()),
            flags: AccountFlags(layout.flags.get()),
            timestamp: Timestamp(layout.timestamp.get()),
        }
    }
}
