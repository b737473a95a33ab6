//! Becoming a customer: a form, a letter, an authenticator app; in the end, recovery codes.
//!
//! Whatever address is typed, the answers are the same.

use super::app_secret::{self, CodeFields};
use super::codes;
use super::cookies;
use super::forms::{self, Form, LinkFields, Visitor};
use super::link::{self, Follower};
use super::pages::{self, Problem};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{
    EnrolError, Link, Newcomer, NotAName, Password, PasswordError, PersonName, Registrations,
};
use crate::email::{Email, NotAnEmail};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    bank: &'a str,
    csrf: String,
    typed: RegisterFields,
    problem: String,
}

#[derive(Template)]
#[template(path = "sent.html")]
struct SentPage<'a> {
    bank: &'a str,
    csrf: String,
}

const CONFIRM: link::Words = link::Words {
    title: "Confirm your address",
    advice: "You asked to become a customer with this e-mail address. If it was not you, close this page.",
    button: "It is my address",
    action: "/register/confirm",
};

const ENROL: app_secret::Words = app_secret::Words {
    title: "Set up your codes",
    advice: "Logging in takes your password and a code of an authenticator app.",
    is_logged_in: false,
    button: "Finish",
    action: "/register/enrol",
};

/// What was typed; all but the password is shown again if something is wrong with it.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterFields {
    first_name: String,
    last_name: String,
    email: String,
    password: String,
}

/// What is wrong with what was typed.
#[derive(Debug, thiserror::Error)]
enum Improper {
    #[error("{0}")]
    Name(#[from] NotAName),
    #[error("{0}")]
    Email(#[from] NotAnEmail),
    #[error("{0}")]
    Password(#[from] PasswordError),
}

pub(super) async fn form(State(bank): State<Arc<Bank>>, visitor: Visitor) -> Response {
    show(&bank, &visitor, RegisterFields::default(), String::new())
}

fn show(bank: &Bank, visitor: &Visitor, typed: RegisterFields, problem: String) -> Response {
    let csrf = bank.form_token(visitor.secret());
    let page = RegisterPage { bank: &bank.options.name, csrf, typed, problem };
    let mut response = pages::form(&page, &page.problem);
    visitor.keep(&mut response);
    response
}

pub(super) async fn register(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Form(visitor, typed): Form<Visitor, RegisterFields>,
) -> Response {
    let newcomer = match newcomer(&typed) {
        Ok(newcomer) => newcomer,
        Err(improper) => return show(&bank, &visitor, typed, improper.to_string()),
    };
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let Bank { store, clock, passwords, .. } = &*bank;
    match Registrations::begin(store, &**clock, passwords, &caller, newcomer).await {
        Ok(()) => Redirect::to("/register/sent").into_response(),
        Err(error) => pages::failed(&error),
    }
}

fn newcomer(typed: &RegisterFields) -> Result<Newcomer, Improper> {
    Ok(Newcomer {
        first_name: PersonName::parse(&typed.first_name)?,
        last_name: PersonName::parse(&typed.last_name)?,
        email: Email::parse(&typed.email)?,
        password: Password::new(typed.password.clone())?,
    })
}

pub(super) async fn sent(State(bank): State<Arc<Bank>>) -> Response {
    pages::page(&SentPage { bank: &bank.options.name, csrf: String::new() })
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
    match Registrations::confirm(&bank.store, &*bank.clock, &link).await {
        Ok(onward) => {
            let mut response = Redirect::to("/register/enrol").into_response();
            cookies::set(response.headers_mut(), cookies::ENROLMENT, &onward.to_string());
            response
        }
        Err(error) => failed(&error),
    }
}

fn link_of(headers: &HeaderMap) -> Option<Link> {
    cookies::value(headers, cookies::ENROLMENT)?.parse().ok()
}

pub(super) async fn enrol_form(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Response {
    let Some(link) = link_of(&headers) else { return Redirect::to("/register").into_response() };
    show_secret(&bank, &link, String::new()).await
}

async fn show_secret(bank: &Bank, link: &Link, problem: String) -> Response {
    match Registrations::enrolment(&bank.store, &*bank.clock, link).await {
        Ok(enrolment) => {
            let csrf = bank.form_token(&link.form_secret());
            app_secret::page(bank, csrf, &enrolment, ENROL, problem)
        }
        Err(error) => failed(&error),
    }
}

pub(super) async fn enrol(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(link) = link_of(&headers) else { return pages::problem(Problem::Forged) };
    let fields: CodeFields = match forms::read(&bank, &headers, &link.form_secret(), &body) {
        Ok(fields) => fields,
        Err(problem) => return pages::problem(problem),
    };
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let Bank { store, clock, .. } = &*bank;
    match Registrations::enrol(store, &**clock, &caller, &link, &fields.code).await {
        Ok(codes) => {
            let onward = "/login?notice=registered";
            let mut response = codes::sheet(&bank, String::new(), &codes, onward);
            cookies::remove(response.headers_mut(), cookies::ENROLMENT);
            response
        }
        Err(error @ EnrolError::NoMatch) => show_secret(&bank, &link, error.to_string()).await,
        Err(error) => failed(&error),
    }
}

fn failed(error: &EnrolError) -> Response {
    match error {
        EnrolError::Bank(error) => pages::failed(error),
        EnrolError::NoSuchLink | EnrolError::NoMatch => pages::problem(Problem::LinkIsOver),
        EnrolError::KnownAddress => pages::problem(Problem::AddressIsTaken),
    }
}
