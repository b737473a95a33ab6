//! Names of things: ids, positions and instants, each a type of its own without operators, so that
//! a slot is never added to a position and an account is never looked up by a transfer's id.

use core::fmt;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

newtype! {
    /// An account's id, chosen by the caller. Zero and 2^128-1 are never valid.
    AccountId(u128)
}
newtype! {
    /// A transfer's id, chosen by the caller, unique over the whole database for ever.
    /// Zero and 2^128-1 are never valid.
    TransferId(u128)
}
newtype! {
    /// The currency or asset that an account holds; ISO 4217 numeric for currencies.
    LedgerId(u32)
}
newtype! {
    /// A caller's own classification: chart of accounts, or the reason of a transfer.
    Code(u16)
}
newtype! {
    /// An account's place in the account table: dense, in order of creation, from 0.
    Slot(u32)
}
newtype! {
    /// A byte position in the endless log. Zero is the header of the first segment, where no
    /// record can be, and therefore says "none".
    Lsn(u64)
}
newtype! {
    /// Nanoseconds since 1970-01-01T00:00:00Z. Zero says "none". At most 2^63-1.
    Timestamp(u64)
}

impl AccountId {
    /// The largest `u128`, reserved.
    pub const MAX: AccountId = AccountId(u128::MAX);
    /// Zero, which says "not given".
    pub const ZERO: AccountId = AccountId(0);
}

impl TransferId {
    /// The largest `u128`, reserved.
    pub const MAX: TransferId = TransferId(u128::MAX);
    /// Zero, which says "not given".
    pub const ZERO: TransferId = TransferId(0);
}

impl Lsn {
    /// No position: the end of every chain of postings.
    pub const NONE: Lsn = Lsn(0);

    /// Whether this names a position at all.
    #[must_use]
    pub fn is_some(self) -> bool {
        self != Lsn::NONE
    }
}

impl Timestamp {
    /// No instant.
    pub const NONE: Timestamp = Timestamp(0);
    /// The last instant that can be recorded: 2^63-1 nanoseconds, in the year 2262.
    pub const MAX: Timestamp = Timestamp(i64::MAX.unsigned_abs());
    const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

    /// The instant `ticks` nanoseconds later, or `None` past [`Timestamp::MAX`].
    #[must_use]
    pub fn after_ticks(self, ticks: u64) -> Option<Timestamp> {
        self.0.checked_add(ticks).map(Timestamp).filter(|later| *later <= Timestamp::MAX)
    }

    /// The instant `seconds` later, or `None` past [`Timestamp::MAX`].
    #[must_use]
    pub fn after_seconds(self, seconds: u32) -> Option<Timestamp> {
        self.after_ticks(u64::from(seconds) * Self::NANOSECONDS_PER_SECOND)
    }
}
