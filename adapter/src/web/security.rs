//! What a customer proves themselves with: a new password, for who is logged in and for who has forgotten theirs.

use super::cookies;
use super::forms::{Form, Visitor};
use super::link::Follower;
use super::pages;
use super::query::Query;
use super::session::{Session, led_on};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{
    ChangeRefused, Password, PasswordChange, PasswordError, RecoverRefused, Recoveries,
    change_password,
};
use crate::email::{Email, NotAnEmail};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage<'a> {
    bank: &'a str,
    csrf: String,
    notice: &'static str,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    bank: &'a str,
    csrf: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "recover.html")]
struct RecoverPage<'a> {
    bank: &'a str,
    csrf: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "recover_sent.html")]
struct RecoverSentPage<'a> {
    bank: &'a str,
    csrf: String,
}

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordPage<'a> {
    bank: &'a str,
    csrf: String,
    token: String,
    problem: String,
}

#[derive(Deserialize)]
pub(super) struct NoticeQuery {
    notice: Option<String>,
}

pub(super) async fn overview(
    State(bank): State<Arc<Bank>>,
    session: Session,
    Query(query): Query<NoticeQuery>,
) -> Response {
    let notice = match query.notice.as_deref() {
        Some("password") => "Your password is changed. Every other login has ended.",
        Some("factor") => "Your new app is set up. Every other login has ended.",
        Some("phone") => "Your telephone number is confirmed.",
        Some("phone-removed") => "Your telephone number is removed.",
        Some("sms") => "Codes come by message too.",
        Some("no-sms") => "Codes come by message no more.",
        Some("notifications") => "What we tell you of is changed.",
        _ => "",
    };
    pages::page(&SecurityPage { bank: &bank.options.name, csrf: session.csrf, notice })
}

pub(super) async fn password_form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show_password(&bank, &session, String::new())
}

fn show_password(bank: &Bank, session: &Session, problem: String) -> Response {
    let page = PasswordPage { bank: &bank.options.name, csrf: session.csrf.clone(), problem };
    pages::form(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordFields {
    old: String,
    new: String,
    code: String,
}

pub(super) async fn password(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, PasswordFields>,
) -> Response {
    let new = match Password::new(fields.new) {
        Ok(new) => new,
        Err(error) => return show_password(&bank, &session, error.to_string()),
    };
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(fields.old), &fields.code);
    let change = PasswordChange { step_up, new };
    let Bank { store, clock, passwords, .. } = &*bank;
    match change_password(store, &**clock, passwords, &session.orderer.caller, change).await {
        Ok(token) => led_on("/security?notice=password", &token),
        Err(ChangeRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => show_password(&bank, &session, refused.to_string()),
    }
}

pub(super) async fn recover_form(State(bank): State<Arc<Bank>>, visitor: Visitor) -> Response {
    show_recover(&bank, &visitor, String::new())
}

fn show_recover(bank: &Bank, visitor: &Visitor, problem: String) -> Response {
    let csrf = bank.form_token(visitor.secret());
    let page = RecoverPage { bank: &bank.options.name, csrf, problem };
    let mut response = pages::form(&page, &page.problem);
    visitor.keep(&mut response);
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecoverFields {
    email: String,
}

pub(super) async fn recover(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Form(visitor, fields): Form<Visitor, RecoverFields>,
) -> Response {
    let email = match Email::parse(&fields.email) {
        Ok(email) => email,
        Err(error @ NotAnEmail) => return show_recover(&bank, &visitor, error.to_string()),
    };
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    match Recoveries::begin(&bank.store, &*bank.clock, &caller, &email).await {
        Ok(()) => Redirect::to("/recover/sent").into_response(),
        Err(error) => pages::failed(&error),
    }
}

pub(super) async fn recover_sent(State(bank): State<Arc<Bank>>) -> Response {
    pages::page(&RecoverSentPage { bank: &bank.options.name, csrf: String::new() })
}

pub(super) async fn new_password_form(
    State(bank): State<Arc<Bank>>,
    follower: Follower,
) -> Response {
    show_new_password(&bank, &follower, String::new())
}

fn show_new_password(bank: &Bank, follower: &Follower, problem: String) -> Response {
    let (csrf, token) = (follower.csrf.clone(), follower.link.to_string());
    let page = NewPasswordPage { bank: &bank.options.name, csrf, token, problem };
    follower.show(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasswordFields {
    token: String,
    password: String,
    code: String,
}

pub(super) async fn new_password(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Form(visitor, fields): Form<Visitor, NewPasswordFields>,
) -> Response {
    let follower = match Follower::of(&bank, visitor, &fields.token) {
        Ok(follower) => follower,
        Err(problem) => return pages::problem(problem),
    };
    let again = |problem: String| show_new_password(&bank, &follower, problem);
    let password = match Password::new(fields.password) {
        Ok(password) => password,
        Err(error @ (PasswordError::TooShort | PasswordError::TooLong)) => {
            return again(error.to_string());
        }
    };
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let Bank { store, clock, passwords, .. } = &*bank;
    let (link, code) = (&follower.link, &fields.code);
    match Recoveries::finish(store, &**clock, passwords, &caller, link, code, password).await {
        Ok(()) => {
            let mut response = Redirect::to("/login?notice=password").into_response();
            cookies::remove(response.headers_mut(), cookies::LOGIN);
            response
        }
        Err(RecoverRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => again(refused.to_string()),
    }
}
