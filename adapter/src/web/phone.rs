//! The telephone number: set, changed and taken away by who is logged in, confirmed by who reads what comes to it.

use super::codes::StepUpFields;
use super::forms::Form;
use super::pages;
use super::session::{Session, led_on};
use crate::bank::Bank;
use crate::customers::{
    ChangeRefused, NewPhoneRefused, PhoneChanges, PhoneCodeRefused, contact_of,
};
use crate::error::BankError;
use crate::phone::{NotAPhoneNumber, PhoneNumber};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage<'a> {
    bank: &'a str,
    csrf: String,
    /// Of the number on record; empty if there is none.
    known: String,
    /// Whether the bank sends messages.
    can_send: bool,
    /// What was typed.
    typed: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "confirm_phone.html")]
struct ConfirmPage<'a> {
    bank: &'a str,
    csrf: String,
    number: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "remove_phone.html")]
struct RemovePage<'a> {
    bank: &'a str,
    csrf: String,
    known: String,
    problem: String,
}

/// The number on record as it is shown; empty if there is none.
async fn known(bank: &Bank, session: &Session) -> Result<String, BankError> {
    let contact = contact_of(&bank.store, session.customer()).await?;
    let number = contact.and_then(|contact| contact.phone);
    Ok(number.map(|number| String::from(number.plain())).unwrap_or_default())
}

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, String::new(), String::new()).await
}

async fn show(bank: &Bank, session: &Session, typed: String, problem: String) -> Response {
    let known = match known(bank, session).await {
        Ok(known) => known,
        Err(error) => return pages::failed(&error),
    };
    let page = PhonePage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        known,
        can_send: bank.options.sends_sms,
        typed,
        problem,
    };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhoneFields {
    number: String,
    password: String,
    code: String,
}

pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, PhoneFields>,
) -> Response {
    let PhoneFields { number: typed, password, code } = fields;
    let number = match PhoneNumber::parse(&typed) {
        Ok(number) => number,
        Err(error @ NotAPhoneNumber) => {
            return show(&bank, &session, typed, error.to_string()).await;
        }
    };
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(password), &code);
    match PhoneChanges::begin(&bank, &session.orderer.caller, step_up, &number).await {
        Ok(token) => led_on("/security/phone/confirm", &token),
        Err(NewPhoneRefused::Change(ChangeRefused::Bank(error))) => pages::failed(&error),
        Err(refused) => show(&bank, &session, typed, refused.to_string()).await,
    }
}

pub(super) async fn confirm_form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show_confirm(&bank, &session, String::new()).await
}

async fn show_confirm(bank: &Bank, session: &Session, problem: String) -> Response {
    let Bank { store, clock, options, .. } = bank;
    let number = match PhoneChanges::waiting(store, &**clock, &session.login).await {
        Ok(number) => String::from(number.plain()),
        Err(refused) => return over(bank, session, &refused).await,
    };
    let page = ConfirmPage { bank: &options.name, csrf: session.csrf.clone(), number, problem };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmFields {
    code: String,
}

pub(super) async fn confirm(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, ConfirmFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let (orderer, login) = (&session.orderer, &session.login);
    let (caller, authority) = (&orderer.caller, &orderer.authority);
    match PhoneChanges::confirm(&bank, caller, authority, login, &fields.code).await {
        Ok(()) => Redirect::to("/security?notice=phone").into_response(),
        Err(refused @ PhoneCodeRefused::NoMatch) => {
            show_confirm(&bank, &session, refused.to_string()).await
        }
        Err(refused) => over(&bank, &session, &refused).await,
    }
}

/// Back to the beginning.
async fn over(bank: &Bank, session: &Session, refused: &PhoneCodeRefused) -> Response {
    match refused {
        PhoneCodeRefused::Bank(error) => pages::failed(error),
        refused => show(bank, session, String::new(), refused.to_string()).await,
    }
}

pub(super) async fn remove_form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show_remove(&bank, &session, String::new()).await
}

async fn show_remove(bank: &Bank, session: &Session, problem: String) -> Response {
    let known = match known(bank, session).await {
        Ok(known) => known,
        Err(error) => return pages::failed(&error),
    };
    if known.is_empty() {
        return Redirect::to("/security/phone").into_response();
    }
    let (name, csrf) = (&bank.options.name, session.csrf.clone());
    let page = RemovePage { bank: name, csrf, known, problem };
    pages::form(&page, &page.problem)
}

pub(super) async fn remove(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, StepUpFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(fields.password), &fields.code);
    match PhoneChanges::remove(&bank, &session.orderer.caller, step_up).await {
        Ok(token) => led_on("/security?notice=phone-removed", &token),
        Err(ChangeRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => show_remove(&bank, &session, refused.to_string()).await,
    }
}
