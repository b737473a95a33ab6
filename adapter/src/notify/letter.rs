//! What letters say. Templates are compiled; nothing in one is secret but a link or a code that is good for one use.
//!
//! Those that go to a telephone or an app have one line, which says less: others see it on the way, and where it is
//! shown.

use super::mail::MailError;
use crate::clock::{HOUR, MINUTE, UnixNs, from_in_words, in_words};
use crate::money::{Currency, Money};
use askama::Template;
use florin_ledger::Timestamp;
use serde::{Deserialize, Serialize};

/// After this nobody is helped by a letter any more.
pub(crate) const NEWS: u64 = 72 * HOUR;
/// How long the link of a registration is good.
pub(crate) const REGISTRATION_LINK: u64 = 24 * HOUR;
/// How long the link to a new address is good.
pub(crate) const EMAIL_LINK: u64 = 24 * HOUR;
/// How long the link to another second factor is good.
pub(crate) const FACTOR_LINK: u64 = 24 * HOUR;
/// How long the link of a recovery is good.
pub(crate) const RECOVERY_LINK: u64 = 15 * MINUTE;

/// How long a code to a new telephone number is good.
pub(crate) const PHONE_CODE: u64 = 10 * MINUTE;
/// How long a code to log in with is good, at most.
pub(crate) const LOGIN_CODE: u64 = 5 * MINUTE;
/// How long a code for a payment is good.
pub(crate) const PAYMENT_CODE: u64 = 2 * MINUTE;

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
    /// To a customer for whom another name was asked for.
    NameChangeAsked,
    /// To a customer who has another name.
    NameChanged,
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
    /// To a telephone number that is to be a customer's.
    PhoneCode {
        /// What proves that they read it.
        code: String,
    },
    /// To a customer who wants another telephone number.
    PhoneChangeAsked,
    /// To a customer who has another telephone number, and to the one that they had.
    PhoneChanged,
    /// To a customer who has no telephone number any more, and to that number.
    PhoneRemoved,
    /// To a customer who logs in with a code by message.
    LoginCode {
        /// The code.
        code: String,
    },
    /// To a customer who is to prove that they want a payment.
    PaymentCode {
        /// The code.
        code: String,
        /// How much is to be paid.
        amount_cents: u64,
        /// Of what.
        currency: Currency,
        /// Whom, as they have noted them; empty if they have not.
        payee: String,
        /// The last digits of the payee's account.
        account_end: String,
    },
    /// To a customer who has chosen codes by message, or ended them.
    SmsFactorChanged {
        /// Whether they get them.
        is_on: bool,
    },
    /// To a customer who is told of other things than before.
    NotificationsChanged,
    /// To a customer of whom a device was registered that notices are shown on.
    DeviceAdded,
    /// To a customer whose account was opened, closed or changed.
    AccountChanged {
        /// What happened.
        change: AccountChange,
        /// The last digits of the account.
        account_end: String,
    },
    /// To a customer to whose account money has come.
    MoneyIn(Movement),
    /// To a customer from whose account money has gone.
    MoneyOut(Movement),
    /// To a customer from whose account money should have gone.
    MoneyOutFailed(Movement),
}

/// What happened to an account itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountChange {
    /// It is there.
    Opened,
    /// It is closed for ever.
    Closed,
    /// Nothing leaves it.
    Suspended,
    /// What leaves it goes on.
    Resumed,
    /// It may send more or less than before.
    LimitsChanged,
}

impl AccountChange {
    /// What happened, after the account's name.
    fn words(self) -> &'static str {
        match self {
            AccountChange::Opened => "was opened",
            AccountChange::Closed => "was closed",
            AccountChange::Suspended => "was suspended: nothing can be sent from it",
            AccountChange::Resumed => "is suspended no more",
            AccountChange::LimitsChanged => "has other limits for what it may send",
        }
    }
}

/// Money that has moved, or should have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// How much, in the smallest unit.
    pub amount_cents: u64,
    /// Of what.
    pub currency: Currency,
    /// The last digits of the customer's account.
    pub account_end: String,
    /// What the transaction is called.
    pub reference: String,
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
#[template(path = "letters/name_change_asked.txt")]
struct NameChangeAsked<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/name_changed.txt")]
struct NameChanged<'a> {
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

#[derive(Template)]
#[template(path = "letters/phone_change_asked.txt")]
struct PhoneChangeAsked<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/phone_changed.txt")]
struct PhoneChanged<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/phone_removed.txt")]
struct PhoneRemoved<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/sms_factor_changed.txt")]
struct SmsFactorChanged<'a> {
    sender: &'a Sender,
    time: String,
    is_on: bool,
}

#[derive(Template)]
#[template(path = "letters/notifications_changed.txt")]
struct NotificationsChanged<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/device_added.txt")]
struct DeviceAdded<'a> {
    sender: &'a Sender,
    time: String,
}

#[derive(Template)]
#[template(path = "letters/account_changed.txt")]
struct AccountChanged<'a> {
    sender: &'a Sender,
    time: String,
    words: &'static str,
    account_end: &'a str,
}

