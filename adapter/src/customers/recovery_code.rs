//! Recovery codes: what a customer has on paper, for when the authenticator app is gone.
//!
//! - Ten codes of 80 random bits, shown once, when they are made. Each is good once in the place of a code of the app,
//!   and spent in the commit that it allows ([`super::factor`]).
//! - What is stored is a hash of customer and code. A slow hash adds nothing against who must guess 80 bits, and
//!   would cost ten times what a password costs, for each code that somebody types; nor does a key, which could never be
//!   changed, since nobody knows the codes to put them under another. Those of before this was so are under one.
//! - New codes take the place of all that were there before.

use super::factor::Accepted;
use super::password::Passwords;
use super::record::tell;
use super::session::Token;
use super::step_up::{ChangeRefused, Proved, StepUp, changed, committed};
use crate::audit::{self, Caller};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::Letter;
use crate::random;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::{BLIND_BYTES, Indexed, Subject};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Codes that are made at a time.
pub const CODES_COUNT: usize = 10;
const CODE_BYTES: usize = 10;
const CONTEXT: &str = "florin bank 1 recovery code";
/// No version of a key.
const KEYLESS: u8 = 0;
/// Letters of a group, as people read and type them.
const GROUP_LETTERS: usize = 4;

/// A recovery code.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode([u8; CODE_BYTES]);

/// No recovery code: 16 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotACode;

impl RecoveryCode {
    fn generate() -> RecoveryCode {
        RecoveryCode(random::bytes())
    }

    fn named(&self, customer: Id<Customer>) -> String {
        format!("{customer} {self}")
    }

    /// As it is stored: a zero, where others have the version of a key, and the hash.
    fn hash(&self, customer: Id<Customer>) -> [u8; BLIND_BYTES] {
        let hash = blake3::derive_key(CONTEXT, self.named(customer).as_bytes());
        let mut bytes = [KEYLESS; BLIND_BYTES];
        bytes[1..].copy_from_slice(&hash);
        bytes
    }

    /// Whether it is what was stored.
    fn is(&self, store: &Store, customer: Id<Customer>, stored: &str) -> bool {
        let stored = data_encoding::BASE64.decode(stored.as_bytes()).unwrap_or_default();
        if stored.first() == Some(&KEYLESS) {
            return verify_slices_are_equal(&self.hash(customer), &stored).is_ok();
        }
        store.vault().blind().is_of(Indexed::RecoveryCode, &self.named(customer), &stored)
    }
}

/// Nothing: it is a secret.
impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// As it is shown: four groups of four.
impl fmt::Display for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = data_encoding::BASE32_NOPAD.encode(&self.0).to_lowercase();
        let groups: Vec<_> =
            text.as_bytes().chunks(GROUP_LETTERS).map(String::from_utf8_lossy).collect();
        f.write_str(&groups.join("-"))
    }
}

/// As people type it: in any case, in groups or not, and with digits that look like letters.
impl FromStr for RecoveryCode {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<RecoveryCode, NotACode> {
        let is_between = |letter: &char| letter.is_whitespace() || *letter == '-';
        let letters = text.chars().filter(|letter| !is_between(letter));
        let text: String = letters
            .map(|letter| match letter.to_ascii_uppercase() {
                '0' => 'O',
                '1' => 'L',
                '8' => 'B',
                letter => letter,
            })
            .collect();
        let bytes = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| NotACode)?;
        bytes.try_into().map(RecoveryCode).map_err(|_| NotACode)
    }
}

/// The recovery codes of customers that are left, by customer.
pub enum RecoveryCodes {}

/// Whose they are.
#[derive(Clone, Serialize, Deserialize)]
pub struct CodesOpen {
    user_id: Id<Customer>,
}

/// The codes.
#[derive(Clone, Serialize, Deserialize)]
pub struct CodesSealed {
    /// As hashes, in base 64.
    hashes: Vec<String>,
}

impl Kind for RecoveryCodes {
    const TABLE: TableId = tables::RECOVERY_CODES;
    type Open = CodesOpen;
    type Profile = CodesSealed;
    type Statutory = ();

