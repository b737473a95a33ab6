//! A transaction, as the staff sees it.

use super::ReasonFields;
use super::answer::{Refusal, answered};
use crate::bank::Bank;
use crate::id::{Id, Transaction};
use crate::money::Money;
use crate::payments::{TransactionStatus, TransactionType, request_reversal, standing};
use crate::staff::care::{self, Looked};
use crate::staff::{Matter, proposal};
use crate::web::forms::Form;
use crate::web::pages;
use crate::web::path::Named;
use crate::web::session::{StaffSession, no_such};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "staff/transaction.html")]
struct TransactionPage<'a> {
    bank: &'a str,
    csrf: String,
    id: String,
    reference: String,
    status: &'static str,
    amount: String,
    day: String,
    description: String,
    source: String,
    destination: String,
    is_reversal_proposed: bool,
    may_request_reversal: bool,
    problem: String,
}

pub(super) async fn show(
    State(bank): State<Arc<Bank>>,
    session: StaffSession,
    Named(transaction): Named<Id<Transaction>>,
) -> Response {
    let Some(transaction) = transaction else { return no_such() };
    page(&bank, &session, transaction, String::new()).await.unwrap_or_else(Refusal::answer)
}

async fn page(
    bank: &Bank,
    session: &StaffSession,
    id: Id<Transaction>,
    problem: String,
) -> Result<Response, Refusal> {
    let StaffSession { clerk, csrf, .. } = session;
    let standing = standing(&bank.store, id).await?.ok_or(Refusal::NoSuch)?;
    let started = standing.started;
    care::look(bank, clerk, started.initiated_by, Looked::Transaction(id)).await?;
    let matter = Matter::Reversal(id);
    let is_reversal_proposed = proposal(&bank.store, matter).await?.is_some();
    let is_reversible = standing.status == TransactionStatus::Completed
        && started.transaction_type == TransactionType::Transfer
        && !is_reversal_proposed;
    let money = Money { currency: started.currency_code, cents: started.amount_cents.into() };
    Ok(pages::page(&TransactionPage {
        bank: &bank.options.name,
        csrf: csrf.clone(),
        id: id.to_string(),
        reference: started.transaction_ref,
        status: standing.status.name(),
        amount: money.to_string(),
        day: pages::day(started.created_at.into()),
        description: standing.sealed.and_then(|it| it.description).unwrap_or_default(),
        source: started.source_account_id.map(|id| id.to_string()).unwrap_or_default(),
        destination: started.destination_account_id.map(|id| id.to_string()).unwrap_or_default(),
        is_reversal_proposed,
        may_request_reversal: is_reversible && clerk.may(matter.makers()),
        problem,
    }))
}

pub(super) async fn reversal(
    State(bank): State<Arc<Bank>>,
    Named(id): Named<Id<Transaction>>,
    Form(session, typed): Form<StaffSession, ReasonFields>,
) -> Response {
    let Some(id) = id else { return no_such() };
    let done = request_reversal(&bank, &session.clerk, id, &typed.reason).await;
    let path = format!("/staff/transactions/{id}");
    answered(&path, done, async |problem| page(&bank, &session, id, problem).await).await
}
