//! Ids of what a bank has: 128 bits that rise with time, written with a prefix that says of what.
//!
//! ```text
//! acc_01jdsh2m0v9x3f4t8kzq6w5r7n
//! ---  prefix of the kind
//!     26 digits of Crockford's base 32, lower case: 48 bits of milliseconds since 1970, 80 random ones
//! ```
//! Ids sort by when they were made, as numbers and as text. They are names, not secrets: whoever knows
//! one may do nothing by it.

use crate::random;
use florin_ledger::Timestamp;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of an id: 130 bits, of which the first two are zero.
const DIGITS_COUNT: usize = 26;
const DIGIT_BITS: u32 = 5;
const RANDOM_BITS: u32 = 80;
const MILLISECOND: u64 = 1_000_000;

/// What an id names.
pub trait Kind {
    /// What the text of its ids begins with.
    const PREFIX: &'static str;
}

/// Declares kinds of ids.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {}

        impl Kind for $name {
            const PREFIX: &'static str = $prefix;
        }
    )*};
}

kinds! {
    /// A customer.
    Customer "usr_"
    /// An account of a customer; the ledger's account has the same number.
    Account "acc_"
    /// A transaction; the ledger's transfers carry its number as `user_data_128`.
    Transaction "txn_"
    /// A login of a browser or of one of the bank's own apps.
    Login "lgn_"
    /// A letter to a customer.
    Letter "ltr_"
    /// A device that an app of the bank shows notices on.
    Device "dev_"
    /// A row of the audit trail.
    Audit "aud_"
    /// Somebody whom a customer pays again and again: BENEFICIARIES of the design.
    Payee "ben_"
    /// What a customer is asked to prove for one order.
    Challenge "chl_"
    /// A transaction that a person has to look at.
    Case "cas_"
    /// What a member of the staff asks for, and another must approve.
    Proposed "prp_"
}

/// The id of a `K`.
pub struct Id<K>(u128, PhantomData<fn() -> K>);

impl<K: Kind> Id<K> {
    /// A new id that sorts by a time.
    #[must_use]
    pub fn at(time: Timestamp) -> Id<K> {
        let milliseconds = u128::from(time.0 / MILLISECOND) & ((1 << 48) - 1);
        let random = u128::from_le_bytes(random::bytes()) >> (u128::BITS - RANDOM_BITS);
        Id(milliseconds << RANDOM_BITS | random, PhantomData)
    }

    /// The id with this number.
    #[must_use]
    pub fn from_number(number: u128) -> Id<K> {
        Id(number, PhantomData)
    }

    /// Its number: what the ledger knows.
    #[must_use]
    pub fn number(self) -> u128 {
        self.0
    }

    /// The time that it was made for, to the millisecond.
    #[must_use]
    pub fn time(self) -> Timestamp {
        let milliseconds = u64::try_from(self.0 >> RANDOM_BITS).expect("it has 48 bits");
        Timestamp(milliseconds.saturating_mul(MILLISECOND))
    }

    /// Its bytes, which sort as the ids do: for keys of documents.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Id<K> {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Id<K>) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Id<K>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Id<K>) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::PREFIX)?;
        for place in (0..DIGITS_COUNT).rev() {
            let shift = DIGIT_BITS * u32::try_from(place).expect("few digits");
            let digit = usize::try_from(self.0 >> shift & 31).expect("five bits");
            write!(f, "{}", char::from(DIGITS[digit]))?;
        }
        Ok(())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no id of the kind that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an id begins with `{prefix}` and has {DIGITS_COUNT} digits after it")]
pub struct NotAnId {
    prefix: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Id<K>, NotAnId> {
        let not_an_id = NotAnId { prefix: K::PREFIX };
        let digits = text.strip_prefix(K::PREFIX).ok_or(not_an_id)?;
        if digits.len() != DIGITS_COUNT {
            return Err(not_an_id);
        }
        let mut number: u128 = 0;
        for digit in digits.bytes() {
            let value = DIGITS.iter().position(|known| *known == digit).ok_or(not_an_id)?;
            if number >> (u128::BITS - DIGIT_BITS) != 0 {
                return Err(not_an_id);
            }
            number = number << DIGIT_BITS | u128::try_from(value).expect("five bits");
        }
        Ok(Id(number, PhantomData))
    }
}

/// Its text for people and other programs, its bytes for what is stored.
impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.bytes())
        }
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id<K>, D::Error> {
        // Whether it is text or bytes: inside of an enum, serde does not tell which is wanted.
        deserializer.deserialize_any(Wanted(PhantomData))
    }
}

struct Wanted<K>(PhantomData<fn() -> K>);

impl<K: Kind> Visitor<'_> for Wanted<K> {
    type Value = Id<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id that begins with `{}`", K::PREFIX)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id<K>, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Id<K>, E> {
        let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(Id::from_number(u128::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Prevents: an id that is shown names something else when it comes back.
        #[test]
        fn an_id_reads_as_it_was_written_and_sorts_alike(one: u128, other: u128) {
            let (one, other) = (Id::<Account>::from_number(one), Id::<Account>::from_number(other));
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
            prop_assert_eq!(one.cmp(&other), one.bytes().cmp(&other.bytes()));
        }

        /// Prevents: two texts for one id, or a panic on what a stranger sends.
        #[test]
        fn only_its_own_text_names_an_id(text in "(acc_)?[0-9a-zA-Z_]{0,30}") {
            if let Ok(id) = text.parse::<Id<Account>>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn ids_of_another_kind_or_too_large_are_none() {
        let id = Id::<Account>::at(Timestamp(1_790_000_000_000_000_000)).to_string();
        assert!(id.parse::<Id<Customer>>().is_err());
        assert!(format!("acc_8{}", "0".repeat(25)).parse::<Id<Account>>().is_err());
        assert!(format!("acc_7{}", "z".repeat(25)).parse::<Id<Account>>().is_ok());
    }

    #[test]
    fn ids_rise_with_time() {
        let early = Id::<Transaction>::at(Timestamp(1_790_000_000_000_000_000));
        let late = Id::<Transaction>::at(Timestamp(1_790_000_000_001_000_000));
        assert!(early < late);
    }
}
