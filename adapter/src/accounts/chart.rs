//! The chart of accounts: what accounts of the ledger are for, by their code.
//!
//! | code | accounts |
//! |---|---|
//! | 1, 2, 3 | customers': CHECKING, SAVINGS, BUSINESS; a credit balance is owed to the customer |
//! | 100 | the bank's cash, one of each currency: the other side of deposits and withdrawals |
//! | 110 | what a customer's account may send in a day or a month, on a ledger of no currency |
//! | 111 | the other side of all of these |

use super::AccountType;
use crate::money::Currency;
use florin_ledger::{Account, AccountFlags, AccountId, Code, LedgerId};

/// The bank's cash.
pub const CASH: Code = Code(100);

/// What an account may send.
pub const LIMIT: Code = Code(110);
/// What may be sent is taken from here.
pub const LIMITS: Code = Code(111);
/// The ledger of what may be sent: of no currency, so that no trial balance of money contains it.
pub const LIMITS_LEDGER: LedgerId = LedgerId(1_000_001);

/// Transfers of money of one customer to another, or to an account of their own.
pub const TRANSFER: Code = Code(1);
/// Money that comes in.
pub const DEPOSIT: Code = Code(2);
/// Money that goes out.
pub const WITHDRAWAL: Code = Code(3);
/// A hold of nothing that closes an account.
pub const CLOSING: Code = Code(4);

/// Allows an account to send something.
pub const LIMIT_GRANT: Code = Code(5);
/// Takes what is sent from what is allowed.
pub const LIMIT_USE: Code = Code(6);
/// Money of a transfer that goes back.
pub const REVERSAL: Code = Code(20);

/// The code of a customer's accounts of a type.
#[must_use]
pub fn code_of(account_type: AccountType) -> Code {
    Code(match account_type {
        AccountType::Checking => 1,
        AccountType::Savings => 2,
        AccountType::Business => 3,
    })
}

/// The bank's cash in a currency. Its number can't be that of a customer's account, whose first 48 bits are a
/// time.
#[must_use]
pub fn cash(currency: Currency) -> Account {
    Account {
        id: AccountId(u128::from(CASH.0) << 32 | u128::from(currency.ledger().0)),
        ledger: currency.ledger(),
        code: CASH,
        ..Account::default()
    }
}

/// The other side of all limits.
#[must_use]
pub fn limits() -> Account {
    Account {
        id: AccountId(u128::from(LIMITS.0) << 32 | u128::from(LIMITS_LEDGER.0)),
        ledger: LIMITS_LEDGER,
        code: LIMITS,
        ..Account::default()
    }
}

/// A customer's account, as the ledger has it.
#[must_use]
pub fn customers(
    number: u128,
    customer: u128,
    account_type: AccountType,
    currency: Currency,
) -> Account {
    Account {
        id: AccountId(number),
        ledger: currency.ledger(),
        code: code_of(account_type),
        flags: AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS,
        user_data_128: customer,
        ..Account::default()
    }
}
