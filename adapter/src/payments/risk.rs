//! Whether a transfer may go on: rules of a numbered version, whose decision is kept with the transaction.

use super::record::FraudScore;
use crate::money::Money;

/// The version of the rules below; a change of any is a new version.
pub(super) const RULE_VERSION: u32 = 1;
/// What no customer sends by themselves, in the smallest unit.
const UNUSUAL_CENTS: u128 = 500_000_000;

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It goes on.
    Allow(FraudScore),
    /// It does not.
    Deny(FraudScore, &'static str),
}

/// Decides by what is known of a transfer.
#[must_use]
pub fn decide(money: Money) -> Decision {
    if UNUSUAL_CENTS < money.cents {
        return Decision::Deny(FraudScore::High, "amount_unusual");
    }
    Decision::Allow(FraudScore::Low)
}
