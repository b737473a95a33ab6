//! Names of people: as they write them, in one line.

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
    /// Reads a name: what is around it is cut off. What turns the direction of text, breaks a line or can't be seen
    /// is no part of one.
    ///
    /// # Errors
    /// [`NotAName`].
    pub fn parse(text: &str) -> Result<PersonName, NotAName> {
        let text = text.trim();
        let is_hidden = |letter: char| {
            letter.is_control()
                || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        let count = text.chars().count();
        if !(1..=NAME_CHARACTERS_MAX).contains(&count) || text.chars().any(is_hidden) {
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
