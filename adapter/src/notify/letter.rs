//! What letters say. Templates are compiled; nothing in one is secret but a link that is good for one use.

use super::mail::MailError;
use crate::clock::{HOUR, MINUTE, UnixNs, from_in_words, in_words};
use askama::Template;
use florin_ledger::Timestamp;
use serde::{Deserialize, Serialize};

/// After this nobody is helped by a letter any more.
const NEWS: u64 = 72 * HOUR;
/// How long the link of a registration is good.
pub(crate) const REGISTRATION_LINK: u64 = 24 * HOUR;
/// How long the link to a new address is good.
pub(crate) const EMAIL_LINK: u64 = 24 * HOUR;
/// How long the link to another second factor is good.
pub(crate) const FACTOR_LINK: u64 = 24 * HOUR;
/// How long the link of a recovery is good.
pub(crate) const RECOVERY_LINK: u64 = 15 * MINUTE;

/// Who writes.
#[derive(Clone, Debug)]
pub struct Sender {
    /// What the bank is called.
    pub bank: String,
    /// Where browsers find it: links lead nowhere else, whatever a request said.
    pub origin: String,
}

impl Sender {
    /// The host of the origin, without a port.
    pub(super) fn host(&self) -> &str {
        let host = self.origin.split_once("://").map_or(&*self.origin, |(_, host)| host);
        host.split_once(':').map_or(host, |(host, _)| host)
    }
}

/// A letter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// To whoever asked to become a customer.
    ConfirmAddress {
        /// Of the link.
        token: String,
    },
    /// To a customer whose address somebody wanted to register again.
    AddressIsKnown,
    /// To a customer who has forgotten their password.
    Recover {
        /// Of the link.
        token: String,
    },
    /// To a customer whose password was changed.
    PasswordChanged,
    /// To a customer whose recovery code was used.
    RecoveryCodeUsed {
        /// How many are left.
        left: usize,
    },
    /// To a customer who has new recovery codes.
    RecoveryCodesMade,
    /// To a customer who has another authenticator app.
    FactorChanged,
    /// To an address that is to be a customer's.
    ConfirmNewAddress {
        /// Of the link.
        token: String,
    },
    /// To a customer whose address another wanted.
    AddressIsWanted,
    /// To the address that a customer wants to change.
    EmailChangeAsked,
    /// To the address that a customer had.
    EmailChanged,
    /// To a customer who has lost their second factor.
    RecoverFactor {
        /// Of the link.
        token: String,
    },
    /// To a customer for whom nothing is tried for a while.
    Locked {
        /// Until when.
        until: UnixNs,
    },
}

#[derive(Template)]
#[template(path = "letters/confirm_address.txt")]
struct ConfirmAddress<'a> {
    sender: &'a Sender,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "letters/address_is_known.txt")]
struct AddressIsKnown<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/recover.txt")]
struct Recover<'a> {
    sender: &'a Sender,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "letters/password_changed.txt")]
struct PasswordChanged<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/recovery_code_used.txt")]
struct RecoveryCodeUsed<'a> {
    sender: &'a Sender,
    time: String,
    left: usize,
}

#[derive(Template)]
#[template(path = "letters/recovery_codes_made.txt")]
struct RecoveryCodesMade<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/factor_changed.txt")]
struct FactorChanged<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/confirm_new_address.txt")]
struct ConfirmNewAddress<'a> {
    sender: &'a Sender,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "letters/address_is_wanted.txt")]
struct AddressIsWanted<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/email_change_asked.txt")]
struct EmailChangeAsked<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/email_changed.txt")]
struct EmailChanged<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/recover_factor.txt")]
struct RecoverFactor<'a> {
    sender: &'a Sender,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "letters/locked.txt")]
struct Locked<'a> {
    sender: &'a Sender,
    time: String,
    until: String,
}

impl Letter {
    /// What it is about.
    #[must_use]
    pub fn subject(&self, sender: &Sender) -> String {
        let bank = &sender.bank;
        match self {
            Letter::ConfirmAddress { .. } => format!("Confirm your e-mail address for {bank}"),
            Letter::AddressIsKnown => format!("Somebody tried to register with {bank}"),
            Letter::Recover { .. } => format!("A new password for {bank}"),
            Letter::PasswordChanged => format!("Your password at {bank} was changed"),
            Letter::RecoveryCodeUsed { .. } => {
                format!("A recovery code of yours at {bank} was used")
            }
            Letter::RecoveryCodesMade => format!("You have new recovery codes at {bank}"),
            Letter::FactorChanged => format!("You have another authenticator app at {bank}"),
            Letter::ConfirmNewAddress { .. } => format!("Confirm your new address for {bank}"),
            Letter::AddressIsWanted => format!("Somebody wanted to use your address at {bank}"),
            Letter::EmailChangeAsked => format!("Your address at {bank} is to be changed"),
            Letter::EmailChanged => format!("Your address at {bank} was changed"),
            Letter::RecoverFactor { .. } => format!("Another authenticator app for {bank}"),
            Letter::Locked { .. } => format!("Your login at {bank} is locked for a while"),
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// [`MailError`] if the template can't be filled.
    pub fn text(&self, sender: &Sender, written: Timestamp) -> Result<String, MailError> {
        let time = in_words(written);
        let text = match self {
            Letter::ConfirmAddress { token } => ConfirmAddress { sender, token }.render(),
            Letter::AddressIsKnown => AddressIsKnown { sender, time }.render(),
            Letter::Recover { token } => Recover { sender, token }.render(),
            Letter::PasswordChanged => PasswordChanged { sender, time }.render(),
            Letter::RecoveryCodeUsed { left } => {
                RecoveryCodeUsed { sender, time, left: *left }.render()
            }
            Letter::RecoveryCodesMade => RecoveryCodesMade { sender, time }.render(),
            Letter::FactorChanged => FactorChanged { sender, time }.render(),
            Letter::ConfirmNewAddress { token } => ConfirmNewAddress { sender, token }.render(),
            Letter::AddressIsWanted => AddressIsWanted { sender, time }.render(),
            Letter::EmailChangeAsked => EmailChangeAsked { sender, time }.render(),
            Letter::EmailChanged => EmailChanged { sender, time }.render(),
            Letter::RecoverFactor { token } => RecoverFactor { sender, token }.render(),
            Letter::Locked { until } => {
                Locked { sender, time, until: from_in_words(*until) }.render()
            }
        };
        text.map_err(|error| MailError(error.to_string()))
    }

    /// How long it is of use, in nanoseconds.
    pub(super) fn lifetime(&self) -> u64 {
        match self {
            Letter::ConfirmAddress { .. } => REGISTRATION_LINK,
            Letter::Recover { .. } => RECOVERY_LINK,
            Letter::ConfirmNewAddress { .. } => EMAIL_LINK,
            Letter::RecoverFactor { .. } => FACTOR_LINK,
            Letter::AddressIsKnown
            | Letter::PasswordChanged
            | Letter::RecoveryCodeUsed { .. }
            | Letter::RecoveryCodesMade
            | Letter::FactorChanged
            | Letter::AddressIsWanted
            | Letter::EmailChangeAsked
            | Letter::EmailChanged
            | Letter::Locked { .. } => NEWS,
        }
    }
}
