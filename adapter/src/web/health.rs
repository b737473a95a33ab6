//! Whether the adapter is alive, and whether it should be sent customers: for whatever stands in front of it.

use crate::bank::Bank;
use crate::web;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tracing::debug;

/// It answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The ledger answers, and the time is the ledger's. Why not is for the log: it is nobody's who asks.
pub(super) async fn ready(State(bank): State<Arc<Bank>>) -> (StatusCode, &'static str) {
    match bank.time.check(bank.store.client()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(untimely)) => {
            debug!("not ready: {untimely}");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
        Err(error) => {
            debug!("not ready: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

/// Refuses whatever may issue something while the time is not the ledger's.
pub(super) async fn timely(
    State(bank): State<Arc<Bank>>,
    request: Request,
    next: Next,
) -> Response {
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !only_reads {
        match bank.time.check(bank.store.client()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return web::put_off(),
            Err(error) => return web::failed(&error),
        }
    }
    next.run(request).await
}
