//! From an answer to its line of JSON. The order of the fields below is the order on the line.

mod documents;

use super::item::ItemJson;
use crate::operation::Answer;
use crate::page_of_stream::StreamPage;
use florin_ledger::query::{AccountPage, BalanceAt, BalancePage, TransferPage, TrialBalance};
use florin_ledger::{Account, AccountFlags, EventResult, StreamCursor, Transfer, TransferFlags};
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// The answer to an operation, without a line break.
pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::AccountResults(results) => {
            line(&Results { results: events(results, |status| status.name()) })
        }
        Answer::TransferResults(results) => {
            line(&Results { results: events(results, |status| status.name()) })
        }
        Answer::Accounts(accounts) => {
            let accounts = accounts.iter().map(|found| found.as_ref().map(AccountJson::from));
            line(&Accounts { accounts: accounts.collect(), next_cursor: None })
        }
        Answer::Transfers(transfers) => {
            let transfers = transfers.iter().map(|found| found.as_ref().map(TransferJson::from));
            line(&Transfers { transfers: transfers.collect(), next_cursor: None })
        }
        Answer::AccountPage(page) => line(&Accounts::from(page)),
        Answer::TransferPage(page) => line(&Transfers::from(page)),
        Answer::BalancePage(page) => line(&Balances::from(page)),
        Answer::Balance(balance) => line(&Balance { balance: balance.map(BalanceJson::from) }),
        Answer::TrialBalance(sums) => line(&TrialBalanceJson::from(sums)),
        Answer::Outcome(outcome) => documents::outcome(outcome),
        Answer::Documents(found) => documents::documents(found),
        Answer::DocumentPage(page) => documents::page(page),
        Answer::Written(results) => documents::written(results),
        Answer::Declared(result) => documents::declared(result),
        Answer::Unique(result) => documents::unique(result),
        Answer::Tables(tables) => documents::tables(tables),
        Answer::Stream(page) => line(&Items::from(page)),
    }
}

/// An account as its line of an export, without a line break.
pub(crate) fn account(account: &Account) -> String {
    #[derive(Serialize)]
    struct Line {
        kind: &'static str,
        #[serde(flatten)]
        account: AccountJson,
    }
    line(&Line { kind: "account", account: account.into() })
}

/// The answer to a line that can't be read, or to an operation that got none. Lines count from 1.
pub(crate) fn error(message: &str, number: u64) -> String {
    line(&ErrorJson { error: message, line: number })
}

fn line(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("answers have string keys and nothing that can fail")
}

/// A number wider than the 53 bits that every JSON reader keeps: a string of digits.
#[derive(Clone, Copy)]
pub(super) struct Wide<T>(pub(super) T);

impl<T: Display> Serialize for Wide<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    error: &'a str,
    line: u64,
}

#[derive(Serialize)]
struct Results {
    results: Vec<ResultJson>,
}

#[derive(Serialize)]
struct ResultJson {
    status: &'static str,
    timestamp: Wide<u64>,
}

fn events<Status: Copy>(
    results: &[EventResult<Status>],
    name: impl Fn(Status) -> &'static str,
) -> Vec<ResultJson> {
    let result = |result: &EventResult<Status>| ResultJson {
        status: name(result.status),
        timestamp: Wide(result.timestamp.0),
    };
    results.iter().map(result).collect()
}

#[derive(Serialize)]
struct Accounts {
    accounts: Vec<Option<AccountJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Wide<u128>>,
}

impl From<&AccountPage> for Accounts {
    fn from(page: &AccountPage) -> Accounts {
        Accounts {
            accounts: page.items.iter().map(|account| Some(account.into())).collect(),
            next_cursor: page.next_cursor.map(|cursor| Wide(cursor.0)),
        }
    }
}

/// An account.
#[derive(Serialize)]
pub(super) struct AccountJson {
    id: Wide<u128>,
    debits_pending: Wide<u128>,
    debits_posted: Wide<u128>,
    credits_pending: Wide<u128>,
    credits_posted: Wide<u128>,
    user_data_128: Wide<u128>,
    user_data_64: Wide<u64>,
    user_data_32: u32,
    ledger: u32,
    code: u16,
    flags: Vec<&'static str>,
    timestamp: Wide<u64>,
}

impl From<&Account> for AccountJson {
    fn from(account: &Account) -> AccountJson {
        AccountJson {
            id: Wide(account.id.0),
            debits_pending: Wide(account.debits_pending.0),
            debits_posted: Wide(account.debits_posted.0),
            credits_pending: Wide(account.credits_pending.0),
            credits_posted: Wide(account.credits_posted.0),
            user_data_128: Wide(account.user_data_128),
            user_data_64: Wide(account.user_data_64),
            user_data_32: account.user_data_32,
            ledger: account.ledger.0,
            code: account.code.0,
            flags: account_flags(account.flags),
            timestamp: Wide(account.timestamp.0),
        }
    }
}

