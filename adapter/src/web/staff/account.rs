//! An account, as the staff sees it.

use super::answer::{Refusal, answered};
use crate::accounts::{
    self, AccountOpen, AccountStatus, Accounts, CASHIERS, CashDirection, CashOrder, LIMITERS,
    SUSPENDERS, SendingLimits,
};
use crate::bank::Bank;
use crate::id::{Account, Id};
use crate::money::{Currency, Money};
use crate::payments::RequestKey;
use crate::staff::care::{self, Looked};
use crate::store::Found;
use crate::web::forms::Form;
use crate::web::pages::{self, AccountRow, EntryRow, Problem};
use crate::web::path::Named;
use crate::web::query::Query;
use crate::web::session::{StaffSession, no_such};
use crate::web::views::{self, HistoryPart, POSTINGS_MAX};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use florin_ledger::query::Cursor;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "staff/account.html")]
struct AccountPage<'a> {
    bank: &'a str,
    csrf: String,
    customer: String,
    account: AccountRow,
    posted: String,
    entries: Vec<EntryRow>,
    older: String,
    may_suspend: bool,
    may_resume: bool,
    may_move_cash: bool,
    may_limit: bool,
    daily_limit: String,
    monthly_limit: String,
    request: String,
    problem: String,
}

pub(super) async fn show(
    State(bank): State<Arc<Bank>>,
    session: StaffSession,
    Named(account): Named<Id<Account>>,
    Query(part): Query<HistoryPart>,
) -> Response {
    let (Some(account), Ok(before)) = (account, part.before()) else { return no_such() };
    let request = RequestKey::generate();
    let shown = page(&bank, &session, account, before, request, String::new()).await;
    shown.unwrap_or_else(Refusal::answer)
}

async fn found(bank: &Bank, account: Id<Account>) -> Result<Found<Accounts>, Refusal> {
    let found: Option<Found<Accounts>> = bank.store.get(&account.bytes()).await?;
    found.ok_or(Refusal::NoSuch)
}

async fn page(
    bank: &Bank,
    session: &StaffSession,
    account: Id<Account>,
    before: Option<Cursor>,
    request: RequestKey,
    problem: String,
) -> Result<Response, Refusal> {
    let StaffSession { clerk, csrf, .. } = session;
    let found = found(bank, account).await?;
    let owner = found.row.open.user_id;
    care::look(bank, clerk, owner, Looked::Account(account)).await?;
    let balances = accounts::balances(bank.store.client(), &[&found.row.open]).await?;
    let balances = balances.first().ok_or(Refusal::NoSuch)?;
    let history = accounts::history(&bank.store, &found, POSTINGS_MAX, before).await?;
    let AccountOpen { status, currency_code: currency, .. } = found.row.open;
    let may_suspend = clerk.may(&SUSPENDERS);
    Ok(pages::page(&AccountPage {
        bank: &bank.options.name,
        csrf: csrf.clone(),
        customer: owner.to_string(),
        account: views::row(&found, balances),
        posted: balances.posted.to_string(),
        entries: history.entries.iter().map(views::entry_row).collect(),
        older: views::older(&history),
        may_suspend: may_suspend && status == AccountStatus::Active,
        may_resume: may_suspend && status == AccountStatus::Suspended,
        may_move_cash: clerk.may(&CASHIERS) && status != AccountStatus::Closed,
        may_limit: clerk.may(&LIMITERS) && status != AccountStatus::Closed,
        daily_limit: plain(currency, found.row.open.daily_limit_cents),
        monthly_limit: plain(currency, found.row.open.monthly_limit_cents),
        request: request.to_string(),
        problem,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuspensionFields {
    suspension: Suspension,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Suspension {
    Standing,
    Lifted,
}

pub(super) async fn suspension(
    State(bank): State<Arc<Bank>>,
    Named(account): Named<Id<Account>>,
    Form(session, typed): Form<StaffSession, SuspensionFields>,
) -> Response {
    let Some(account) = account else { return no_such() };
    let (clerk, reason) = (&session.clerk, &typed.reason);
    let done = match typed.suspension {
        Suspension::Standing => accounts::suspend(&bank, clerk, account, reason).await,
        Suspension::Lifted => accounts::resume(&bank, clerk, account, reason).await,
    };
    let path = format!("/staff/accounts/{account}");
    let request = RequestKey::generate();
    let again = async |problem| page(&bank, &session, account, None, request, problem).await;
    answered(&path, done, again).await
}

/// An amount as it is typed.
fn plain(currency: Currency, cents: u64) -> String {
    Money { currency, cents: cents.into() }.plain()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitFields {
    daily: String,
    monthly: String,
}

pub(super) async fn limits(
    State(bank): State<Arc<Bank>>,
    Named(account): Named<Id<Account>>,
    Form(session, typed): Form<StaffSession, LimitFields>,
) -> Response {
    let Some(account) = account else { return no_such() };
    let done = limited(&bank, &session, account, &typed).await;
    let path = format!("/staff/accounts/{account}");
    let request = RequestKey::generate();
    let again = async |problem| page(&bank, &session, account, None, request, problem).await;
    answered(&path, done, again).await
}

async fn limited(
    bank: &Bank,
    session: &StaffSession,
    account: Id<Account>,
    typed: &LimitFields,
) -> Result<(), Refusal> {
    if !session.clerk.may(&LIMITERS) {
        return Err(Refusal::Forbidden);
    }
    let currency = found(bank, account).await?.row.open.currency_code;
    let cents = |text: &str| -> Result<u64, Refusal> {
        Ok(u64::try_from(currency.amount(text)?.cents).unwrap_or(u64::MAX))
    };
    let limits =
        SendingLimits { daily_cents: cents(&typed.daily)?, monthly_cents: cents(&typed.monthly)? };
    accounts::limit(bank, &session.clerk, account, limits).await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CashFields {
    direction: Direction,
    amount: String,
    description: String,
    request: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Deposit,
    Withdrawal,
}

pub(super) async fn cash(
    State(bank): State<Arc<Bank>>,
    Named(account): Named<Id<Account>>,
    Form(session, typed): Form<StaffSession, CashFields>,
) -> Response {
    let Some(account) = account else { return no_such() };
    let Ok(request) = typed.request.parse::<RequestKey>() else {
        return pages::problem(Problem::Malformed);
    };
    let done = moved(&bank, &session, account, &typed, request).await;
    let path = format!("/staff/accounts/{account}");
    // Sent again after a mistake was mended, it is the same order still, unless another was sent by this name.
    let again = async |problem| page(&bank, &session, account, None, request, problem).await;
    answered(&path, done, again).await
}

async fn moved(
    bank: &Bank,
    session: &StaffSession,
    account: Id<Account>,
    typed: &CashFields,
    request: RequestKey,
) -> Result<(), Refusal> {
    if !session.clerk.may(&CASHIERS) {
        return Err(Refusal::Forbidden);
    }
    let found = found(bank, account).await?;
    let order = CashOrder {
        account,
        direction: match typed.direction {
            Direction::Deposit => CashDirection::Deposit,
            Direction::Withdrawal => CashDirection::Withdrawal,
        },
        money: found.row.open.currency_code.amount(&typed.amount)?,
        description: String::from(typed.description.trim()),
        request,
    };
    accounts::move_cash(bank, &session.clerk, &order).await?;
    Ok(())
}
