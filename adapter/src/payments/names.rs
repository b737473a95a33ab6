//! Whether a name that somebody wrote is the name of who has an account. The answer is one of three words and never
//! the name.
//!
//! Names are compared as sets of words without marks and case, so that "Müller, Anna" is "anna muller"; what is not
//! equal then is close if it is alike by the measure of Jaro and Winkler (W. E. Winkler, 1990).
//!
//! Each answer says a little of a name, so a customer has few in a day ([`NAME_CHECKS`]).

use crate::budget::{Allowance, Budgets, Spent};
use crate::clock::DAY;
use crate::store::Kind;
use crate::tables;
use crate::vault::Subject;
use florin_ledger::TableId;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// From this likeness on names are close.
const CLOSE_FROM: f64 = 0.87;
/// What a customer may have compared, over all adapters. Each answer tells something of a name that nobody told, and a
/// name that is guessed from "close" on takes many.
pub(crate) const NAME_CHECKS: Allowance = Allowance { limit: 30, span: DAY };
/// Characters of a name that are looked at.
const CHARACTERS_MAX: usize = 200;

/// What comparing names came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameCheck {
    /// They are the same.
    Match,
    /// They are alike: look again.
    Close,
    /// They are not, or there is no such account.
    None,
}

/// Names that a customer has compared with those of accounts of the bank.
pub(super) enum NameChecks {}

impl Kind for NameChecks {
    const TABLE: TableId = tables::NAME_CHECKS;
    type Open = Spent;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &Spent) -> Subject {
        Subject::Bank
    }
}

impl Budgets for NameChecks {}

/// Compares a name that was written with one that is known.
pub(super) fn compare(written: &str, known: &str) -> NameCheck {
    let (written, known) = (words(written), words(known));
    if written.is_empty() || known.is_empty() {
        return NameCheck::None;
    }
    if written == known {
        return NameCheck::Match;
    }
    let likeness = strsim::jaro_winkler(&written.join(" "), &known.join(" "));
    if CLOSE_FROM <= likeness { NameCheck::Close } else { NameCheck::None }
}

/// The words of a name, in an order of their own, without marks, case and what is no letter.
fn words(name: &str) -> Vec<String> {
    let plain: String = name
        .chars()
        .take(CHARACTERS_MAX)
        .nfkd()
        .filter(|character| !is_combining_mark(*character))
        .flat_map(char::to_lowercase)
        .map(|character| if character.is_alphanumeric() { character } else { ' ' })
        .collect();
    let mut words: Vec<String> = plain.split_whitespace().map(String::from).collect();
    words.sort();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a payee who can't be paid because of how a name is written, and a stranger who is taken for one.
    #[test]
    fn the_way_a_name_is_written_does_not_matter_and_the_name_does() {
        for (written, known, check) in [
            ("Anna Müller", "anna muller", NameCheck::Match),
            ("Müller, Anna", "Anna Müller", NameCheck::Match),
            ("  ANNA\tMÜLLER ", "Anna Mu\u{308}ller", NameCheck::Match),
            ("Anna Miller", "Anna Müller", NameCheck::Close),
            ("Ann Muller", "Anna Müller", NameCheck::Close),
            ("Bert Sommer", "Anna Müller", NameCheck::None),
            ("", "Anna Müller", NameCheck::None),
            ("--", "Anna Müller", NameCheck::None),
            ("Anna", "Otto Anna Maria von Habsburg", NameCheck::None),
        ] {
            assert_eq!(compare(written, known), check, "{written:?} and {known:?}");
        }
    }
}
