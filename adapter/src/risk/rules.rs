//! Sets of rules, each under its version. One that was ever in force stays as it was.

use super::features::Features;
use serde::{Deserialize, Serialize};

/// What is decided about a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It goes on.
    Allow,
    /// A person looks at it first.
    Review,
    /// It does not go on.
    Deny,
}

/// How likely it is that somebody else than the customer wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FraudScore {
    /// Hardly.
    Low,
    /// It may be.
    Medium,
    /// Most likely.
    High,
}

/// What rules say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// What is decided.
    pub verdict: Verdict,
    /// How likely it is fraud.
    pub score: FraudScore,
    /// The rule that decided; empty if none did.
    pub reason: String,
}

/// A set of rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Its version.
    pub version: u32,
    /// What no customer sends by themselves: denied.
    unusual_cents: u64,
    /// To somebody who is new, together with what was sent in the hour before: looked at.
    new_payee_cents: u64,
    /// The same at night.
    night_cents: u64,
    /// Transfers in an hour, from which on the next are looked at.
    velocity_count: u32,
}

/// Hours of the night, the end not included.
const NIGHT: std::ops::Range<u8> = 0..5;

/// Every set that ever was in force; the last is.
const EVER: &[Rules] = &[
    Rules {
        version: 1,
        unusual_cents: 500_000_000,
        new_payee_cents: u64::MAX,
        night_cents: u64::MAX,
        velocity_count: u32::MAX,
    },
    Rules {
        version: 2,
        unusual_cents: 500_000_000,
        new_payee_cents: 250_000,
        night_cents: 100_000,
        velocity_count: 20,
    },
];

/// The set that is tried out, if one is: what it says has no effect.
const SHADOW: Option<Rules> = Some(Rules {
    version: 3,
    unusual_cents: 200_000_000,
    new_payee_cents: 100_000,
    night_cents: 50_000,
    velocity_count: 10,
});

impl Rules {
    /// The set that is in force.
    #[must_use]
    pub fn current() -> Rules {
        *EVER.last().expect("there are rules")
    }

    /// The set that is tried out.
    #[must_use]
    pub fn shadow() -> Option<Rules> {
        SHADOW
    }

    /// A set that was in force, or in shadow, once.
    #[must_use]
    pub fn of_version(version: u32) -> Option<Rules> {
        EVER.iter().copied().chain(SHADOW).find(|rules| rules.version == version)
    }

