//! Answers as text for people.

use super::grammar::COMMANDS;
use crate::json;
use crate::json::hexadecimal::{as_text, hexadecimal};
use crate::json::item;
use crate::json::write::{account_flags, transfer_flags};
use crate::operation::Answer;
use crate::table::Table;
use florin_ledger::query::{BalanceAt, Cursor, TrialBalance};
use florin_ledger::{Account, AccountFlags, Document, EventResult, Transfer, TransferFlags};

/// The lines that show an answer.
pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::AccountResults(results) => events(results, |status| status.name()),
        Answer::TransferResults(results) => events(results, |status| status.name()),
        Answer::Accounts(found) => {
            accounts(found.iter().flatten()) + &missing(found.iter().filter(|one| one.is_none()))
        }
        Answer::Transfers(found) => {
            transfers(found.iter().flatten()) + &missing(found.iter().filter(|one| one.is_none()))
        }
        Answer::AccountPage(page) => accounts(page.items.iter()) + &more(page.next_cursor),
        Answer::TransferPage(page) => transfers(page.items.iter()) + &more(page.next_cursor),
        Answer::BalancePage(page) => balances(&page.items) + &more(page.next_cursor),
        Answer::Balance(Some(at)) => balances(&[*at]),
        Answer::Balance(None) => String::from("there was no such account\n"),
        Answer::TrialBalance(sums) => trial_balance(sums),
        Answer::Documents(found) => {
            documents(found.iter().flatten()) + &missing(found.iter().filter(|one| one.is_none()))
        }
        Answer::DocumentPage(page) => documents(page.items.iter()) + &after(page.next.as_deref()),
        Answer::Written(_)
        | Answer::Outcome(_)
        | Answer::Declared(_)
        | Answer::Unique(_)
        | Answer::Tables(_) => json::write::answer(answer) + "\n",
        Answer::Stream(page) => page.items().map(|found| item::line(&found) + "\n").collect(),
    }
}

/// Where the page after this answer starts, if it has one.
pub(crate) fn next_cursor(answer: &Answer) -> Option<Cursor> {
    match answer {
        Answer::AccountPage(page) => page.next_cursor,
        Answer::TransferPage(page) => page.next_cursor,
        Answer::BalancePage(page) => page.next_cursor,
        _ => None,
    }
}

/// The page that `help` shows.
pub(crate) fn help() -> String {
    let mut text = String::new();
    for command in COMMANDS {
        text.push_str(&format!("{} {}\n    {}\n", command.name, command.usage, command.about));
    }
    text.push_str("{...}\n    any operation as JSON, as `florin exec` reads it\n");
    text.push_str(
        "\nNumbers may be written 1_000_000. Times are nanoseconds since 1970. Account flags: ",
    );
    text.push_str(&account_flags(AccountFlags::ALL).join(", "));
    text.push_str(". Transfer flags: ");
    text.push_str(&transfer_flags(TransferFlags::ALL).join(", "));
    text.push_str(".\n");
    text
}

fn events<Status: Copy>(
    results: &[EventResult<Status>],
    name: impl Fn(Status) -> &'static str,
) -> String {
    let line =
        |result: &EventResult<Status>| format!("{} {}\n", name(result.status), result.timestamp);
    results.iter().map(line).collect()
}

fn missing<T>(absent: impl Iterator<Item = T>) -> String {
    match absent.count() {
        0 => String::new(),
        count => format!("not found: {count}\n"),
    }
}

fn more(cursor: Option<Cursor>) -> String {
    if cursor.is_some() { String::from("there is more: type more\n") } else { String::new() }
}

fn after(next: Option<&[u8]>) -> String {
    next.map_or_else(String::new, |next| format!("there is more: after {}\n", shown(next)))
}

/// Bytes as text, or as digits that can't be taken for text.
fn shown(bytes: &[u8]) -> String {
    as_text(bytes).map_or_else(|| format!("0x{}", hexadecimal(bytes)), String::from)
}

fn documents<'a>(documents: impl Iterator<Item = &'a Document>) -> String {
    let mut table = Table::new(&["key", "version", "timestamp", "expires", "value"]);
    for document in documents {
        let expires = match document.expires.0 {
            0 => String::new(),
            instant => instant.to_string(),
        };
        table.row(vec![
            shown(&document.key),
            document.version.to_string(),
            document.timestamp.to_string(),
            expires,
            document.value.as_deref().map_or_else(String::new, shown),
        ]);
    }
    table.render()
}

fn accounts<'a>(accounts: impl Iterator<Item = &'a Account>) -> String {
    let mut table = Table::new(&[
        "id",
        "ledger",
        "code",
        "debits_posted",
        "credits_posted",
        "debits_pending",
        "credits_pending",
        "timestamp",
        "flags",
    ]);
    for account in accounts {
        table.row(vec![
            account.id.to_string(),
            account.ledger.to_string(),
            account.code.to_string(),
            account.debits_posted.to_string(),
            account.credits_posted.to_string(),
            account.debits_pending.to_string(),
            account.credits_pending.to_string(),
            account.timestamp.to_string(),
            account_flags(account.flags).join(","),
        ]);
    }
    table.render()
}

fn transfers<'a>(transfers: impl Iterator<Item = &'a Transfer>) -> String {
    let mut table = Table::new(&[
        "id",
        "debit",
        "credit",
        "amount",
        "ledger",
        "code",
        "hold",
        "timeout",
        "timestamp",
        "flags",
    ]);
    for transfer in transfers {
        let hold = match transfer.pending_id.0 {
            0 => String::new(),
            id => id.to_string(),
        };
        let timeout = match transfer.timeout {
            0 => String::new(),
            seconds => format!("{seconds}s"),
        };
        table.row(vec![
            transfer.id.to_string(),
            transfer.debit_account_id.to_string(),
            transfer.credit_account_id.to_string(),
            transfer.amount.to_string(),
            transfer.ledger.to_string(),
            transfer.code.to_string(),
            hold,
            timeout,
            transfer.timestamp.to_string(),
            transfer_flags(transfer.flags).join(","),
        ]);
    }
    table.render()
}

fn balances(balances: &[BalanceAt]) -> String {
    let mut table = Table::new(&[
        "timestamp",
        "debits_posted",
        "credits_posted",
        "debits_pending",
        "credits_pending",
    ]);
    for at in balances {
        table.row(vec![
            at.timestamp.to_string(),
            at.balances.debits_posted.to_string(),
            at.balances.credits_posted.to_string(),
            at.balances.debits_pending.to_string(),
            at.balances.credits_pending.to_string(),
        ]);
    }
    table.render()
}

fn trial_balance(sums: &TrialBalance) -> String {
    let mut table = Table::new(&["", "debits", "credits"]);
    let (debits, credits) = (sums.debits_posted.to_string(), sums.credits_posted.to_string());
    table.row(vec![String::from("posted"), debits, credits]);
    let (debits, credits) = (sums.debits_pending.to_string(), sums.credits_pending.to_string());
    table.row(vec![String::from("pending"), debits, credits]);
    let balanced =
        sums.debits_posted == sums.credits_posted && sums.debits_pending == sums.credits_pending;
    let verdict = if balanced { "in balance" } else { "NOT IN BALANCE" };
    format!("{}{} accounts, {verdict}\n", table.render(), sums.accounts_count)
}
