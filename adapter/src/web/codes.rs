//! Recovery codes on a page: shown once, when they are made.

use super::cookies;
use super::forms::Form;
use super::pages;
use super::session::Session;
use crate::bank::Bank;
use crate::customers::{ChangeRefused, NewCodes, codes_left, renew_codes};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "codes.html")]
struct SheetPage<'a> {
    bank: &'a str,
    csrf: String,
    codes: Vec<String>,
    /// Where it goes on.
    onward: &'static str,
}

#[derive(Template)]
#[template(path = "make_codes.html")]
struct MakePage<'a> {
    bank: &'a str,
    csrf: String,
    left: usize,
    problem: String,
}

/// The page with new codes, which nobody gets again; without a token of forms if nobody is logged in.
pub(super) fn sheet(bank: &Bank, csrf: String, codes: &NewCodes, onward: &'static str) -> Response {
    let codes = codes.iter().map(ToString::to_string).collect();
    pages::page(&SheetPage { bank: &bank.options.name, csrf, codes, onward })
}

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    show(&bank, &session, String::new()).await
}

async fn show(bank: &Bank, session: &Session, problem: String) -> Response {
    let left = match codes_left(&bank.store, session.customer()).await {
        Ok(left) => left,
        Err(error) => return pages::failed(&error),
    };
    let page = MakePage { bank: &bank.options.name, csrf: session.csrf.clone(), left, problem };
    pages::form(&page, &page.problem)
}

/// What somebody shows who is logged in and wants a change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepUpFields {
    pub(super) password: String,
    pub(super) code: String,
}

pub(super) async fn make(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, StepUpFields>,
) -> Response {
    if let Err(seconds) = bank.takes_a_try(&session.orderer.caller) {
        return pages::too_often(seconds);
    }
    let step_up = session.step_up(Zeroizing::new(fields.password), &fields.code);
    let Bank { store, clock, passwords, .. } = &*bank;
    match renew_codes(store, &**clock, passwords, &session.orderer.caller, step_up).await {
        Ok((codes, token)) => {
            let csrf = bank.form_token(&token.form_secret());
            let mut response = sheet(&bank, csrf, &codes, "/security");
            cookies::set(response.headers_mut(), cookies::LOGIN, &token.to_string());
            response
        }
        Err(ChangeRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => show(&bank, &session, refused.to_string()).await,
    }
}
