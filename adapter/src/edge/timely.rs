//! Nothing is issued while the time is not the ledger's ([`crate::timekeeping`]).

use crate::bank::Bank;
use crate::web;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// Refuses whatever may issue something while the time is not the ledger's.
pub async fn timely(State(bank): State<Arc<Bank>>, request: Request, next: Next) -> Response {
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
