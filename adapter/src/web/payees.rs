//! Whom the customer pays again and again.

use super::forms::Form;
use super::pages;
use super::session::{Session, no_such};
use crate::accounts::Iban;
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Id, Payee};
use crate::payments::NameCheck;
use crate::payments::payee::{self, NewPayee, PayeeRefused, PayeeType, Payees};
use crate::store::Found;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

/// A payee as pages show them.
pub(super) struct PayeeRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) number: String,
    check: &'static str,
    words: &'static str,
    pub(super) can_be_paid: bool,
    is_favorite: bool,
}

#[derive(Template)]
#[template(path = "payees.html")]
struct PayeesPage<'a> {
    bank: &'a str,
    csrf: String,
    payees: Vec<PayeeRow>,
    name: String,
    number: String,
    problem: String,
}

/// What was typed; shown again if something is wrong with it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayeeFields {
    name: String,
    number: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveFields {
    payee: String,
}

pub(super) async fn list(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, PayeeFields::default(), String::new()).await
}

async fn show(bank: &Bank, session: &Session, typed: PayeeFields, problem: String) -> Response {
    let payees = match rows(bank, session).await {
        Ok(payees) => payees,
        Err(error) => return pages::failed(&error),
    };
    let page = PayeesPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        payees,
        name: typed.name,
        number: typed.number,
        problem,
    };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkFields {
    payee: String,
    is_favorite: bool,
}

/// The customer's payees, their favourites first.
pub(super) async fn rows(bank: &Bank, session: &Session) -> Result<Vec<PayeeRow>, BankError> {
    let payees = payee::list(&bank.store, session.customer()).await?;
    let mut rows: Vec<_> = payees.iter().filter_map(row).collect();
    rows.sort_by_key(|row| !row.is_favorite);
    Ok(rows)
}

/// `None` once it is erased.
pub(super) fn row(payee: &Found<Payees>) -> Option<PayeeRow> {
    let (open, sealed) = (&payee.row.open, payee.row.profile.as_known()?);
    let is_internal = open.beneficiary_type == PayeeType::Internal;
    let (check, words) = match (is_internal, open.verification) {
        (false, _) => ("other", "At another bank"),
        (true, NameCheck::Match) => ("match", "The name matches"),
        (true, NameCheck::Close) => ("close", "The name is close: look again"),
        (true, NameCheck::None) => ("none", "The name does not match"),
    };
    Some(PayeeRow {
        id: open.beneficiary_id.to_string(),
        name: sealed.name.clone(),
        number: sealed.account_number.to_string(),
        check,
        words,
        can_be_paid: is_internal,
        is_favorite: open.is_favorite,
    })
}

pub(super) async fn add(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, PayeeFields>,
) -> Response {
    // Each one tells whether a name is right.
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let number: Iban = match typed.number.parse() {
        Ok(number) => number,
        Err(error) => {
            return show(&bank, &session, typed, error.to_string()).await;
        }
    };
    let new = NewPayee { name: typed.name.clone(), number, bank_code: None };
    let Bank { store, clock, options, .. } = &*bank;
    match payee::add(store, &**clock, &session.orderer, options.code, &new).await {
        Ok(_) => Redirect::to("/payees").into_response(),
        Err(PayeeRefused::Bank(error)) => pages::failed(&error),
        Err(PayeeRefused::Over) => Redirect::to("/login").into_response(),
        Err(PayeeRefused::TooManyChecks(seconds)) => pages::too_often(seconds),
        Err(refused) => show(&bank, &session, typed, refused.to_string()).await,
    }
}

pub(super) async fn mark(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, MarkFields>,
) -> Response {
    let Ok(payee) = typed.payee.parse::<Id<Payee>>() else { return no_such() };
    let Bank { store, clock, .. } = &*bank;
    let marked = payee::mark(store, &**clock, &session.orderer, payee, typed.is_favorite).await;
    changed(&bank, &session, marked.map(drop)).await
}

pub(super) async fn remove(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, RemoveFields>,
) -> Response {
    let Ok(payee) = typed.payee.parse::<Id<Payee>>() else { return no_such() };
    let Bank { store, clock, .. } = &*bank;
    let removed = payee::remove(store, &**clock, &session.orderer, payee).await;
    changed(&bank, &session, removed).await
}

/// The page again.
async fn changed(bank: &Bank, session: &Session, done: Result<(), PayeeRefused>) -> Response {
    match done {
        Ok(()) => Redirect::to("/payees").into_response(),
        Err(PayeeRefused::Bank(error)) => pages::failed(&error),
        Err(PayeeRefused::Over) => Redirect::to("/login").into_response(),
        Err(PayeeRefused::NoSuchPayee) => no_such(),
        Err(refused) => show(bank, session, PayeeFields::default(), refused.to_string()).await,
    }
}
