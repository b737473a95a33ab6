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
    /// To somebody who is new, from a device that is: looked at.
    new_device_cents: u64,
    /// The same from a country that is.
    new_country_cents: u64,
}

/// Hours of the night, the end not included.
const NIGHT: std::ops::Range<u8> = 0..5;

/// Every set that ever judged, in force or in shadow, in order of their versions.
const EVER: &[Rules] = &[
    Rules {
        version: 1,
        unusual_cents: 500_000_000,
        new_payee_cents: u64::MAX,
        night_cents: u64::MAX,
        velocity_count: u32::MAX,
        new_device_cents: u64::MAX,
        new_country_cents: u64::MAX,
    },
    Rules {
        version: 2,
        unusual_cents: 500_000_000,
        new_payee_cents: 250_000,
        night_cents: 100_000,
        velocity_count: 20,
        new_device_cents: u64::MAX,
        new_country_cents: u64::MAX,
    },
    // It was in shadow alone.
    Rules {
        version: 3,
        unusual_cents: 200_000_000,
        new_payee_cents: 100_000,
        night_cents: 50_000,
        velocity_count: 10,
        new_device_cents: u64::MAX,
        new_country_cents: u64::MAX,
    },
    Rules {
        version: 4,
        unusual_cents: 500_000_000,
        new_payee_cents: 250_000,
        night_cents: 100_000,
        velocity_count: 20,
        new_device_cents: 100_000,
        new_country_cents: 50_000,
    },
    Rules {
        version: 5,
        unusual_cents: 200_000_000,
        new_payee_cents: 100_000,
        night_cents: 50_000,
        velocity_count: 10,
        new_device_cents: 50_000,
        new_country_cents: 20_000,
    },
];

/// The version that is in force.
const CURRENT: u32 = 4;
/// The version that is tried out, if one is: what it says has no effect.
const SHADOW: Option<u32> = Some(5);

impl Rules {
    /// The set that is in force.
    #[must_use]
    pub fn current() -> Rules {
        Rules::of_version(CURRENT).expect("it is one of these")
    }

    /// The set that is tried out.
    #[must_use]
    pub fn shadow() -> Option<Rules> {
        SHADOW.and_then(Rules::of_version)
    }

    /// A set that was in force, or in shadow, once.
    #[must_use]
    pub fn of_version(version: u32) -> Option<Rules> {
        EVER.iter().copied().find(|rules| rules.version == version)
    }

    /// Judges. The first rule that applies decides.
    #[must_use]
    pub fn decide(&self, features: &Features) -> Decision {
        let Features { amount_cents, is_own, is_new_payee, recent_count, recent_cents, .. } =
            *features;
        // In pieces it is as much.
        let lately_cents = amount_cents.saturating_add(recent_cents);
        let is_night = NIGHT.contains(&features.hour);
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
        let is_new_device = features.is_new_device == Some(true);
        if is_new_payee && is_new_device && self.new_device_cents <= lately_cents {
            return said(Verdict::Review, FraudScore::High, "new_device");
        }
        let is_new_country = features.is_new_country == Some(true);
        if is_new_payee && is_new_country && self.new_country_cents <= lately_cents {
            return said(Verdict::Review, FraudScore::High, "new_country");
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
        is_new_device: None,
        is_new_country: None,
        country: None,
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
            // Of what neither device nor country is known the fourth judges as the second, and the fifth as the third.
            for (version, said) in (1..).zip(said).chain([(4, said[1]), (5, said[2])]) {
                judges(version, said, features, what);
            }
        }
    }

    /// The same of device and country, for the versions that look at them; those of before do not.
    #[test]
    fn a_version_judges_devices_and_countries_as_it_did() {
        const NEW: Features = Features { is_new_payee: true, ..PLAIN };
        let device = Features { is_new_device: Some(true), ..NEW };
        let country = Features { is_new_country: Some(true), ..NEW };
        let known = Features { is_new_device: Some(false), is_new_country: Some(false), ..NEW };
        for (what, features, said) in [
            ("€199.99 from a new country", at(country, 19_999), ["allow", "allow"]),
            ("€200 from a new country", at(country, 20_000), ["allow", "new_country"]),
            ("€499.99 from a new device", at(device, 49_999), ["allow", "allow"]),
            ("€500 from a new device", at(device, 50_000), ["allow", "new_device"]),
            ("€500 from a new country", at(country, 50_000), ["new_country", "new_country"]),
            ("€999.99 from a new device", at(device, 99_999), ["allow", "new_device"]),
            ("€1,000 from a new device", at(device, 100_000), ["new_device", "new_payee_large"]),
            ("the same from a known one", at(known, 99_999), ["allow", "allow"]),
            (
                "the same to somebody known",
                Features { is_new_payee: false, ..at(device, 100_000) },
                ["allow", "allow"],
            ),
            (
                "the same between one's own",
                Features { is_own: true, is_new_payee: false, ..at(device, 100_000) },
                ["allow", "allow"],
            ),
            (
                "€500 in pieces from a new country",
                Features { recent_cents: 49_000, ..at(country, 1_000) },
                ["new_country", "new_country"],
            ),
        ] {
            for (version, said) in [4, 5].into_iter().zip(said) {
                judges(version, said, features, what);
            }
            let unknown = Features { is_new_device: None, is_new_country: None, ..features };
            for version in [1, 2, 3] {
                let rules = Rules::of_version(version).unwrap();
                assert_eq!(rules.decide(&features), rules.decide(&unknown), "{version}: {what}");
            }
        }
    }

    fn judges(version: u32, said: &str, features: Features, what: &str) {
        let rules = Rules::of_version(version).unwrap();
        let expected = decision(said, &features);
        assert_eq!(rules.decide(&features), expected, "version {version}: {what}");
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
        let versions: Vec<u32> = EVER.iter().map(|rules| rules.version).collect();
        // As many as the tables above judge by.
        assert_eq!(versions, [1, 2, 3, 4, 5]);
        assert_eq!((Rules::current().version, Rules::shadow().unwrap().version), (4, 5));
    }
}
