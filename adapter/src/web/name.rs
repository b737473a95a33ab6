//! Another name: asked for by who is logged in, approved by somebody at the bank.

use super::forms::Form;
use super::pages;
use super::session::{Session, led_on};
use crate::bank::Bank;
use crate::customers::{NameChangeRefused, NewName, NotAName, PersonName, ask_for_name};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "name.html")]
struct NamePage<'a> {
    bank: &'a str,
    csrf: String,
    /// What was typed.
    typed: &'a Typed,
    problem: String,
}

#[derive(Default)]
struct Typed {
    first_name: String,
    last_name: String,
    reason: String,
}

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, &Typed::default(), String::new())
}

fn show(bank: &Bank, session: &Session, typed: &Typed, problem: String) -> Response {
    let page = NamePage { bank: &bank.options.name, csrf: session.csrf.clone(), typed, problem };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameFields {
    first_name: String,
    last_name: String,
    reason: String,
    password: String,
    code: String,
}

pub(super) async fn ask(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, NameFields>,
) -> Response {
    let NameFields { first_name, last_name, reason, password, code } = fields;
    let typed = Typed { first_name, last_name, reason };
    let name = match name_of(&typed) {
        Ok(name) => name,
        Err(error) => return show(&bank, &session, &typed, error.to_string()),
    };
    let caller = &session.orderer.caller;
    if let Err(seconds) = bank.takes_a_try(caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(password), &code);
    let Bank { store, clock, passwords, .. } = &*bank;
    let reason = &typed.reason;
    match ask_for_name(store, &**clock, passwords, caller, step_up, &name, reason).await {
        Ok(token) => led_on("/security/profile", &token),
        Err(NameChangeRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => show(&bank, &session, &typed, refused.to_string()),
    }
}

fn name_of(typed: &Typed) -> Result<NewName, NotAName> {
    let first = PersonName::parse(&typed.first_name)?;
    Ok(NewName { first, last: PersonName::parse(&typed.last_name)? })
}
