//! Logging in and out.

use super::cookies;
use super::forms::{Form, NoFields, Visitor};
use super::pages::{self, CodePage, LoginPage};
use super::query::Query;
use super::session::User;
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{
    Attempt, DeviceMark, Holder, LoginAttempts, LoginError, Sessions, UserKind, log_out,
};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Leads customers to their accounts and the staff to their pages; to the login whoever has none.
pub(super) async fn home(user: User) -> Redirect {
    Redirect::to(first_page(&user.found.user_kind))
}

fn first_page(user: &UserKind) -> &'static str {
    match user {
        UserKind::Customer => "/accounts",
        UserKind::Staff(_) => "/staff",
    }
}

#[derive(Deserialize)]
pub(super) struct LoginQuery {
    problem: Option<String>,
    notice: Option<String>,
}

pub(super) async fn form(
    State(bank): State<Arc<Bank>>,
    visitor: Visitor,
    Query(query): Query<LoginQuery>,
) -> Response {
    let csrf = bank.form_token(visitor.secret());
    let has_problem = query.problem.is_some();
    let notice = notice(query.notice.as_deref().unwrap_or_default());
    let page = LoginPage { bank: &bank.options.name, csrf, has_problem, notice };
    let mut response = pages::page(&page);
    visitor.keep(&mut response);
    response
}

/// What is said of something that was done before, by the name that another page gave it.
fn notice(name: &str) -> &'static str {
    match name {
        "registered" => "You are a customer now. Log in with the next code of your app.",
        "password" => {
            "Your password is changed. Log in with it, and with the next code of your app."
        }
        "factor" => "Your new app is set up. Log in with its next code.",
        "email" => "Your address is changed. Log in with the new one.",
        _ => "",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordFields {
    email: String,
    password: String,
}

/// Whatever was typed, the code is asked for next.
pub(super) async fn password(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Form(_, fields): Form<Visitor, PasswordFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let password = Zeroizing::new(fields.password);
    let Bank { store, clock, passwords, .. } = &*bank;
    let begun =
        LoginAttempts::begin(store, &**clock, passwords, &caller, &fields.email, password).await;
    match begun {
        Ok(attempt) => {
            let mut response = Redirect::to("/login/verify").into_response();
            cookies::set(response.headers_mut(), cookies::ATTEMPT, &attempt.to_string());
            response
        }
        Err(error) => pages::failed(&error),
    }
}

#[derive(Deserialize)]
pub(super) struct CodeQuery {
    sent: Option<String>,
}

pub(super) async fn code_form(
    State(bank): State<Arc<Bank>>,
    visitor: Visitor,
    Query(query): Query<CodeQuery>,
) -> Response {
    let csrf = bank.form_token(visitor.secret());
    let (sends_sms, has_asked) = (bank.options.sends_sms, query.sent.is_some());
    let mut response =
        pages::page(&CodePage { bank: &bank.options.name, csrf, sends_sms, has_asked });
    visitor.keep(&mut response);
    response
}

/// Sends a code by message, to who takes them; whoever asks gets the same page.
pub(super) async fn send_code(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Form(_, _): Form<Visitor, NoFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let attempt = cookies::value(&headers, cookies::ATTEMPT).unwrap_or_default();
    if let Ok(attempt) = attempt.parse::<Attempt>()
        && let Err(error) = LoginAttempts::send_code(&bank, &caller, &attempt).await
    {
        return pages::failed(&error);
    }
    Redirect::to("/login/verify?sent=1").into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeFields {
    code: String,
}

pub(super) async fn code(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Form(_, fields): Form<Visitor, CodeFields>,
) -> Response {
    let attempt = cookies::value(&headers, cookies::ATTEMPT).unwrap_or_default();
    let before = cookies::value(&headers, cookies::LOGIN).and_then(|token| token.parse().ok());
    let mark = cookies::value(&headers, cookies::DEVICE).and_then(|mark| mark.parse().ok());
    let mark = mark.unwrap_or_else(DeviceMark::generate);
    let finished = match attempt.parse::<Attempt>() {
        Ok(attempt) => {
            let Bank { store, clock, .. } = &*bank;
            let holder = Holder::Browser(before.as_ref(), Some(&mark));
            LoginAttempts::finish(store, &**clock, &caller, &attempt, &fields.code, holder).await
        }
        Err(error) => Err(error),
    };
    let mut response = match finished {
        Ok((token, _)) => {
            let found = Sessions::find_user(&bank.store, &*bank.clock, &token).await;
            let found = match found {
                Ok(found) => found,
                Err(error) => return pages::failed(&error),
            };
            let user = found.map_or(UserKind::Customer, |found| found.user_kind);
            let mut response = Redirect::to(first_page(&user)).into_response();
            cookies::set(response.headers_mut(), cookies::LOGIN, &token.to_string());
            cookies::set_for_long(response.headers_mut(), cookies::DEVICE, &mark.to_string());
            response
        }
        Err(LoginError::NoMatch) => Redirect::to("/login?problem=1").into_response(),
        Err(LoginError::Bank(error)) => return pages::failed(&error),
    };
    cookies::remove(response.headers_mut(), cookies::ATTEMPT);
    response
}

pub(super) async fn logout(
    State(bank): State<Arc<Bank>>,
    Form(user, NoFields {}): Form<User, NoFields>,
) -> Response {
    let Bank { store, clock, .. } = &*bank;
    if let Err(error) = log_out(store, &**clock, &user.caller, &user.token.key()).await {
        return pages::failed(&error);
    }
    let mut response = Redirect::to("/login").into_response();
    cookies::remove(response.headers_mut(), cookies::LOGIN);
    response
}
