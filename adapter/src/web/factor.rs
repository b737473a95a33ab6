//! Another authenticator app, for a customer who is logged in: the old one or a recovery code, then the new one.

use super::app_secret::{self, CodeFields, Words};
use super::codes::StepUpFields;
use super::forms::Form;
use super::pages;
use super::session::{Session, led_on};
use crate::bank::Bank;
use crate::customers::{ChangeRefused, FactorChanges, NewFactorRefused};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "factor.html")]
struct FactorPage<'a> {
    bank: &'a str,
    csrf: String,
    problem: String,
}

const NEW: Words = Words {
    title: "Set up the new app",
    advice: "",
    is_logged_in: true,
    button: "Use the new app",
    action: "/security/factor/new",
};

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, String::new())
}

fn show(bank: &Bank, session: &Session, problem: String) -> Response {
    let page = FactorPage { bank: &bank.options.name, csrf: session.csrf.clone(), problem };
    pages::form(&page, &page.problem)
}

pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, StepUpFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(fields.password), &fields.code);
    let Bank { store, clock, passwords, .. } = &*bank;
    let caller = &session.orderer.caller;
    match FactorChanges::begin(store, &**clock, passwords, caller, step_up).await {
        Ok(token) => led_on("/security/factor/new", &token),
        Err(ChangeRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => show(&bank, &session, refused.to_string()),
    }
}

pub(super) async fn new_form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show_new(&bank, &session, String::new()).await
}

async fn show_new(bank: &Bank, session: &Session, problem: String) -> Response {
    match FactorChanges::waiting(&bank.store, &*bank.clock, &session.login).await {
        Ok(enrolment) => app_secret::page(bank, session.csrf.clone(), &enrolment, NEW, problem),
        Err(refused) => over(bank, session, &refused),
    }
}

pub(super) async fn finish(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, CodeFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let Bank { store, clock, .. } = &*bank;
    let orderer = &session.orderer;
    let login = (&session.token.key(), &session.login);
    let (caller, authority) = (&orderer.caller, &orderer.authority);
    let code = &fields.code;
    match FactorChanges::finish(store, &**clock, caller, authority, login, code).await {
        Ok(token) => led_on("/security?notice=factor", &token),
        Err(refused @ NewFactorRefused::NoMatch) => {
            show_new(&bank, &session, refused.to_string()).await
        }
        Err(refused) => over(&bank, &session, &refused),
    }
}

/// Back to the beginning.
fn over(bank: &Bank, session: &Session, refused: &NewFactorRefused) -> Response {
    match refused {
        NewFactorRefused::Bank(error) => pages::failed(error),
        refused => show(bank, session, refused.to_string()),
    }
}
