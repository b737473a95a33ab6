//! Another authenticator app for who has lost theirs, and their recovery codes: a link that two members of the staff
//! have sent, the password, then the new app.

use super::app_secret::{self, CodeFields, Words};
use super::codes;
use super::cookies;
use super::forms::{self, Form, Visitor};
use super::link::Follower;
use super::pages::{self, Problem};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{FactorRecoveries, Link, NewFactorRefused};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "recover_factor.html")]
struct PasswordPage<'a> {
    bank: &'a str,
    csrf: String,
    token: String,
    problem: String,
}

const ENROL: Words = Words {
    title: "Set up another app",
    advice: "",
    is_logged_in: false,
    button: "Use this app",
    action: "/recover/factor/new",
};

pub(super) async fn form(State(bank): State<Arc<Bank>>, follower: Follower) -> Response {
    show(&bank, &follower, String::new())
}

fn show(bank: &Bank, follower: &Follower, problem: String) -> Response {
    let (csrf, token) = (follower.csrf.clone(), follower.link.to_string());
    let page = PasswordPage { bank: &bank.options.name, csrf, token, problem };
    follower.show(&page, &page.problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordFields {
    token: String,
    password: String,
}

pub(super) async fn confirm(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Form(visitor, fields): Form<Visitor, PasswordFields>,
) -> Response {
    let follower = match Follower::of(&bank, visitor, &fields.token) {
        Ok(follower) => follower,
        Err(problem) => return pages::problem(problem),
    };
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let password = Zeroizing::new(fields.password);
    let Bank { store, clock, passwords, .. } = &*bank;
    let link = &follower.link;
    match FactorRecoveries::confirm(store, &**clock, passwords, &caller, link, password).await {
        Ok(onward) => {
            let mut response = Redirect::to("/recover/factor/new").into_response();
            cookies::set(response.headers_mut(), cookies::FACTOR_RECOVERY, &onward.to_string());
            response
        }
        Err(NewFactorRefused::Bank(error)) => pages::failed(&error),
        Err(NewFactorRefused::NoMatch | NewFactorRefused::Over) => {
            show(&bank, &follower, String::from("the link or the password did not match"))
        }
    }
}

fn link_of(headers: &HeaderMap) -> Option<Link> {
    cookies::value(headers, cookies::FACTOR_RECOVERY)?.parse().ok()
}

pub(super) async fn new_form(State(bank): State<Arc<Bank>>, headers: HeaderMap) -> Response {
    let Some(onward) = link_of(&headers) else { return pages::problem(Problem::LinkIsOver) };
    show_new(&bank, &onward, String::new()).await
}

async fn show_new(bank: &Bank, onward: &Link, problem: String) -> Response {
    match FactorRecoveries::enrolment(&bank.store, &*bank.clock, onward).await {
        Ok(enrolment) => {
            let csrf = bank.form_token(&onward.form_secret());
            app_secret::page(bank, csrf, &enrolment, ENROL, problem)
        }
        Err(refused) => failed(&refused),
    }
}

pub(super) async fn enrol(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(onward) = link_of(&headers) else { return pages::problem(Problem::Forged) };
    let fields: CodeFields = match forms::read(&bank, &headers, &onward.form_secret(), &body) {
        Ok(fields) => fields,
        Err(problem) => return pages::problem(problem),
    };
    if let Err(seconds) = bank.takes_a_try(&caller) {
        return pages::too_often(seconds);
    }
    let Bank { store, clock, .. } = &*bank;
    match FactorRecoveries::enrol(store, &**clock, &caller, &onward, &fields.code).await {
        Ok(codes) => {
            let mut response = codes::sheet(&bank, String::new(), &codes, "/login?notice=factor");
            cookies::remove(response.headers_mut(), cookies::FACTOR_RECOVERY);
            cookies::remove(response.headers_mut(), cookies::LOGIN);
            response
        }
        Err(refused @ NewFactorRefused::NoMatch) => {
            show_new(&bank, &onward, refused.to_string()).await
        }
        Err(refused) => failed(&refused),
    }
}

fn failed(refused: &NewFactorRefused) -> Response {
    match refused {
        NewFactorRefused::Bank(error) => pages::failed(error),
        NewFactorRefused::Over | NewFactorRefused::NoMatch => pages::problem(Problem::LinkIsOver),
    }
}