/// The names of an account's flags, in order of their bits.
pub(crate) fn account_flags(flags: AccountFlags) -> Vec<&'static str> {
    let set = AccountFlags::NAMES.into_iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| name).collect()
}

#[derive(Serialize)]
struct Transfers {
    transfers: Vec<Option<TransferJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Wide<u128>>,
}

impl From<&TransferPage> for Transfers {
    fn from(page: &TransferPage) -> Transfers {
        Transfers {
            transfers: page.items.iter().map(|transfer| Some(transfer.into())).collect(),
            next_cursor: page.next_cursor.map(|cursor| Wide(cursor.0)),
        }
    }
}

/// A transfer.
#[derive(Serialize)]
pub(super) struct TransferJson {
    id: Wide<u128>,
    debit_account_id: Wide<u128>,
    credit_account_id: Wide<u128>,
    amount: Wide<u128>,
    pending_id: Wide<u128>,
    user_data_128: Wide<u128>,
    user_data_64: Wide<u64>,
    user_data_32: u32,
    timeout: u32,
    ledger: u32,
    code: u16,
    flags: Vec<&'static str>,
    timestamp: Wide<u64>,
}

impl From<&Transfer> for TransferJson {
    fn from(transfer: &Transfer) -> TransferJson {
        TransferJson {
            id: Wide(transfer.id.0),
            debit_account_id: Wide(transfer.debit_account_id.0),
            credit_account_id: Wide(transfer.credit_account_id.0),
            amount: Wide(transfer.amount.0),
            pending_id: Wide(transfer.pending_id.0),
            user_data_128: Wide(transfer.user_data_128),
            user_data_64: Wide(transfer.user_data_64),
            user_data_32: transfer.user_data_32,
            timeout: transfer.timeout,
            ledger: transfer.ledger.0,
            code: transfer.code.0,
            flags: transfer_flags(transfer.flags),
            timestamp: Wide(transfer.timestamp.0),
        }
    }
}

/// The names of a transfer's flags, in order of their bits.
pub(crate) fn transfer_flags(flags: TransferFlags) -> Vec<&'static str> {
    let set = TransferFlags::NAMES.into_iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| name).collect()
}

#[derive(Serialize)]
struct Items {
    items: Vec<ItemJson>,
    next_cursor: Wide<StreamCursor>,
    is_live: bool,
}

impl From<&StreamPage> for Items {
    fn from(page: &StreamPage) -> Items {
        Items {
            items: page.items().map(|item| ItemJson::from(&item)).collect(),
            next_cursor: Wide(page.next_cursor()),
            is_live: page.is_live(),
        }
    }
}

#[derive(Serialize)]
struct Balances {
    balances: Vec<BalanceJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Wide<u128>>,
}

impl From<&BalancePage> for Balances {
    fn from(page: &BalancePage) -> Balances {
        Balances {
            balances: page.items.iter().map(|balance| BalanceJson::from(*balance)).collect(),
            next_cursor: page.next_cursor.map(|cursor| Wide(cursor.0)),
        }
    }
}

#[derive(Serialize)]
struct Balance {
    balance: Option<BalanceJson>,
}

#[derive(Serialize)]
struct BalanceJson {
    timestamp: Wide<u64>,
    debits_pending: Wide<u128>,
    debits_posted: Wide<u128>,
    credits_pending: Wide<u128>,
    credits_posted: Wide<u128>,
}

impl From<BalanceAt> for BalanceJson {
    fn from(at: BalanceAt) -> BalanceJson {
        BalanceJson {
            timestamp: Wide(at.timestamp.0),
            debits_pending: Wide(at.balances.debits_pending.0),
            debits_posted: Wide(at.balances.debits_posted.0),
            credits_pending: Wide(at.balances.credits_pending.0),
            credits_posted: Wide(at.balances.credits_posted.0),
        }
    }
}

/// The sums of a ledger.
#[derive(Serialize)]
pub(crate) struct TrialBalanceJson {
    debits_posted: Wide<u128>,
    credits_posted: Wide<u128>,
    debits_pending: Wide<u128>,
    credits_pending: Wide<u128>,
    accounts: Wide<u64>,
}

impl From<&TrialBalance> for TrialBalanceJson {
    fn from(sums: &TrialBalance) -> TrialBalanceJson {
        TrialBalanceJson {
            debits_posted: Wide(sums.debits_posted.0),
            credits_posted: Wide(sums.credits_posted.0),
            debits_pending: Wide(sums.debits_pending.0),
            credits_pending: Wide(sums.credits_pending.0),
            accounts: Wide(sums.accounts_count),
        }
    }
}

#[cfg(test)]
mod tests;
