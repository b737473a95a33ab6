//! From a line of JSON to the operation it asks for.

mod documents;

use super::number::{preview, whole};
use super::object::{Object, ReadError, elements};
use crate::commands::tail;
use crate::operation::{EVENTS_MAX, Operation};
use crate::page_of_stream::StreamQuestion;
use florin_ledger::commit::Topic;
use florin_ledger::query::{
    AccountFilter, Cursor, PAGE_COUNT_DEFAULT, PAGE_COUNT_MAX, QueryFilter,
};
use florin_ledger::stream::TableFilter;
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, LedgerId, StreamFilter, StreamStart, TableId,
    Timestamp, Transfer, TransferFlags, TransferId,
};
use serde_json::value::RawValue;

/// Every operation, as a line names it.
pub(crate) const OPERATIONS: [&str; 20] = [
    "create_accounts",
    "create_transfers",
    "lookup_accounts",
    "lookup_transfers",
    "account_transfers",
    "account_balances",
    "balance_as_of",
    "query_accounts",
    "query_transfers",
    "trial_balance",
    "commit",
    "dry_run",
    "get_documents",
    "scan_documents",
    "document_history",
    "write_documents",
    "insert_unique",
    "declare_table",
    "list_tables",
    "stream",
];

/// Reads one line.
///
/// # Errors
/// Where the fault is and what would be understood there; nothing was asked of any ledger.
pub(crate) fn operation(line: &str) -> Result<Operation, ReadError> {
    let raw: &RawValue = serde_json::from_str(line.trim())
        .map_err(|error| ReadError::new(format!("not a line of JSON: {}", syntax(&error))))?;
    let mut object = Object::read(raw)?;
    let mut found = None;
    for name in OPERATIONS {
        let Some(argument) = object.take(name) else { continue };
        if let Some((first, _)) = found.replace((name, argument)) {
            let message = format!("one operation a line, found {first} and {name}");
            return Err(ReadError::new(message));
        }
    }
    object.finish()?;
    let Some((name, argument)) = found else {
        let known = OPERATIONS.join(", ");
        return Err(ReadError::new(format!("no operation; known are {known}")));
    };
    argue(name, argument).map_err(|error| error.in_member(name))
}

/// The parser's own words, without its line number: a line is all it ever sees.
fn syntax(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    match text.strip_suffix(&place) {
        Some(words) => format!("{words} at column {}", error.column()),
        None => text,
    }
}

fn argue(name: &str, raw: &RawValue) -> Result<Operation, ReadError> {
    match name {
        "create_accounts" => Ok(Operation::CreateAccounts(batch(raw, account)?)),
        "create_transfers" => Ok(Operation::CreateTransfers(batch(raw, transfer)?)),
        "lookup_accounts" => {
            Ok(Operation::LookupAccounts(batch(raw, |raw| id(raw).map(AccountId))?))
        }
        "lookup_transfers" => {
            Ok(Operation::LookupTransfers(batch(raw, |raw| id(raw).map(TransferId))?))
        }
        "account_transfers" => Ok(Operation::AccountTransfers(account_filter(raw)?)),
        "account_balances" => Ok(Operation::AccountBalances(account_filter(raw)?)),
        "balance_as_of" => balance_as_of(raw),
        "query_accounts" => Ok(Operation::QueryAccounts(query_filter(raw)?)),
        "query_transfers" => Ok(Operation::QueryTransfers(query_filter(raw)?)),
        "trial_balance" => trial_balance(raw),
        "commit" => Ok(Operation::Commit(documents::commit(raw)?)),
        "dry_run" => documents::dry_run(raw),
        "get_documents" => Ok(Operation::GetDocuments(batch(raw, documents::key)?)),
        "scan_documents" => Ok(Operation::ScanDocuments(documents::scan(raw)?)),
        "document_history" => documents::history(raw),
        "write_documents" => Ok(Operation::WriteDocuments(batch(raw, documents::write)?)),
        "insert_unique" => documents::insert_unique(raw),
        "declare_table" => documents::declare_table(raw),
        "list_tables" => {
            Object::read(raw)?.finish()?;
            Ok(Operation::ListTables)
        }
        "stream" => Ok(Operation::Stream(stream(raw)?)),
        _ => Err(ReadError::new(format!("unknown operation {}", preview(name)))),
    }
}

