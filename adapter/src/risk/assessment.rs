//! What was known, which rules judged, and what they said: kept with the transaction.

use super::features::Features;
use super::rules::{Decision, Rules};
use serde::{Deserialize, Serialize};

/// How a transfer was judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assessment {
    /// The rules that judged.
    pub rule_version: u32,
    /// What they looked at.
    pub features: Features,
    /// What they said.
    pub decision: Decision,
    /// What rules that are tried out would have said, under their version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<(u32, Decision)>,
}

/// Judges by the rules that are in force.
#[must_use]
pub fn assess(features: Features) -> Assessment {
    let rules = Rules::current();
    Assessment {
        rule_version: rules.version,
        features,
        decision: rules.decide(&features),
        shadow: Rules::shadow().map(|rules| (rules.version, rules.decide(&features))),
    }
}

impl Assessment {
    /// Whether the rules of that time say the same again; `None` if this program does not have them.
    #[must_use]
    pub fn is_replayed(&self) -> Option<bool> {
        let rules = Rules::of_version(self.rule_version)?;
        Some(rules.decide(&self.features) == self.decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// F04 and N15: prevents a decision that nobody can account for later.
        #[test]
        fn what_was_decided_is_decided_again(
            amount_cents: u64, is_own: bool, is_new_payee: bool, recent_count in 0..40_u32, hour in 0..24_u8,
            is_new_device: Option<bool>, is_new_country: Option<bool>,
        ) {
            let (recent_cents, country) = (0, is_new_country.map(|_| "DE".parse().unwrap()));
            let features = Features {
                amount_cents, is_own, is_new_payee, recent_count, recent_cents, hour, is_new_device,
                is_new_country, country,
            };
            let stored = serde_json::to_string(&assess(features)).unwrap();
            let read: Assessment = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(read.is_replayed(), Some(true));
            prop_assert_eq!(read.features, features);
        }
    }

    /// Prevents: a decision of before devices and countries were looked at, that can't be read any more.
    #[test]
    fn what_was_stored_before_there_was_more_to_look_at_is_replayed() {
        let stored = r#"{"rule_version":2,"features":{"amount_cents":250000,"is_own":false,
            "is_new_payee":true,"recent_count":0,"recent_cents":0,"hour":12},
            "decision":{"verdict":"review","score":"HIGH","reason":"new_payee_large"},
            "shadow":[3,{"verdict":"review","score":"HIGH","reason":"new_payee_large"}]}"#;
        let read: Assessment = serde_json::from_str(stored).unwrap();
        assert_eq!(read.is_replayed(), Some(true));
        let (version, decision) = read.shadow.unwrap();
        assert_eq!(Rules::of_version(version).unwrap().decide(&read.features), decision);
    }
}
