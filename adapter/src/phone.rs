//! Telephone numbers, as messages are sent to them: with a country's code, and written in one way (E.164).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Digits of a number, country's code included (E.164).
const DIGITS_MAX: usize = 15;
/// Fewer are no number that messages can be sent to.
const DIGITS_MIN: usize = 8;
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
    /// brackets between digits. `(0)`, which is dialled within a country alone, is left out.
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

    #[test]
    fn little_is_shown_of_a_number() {
        let number = PhoneNumber::parse("+49 170 1234567").unwrap();
        assert_eq!(number.masked(), "•••••••••••67");
        assert_eq!(format!("{number:?}"), "PhoneNumber(•••••••••••67)");
    }
}
