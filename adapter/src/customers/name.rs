//! Names of people: as they write them, in one line.

use crate::line::is_line;
use std::fmt;

/// Characters of a name at most.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// A first or last name.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(String);

/// Not a name that can be written on a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a name has between 1 and {NAME_CHARACTERS_MAX} characters, all of them visible")]
pub struct NotAName;

impl PersonName {
    /// Reads a name: one [line](crate::line); what is around it is cut off.
    ///
    /// # Errors
    /// [`NotAName`].
    pub fn parse(text: &str) -> Result<PersonName, NotAName> {
        let text = text.trim();
        if text.is_empty() || !is_line(text, NAME_CHARACTERS_MAX) {
            return Err(NotAName);
        }
        Ok(PersonName(String::from(text)))
    }

    /// The name.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Nothing: names are nobody's to print.
impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_what_can_be_seen() {
        let longest = "ü".repeat(NAME_CHARACTERS_MAX);
        for name in ["Ada", "O'Neill-Łukasz", "山田", "de la Cruz", &longest] {
            assert_eq!(PersonName::parse(&format!(" {name}\t")).unwrap().text(), name);
        }
        let longer = "ü".repeat(NAME_CHARACTERS_MAX + 1);
        for odd in ["", "  ", "Ada\r\nBcc: x", "Ada\0", "A\u{202e}da", "\u{200b}", &longer] {
            assert_eq!(PersonName::parse(odd), Err(NotAName), "{odd:?}");
        }
    }
}