#[derive(Template)]
#[template(path = "letters/money.txt")]
struct MoneyLetter<'a> {
    sender: &'a Sender,
    time: String,
    /// What happened, in a sentence.
    what: String,
    reference: &'a str,
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
            Letter::NameChangeAsked => format!("Your name at {bank} is to be changed"),
            Letter::NameChanged => format!("Your name at {bank} was changed"),
            Letter::RecoverFactor { .. } => format!("Another authenticator app for {bank}"),
            Letter::Locked { .. } => format!("Your login at {bank} is locked for a while"),
            Letter::PhoneCode { .. } | Letter::LoginCode { .. } | Letter::PaymentCode { .. } => {
                format!("Your code for {bank}")
            }
            Letter::SmsFactorChanged { is_on: true } => {
                format!("Codes for {bank} come by message too")
            }
            Letter::SmsFactorChanged { is_on: false } => {
                format!("Codes for {bank} come by message no more")
            }
            Letter::PhoneChangeAsked => {
                format!("Your telephone number at {bank} is to be changed")
            }
            Letter::PhoneChanged => format!("Your telephone number at {bank} was changed"),
            Letter::PhoneRemoved => format!("Your telephone number at {bank} was removed"),
            Letter::NotificationsChanged => {
                format!("What {bank} tells you of was changed")
            }
            Letter::DeviceAdded => format!("A device shows what {bank} tells you"),
            Letter::AccountChanged { change: AccountChange::Opened, .. } => {
                format!("You have another account at {bank}")
            }
            Letter::AccountChanged { .. } => format!("An account of yours at {bank} has changed"),
            Letter::MoneyIn(_) => format!("Money has come to your account at {bank}"),
            Letter::MoneyOut(_) => format!("Money has gone from your account at {bank}"),
            Letter::MoneyOutFailed(_) => format!("A payment from your account at {bank} failed"),
        }
    }

    /// What it says where there is one line. Whatever is not made for one says that there is a mail.
    #[must_use]
    pub fn line(&self, sender: &Sender) -> String {
        let Sender { bank, .. } = sender;
        match self {
            Letter::PhoneCode { code } => format!(
                "{code} is your code for {bank}, good for {} minutes, to confirm this number. We never ask for it.",
                PHONE_CODE / MINUTE
            ),
            Letter::LoginCode { code } => format!(
                "{code} is your code to log in at {bank}, good for {} minutes. We never ask for it.",
                LOGIN_CODE / MINUTE
            ),
            Letter::PaymentCode { code, amount_cents, currency, payee, account_end } => {
                let money = Money { currency: *currency, cents: u128::from(*amount_cents) };
                let payee = if payee.is_empty() { String::new() } else { format!("{payee}, ") };
                format!(
                    "{code} is your code to send {money} to {payee}account ending {account_end}, from {bank}. If you do not want that, call us."
                )
            }
            Letter::PhoneChanged | Letter::PhoneRemoved => format!(
                "This number is not your number at {bank} any more. If it was not you, call us at once."
            ),
            Letter::MoneyIn(movement)
            | Letter::MoneyOut(movement)
            | Letter::MoneyOutFailed(movement) => {
                format!("{bank}: {} ({})", self.sentence(movement), movement.reference)
            }
            _ => format!("{bank}: there is news of your account. Read your mail."),
        }
    }

    /// What happened to money, in a sentence.
    fn sentence(&self, movement: &Movement) -> String {
        let Movement { amount_cents, currency, account_end, .. } = movement;
        let money = Money { currency: *currency, cents: u128::from(*amount_cents) };
        match self {
            Letter::MoneyIn(_) => format!("{money} came to your account ending {account_end}"),
            Letter::MoneyOutFailed(_) => {
                format!("{money} could not be sent from your account ending {account_end}")
            }
            _ => format!("{money} went from your account ending {account_end}"),
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
            Letter::NameChangeAsked => NameChangeAsked { sender, time }.render(),
            Letter::NameChanged => NameChanged { sender, time }.render(),
            Letter::RecoverFactor { token } => RecoverFactor { sender, token }.render(),
            Letter::Locked { until } => {
                Locked { sender, time, until: from_in_words(*until) }.render()
            }
            Letter::PhoneCode { .. } | Letter::LoginCode { .. } | Letter::PaymentCode { .. } => {
                Ok(self.line(sender))
            }
            Letter::SmsFactorChanged { is_on } => {
                SmsFactorChanged { sender, time, is_on: *is_on }.render()
            }
            Letter::PhoneChangeAsked => PhoneChangeAsked { sender, time }.render(),
            Letter::PhoneChanged => PhoneChanged { sender, time }.render(),
            Letter::PhoneRemoved => PhoneRemoved { sender, time }.render(),
            Letter::NotificationsChanged => NotificationsChanged { sender, time }.render(),
            Letter::DeviceAdded => DeviceAdded { sender, time }.render(),
            Letter::AccountChanged { change, account_end } => {
                AccountChanged { sender, time, words: change.words(), account_end }.render()
            }
            Letter::MoneyIn(movement)
            | Letter::MoneyOut(movement)
            | Letter::MoneyOutFailed(movement) => {
                let (what, reference) = (self.sentence(movement), &*movement.reference);
                MoneyLetter { sender, time, what, reference }.render()
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
            Letter::PhoneCode { .. } => PHONE_CODE,
            Letter::LoginCode { .. } => LOGIN_CODE,
            Letter::PaymentCode { .. } => PAYMENT_CODE,
            Letter::AddressIsKnown
            | Letter::PasswordChanged
            | Letter::RecoveryCodeUsed { .. }
            | Letter::RecoveryCodesMade
            | Letter::FactorChanged
            | Letter::AddressIsWanted
            | Letter::EmailChangeAsked
            | Letter::EmailChanged
            | Letter::NameChangeAsked
            | Letter::NameChanged
            | Letter::Locked { .. }
            | Letter::PhoneChangeAsked
            | Letter::PhoneChanged
            | Letter::PhoneRemoved
            | Letter::SmsFactorChanged { .. }
            | Letter::NotificationsChanged
            | Letter::DeviceAdded
            | Letter::AccountChanged { .. }
            | Letter::MoneyIn(_)
            | Letter::MoneyOut(_)
            | Letter::MoneyOutFailed(_) => NEWS,
        }
    }
}
