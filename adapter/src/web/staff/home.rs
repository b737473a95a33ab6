//! The staff's first page: finding a customer.

use super::answer::Refusal;
use crate::bank::Bank;
use crate::staff::care;
use crate::web::forms::Form;
use crate::web::pages;
use crate::web::session::StaffSession;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "staff/home.html")]
struct HomePage<'a> {
    bank: &'a str,
    csrf: String,
    roles: String,
    problem: &'static str,
}

fn page(bank: &Bank, session: StaffSession, problem: &'static str) -> Response {
    let page = HomePage {
        bank: &bank.options.name,
        csrf: session.csrf,
        roles: session.clerk.roles().to_string(),
        problem,
    };
    pages::form(&page, problem)
}

pub(super) async fn home(State(bank): State<Arc<Bank>>, session: StaffSession) -> Response {
    page(&bank, session, "")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindFields {
    customer: String,
}

/// What is looked for is in no address, and so in no history and no log.
pub(super) async fn find(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<StaffSession, FindFields>,
) -> Response {
    match care::find(&bank, &session.clerk, typed.customer.trim()).await.map_err(Refusal::from) {
        Ok(customer) => Redirect::to(&format!("/staff/customers/{customer}")).into_response(),
        Err(Refusal::NoSuch) => {
            page(&bank, session, "no customer has this address or account number")
        }
        Err(refusal) => refusal.answer(),
    }
}
