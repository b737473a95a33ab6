//! Money: an exact, unsigned number of the smallest unit of its ledger. Arithmetic is checked; a
//! sum that does not fit is `None`, never a wrong number.

use core::fmt;

/// An amount of money in the smallest unit of its ledger (cents, satoshi, …).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Amount(pub u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// The largest amount; in a post it means "all of the hold", in a balancing transfer "as much
    /// as the limit allows".
    pub const MAX: Amount = Amount(u128::MAX);

    /// The sum, or `None` if it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// The difference, or `None` if it would be negative.
    #[must_use]
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// The difference, or zero if it would be negative.
    #[must_use]
    pub fn saturating_sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
