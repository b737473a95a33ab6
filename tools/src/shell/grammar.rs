//! What can be typed, and what it asks for.
//!
//! A line is a command, its subject, and then named values in any order. Anything that is not
//! understood is refused, and so is a name that comes twice: a slip must not post money.

use super::words::{Words, number};
use crate::json;
use crate::operation::Operation;
use florin_ledger::document::DocumentScan;
use florin_ledger::query::{AccountFilter, Cursor, PAGE_COUNT_DEFAULT, QueryFilter};
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, DocumentKey, DocumentWrite, LedgerId, TableId,
    Timestamp, Transfer, TransferFlags, TransferId,
};

/// What one line asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Request {
    Nothing,
    Help,
    Quit,
    Status,
    /// The next page of the last answer.
    More,
    /// Answered by a table.
    Ask(Operation),
    /// Typed as JSON, and answered by JSON.
    AskJson(Operation),
}

/// One command, for help and completion.
pub(crate) struct CommandLine {
    /// The first word.
    pub(crate) name: &'static str,
    /// What follows it.
    pub(crate) usage: &'static str,
    /// What it does.
    pub(crate) about: &'static str,
    /// Words that may follow, for completion.
    pub(crate) words: &'static [&'static str],
}

const ACCOUNT_WORDS: &[&str] =
    &["ledger", "code", "flags", "user_data_128", "user_data_64", "user_data_32"];
const TRANSFER_WORDS: &[&str] = &[
    "debit",
    "credit",
    "amount",
    "ledger",
    "code",
    "flags",
    "timeout",
    "user_data_128",
    "user_data_64",
    "user_data_32",
];
const RESOLVE_WORDS: &[&str] = &["hold", "amount", "user_data_128", "user_data_64", "user_data_32"];
const HISTORY_WORDS: &[&str] = &[
    "limit",
    "newest",
    "debits",
    "credits",
    "from",
    "until",
    "code",
    "user_data_128",
    "user_data_64",
    "user_data_32",
];
const FIND_WORDS: &[&str] = &[
    "accounts",
    "transfers",
    "ledger",
    "code",
    "limit",
    "newest",
    "from",
    "until",
    "scan",
    "user_data_128",
    "user_data_64",
    "user_data_32",
];

const SCAN_WORDS: &[&str] = &["prefix", "after", "reversed", "limit"];

/// Every command, in the order in which help shows them.
pub(crate) const COMMANDS: &[CommandLine] = &[
    CommandLine {
        name: "account",
        usage: "ID ledger N code N [flags A,B] [user_data_128|64|32 N]",
        about: "open an account",
        words: ACCOUNT_WORDS,
    },
    CommandLine {
        name: "transfer",
        usage: "ID debit ACCOUNT credit ACCOUNT amount N ledger N code N [flags A,B]",
        about: "move money",
        words: TRANSFER_WORDS,
    },
    CommandLine {
        name: "hold",
        usage: "ID debit ACCOUNT credit ACCOUNT amount N ledger N code N [timeout SECONDS]",
        about: "reserve money until it is posted, voided or expires",
        words: TRANSFER_WORDS,
    },
    CommandLine {
        name: "post",
        usage: "ID hold ID [amount N]",
        about: "post a hold, wholly or in part",
        words: RESOLVE_WORDS,
    },
    CommandLine {
        name: "void",
        usage: "ID hold ID",
        about: "release a hold",
        words: RESOLVE_WORDS,
    },
    CommandLine { name: "accounts", usage: "ID...", about: "show accounts", words: &[] },
    CommandLine { name: "transfers", usage: "ID...", about: "show transfers", words: &[] },
    CommandLine {
        name: "history",
        usage: "ACCOUNT [newest] [debits|credits] [from TIME] [until TIME] [code N] [limit N]",
        about: "the transfers of an account",
        words: HISTORY_WORDS,
    },
    CommandLine {
        name: "balances",
        usage: "ACCOUNT [as history]",
        about: "the balance of an account after each posting",
        words: HISTORY_WORDS,
    },
    CommandLine {
        name: "balance",
        usage: "ACCOUNT [at TIME]",
        about: "the balance of an account, now or at an instant",
        words: &["at"],
    },
    CommandLine {
        name: "find",
        usage: "accounts|transfers [ledger N] [code N] [from TIME] [until TIME] [newest] [scan]",
        about: "search the whole ledger",
        words: FIND_WORDS,
    },
    CommandLine { name: "trial", usage: "LEDGER", about: "the trial balance", words: &[] },
    CommandLine {
        name: "put",
        usage: "TABLE KEY VALUE",
        about: "write a document (words without spaces; JSON for any bytes)",
        words: &[],
    },
    CommandLine { name: "document", usage: "TABLE KEY", about: "show a document", words: &[] },
    CommandLine {
        name: "documents",
        usage: "TABLE [prefix TEXT] [after KEY] [reversed] [limit N]",
        about: "the documents of a table, in order of their keys",
        words: SCAN_WORDS,
    },
    CommandLine { name: "more", usage: "", about: "the next page", words: &[] },
    CommandLine { name: "status", usage: "", about: "how the ledger is doing", words: &[] },
    CommandLine { name: "help", usage: "", about: "this page", words: &[] },
    CommandLine { name: "quit", usage: "", about: "leave (or Ctrl-D)", words: &[] },
];

