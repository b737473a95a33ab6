//! What a customer orders, and why it may not be begun.

use crate::audit::Caller;
use crate::clock::{HOUR, UnixNs, from_in_words};
use crate::error::BankError;
use crate::id::{Account, Challenge, Customer, Id, Payee, Transaction};
use crate::line::DESCRIPTION_CHARACTERS_MAX;
use crate::money::Money;
use crate::random;
use florin_ledger::commit::Precondition;
use std::fmt;
use std::str::FromStr;

/// How long a request may come again and be the same.
pub(crate) const KEPT_FOR: u64 = 90 * 24 * HOUR;

/// What a customer asks for.
#[derive(Clone, Debug)]
pub struct NewTransfer {
    /// From which account.
    pub source: Id<Account>,
    /// To which.
    pub destination: Destination,
    /// How much.
    pub money: Money,
    /// What for: one [line](crate::line).
    pub description: String,
    /// Names the request: the same again is the same transfer, whatever became of the first answer.
    pub request: RequestKey,
    /// What the customer proved that they want this one by, if they were asked to.
    pub challenge: Option<Id<Challenge>>,
}

/// Where money goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// To an account of the bank.
    Account(Id<Account>),
    /// To one of the customer's payees.
    Payee(Id<Payee>),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Account(account) => account.fmt(f),
            Destination::Payee(payee) => payee.fmt(f),
        }
    }
}

impl NewTransfer {
    /// What is asked for, as a hash: whatever differs in it is another order.
    pub(super) fn meaning(&self) -> String {
        let NewTransfer { source, destination, money, description, .. } = self;
        let Money { currency, cents } = money;
        let text = format!("{source} {destination} {currency} {cents} {description}");
        data_encoding::BASE64.encode(blake3::hash(text.as_bytes()).as_bytes())
    }
}

/// What a customer's request is known by, if it should come twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestKey(pub(super) [u8; 16]);

impl RequestKey {
    /// A new one.
    #[must_use]
    pub fn generate() -> RequestKey {
        RequestKey(random::bytes())
    }
}

/// As a form carries it.
impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for RequestKey {
    type Err = TransferRefused;

    fn from_str(text: &str) -> Result<RequestKey, TransferRefused> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(RequestKey).ok_or(TransferRefused::NoRequest)
    }
}

/// Who orders a transfer.
#[derive(Clone, Debug)]
pub struct Orderer {
    /// What is known of the request.
    pub caller: Caller,
    /// The customer.
    pub customer: Id<Customer>,
    /// What must hold for them to order anything: their login, and that they are a customer.
    pub authority: Vec<Precondition>,
    /// What their login was proved by.
    pub auth_method: String,
    /// Since when they log in with the device of that login, if that is known.
    pub device_since: Option<UnixNs>,
}

/// The transfer as it was begun.
#[derive(Clone, Debug)]
pub struct Initiated {
    /// Its id.
    pub transaction: Id<Transaction>,
    /// Its reference.
    pub reference: String,
}

/// The answer to an order.
#[derive(Debug)]
pub struct Answered {
    /// What it came to.
    pub outcome: Result<Initiated, TransferRefused>,
    /// Whether it is the answer to the same order that was given before.
    pub is_repeated: bool,
}

impl Answered {
    /// An answer that was not given before.
    pub(super) fn first(outcome: Result<Initiated, TransferRefused>) -> Answered {
        Answered { outcome, is_repeated: false }
    }

    /// The answer of before, unless something else was ordered then.
    pub(super) fn again(outcome: Result<Initiated, TransferRefused>) -> Answered {
        let is_repeated = !matches!(outcome, Err(TransferRefused::AnotherBefore));
        Answered { outcome, is_repeated }
    }
}

/// Why a transfer is not begun. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum TransferRefused {
    /// There is no such account, or it is another's.
    #[error("there is no such account")]
    NoSuchAccount,
    /// Both are the same.
    #[error("choose two different accounts")]
    SameAccount,
    /// They have different currencies, or the amount has another.
    #[error("both accounts must have the currency of the amount")]
    Currency,
    /// An account is suspended or closed.
    #[error("this account can't be used for transfers now")]
    Closed,
    /// The payee is none of the customer's.
    #[error("there is no such payee")]
    NoSuchPayee,
    /// The payee is at another bank, and there is no way to it.
    #[error("payments to other banks are not possible yet")]
    RailUnavailable,
    /// There is not enough on the account.
    #[error("there is not enough on this account")]
    InsufficientFunds,
    /// More than the account may send in a day.
    #[error("this is more than the account may send today")]
    DailyLimit,
    /// More than the account may send in a month.
    #[error("this is more than the account may send this month")]
    MonthlyLimit,
    /// The customer has to prove that they want this one: this challenge, then the same order with it.
    #[error("confirm it with a code of your second factor")]
    StepUp(Id<Challenge>),
    /// What the customer is reached or proved by was changed a short time ago: from this moment on it may be begun.
    #[error("{}", too_soon(*.0))]
    TooSoon(UnixNs),
    /// The description is too long, or not one line of what can be seen.
    #[error(
        "a description has at most {DESCRIPTION_CHARACTERS_MAX} characters, all of them visible"
    )]
    Description,
    /// The request is not named.
    #[error("load the page again, then send it once")]
    NoRequest,
    /// Another transfer was ordered by the same request.
    #[error("this page has sent something else before: look at your account, then send it")]
    AnotherBefore,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// What a customer is told whose money is looked after with more care.
pub(super) fn too_soon(until: UnixNs) -> String {
    let until = from_in_words(until);
    format!(
        "your sign-in details were changed a short time ago: this is possible again from {until} on"
    )
}
