//! The chart of accounts: what accounts of the ledger are for, by their code.
//!
//! | code | accounts |
//! |---|---|
//! | 1, 2, 3 | customers': CHECKING, SAVINGS, BUSINESS; a credit balance is owed to the customer |
//! | 100 | the bank's cash, one of each currency: the other side of deposits and withdrawals |

use super::AccountType;
use crate::money::Currency;
use florin_ledger::{Account, AccountFlags, AccountId, Code};

/// The bank's cash.
pub const CASH: Code = Code(100);

/// Transfers of money of one customer to another, or to an account of their own.
pub const TRANSFER: Code = Code(1);
/// Money that comes in.
pub const DEPOSIT: Code = Code(2);
/// Money that goes out.
pub const WITHDRAWAL: Code = Code(3);
/// A hold of nothing that closes an account.
pub const CLOSING: Code = Code(4);

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
