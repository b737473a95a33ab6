//! How the programs of plain-text accounting write the same things differently.

use super::commodity::{Commodity, decimal};
use super::{day, day_after};
use crate::exit::Failure;
use florin_ledger::{Account, Timestamp};

/// Who shall read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// hledger, and ledger.
    Hledger,
    /// beancount.
    Beancount,
}

/// Beancount adds with 28 digits, and rounds what has more.
const BEANCOUNT_UNITS_MAX: u128 = 10_u128.pow(28) - 1;

impl Dialect {
    /// That there is an account, from its first day on.
    pub(crate) fn account(self, account: &Account, name: &str, commodity: &Commodity) -> String {
        match self {
            Dialect::Hledger => format!("account {name}\n"),
            Dialect::Beancount => {
                format!("{} open {name} {}\n", day(account.timestamp), commodity.name)
            }
        }
    }

    /// The first line of a transaction. The title has no quotes and no breaks in it.
    pub(crate) fn transaction(self, at: Timestamp, title: &str) -> String {
        match self {
            Dialect::Hledger => format!("{} * {title}\n", day(at)),
            Dialect::Beancount => format!("{} * \"{title}\"\n", day(at)),
        }
    }

    /// Something that is known of a transaction.
    pub(crate) fn note(self, name: &str, value: &str) -> String {
        match self {
            Dialect::Hledger => format!("    ; {name}: {value}\n"),
            Dialect::Beancount => format!("  {name}: \"{value}\"\n"),
        }
    }

    /// An amount and what of.
    ///
    /// # Errors
    /// If the program would round it.
    pub(crate) fn amount(
        self,
        is_negative: bool,
        units: u128,
        commodity: &Commodity,
    ) -> Result<String, Failure> {
        let number = decimal(is_negative, units, commodity.places);
        let name = &commodity.name;
        match self {
            // A name with digits in it is quoted, or it would be read as part of the number.
            Dialect::Hledger if name.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Ok(format!("{number} {name}"))
            }
            Dialect::Hledger => Ok(format!("{number} \"{name}\"")),
            Dialect::Beancount if BEANCOUNT_UNITS_MAX < units => Err(Failure::usage(format!(
                "beancount is exact up to 28 digits, and there are {units} units of {name}: export to another format"
            ))),
            Dialect::Beancount => Ok(format!("{number} {name}")),
        }
    }

    /// What precedes the balances that are asserted, behind everything of that day.
    pub(crate) fn before_balances(self, latest: Timestamp) -> String {
        match self {
            Dialect::Hledger => format!("{} * balances\n", day(latest)),
            Dialect::Beancount => String::new(),
        }
    }

    /// That an account has exactly this balance then.
    ///
    /// # Errors
    /// As [`Dialect::amount`].
    pub(crate) fn balance(
        self,
        latest: Timestamp,
        name: &str,
        (is_negative, units): (bool, u128),
        commodity: &Commodity,
    ) -> Result<String, Failure> {
        let balance = self.amount(is_negative, units, commodity)?;
        Ok(match self {
            Dialect::Hledger => {
                let nothing = self.amount(false, 0, commodity)?;
                format!("    {name}  {nothing} = {balance}\n")
            }
            Dialect::Beancount => {
                // Of the beginning of a day, and exactly.
                let (number, of) = balance.split_once(' ').expect("a number and what of");
                format!("{} balance {name}  {number} ~ 0 {of}\n", day_after(latest))
            }
        })
    }
}