/// Understands one line.
///
/// # Errors
/// What is wrong with it, in words for whoever typed it; nothing was asked of the ledger.
pub(crate) fn parse(line: &str) -> Result<Request, String> {
    let line = line.trim();
    if line.starts_with('{') {
        let operation = json::read::operation(line).map_err(|error| error.to_string())?;
        return Ok(Request::AskJson(operation));
    }
    let mut words = Words::of(line);
    let Some(command) = words.next() else { return Ok(Request::Nothing) };
    match command {
        "account" => account(words),
        "transfer" => transfer(words, TransferFlags::NONE),
        "hold" => transfer(words, TransferFlags::PENDING),
        "post" => resolve(words, TransferFlags::POST_PENDING_TRANSFER, Amount::MAX),
        "void" => resolve(words, TransferFlags::VOID_PENDING_TRANSFER, Amount::ZERO),
        "accounts" => Ok(Request::Ask(Operation::LookupAccounts(ids(words, AccountId)?))),
        "transfers" => Ok(Request::Ask(Operation::LookupTransfers(ids(words, TransferId)?))),
        "history" => Ok(Request::Ask(Operation::AccountTransfers(account_filter(words)?))),
        "balances" => Ok(Request::Ask(Operation::AccountBalances(account_filter(words)?))),
        "balance" => balance(words),
        "find" => find(words),
        "trial" => {
            let ledger = LedgerId(words.number("the ledger")?);
            words.finish().map(|()| Request::Ask(Operation::TrialBalance(ledger)))
        }
        "put" => put(words),
        "document" => {
            let key = document_key(&mut words)?;
            words.finish().map(|()| Request::Ask(Operation::GetDocuments(vec![key])))
        }
        "documents" => documents(words),
        "more" => words.finish().map(|()| Request::More),
        "status" => words.finish().map(|()| Request::Status),
        "help" | "?" => words.finish().map(|()| Request::Help),
        "quit" | "exit" => words.finish().map(|()| Request::Quit),
        other => Err(format!("{other} is no command; try help")),
    }
}

/// The same question for the page after this one; `None` for questions that have no pages.
pub(crate) fn next_page(operation: &Operation, cursor: Cursor) -> Option<Operation> {
    let cursor = Some(cursor);
    match operation {
        Operation::AccountTransfers(filter) => {
            Some(Operation::AccountTransfers(AccountFilter { cursor, ..*filter }))
        }
        Operation::AccountBalances(filter) => {
            Some(Operation::AccountBalances(AccountFilter { cursor, ..*filter }))
        }
        Operation::QueryAccounts(filter) => {
            Some(Operation::QueryAccounts(QueryFilter { cursor, ..*filter }))
        }
        Operation::QueryTransfers(filter) => {
            Some(Operation::QueryTransfers(QueryFilter { cursor, ..*filter }))
        }
        _ => None,
    }
}

