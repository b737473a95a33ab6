//! What happens on a customer's accounts, as their pages are told of it ([`crate::live`]).

use super::forms;
use super::pages::{self, Problem};
use super::query::Query;
use super::session::Onlooker;
use crate::bank::Bank;
use crate::live::{LAST_EVENT_ID, ListenRefused, Live};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

/// From where on a page listens.
#[derive(Deserialize)]
pub(super) struct Since {
    /// Where it was read; a browser that comes back says in a header what it was told last.
    after: Option<String>,
}

/// A stream of events. A page that nobody is logged in with is told not to come back.
pub(super) async fn events(
    State(bank): State<Arc<Bank>>,
    Onlooker(listener): Onlooker,
    Query(Since { after }): Query<Since>,
    headers: HeaderMap,
) -> Response {
    if !forms::is_own(&bank, &headers) {
        return pages::problem(Problem::Forged);
    }
    let Some(listener) = listener else { return StatusCode::NO_CONTENT.into_response() };
    let last = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    match Live::listen(&bank, listener, last.or(after.as_deref())).await {
        Ok(listening) => listening.into_response(),
        Err(ListenRefused::LoginOver) => StatusCode::NO_CONTENT.into_response(),
        Err(ListenRefused::TooMany) => pages::problem(Problem::TooManyPages),
        Err(ListenRefused::Bank(error)) => pages::failed(&error),
    }
}
