//! Codes of an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds), each accepted once.

use crate::random;
use florin_ledger::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use totp_rs::{Algorithm, Builder, Secret, Totp};

const STEP_S: u64 = 30;
const DIGITS: u8 = 6;
/// A code is accepted one step early or late, as clocks of phones are.
const SKEW_STEPS: u16 = 1;
const SECRET_BYTES: usize = 20;

/// What an authenticator app and the bank share.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TotpSecret([u8; SECRET_BYTES]);

/// No secret of this bank's: base 32 of twenty bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a secret has twenty bytes in base 32")]
pub struct NotASecret;

impl TryFrom<String> for TotpSecret {
    type Error = NotASecret;

    fn try_from(text: String) -> Result<TotpSecret, NotASecret> {
        let bytes = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| NotASecret)?;
        bytes.try_into().map(TotpSecret).map_err(|_| NotASecret)
    }
}

impl From<TotpSecret> for String {
    fn from(secret: TotpSecret) -> String {
        secret.base32()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

impl TotpSecret {
    /// A new one.
    #[must_use]
    pub fn generate() -> TotpSecret {
        TotpSecret(random::bytes())
    }

    /// As an app takes it: base 32.
    #[must_use]
    pub fn base32(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.0)
    }

    /// The same in groups of four, as people type it.
    #[must_use]
    pub fn in_groups(&self) -> String {
        let text = self.base32();
        let groups: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
        groups.join(" ")
    }

    /// As an app takes it from a picture or a link: whose it is, and at which bank.
    #[must_use]
    pub fn uri(&self, bank: &str, email: &str) -> String {
        let written = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let (bank, email) = (written(bank), written(email));
        format!("otpauth://totp/{bank}:{email}?secret={}&issuer={bank}", self.base32())
    }

    /// The code of a time.
    #[must_use]
    pub fn code(&self, time: Timestamp) -> String {
        self.totp().generate(seconds(time)).to_string()
    }

    /// The step that a code belongs to, if it is a code of about now.
    #[must_use]
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<u64> {
        let is_sound =
            code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
        if is_sound { self.totp().check(code, seconds(now)) } else { None }
    }

    fn totp(&self) -> Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW_STEPS)
            .with_step_duration(STEP_S)
            .with_secret(Secret::from(self.0.as_slice()))
            .build_noncompliant()
    }
}

fn seconds(time: Timestamp) -> u64 {
    time.0 / crate::clock::SECOND
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    /// The codes of RFC 6238's appendix B, of which apps show the last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = TotpSecret(*b"12345678901234567890");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(secret.code(at(seconds)), code, "at {seconds} s");
        }
    }

    /// Prevents: a code that is good for longer than a minute and a half, or of which the bank can't say
    /// whether it was used.
    #[test]
    fn a_code_is_of_its_step_and_known_one_step_around_it() {
        let secret = TotpSecret::generate();
        let code = secret.code(at(30_000));
        for (seconds, step) in
            [(29_969, None), (29_970, Some(1_000)), (30_059, Some(1_000)), (30_060, None)]
        {
            assert_eq!(secret.step_of(&code, at(seconds)), step, "at {seconds} s");
        }
        for odd in ["", "12345", "1234567", "12 345", "１２３４５６"] {
            assert_eq!(secret.step_of(odd, at(30_000)), None);
        }
    }
}