fn batch<T>(
    raw: &RawValue,
    element: impl Fn(&RawValue) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let elements = elements(raw)?;
    if EVENTS_MAX < elements.len() {
        let count = elements.len();
        let message = format!("at most {EVENTS_MAX} in one batch, this one has {count}: split it");
        return Err(ReadError::new(message));
    }
    let read = |(index, raw)| element(raw).map_err(|error| error.in_element(index));
    elements.into_iter().enumerate().map(read).collect()
}

fn id(raw: &RawValue) -> Result<u128, ReadError> {
    whole(raw, u128::MAX).map_err(ReadError::new)
}

fn account(raw: &RawValue) -> Result<Account, ReadError> {
    let mut object = Object::read(raw)?;
    let account = Account {
        id: AccountId(object.u128("id")?),
        debits_pending: Amount(object.u128("debits_pending")?),
        debits_posted: Amount(object.u128("debits_posted")?),
        credits_pending: Amount(object.u128("credits_pending")?),
        credits_posted: Amount(object.u128("credits_posted")?),
        user_data_128: object.u128("user_data_128")?,
        user_data_64: object.u64("user_data_64")?,
        user_data_32: object.u32("user_data_32")?,
        reserved: 0,
        ledger: LedgerId(object.u32("ledger")?),
        code: Code(object.u16("code")?),
        flags: AccountFlags(
            object.flags("flags", AccountFlags::NAMES.map(|(flag, name)| (flag.0, name)))?,
        ),
        timestamp: Timestamp(object.u64("timestamp")?),
    };
    object.finish()?;
    Ok(account)
}

fn transfer(raw: &RawValue) -> Result<Transfer, ReadError> {
    let mut object = Object::read(raw)?;
    let transfer = Transfer {
        id: TransferId(object.u128("id")?),
        debit_account_id: AccountId(object.u128("debit_account_id")?),
        credit_account_id: AccountId(object.u128("credit_account_id")?),
        amount: Amount(object.u128("amount")?),
        pending_id: TransferId(object.u128("pending_id")?),
        user_data_128: object.u128("user_data_128")?,
        user_data_64: object.u64("user_data_64")?,
        user_data_32: object.u32("user_data_32")?,
        timeout: object.u32("timeout")?,
        ledger: LedgerId(object.u32("ledger")?),
        code: Code(object.u16("code")?),
        flags: TransferFlags(
            object.flags("flags", TransferFlags::NAMES.map(|(flag, name)| (flag.0, name)))?,
        ),
        timestamp: Timestamp(object.u64("timestamp")?),
    };
    object.finish()?;
    Ok(transfer)
}

fn account_filter(raw: &RawValue) -> Result<AccountFilter, ReadError> {
    let mut object = Object::read(raw)?;
    let (debits, credits) = match (object.bool("debits")?, object.bool("credits")?) {
        (None, None) => (true, true),
        (debits, credits) => (debits.unwrap_or(false), credits.unwrap_or(false)),
    };
    let filter = AccountFilter {
        account_id: AccountId(object.u128("account_id")?),
        timestamp_min: Timestamp(object.u64("timestamp_min")?),
        timestamp_max: Timestamp(object.u64("timestamp_max")?),
        code: Code(object.u16("code")?),
        user_data_128: object.u128("user_data_128")?,
        user_data_64: object.u64("user_data_64")?,
        user_data_32: object.u32("user_data_32")?,
        debits,
        credits,
        reversed: object.bool("reversed")?.unwrap_or(false),
        limit: limit(&mut object)?,
        cursor: cursor(&mut object)?,
    };
    object.finish()?;
    Ok(filter)
}

fn query_filter(raw: &RawValue) -> Result<QueryFilter, ReadError> {
    let mut object = Object::read(raw)?;
    let filter = QueryFilter {
        ledger: LedgerId(object.u32("ledger")?),
        code: Code(object.u16("code")?),
        user_data_128: object.u128("user_data_128")?,
        user_data_64: object.u64("user_data_64")?,
        user_data_32: object.u32("user_data_32")?,
        timestamp_min: Timestamp(object.u64("timestamp_min")?),
        timestamp_max: Timestamp(object.u64("timestamp_max")?),
        reversed: object.bool("reversed")?.unwrap_or(false),
        limit: limit(&mut object)?,
        cursor: cursor(&mut object)?,
        scan: object.bool("scan")?.unwrap_or(false),
    };
    object.finish()?;
    Ok(filter)
}