fn account(mut words: Words<'_>) -> Result<Request, String> {
    let id = AccountId(words.number("the account's id")?);
    let mut account = Account { id, ..Account::default() };
    while let Some(word) = words.name()? {
        match word {
            "ledger" => account.ledger = LedgerId(words.number(word)?),
            "code" => account.code = Code(words.number(word)?),
            "flags" => {
                let known = AccountFlags::NAMES.map(|(flag, name)| (flag.0, name));
                account.flags = AccountFlags(flags(&mut words, known)?);
            }
            "user_data_128" => account.user_data_128 = words.number(word)?,
            "user_data_64" => account.user_data_64 = words.number(word)?,
            "user_data_32" => account.user_data_32 = words.number(word)?,
            other => return Err(unknown(other, ACCOUNT_WORDS)),
        }
    }
    Ok(Request::Ask(Operation::CreateAccounts(vec![account])))
}

fn transfer(mut words: Words<'_>, implied: TransferFlags) -> Result<Request, String> {
    let id = TransferId(words.number("the transfer's id")?);
    let mut transfer = Transfer { id, flags: implied, ..Transfer::default() };
    while let Some(word) = words.name()? {
        match word {
            "debit" => transfer.debit_account_id = AccountId(words.number(word)?),
            "credit" => transfer.credit_account_id = AccountId(words.number(word)?),
            "amount" => transfer.amount = Amount(words.number(word)?),
            "ledger" => transfer.ledger = LedgerId(words.number(word)?),
            "code" => transfer.code = Code(words.number(word)?),
            "flags" => {
                let known = TransferFlags::NAMES.map(|(flag, name)| (flag.0, name));
                transfer.flags = implied.with(TransferFlags(flags(&mut words, known)?));
            }
            "timeout" => transfer.timeout = words.number(word)?,
            "user_data_128" => transfer.user_data_128 = words.number(word)?,
            "user_data_64" => transfer.user_data_64 = words.number(word)?,
            "user_data_32" => transfer.user_data_32 = words.number(word)?,
            other => return Err(unknown(other, TRANSFER_WORDS)),
        }
    }
    words.require("amount")?;
    Ok(Request::Ask(Operation::CreateTransfers(vec![transfer])))
}

/// A post or a void; `amount` is what it moves unless the line says otherwise.
fn resolve(mut words: Words<'_>, kind: TransferFlags, amount: Amount) -> Result<Request, String> {
    let id = TransferId(words.number("the transfer's id")?);
    let mut transfer = Transfer { id, flags: kind, amount, ..Transfer::default() };
    while let Some(word) = words.name()? {
        match word {
            "hold" => transfer.pending_id = TransferId(words.number(word)?),
            "amount" => transfer.amount = Amount(words.number(word)?),
            "user_data_128" => transfer.user_data_128 = words.number(word)?,
            "user_data_64" => transfer.user_data_64 = words.number(word)?,
            "user_data_32" => transfer.user_data_32 = words.number(word)?,
            other => return Err(unknown(other, RESOLVE_WORDS)),
        }
    }
    Ok(Request::Ask(Operation::CreateTransfers(vec![transfer])))
}

fn account_filter(mut words: Words<'_>) -> Result<AccountFilter, String> {
    let mut filter = AccountFilter::new(AccountId(words.number("the account's id")?));
    let (mut debits, mut credits) = (false, false);
    while let Some(word) = words.name()? {
        match word {
            "limit" => filter.limit = words.number(word)?,
            "newest" => filter.reversed = true,
            "debits" => debits = true,
            "credits" => credits = true,
            "from" => filter.timestamp_min = Timestamp(words.number(word)?),
            "until" => filter.timestamp_max = Timestamp(words.number(word)?),
            "code" => filter.code = Code(words.number(word)?),
            "user_data_128" => filter.user_data_128 = words.number(word)?,
            "user_data_64" => filter.user_data_64 = words.number(word)?,
            "user_data_32" => filter.user_data_32 = words.number(word)?,
            other => return Err(unknown(other, HISTORY_WORDS)),
        }
    }
    if debits || credits {
        (filter.debits, filter.credits) = (debits, credits);
    }
    Ok(filter)
}

