//! Text that one person types and another reads: one line of what can be seen.
//!
//! What turns the direction of text lets an account number read as another. What can't be seen lets two names be one
//! to whoever reads them and two to whoever compares them, and what breaks a line writes a second one.

/// Characters of what a payment is for.
pub const DESCRIPTION_CHARACTERS_MAX: usize = 140;
/// Characters of why a member of the staff does something.
pub(crate) const REASON_CHARACTERS_MAX: usize = 140;

/// Whether a text is one line of at most so many characters, each of which can be seen. None at all is a line too.
#[must_use]
pub fn is_line(text: &str, characters_max: usize) -> bool {
    text.chars().count() <= characters_max && !text.chars().any(is_hidden)
}

/// Why a member of the staff does something, if they say it.
pub(crate) fn reason(typed: &str) -> Option<&str> {
    let reason = typed.trim();
    (!reason.is_empty() && is_line(reason, REASON_CHARACTERS_MAX)).then_some(reason)
}

/// Whether a character is a control, turns the direction of text, breaks a line or takes no room.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // Marks that show nothing, and letters that are empty.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180e}'
            // Spaces without width, and directions.
            | '\u{200b}'..='\u{200f}'
            // Ends of lines and paragraphs, and directions.
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            // Tags.
            | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_can_be_seen_and_no_longer_than_it_may_be() {
        let longest = "ü".repeat(DESCRIPTION_CHARACTERS_MAX);
        for text in ["", "Rent, March", "Miete für März", "家賃 3月", "إيجار", "❤️ 👍🏽", &longest]
        {
            assert!(is_line(text, DESCRIPTION_CHARACTERS_MAX), "{text:?}");
        }
        assert!(!is_line(&format!("{longest}ü"), DESCRIPTION_CHARACTERS_MAX));
    }

    /// Rows 28 and 51 of the threat table.
    #[test]
    fn what_hides_turns_or_breaks_a_line_is_in_none() {
        for hidden in [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            for text in [format!("Rent{hidden}"), format!("{hidden}Rent"), format!("Re{hidden}nt")]
            {
                assert!(!is_line(&text, DESCRIPTION_CHARACTERS_MAX), "{text:?}");
            }
        }
    }

    #[test]
    fn a_reason_is_said() {
        assert_eq!(reason(" as the customer asked\t"), Some("as the customer asked"));
        for typed in ["", " \t ", "a\nb", "a\u{202e}b"] {
            assert_eq!(reason(typed), None, "{typed:?}");
        }
    }
}
