//! Whether the adapter is alive, and whether it should be sent customers: for whatever stands in front of it.

use crate::activation::Standing;
use crate::bank::Bank;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use tracing::debug;

/// It answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The bank is active, the ledger answers, and the time is the ledger's. Why not is for the log: it is nobody's who asks.
pub(super) async fn ready(State(bank): State<Arc<Bank>>) -> (StatusCode, &'static str) {
    if bank.standing == Standing::Copy {
        debug!("not ready: the bank is a copy that nobody has activated");
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready\n");
    }
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
