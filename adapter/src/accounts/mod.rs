//! Accounts of customers.
//!
//! - An account is a document of ACCOUNTS and, under the same number, an account of the ledger, which alone
//!   knows what is on it. Customers' accounts are liabilities of the bank: their balance is what was credited
//!   less what was debited, and the ledger lets none go below zero.
//! - The bank's own accounts are the other side of whatever comes in or goes out ([`chart`]).

mod balance;
mod cash;
pub mod chart;
mod closing;
mod history;
mod iban;
mod limiting;
mod opening;
mod record;
mod request;
mod suspension;

pub use balance::{Balances, balances};
pub use cash::{CASHIERS, CashDirection, CashOrder, CashRefused, move_cash};
pub use closing::{CloseRefused, close};
pub use history::{Entry, History, history};
pub use iban::{BankCode, Iban, NotAnIban};
pub use limiting::{LIMITERS, LimitRefused, SendingLimits, limit};
pub(crate) use opening::record_imported;
pub use opening::{OpenOrder, OpenRefused, Opened, Opening, Ordered, open, order, order_once};
pub(crate) use record::{AccountNumbers, account_end, account_ids_of};
pub use record::{
    AccountOpen, AccountStatus, AccountType, Accounts, accounts_of, find_by_number, owned,
};
pub use suspension::{SUSPENDERS, SuspendRefused, resume, suspend};
