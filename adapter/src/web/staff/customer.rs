//! A customer, as the staff sees them.

use super::ReasonFields;
use super::answer::{Refusal, answered};
use crate::accounts::{accounts_of, balances};
use crate::bank::Bank;
use crate::customers::{
    NewName, NotAName, PersonName, request_erasure, request_factor_recovery, request_name_change,
};
use crate::id::{Customer, Id};
use crate::staff::care::{self, HOLDERS, LegalHold, Looked, UNLOCKERS};
use crate::staff::{Matter, proposal};
use crate::web::forms::Form;
use crate::web::pages::AccountRow;
use crate::web::path::Named;
use crate::web::session::{StaffSession, no_such};
use crate::web::{pages, views};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "staff/customer.html")]
struct CustomerPage<'a> {
    bank: &'a str,
    csrf: String,
    id: String,
    name: String,
    email: String,
    since: String,
    /// What stands in the way of anything; empty for most.
    standing: &'static str,
    has_legal_hold: bool,
    is_erasure_proposed: bool,
    is_recovery_proposed: bool,
    /// What they are to be called, if somebody asks for that.
    wanted_name: String,
    accounts: Vec<AccountRow>,
    may_unlock: bool,
    may_hold: bool,
    may_propose_erasure: bool,
    may_propose_recovery: bool,
    may_propose_name: bool,
    problem: String,
}

pub(super) async fn show(
    State(bank): State<Arc<Bank>>,
    session: StaffSession,
    Named(customer): Named<Id<Customer>>,
) -> Response {
    let Some(customer) = customer else { return no_such() };
    page(&bank, &session, customer, String::new()).await.unwrap_or_else(Refusal::answer)
}

async fn page(
    bank: &Bank,
    session: &StaffSession,
    id: Id<Customer>,
    problem: String,
) -> Result<Response, Refusal> {
    let StaffSession { clerk, csrf, .. } = session;
    let found = care::customer(bank, id).await?;
    care::look(bank, clerk, id, Looked::Profile).await?;
    let accounts = accounts_of(&bank.store, id).await?;
    let open: Vec<_> = accounts.iter().map(|account| &account.row.open).collect();
    let balances = balances(bank.store.client(), &open).await?;
    let matter = Matter::Erasure(id);
    let is_erasure_proposed = proposal(&bank.store, matter).await?.is_some();
    let recovery = Matter::FactorRecovery(id);
    let is_recovery_proposed = proposal(&bank.store, recovery).await?.is_some();
    let naming = Matter::NameChange(id);
    let wanted = proposal(&bank.store, naming).await?;
    let wanted = wanted.as_ref().map(|found| {
        let name = found.row.statutory.as_known().and_then(|sealed| sealed.name.as_ref());
        name.map(|it| format!("{} {}", it.first_name, it.last_name)).unwrap_or_default()
    });
    let open = &found.row.open;
    let profile = found.row.profile.as_known();
    let name = profile.map(|it| format!("{} {}", it.first_name, it.last_name));
    Ok(pages::page(&CustomerPage {
        bank: &bank.options.name,
        csrf: csrf.clone(),
        id: id.to_string(),
        name: name.unwrap_or_else(|| String::from("Forgotten")),
        email: profile.map(|it| it.email.clone()).unwrap_or_default(),
        since: pages::day(open.created_at.into()),
        standing: if open.is_active { "" } else { "No customer any more" },
        has_legal_hold: open.legal_hold,
        is_erasure_proposed,
        is_recovery_proposed,
        accounts: accounts.iter().zip(&balances).map(|(row, of)| views::row(row, of)).collect(),
        may_unlock: clerk.may(&UNLOCKERS) && open.is_active,
        may_hold: clerk.may(&HOLDERS),
        may_propose_erasure: clerk.may(matter.makers()) && !is_erasure_proposed,
        may_propose_recovery: clerk.may(recovery.makers())
            && open.is_active
            && !is_recovery_proposed,
        may_propose_name: clerk.may(naming.makers()) && open.is_active && wanted.is_none(),
        wanted_name: wanted.unwrap_or_default(),
        problem,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldFields {
    hold: Hold,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hold {
    Standing,
    Lifted,
}

pub(super) async fn unlock(
    State(bank): State<Arc<Bank>>,
    Named(id): Named<Id<Customer>>,
    Form(session, typed): Form<StaffSession, ReasonFields>,
) -> Response {
    let Some(id) = id else { return no_such() };
    let done = care::unlock(&bank, &session.clerk, id, &typed.reason).await;
    let path = format!("/staff/customers/{id}");
    answered(&path, done, async |problem| page(&bank, &session, id, problem).await).await
}

pub(super) async fn legal_hold(
    State(bank): State<Arc<Bank>>,
    Named(id): Named<Id<Customer>>,
    Form(session, typed): Form<StaffSession, HoldFields>,
) -> Response {
    let Some(id) = id else { return no_such() };
    let hold = match typed.hold {
        Hold::Standing => LegalHold::Standing,
        Hold::Lifted => LegalHold::Lifted,
    };
    let done = care::set_legal_hold(&bank, &session.clerk, id, hold, &typed.reason).await;
    let path = format!("/staff/customers/{id}");
    answered(&path, done, async |problem| page(&bank, &session, id, problem).await).await
}

pub(super) async fn erasure(
    State(bank): State<Arc<Bank>>,
    Named(id): Named<Id<Customer>>,
    Form(session, typed): Form<StaffSession, ReasonFields>,
) -> Response {
    let Some(id) = id else { return no_such() };
    let done = request_erasure(&bank, &session.clerk, id, &typed.reason).await;
    let path = format!("/staff/customers/{id}");
    answered(&path, done, async |problem| page(&bank, &session, id, problem).await).await
}

pub(super) async fn factor_recovery(
    State(bank): State<Arc<Bank>>,
    Named(id): Named<Id<Customer>>,
    Form(session, typed): Form<StaffSession, ReasonFields>,
) -> Response {
    let Some(id) = id else { return no_such() };
    let done = request_factor_recovery(&bank, &session.clerk, id, &typed.reason).await;
    let path = format!("/staff/customers/{id}");
    answered(&path, done, async |problem| page(&bank, &session, id, problem).await).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameFields {
    first_name: String,
    last_name: String,
    reason: String,
}

pub(super) async fn name(
    State(bank): State<Arc<Bank>>,
    Named(id): Named<Id<Customer>>,
    Form(session, typed): Form<StaffSession, NameFields>,
) -> Response {
    let Some(id) = id else { return no_such() };
    let done = renamed(&bank, &session, id, &typed).await;
    let path = format!("/staff/customers/{id}");
    answered(&path, done, async |problem| page(&bank, &session, id, problem).await).await
}

async fn renamed(
    bank: &Bank,
    session: &StaffSession,
    id: Id<Customer>,
    typed: &NameFields,
) -> Result<(), Refusal> {
    let name =
        |text| PersonName::parse(text).map_err(|error: NotAName| Refusal::Said(error.to_string()));
    let name = NewName { first: name(&typed.first_name)?, last: name(&typed.last_name)? };
    Ok(request_name_change(bank, &session.clerk, id, &name, &typed.reason).await?)
}