    /// Judges. The first rule that applies decides.
    #[must_use]
    pub fn decide(&self, features: &Features) -> Decision {
        let Features { amount_cents, is_own, is_new_payee, recent_count, recent_cents, hour } =
            *features;
        // In pieces it is as much.
        let lately_cents = amount_cents.saturating_add(recent_cents);
        let is_night = NIGHT.contains(&hour);
        let said =
            |verdict, score, reason| Decision { verdict, score, reason: String::from(reason) };
        if self.unusual_cents < amount_cents {
            return said(Verdict::Deny, FraudScore::High, "amount_unusual");
        }
        if is_own {
            return said(Verdict::Allow, FraudScore::Low, "");
        }
        if is_new_payee && self.new_payee_cents <= lately_cents {
            return said(Verdict::Review, FraudScore::High, "new_payee_large");
        }
        if is_new_payee && is_night && self.night_cents <= lately_cents {
            return said(Verdict::Review, FraudScore::High, "new_payee_at_night");
        }
        if self.velocity_count <= recent_count {
            return said(Verdict::Review, FraudScore::Medium, "velocity");
        }
        let score = if is_new_payee { FraudScore::Medium } else { FraudScore::Low };
        said(Verdict::Allow, score, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Features = Features {
        amount_cents: 1_000,
        is_own: false,
        is_new_payee: false,
        recent_count: 0,
        recent_cents: 0,
        hour: 12,
    };

    fn said(features: Features) -> (Verdict, String) {
        let decision = Rules::current().decide(&features);
        (decision.verdict, decision.reason)
    }

    /// F01 and F03: each rule at its border, and one before it.
    #[test]
    fn each_rule_begins_where_it_says() {
        let allow = (Verdict::Allow, String::new());
        let review = |reason: &str| (Verdict::Review, String::from(reason));
        assert_eq!(said(PLAIN), allow);
        let large = Features { amount_cents: 250_000, ..PLAIN };
        assert_eq!(said(large), allow, "somebody who was paid before");
        let new = Features { is_new_payee: true, ..large };
        assert_eq!(said(new), review("new_payee_large"));
        assert_eq!(said(Features { amount_cents: 249_999, ..new }), allow);
        assert_eq!(said(Features { is_own: true, ..new }), allow);
        let pieces = Features { amount_cents: 1_000, recent_cents: 249_000, ..new };
        assert_eq!(said(pieces), review("new_payee_large"), "in pieces");
        assert_eq!(said(Features { recent_cents: 248_999, ..pieces }), allow);
        let night = Features { amount_cents: 100_000, hour: 4, ..new };
        assert_eq!(said(night), review("new_payee_at_night"));
        assert_eq!(said(Features { hour: 5, ..night }), allow);
        assert_eq!(said(Features { amount_cents: 99_999, ..night }), allow);
        assert_eq!(said(Features { recent_count: 20, ..PLAIN }), review("velocity"));
        assert_eq!(said(Features { recent_count: 19, ..PLAIN }), allow);
        let deny = (Verdict::Deny, String::from("amount_unusual"));
        assert_eq!(said(Features { amount_cents: 500_000_001, is_own: true, ..PLAIN }), deny);
    }

    /// What each version says, from the first on. A line that is here stays as it is; a new version adds a column.
    #[test]
    fn a_version_judges_as_it_did() {
        const NEW: Features = Features { is_new_payee: true, ..PLAIN };
        const OWN: Features = Features { is_own: true, ..PLAIN };
        let night = Features { hour: 4, ..NEW };
        for (what, features, said) in [
            ("little, to somebody known", PLAIN, ["allow", "allow", "allow"]),
            ("little, to somebody new", NEW, ["allow", "allow", "allow"]),
            ("€499.99 at night", at(night, 49_999), ["allow", "allow", "allow"]),
            ("€500 at night", at(night, 50_000), ["allow", "allow", "new_payee_at_night"]),
            ("€999.99 by day", at(NEW, 99_999), ["allow", "allow", "allow"]),
            (
                "€1,000 at night",
                at(night, 100_000),
                ["allow", "new_payee_at_night", "new_payee_large"],
            ),
            ("€1,000 by day", at(NEW, 100_000), ["allow", "allow", "new_payee_large"]),
            ("€2,499.99 by day", at(NEW, 249_999), ["allow", "allow", "new_payee_large"]),
            ("€2,500 by day", at(NEW, 250_000), ["allow", "new_payee_large", "new_payee_large"]),
            ("the same to somebody known", at(PLAIN, 250_000), ["allow", "allow", "allow"]),
            ("the same between one's own", at(OWN, 250_000), ["allow", "allow", "allow"]),
            (
                "€2,500 in pieces",
                Features { recent_cents: 249_000, ..NEW },
                ["allow", "new_payee_large", "new_payee_large"],
            ),
            ("nine before", Features { recent_count: 9, ..PLAIN }, ["allow", "allow", "allow"]),
            ("ten before", Features { recent_count: 10, ..PLAIN }, ["allow", "allow", "velocity"]),
            (
                "twenty before",
                Features { recent_count: 20, ..PLAIN },
                ["allow", "velocity", "velocity"],
            ),
            ("€2 million", at(OWN, 200_000_000), ["allow", "allow", "allow"]),
            ("€2 million and a cent", at(OWN, 200_000_001), ["allow", "allow", "amount_unusual"]),
            ("€5 million", at(OWN, 500_000_000), ["allow", "allow", "amount_unusual"]),
            (
                "€5 million and a cent",
                at(OWN, 500_000_001),
                ["amount_unusual", "amount_unusual", "amount_unusual"],
            ),
        ] {
            for (version, said) in (1..).zip(said) {
                let rules = Rules::of_version(version).unwrap();
                let expected = decision(said, &features);
                assert_eq!(rules.decide(&features), expected, "version {version}: {what}");
            }
        }
    }

    /// What a word of the table stands for.
    fn decision(said: &str, features: &Features) -> Decision {
        let (verdict, score) = match said {
            "allow" if features.is_new_payee => (Verdict::Allow, FraudScore::Medium),
            "allow" => (Verdict::Allow, FraudScore::Low),
            "amount_unusual" => (Verdict::Deny, FraudScore::High),
            "velocity" => (Verdict::Review, FraudScore::Medium),
            _ => (Verdict::Review, FraudScore::High),
        };
        let reason = if verdict == Verdict::Allow { "" } else { said };
        Decision { verdict, score, reason: String::from(reason) }
    }

    fn at(features: Features, amount_cents: u64) -> Features {
        Features { amount_cents, ..features }
    }

    /// F02: prevents a version that can't be had any more, and two of one number.
    #[test]
    fn versions_rise_one_by_one() {
        let versions: Vec<u32> = EVER.iter().chain(&SHADOW).map(|rules| rules.version).collect();
        // As many as the table above has columns.
        assert_eq!(versions, [1, 2, 3]);
    }
}
