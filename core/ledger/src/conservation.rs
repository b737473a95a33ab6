//! Law 1, watched while it is made: what postings do to one side of the books they do to the other.
//!
//! [`Moved`] sums what rows changed by, each side by itself, before and after taken from the row. A posting
//! that reached one row and not the other, or both by different amounts, shows in the sums of its frame,
//! before the frame is written, all ledgers together. What was in the rows before is not asked: that is
//! [`crate::Ledger::trial_balance`]'s.

use crate::amount::Amount;

/// What rows changed by; modulo 2^128, so that what holds give back is a change like any other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    debits: Side,
    credits: Side,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Side {
    pending: u128,
    posted: u128,
}

/// Pending and posted of one side of a row.
pub(crate) type Pair = (Amount, Amount);

impl Moved {
    /// Whether both sides changed by the same.
    #[inline]
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.debits == self.credits
    }

    #[inline]
    pub(crate) fn debit(&mut self, before: Pair, after: Pair) {
        self.debits.change(before, after);
    }

    #[inline]
    pub(crate) fn credit(&mut self, before: Pair, after: Pair) {
        self.credits.change(before, after);
    }
}

impl Side {
    #[inline]
    fn change(&mut self, before: Pair, after: Pair) {
        self.pending = self.pending.wrapping_add(after.0.0).wrapping_sub(before.0.0);
        self.posted = self.posted.wrapping_add(after.1.0).wrapping_sub(before.1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(pending: u128, posted: u128) -> Pair {
        (Amount(pending), Amount(posted))
    }

    /// Prevents: a posting that credits and does not debit, acknowledged.
    #[test]
    fn one_side_alone_or_by_another_amount_is_seen() {
        let mut moved = Moved::default();
        assert!(moved.is_balanced());
        moved.debit(pair(7, 100), pair(7, 130));
        assert!(!moved.is_balanced(), "one side alone");
        moved.credit(pair(0, 5), pair(0, 34));
        assert!(!moved.is_balanced(), "by another amount");
        moved.credit(pair(0, 34), pair(0, 35));
        assert!(moved.is_balanced());
        moved.debit(pair(7, 130), pair(0, 137));
        moved.credit(pair(7, 35), pair(7, 42));
        assert!(!moved.is_balanced(), "what was held stays held on one side");
        moved.credit(pair(7, 42), pair(0, 42));
        assert!(moved.is_balanced());
    }
}
