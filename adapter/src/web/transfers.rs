//! Moving money between one's own accounts, and following what becomes of it.

use super::forms;
use super::pages::{self, TransactionPage, TransferPage};
use super::session::{Session, no_such};
use super::views;
use crate::accounts;
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id, Transaction};
use crate::payments::{self, Destination, NewTransfer, RequestKey, TransferRefused, View};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

/// How long a page asks by itself for the end of a transfer: no longer than somebody looks at it, since asking
/// counts as using the login.
const EXPECTED_FOR: u64 = 60 * crate::clock::SECOND;

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, TransferFields::default(), None).await
}

/// What was typed; shown again if something is wrong with it.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TransferFields {
    from: String,
    to: String,
    amount: String,
    description: String,
    request: String,
}

async fn show(
    bank: &Bank,
    session: &Session,
    typed: TransferFields,
    problem: Option<String>,
) -> Response {
    let accounts = match views::all(bank, session).await {
        Ok(accounts) => accounts,
        Err(error) => return pages::failed(&error),
    };
    let rows: Vec<_> =
        accounts.iter().map(|(account, balances)| views::row(account, balances)).collect();
    // Sending to itself is what nobody wants.
    let second = rows.get(1).map(|row| row.id.clone()).unwrap_or_default();
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = TransferPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        accounts: rows,
        from: typed.from,
        to: if typed.to.is_empty() { second } else { typed.to },
        amount: typed.amount,
        description: typed.description,
        // Sent again after a mistake was mended, it is the same order still.
        request: match typed.request.parse::<RequestKey>() {
            Ok(key) if problem.is_some() => key.to_string(),
            _ => RequestKey::generate().to_string(),
        },
        problem: problem.unwrap_or_default(),
    };
    (status, pages::page(&page)).into_response()
}

pub(super) async fn send(
    State(bank): State<Arc<Bank>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let secret = session.token.form_secret();
    let typed: TransferFields = match forms::read(&bank, &headers, &secret, &body) {
        Ok(typed) => typed,
        Err(problem) => return pages::problem(problem),
    };
    match initiate(&bank, &session, &typed).await {
        Ok(transaction) => Redirect::to(&format!("/transactions/{transaction}")).into_response(),
        Err(Improper::Refused(TransferRefused::Bank(error))) => pages::failed(&error),
        Err(improper) => {
            // What was sent before has its own name: this is another order.
            let is_another = matches!(improper, Improper::Refused(TransferRefused::AnotherBefore));
            let request = if is_another { String::new() } else { typed.request.clone() };
            let typed = TransferFields { request, ..typed };
            show(&bank, &session, typed, Some(improper.to_string())).await
        }
    }
}

/// What is wrong with what was typed.
#[derive(Debug, thiserror::Error)]
enum Improper {
    #[error("{0}")]
    Refused(#[from] TransferRefused),
    #[error("{0}")]
    Amount(#[from] crate::money::NotAnAmount),
}

async fn initiate(
    bank: &Bank,
    session: &Session,
    typed: &TransferFields,
) -> Result<Id<Transaction>, Improper> {
    let no_such = |_| TransferRefused::NoSuchAccount;
    let source: Id<Account> = typed.from.parse().map_err(no_such)?;
    let destination: Id<Account> = typed.to.parse().map_err(no_such)?;
    let customer = session.customer();
    let bank_error = |error: BankError| TransferRefused::Bank(error);
    let own = accounts::owned(&bank.store, customer, source).await.map_err(bank_error)?;
    let other = accounts::owned(&bank.store, customer, destination).await.map_err(bank_error)?;
    let (Some(own), Some(_)) = (own, other) else {
        return Err(TransferRefused::NoSuchAccount.into());
    };
    let new = NewTransfer {
        source,
        destination: Destination::Account(destination),
        money: own.row.open.currency_code.amount(&typed.amount)?,
        description: String::from(typed.description.trim()),
        request: typed.request.parse()?,
        challenge: None,
    };
    let begun = payments::initiate(bank, &session.orderer, &new).await?;
    Ok(begun.transaction)
}

pub(super) async fn transaction(
    State(bank): State<Arc<Bank>>,
    session: Session,
    Path(transaction): Path<String>,
) -> Response {
    let Ok(transaction) = transaction.parse::<Id<Transaction>>() else { return no_such() };
    match payments::view(&bank.store, session.customer(), transaction).await {
        Ok(Some(view)) => pages::page(&transaction_page(&bank, session.csrf, view)),
        Ok(None) => no_such(),
        Err(error) => pages::failed(&error),
    }
}

fn transaction_page(bank: &Bank, csrf: String, view: View) -> TransactionPage<'_> {
    let started = view.started;
    let money =
        crate::money::Money { currency: started.currency_code, cents: started.amount_cents.into() };
    TransactionPage {
        bank: &bank.options.name,
        csrf,
        reference: started.transaction_ref,
        status: view.status.name(),
        is_expected: view.status == payments::TransactionStatus::Pending
            && bank.clock.now().0 < started.created_at.0 + EXPECTED_FOR,
        reason: view.reason.unwrap_or_default(),
        amount: money.to_string(),
        description: view.sealed.and_then(|sealed| sealed.description).unwrap_or_default(),
        day: pages::day(started.created_at.into()),
        from: started.source_account_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}
