//! Codes by message: chosen, and ended, by who is logged in.

use super::forms::Form;
use super::pages;
use super::session::{Session, led_on};
use crate::bank::Bank;
use crate::customers::{ChangeRefused, SmsFactorRefused, choose_sms, contact_of, takes_sms};
use crate::error::BankError;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "sms.html")]
struct SmsPage<'a> {
    bank: &'a str,
    csrf: String,
    is_on: bool,
    /// Whether there is a number, and somebody who sends.
    can_send: bool,
    problem: String,
}

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, String::new()).await
}

async fn show(bank: &Bank, session: &Session, problem: String) -> Response {
    let known = async {
        let contact = contact_of(&bank.store, session.customer()).await?;
        let has_number = contact.is_some_and(|contact| contact.phone.is_some());
        let is_on = takes_sms(&bank.store, session.customer()).await?;
        Ok::<_, BankError>((is_on, has_number && bank.options.sends_sms))
    };
    let (is_on, can_send) = match known.await {
        Ok(known) => known,
        Err(error) => return pages::failed(&error),
    };
    let (name, csrf) = (&bank.options.name, session.csrf.clone());
    let page = SmsPage { bank: name, csrf, is_on, can_send, problem };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmsFields {
    wanted: Wanted,
    password: String,
    code: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    On,
    Off,
}

pub(super) async fn choose(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, SmsFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(fields.password), &fields.code);
    let is_wanted = fields.wanted == Wanted::On;
    match choose_sms(&bank, &session.orderer.caller, step_up, is_wanted).await {
        Ok(token) if is_wanted => led_on("/security?notice=sms", &token),
        Ok(token) => led_on("/security?notice=no-sms", &token),
        Err(SmsFactorRefused::Change(ChangeRefused::Bank(error))) => pages::failed(&error),
        Err(refused) => show(&bank, &session, refused.to_string()).await,
    }
}
