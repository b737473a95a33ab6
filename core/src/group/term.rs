//! Terms: who may decide, in order.

use crate::error::{Error, ErrorKind};
use std::fmt;

/// Terms that a node may not have heard of.
const COUNT_AHEAD_MAX: u64 = 1 << 32;
/// Bits of a term that name whoever took it.
const NODE_BITS: u32 = 16;

/// The reign of one primary. A later one ends all before it: who has promised a term hears no lower one any
/// more. The upper bits count, the lowest 16 are of the node that took it, so that no two nodes take the same
/// one (ballots, as in L. Lamport, "The Part-Time Parliament", 1998). Zero: nobody was ever promoted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Term(pub u64);

impl Term {
    /// Before anybody was promoted.
    pub const NONE: Term = Term(0);

    /// The term that a node takes after this one.
    ///
    /// # Panics
    /// After 2^48 terms.
    #[must_use]
    pub fn next_of(self, node: u128) -> Term {
        let count = (self.0 >> NODE_BITS) + 1;
        assert!(count < 1 << (u64::BITS - NODE_BITS), "terms are counted in 48 bits");
        Term(count << NODE_BITS | u64::from(Term::mark_of(node)))
    }

    /// Whether another may come after this one: each takes a promotion, so one that is far above is a mistake, and would
    /// leave no room for others.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is.
    pub(crate) fn check_after(self, later: Term) -> Result<(), Error> {
        if (later.0 >> NODE_BITS).saturating_sub(self.0 >> NODE_BITS) <= COUNT_AHEAD_MAX {
            return Ok(());
        }
        let message =
            format!("term {later} is too far above term {self}: no group was changed so often");
        Err(Error::new(ErrorKind::Invalid, message))
    }

    /// What tells a node's terms from those of others: nodes of a group have different ones.
    #[must_use]
    pub fn mark_of(node: u128) -> u16 {
        let bytes = node.to_le_bytes();
        u16::from_le_bytes([bytes[0], bytes[1]])
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.0 & ((1 << NODE_BITS) - 1);
        write!(f, "{}-{mark:04x}", self.0 >> NODE_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: two nodes that are promoted at the same time and reign in the same term.
    #[test]
    fn terms_rise_and_no_two_nodes_take_the_same() {
        let (one, other) = (Term::NONE.next_of(0xabcd_0001), Term::NONE.next_of(0xabcd_0002));
        assert_ne!(one, other);
        assert!(Term::NONE < one && one < other);
        assert!(other < one.next_of(0xabcd_0001), "the next is above all of the same count");
        assert!(one.next_of(0xffff) < other.next_of(0).next_of(0));
        assert_eq!(one.to_string(), "1-0001");
        // A term from outside must not be the last one.
        assert!(one.check_after(other).is_ok() && other.check_after(one).is_ok());
        assert!(one.check_after(Term(u64::MAX)).is_err());
    }
}
