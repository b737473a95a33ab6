//! The API for programs, under `/v1`: JSON, money as integers of the smallest unit, problems by RFC 9457.
//!
//! - Nothing is read from cookies: who asks has a token, and proves with each request that they have the key that
//!   it is bound to ([`app`]).
//! - What is read is read strictly ([`json`]); what is another's is not there.
//! - Whatever goes wrong has a code of the [catalogue](problem::Code).
//!
//! The document that describes it is made from the same types and handlers ([`openapi`]).

mod accounts;
mod answers;
mod app;
mod beneficiaries;
mod challenges;
mod devices;
mod dpop;
mod events;
mod handbook;
mod history;
mod idempotency;
mod json;
mod jws;
mod login;
mod notifications;
mod openapi;
mod opening;
mod parameters;
mod path;
mod problem;
mod profile;
mod rates;
mod recovery;
mod registration;
mod replay;
mod secrets;
mod security;
mod sessions;
mod staff;
mod step_up;
mod time;
mod token;
mod transactions;
mod transfers;

pub(crate) use problem::{told, unreadable};
pub use rates::REQUESTS_PER_MINUTE;
pub use replay::ReplayMemory;
pub use token::AccessTokens;

use crate::bank::Bank;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Html;
use axum::routing::get;
use problem::{Code, Problem};
use std::sync::Arc;
use tracing::error;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a body, at most.
const BODY_BYTES_MAX: usize = 16 << 10;

const JSON: (HeaderName, HeaderValue) =
    (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));

/// The operations, with what describes them.
fn operations() -> OpenApiRouter<Arc<Bank>> {
    OpenApiRouter::new()
        .routes(routes!(login::begin))
        .routes(routes!(login::send_code))
        .routes(routes!(login::verify))
        .routes(routes!(login::refresh))
        .routes(routes!(login::logout))
        .routes(routes!(registration::begin))
        .routes(routes!(registration::confirm))
        .routes(routes!(registration::enrol))
        .routes(routes!(recovery::begin))
        .routes(routes!(recovery::finish))
        .routes(routes!(recovery::confirm_factor))
        .routes(routes!(recovery::enrol_factor))
        .routes(routes!(profile::me))
        .routes(routes!(notifications::get, notifications::set))
        .routes(routes!(devices::all, devices::register))
        .routes(routes!(devices::remove))
        .routes(routes!(security::password))
        .routes(routes!(security::codes, security::new_codes))
        .routes(routes!(security::name))
        .routes(routes!(security::email))
        .routes(routes!(security::confirm_email))
        .routes(routes!(security::factor))
        .routes(routes!(security::finish_factor))
        .routes(routes!(sessions::all))
        .routes(routes!(sessions::end_one))
        .routes(routes!(sessions::end_others))
        .routes(routes!(accounts::all, opening::open))
        .routes(routes!(accounts::one))
        .routes(routes!(opening::close))
        .routes(routes!(history::of_account))
        .routes(routes!(transactions::one))
        .routes(routes!(transfers::begin))
        .routes(routes!(challenges::verify))
        .routes(routes!(challenges::send_code))
        .routes(routes!(beneficiaries::all, beneficiaries::add))
        .routes(routes!(beneficiaries::mark, beneficiaries::remove))
        .routes(routes!(events::listen))
        .merge(staff::operations())
}

/// The OpenAPI document of a bank that is found at an origin.
#[must_use]
pub fn document(origin: &str) -> String {
    openapi::text(origin)
}

/// Everything under `/v1`.
pub(crate) fn router(bank: &Arc<Bank>) -> Router<Arc<Bank>> {
    let (router, _) = operations().split_for_parts();
    let document: Arc<str> = document(&bank.options.origin).into();
    let described = serde_json::from_str(&document).expect("the document is JSON");
    let page: Arc<str> = match handbook::page(&bank.options.name, &described) {
        Ok(page) => page.into(),
        Err(failure) => {
            error!("the page of the API can't be rendered: {failure}");
            Arc::default()
        }
    };
    let router = router
        .route("/openapi.json", get(async move || ([JSON], document.to_string())))
        .route("/docs", get(async move || Html(page.to_string())))
        .merge(staff::clock(bank))
        .fallback(nothing);
    Router::new().nest("/v1", router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)))
}

async fn nothing() -> Problem {
    Code::NotFound.into()
}
