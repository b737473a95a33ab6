//! Moving money: between one's own accounts, or to a payee, which is confirmed by a code.

use super::forms::Form;
use super::pages::{self, TransferPage};
use super::payees::{self, PayeeRow};
use super::query::Query;
use super::session::Session;
use super::views;
use crate::accounts;
use crate::bank::Bank;
use crate::customers::takes_sms;
use crate::error::BankError;
use crate::id::{Account, Challenge, Id, Payee, Transaction};
use crate::payments::{
    self, Destination, NewTransfer, ProveRefused, RequestKey, SendCodeRefused, TransferRefused,
    payee,
};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

/// Whom to begin with.
#[derive(Deserialize)]
pub(super) struct ToQuery {
    #[serde(default)]
    to: String,
}

pub(super) async fn form(
    State(bank): State<Arc<Bank>>,
    session: Session,
    Query(query): Query<ToQuery>,
) -> Response {
    let typed = TransferFields { to: query.to, ..TransferFields::default() };
    show(&bank, &session, typed, String::new()).await
}

/// What was typed; shown again if something is wrong with it.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferFields {
    from: String,
    to: String,
    amount: String,
    description: String,
    request: String,
}

async fn show(bank: &Bank, session: &Session, typed: TransferFields, problem: String) -> Response {
    let accounts = match views::all(bank, session).await {
        Ok(accounts) => accounts,
        Err(error) => return pages::failed(&error),
    };
    let payees = match payees::rows(bank, session).await {
        Ok(payees) => payees.into_iter().filter(|payee| payee.can_be_paid).collect(),
        Err(error) => return pages::failed(&error),
    };
    let rows: Vec<_> =
        accounts.iter().map(|(account, balances)| views::row(account, balances)).collect();
    // Sending to itself is what nobody wants.
    let second = rows.get(1).map(|row| row.id.clone()).unwrap_or_default();
    let page = TransferPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        accounts: rows,
        payees,
        from: typed.from,
        to: if typed.to.is_empty() { second } else { typed.to },
        amount: typed.amount,
        description: typed.description,
        // Sent again after a mistake was mended, it is the same order still.
        request: match typed.request.parse::<RequestKey>() {
            Ok(key) if !problem.is_empty() => key.to_string(),
            _ => RequestKey::generate().to_string(),
        },
        problem,
    };
    pages::form(&page, &page.problem)
}

pub(super) async fn send(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, TransferFields>,
) -> Response {
    let sent = initiate(&bank, &session, &typed, None).await;
    answer(&bank, &session, typed, sent).await
}

/// An order with the code that it was asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmFields {
    from: String,
    to: String,
    amount: String,
    description: String,
    request: String,
    challenge: String,
    code: String,
}

pub(super) async fn confirm(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, ConfirmFields>,
) -> Response {
    let ConfirmFields { from, to, amount, description, request, challenge, code } = typed;
    let typed = TransferFields { from, to, amount, description, request };
    let Ok(challenge) = challenge.parse::<Id<Challenge>>() else {
        return pages::problem(pages::Problem::Malformed);
    };
    let Bank { store, clock, .. } = &*bank;
    let proved = payments::prove(store, &**clock, &session.orderer, challenge, &code).await;
    match proved {
        Ok(()) => {}
        Err(ProveRefused::Bank(error)) => return pages::failed(&error),
        Err(refused @ ProveRefused::NoMatch) => {
            return ask(&bank, &session, typed, challenge, refused.to_string()).await;
        }
        // It may have been proved, and used, before: the same order again gets the same answer.
        Err(ProveRefused::NoSuchChallenge) => {}
    }
    let sent = initiate(&bank, &session, &typed, Some(challenge)).await;
    answer(&bank, &session, typed, sent).await
}

/// Sends a code by message for the payment that is shown, and shows it again.
pub(super) async fn send_code(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<Session, ConfirmFields>,
) -> Response {
    let ConfirmFields { from, to, amount, description, request, challenge, .. } = typed;
    let typed = TransferFields { from, to, amount, description, request };
    let Ok(challenge) = challenge.parse::<Id<Challenge>>() else {
        return pages::problem(pages::Problem::Malformed);
    };
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let problem = match payments::send_code(&bank, &session.orderer, challenge).await {
        Ok(()) => String::new(),
        Err(SendCodeRefused::Bank(error)) => return pages::failed(&error),
        Err(refused) => refused.to_string(),
    };
    ask(&bank, &session, typed, challenge, problem).await
}

