//! Telephone numbers, as messages are sent to them: with a country's code, and written in one way (E.164).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Digits of a number, country's code included (E.164).
const DIGITS_MAX: usize = 15;
/// Fewer are no number that messages can be sent to.
const DIGITS_MIN: usize = 8;
/// Countries whose numbers begin with a zero that belongs to them: Italy, Ivory Coast, Benin, Gabon, Congo, San Marino and
/// the Vatican. Of those in which no number begins with one, the digits are left as they are: North America, Russia.
const ZEROS_STAY: [&str; 9] = ["1", "7", "39", "225", "229", "241", "242", "378", "379"];
/// Countries' codes of two digits; those that begin with 1 or 7 have one, all others three (ITU-T E.164).
const OF_TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47",
    "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65",
    "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];
/// Digits that are shown of a number.
const SHOWN_COUNT: usize = 2;

/// A number: `+` and its digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// Not a number that messages can be sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write the number with its country's code, as in +49 170 1234567")]
pub struct NotAPhoneNumber;

impl PhoneNumber {
    /// Reads a number as people write it: a country's code after `+` or `00`, and spaces, hyphens, dots, slashes or
    /// brackets between digits. The zero that is dialled within a country alone, `(0)` or `0` after its code, is left out,
    /// but where numbers have it from abroad too.
    ///
    /// # Errors
    /// [`NotAPhoneNumber`].
    pub fn parse(text: &str) -> Result<PhoneNumber, NotAPhoneNumber> {
        let text = text.trim().replacen("(0)", "", 1);
        let text = text.strip_prefix('+').or_else(|| text.strip_prefix("00"));
        let mut digits = String::new();
        for character in text.ok_or(NotAPhoneNumber)?.chars() {
            match character {
                '0'..='9' => digits.push(character),
                ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' => {}
                _ => return Err(NotAPhoneNumber),
            }
        }
        let code = country_code(&digits);
        if !ZEROS_STAY.contains(&code) && digits[code.len()..].starts_with('0') {
            digits.remove(code.len());
        }
        let is_sound =
            (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && !digits.starts_with('0');
        if is_sound { Ok(PhoneNumber(format!("+{digits}"))) } else { Err(NotAPhoneNumber) }
    }

    /// A number that is nobody's, and never rings.
    pub(crate) fn nobodys() -> PhoneNumber {
        PhoneNumber(String::from("+10000000000"))
    }

    /// As it is dialled.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.0
    }

    /// What may be shown where others look: its last digits.
    #[must_use]
    pub fn masked(&self) -> String {
        let (hidden, shown) = self.0.split_at(self.0.len() - SHOWN_COUNT);
        format!("{}{shown}", "•".repeat(hidden.len()))
    }
}

/// The country's code that digits begin with.
fn country_code(digits: &str) -> &str {
    let length = match digits.get(..2) {
        Some(two) if two.starts_with(['1', '7']) => 1,
        Some(two) if OF_TWO_DIGITS.contains(&two) => 2,
        _ => 3,
    };
    digits.get(..length).unwrap_or(digits)
}

/// Nothing but the last digits: numbers are nobody's to print.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotAPhoneNumber;

    fn try_from(text: String) -> Result<PhoneNumber, NotAPhoneNumber> {
        PhoneNumber::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> String {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a message to nobody, or two budgets for one number that is written in two ways.
    #[test]
    fn a_number_is_one_however_it_is_written() {
        for text in [
            "+491701234567",
            " +49 170 1234567 ",
            "+49 (0)170/123-45.67",
            "0049 170 1234567",
            "+49\u{a0}170 1234567",
            "+49 0170 1234567",
            "0049 0170 1234567",
            "+49 (0170) 1234567",
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap().plain(), "+491701234567", "{text:?}");
        }
        for text in [
            "",
            "+",
            "0170 1234567",
            "1701234567",
            "+0170 1234567",
            "00049 170 1234567",
            "+49 170",
            "+4917012345678901",
            "+49 170 1234567 ext. 3",
            "+49 170 1234567\r\n+49 170 7654321",
            "+49 170 1234567,+49 170 7654321",
            "+49170123456٧",
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(NotAPhoneNumber), "{text:?}");
        }
    }

    /// Prevents: a number of Rome that loses the zero that it has, and one of Lisbon or Helsinki that keeps one.
    #[test]
    fn a_zero_is_left_out_where_it_is_dialled_at_home_alone() {
        for (text, plain) in [
            ("+39 06 12345678", "+390612345678"),
            ("+225 01 23 45 67 89", "+2250123456789"),
            ("+229 01 23 45 67 89", "+2290123456789"),
            ("+44 020 7946 0000", "+442079460000"),
            ("+358 040 1234567", "+358401234567"),
            ("+351 0912 345 678", "+351912345678"),
            ("+98 0912 345 6789", "+989123456789"),
            ("+1 012 345 6789", "+10123456789"),
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap().plain(), plain, "{text}");
        }
        let plain = PhoneNumber::nobodys();
        assert_eq!(PhoneNumber::parse(plain.plain()), Ok(plain), "what is stored reads as it was");
    }

    #[test]
    fn little_is_shown_of_a_number() {
        let number = PhoneNumber::parse("+49 170 1234567").unwrap();
        assert_eq!(number.masked(), "•••••••••••67");
        assert_eq!(format!("{number:?}"), "PhoneNumber(•••••••••••67)");
    }
}
