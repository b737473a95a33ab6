//! Opening an account, and closing one.

use super::forms::{Form, NoFields};
use super::pages;
use super::path::Named;
use super::session::{Session, no_such};
use super::views;
use crate::accounts::{
    self, AccountStatus, AccountType, Accounts, CloseRefused, OpenOrder, OpenRefused,
};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::money::Currency;
use crate::payments::RequestKey;
use crate::store::Found;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

/// Accounts that customers open.
const TYPES: [(AccountType, &str); 3] = [
    (AccountType::Checking, "CHECKING"),
    (AccountType::Savings, "SAVINGS"),
    (AccountType::Business, "BUSINESS"),
];

#[derive(Template)]
#[template(path = "open.html")]
struct OpenPage<'a> {
    bank: &'a str,
    csrf: String,
    types: Vec<(&'static str, &'static str)>,
    currencies: Vec<&'static str>,
    request: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "close.html")]
struct ClosePage<'a> {
    bank: &'a str,
    csrf: String,
    id: String,
    title: &'static str,
    number: String,
    problem: String,
}

pub(super) async fn open_form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show_open(&bank, session.csrf, RequestKey::generate(), String::new())
}

fn show_open(bank: &Bank, csrf: String, request: RequestKey, problem: String) -> Response {
    let page = OpenPage {
        bank: &bank.options.name,
        csrf,
        types: TYPES.map(|(account_type, name)| (name, account_type.title())).into(),
        currencies: Currency::ALL.map(Currency::code).into(),
        request: request.to_string(),
        problem,
    };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenFields {
    account_type: String,
    currency: String,
    request: String,
}

pub(super) async fn open(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, OpenFields>,
) -> Response {
    let account_type = TYPES.iter().find(|(_, name)| *name == typed.account_type);
    let (Some((account_type, _)), Ok(currency), Ok(request)) =
        (account_type, typed.currency.parse::<Currency>(), typed.request.parse::<RequestKey>())
    else {
        return pages::problem(pages::Problem::Malformed);
    };
    let order = OpenOrder { account_type: *account_type, currency, request };
    match accounts::order(&bank, &session.orderer, &order).await {
        Ok(account) => Redirect::to(&format!("/accounts/{account}")).into_response(),
        Err(OpenRefused::Bank(error)) => pages::failed(&error),
        Err(OpenRefused::Over) => Redirect::to("/login").into_response(),
        // What was sent before has its own name: this is another order.
        Err(refused @ (OpenRefused::TooMany | OpenRefused::AnotherBefore { .. })) => {
            show_open(&bank, session.csrf, RequestKey::generate(), refused.to_string())
        }
    }
}

pub(super) async fn close_form(
    State(bank): State<Arc<Bank>>,
    session: Session,
    Named(account): Named<Id<Account>>,
) -> Response {
    let Some(account) = account else { return no_such() };
    match own(&bank, &session, account).await {
        Ok(Some(found)) => show_close(&bank, session.csrf, &found, String::new()),
        Ok(None) => no_such(),
        Err(error) => pages::failed(&error),
    }
}

/// An account of the customer that is not closed.
async fn own(
    bank: &Bank,
    session: &Session,
    account: Id<Account>,
) -> Result<Option<Found<Accounts>>, BankError> {
    let found = accounts::owned(&bank.store, session.customer(), account).await?;
    Ok(found.filter(|found| found.row.open.status != AccountStatus::Closed))
}

fn show_close(bank: &Bank, csrf: String, found: &Found<Accounts>, problem: String) -> Response {
    let page = ClosePage {
        bank: &bank.options.name,
        csrf,
        id: found.row.open.account_id.to_string(),
        title: found.row.open.account_type.title(),
        number: views::number(found),
        problem,
    };
    pages::form(&page, &page.problem)
}

pub(super) async fn close(
    State(bank): State<Arc<Bank>>,
    Named(account): Named<Id<Account>>,
    Form(session, NoFields {}): Form<Session, NoFields>,
) -> Response {
    let Some(account) = account else { return no_such() };
    let found = match own(&bank, &session, account).await {
        Ok(Some(found)) => found,
        Ok(None) => return no_such(),
        Err(error) => return pages::failed(&error),
    };
    let account = found.row.open.account_id;
    match accounts::close(&bank.store, &*bank.clock, &session.orderer, account).await {
        Ok(()) => Redirect::to("/accounts").into_response(),
        Err(CloseRefused::Bank(error)) => pages::failed(&error),
        Err(CloseRefused::NoSuchAccount) => no_such(),
        Err(refused) => show_close(&bank, session.csrf, &found, refused.to_string()),
    }
}
