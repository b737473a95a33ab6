//! Whether a transfer may go on: what is known of it, judged by rules of a numbered version.
//!
//! - What was looked at and which rules judged is kept with the transaction, so that years later the same rules judge
//!   the same ([`Assessment::is_replayed`]). Rules that were in force once are never changed and never taken out.
//! - A set of rules in shadow judges too, without effect, and what it would have said is kept beside.

mod assessment;
mod countries;
mod features;
mod rules;

pub use assessment::{Assessment, assess};
pub use countries::{Countries, CountriesError, Country, NotACountry};
pub use features::Features;
pub use rules::{Decision, FraudScore, Rules, Verdict};
