//! What is known of a transfer when it is judged.

use super::countries::Country;
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
    /// Whether the device that it was ordered with has been the customer's for less than a day; `None` if that is not
    /// known, and rules judge nothing by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_new_device: Option<bool>,
    /// Whether the customer has logged in from that country for the first time within a day, or never; `None` if the
    /// country is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_new_country: Option<bool>,
    /// The country that it was ordered from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
}