/// Leads to the transfer, to the page that asks for a code, or back to the form.
async fn answer(
    bank: &Bank,
    session: &Session,
    typed: TransferFields,
    sent: Result<Id<Transaction>, Improper>,
) -> Response {
    match sent {
        Ok(transaction) => Redirect::to(&format!("/transactions/{transaction}")).into_response(),
        Err(Improper::Refused(TransferRefused::Bank(error))) => pages::failed(&error),
        Err(Improper::Refused(TransferRefused::StepUp(challenge))) => {
            ask(bank, session, typed, challenge, String::new()).await
        }
        Err(improper) => {
            // What was sent before has its own name: this is another order.
            let is_another = matches!(improper, Improper::Refused(TransferRefused::AnotherBefore));
            let request = if is_another { String::new() } else { typed.request.clone() };
            let typed = TransferFields { request, ..typed };
            show(bank, session, typed, improper.to_string()).await
        }
    }
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    bank: &'a str,
    csrf: String,
    money: String,
    payee: String,
    number: String,
    source: String,
    typed: TransferFields,
    challenge: String,
    /// Whether a code may come by message.
    takes_sms: bool,
    problem: String,
}

/// Asks for a code, and says what for.
async fn ask(
    bank: &Bank,
    session: &Session,
    typed: TransferFields,
    challenge: Id<Challenge>,
    problem: String,
) -> Response {
    match confirm_page(bank, session, typed, challenge, problem).await {
        Ok(Some(page)) => pages::form(&page, &page.problem),
        Ok(None) => pages::problem(pages::Problem::NotFound),
        Err(error) => pages::failed(&error),
    }
}

async fn confirm_page<'a>(
    bank: &'a Bank,
    session: &Session,
    typed: TransferFields,
    challenge: Id<Challenge>,
    problem: String,
) -> Result<Option<ConfirmPage<'a>>, BankError> {
    let (Ok(source), Ok(payee)) = (typed.from.parse(), typed.to.parse::<Id<Payee>>()) else {
        return Ok(None);
    };
    let source = accounts::owned(&bank.store, session.customer(), source).await?;
    let payee = payee::find(&bank.store, session.customer(), payee).await?;
    let payee = payee.as_ref().and_then(payees::row);
    let (Some(source), Some(PayeeRow { name, number, .. })) = (source, payee) else {
        return Ok(None);
    };
    let Ok(money) = source.row.open.currency_code.amount(&typed.amount) else { return Ok(None) };
    let sealed = source.row.statutory.as_known();
    Ok(Some(ConfirmPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        money: money.to_string(),
        payee: name,
        number,
        source: sealed.map(|sealed| sealed.account_number.to_string()).unwrap_or_default(),
        typed,
        challenge: challenge.to_string(),
        takes_sms: bank.options.sends_sms && takes_sms(&bank.store, session.customer()).await?,
        problem,
    }))
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
    challenge: Option<Id<Challenge>>,
) -> Result<Id<Transaction>, Improper> {
    let no_such = |_| TransferRefused::NoSuchAccount;
    let source: Id<Account> = typed.from.parse().map_err(no_such)?;
    let customer = session.customer();
    let bank_error = |error: BankError| TransferRefused::Bank(error);
    let own = accounts::owned(&bank.store, customer, source).await.map_err(bank_error)?;
    let own = own.ok_or(TransferRefused::NoSuchAccount)?;
    let new = NewTransfer {
        source,
        destination: destination(bank, session, &typed.to).await?,
        money: own.row.open.currency_code.amount(&typed.amount)?,
        description: String::from(typed.description.trim()),
        request: typed.request.parse()?,
        challenge,
    };
    Ok(payments::initiate(bank, &session.orderer, &new).await?.transaction)
}

/// A page pays the customer's own accounts, and payees whom they have noted.
async fn destination(
    bank: &Bank,
    session: &Session,
    to: &str,
) -> Result<Destination, TransferRefused> {
    if let Ok(payee) = to.parse::<Id<Payee>>() {
        return Ok(Destination::Payee(payee));
    }
    let account: Id<Account> = to.parse().map_err(|_| TransferRefused::NoSuchAccount)?;
    let own = accounts::owned(&bank.store, session.customer(), account).await?;
    own.map(|_| Destination::Account(account)).ok_or(TransferRefused::NoSuchAccount)
}
