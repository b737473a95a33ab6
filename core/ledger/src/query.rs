//! Questions about accounts and their history, and the shapes of the answers.

use crate::account::Account;
use crate::amount::Amount;
use crate::id::{AccountId, Code, LedgerId, Timestamp};
use crate::record::Balances;
use crate::transfer::Transfer;
use alloc::vec::Vec;

/// Results per page unless the caller says otherwise.
pub const PAGE_COUNT_DEFAULT: u32 = 100;
/// Results per page at most.
pub const PAGE_COUNT_MAX: u32 = 8_190;

/// Where the next page starts: opaque to callers, valid as long as the database lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(pub u128);

/// Which postings of one account to return. Zero in a field says "any".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountFilter {
    /// The account.
    pub account_id: AccountId,
    /// Inclusive; zero: from the first.
    pub timestamp_min: Timestamp,
    /// Inclusive; zero: to the last.
    pub timestamp_max: Timestamp,
    /// Only transfers with this code.
    pub code: Code,
    /// Only transfers with this reference.
    pub user_data_128: u128,
    /// Only transfers with this reference.
    pub user_data_64: u64,
    /// Only transfers with this reference.
    pub user_data_32: u32,
    /// Include postings that debit the account.
    pub debits: bool,
    /// Include postings that credit the account.
    pub credits: bool,
    /// Newest first.
    pub reversed: bool,
    /// Results at most, 1 to [`PAGE_COUNT_MAX`].
    pub limit: u32,
    /// From the last answer's `next_cursor`.
    pub cursor: Option<Cursor>,
}

impl AccountFilter {
    /// Every posting of an account, oldest first, [`PAGE_COUNT_DEFAULT`] a page.
    #[must_use]
    pub fn new(account_id: AccountId) -> AccountFilter {
        AccountFilter {
            account_id,
            timestamp_min: Timestamp::NONE,
            timestamp_max: Timestamp::NONE,
            code: Code(0),
            user_data_128: 0,
            user_data_64: 0,
            user_data_32: 0,
            debits: true,
            credits: true,
            reversed: false,
            limit: PAGE_COUNT_DEFAULT,
            cursor: None,
        }
    }
}

/// Which accounts or transfers of the whole database to return. Zero in a field says "any".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueryFilter {
    /// Only this currency.
    pub ledger: LedgerId,
    /// Only this code.
    pub code: Code,
    /// Only this reference.
    pub user_data_128: u128,
    /// Only this reference.
    pub user_data_64: u64,
    /// Only this reference.
    pub user_data_32: u32,
    /// Inclusive; zero: from the first.
    pub timestamp_min: Timestamp,
    /// Inclusive; zero: to the last.
    pub timestamp_max: Timestamp,
    /// Newest first.
    pub reversed: bool,
    /// Results at most, 1 to [`PAGE_COUNT_MAX`].
    pub limit: u32,
    /// From the last answer's `next_cursor`.
    pub cursor: Option<Cursor>,
    /// The caller accepts that no index answers this and that a page may come back short (or
    /// empty) with a cursor, because each request scans within a budget.
    pub scan: bool,
}

impl QueryFilter {
    /// Everything, oldest first, [`PAGE_COUNT_DEFAULT`] a page.
    #[must_use]
    pub fn all() -> QueryFilter {
        QueryFilter {
            ledger: LedgerId(0),
            code: Code(0),
            user_data_128: 0,
            user_data_64: 0,
            user_data_32: 0,
            timestamp_min: Timestamp::NONE,
            timestamp_max: Timestamp::NONE,
            reversed: false,
            limit: PAGE_COUNT_DEFAULT,
            cursor: None,
            scan: false,
        }
    }
}

/// One page of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// The results, in the order asked for.
    pub items: Vec<T>,
    /// Where the next page starts; `None` when this was the last.
    pub next_cursor: Option<Cursor>,
}

/// A page of transfers.
pub type TransferPage = Page<Transfer>;
/// A page of accounts.
pub type AccountPage = Page<Account>;
/// A page of balances.
pub type BalancePage = Page<BalanceAt>;

/// The balances of an account after one of its postings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalanceAt {
    /// When the posting happened.
    pub timestamp: Timestamp,
    /// What the account's balances were then.
    pub balances: Balances,
}

/// The sums over all accounts of one ledger. Debits equal credits, or money was made or lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrialBalance {
    /// Sum of `debits_posted`.
    pub debits_posted: Amount,
    /// Sum of `credits_posted`.
    pub credits_posted: Amount,
    /// Sum of `debits_pending`.
    pub debits_pending: Amount,
    /// Sum of `credits_pending`.
    pub credits_pending: Amount,
    /// How many accounts the ledger has.
    pub accounts_count: u64,
}
