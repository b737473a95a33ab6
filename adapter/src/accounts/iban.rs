//! Numbers of accounts: IBANs of a country whose banks have codes of eight digits and accounts of ten
//! (Germany's), with the check digits of ISO 13616.

use crate::random;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const COUNTRY: &str = "DE";
const BANK_DIGITS: usize = 8;
const ACCOUNT_DIGITS: usize = 10;
const IBAN_CHARACTERS: usize = 4 + BANK_DIGITS + ACCOUNT_DIGITS;
const MODULUS: u128 = 97;
/// Characters of an IBAN of any country, at most.
const ANY_CHARACTERS_MAX: usize = 34;

/// The bank's code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BankCode(u32);

impl BankCode {
    /// A bank code that no bank has: for demonstrations.
    pub const DEMO: BankCode = BankCode(99_999_999);

    /// Of eight digits.
    #[must_use]
    pub fn new(code: u32) -> Option<BankCode> {
        (10_000_000..=99_999_999).contains(&code).then_some(BankCode(code))
    }
}

/// An account's number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iban(String);

/// No IBAN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no IBAN, or its check digits are wrong")]
pub struct NotAnIban;

impl Iban {
    /// A random number of the bank's.
    #[must_use]
    pub fn generate(bank: BankCode) -> Iban {
        let account = u64::from_le_bytes(random::bytes()) % 10_u64.pow(10);
        Iban::of(bank, account)
    }

    fn of(BankCode(bank): BankCode, account: u64) -> Iban {
        let number = format!("{bank:0BANK_DIGITS$}{account:0ACCOUNT_DIGITS$}");
        let check = 98 - remainder(&format!("{number}{COUNTRY}00"));
        let iban = format!("{COUNTRY}{check:02}{number}");
        assert!(iban.len() == IBAN_CHARACTERS && remainder_of_iban(&iban) == 1);
        Iban(iban)
    }

    /// Whether it is a number of a bank.
    #[must_use]
    pub fn is_of(&self, BankCode(bank): BankCode) -> bool {
        self.is_domestic() && self.0[4..4 + BANK_DIGITS] == format!("{bank:0BANK_DIGITS$}")
    }

    /// Whether it is a number of the bank's country.
    #[must_use]
    pub fn is_domestic(&self) -> bool {
        self.0.starts_with(COUNTRY)
    }

    /// Without spaces.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.0
    }
}

/// As people write it: in groups of four.
impl fmt::Display for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, character) in self.0.chars().enumerate() {
            if place != 0 && place.is_multiple_of(4) {
                f.write_str(" ")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

/// The country and the last four digits: enough to know one's own.
impl fmt::Debug for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", &self.0[..2], &self.0[self.0.len() - 4..])
    }
}

impl FromStr for Iban {
    type Err = NotAnIban;

    /// Reads an IBAN of any country, with or without spaces.
    fn from_str(text: &str) -> Result<Iban, NotAnIban> {
        if 2 * ANY_CHARACTERS_MAX < text.len() {
            return Err(NotAnIban);
        }
        let plain: String = text.chars().filter(|character| *character != ' ').collect();
        let plain = plain.to_ascii_uppercase();
        let is_sound = (15..=ANY_CHARACTERS_MAX).contains(&plain.len())
            && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && plain[..2].bytes().all(|byte| byte.is_ascii_uppercase())
            && plain[2..4].bytes().all(|byte| byte.is_ascii_digit())
            && (!plain.starts_with(COUNTRY) || plain.len() == IBAN_CHARACTERS);
        if is_sound && remainder_of_iban(&plain) == 1 { Ok(Iban(plain)) } else { Err(NotAnIban) }
    }
}

impl TryFrom<String> for Iban {
    type Error = NotAnIban;

    fn try_from(text: String) -> Result<Iban, NotAnIban> {
        text.parse()
    }
}

impl From<Iban> for String {
    fn from(iban: Iban) -> String {
        iban.0
    }
}

fn remainder_of_iban(iban: &str) -> u128 {
    remainder(&format!("{}{}", &iban[4..], &iban[..4]))
}

/// Of a number by 97, in which letters stand for 10 to 35.
fn remainder(text: &str) -> u128 {
    text.chars().fold(0, |rest, character| {
        let digit = u128::from(character.to_digit(36).expect("letters and digits"));
        (rest * if digit < 10 { 10 } else { 100 } + digit) % MODULUS
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The examples of the countries' own registries.
    #[test]
    fn known_numbers_are_read_and_wrong_ones_are_not() {
        for text in
            ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "fr1420041010050500013M02606"]
        {
            assert!(text.parse::<Iban>().is_ok(), "{text}");
        }
        for text in [
            "",
            "DE",
            "DE88 3704 0044 0532 0130 00",
            "DE89 3704 0044 0532 0130 0",
            "DE8937040044053201300Ö",
            "8937040044053201300000",
        ] {
            assert!(text.parse::<Iban>().is_err(), "{text}");
        }
        let iban: Iban = "DE89370400440532013000".parse().unwrap();
        assert_eq!(iban.to_string(), "DE89 3704 0044 0532 0130 00");
    }

    proptest! {
        /// Prevents: money for the account whose number differs by one digit, or two that changed places.
        #[test]
        fn a_slip_of_the_pen_is_seen(account in 0..10_u64.pow(10), place in 4..21_usize, digit in 0..10_u8) {
            let iban = Iban::of(BankCode::DEMO, account);
            prop_assert_eq!(iban.plain().parse::<Iban>(), Ok(iban.clone()));
            let mut slipped = iban.plain().as_bytes().to_vec();
            slipped[place] = b'0' + digit;
            let mut swapped = iban.plain().as_bytes().to_vec();
            swapped.swap(place, place + 1);
            for wrong in [slipped, swapped] {
                let wrong = String::from_utf8(wrong).unwrap();
                prop_assert_eq!(wrong.parse::<Iban>().is_ok(), wrong == iban.plain());
            }
        }
    }
}
