//! How many short messages go out in an hour: to a customer, to a number, and altogether. They cost money, and a number
//! that is asked for again and again is somebody's telephone that rings, or somebody's business to have them sent.
//!
//! There is one budget for all adapters, in a volatile table of the ledger. Each use has budgets of its own, so that news
//! keep nobody from a code or from a warning, nor does a stranger who says that a number is theirs. What is taken is not
//! given back, and as much is read and written whether something is left or not.

use crate::budget::{self, Allowance, Budgets, Spent};
use crate::clock::HOUR;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::phone::PhoneNumber;
use crate::random;
use crate::store::{Kind, Store};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::{TableId, Timestamp};

/// Codes or warnings to a customer, and to a number, in an hour.
const CODES_PER_HOUR: u32 = 5;
/// News to a customer, and to a number, in an hour.
const NEWS_PER_HOUR: u32 = 20;

/// What a short message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SmsUse {
    /// A code.
    Code,
    /// A code to a number that nobody has confirmed yet.
    Confirmation,
    /// A warning to whoever had the number.
    Warning,
    /// News.
    News,
    /// A code that nobody gets: as much is read and written.
    Nothing,
}

impl SmsUse {
    fn per_hour(self) -> u32 {
        match self {
            SmsUse::Code | SmsUse::Confirmation | SmsUse::Warning => CODES_PER_HOUR,
            SmsUse::News => NEWS_PER_HOUR,
            SmsUse::Nothing => 0,
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            SmsUse::Code => b"code",
            SmsUse::Confirmation => b"conf",
            SmsUse::Warning => b"warn",
            SmsUse::News => b"news",
            SmsUse::Nothing => b"none",
        }
    }
}

/// Budgets of an hour.
enum SmsBudgets {}

impl Kind for SmsBudgets {
    const TABLE: TableId = tables::SMS_BUDGETS;
    type Open = Spent;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &Spent) -> Subject {
        Subject::Bank
    }
}

impl Budgets for SmsBudgets {}

/// Takes one message; whether it may be sent. What one budget has given is gone, though another has none left, and each is
/// asked.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn take_sms(
    store: &Store,
    now: Timestamp,
    sms_use: SmsUse,
    customer: Id<Customer>,
    number: &PhoneNumber,
    all_per_hour: u32,
) -> Result<bool, BankError> {
    let number = store.vault().blind().of(Indexed::Phone, number.plain());
    let (customer, of_one) = (customer.bytes(), sms_use.per_hour());
    let mut may = sms_use != SmsUse::Nothing;
    for (scope, name, limit) in
        [(b'c', &customer[..], of_one), (b'n', &number[..], of_one), (b'a', &[][..], all_per_hour)]
    {
        // What is not sent takes nothing from anybody, and as long: nor is anybody told by a wait for others.
        let (name, limit) = if may { (name.to_vec(), limit) } else { (nobodys(), u32::MAX) };
        let key = [sms_use.name(), &[scope], &name].concat();
        may &=
            budget::take::<SmsBudgets>(store, now, &key, Allowance { limit, span: HOUR }).await?;
    }
    Ok(may)
}

/// The name of a budget that nobody else has.
fn nobodys() -> Vec<u8> {
    random::bytes::<16>().to_vec()
}