    fn subject(open: &CodesOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// New codes.
pub type NewCodes = [RecoveryCode; CODES_COUNT];

/// New codes, and what a commit must write for them to be a customer's, and none of before.
///
/// # Errors
/// [`BankError`].
pub(super) async fn made(
    store: &Store,
    customer: Id<Customer>,
) -> Result<(NewCodes, DocumentWrite), BankError> {
    let codes: NewCodes = std::array::from_fn(|_| RecoveryCode::generate());
    let stored = |code: &RecoveryCode| data_encoding::BASE64.encode(&code.hash(customer));
    let hashes = codes.iter().map(stored).collect();
    let write = write(store, customer, hashes, DocumentCondition::Any).await?;
    Ok((codes, write))
}

async fn write(
    store: &Store,
    customer: Id<Customer>,
    hashes: Vec<String>,
    condition: DocumentCondition,
) -> Result<DocumentWrite, BankError> {
    let row = Row::<RecoveryCodes> {
        open: CodesOpen { user_id: customer },
        profile: Held::Known(CodesSealed { hashes }),
        statutory: Held::Absent,
    };
    store.write(&customer.bytes(), &row, condition).await
}

/// A code that is one of those that are left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CodeIndex(usize);

/// Which of the codes that are left was typed. Whatever was typed, it is hashed.
pub(super) fn index_of(
    store: &Store,
    customer: Id<Customer>,
    found: Option<&Found<RecoveryCodes>>,
    typed: &str,
) -> Option<CodeIndex> {
    let code = typed.parse::<RecoveryCode>();
    let is_code = code.is_ok();
    let code = code.unwrap_or(RecoveryCode([0; CODE_BYTES]));
    let sealed = found.and_then(|found| found.row.profile.as_known())?;
    let index = sealed.hashes.iter().position(|known| code.is(store, customer, known));
    index.map(CodeIndex).filter(|_| is_code)
}

/// The write that spends a code, and how many are left then.
///
/// # Errors
/// [`BankError`].
pub(super) async fn spent(
    store: &Store,
    found: &Found<RecoveryCodes>,
    CodeIndex(index): CodeIndex,
) -> Result<(DocumentWrite, usize), BankError> {
    let damaged = || BankError::Damaged(RecoveryCodes::TABLE);
    let mut hashes = found.row.profile.as_known().ok_or_else(damaged)?.hashes.clone();
    assert!(index < hashes.len(), "it is one of these");
    hashes.remove(index);
    let left = hashes.len();
    let write = write(store, found.row.open.user_id, hashes, found.condition()).await?;
    Ok((write, left))
}

impl Row<RecoveryCodes> {
    /// Whether some of these codes are under a version of the key of blind indexes.
    pub(crate) fn are_under(&self, version: u8) -> bool {
        let sealed = self.profile.as_known();
        sealed.iter().flat_map(|sealed| &sealed.hashes).any(|stored| {
            let stored = data_encoding::BASE64.decode(stored.as_bytes()).unwrap_or_default();
            stored.first() == Some(&version)
        })
    }
}

/// How many codes a customer has left.
///
/// # Errors
/// [`BankError`].
pub async fn codes_left(store: &Store, customer: Id<Customer>) -> Result<usize, BankError> {
    let found: Option<Found<RecoveryCodes>> = store.get(&customer.bytes()).await?;
    let sealed = found.and_then(|found| found.row.profile.known());
    Ok(sealed.map_or(0, |sealed| sealed.hashes.len()))
}

/// Makes a customer new codes, who proves themselves again; none of the old ones is taken for it. Returns them with the
/// token under which the login goes on, when that is durable.
///
/// # Errors
/// [`ChangeRefused`].
pub async fn renew_codes(
    store: &Store,
    clock: &dyn Clock,
    passwords: &Passwords,
    caller: &Caller,
    step_up: StepUp<'_>,
) -> Result<(NewCodes, Token), ChangeRefused> {
    let customer = step_up.login.user_id;
    let proved = step_up.prove(store, clock, passwords, caller, Accepted::App).await?;
    let Proved { mut commit, token, .. } = proved;
    let (codes, write) = made(store, customer).await?;
    commit.documents.push(write);
    commit.documents.push(tell(store, clock, customer, Letter::RecoveryCodesMade).await?);
    let act = changed(customer, "recovery codes");
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    committed(store, &commit).await?;
    Ok((codes, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a code on paper that its owner can't type, or one that reads as another.
    #[test]
    fn a_code_reads_as_it_is_shown_and_as_people_type_it() {
        let code = RecoveryCode([0x5a, 0xf3, 0, 0xff, 0x81, 7, 0x20, 0xe6, 0x9b, 0x3c]);
        let text = code.to_string();
        assert_eq!((text.len(), text.matches('-').count()), (19, 3), "{text}");
        let bare = text.replace('-', "");
        let looks_like = text.replace('o', "0").replace('l', "1").replace('b', "8");
        for typed in [&text, &bare, &text.to_uppercase(), &format!(" {text} "), &looks_like] {
            assert!(typed.parse() == Ok(code.clone()), "{typed}");
        }
        for odd in ["", "123456", &bare[1..], &format!("{bare}a"), "________________"] {
            assert!(odd.parse::<RecoveryCode>().is_err(), "{odd}");
        }
    }
}