fn balance_as_of(raw: &RawValue) -> Result<Operation, ReadError> {
    let mut object = Object::read(raw)?;
    let account_id = AccountId(object.u128("account_id")?);
    let timestamp = Timestamp(object.u64("timestamp")?);
    object.finish()?;
    Ok(Operation::BalanceAsOf { account_id, timestamp })
}

fn trial_balance(raw: &RawValue) -> Result<Operation, ReadError> {
    let mut object = Object::read(raw)?;
    let ledger = LedgerId(object.u32("ledger")?);
    object.finish()?;
    Ok(Operation::TrialBalance(ledger))
}

fn stream(raw: &RawValue) -> Result<StreamQuestion, ReadError> {
    let mut object = Object::read(raw)?;
    let start = match object.take("from") {
        None => StreamStart::Begin,
        Some(raw) => start(raw).map_err(|error| error.in_member("from"))?,
    };
    let kinds = list(&mut object, "kinds", |raw| tail::kind(&text(raw)?).map_err(ReadError::new))?;
    let filter = StreamFilter {
        kinds: kinds.into_iter().collect(),
        tables: list(&mut object, "tables", table)?,
        topics: list(&mut object, "topics", |raw| narrow(raw).map(Topic))?,
        ledgers: list(&mut object, "ledgers", |raw| narrow(raw).map(LedgerId))?,
        accounts: list(&mut object, "accounts", |raw| id(raw).map(AccountId))?,
    };
    let limit = usize::try_from(limit(&mut object)?).expect("u32 fits usize");
    object.finish()?;
    filter.check().map_err(|error| ReadError::new(error.to_string()))?;
    Ok(StreamQuestion { start, filter, limit })
}

/// A place by name or cursor, or an object with a time.
fn start(raw: &RawValue) -> Result<StreamStart, ReadError> {
    if raw.get().starts_with('{') {
        let mut object = Object::read(raw)?;
        let time = Timestamp(object.u64("time")?);
        object.finish()?;
        return Ok(StreamStart::Time(time));
    }
    match tail::start(&text(raw)?).map_err(ReadError::new)? {
        StreamStart::Time(_) => Err(ReadError::new("a time is {\"time\": nanoseconds}")),
        start => Ok(start),
    }
}

fn table(raw: &RawValue) -> Result<TableFilter, ReadError> {
    let mut object = Object::read(raw)?;
    let table = TableId(object.u16("table")?);
    let key_prefix = match object.take("key_prefix") {
        None => Vec::new(),
        Some(raw) => {
            let bytes = text(raw).and_then(|text| tail::bytes(&text).map_err(ReadError::new));
            bytes.map_err(|error| error.in_member("key_prefix"))?
        }
    };
    object.finish()?;
    Ok(TableFilter { table, key_prefix })
}

fn list<T>(
    object: &mut Object<'_>,
    name: &'static str,
    element: impl Fn(&RawValue) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let Some(raw) = object.take(name) else { return Ok(Vec::new()) };
    batch(raw, element).map_err(|error| error.in_member(name))
}

fn text(raw: &RawValue) -> Result<String, ReadError> {
    serde_json::from_str(raw.get())
        .map_err(|_| ReadError::new(format!("expected a string, found {}", preview(raw.get()))))
}

/// A number of fewer bits than an id.
fn narrow<T: TryFrom<u128>>(raw: &RawValue) -> Result<T, ReadError> {
    let too_large = || ReadError::new(format!("{} is too large", preview(raw.get())));
    id(raw)?.try_into().map_err(|_| too_large())
}

/// Zero is "left out", as everywhere.
fn limit(object: &mut Object<'_>) -> Result<u32, ReadError> {
    match object.u32("limit")? {
        0 => Ok(PAGE_COUNT_DEFAULT),
        limit if limit <= PAGE_COUNT_MAX => Ok(limit),
        limit => {
            let message = format!("at most {PAGE_COUNT_MAX} results a page, not {limit}");
            Err(ReadError::new(message).in_member("limit"))
        }
    }
}

fn cursor(object: &mut Object<'_>) -> Result<Option<Cursor>, ReadError> {
    let Some(raw) = object.take("cursor") else { return Ok(None) };
    let position = id(raw).map_err(|error| error.in_member("cursor"))?;
    Ok(Some(Cursor(position)))
}

#[cfg(test)]
mod tests;
