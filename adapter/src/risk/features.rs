//! What is known of a transfer when it is judged.

use serde::{Deserialize, Serialize};

/// What rules look at. Amounts are in the smallest unit of their currency: those of all currencies of the bank are worth
/// about the same. What is added to this is optional, since what was stored stays as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Features {
    /// How much.
    pub amount_cents: u64,
    /// Whether both accounts are the customer's.
    pub is_own: bool,
    /// Whether the customer has paid this account for the first time within a day, or never.
    pub is_new_payee: bool,
    /// Transfers from the account in the hour before.
    pub recent_count: u32,
    /// What they came to.
    pub recent_cents: u64,
    /// The hour of the day, in the bank's time zone.
    pub hour: u8,
}
