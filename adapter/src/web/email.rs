//! Another e-mail address: asked for by who is logged in, confirmed by who reads its mail.
//!
//! Whatever address is typed, the answers are the same.

use super::cookies;
use super::forms::{Form, LinkFields, Visitor};
use super::link::{Follower, Words};
use super::pages::{self, Problem};
use super::session::{Session, led_on};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{ChangeRefused, ConfirmRefused, EmailChanges, Link, NewEmailRefused};
use crate::email::{Email, NotAnEmail};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "email.html")]
struct EmailPage<'a> {
    bank: &'a str,
    csrf: String,
    /// What was typed.
    email: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "email_sent.html")]
struct SentPage<'a> {
    bank: &'a str,
    csrf: String,
}

const CONFIRM: Words = Words {
    title: "Confirm your new address",
    advice: "From now on you log in with the address that this letter came to. Every login ends.",
    button: "Use this address",
    action: "/security/email/confirm",
};

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, String::new(), String::new())
}

fn show(bank: &Bank, session: &Session, email: String, problem: String) -> Response {
    let page = EmailPage { bank: &bank.options.name, csrf: session.csrf.clone(), email, problem };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailFields {
    email: String,
    password: String,
    code: String,
}

pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, EmailFields>,
) -> Response {
    let EmailFields { email: typed, password, code } = fields;
    let email = match Email::parse(&typed) {
        Ok(email) => email,
        Err(error @ NotAnEmail) => return show(&bank, &session, typed, error.to_string()),
    };
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(password), &code);
    let Bank { store, clock, passwords, .. } = &*bank;
    let caller = &session.orderer.caller;
    match EmailChanges::begin(store, &**clock, passwords, caller, step_up, &email).await {
        Ok(token) => led_on("/security/email/sent", &token),
        Err(NewEmailRefused::Change(ChangeRefused::Bank(error))) => pages::failed(&error),
        Err(refused) => show(&bank, &session, typed, refused.to_string()),
    }
}

pub(super) async fn sent(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    pages::page(&SentPage { bank: &bank.options.name, csrf: session.csrf })
}

pub(super) async fn confirm_form(State(bank): State<Arc<Bank>>, follower: Follower) -> Response {
    follower.ask(&bank, CONFIRM)
}

pub(super) async fn confirm(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Form(_, fields): Form<Visitor, LinkFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let Ok(link) = fields.token.parse::<Link>() else { return pages::problem(Problem::LinkIsOver) };
    match EmailChanges::confirm(&bank.store, &*bank.clock, &caller, &link).await {
        Ok(()) => {
            let mut response = Redirect::to("/login?notice=email").into_response();
            cookies::remove(response.headers_mut(), cookies::LOGIN);
            response
        }
        Err(ConfirmRefused::NoSuchLink) => pages::problem(Problem::LinkIsOver),
        Err(ConfirmRefused::KnownAddress) => pages::problem(Problem::AddressIsTaken),
        Err(ConfirmRefused::Bank(error)) => pages::failed(&error),
    }
}
