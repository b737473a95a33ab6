//! Where a customer is logged in, and ending that.

use super::forms::{Form, NoFields};
use super::pages::{self, Problem};
use super::session::Session;
use crate::bank::Bank;
use crate::customers::{Ending, LoginInUse, end_logins, logins_of};
use crate::error::BankError;
use crate::id::{Id, Login};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage<'a> {
    bank: &'a str,
    csrf: String,
    logins: Vec<LoginRow>,
    has_others: bool,
}

struct LoginRow {
    id: String,
    is_this: bool,
    how: &'static str,
    since: String,
    last_used: String,
}

pub(super) async fn list(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    match logins_of(&bank.store, &*bank.clock, session.customer()).await {
        Ok(logins) => pages::page(&SessionsPage {
            bank: &bank.options.name,
            has_others: 1 < logins.len(),
            logins: logins.iter().map(|login| row(login, session.login.session_id)).collect(),
            csrf: session.csrf,
        }),
        Err(error) => pages::failed(&error),
    }
}

fn row(login: &LoginInUse, this: Id<Login>) -> LoginRow {
    LoginRow {
        id: login.session.session_id.to_string(),
        is_this: login.session.session_id == this,
        how: match login.session.auth_method.as_str() {
            "password+totp" => "Password and code of an app",
            "password+recovery" => "Password and recovery code",
            "password+sms" => "Password and code by message",
            _ => "In another way",
        },
        since: pages::minute(login.session.created_at.into()),
        last_used: pages::minute(login.last_accessed_at.into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginFields {
    session: String,
}

pub(super) async fn end_one(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, LoginFields>,
) -> Response {
    let Ok(login) = fields.session.parse::<Id<Login>>() else {
        return pages::problem(Problem::NotFound);
    };
    ended(&bank, &session, Ending::One(login)).await
}

pub(super) async fn end_others(
    State(bank): State<Arc<Bank>>,
    Form(session, NoFields {}): Form<Session, NoFields>,
) -> Response {
    ended(&bank, &session, Ending::AllBut(session.login.session_id)).await
}

/// The list again; whoever has ended their own is led to the login from there.
async fn ended(bank: &Bank, session: &Session, ending: Ending) -> Response {
    let Bank { store, clock, .. } = bank;
    let orderer = &session.orderer;
    let customer = session.customer();
    let done =
        end_logins(store, &**clock, &orderer.caller, &orderer.authority, customer, ending).await;
    match done {
        // A login that is over already, or never was this customer's: it is not there afterwards either way.
        Ok(_) | Err(BankError::Unmet(_)) => Redirect::to("/sessions").into_response(),
        Err(error) => pages::failed(&error),
    }
}
