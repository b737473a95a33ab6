//! What a customer has: accounts, and what happened on them.

use super::pages::{self, AccountPage, AccountRow, AccountsPage, EntryRow};
use super::path::Named;
use super::query::Query;
use super::session::{Session, no_such};
use crate::accounts::{self, AccountStatus, Accounts, Balances, Entry, History};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::store::Found;
use axum::extract::State;
use axum::response::Response;
use florin_ledger::query::Cursor;
use serde::Deserialize;
use std::num::ParseIntError;
use std::sync::Arc;

/// Postings of a page.
pub(super) const POSTINGS_MAX: u32 = 50;
/// The picture of the balance, in units of its own.
const WIDTH: u64 = 640;
const HEIGHT: u64 = 160;

pub(super) async fn accounts(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    // Before anything is read: what happens meanwhile is told too.
    let after = bank.live.here(session.customer());
    match all(&bank, &session).await {
        Ok(accounts) => pages::live_page(&AccountsPage {
            bank: &bank.options.name,
            csrf: session.csrf,
            after,
            accounts: accounts.iter().map(|(account, balances)| row(account, balances)).collect(),
        }),
        Err(error) => pages::failed(&error),
    }
}

/// The customer's accounts with their balances.
pub(super) async fn all(
    bank: &Bank,
    session: &Session,
) -> Result<Vec<(Found<Accounts>, Balances)>, BankError> {
    let found = accounts::accounts_of(&bank.store, session.customer()).await?;
    let open: Vec<_> = found.iter().map(|account| &account.row.open).collect();
    let balances = accounts::balances(bank.store.client(), &open).await?;
    Ok(found.into_iter().zip(balances).collect())
}

pub(super) fn row(account: &Found<Accounts>, balances: &Balances) -> AccountRow {
    let open = &account.row.open;
    AccountRow {
        id: open.account_id.to_string(),
        title: open.account_type.title(),
        number: number(account),
        balance: balances.available.to_string(),
        standing: standing(open.status),
    }
}

/// An account's number, as people write it.
pub(super) fn number(account: &Found<Accounts>) -> String {
    let number = account.row.statutory.as_known().map(|sealed| sealed.account_number.to_string());
    number.unwrap_or_default()
}

/// What a customer must know of what may be done with an account; empty if everything may.
pub(super) fn standing(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "",
        AccountStatus::Suspended => "Suspended",
        AccountStatus::Closed => "Closed",
    }
}

/// Where a page of what happened begins.
#[derive(Deserialize)]
pub(super) struct HistoryPart {
    before: Option<String>,
}

impl HistoryPart {
    /// As the ledger says it; `None` is the newest page.
    ///
    /// # Errors
    /// If it is no page at all.
    pub(super) fn before(&self) -> Result<Option<Cursor>, ParseIntError> {
        self.before.as_deref().map(|before| before.parse().map(Cursor)).transpose()
    }
}

/// What the link to what happened earlier says; empty if there is nothing.
pub(super) fn older(history: &History) -> String {
    history.next.map(|Cursor(next)| next.to_string()).unwrap_or_default()
}

pub(super) async fn account(
    State(bank): State<Arc<Bank>>,
    session: Session,
    Named(account): Named<Id<Account>>,
    Query(part): Query<HistoryPart>,
) -> Response {
    let (Some(account), Ok(before)) = (account, part.before()) else { return no_such() };
    match one(&bank, &session, account, before).await {
        Ok(Some(page)) => pages::live_page(&page),
        Ok(None) => no_such(),
        Err(error) => pages::failed(&error),
    }
}

async fn one<'a>(
    bank: &'a Bank,
    session: &Session,
    account: Id<Account>,
    before: Option<Cursor>,
) -> Result<Option<AccountPage<'a>>, BankError> {
    // Before anything is read: what happens meanwhile is told too.
    let after = bank.live.here(session.customer());
    let found = accounts::owned(&bank.store, session.customer(), account).await?;
    let Some(found) = found else { return Ok(None) };
    let balances = accounts::balances(bank.store.client(), &[&found.row.open]).await?;
    let balances = balances.first().ok_or_else(|| BankError::odd(&"no balance"))?;
    let history = accounts::history(&bank.store, &found, POSTINGS_MAX, before).await?;
    let older = older(&history);
    let entries = history.entries;
    Ok(Some(AccountPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        after,
        older,
        account: row(&found, balances),
        posted: balances.posted.to_string(),
        available: balances.available.to_string(),
        has_pending: balances.pending.cents != 0,
        pending: balances.pending.to_string(),
        points: points(&entries),
        first_day: entries.last().map(|entry| pages::day(entry.time)).unwrap_or_default(),
        last_day: entries.first().map(|entry| pages::day(entry.time)).unwrap_or_default(),
        highest: entries
            .iter()
            .filter_map(|entry| entry.balance)
            .max_by_key(|balance| balance.cents)
            .map(|balance| balance.to_string())
            .unwrap_or_default(),
        entries: entries.iter().map(entry_row).collect(),
    }))
}

pub(super) fn entry_row(entry: &Entry) -> EntryRow {
    EntryRow {
        transaction: entry.transaction.map(|id| id.to_string()).unwrap_or_default(),
        day: pages::day(entry.time),
        description: entry.description.clone(),
        sign: if entry.is_credit { "+" } else { "−" },
        is_credit: entry.is_credit,
        amount: entry.money.to_string(),
        balance: entry.balance.map(|balance| balance.to_string()).unwrap_or_default(),
    }
}

/// The balance over time, as the corners of a line of steps: from left to right as time goes, from the bottom
/// as the balance rises.
fn points(entries: &[Entry]) -> String {
    let known: Vec<_> = entries
        .iter()
        .rev()
        .filter_map(|entry| Some((entry.time.0, entry.balance?.cents)))
        .collect();
    let (Some((first, _)), Some((last, _))) = (known.first(), known.last()) else {
        return String::new();
    };
    let span = u128::from(last.saturating_sub(*first)).max(1);
    let highest = known.iter().map(|(_, cents)| *cents).max().unwrap_or(0).max(1);
    let mut corners = Vec::with_capacity(2 * known.len());
    let mut height_before = None;
    for (time, cents) in &known {
        let x = u128::from(time.saturating_sub(*first)) * u128::from(WIDTH) / span;
        let y = u128::from(HEIGHT) - cents.saturating_mul(u128::from(HEIGHT)) / highest;
        if let Some(before) = height_before {
            corners.push(format!("{x},{before}"));
        }
        corners.push(format!("{x},{y}"));
        height_before = Some(y);
    }
    corners.join(" ")
}