fn balance(mut words: Words<'_>) -> Result<Request, String> {
    let account_id = AccountId(words.number("the account's id")?);
    let timestamp = match words.next() {
        None => Timestamp::MAX,
        Some("at") => Timestamp(words.number("at")?),
        Some(other) => return Err(unknown(other, &["at"])),
    };
    words.finish()?;
    Ok(Request::Ask(Operation::BalanceAsOf { account_id, timestamp }))
}

fn find(mut words: Words<'_>) -> Result<Request, String> {
    let subject = words.next();
    let mut filter = QueryFilter::all();
    while let Some(word) = words.name()? {
        match word {
            "ledger" => filter.ledger = LedgerId(words.number(word)?),
            "code" => filter.code = Code(words.number(word)?),
            "limit" => filter.limit = words.number(word)?,
            "newest" => filter.reversed = true,
            "scan" => filter.scan = true,
            "from" => filter.timestamp_min = Timestamp(words.number(word)?),
            "until" => filter.timestamp_max = Timestamp(words.number(word)?),
            "user_data_128" => filter.user_data_128 = words.number(word)?,
            "user_data_64" => filter.user_data_64 = words.number(word)?,
            "user_data_32" => filter.user_data_32 = words.number(word)?,
            other => return Err(unknown(other, FIND_WORDS)),
        }
    }
    match subject {
        Some("accounts") => Ok(Request::Ask(Operation::QueryAccounts(filter))),
        Some("transfers") => Ok(Request::Ask(Operation::QueryTransfers(filter))),
        _ => Err(String::from("find what? accounts or transfers")),
    }
}

fn document_key(words: &mut Words<'_>) -> Result<DocumentKey, String> {
    let table = TableId(words.number("the table")?);
    let key = words.next().ok_or("the key is missing")?;
    Ok(DocumentKey { table, key: key.as_bytes().to_vec() })
}

fn put(mut words: Words<'_>) -> Result<Request, String> {
    let DocumentKey { table, key } = document_key(&mut words)?;
    let value = words.next().ok_or("the value is missing")?.as_bytes().to_vec();
    words.finish()?;
    let write = DocumentWrite { table, key, value: Some(value), ..DocumentWrite::default() };
    Ok(Request::Ask(Operation::WriteDocuments(vec![write])))
}

fn documents(mut words: Words<'_>) -> Result<Request, String> {
    let table = TableId(words.number("the table")?);
    let mut scan = DocumentScan { table, limit: PAGE_COUNT_DEFAULT, ..DocumentScan::default() };
    while let Some(word) = words.name()? {
        match word {
            "prefix" => scan.prefix = bytes(&mut words, word)?,
            "after" => scan.after = Some(bytes(&mut words, word)?),
            "reversed" => scan.reversed = true,
            "limit" => scan.limit = words.number(word)?,
            other => return Err(unknown(other, SCAN_WORDS)),
        }
    }
    Ok(Request::Ask(Operation::ScanDocuments(scan)))
}

fn bytes(words: &mut Words<'_>, what: &str) -> Result<Vec<u8>, String> {
    let word = words.next().ok_or_else(|| format!("{what} is missing"))?;
    Ok(word.as_bytes().to_vec())
}

fn ids<T>(mut words: Words<'_>, of: impl Fn(u128) -> T) -> Result<Vec<T>, String> {
    let mut ids = Vec::new();
    while let Some(word) = words.next() {
        ids.push(of(number(word, "an id")?));
    }
    if ids.is_empty() {
        return Err(String::from("name at least one id"));
    }
    Ok(ids)
}

/// Names with commas between them, as bits.
fn flags<const N: usize>(
    words: &mut Words<'_>,
    known: [(u16, &'static str); N],
) -> Result<u16, String> {
    let names = words.next().ok_or("flags is missing its names")?;
    let mut bits = 0;
    for name in names.split(',') {
        let Some((bit, _)) = known.iter().find(|(_, known)| *known == name) else {
            return Err(unknown(name, &known.map(|(_, known)| known)));
        };
        bits |= bit;
    }
    Ok(bits)
}

fn unknown(word: &str, known: &[&str]) -> String {
    format!("{word} means nothing here; known are {}", known.join(", "))
}

#[cfg(test)]
mod tests;
